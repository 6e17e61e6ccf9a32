//! What people of support ask others of support to approve.

use domain::ids::SupportRequestId;
use domain::support::SupportRequest;
use jiff::Timestamp;

use super::{keys, mapping};
use crate::{Store, StoreError};

impl Store {
    /// A request, whatever became of it.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn support_request(
        &self,
        id: &SupportRequestId,
    ) -> Result<Option<SupportRequest>, StoreError> {
        let pk = keys::support_requests(id.day());
        let item = self
            .subscription_item(pk, keys::support_request(id))
            .await?;
        item.map(mapping::support_request).transpose()
    }

    /// Every request made on the day of an instant, whatever became of it.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn support_requests_of(
        &self,
        day: Timestamp,
    ) -> Result<Vec<SupportRequest>, StoreError> {
        let pk = keys::support_requests(&day.strftime("%Y-%m-%d").to_string());
        let items = self.subscription_items(pk, keys::REQUEST).await?;
        items.into_iter().map(mapping::support_request).collect()
    }
}
