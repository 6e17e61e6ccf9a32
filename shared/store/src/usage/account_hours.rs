//! Account-hours, and the one transaction that posts.
//!
//! The postings of an account-hour only grow, by a report id at least for each
//! late report. What of them fills an item becomes one, beside the account-hour,
//! and never changes again: so whoever read how many there are finds them all,
//! whatever was posted since.

use domain::hour::Hour;
use domain::ids::AccountId;
use domain::ledger::account_hour::AccountHour;
use domain::ledger::day::takes_back;
use domain::mutant;
use domain::usage::Part;
use jiff::Timestamp;
use ledger::Written;
use ledger::step::SlotPosting;

use super::keys;
use super::mapping::Item;
use super::mapping::packed::{StoredAccountHour, write_account_hour};
use super::table::{Replaces, Sorted};
use crate::{Store, StoreError};

impl Store {
    /// An account-hour; one that is not stored is empty, of version 0.
    ///
    /// # Errors
    /// [`StoreError`] when DynamoDB does not answer or the item is unreadable.
    pub async fn account_hour(
        &self,
        account: &AccountId,
        part: Part,
        hour: Hour,
    ) -> Result<AccountHour, StoreError> {
        let key = keys::account_hour(account, part, hour);
        match self.usage_item(&key).await? {
            Some(item) => self.account_hour_of(item, account, part).await,
            None => Ok(AccountHour::empty(account.clone(), part, hour)),
        }
    }

    /// The stored account-hours of one part of an account, from the first hour
    /// up to but without the second, ascending.
    ///
    /// # Errors
    /// [`StoreError`] when DynamoDB does not answer or an item is unreadable.
    pub async fn account_hours(
        &self,
        account: &AccountId,
        part: Part,
        from: Hour,
        until: Hour,
    ) -> Result<Vec<AccountHour>, StoreError> {
        let hours = Sorted::Between(from.to_string(), until.previous().to_string());
        let items = self.usage_items(keys::account(account, part), hours);
        let mut found = Vec::new();
        for item in items.await? {
            found.push(self.account_hour_of(item, account, part).await?);
        }
        Ok(found)
    }

    async fn account_hour_of(
        &self,
        item: Item,
        account: &AccountId,
        part: Part,
    ) -> Result<AccountHour, StoreError> {
        let stored = StoredAccountHour::of(item)?;
        let mut pieces = Vec::new();
        if stored.pieces() > 0 {
            let of_hour = Sorted::BeginningWith(keys::postings_of(stored.hour()));
            pieces = self
                .usage_items(keys::postings(account, part), of_hour)
                .await?;
            pieces.truncate(stored.pieces());
        }
        stored.with(pieces)
    }

    /// Posts: the account-hour if its stored version is one less than its own,
    /// and each entry if its slot is open, whose version it raises; all or nothing.
    /// If by then the day may be summed up, its summary is taken back with it.
    ///
    /// # Errors
    /// [`StoreError`] when DynamoDB does not answer; the writes may then have been made,
    /// and posting again finds out.
    pub async fn post(
        &self,
        hour: &AccountHour,
        slots: &[SlotPosting],
        now: Timestamp,
    ) -> Result<Written, StoreError> {
        let mut replaces = if mutant!(AccountHourWithoutVersion) {
            Replaces::Anything
        } else {
            Replaces::before(hour.version)
        };
        let mut actions = Vec::new();
        for item in write_account_hour(hour)? {
            actions.push(self.put_action(item, replaces)?);
            // On the account-hour's version, which nobody else raised.
            replaces = Replaces::Anything;
        }
        for posting in slots {
            actions.push(self.raise_open_head(&posting.license, posting.slot)?);
            actions.push(self.set_entry(&posting.license, posting.slot, &posting.entry)?);
        }
        if takes_back(hour.hour, now) {
            actions.push(self.take_day_back(&hour.account, hour.part, hour.hour)?);
        }
        self.transact(actions).await
    }
}
