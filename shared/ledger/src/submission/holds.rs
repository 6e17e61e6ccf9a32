//! Licenses on hold: one record of each is tried now and then.

use domain::hour::Hour;
use domain::ids::LicenseId;
use domain::ledger::deadline::{OpenSlot, open_slot};
use domain::ledger::record::{RecordState, TimeLeft};
use domain::ledger::slot::{LicenseTerms, SlotState};
use domain::mutant;
use jiff::Timestamp;

use super::Submitter;
use super::freezing::SlotError;
use super::prepared::Ready;
use crate::notice::{Notice, chain};
use crate::step::{Slot, StepError, Written};

/// For how many hours back a held license may have a record or slot to be tried with.
const TRIED_HOURS_BACK: i32 = 26;

impl Submitter<'_> {
    /// Tries one record of each license on hold whose time has come.
    pub(super) async fn try_held(&mut self) -> Result<(), StepError> {
        for license in self.held.clone() {
            if let Err(error) = self.try_one(&license).await {
                self.run.failed += 1;
                self.steps.tell(Notice::SlotFailed {
                    license,
                    slot: Hour::of(self.steps.now()),
                    reason: chain(&error),
                });
            }
        }
        Ok(())
    }

    /// The oldest frozen record; without one, the newest slot that is over is frozen for it.
    async fn try_one(&mut self, license: &LicenseId) -> Result<(), SlotError> {
        let now = self.steps.now();
        let Some(hold) = self.steps.hold(license.clone()).await? else {
            self.held.remove(license);
            return Ok(());
        };
        let Some(terms) = self.terms(license).await? else {
            return Ok(());
        };
        if terms.end.is_some() {
            let _gone = self.steps.end_hold(license.clone()).await?;
            self.held.remove(license);
            return Ok(());
        }
        let Some(tried) = hold.tried(now) else {
            self.due_next(hold.next_try);
            return Ok(());
        };
        if self.controls.stopped.contains(&terms.product) {
            return Ok(());
        }
        self.due_next(tried.next_try);
        if self.steps.put_hold(tried).await? == Written::Lost {
            return Ok(());
        }
        let running = Hour::of(now);
        let first = running.plus(-TRIED_HOURS_BACK);
        let slots = self.steps.slots(license.clone(), first, running.next());
        let slots = slots.await?;
        self.run.failed += self.steps.tell_unreadable(slots.unreadable);
        let slots = slots.items;
        let accepted_since = slots.iter().flat_map(|slot| &slot.records).any(
            |record| matches!(record.state, RecordState::Billed { at, .. } if at >= hold.since),
        );
        if accepted_since {
            // Whoever stored that crashed before it ended the hold.
            let _gone = self.steps.end_hold(license.clone()).await?;
            self.held.remove(license);
            return Ok(());
        }
        self.try_one_of(terms, slots, now).await
    }

    async fn try_one_of(
        &mut self,
        terms: LicenseTerms,
        mut slots: Vec<Slot>,
        now: Timestamp,
    ) -> Result<(), SlotError> {
        slots.retain(|slot| !self.is_in_doubt(slot.head.hour));
        let rules = self.rules;
        let awaits_cover = |slot: &Slot| rules.awaits_cover(&terms, slot.head.hour, now);
        let frozen = slots.iter().flat_map(|slot| &slot.records).find(|record| {
            matches!(record.state, RecordState::Frozen { .. })
                && record.is_intact()
                && record.time_left(None, now) == TimeLeft::Some
        });
        if let Some(attempted) = frozen.and_then(|record| record.attempted_again(now)) {
            let counted = self
                .steps
                .replace_record(attempted.clone(), self.steps.nonce());
            if counted.await? == Written::Committed {
                self.ready.push_back(Ready {
                    record: attempted,
                    end: None,
                });
            }
            return Ok(());
        }
        // What is frozen can no longer be carried: the slot that can be tried for longest.
        let mut open = slots
            .into_iter()
            .filter(|slot| is_to_be_tried(slot, &terms, now) && !awaits_cover(slot));
        let open = if mutant!(HoldTriesTheOldest) {
            open.next()
        } else {
            open.next_back()
        };
        if let Some(slot) = open {
            let (license, hour) = (slot.head.license.clone(), slot.head.hour);
            let done = self.freeze(terms, slot, now).await?;
            self.slot_done(&license, hour, done);
        }
        Ok(())
    }
}

/// Whether a slot may be frozen to be tried with: it is over and was used, and
/// is not so near its deadline that it is carried.
fn is_to_be_tried(slot: &Slot, terms: &LicenseTerms, now: Timestamp) -> bool {
    let used = slot.entries.iter().any(|entry| !entry.amounts.is_empty());
    let next = open_slot(slot.head.hour, terms.active_since, None, false, now);
    used && slot.head.state == SlotState::Open
        && match next {
            OpenSlot::Freeze | OpenSlot::FreezeIfPosted => true,
            OpenSlot::Wait | OpenSlot::PastDeadline | OpenSlot::Carry | OpenSlot::Close(_) => false,
        }
}
