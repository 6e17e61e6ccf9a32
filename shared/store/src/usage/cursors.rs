//! Cursors and late markers: up to which hour a shard is sealed and posted,
//! and what arrived after that.

use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use std::collections::{BTreeMap, HashMap};

use aws_sdk_dynamodb::types::{AttributeValue, KeysAndAttributes, TransactWriteItem, Update};
use domain::hour::Hour;
use domain::ids::AccountId;
use domain::usage::{Part, Shard};
use futures_util::future::try_join_all;
use serde::{Deserialize, Serialize};

use super::mapping::{Item, key_of, read, write};
use super::reports::text;
use super::{Written, keys};
use crate::{Store, StoreError};

/// How often DynamoDB may leave part of a batch unread.
const MAX_BATCH_READS: usize = 10;

/// Up to which hour a shard is sealed and posted. Both are only ever raised.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cursor {
    /// A report of this hour or an earlier one is late.
    pub sealed: Hour,
    /// Every report listed in this hour and the earlier ones is posted or has a marker.
    pub posted: Hour,
}

/// An account-hour to be posted again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Marker {
    /// The account.
    pub account: AccountId,
    /// The part.
    pub part: Part,
    /// The hour.
    pub hour: Hour,
    /// Tells this marker from one put later for the same account-hour.
    pub nonce: String,
}

/// Which of a cursor's two hours.
#[derive(Debug, Clone, Copy)]
enum Edge {
    Sealed,
    Posted,
}

#[derive(Debug, Serialize, Deserialize)]
struct MarkerRow {
    pk: String,
    sk: String,
    account: AccountId,
    part: Part,
    hour: Hour,
    nonce: String,
}

impl Store {
    /// The cursor of a shard.
    ///
    /// # Errors
    /// [`StoreError`] when DynamoDB does not answer or the item is unreadable.
    pub async fn cursor(&self, shard: Shard) -> Result<Option<Cursor>, StoreError> {
        let item = self
            .client
            .get_item()
            .table_name(&self.tables.usage)
            .key("pk", text(keys::shard(shard)))
            .key("sk", text(keys::CURSOR))
            .consistent_read(true)
            .send()
            .await?
            .item;
        item.as_ref().map(cursor_of).transpose()
    }

    /// The cursor of every shard, `None` for one that has none yet.
    ///
    /// # Errors
    /// [`StoreError`] when DynamoDB does not answer or an item is unreadable.
    pub async fn cursors(&self) -> Result<BTreeMap<Shard, Option<Cursor>>, StoreError> {
        let mut cursors: BTreeMap<Shard, Option<Cursor>> =
            Shard::all().map(|shard| (shard, None)).collect();
        let keys: Vec<Item> = cursors.keys().map(|shard| cursor_key(*shard)).collect();
        let wanted = KeysAndAttributes::builder()
            .set_keys(Some(keys))
            .consistent_read(true)
            .build()
            .map_err(|error| StoreError::Refused(error.to_string()))?;
        let mut wanted = Some(HashMap::from([(self.tables.usage.clone(), wanted)]));
        for _ in 0..MAX_BATCH_READS {
            let answer = self
                .client
                .batch_get_item()
                .set_request_items(wanted)
                .send()
                .await?;
            for item in answer
                .responses
                .into_iter()
                .flat_map(HashMap::into_values)
                .flatten()
            {
                let cursor = cursor_of(&item)?;
                if let Some(of_shard) = cursors
                    .iter_mut()
                    .find(|(shard, _)| item.get("pk") == Some(&text(keys::shard(**shard))))
                {
                    *of_shard.1 = Some(cursor);
                }
            }
            wanted = answer.unprocessed_keys.filter(|keys| !keys.is_empty());
            if wanted.is_none() {
                return Ok(cursors);
            }
        }
        Err(StoreError::Throttled)
    }

    /// Every late marker.
    ///
    /// # Errors
    /// [`StoreError`] when DynamoDB does not answer or an item is unreadable.
    pub async fn markers(&self) -> Result<Vec<Marker>, StoreError> {
        let partitions = (0..keys::MARKER_PARTITIONS).map(|partition| {
            let query = self
                .client
                .query()
                .table_name(&self.tables.usage)
                .consistent_read(true)
                .key_condition_expression("pk = :pk")
                .expression_attribute_values(":pk", text(keys::markers(partition)));
            self.query_all(query)
        });
        try_join_all(partitions)
            .await?
            .into_iter()
            .flatten()
            .map(|item| {
                let row: MarkerRow = read(item)?;
                Ok(Marker {
                    account: row.account,
                    part: row.part,
                    hour: row.hour,
                    nonce: row.nonce,
                })
            })
            .collect()
    }

    /// Raises `sealed` of these shards to an hour; one that is there or beyond stays.
    ///
    /// A shard without a cursor gets one that is posted up to `posted_before`.
    ///
    /// # Errors
    /// [`StoreError`] when DynamoDB does not answer.
    pub async fn seal(
        &self,
        shards: &[Shard],
        hour: Hour,
        posted_before: Hour,
    ) -> Result<(), StoreError> {
        self.raise(Edge::Sealed, shards, hour, posted_before).await
    }

    /// Raises `posted` of these shards to an hour; one that is there or beyond stays.
    ///
    /// # Errors
    /// [`StoreError`] when DynamoDB does not answer.
    pub async fn raise_posted(&self, shards: &[Shard], hour: Hour) -> Result<(), StoreError> {
        self.raise(Edge::Posted, shards, hour, hour).await
    }

    /// All of them in one transaction; should another poster have raised one,
    /// each by itself, for which that is no hindrance.
    async fn raise(
        &self,
        edge: Edge,
        shards: &[Shard],
        hour: Hour,
        posted_before: Hour,
    ) -> Result<(), StoreError> {
        for chunk in shards.chunks(100) {
            let updates = chunk
                .iter()
                .map(|shard| self.raise_update(edge, *shard, hour, posted_before))
                .collect::<Result<Vec<_>, _>>()?;
            if self.transact(updates).await? == Written::Committed {
                continue;
            }
            for shard in chunk {
                let update = self.raise_update(edge, *shard, hour, posted_before)?;
                let _already_there = self.transact(vec![update]).await?;
            }
        }
        Ok(())
    }

    fn raise_update(
        &self,
        edge: Edge,
        shard: Shard,
        hour: Hour,
        posted_before: Hour,
    ) -> Result<TransactWriteItem, StoreError> {
        let number = |hour: Hour| AttributeValue::N(hour.number().to_string());
        let update = Update::builder()
            .table_name(&self.tables.usage)
            .key("pk", text(keys::shard(shard)))
            .key("sk", text(keys::CURSOR))
            .expression_attribute_values(":hour", number(hour));
        let update = match edge {
            Edge::Sealed => update
                .update_expression("SET sealed = :hour, posted = if_not_exists(posted, :posted)")
                .condition_expression("attribute_not_exists(sealed) OR sealed < :hour")
                .expression_attribute_values(":posted", number(posted_before)),
            Edge::Posted => update
                .update_expression("SET posted = :hour")
                .condition_expression("posted < :hour AND sealed >= :hour"),
        };
        let update = update
            .build()
            .map_err(|error| StoreError::Refused(error.to_string()))?;
        Ok(TransactWriteItem::builder().update(update).build())
    }

    /// Puts a late marker with a fresh nonce, over any that is there.
    ///
    /// # Errors
    /// [`StoreError`] when DynamoDB does not answer.
    pub async fn put_marker(&self, marker: &Marker) -> Result<(), StoreError> {
        let pk = keys::markers_of(&marker.account, marker.part);
        let sk = keys::marker(&marker.account, marker.part, marker.hour);
        let row = MarkerRow {
            pk: pk.clone(),
            sk,
            account: marker.account.clone(),
            part: marker.part,
            hour: marker.hour,
            nonce: marker.nonce.clone(),
        };
        self.client
            .put_item()
            .table_name(&self.tables.usage)
            .set_item(Some(write(&pk, row)?))
            .send()
            .await?;
        Ok(())
    }

    /// Deletes a marker if it is still this one.
    ///
    /// # Errors
    /// [`StoreError`] when DynamoDB does not answer.
    pub async fn delete_marker(&self, marker: &Marker) -> Result<Written, StoreError> {
        let delete = self
            .client
            .delete_item()
            .table_name(&self.tables.usage)
            .key("pk", text(keys::markers_of(&marker.account, marker.part)))
            .key(
                "sk",
                text(keys::marker(&marker.account, marker.part, marker.hour)),
            )
            .condition_expression("nonce = :nonce")
            .expression_attribute_values(":nonce", text(&marker.nonce))
            .send()
            .await;
        match delete {
            Ok(_) => Ok(Written::Committed),
            Err(error)
                if error
                    .as_service_error()
                    .is_some_and(|e| e.is_conditional_check_failed_exception()) =>
            {
                Ok(Written::Lost)
            }
            Err(error) => Err(error.into()),
        }
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
        let item = self
            .client
            .get_item()
            .table_name(&self.tables.usage)
            .key("pk", text(keys::markers_of(account, part)))
            .key("sk", text(keys::marker(account, part, hour)))
            .consistent_read(true)
            .projection_expression("pk")
            .send()
            .await?
            .item;
        Ok(item.is_some())
    }

    /// One transaction; a failed condition is [`Written::Lost`].
    pub(super) async fn transact(
        &self,
        actions: Vec<TransactWriteItem>,
    ) -> Result<Written, StoreError> {
        let result = self
            .client
            .transact_write_items()
            .set_transact_items(Some(actions))
            .send()
            .await;
        let error = match result {
            Ok(_) => return Ok(Written::Committed),
            Err(error) => error,
        };
        if let Some(TransactWriteItemsError::TransactionCanceledException(cancelled)) =
            error.as_service_error()
        {
            let failed = cancelled
                .cancellation_reasons()
                .iter()
                .any(|reason| reason.code() == Some("ConditionalCheckFailed"));
            if failed {
                return Ok(Written::Lost);
            }
        }
        Err(error.into())
    }
}

fn cursor_key(shard: Shard) -> Item {
    [
        ("pk".to_owned(), text(keys::shard(shard))),
        ("sk".to_owned(), text(keys::CURSOR)),
    ]
    .into()
}

fn cursor_of(item: &Item) -> Result<Cursor, StoreError> {
    let hour = |name: &str| {
        item.get(name)
            .and_then(|value| value.as_n().ok())
            .and_then(|number| number.parse().ok())
            .map(Hour::from_number)
            .ok_or_else(|| StoreError::corrupt(key_of(item), format!("no {name}")))
    };
    Ok(Cursor {
        sealed: hour("sealed")?,
        posted: hour("posted")?,
    })
}
