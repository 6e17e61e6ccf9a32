//! What the outside is told, as long as it is kept.
//!
//! An item holds the event as it goes out: `body` is its `detail_type` and its
//! `detail`, a text of JSON. `template.yaml` has a pipe take both from the
//! table's stream to the bus.

use domain::ids::{AccountId, LicenseId};
use domain::outbound::OutboundEvent;

use super::{keys, mapping};
use crate::{Store, StoreError};

impl Store {
    /// The events of an account that are still kept, by its versions ascending.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn outbox_of_account(
        &self,
        account: &AccountId,
    ) -> Result<Vec<OutboundEvent>, StoreError> {
        self.outbox(keys::account(account)).await
    }

    /// The events of a license that are still kept, by its versions ascending.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn outbox_of_license(
        &self,
        license: &LicenseId,
    ) -> Result<Vec<OutboundEvent>, StoreError> {
        self.outbox(keys::license(license)).await
    }

    async fn outbox(&self, pk: String) -> Result<Vec<OutboundEvent>, StoreError> {
        let items = self.subscription_items(pk, keys::OUTBOX).await?;
        items.into_iter().map(mapping::outbound).collect()
    }
}
