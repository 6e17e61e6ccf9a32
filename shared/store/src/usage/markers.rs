//! Late markers: account-hours to be posted again.

use domain::hour::Hour;
use domain::ids::AccountId;
use domain::mutant;
use domain::usage::Part;
use futures_util::future::try_join_all;
use ledger::Written;
use ledger::step::{Listed, Marker};

use super::keys;
use super::mapping::{MarkerRow, read, text, write};
use super::table::{Replaces, Sorted, list};
use crate::{Store, StoreError};

impl Store {
    /// Every late marker.
    ///
    /// # Errors
    /// [`StoreError`] when DynamoDB does not answer.
    pub async fn markers(&self) -> Result<Listed<Marker>, StoreError> {
        let partitions = (0..keys::MARKER_PARTITIONS)
            .map(|partition| self.usage_items(keys::markers(partition), Sorted::All));
        let items = try_join_all(partitions).await?.into_iter().flatten();
        list(items.map(|item| Ok(read::<MarkerRow>(item)?.into())))
    }

    /// Whether an account-hour has a late marker.
    ///
    /// # Errors
    /// [`StoreError`] when DynamoDB does not answer.
    pub async fn has_marker(
        &self,
        account: &AccountId,
        part: Part,
        hour: Hour,
    ) -> Result<bool, StoreError> {
        let key = keys::marker(account, part, hour);
        Ok(self.usage_item(&key).await?.is_some())
    }

    /// Puts a late marker with a fresh nonce, over any that is there.
    ///
    /// # Errors
    /// [`StoreError`] when DynamoDB does not answer.
    pub async fn put_marker(&self, marker: &Marker) -> Result<(), StoreError> {
        let key = keys::marker(&marker.account, marker.part, marker.hour);
        let item = write(&key, MarkerRow::from(marker))?;
        let _unconditional = self.usage_put(item, Replaces::Anything).await?;
        Ok(())
    }

    /// Deletes a marker if it is still this one.
    ///
    /// # Errors
    /// [`StoreError`] when DynamoDB does not answer.
    pub async fn delete_marker(&self, marker: &Marker) -> Result<Written, StoreError> {
        let key = keys::marker(&marker.account, marker.part, marker.hour);
        if mutant!(MarkerDeletedWithoutNonce) {
            return self.usage_delete(&key, "attribute_exists(pk)", None).await;
        }
        let nonce = text(&marker.nonce);
        self.usage_delete(&key, "nonce = :is", Some(nonce)).await
    }
}
