//! Running a schedule to its verdict.

use crate::aws::Poison;
use crate::cast;
use crate::check::{Poisoned, Violation, delayed_neighbours, violations};
use crate::schedule::{Action, LIVENESS_HOURS, Schedule, Story};
use crate::world::{Job, World};

/// Plays a schedule, lets everything settle, and says what does not hold. One
/// with nothing wrong but poison records is played without them as well.
pub fn run(schedule: &Schedule) -> Vec<Violation> {
    let (world, story) = settled(schedule);
    let mut found = violations(&world, schedule, &story);
    if let Some(poisoned) = schedule.only_poison() {
        let (without, _) = settled(&schedule.without_poison());
        found.extend(delayed_neighbours(&world, &without, &story, poisoned));
    }
    found
}

/// Plays a schedule and lets everything settle.
pub fn settled(schedule: &Schedule) -> (World, Story) {
    settled_with(schedule, |_| {})
}

/// The same, with something done to the world before anything is in it.
pub fn settled_with(schedule: &Schedule, prepare: impl FnOnce(&mut World)) -> (World, Story) {
    let mut world = schedule.world_with(prepare);
    let mut story = Story::default();
    let mut sent: Vec<Job> = Vec::new();
    for action in &schedule.actions {
        world.act(action, &mut story);
        if let Some(task) = world.tasks.last()
            && matches!(action, Action::Report { .. })
        {
            sent.push(task.job.clone());
        }
    }
    story.over = world.now();
    let again = unacknowledged(&world, sent);
    let hours = LIVENESS_HOURS + schedule.hours_more();
    world.settle(&again, hours, schedule.setting.poison_stays);
    (world, story)
}

/// What the product sends again, for it was not told that it arrived. Of
/// several reports with one id each is: one of them may be stored, and all
/// others are refused for it.
fn unacknowledged(world: &World, sent: Vec<Job>) -> Vec<Job> {
    sent.into_iter()
        .filter(|job| match job {
            Job::Record(report) => {
                let id = (
                    report.account.clone(),
                    report.hour,
                    report.report_id.to_string(),
                );
                !world.acknowledged.contains_key(&id)
            }
            Job::Post | Job::Submit => false,
        })
        .collect()
}

impl Schedule {
    /// Zeros are sent up to 22 hours after their hour: time for one of them. A
    /// submitter whose clock was ahead put its records off until then.
    fn hours_more(&self) -> i64 {
        let is_ahead = |action: &Action| matches!(action, Action::Submit { ahead } if *ahead > 0);
        let ahead = self.actions.iter().any(is_ahead);
        i64::from(self.setting.zeros) * 24 + i64::from(ahead) * 3
    }
}

impl Schedule {
    /// How many poison records there are, if nothing else goes wrong and
    /// procedures run one after another; `None` without any.
    fn only_poison(&self) -> Option<Poisoned> {
        let mut poisoned = Poisoned::default();
        for action in &self.actions {
            match action {
                Action::Poison { how, .. } => match how {
                    Poison::Refused => poisoned.refused += 1,
                    Poison::Failed => poisoned.failed += 1,
                },
                Action::Advance { .. }
                | Action::Report { .. }
                | Action::Crowd { .. }
                | Action::Finish
                | Action::Minutes { .. }
                | Action::Link { .. }
                | Action::Unlink { .. } => {}
                Action::Post { .. }
                | Action::Submit { .. }
                | Action::Go { .. }
                | Action::StoreFails { .. }
                | Action::Crash { .. }
                | Action::End { .. }
                | Action::Learn { .. }
                | Action::Renew { .. }
                | Action::LearnRenewed { .. }
                | Action::Foreign { .. }
                | Action::CallFails(_)
                | Action::Outage { .. }
                | Action::Suspend { .. }
                | Action::Missing { .. }
                | Action::Unpropagated { .. }
                | Action::AlwaysFails { .. }
                | Action::Switch { .. }
                | Action::Grant { .. }
                | Action::CoverUnknown
                | Action::CoverKnown { .. }
                | Action::NextPeriod { .. }
                | Action::BackUp
                | Action::Restore
                | Action::Resend => return None,
            }
        }
        (poisoned != Poisoned::default()).then_some(poisoned)
    }

    fn without_poison(&self) -> Self {
        let is_poison = |action: &&Action| matches!(action, Action::Poison { .. });
        let others = self.actions.iter().filter(|action| !is_poison(action));
        Self {
            setting: self.setting,
            actions: others.cloned().collect(),
        }
    }
}

/// The name of an account in a schedule told in words.
pub fn account_name(number: u8) -> &'static str {
    cast::ACCOUNT_NAMES[usize::from(number % cast::ACCOUNTS)]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::draw::schedule;

    #[test]
    fn a_seed_gives_the_same_world_bit_for_bit() {
        for seed in 0..20 {
            let schedule = schedule(seed);
            let worlds = [settled(&schedule).0, settled(&schedule).0];
            let [first, second] = worlds.map(|world| {
                let sent = (world.aws.accepted, world.aws.calls);
                format!("{:?} {sent:?} {:?}", world.tables, world.notices)
            });
            assert_eq!(first, second, "seed {seed}");
        }
    }
}
