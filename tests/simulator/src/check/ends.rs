//! Licenses that ended.

use domain::ledger::account_hour::Target;
use domain::ledger::deadline::last_hour;

use super::{Found, Settled};

/// No usage of an ended license went into a slot after its last hour once the
/// end was known.
pub(super) fn check(settled: &Settled<'_>, found: &mut Found) {
    for hour in settled.world.tables.account_hours() {
        for line in &hour.lines {
            let (Target::Slot(slot), Some(end)) = (line.target, settled.end_of(&line.license))
            else {
                continue;
            };
            if slot > last_hour(&end) && slot.start() > end.learned_at {
                found.fails(
                    "after the end",
                    format!("{} {slot} after its end", line.license),
                );
            }
        }
    }
}
