//! The usage of a license on hold: until when all of it can still be billed, and
//! what can be billed no more.

use std::collections::BTreeSet;

use domain::hour::{Hour, after, before};
use domain::ids::{AccountId, LicenseId};
use domain::ledger::account_hour::WriteOff;
use domain::ledger::deadline::{ACCEPTED_FOR, CARRIED_BEFORE_DEADLINE, slot_deadline};
use domain::ledger::slot::SlotState;
use domain::license::License;
use jiff::Timestamp;
use store::{SlotOutcome, StoreError};

use super::lines::Grain;
use super::{MeteringStatus, UsageHour, UsageLine, lines_of};
use crate::App;
use crate::prices::Prices;

/// A license of which AWS takes no usage, because it does not know the buyer as
/// subscribed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Held {
    /// Since when.
    pub since: Timestamp,
    /// Until when AWS must take usage again so that none of what waits now is
    /// lost; `None` when nothing waits.
    pub safe_until: Option<Timestamp>,
    /// Computer-hours that AWS can take no more.
    pub lost: u64,
}

impl App {
    /// What the hold of a license means for the usage of the account that it is
    /// linked to; `None` when it is not on hold.
    ///
    /// # Errors
    /// [`StoreError`] when DynamoDB does not answer or an item is unreadable.
    pub(crate) async fn hold_on(&self, license: &License) -> Result<Option<Held>, StoreError> {
        let Some(hold) = self.store.hold(&license.id).await? else {
            return Ok(None);
        };
        let mut held = Held {
            since: hold.since,
            safe_until: None,
            lost: 0,
        };
        if let (Some(account), Some(active_since)) = (&license.linked, license.active_since()) {
            let now = self.clock.now();
            let (hours, frozen) = self.used_while_held(account, license, held.since).await?;
            for (used, line) in lines_of(&hours) {
                if line.license == license.id {
                    let slot = line.billed_in.unwrap_or(used);
                    let last = if frozen.contains(&slot) {
                        slot_deadline(slot, active_since, None)
                    } else {
                        self.carried_until(used, active_since)
                    };
                    held.count((slot, line), last, now);
                }
            }
        }
        Ok(Some(held))
    }

    /// The usage of which something may have been sent or carried since a hold
    /// began, and the slots of it that are frozen.
    async fn used_while_held(
        &self,
        account: &AccountId,
        license: &License,
        since: Timestamp,
    ) -> Result<(Vec<UsageHour>, BTreeSet<Hour>), StoreError> {
        let sent_from = Hour::of(before(since, ACCEPTED_FOR));
        let (from, until) = (
            self.carries_from(sent_from),
            Hour::of(self.clock.now()).next(),
        );
        let days = self.days(account, from, until).await?;
        let agreed = [(license.id.clone(), license.pricing.clone())].into();
        let prices = Prices::new(&self.settings.rules.catalog, &agreed);
        let frozen = self.frozen_slots(&license.id, sent_from, until).await?;
        Ok((days.usage(prices, Grain::Hour, |_| true), frozen))
    }

    async fn frozen_slots(
        &self,
        license: &LicenseId,
        from: Hour,
        until: Hour,
    ) -> Result<BTreeSet<Hour>, StoreError> {
        let slots = self.store.slot_outcomes(license, from, until).await?;
        let is_frozen = |slot: &SlotOutcome| matches!(slot.state, SlotState::Frozen { .. });
        Ok(slots
            .into_iter()
            .filter(is_frozen)
            .map(|slot| slot.hour)
            .collect())
    }

    /// Until when an hour's usage is carried from slot to slot: its last slot's
    /// deadline, before which that slot is closed.
    fn carried_until(&self, used: Hour, active_since: Timestamp) -> Timestamp {
        let last = used.plus(self.settings.rules.carry.hours);
        before(
            slot_deadline(last, active_since, None),
            CARRIED_BEFORE_DEADLINE,
        )
    }
}

impl Held {
    /// Counts usage of a slot that waits until an instant, or waited.
    fn count(&mut self, (slot, line): (Hour, &UsageLine), last: Timestamp, now: Timestamp) {
        let lost = match line.status {
            MeteringStatus::Held => last <= now,
            MeteringStatus::Refused
            | MeteringStatus::NotAccepted
            | MeteringStatus::WrittenOff(WriteOff::TooLate) => {
                self.since < after(slot.start(), ACCEPTED_FOR)
            }
            MeteringStatus::Open
            | MeteringStatus::AwaitsCover
            | MeteringStatus::Sent
            | MeteringStatus::Accepted
            | MeteringStatus::Conflict
            | MeteringStatus::Unknown
            | MeteringStatus::Included
            | MeteringStatus::WrittenOff(WriteOff::LicenseEnded | WriteOff::Restored) => return,
        };
        if lost {
            self.lost += u64::from(line.count);
        } else {
            self.safe_until = self.safe_until.into_iter().chain([last]).min();
        }
    }
}
