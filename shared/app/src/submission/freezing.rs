//! Freezing slots for the next call.

use std::collections::BTreeSet;

use domain::hour::Hour;
use domain::ids::{AccountId, LicenseId};
use domain::ledger::deadline::may_freeze;
use domain::ledger::slot::{SlotState, freeze};
use domain::metering::MAX_RECORDS_PER_CALL;
use domain::usage::{Part, Shard};
use store::StoreError;
use store::usage::Written;

use super::Submitter;
use crate::Chain;

impl Submitter<'_> {
    /// Freezes due slots, until the next call is full.
    pub(super) async fn freeze_due(&mut self) {
        while self.ready.len() < MAX_RECORDS_PER_CALL {
            let Some((license, hour)) = self.slots.pop_front() else {
                return;
            };
            if !self.seen_slots.insert((license.clone(), hour)) {
                continue;
            }
            if let Err(error) = self.freeze_slot(&license, hour).await {
                self.run.failed += 1;
                tracing::error!(
                    license.id = %license,
                    usage.slot = %hour,
                    error = %Chain(&error),
                    "a slot could not be frozen; it stays open and is tried again"
                );
            }
        }
    }

    async fn freeze_slot(&mut self, license: &LicenseId, hour: Hour) -> Result<(), StoreError> {
        let Some(terms) = self.terms(license).await? else {
            return Ok(());
        };
        let now = self.app.clock.now();
        let gate_open = may_freeze(hour, false, terms.end.as_ref(), now)
            || may_freeze(hour, true, terms.end.as_ref(), now)
                && self.everything_posted(license, hour).await?;
        if !gate_open {
            self.waiting = true;
            return Ok(());
        }
        // The head before the entries: an entry posted while they are read
        // raises the version, and the freeze on the version read first is lost.
        let Some(head) = self.app.store.slot_head(license, hour).await? else {
            return Ok(());
        };
        if head.state != SlotState::Open {
            return Ok(());
        }
        let Some(slot) = self.app.store.slot(license, hour).await? else {
            return Ok(());
        };
        let limit = self.app.settings.allocations;
        let records = match freeze(hour, &slot.entries, &terms, limit, now) {
            Ok(records) => records,
            Err(error) => {
                self.run.failed += 1;
                tracing::error!(license.id = %license, usage.slot = %hour, %error, "a slot holds more than AWS can take in one record");
                return Ok(());
            }
        };
        if self.app.store.freeze(&head, &records, now).await? == Written::Committed {
            self.run.frozen += 1;
            self.ready.extend(records);
        }
        Ok(())
    }

    /// Whether every account that was linked to the license in the hour is
    /// posted and has no late marker for it.
    async fn everything_posted(&self, license: &LicenseId, hour: Hour) -> Result<bool, StoreError> {
        let store = &self.app.store;
        let links = store
            .links_of_license(license, hour.start(), hour.end())
            .await?;
        let accounts: BTreeSet<AccountId> = links.into_iter().map(|link| link.account).collect();
        for account in accounts {
            let Some(snapshot) = store.account(&account).await? else {
                continue;
            };
            for part in Part::all(snapshot.parts.count_at(hour)) {
                let cursor = store.cursor(Shard::of(&account, part)).await?;
                let posted = cursor.is_some_and(|cursor| cursor.posted >= hour);
                if !posted || store.has_marker(&account, part, hour).await? {
                    return Ok(false);
                }
            }
        }
        Ok(true)
    }
}
