//! Contracts with consumption.

use domain::hour::{Hour, after};
use domain::ledger::slot::SlotState;
use domain::license::ANSWER_AWAITED_FOR;

use super::{Found, Settled, name_of};
use crate::cast;
use crate::schedule::dimension;

const CHECK: &str = "included";
const AWAITED: &str = "cover awaited";

/// What freezes took of a contract is what it says is used, and no more than it covers.
pub(super) fn check(settled: &Settled<'_>, found: &mut Found) {
    let taken: u64 = settled
        .heads()
        .map(|head| match &head.state {
            SlotState::Frozen { included, .. } => included.values().copied().map(u64::from).sum(),
            SlotState::Open
            | SlotState::Carrying { .. }
            | SlotState::Carried { .. }
            | SlotState::Closed { .. } => 0,
        })
        .sum();
    let periods = || settled.world.tables.included();
    let used: u64 = periods().map(|period| period.used).sum();
    if used != taken && settled.story.forgotten.is_empty() {
        found.fails(CHECK, format!("{used} used, {taken} taken"));
    }
    for period in periods().filter(|period| period.used > period.granted) {
        found.fails(CHECK, format!("{} used of {}", period.used, period.granted));
    }
    nothing_metered_that_is_covered(settled, found);
}

/// What AWS said in time to be covered was used up before anything was metered:
/// nothing was while it was not known.
fn nothing_metered_that_is_covered(settled: &Settled<'_>, found: &mut Found) {
    let Some(cover) = settled.world.cover else {
        return;
    };
    let since = cover.unknown.since;
    let in_time = |at| at < after(since, ANSWER_AWAITED_FOR);
    let mut periods = settled.world.tables.included();
    let unused = periods.any(|period| period.used < period.granted);
    if !unused || !cover.known_at.is_some_and(in_time) {
        return;
    }
    let first = Hour::of(since);
    let metered = settled.records().filter(|record| {
        record.usage.license.id() == &cast::license(0)
            && record.usage.dimension == dimension(0)
            && first <= record.slot
            && record.usage.quantity.get() > 0
    });
    for record in metered {
        found.fails(
            AWAITED,
            format!("{} is metered, and covered", name_of(record)),
        );
    }
}
