//! Licenses on hold.

use domain::ids::LicenseId;
use domain::ledger::hold::Hold;
use ledger::Written;
use ledger::step::Listed;

use super::keys::{self, WorkKind};
use super::mapping::{HoldRow, listed, read, write};
use super::table::Replaces;
use crate::{Store, StoreError};

impl Store {
    /// The licenses on hold, as far as the index knows.
    ///
    /// # Errors
    /// [`StoreError`] when DynamoDB does not answer.
    pub async fn holds(&self) -> Result<Listed<LicenseId>, StoreError> {
        self.licenses_with(WorkKind::Hold).await
    }

    /// A license's hold, if it is on hold.
    ///
    /// # Errors
    /// [`StoreError`] when DynamoDB does not answer or the item is unreadable.
    pub async fn hold(&self, license: &LicenseId) -> Result<Option<Hold>, StoreError> {
        let item = self.usage_item(&keys::hold(license)).await?;
        item.map(|item| read::<HoldRow>(item).map(Into::into))
            .transpose()
    }

    /// Stores a hold: a first one if there is none, else on the version before its own.
    ///
    /// # Errors
    /// [`StoreError`] when DynamoDB does not answer; it may then be stored.
    pub async fn put_hold(&self, hold: &Hold) -> Result<Written, StoreError> {
        let mut item = write(&keys::hold(&hold.license), HoldRow::from(hold))?;
        listed(&mut item, WorkKind::Hold, &hold.license, hold.next_try);
        self.usage_put(item, Replaces::before(hold.version)).await
    }

    /// Ends a hold; lost when there is none.
    ///
    /// # Errors
    /// [`StoreError`] when DynamoDB does not answer; it may then have ended.
    pub async fn end_hold(&self, license: &LicenseId) -> Result<Written, StoreError> {
        self.usage_delete(&keys::hold(license), "attribute_exists(pk)", None)
            .await
    }
}
