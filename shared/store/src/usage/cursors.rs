//! Cursors: up to which hour a shard is sealed and posted.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::{KeysAndAttributes, TransactWriteItem, Update};
use domain::hour::Hour;
use domain::usage::Shard;
use ledger::Written;
use ledger::step::{Cursor, Cursors, Edge};

use super::keys::{self, Key};
use super::mapping::{CursorRow, FORMAT, Item, number, read};
use super::table::not_built;
use crate::{Store, StoreError};

/// How often DynamoDB may leave part of a batch unread.
const MAX_BATCH_READS: usize = 10;

impl Store {
    /// The cursor of a shard.
    ///
    /// # Errors
    /// [`StoreError`] when DynamoDB does not answer or the item is unreadable.
    pub async fn cursor(&self, shard: Shard) -> Result<Option<Cursor>, StoreError> {
        let item = self.usage_item(&keys::cursor(shard)).await?;
        item.map(cursor_of).transpose()
    }

    /// The cursor of every shard, `None` for one that has none yet.
    ///
    /// # Errors
    /// [`StoreError`] when DynamoDB does not answer.
    pub async fn cursors(&self) -> Result<Cursors, StoreError> {
        let mut cursors = Cursors {
            by_shard: Shard::all().map(|shard| (shard, None)).collect(),
            unreadable: Vec::new(),
        };
        let keys = Shard::all().map(|shard| keys::cursor(shard).attributes());
        let wanted = KeysAndAttributes::builder()
            .set_keys(Some(keys.collect()))
            .consistent_read(true)
            .build()
            .map_err(not_built)?;
        let mut wanted = Some(HashMap::from([(self.tables.usage.clone(), wanted)]));
        for _ in 0..MAX_BATCH_READS {
            let read = self.client.batch_get_item().set_request_items(wanted);
            let answer = read.send().await?;
            let items = answer.responses.into_iter().flat_map(HashMap::into_values);
            for item in items.flatten() {
                let key = Key::of(&item);
                let Some(shard) = Shard::all().find(|of| keys::cursor(*of) == key) else {
                    continue;
                };
                match cursor_of(item) {
                    Ok(cursor) => {
                        cursors.by_shard.insert(shard, Some(cursor));
                    }
                    Err(StoreError::Corrupt(unreadable)) => {
                        cursors.by_shard.remove(&shard);
                        cursors.unreadable.push(unreadable);
                    }
                    Err(error) => return Err(error),
                }
            }
            wanted = answer.unprocessed_keys.filter(|keys| !keys.is_empty());
            if wanted.is_none() {
                return Ok(cursors);
            }
        }
        Err(StoreError::Throttled)
    }

    /// Raises one edge of these shards' cursors to an hour, all or none; lost
    /// when one is there or beyond. A shard without a cursor gets one that is
    /// posted up to `posted_before`.
    ///
    /// # Errors
    /// [`StoreError`] when DynamoDB does not answer; they may then be raised.
    pub async fn raise_cursors(
        &self,
        edge: Edge,
        shards: &[Shard],
        hour: Hour,
        posted_before: Hour,
    ) -> Result<Written, StoreError> {
        let updates = shards
            .iter()
            .map(|shard| self.raise_update(edge, *shard, hour, posted_before));
        self.transact(updates.collect::<Result<_, _>>()?).await
    }

    fn raise_update(
        &self,
        edge: Edge,
        shard: Shard,
        hour: Hour,
        posted_before: Hour,
    ) -> Result<TransactWriteItem, StoreError> {
        let update = Update::builder()
            .table_name(&self.tables.usage)
            .set_key(Some(keys::cursor(shard).attributes()))
            .expression_attribute_values(":hour", number(hour.number()));
        let update = match edge {
            Edge::Sealed => update
                .update_expression(
                    "SET sealed = :hour, posted = if_not_exists(posted, :posted), \
                     #format = :format",
                )
                .condition_expression("attribute_not_exists(sealed) OR sealed < :hour")
                .expression_attribute_names("#format", "format")
                .expression_attribute_values(":format", number(FORMAT))
                .expression_attribute_values(":posted", number(posted_before.number())),
            Edge::Posted => update
                .update_expression("SET posted = :hour")
                .condition_expression("posted < :hour AND sealed >= :hour"),
        };
        let update = update.build().map_err(not_built)?;
        Ok(TransactWriteItem::builder().update(update).build())
    }
}

fn cursor_of(item: Item) -> Result<Cursor, StoreError> {
    Ok(read::<CursorRow>(item)?.into())
}
