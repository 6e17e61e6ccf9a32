//! Many licenses, of many of which AWS does not know a dimension.

use domain::ledger::record::Record;
use jiff::Timestamp;

use crate::aws::key_of;
use crate::cast::LARGEST_CROWD;
use crate::schedule::{Action, Schedule, Setting, Story};

/// As many as there may be.
const CROWD: u8 = LARGEST_CROWD;

/// Runs of submission.
const RUNS: usize = 3;

/// The dimension of a third of their records.
const TIER: u8 = 1;

fn schedule() -> Schedule {
    let start: Timestamp = "2026-11-10T09:30:00Z".parse().unwrap();
    Schedule {
        setting: Setting {
            poison_stays: true,
            ..Setting::ordinary(start)
        },
        actions: vec![
            Action::Crowd { size: CROWD },
            Action::Finish,
            Action::Missing {
                tier: TIER,
                is: true,
            },
            Action::Advance { minutes: 42 },
            Action::Minutes { minutes: 3 },
        ],
    }
}

#[test]
fn a_dimension_that_aws_does_not_know_holds_up_no_other() {
    let schedule = schedule();
    let mut world = schedule.world_with(|_| {});
    let mut story = Story::default();
    schedule
        .actions
        .iter()
        .for_each(|action| world.act(action, &mut story));
    let missing = world.aws.missing.first().unwrap();
    let records: Vec<&Record> = world.tables.records().collect();
    let is_poison = |record: &&&Record| record.usage.dimension == *missing;
    let poison = records.iter().filter(is_poison).count();
    assert!(poison > 40, "more than are found one by one: {poison}");
    let is_sent = |record: &&Record| world.aws.accepted.contains_key(&key_of(&record.usage));
    let sent = records.iter().filter(|record| is_sent(record)).count();
    assert_eq!(sent, records.len() - poison);
    let (needed, calls) = (records.len().div_ceil(25), world.aws.calls.len());
    // Ten find one; the three others under way meanwhile are halved as well.
    assert!(
        calls <= needed + RUNS * 3 * 10,
        "{calls} calls, {needed} needed"
    );
}
