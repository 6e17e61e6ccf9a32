//! Two hours after the faults stopped nothing waits any more.

use domain::hour::before;
use domain::ledger::record::{Record, RecordState};
use domain::ledger::slot::SlotState;
use jiff::SignedDuration;

use super::{Found, Settled, name_of};

const CHECK: &str = "not settled";

pub(super) fn check(settled: &Settled<'_>, found: &mut Found) {
    for record in settled.records() {
        if let RecordState::Frozen { .. } = record.state
            && !may_wait(settled, record)
        {
            found.fails(CHECK, format!("{} is not settled", name_of(record)));
        }
    }
    let now = settled.world.now();
    for head in settled.heads() {
        let used = settled
            .entries_in(&head.license, head.hour)
            .iter()
            .any(|entry| !entry.amounts.is_empty());
        let over = before(now, SignedDuration::from_mins(60)) >= head.hour.end();
        let is_open = matches!(head.state, SlotState::Open | SlotState::Carrying { .. });
        if used && over && is_open {
            found.fails(
                CHECK,
                format!("{} {} is {:?}", head.license, head.hour, head.state),
            );
        }
    }
    if settled.world.tables.marker_count() > 0 {
        found.fails(CHECK, "late markers are left");
    }
    for hold in settled.world.tables.holds() {
        let accepted = settled.records().any(|record| {
            *record.usage.license.id() == hold.license
                && matches!(record.state, RecordState::Billed { at, .. } if at >= hold.since)
        });
        if accepted {
            found.fails(CHECK, format!("the hold of {} is left", hold.license));
        }
    }
}

/// Whether AWS still refuses a record, or fails on it, and will until somebody mends it.
fn may_wait(settled: &Settled<'_>, record: &Record) -> bool {
    settled.schedule.setting.poison_stays && settled.world.aws.is_poison(&record.usage)
}
