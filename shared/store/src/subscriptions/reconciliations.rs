//! Days that were compared with AWS's data feeds.

use domain::hour::after;
use domain::reconciliation::kept::ReconciledDay;
use jiff::SignedDuration;
use jiff::civil::Date;

use super::keys;
use super::mapping::{self, Row};
use crate::{Store, StoreError};

/// How long a day's comparison is kept: longer than the 13 months that pages show.
const KEPT_FOR: SignedDuration = SignedDuration::from_hours(450 * 24);

impl Store {
    /// Keeps what a look at a day found, in place of what an earlier one did.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn put_reconciled_day(&self, day: &ReconciledDay) -> Result<(), StoreError> {
        let row = Row::new(keys::reconciliation(day.day), keys::RECONCILIATION, day)
            .cleaned_after(after(day.at, KEPT_FOR));
        self.client
            .put_item()
            .table_name(&self.tables.subscriptions)
            .set_item(Some(mapping::item(&row)?))
            .send()
            .await?;
        Ok(())
    }

    /// What the last look at a day found.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn reconciled_day(&self, day: Date) -> Result<Option<ReconciledDay>, StoreError> {
        let pk = keys::reconciliation(day);
        let item = self.subscription_item(pk, keys::RECONCILIATION).await?;
        item.map(mapping::body).transpose()
    }
}
