//! The operator's decisions: one item.

use domain::ledger::controls::Controls;
use ledger::Written;

use super::keys;
use super::mapping::{ControlsRow, read, write};
use super::table::Replaces;
use crate::{Store, StoreError};

impl Store {
    /// The operator's decisions; none are of version 0.
    ///
    /// # Errors
    /// [`StoreError`] when DynamoDB does not answer or the item is unreadable.
    pub async fn controls(&self) -> Result<Controls, StoreError> {
        match self.usage_item(&keys::controls()).await? {
            Some(item) => Ok(read::<ControlsRow>(item)?.into()),
            None => Ok(Controls::default()),
        }
    }

    /// Stores the operator's decisions on the version before their own.
    ///
    /// # Errors
    /// [`StoreError`] when DynamoDB does not answer; they may then be stored.
    pub async fn put_controls(&self, controls: &Controls) -> Result<Written, StoreError> {
        let item = write(&keys::controls(), ControlsRow::from(controls))?;
        self.usage_put(item, Replaces::before(controls.version))
            .await
    }
}
