//! The licenses whose final usage is looked after every minute.

use futures_util::stream::{self, StreamExt as _, TryStreamExt as _};
use jiff::Timestamp;
use ledger::Written;
use ledger::step::{Ending, Listed};

use super::keys::{self, WorkKind};
use super::mapping::{EndingRow, listed, read, text, write};
use super::table::{Replaces, list};
use crate::{Store, StoreError};

/// How many items are read at once.
const READS_AT_ONCE: usize = 8;

impl Store {
    /// Has an ended license's final usage looked after from now on.
    ///
    /// # Errors
    /// [`StoreError`] when DynamoDB does not answer.
    pub async fn begin_final_usage(
        &self,
        ending: &Ending,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let license = &ending.license;
        let mut item = write(&keys::final_usage(license), EndingRow::from(ending))?;
        listed(&mut item, WorkKind::FinalUsage, license, now);
        let _unconditional = self.usage_put(item, Replaces::Anything).await?;
        Ok(())
    }

    /// The final usage of a license is over, if nobody had it looked after anew.
    ///
    /// # Errors
    /// [`StoreError`] when DynamoDB does not answer.
    pub async fn end_final_usage(&self, ending: &Ending) -> Result<Written, StoreError> {
        let key = keys::final_usage(&ending.license);
        let nonce = text(&ending.nonce);
        self.usage_delete(&key, "nonce = :is", Some(nonce)).await
    }

    /// The licenses whose final usage is looked after, as far as the index knows.
    ///
    /// # Errors
    /// [`StoreError`] when DynamoDB does not answer.
    pub async fn final_usage(&self) -> Result<Listed<Ending>, StoreError> {
        let named = self.licenses_with(WorkKind::FinalUsage).await?;
        let keys: Vec<_> = named.items.iter().map(keys::final_usage).collect();
        let reads: Vec<_> = keys.iter().map(|key| self.usage_item(key)).collect();
        let items: Vec<_> = stream::iter(reads)
            .buffered(READS_AT_ONCE)
            .try_collect()
            .await?;
        let items = items.into_iter().flatten();
        let mut endings = list(items.map(|item| Ok(read::<EndingRow>(item)?.into())))?;
        endings.unreadable.extend(named.unreadable);
        Ok(endings)
    }
}
