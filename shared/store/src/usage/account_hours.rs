//! Account-hours, and the one transaction that posts.

use domain::hour::Hour;
use domain::ids::AccountId;
use domain::ledger::account_hour::AccountHour;
use domain::mutant;
use domain::usage::Part;
use ledger::Written;
use ledger::step::SlotPosting;

use super::keys;
use super::mapping::{AccountHourRow, read, write};
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
            Some(item) => Ok(read::<AccountHourRow>(item)?.into()),
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
        self.usage_items(keys::account(account, part), hours)
            .await?
            .into_iter()
            .map(|item| Ok(read::<AccountHourRow>(item)?.into()))
            .collect()
    }

    /// Posts: the account-hour if its stored version is one less than its own,
    /// and each entry if its slot is open, whose version it raises; all or nothing.
    ///
    /// # Errors
    /// [`StoreError`] when DynamoDB does not answer; the writes may then have been made,
    /// and posting again finds out.
    pub async fn post(
        &self,
        hour: &AccountHour,
        slots: &[SlotPosting],
    ) -> Result<Written, StoreError> {
        let key = keys::account_hour(&hour.account, hour.part, hour.hour);
        let item = write(&key, AccountHourRow::from(hour))?;
        let replaces = if mutant!(AccountHourWithoutVersion) {
            Replaces::Anything
        } else {
            Replaces::before(hour.version)
        };
        let mut actions = vec![self.put_action(item, replaces)?];
        for posting in slots {
            actions.push(self.raise_open_head(&posting.license, posting.slot)?);
            actions.push(self.set_entry(&posting.license, posting.slot, &posting.entry)?);
        }
        self.transact(actions).await
    }
}
