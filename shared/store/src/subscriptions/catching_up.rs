//! How far the agreements that AWS lists have been looked at.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::keys;
use super::mapping::{self, Row};
use crate::{Store, StoreError};

/// The runs of catching up that came to their end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct CaughtUp {
    /// When the last one began, of all agreements or of the changed ones.
    pub changed_at: Timestamp,
    /// When the last one of all agreements began.
    pub all_at: Timestamp,
}

impl Store {
    /// The runs that came to their end; `None` before the first one.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn caught_up(&self) -> Result<Option<CaughtUp>, StoreError> {
        let item = self
            .subscription_item(keys::CATCHING_UP.to_owned(), keys::RUN)
            .await?;
        item.map(mapping::body).transpose()
    }

    /// A run came to its end.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn put_caught_up(&self, run: &CaughtUp) -> Result<(), StoreError> {
        let row = Row::new(keys::CATCHING_UP.to_owned(), keys::RUN, run);
        self.replace_subscription_item(&row).await
    }
}
