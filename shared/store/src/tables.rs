//! Whether the tables are as this program needs them.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::{
    IndexStatus, KeySchemaElement, KeyType, StreamViewType, TableDescription, TimeToLiveStatus,
};

use crate::{Store, StoreError};

/// The indexes of a table: name, partition key, sort key.
type Indexes = [(&'static str, &'static str, &'static str)];

const INDEXES_OF_SUBSCRIPTIONS: &Indexes = &[("due", "due_shard", "due_at")];
const INDEXES_OF_USAGE: &Indexes = &[("work", "work_shard", "work_due")];

/// The attribute by which DynamoDB deletes what need not be kept.
const TIME_TO_LIVE: &str = "expires_at";

/// What a table lacks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableFault {
    /// The table's name.
    pub table: String,
    /// What it should have.
    pub lacks: Lack,
}

/// What a table should have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Lack {
    /// The keys `pk` and `sk`.
    Keys,
    /// An index of this name and these keys that knows all of the table.
    Index {
        /// Its name.
        name: &'static str,
        /// Its partition key.
        partition: &'static str,
        /// Its sort key.
        sort: &'static str,
    },
    /// Time to live, by `expires_at`.
    TimeToLive,
    /// A stream of new items, from which events go out.
    Stream,
}

impl TableFault {
    /// Whether nothing works right without it. Else something is left undone: what
    /// is old is not deleted, or events do not go out.
    pub fn is_in_the_way(&self) -> bool {
        match self.lacks {
            Lack::Keys | Lack::Index { .. } => true,
            Lack::TimeToLive | Lack::Stream => false,
        }
    }
}

impl fmt::Display for TableFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the table {} has ", self.table)?;
        match &self.lacks {
            Lack::Keys => write!(f, "other keys than pk and sk"),
            Lack::Index {
                name,
                partition,
                sort,
            } => write!(f, "no index {name} on {partition} and {sort}"),
            Lack::TimeToLive => write!(f, "no time to live by {TIME_TO_LIVE}"),
            Lack::Stream => write!(f, "no stream of new images"),
        }
    }
}

/// The tables that were found to be usable, which are not looked at again.
#[derive(Debug, Default)]
pub(crate) struct FoundUsable {
    subscriptions: AtomicBool,
    usage: AtomicBool,
}

impl Store {
    /// The client, to write to `Subscriptions` by: once that was found usable.
    ///
    /// # Errors
    /// [`StoreError`] when DynamoDB does not describe the table, as where there is none;
    /// [`StoreError::Unusable`].
    pub(crate) async fn to_write_subscriptions(&self) -> Result<&Client, StoreError> {
        let found = &self.found_usable.subscriptions;
        self.to_write(&self.tables.subscriptions, INDEXES_OF_SUBSCRIPTIONS, found)
            .await
    }

    /// The client, to write to `Usage` by: once that was found usable.
    ///
    /// # Errors
    /// As [`Store::to_write_subscriptions`].
    pub(crate) async fn to_write_usage(&self) -> Result<&Client, StoreError> {
        let found = &self.found_usable.usage;
        self.to_write(&self.tables.usage, INDEXES_OF_USAGE, found)
            .await
    }

    async fn to_write(
        &self,
        table: &str,
        indexes: &Indexes,
        found: &AtomicBool,
    ) -> Result<&Client, StoreError> {
        if found.load(Ordering::Relaxed) {
            return Ok(&self.client);
        }
        let described = self.described(table).await?;
        if let Some(lacks) = lacks(&described, indexes).into_iter().next() {
            return Err(StoreError::Unusable(TableFault {
                table: table.to_owned(),
                lacks,
            }));
        }
        found.store(true, Ordering::Relaxed);
        Ok(&self.client)
    }

    async fn described(&self, table: &str) -> Result<TableDescription, StoreError> {
        let described = self.client.describe_table().table_name(table);
        Ok(described.send().await?.table.unwrap_or_else(unknown))
    }

    /// What the tables lack of what this program needs. Writes nothing.
    ///
    /// # Errors
    /// [`StoreError`]; [`StoreError::Refused`] when a table is not there.
    pub async fn table_faults(&self) -> Result<Vec<TableFault>, StoreError> {
        let mut faults = Vec::new();
        for (table, indexes, streams) in [
            (&self.tables.subscriptions, INDEXES_OF_SUBSCRIPTIONS, true),
            (&self.tables.usage, INDEXES_OF_USAGE, false),
        ] {
            let described = self.described(table).await?;
            let mut lacks = lacks(&described, indexes);
            if !self.has_time_to_live(table).await? {
                lacks.push(Lack::TimeToLive);
            }
            if streams && !has_stream(&described) {
                lacks.push(Lack::Stream);
            }
            faults.extend(lacks.into_iter().map(|lacks| TableFault {
                table: table.clone(),
                lacks,
            }));
        }
        Ok(faults)
    }

    async fn has_time_to_live(&self, table: &str) -> Result<bool, StoreError> {
        let described = self.client.describe_time_to_live().table_name(table);
        let described = described.send().await?.time_to_live_description;
        Ok(described.is_some_and(|time_to_live| {
            let on = [TimeToLiveStatus::Enabled, TimeToLiveStatus::Enabling];
            time_to_live.attribute_name() == Some(TIME_TO_LIVE)
                && time_to_live
                    .time_to_live_status()
                    .is_some_and(|status| on.contains(status))
        }))
    }
}

/// A table of which nothing is known.
fn unknown() -> TableDescription {
    TableDescription::builder().build()
}

fn lacks(table: &TableDescription, indexes: &Indexes) -> Vec<Lack> {
    let mut lacks = Vec::new();
    if !has_keys(table.key_schema(), "pk", "sk") {
        lacks.push(Lack::Keys);
    }
    let there: BTreeSet<&str> = table
        .global_secondary_indexes()
        .iter()
        .filter(|index| !index.index_status().is_some_and(is_incomplete))
        .filter(|index| {
            let known = indexes
                .iter()
                .find(|(name, ..)| index.index_name() == Some(name));
            known.is_some_and(|(_, partition, sort)| has_keys(index.key_schema(), partition, sort))
        })
        .filter_map(|index| index.index_name())
        .collect();
    for (name, partition, sort) in indexes.iter().copied() {
        if !there.contains(name) {
            lacks.push(Lack::Index {
                name,
                partition,
                sort,
            });
        }
    }
    lacks
}

/// Whether an index is not there yet, or not any more.
fn is_incomplete(status: &IndexStatus) -> bool {
    [IndexStatus::Creating, IndexStatus::Deleting].contains(status)
}

fn has_stream(table: &TableDescription) -> bool {
    let views = [StreamViewType::NewImage, StreamViewType::NewAndOldImages];
    table.stream_specification().is_some_and(|stream| {
        stream.stream_enabled()
            && stream
                .stream_view_type()
                .is_some_and(|view| views.contains(view))
    })
}

fn has_keys(schema: &[KeySchemaElement], partition: &str, sort: &str) -> bool {
    let has = |name: &str, kind: &KeyType| {
        let mut keys = schema.iter();
        keys.any(|key| key.attribute_name() == name && key.key_type() == kind)
    };
    has(partition, &KeyType::Hash) && has(sort, &KeyType::Range)
}
