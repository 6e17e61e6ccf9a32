//! The records of slots.

use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::types::{ReturnValuesOnConditionCheckFailure, TransactWriteItem};
use domain::hour::Hour;
use domain::ids::{Dimension, LicenseId};
use domain::ledger::record::Record;
use domain::mutant;
use ledger::Written;
use ledger::step::Listed;

use super::keys::{self, Key};
use super::mapping::packed::{read_record, write_record};
use super::mapping::{Item, listed, number, text, work_of};
use super::table::{Replaces, Sorted, list};
use crate::{Store, StoreError};

impl Store {
    /// One record of a slot.
    ///
    /// # Errors
    /// [`StoreError`] when DynamoDB does not answer or the item is unreadable.
    pub async fn record(
        &self,
        license: &LicenseId,
        slot: Hour,
        dimension: &Dimension,
    ) -> Result<Option<Record>, StoreError> {
        let key = keys::record(license, slot, dimension);
        let item = self.usage_item(&key).await?;
        item.map(read_record).transpose()
    }

    /// The records in the slots of a license from the first hour up to but
    /// without the second, ascending.
    ///
    /// # Errors
    /// [`StoreError`] when DynamoDB does not answer.
    pub async fn records_of(
        &self,
        license: &LicenseId,
        from: Hour,
        until: Hour,
    ) -> Result<Listed<Record>, StoreError> {
        let hours = Sorted::Between(keys::slot(from), keys::slot(until));
        let items = self.usage_items(keys::license(license), hours).await?;
        let records = items.into_iter().filter(|item| {
            let Key { sk, .. } = Key::of(item);
            sk.split_once('#')
                .is_some_and(|(_, rest)| rest.starts_with("record#"))
        });
        list(records.map(read_record))
    }

    /// Stores a record for the first time.
    pub(super) fn create_record(&self, record: &Record) -> Result<TransactWriteItem, StoreError> {
        self.put_action(record_item(record)?, Replaces::Nothing)
    }

    /// Replaces a record if the stored one has the version before its own.
    ///
    /// `nonce` names this write: when the SDK repeats a write whose answer was
    /// lost, the condition fails on what the first attempt wrote, and the nonce
    /// tells that from somebody else's write.
    ///
    /// # Errors
    /// [`StoreError`] when DynamoDB does not answer; the write may then have been made.
    pub async fn replace_record(
        &self,
        record: &Record,
        nonce: &str,
    ) -> Result<Written, StoreError> {
        let put = self
            .to_write_usage()
            .await?
            .put_item()
            .table_name(&self.tables.usage)
            .set_item(Some(record_item(record)?))
            .item("written", text(nonce))
            .condition_expression(if mutant!(SettledWithoutVersion) {
                "version = :before OR version <> :before"
            } else {
                "version = :before"
            })
            .expression_attribute_values(":before", number(record.version.saturating_sub(1)))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .send()
            .await;
        let error = match put {
            Ok(_) => return Ok(Written::Committed),
            Err(error) => error,
        };
        let Some(PutItemError::ConditionalCheckFailedException(failed)) = error.as_service_error()
        else {
            return Err(error.into());
        };
        let ours = failed.item().and_then(|item| item.get("written")) == Some(&text(nonce));
        Ok(if ours {
            Written::Committed
        } else {
            Written::Lost
        })
    }
}

fn record_item(record: &Record) -> Result<Item, StoreError> {
    let license = record.usage.license.id();
    let key = keys::record(license, record.slot, &record.usage.dimension);
    let mut item = write_record(&key, record)?;
    if let Some((kind, due)) = work_of(record) {
        listed(&mut item, kind, license, due);
    }
    Ok(item)
}
