//! Freezing slots for the next calls, and what else becomes of open ones.

use std::collections::BTreeSet;

use domain::hour::{Hour, after};
use domain::ids::{AccountId, LicenseId};
use domain::ledger::account_hour::WriteOff;
use domain::ledger::deadline::{OpenSlot, closed_at, open_slot, slot_deadline, zero_due};
use domain::ledger::record::{Record, SET_ASIDE_FOR};
use domain::ledger::slot::{
    FreezeTerms, FrozenUsage, LicenseTerms, SlotEntry, SlotHead, SlotState, freeze,
};
use domain::mutant;
use domain::quantity::QuantityTooLarge;
use domain::usage::{Part, Shard};
use futures_util::stream::{self, StreamExt};
use jiff::Timestamp;

use super::prepared::Ready;
use super::{CONCURRENCY, Submitter};
use crate::notice::{Notice, chain};
use crate::step::{Carry, Freeze, Slot, StepError, Work, Written};

/// The slot's deadline by the license's terms.
fn deadline(terms: &LicenseTerms, slot: Hour) -> Timestamp {
    slot_deadline(slot, terms.active_since, terms.end.as_ref())
}

/// Why nothing could be done with a slot that is due.
#[derive(Debug, thiserror::Error)]
pub(super) enum SlotError {
    /// The store failed.
    #[error("the store failed")]
    Store(#[from] StepError),
    /// It holds more than AWS takes in one record.
    #[error("it holds more than AWS takes in one record")]
    TooLarge(#[from] QuantityTooLarge),
}

/// What looking at a due slot came to.
pub(super) enum SlotDone {
    /// It is frozen into these records, their first attempts counted.
    Frozen(Vec<Record>, LicenseTerms),
    /// It is frozen, and none of it is to be sent: it may have been.
    InDoubt(Vec<Record>),
    /// Its entries went into later slots.
    Carried(WrittenOff),
    /// It is closed, its entries written off.
    Closed(WrittenOff),
    /// It waits for usage to be posted.
    WaitsForUsage,
    /// It waits for its license's hold, for its product's switch, or for AWS to
    /// say what the license's contract covers of it.
    Waits(LicenseTerms),
    /// It is past its deadline, and it is too early to close it.
    PastDeadline(LicenseTerms),
    /// Nothing is to be done now, or somebody else did it.
    Nothing,
}

/// Computer-hours that are written off with a slot.
pub(super) struct WrittenOff {
    pub(super) reason: WriteOff,
    pub(super) computer_hours: u64,
}

impl WrittenOff {
    pub(super) fn of(reason: WriteOff, entries: &[SlotEntry]) -> Self {
        let amounts = entries.iter().flat_map(|entry| &entry.amounts);
        Self {
            reason,
            computer_hours: amounts.map(|amount| u64::from(amount.count)).sum(),
        }
    }
}

impl Submitter<'_> {
    /// Does what is due with the next slots, as many as the call has room for.
    pub(super) async fn take_up_slots(&mut self, missing: usize) {
        let names: Vec<(LicenseId, Hour)> = self
            .slots
            .drain(..missing.min(self.slots.len()))
            .filter(|slot| self.seen_slots.insert(slot.clone()))
            .collect();
        let this = &*self;
        let looks: Vec<_> = names
            .iter()
            .map(|(license, hour)| this.look_at_slot_or_put_off(license, *hour))
            .collect();
        let done: Vec<_> = stream::iter(looks).buffered(CONCURRENCY).collect().await;
        for ((license, slot), done) in names.into_iter().zip(done) {
            match done {
                Ok(done) => self.slot_done(&license, slot, done),
                Err(error) => {
                    self.run.failed += 1;
                    self.steps.tell(Notice::SlotFailed {
                        license,
                        slot,
                        reason: chain(&error),
                    });
                }
            }
        }
    }

    pub(super) fn slot_done(&mut self, license: &LicenseId, slot: Hour, done: SlotDone) {
        match done {
            SlotDone::Frozen(records, terms) => {
                self.run.frozen += 1;
                self.ready.extend(records.into_iter().map(|record| Ready {
                    record,
                    end: terms.end,
                }));
            }
            SlotDone::InDoubt(records) => {
                self.run.closed += records.len();
                for record in records {
                    self.tell_of(domain::ledger::record::Alarm::Unknown, record);
                }
            }
            SlotDone::Carried(written_off) => {
                self.run.carried += 1;
                self.tell_written_off(license, slot, &written_off);
            }
            SlotDone::Closed(written_off) => {
                self.run.closed += 1;
                self.tell_written_off(license, slot, &written_off);
            }
            SlotDone::WaitsForUsage => self.waiting = true,
            SlotDone::Waits(terms) => self.waits(&terms.product, deadline(&terms, slot)),
            SlotDone::PastDeadline(terms) => self.due_next(closed_at(deadline(&terms, slot))),
            SlotDone::Nothing => {}
        }
    }

    fn tell_written_off(&self, license: &LicenseId, slot: Hour, written_off: &WrittenOff) {
        if written_off.computer_hours > 0 {
            self.steps.tell(Notice::WrittenOff {
                license: license.clone(),
                hour: slot,
                reason: written_off.reason,
                computer_hours: written_off.computer_hours,
            });
        }
    }

    /// What waits, or cannot be read, is not to be in the way of the rest.
    async fn look_at_slot_or_put_off(
        &self,
        license: &LicenseId,
        hour: Hour,
    ) -> Result<SlotDone, SlotError> {
        let done = self.look_at_slot(license, hour).await;
        let work = Work::Slot(license.clone(), hour);
        if let Ok(SlotDone::Waits(terms)) = &done {
            let until = self.waits_until(&terms.product, deadline(terms, hour));
            self.put_off(work, until).await;
        } else if let Ok(SlotDone::WaitsForUsage | SlotDone::PastDeadline(_) | SlotDone::Nothing) =
            &done
        {
            self.put_off_in_the_way(work).await;
        } else if let Err(error) = &done {
            match error {
                SlotError::Store(error) => self.put_off_unreadable(work, error).await,
                SlotError::TooLarge(_) => {
                    let until = after(self.steps.now(), SET_ASIDE_FOR);
                    self.put_off(work, until).await;
                }
            }
        }
        done
    }

    async fn look_at_slot(&self, license: &LicenseId, hour: Hour) -> Result<SlotDone, SlotError> {
        let Some(terms) = crate::posting::terms(self.steps, license).await? else {
            return Ok(SlotDone::Nothing);
        };
        // The head before the entries: an entry posted while they are read
        // raises the version, and what is decided on the version read first is lost.
        let Some(head) = self.steps.slot_head(license.clone(), hour).await? else {
            return Ok(SlotDone::Nothing);
        };
        match head.state {
            SlotState::Open => {}
            SlotState::Carrying { .. } if self.is_in_doubt(hour) => {
                return self.close_in_doubt(head).await;
            }
            SlotState::Carrying { .. } => return self.carry(&terms, head).await,
            SlotState::Frozen { .. }
                if mutant!(FrozenSlotIsCarried) && self.is_late(&terms, hour) =>
            {
                return self.carry(&terms, head).await;
            }
            SlotState::Frozen { .. } | SlotState::Carried { .. } | SlotState::Closed { .. } => {
                return Ok(SlotDone::Nothing);
            }
        }
        let now = self.steps.now();
        if self.is_in_doubt(hour) {
            let slot = self.entries_of(head).await?;
            return self.freeze_in_doubt(&terms, slot, now).await;
        }
        let (since, end) = (terms.active_since, terms.end.as_ref());
        let held = self.held.contains(license) && terms.end.is_none();
        let held = held || self.rules.awaits_cover(&terms, hour, now);
        match open_slot(hour, since, end, held, now) {
            OpenSlot::Carry if mutant!(SlotIsNotCarried) => Ok(SlotDone::Nothing),
            OpenSlot::Carry => {
                self.zero_of(&terms, hour).await?;
                self.carry(&terms, head).await
            }
            OpenSlot::Close(reason) => {
                let slot = self.entries_of(head).await?;
                self.close_slot(slot, reason, now).await
            }
            OpenSlot::Wait if held => Ok(SlotDone::Waits(terms)),
            OpenSlot::Wait => Ok(SlotDone::WaitsForUsage),
            OpenSlot::PastDeadline => Ok(SlotDone::PastDeadline(terms)),
            OpenSlot::Freeze | OpenSlot::FreezeIfPosted if self.is_stopped(&terms) => {
                Ok(SlotDone::Waits(terms))
            }
            OpenSlot::Freeze => {
                let slot = self.entries_of(head).await?;
                self.freeze(terms, slot, now).await
            }
            OpenSlot::FreezeIfPosted => {
                if self.everything_posted(license, hour).await? {
                    let slot = self.entries_of(head).await?;
                    self.freeze(terms, slot, now).await
                } else {
                    Ok(SlotDone::WaitsForUsage)
                }
            }
        }
    }

    /// For a mutant: whether an open slot would be carried.
    fn is_late(&self, terms: &LicenseTerms, hour: Hour) -> bool {
        let (since, end) = (terms.active_since, terms.end.as_ref());
        open_slot(hour, since, end, false, self.steps.now()) == OpenSlot::Carry
    }

    /// The slot of a head, as it was read, with the entries that are read after it.
    async fn entries_of(&self, mut head: SlotHead) -> Result<Slot, StepError> {
        let (license, hour) = (head.license.clone(), head.hour);
        let slot = self.steps.slot(license.clone(), hour).await?;
        if mutant!(HeadReadAfterEntries) {
            head = self.steps.slot_head(license, hour).await?.unwrap_or(head);
        }
        Ok(match slot {
            Some(slot) => Slot { head, ..slot },
            None => Slot {
                head,
                entries: Vec::new(),
                records: Vec::new(),
            },
        })
    }

    /// Whether what a restored table shows of a slot may not be all of it.
    pub(super) fn is_in_doubt(&self, slot: Hour) -> bool {
        self.controls.slot_in_doubt(slot) && !mutant!(RestoredSlotIsSent)
    }

    fn is_stopped(&self, terms: &LicenseTerms) -> bool {
        self.controls.stopped.contains(&terms.product)
    }

    /// Fixes a slot's records for ever.
    pub(super) async fn freeze(
        &self,
        terms: LicenseTerms,
        slot: Slot,
        now: Timestamp,
    ) -> Result<SlotDone, SlotError> {
        let hour = slot.head.hour;
        let empty = slot.entries.iter().all(|entry| entry.amounts.is_empty());
        if empty && now < zero_due(hour, terms.active_since) {
            return Ok(SlotDone::Nothing);
        }
        let zero = self.zero_of(&terms, hour).await?;
        let frozen = self.frozen_usage(&terms, &slot, zero, now).await?;
        let records = frozen.records.clone();
        Ok(match self.store_freeze(slot, frozen, now).await? {
            Written::Committed => SlotDone::Frozen(records, terms),
            Written::Lost => SlotDone::Nothing,
        })
    }

    async fn frozen_usage(
        &self,
        terms: &LicenseTerms,
        slot: &Slot,
        zero: Option<&domain::ids::Dimension>,
        now: Timestamp,
    ) -> Result<FrozenUsage, SlotError> {
        let license = &slot.head.license;
        let included = if self.rules.catalog.has_contracts() {
            self.steps.included(license.clone()).await?
        } else {
            Vec::new()
        };
        let freeze_terms = FreezeTerms {
            license: terms,
            limit: self.rules.allocations,
            included: &included,
            zero,
        };
        Ok(freeze(slot.head.hour, &slot.entries, &freeze_terms, now)?)
    }

    async fn store_freeze(
        &self,
        slot: Slot,
        frozen: FrozenUsage,
        at: Timestamp,
    ) -> Result<Written, StepError> {
        self.steps
            .freeze(Freeze {
                head: slot.head,
                records: frozen.records,
                included: frozen.included,
                taken: frozen.taken,
                at,
            })
            .await
    }

    /// A slot that a restored table shows as open may have been sent: its
    /// records are stored as unknown, to be found out, and never sent.
    async fn freeze_in_doubt(
        &self,
        terms: &LicenseTerms,
        slot: Slot,
        now: Timestamp,
    ) -> Result<SlotDone, SlotError> {
        self.zero_of(terms, slot.head.hour).await?;
        let freeze_terms = FreezeTerms {
            license: terms,
            limit: self.rules.allocations,
            included: &[],
            zero: None,
        };
        let mut frozen = freeze(slot.head.hour, &slot.entries, &freeze_terms, now)?;
        for record in &mut frozen.records {
            *record = record.unknown(now).record;
        }
        let records = frozen.records.clone();
        Ok(match self.store_freeze(slot, frozen, now).await? {
            Written::Committed => SlotDone::InDoubt(records),
            Written::Lost => SlotDone::Nothing,
        })
    }

    /// A slot that a restored table shows as being carried: the entries left in
    /// it may have gone into a later slot and have been sent with that.
    async fn close_in_doubt(&self, head: SlotHead) -> Result<SlotDone, SlotError> {
        let slot = self.steps.slot(head.license.clone(), head.hour).await?;
        let left = slot.map(|slot| slot.entries).unwrap_or_default();
        let reason = WriteOff::Restored;
        let closed = self.steps.carry(Carry {
            head,
            moved: Vec::new(),
            into: None,
            then: SlotState::Closed {
                at: self.steps.now(),
                reason,
            },
        });
        Ok(match closed.await? {
            Written::Committed => SlotDone::Closed(WrittenOff::of(reason, &left)),
            Written::Lost => SlotDone::Nothing,
        })
    }

    async fn close_slot(
        &self,
        slot: Slot,
        reason: WriteOff,
        now: Timestamp,
    ) -> Result<SlotDone, SlotError> {
        let written_off = WrittenOff::of(reason, &slot.entries);
        let closed = self.steps.close_slot(slot.head, reason, now).await?;
        Ok(match closed {
            Written::Committed => SlotDone::Closed(written_off),
            Written::Lost => SlotDone::Nothing,
        })
    }

    /// Whether every account that was linked to the license in the hour is
    /// posted and has no late marker for it.
    async fn everything_posted(&self, license: &LicenseId, hour: Hour) -> Result<bool, StepError> {
        let steps = self.steps;
        let links = steps
            .links_of_license(license.clone(), hour.start(), hour.end())
            .await?;
        let accounts: BTreeSet<AccountId> = links.into_iter().map(|link| link.account).collect();
        for account in accounts {
            let Some(snapshot) = steps.account(account.clone()).await? else {
                continue;
            };
            for part in Part::all(snapshot.parts.count_at(hour)) {
                let cursor = steps.cursor(Shard::of(&account, part)).await?;
                let posted = cursor.is_some_and(|cursor| cursor.posted >= hour);
                if !posted || steps.has_marker(account.clone(), part, hour).await? {
                    return Ok(false);
                }
            }
        }
        Ok(true)
    }
}
