//! The `Usage` table itself: its reads, all strongly consistent and paged to
//! their end, and its conditional writes.

use aws_sdk_dynamodb::error::{BuildError, ProvideErrorMetadata, SdkError};
use aws_sdk_dynamodb::operation::delete_item::DeleteItemError;
use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::operation::query::builders::QueryFluentBuilder;
use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use aws_sdk_dynamodb::types::{AttributeValue, Delete, Put, TransactWriteItem};
use futures_util::future::try_join_all;
use ledger::Written;
use ledger::step::Listed;

use super::keys::{Key, WorkKind};
use super::mapping::{Item, number, text};
use crate::{Store, StoreError};

/// The most actions of one transaction (DynamoDB).
const MAX_ACTIONS: usize = 100;

/// Which items of a partition.
pub(super) enum Sorted {
    All,
    BeginningWith(String),
    Between(String, String),
}

/// What must hold of the item that a put replaces.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Replaces {
    Anything,
    Nothing,
    Version(u64),
}

impl Replaces {
    /// What an item of this version replaces: the version before its own.
    pub(super) fn before(version: u64) -> Self {
        match version {
            0 | 1 => Self::Nothing,
            later => Self::Version(later - 1),
        }
    }
}

impl Store {
    /// One item.
    pub(super) async fn usage_item(&self, key: &Key) -> Result<Option<Item>, StoreError> {
        let read = self
            .client
            .get_item()
            .table_name(&self.tables.usage)
            .set_key(Some(key.attributes()))
            .consistent_read(true)
            .send();
        Ok(read.await?.item)
    }

    /// Items of a partition, ascending.
    pub(super) async fn usage_items(
        &self,
        pk: String,
        sorted: Sorted,
    ) -> Result<Vec<Item>, StoreError> {
        self.query_all(self.usage_query(pk, sorted)).await
    }

    /// Asks for items of a partition, ascending.
    pub(super) fn usage_query(&self, pk: String, sorted: Sorted) -> QueryFluentBuilder {
        let query = self
            .client
            .query()
            .table_name(&self.tables.usage)
            .consistent_read(true)
            .expression_attribute_values(":pk", text(pk));
        match sorted {
            Sorted::All => query.key_condition_expression("pk = :pk"),
            Sorted::BeginningWith(prefix) => query
                .key_condition_expression("pk = :pk AND begins_with(sk, :prefix)")
                .expression_attribute_values(":prefix", text(prefix)),
            Sorted::Between(first, last) => query
                .key_condition_expression("pk = :pk AND sk BETWEEN :first AND :last")
                .expression_attribute_values(":first", text(first))
                .expression_attribute_values(":last", text(last)),
        }
    }

    /// Asks for a partition of the work index, by due time.
    pub(super) fn work_query(&self, partition: String) -> QueryFluentBuilder {
        self.client
            .query()
            .table_name(&self.tables.usage)
            .index_name("work")
            .key_condition_expression("work_shard = :shard")
            .expression_attribute_values(":shard", text(partition))
    }

    /// Every entry of the work index that is of a kind, as far as the index knows.
    pub(super) async fn usage_work(&self, kind: WorkKind) -> Result<Vec<Item>, StoreError> {
        let partitions = kind.partitions().into_iter();
        let partitions = partitions.map(|partition| self.query_all(self.work_query(partition)));
        Ok(try_join_all(partitions)
            .await?
            .into_iter()
            .flatten()
            .collect())
    }

    /// Puts an item.
    pub(super) async fn usage_put(
        &self,
        item: Item,
        replaces: Replaces,
    ) -> Result<Written, StoreError> {
        let put = self
            .to_write_usage()
            .await?
            .put_item()
            .table_name(&self.tables.usage)
            .set_item(Some(item))
            .set_condition_expression(replaces.condition())
            .set_expression_attribute_values(replaces.values())
            .send()
            .await;
        lost_if(put, PutItemError::is_conditional_check_failed_exception)
    }

    /// Deletes an item under a condition, of which `:is` is a value if it has one.
    pub(super) async fn usage_delete(
        &self,
        key: &Key,
        condition: &str,
        is: Option<AttributeValue>,
    ) -> Result<Written, StoreError> {
        let delete = self
            .to_write_usage()
            .await?
            .delete_item()
            .table_name(&self.tables.usage)
            .set_key(Some(key.attributes()))
            .condition_expression(condition)
            .set_expression_attribute_values(is.map(|is| [(":is".to_owned(), is)].into()))
            .send()
            .await;
        lost_if(
            delete,
            DeleteItemError::is_conditional_check_failed_exception,
        )
    }

    /// The same put as part of a transaction.
    pub(super) fn put_action(
        &self,
        item: Item,
        replaces: Replaces,
    ) -> Result<TransactWriteItem, StoreError> {
        let put = Put::builder()
            .table_name(&self.tables.usage)
            .set_item(Some(item))
            .set_condition_expression(replaces.condition())
            .set_expression_attribute_values(replaces.values())
            .build()
            .map_err(not_built)?;
        Ok(TransactWriteItem::builder().put(put).build())
    }

    /// A deletion as part of a transaction.
    pub(super) fn delete_action(&self, key: &Key) -> Result<TransactWriteItem, StoreError> {
        let delete = Delete::builder()
            .table_name(&self.tables.usage)
            .set_key(Some(key.attributes()))
            .build()
            .map_err(not_built)?;
        Ok(TransactWriteItem::builder().delete(delete).build())
    }

    /// One transaction; a failed condition is [`Written::Lost`].
    pub(super) async fn transact(
        &self,
        actions: Vec<TransactWriteItem>,
    ) -> Result<Written, StoreError> {
        if actions.len() > MAX_ACTIONS {
            return Err(StoreError::Refused(format!(
                "{} actions; a transaction takes {MAX_ACTIONS}",
                actions.len()
            )));
        }
        let made = self
            .to_write_usage()
            .await?
            .transact_write_items()
            .set_transact_items(Some(actions))
            .send()
            .await;
        lost_if(made, |error| {
            let TransactWriteItemsError::TransactionCanceledException(cancelled) = error else {
                return false;
            };
            let mut reasons = cancelled.cancellation_reasons().iter();
            reasons.any(|reason| reason.code() == Some("ConditionalCheckFailed"))
        })
    }
}

impl Replaces {
    fn condition(self) -> Option<String> {
        let condition = match self {
            Self::Anything => return None,
            Self::Nothing => "attribute_not_exists(pk)",
            Self::Version(_) => "version = :before",
        };
        Some(condition.to_owned())
    }

    fn values(self) -> Option<Item> {
        match self {
            Self::Anything | Self::Nothing => None,
            Self::Version(version) => Some([(":before".to_owned(), number(version))].into()),
        }
    }
}

/// A write, or that its condition failed, which is an answer.
pub(super) fn lost_if<T, E>(
    written: Result<T, SdkError<E>>,
    is_failed_condition: impl Fn(&E) -> bool,
) -> Result<Written, StoreError>
where
    E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
{
    match written {
        Ok(_) => Ok(Written::Committed),
        Err(error) if error.as_service_error().is_some_and(is_failed_condition) => {
            Ok(Written::Lost)
        }
        Err(error) => Err(error.into()),
    }
}

/// What can be read, and what cannot.
///
/// # Errors
/// [`StoreError`] of any other kind.
pub(super) fn list<T>(
    read: impl Iterator<Item = Result<T, StoreError>>,
) -> Result<Listed<T>, StoreError> {
    let mut listed = Listed::from(Vec::new());
    for item in read {
        match item {
            Ok(item) => listed.items.push(item),
            Err(StoreError::Corrupt(unreadable)) => listed.unreadable.push(unreadable),
            Err(error) => return Err(error),
        }
    }
    Ok(listed)
}

pub(super) fn not_built(error: BuildError) -> StoreError {
    StoreError::Refused(error.to_string())
}
