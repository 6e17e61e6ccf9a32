//! Carrying: usage that missed its own slot goes into the next open one.

use domain::ledger::account_hour::WriteOff;
use domain::ledger::slot::{LicenseTerms, SlotEntry, SlotHead, SlotState};
use domain::mutant;

use super::Submitter;
use super::freezing::{SlotDone, SlotError, WrittenOff};
use crate::posting::{FirstOpen, first_open};
use crate::step::{Carry, Written};

/// How many entries one transaction moves: two actions each, and one for each
/// of the two heads, of the 100 that DynamoDB takes.
const ENTRIES_AT_ONCE: usize = 49;

/// How often a carry that lost to somebody else is decided again in one run.
const MAX_TRIES: usize = 20;

impl Submitter<'_> {
    /// Moves a slot's entries whole into the next open slot, in as many
    /// transactions as they need. What is past its carry horizon stays and is
    /// written off, and so is what no slot of a license takes that has ended meanwhile.
    pub(super) async fn carry(
        &self,
        terms: &LicenseTerms,
        head: SlotHead,
    ) -> Result<SlotDone, SlotError> {
        let (license, hour) = (head.license.clone(), head.hour);
        let mut head = head;
        for _ in 0..MAX_TRIES {
            let Some(slot) = self.steps.slot(license.clone(), hour).await? else {
                return Ok(SlotDone::Nothing);
            };
            let Some(carry) = self.next_carry(terms, head, &slot.entries).await? else {
                return Ok(SlotDone::WaitsForUsage);
            };
            let over = !matches!(carry.then, SlotState::Carrying { .. });
            let left: Vec<SlotEntry> = slot
                .entries
                .into_iter()
                .filter(|entry| !carry.moved.contains(entry))
                .collect();
            if self.steps.carry(carry).await? == Written::Committed && over {
                return Ok(SlotDone::Carried(WrittenOff::of(left_for(terms), &left)));
            }
            match self.steps.slot_head(license.clone(), hour).await? {
                Some(now) if matches!(now.state, SlotState::Open | SlotState::Carrying { .. }) => {
                    head = now;
                }
                Some(_) | None => return Ok(SlotDone::Nothing),
            }
        }
        Ok(SlotDone::WaitsForUsage)
    }

    /// The next transaction of a carry; `None` when no slot takes the entries now.
    async fn next_carry(
        &self,
        terms: &LicenseTerms,
        head: SlotHead,
        entries: &[SlotEntry],
    ) -> Result<Option<Carry>, SlotError> {
        let now = self.steps.now();
        let mut into = None;
        let mut moved: Vec<SlotEntry> = Vec::new();
        let mut to_come = false;
        for entry in entries {
            let first = head.hour.next();
            let horizon = entry.hour.plus(self.rules.carry.hours);
            if horizon < first || into.is_some_and(|into| into > horizon) {
                continue;
            }
            if into.is_none() {
                let open = first_open(self.steps, self.rules, terms, entry.hour, first, now);
                into = match open.await? {
                    FirstOpen::Slot(slot) => Some(slot),
                    FirstOpen::None(_) => continue,
                    FirstOpen::NotYet => return Ok(None),
                };
            }
            if moved.len() == ENTRIES_AT_ONCE {
                to_come = true;
                break;
            }
            moved.push(entry.clone());
        }
        let left = entries.len() - moved.len();
        let then = if to_come {
            SlotState::Carrying { since: now }
        } else if left > 0 {
            SlotState::Closed {
                at: now,
                reason: left_for(terms),
            }
        } else {
            SlotState::Carried { at: now }
        };
        if mutant!(CarriedEntryIsTheNextHoursOwn) {
            for entry in &mut moved {
                entry.origin = into.unwrap_or(entry.origin);
            }
        }
        Ok(Some(Carry {
            head,
            into: into.filter(|_| !moved.is_empty()),
            moved,
            then,
        }))
    }
}

/// Why entries are left that no slot takes.
fn left_for(terms: &LicenseTerms) -> WriteOff {
    if terms.end.is_some() {
        WriteOff::LicenseEnded
    } else {
        WriteOff::TooLate
    }
}
