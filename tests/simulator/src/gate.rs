//! The gate before a freeze, seen from outside.

use domain::hour::{Hour, after, before};
use domain::ids::{AccountId, LicenseId};
use domain::ledger::deadline::slot_deadline;
use domain::ledger::slot::LicenseTerms;
use jiff::SignedDuration;

use crate::check::Violation;
use crate::truth;
use crate::world::World;

/// A live license's slot is not frozen from so long before its deadline on: it
/// could still be carried, and what is sent so late may be refused.
const NOT_FROZEN_BEFORE_DEADLINE: SignedDuration = SignedDuration::from_mins(10);

/// A slot is waited for so long after its hour.
const WAITED_FOR: SignedDuration = SignedDuration::from_mins(45);

/// Whether a live license's slot is frozen so late that it should be carried.
pub(crate) fn frozen_too_late(world: &World, license: &LicenseId, hour: Hour) -> Option<Violation> {
    let terms = world.tables.license(license).and_then(LicenseTerms::of)?;
    let deadline = slot_deadline(hour, terms.active_since, None);
    let late = before(deadline, NOT_FROZEN_BEFORE_DEADLINE) <= world.now();
    (terms.end.is_none() && late).then(|| Violation {
        check: "frozen too late",
        what: format!(
            "{license} {hour} at {}, its deadline is {deadline}",
            world.now()
        ),
    })
}

/// Whether usage that was acknowledged was left out of a freeze which should
/// have waited for it: of a live license's slot, less than 45 minutes after its
/// hour, while of an account that was linked to it in that hour an acknowledged
/// computer that somebody pays for is not posted. `world` is that of the freeze,
/// with what was acknowledged before the submitter began.
pub fn frozen_too_early(world: &World, license: &LicenseId, hour: Hour) -> Option<Violation> {
    let known = world.tables.license(license)?;
    let held = world.tables.holds().any(|hold| hold.license == *license);
    if known.has_ended() || held || after(hour.end(), WAITED_FOR) <= world.now() {
        return None;
    }
    let linked = |account: &AccountId| {
        let mut links = world.tables.links().iter();
        links.any(|link| {
            link.license == *license
                && link.account == *account
                && link.overlaps(hour.start(), hour.end())
        })
    };
    let reports = truth::reports(world);
    let hours = truth::computer_hours(world, &reports);
    hours
        .iter()
        .filter(|((account, _, of), _)| *of == hour && linked(account))
        .find_map(|((account, part, _), computers)| {
            let posted: u64 = world
                .tables
                .account_hours()
                .filter(|stored| {
                    (&stored.account, stored.part, stored.hour) == (account, *part, hour)
                })
                .flat_map(|stored| &stored.lines)
                .map(|line| u64::from(line.count))
                .sum();
            let least = computers.least() as u64;
            (posted < least).then(|| Violation {
                check: "frozen before posted",
                what: format!(
                    "{license} {hour}: {account} part {} has {least} computers, {posted} posted",
                    part.0
                ),
            })
        })
}
