//! What one record that AWS refuses, or always fails on, costs the others.
//!
//! A schedule in which nothing else goes wrong is played a second time without
//! such records, and both are held side by side, run by run.
//!
//! One that is refused costs ten calls in the run that sends it first, and no
//! other record more than the time of those. One that AWS fails on costs a run
//! before that: a first 500 is taken for AWS's own fault, and stops it. Each
//! further one costs as much again at the most, five of them in one run. From
//! then on each is tried in calls of its own.

use jiff::{SignedDuration, Timestamp};

use super::Violation;
use crate::aws::Cause;
use crate::schedule::Story;
use crate::world::World;

/// Ten extra calls find one record among 25 that makes calls fail.
const CALLS_TO_FIND_ONE: usize = 10;

/// The time between two calls.
const BETWEEN_CALLS: SignedDuration = SignedDuration::from_millis(100);

/// A call may come later than planned by the others under way.
const UNDER_WAY: usize = 4;

/// How many records there are that AWS refuses, and that it fails on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Poisoned {
    /// It refuses every call that holds one.
    pub refused: usize,
    /// It fails on every call that holds one.
    pub failed: usize,
}

impl Poisoned {
    /// A first 500 that stops a run while another record is sought costs the
    /// halves that were not sent: they are two calls again.
    fn extra_calls(self) -> usize {
        let all = self.refused + self.failed;
        let sought_again = 2 * self.failed.min(all.saturating_sub(1));
        CALLS_TO_FIND_ONE * all + sought_again
    }

    /// In which run another record is settled at the latest, by that of its
    /// being settled without poison.
    fn runs_later(self) -> usize {
        self.failed
    }

    fn time_in_a_run(self) -> SignedDuration {
        let calls = i32::try_from(self.extra_calls() + UNDER_WAY).unwrap_or(i32::MAX);
        BETWEEN_CALLS.saturating_mul(calls)
    }
}

/// Where poison delays other records by more than its calls.
pub fn delayed_neighbours(
    with: &World,
    without: &World,
    story: &Story,
    poisoned: Poisoned,
) -> Vec<Violation> {
    let mut found = later_than_without(with, without, story.over, poisoned);
    found.extend(more_calls_than_without(with, without, poisoned));
    let violation = |what| Violation {
        check: "poison delays",
        what,
    };
    found.into_iter().map(violation).collect()
}

/// Every record that is no poison is accepted in the run in which it is without
/// any, or as many later as AWS failed in, by the calls' time later in it. The
/// two worlds' clocks differ by what earlier runs took: a run counts from its
/// own beginning.
fn later_than_without(
    with: &World,
    without: &World,
    over: Timestamp,
    poisoned: Poisoned,
) -> Vec<String> {
    let mut late = Vec::new();
    for (key, sent) in &without.aws.sent {
        let Some((at, Some(run))) = sent.accepted.filter(|(at, _)| *at < over) else {
            continue;
        };
        if with.aws.poison.contains_key(key) {
            continue;
        }
        let accepted = with.aws.sent.get(key).and_then(|sent| sent.accepted);
        let place = |world: &World, run| world.submitted.iter().position(|s| s.by.number == run);
        let (Some(first), Some((with_at, Some(with_run)))) = (place(without, run), accepted) else {
            late.push(format!("{key:?} is never accepted"));
            continue;
        };
        let last = place(with, with_run).unwrap_or(usize::MAX);
        let since = |world: &World, run: usize, at: Timestamp| {
            let began = world.submitted.get(run).map_or(at, |run| run.by.began);
            at.duration_since(began)
        };
        let later = since(with, last, with_at) - since(without, first, at);
        let in_time = last < first || last == first && later <= poisoned.time_in_a_run();
        let runs_later = last.saturating_sub(first);
        if !in_time && (runs_later == 0 || runs_later > poisoned.runs_later()) {
            late.push(format!(
                "{key:?} is accepted {runs_later} runs later, at {with_at}, and without poison at {at}"
            ));
        }
    }
    late
}

/// Up to any run there were no more calls than without poison but ten for each
/// poison record, one that AWS failed on at first, and those of known poison alone.
fn more_calls_than_without(with: &World, without: &World, poisoned: Poisoned) -> Option<String> {
    let extra = poisoned.extra_calls() + poisoned.failed;
    let times = |world: &World| -> Vec<Timestamp> {
        let calls = world.aws.calls.iter();
        let counted = calls.filter(|call| call.cause != Cause::KnownToFail);
        counted.map(|call| call.at).collect()
    };
    let (all_made, all_needed) = (times(with), times(without));
    let mut runs = with.submitted.iter().zip(&without.submitted);
    runs.find_map(|(run, same)| {
        let made = all_made.partition_point(|at| *at <= run.ended);
        let needed = all_needed.partition_point(|at| *at <= same.ended);
        (made > needed + extra)
            .then(|| format!("{made} calls by {}, {needed} without poison", run.ended))
    })
}
