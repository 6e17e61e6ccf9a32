//! What contracts cover, period by period.

use aws_sdk_dynamodb::types::TransactWriteItem;
use domain::ids::LicenseId;
use domain::ledger::included::Included;
use domain::mutant;
use jiff::Timestamp;
use ledger::Written;

use super::keys;
use super::mapping::{IncludedRow, Item, read, write};
use super::table::{Replaces, Sorted};
use crate::{Store, StoreError};

impl Store {
    /// What a license's contract covers, every period.
    ///
    /// # Errors
    /// [`StoreError`] when DynamoDB does not answer or an item is unreadable.
    pub async fn included(&self, license: &LicenseId) -> Result<Vec<Included>, StoreError> {
        let periods = Sorted::BeginningWith(keys::INCLUDED.to_owned());
        self.usage_items(keys::license(license), periods)
            .await?
            .into_iter()
            .map(|item| Ok(read::<IncludedRow>(item)?.into()))
            .collect()
    }

    /// Stores a period of a contract on the version before its own.
    ///
    /// # Errors
    /// [`StoreError`] when DynamoDB does not answer; it may then be stored.
    pub async fn put_included(&self, period: &Included) -> Result<Written, StoreError> {
        self.usage_put(item(period)?, Replaces::before(period.version))
            .await
    }

    /// Has a period begin at another instant, with what was used of it: under its
    /// old beginning an empty period stays. Lost when it is not as it was read, or
    /// there is one with that beginning.
    ///
    /// # Errors
    /// [`StoreError`] when DynamoDB does not answer; it may then be moved.
    pub async fn move_included(
        &self,
        period: &Included,
        from: Timestamp,
    ) -> Result<Written, StoreError> {
        let (left, moved) = period.moved(from);
        self.transact(vec![
            self.put_action(item(&left)?, Replaces::before(left.version))?,
            self.put_action(item(&moved)?, Replaces::before(moved.version))?,
        ])
        .await
    }

    /// Stores a period from which a freeze took.
    pub(super) fn take_included(&self, period: &Included) -> Result<TransactWriteItem, StoreError> {
        let replaces = if mutant!(IncludedTakenWithoutVersion) {
            Replaces::Anything
        } else {
            Replaces::before(period.version)
        };
        self.put_action(item(period)?, replaces)
    }
}

fn item(period: &Included) -> Result<Item, StoreError> {
    write(&keys::included(period), IncludedRow::from(period))
}
