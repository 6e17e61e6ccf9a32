//! Conservation: lines are entries, entries are records.

use std::collections::{BTreeMap, BTreeSet};

use domain::ids::Dimension;
use domain::ledger::included::IncludedUsage;
use domain::ledger::slot::SlotState;

use super::{Found, Settled, Slot};
use crate::conservation;

pub(super) fn check(settled: &Settled<'_>, found: &mut Found) {
    entries_are_the_lines(settled, found);
    records_are_the_entries(settled, found);
    the_ledgers_own_check_agrees(settled, found);
}

/// Every line that went into a slot lies, with its account-hour's other
/// lines there, in exactly one slot, under the slot that it first entered.
fn entries_are_the_lines(settled: &Settled<'_>, found: &mut Found) {
    let tables = &settled.world.tables;
    let mut lines: BTreeMap<_, u64> = BTreeMap::new();
    for hour in tables.account_hours() {
        for line in &hour.lines {
            if let Some(origin) = line.target.lies_in() {
                let key = (
                    &line.license,
                    origin,
                    &hour.account,
                    hour.part,
                    hour.hour,
                    &line.dimension,
                );
                *lines.entry(key).or_default() += u64::from(line.count);
            }
        }
    }
    let mut entries: BTreeMap<_, u64> = BTreeMap::new();
    for (license, _, entry) in tables.entries() {
        for amount in &entry.amounts {
            let key = (
                license,
                entry.origin,
                &entry.account,
                entry.part,
                entry.hour,
                &amount.dimension,
            );
            *entries.entry(key).or_default() += u64::from(amount.count);
        }
    }
    if lines == entries {
        return;
    }
    let keys: BTreeSet<_> = lines.keys().chain(entries.keys()).collect();
    for key in keys {
        let (line, entry) = (lines.get(key), entries.get(key));
        if line != entry {
            found.fails(
                "conservation",
                format!("{key:?}: lines {line:?}, entries {entry:?}"),
            );
        }
    }
}

/// A frozen slot's entries are what is included and what is in its records.
fn records_are_the_entries(settled: &Settled<'_>, found: &mut Found) {
    for ((license, hour), slot) in &settled.slots {
        match slot.head.map(|head| &head.state) {
            Some(SlotState::Frozen { included, .. }) => {
                for (dimension, (entries, frozen)) in slot_sums(slot, included) {
                    if entries != frozen {
                        found.fails(
                            "conservation",
                            format!(
                                "{license} {hour} {dimension}: entries {entries}, \
                                 frozen and included {frozen}"
                            ),
                        );
                    }
                }
            }
            Some(SlotState::Carried { .. }) if !slot.entries.is_empty() => found.fails(
                "conservation",
                format!("{license} {hour}: carried, and entries are left"),
            ),
            Some(
                SlotState::Open
                | SlotState::Carrying { .. }
                | SlotState::Carried { .. }
                | SlotState::Closed { .. },
            )
            | None => {}
        }
    }
}

/// By dimension, what a frozen slot's entries hold, and what is included and frozen.
fn slot_sums<'a>(
    slot: &Slot<'a>,
    included: &'a [IncludedUsage],
) -> BTreeMap<&'a Dimension, (u64, u64)> {
    let mut sums: BTreeMap<&Dimension, (u64, u64)> = BTreeMap::new();
    for entry in &slot.entries {
        for amount in &entry.amounts {
            sums.entry(&amount.dimension).or_default().0 += u64::from(amount.count);
        }
    }
    for covered in included {
        let sums = sums.entry(&covered.dimension).or_default();
        sums.1 += u64::from(covered.computer_hours);
    }
    for record in &slot.records {
        let quantity = u64::from(record.usage.quantity.get());
        sums.entry(&record.usage.dimension).or_default().1 += quantity;
    }
    sums
}

/// The ledger's own check, which runs hourly in production, finds nothing
/// of any hour that was reported; and every computer-hour is in one class.
fn the_ledgers_own_check_agrees(settled: &Settled<'_>, found: &mut Found) {
    const CHECK: &str = "conservation (ledger's own)";
    let hours = settled.world.tables.reported_hours();
    let own = match conservation::of(settled.world, &hours) {
        Ok(own) => own,
        Err(error) => return found.fails(CHECK, error),
    };
    for difference in &own.differences {
        // Poison may be waiting for somebody to mend it.
        if !(difference.only_waits() && settled.schedule.setting.poison_stays) {
            found.fails(CHECK, difference);
        }
    }
    let sums = own.sums;
    let lies = sums.lines + sums.released;
    if sums.reported != sums.lines + sums.unbillable || lies != sums.accounted() {
        found.fails(CHECK, format!("{sums:?}"));
    }
}
