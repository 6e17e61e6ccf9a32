//! An account's usage of a license: its lines against the entries and records
//! of the license's slots.

use std::collections::BTreeMap;

use domain::hour::Hour;
use domain::ids::{AccountId, CloudAccountId, Dimension, LicenseId};
use domain::ledger::account_hour::AccountHour;
use domain::ledger::slot::SlotEntry;
use domain::usage::Part;

use super::account::Looked;
use super::slots::whereabouts;
use super::{AccountHourKey, Difference, EntryFault};
use crate::step::Slot;

/// An account's usage of a license in the hours that are checked.
pub(super) struct Usage<'a> {
    pub(super) account: &'a AccountId,
    pub(super) license: &'a LicenseId,
    /// Those that could be read.
    pub(super) hours: &'a BTreeMap<(Hour, Part), AccountHour>,
    pub(super) slots: &'a [Slot],
}

/// What identifies an entry of the account: hour of use, part, slot first entered.
type EntryName = (Hour, Part, Hour);

impl<'a> Usage<'a> {
    /// Compares every line with its entry, and their sums with what is accounted for.
    pub(super) fn look(&self, looked: &mut Looked) {
        self.look_at_entries(looked);
        self.look_at_sums(looked);
    }

    fn look_at_entries(&self, looked: &mut Looked) {
        let lines = self.lines();
        let entries = self.entries();
        for (name, expected) in &lines {
            let found = entries.get(name).map_or(&[][..], Vec::as_slice);
            looked.differences_of(self.entry_fault(*name, entry_fault(expected, found)));
        }
        for (name, found) in &entries {
            if let (false, [(lies_in, entry), ..]) = (lines.contains_key(name), found.as_slice()) {
                let fault = EntryFault::WithoutLines {
                    entry: total(entry),
                    lies_in: *lies_in,
                };
                looked.differences_of(self.entry_fault(*name, Some(fault)));
            }
        }
    }

    /// Per hour of use and dimension: the lines that went into slots against
    /// what is billed, waiting, or closed for a reason.
    fn look_at_sums(&self, looked: &mut Looked) {
        let mut sums: BTreeMap<(Hour, &Dimension), (u64, u64)> = BTreeMap::new();
        for hour in self.hours.values() {
            for line in &hour.lines {
                if line.license == *self.license && line.target.lies_in().is_some() {
                    let of = sums.entry((hour.hour, &line.dimension)).or_default();
                    of.0 += u64::from(line.count);
                }
            }
        }
        for slot in self.slots {
            for (entry, dimension, place, computer_hours) in whereabouts(slot) {
                if self.is_of_hours(entry) {
                    looked.sums.put(place, computer_hours);
                    sums.entry((entry.hour, dimension)).or_default().1 += computer_hours;
                }
            }
        }
        for ((hour, dimension), (lines, accounted)) in sums {
            looked.differences_of((lines != accounted).then(|| Difference::License {
                license: self.license.clone(),
                dimension: dimension.clone(),
                hour,
                account: self.account.clone(),
                lines,
                accounted,
            }));
        }
    }

    /// What should be in the license's slots, as account-hours say.
    fn lines(&self) -> BTreeMap<EntryName, SlotEntry> {
        let mut entries = BTreeMap::new();
        for ((of, part), hour) in self.hours {
            for line in &hour.lines {
                if let (true, Some(slot)) = (line.license == *self.license, line.target.lies_in()) {
                    entries
                        .entry((*of, *part, slot))
                        .or_insert_with(|| hour.entry(self.license, slot));
                }
            }
        }
        entries
    }

    /// What is there, and in which slots.
    fn entries(&self) -> BTreeMap<EntryName, Vec<(Hour, &'a SlotEntry)>> {
        let mut found: BTreeMap<EntryName, Vec<(Hour, &SlotEntry)>> = BTreeMap::new();
        for slot in self.slots {
            for entry in slot.entries.iter().filter(|entry| self.is_of_hours(entry)) {
                let name = (entry.hour, entry.part, entry.origin);
                found.entry(name).or_default().push((slot.head.hour, entry));
            }
        }
        found
    }

    fn is_of_hours(&self, entry: &SlotEntry) -> bool {
        entry.account == *self.account && self.hours.contains_key(&(entry.hour, entry.part))
    }

    fn entry_fault(
        &self,
        (hour, part, slot): EntryName,
        fault: Option<EntryFault>,
    ) -> Option<Difference> {
        fault.map(|fault| Difference::Entry {
            of: AccountHourKey {
                account: self.account.clone(),
                part,
                hour,
            },
            license: self.license.clone(),
            slot,
            fault,
        })
    }
}

fn entry_fault(expected: &SlotEntry, found: &[(Hour, &SlotEntry)]) -> Option<EntryFault> {
    let lines = total(expected);
    match found {
        [] => Some(EntryFault::Missing { lines }),
        [(lies_in, entry)] => (amounts(entry) != amounts(expected)).then(|| EntryFault::Differs {
            lines,
            entry: total(entry),
            lies_in: *lies_in,
        }),
        several => Some(EntryFault::InSeveralSlots {
            lines,
            slots: several.len(),
        }),
    }
}

fn total(entry: &SlotEntry) -> u64 {
    let amounts = entry.amounts.iter();
    amounts.map(|amount| u64::from(amount.count)).sum()
}

/// An entry's computer-hours, in whatever order they are stored.
fn amounts(entry: &SlotEntry) -> BTreeMap<(&Dimension, Option<&CloudAccountId>), u64> {
    let mut sums = BTreeMap::new();
    for amount in &entry.amounts {
        let of = (&amount.dimension, amount.cloud_account.as_ref());
        *sums.entry(of).or_default() += u64::from(amount.count);
    }
    sums
}
