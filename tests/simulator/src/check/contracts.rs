//! Contracts with consumption.

use domain::ledger::slot::SlotState;

use super::{Found, Settled};

const CHECK: &str = "included";

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
}
