//! The licenses whose final usage is looked after every minute.

use std::collections::BTreeMap;

use domain::ids::LicenseId;
use jiff::Timestamp;
use ledger::step::Listed;

use super::keys::{self, WorkKind};
use super::mapping::{listed, write};
use super::table::Replaces;
use crate::{Store, StoreError};

impl Store {
    /// Has an ended license's final usage looked after from now on. Repeating
    /// it changes nothing.
    ///
    /// # Errors
    /// [`StoreError`] when DynamoDB does not answer.
    pub async fn begin_final_usage(
        &self,
        license: &LicenseId,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let nothing: BTreeMap<String, String> = BTreeMap::new();
        let mut item = write(&keys::final_usage(license), nothing)?;
        listed(&mut item, WorkKind::FinalUsage, license, now);
        let _unconditional = self.usage_put(item, Replaces::Anything).await?;
        Ok(())
    }

    /// The final usage of a license is over.
    ///
    /// # Errors
    /// [`StoreError`] when DynamoDB does not answer.
    pub async fn end_final_usage(&self, license: &LicenseId) -> Result<(), StoreError> {
        let key = keys::final_usage(license);
        let _gone = self
            .usage_delete(&key, "attribute_exists(pk)", None)
            .await?;
        Ok(())
    }

    /// The licenses whose final usage is looked after, as far as the index knows.
    ///
    /// # Errors
    /// [`StoreError`] when DynamoDB does not answer.
    pub async fn final_usage(&self) -> Result<Listed<LicenseId>, StoreError> {
        self.licenses_with(WorkKind::FinalUsage).await
    }
}
