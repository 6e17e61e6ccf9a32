//! Slots: heads, entries and records.

use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::types::{
    AttributeValue, Put, ReturnValuesOnConditionCheckFailure, TransactWriteItem, Update,
};
use domain::hour::Hour;
use domain::ids::{Dimension, LicenseId};
use domain::ledger::record::Record;
use domain::ledger::slot::{SlotEntry, SlotHead};
use jiff::Timestamp;

use super::mapping::{EntryRow, HeadRow, Item, RecordRow, key_of, read, write};
use super::reports::text;
use super::{Written, keys};
use crate::{Store, StoreError};

/// A slot, whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Slot {
    /// Its head.
    pub head: SlotHead,
    /// What was posted into it.
    pub entries: Vec<SlotEntry>,
    /// What it was frozen into.
    pub records: Vec<Record>,
}

impl Store {
    /// The head of a slot; `None` when nothing was ever posted into it.
    ///
    /// # Errors
    /// [`StoreError`] when DynamoDB does not answer or the item is unreadable.
    pub async fn slot_head(
        &self,
        license: &LicenseId,
        hour: Hour,
    ) -> Result<Option<SlotHead>, StoreError> {
        let item = self
            .client
            .get_item()
            .table_name(&self.tables.usage)
            .key("pk", text(keys::license(license)))
            .key("sk", text(keys::head(hour)))
            .consistent_read(true)
            .send()
            .await?
            .item;
        item.map(|item| read::<HeadRow>(item).map(Into::into))
            .transpose()
    }

    /// A slot, whole; `None` when nothing was ever posted into it.
    ///
    /// # Errors
    /// [`StoreError`] when DynamoDB does not answer or an item is unreadable.
    pub async fn slot(&self, license: &LicenseId, hour: Hour) -> Result<Option<Slot>, StoreError> {
        let query = self
            .client
            .query()
            .table_name(&self.tables.usage)
            .consistent_read(true)
            .key_condition_expression("pk = :pk AND begins_with(sk, :slot)")
            .expression_attribute_values(":pk", text(keys::license(license)))
            .expression_attribute_values(":slot", text(keys::slot(hour)));
        Ok(slots_of(self.query_all(query).await?)?.pop())
    }

    /// The slots of a license from the first hour up to but without the second, ascending.
    ///
    /// # Errors
    /// [`StoreError`] when DynamoDB does not answer or an item is unreadable.
    pub async fn slots(
        &self,
        license: &LicenseId,
        from: Hour,
        until: Hour,
    ) -> Result<Vec<Slot>, StoreError> {
        let query = self
            .client
            .query()
            .table_name(&self.tables.usage)
            .consistent_read(true)
            .key_condition_expression("pk = :pk AND sk BETWEEN :from AND :until")
            .expression_attribute_values(":pk", text(keys::license(license)))
            .expression_attribute_values(":from", text(keys::slot(from)))
            .expression_attribute_values(":until", text(keys::slot(until)));
        slots_of(self.query_all(query).await?)
    }

    /// Freezes a slot if its version is the one its records were made from:
    /// the records are stored for ever, and the slot takes no more usage.
    ///
    /// # Errors
    /// [`StoreError`] when DynamoDB does not answer; the slot may then be frozen.
    pub async fn freeze(
        &self,
        head: &SlotHead,
        records: &[Record],
        now: Timestamp,
    ) -> Result<Written, StoreError> {
        let frozen = AttributeValue::M(
            [
                ("is".to_owned(), text("frozen")),
                ("at".to_owned(), text(now.to_string())),
            ]
            .into(),
        );
        let update = Update::builder()
            .table_name(&self.tables.usage)
            .key("pk", text(keys::license(&head.license)))
            .key("sk", text(keys::head(head.hour)))
            .update_expression("SET #state = :frozen, #version = :next REMOVE work_shard, work_due")
            .condition_expression("#version = :version AND #state.#is = :open")
            .expression_attribute_names("#state", "state")
            .expression_attribute_names("#is", "is")
            .expression_attribute_names("#version", "version")
            .expression_attribute_values(":frozen", frozen)
            .expression_attribute_values(":open", text("open"))
            .expression_attribute_values(":version", AttributeValue::N(head.version.to_string()))
            .expression_attribute_values(":next", AttributeValue::N((head.version + 1).to_string()))
            .build()
            .map_err(|error| StoreError::Refused(error.to_string()))?;
        let mut actions = vec![TransactWriteItem::builder().update(update).build()];
        for record in records {
            let row = RecordRow::from(record);
            let put = Put::builder()
                .table_name(&self.tables.usage)
                .set_item(Some(write(&row.pk.clone(), row)?))
                .condition_expression("attribute_not_exists(pk)")
                .build()
                .map_err(|error| StoreError::Refused(error.to_string()))?;
            actions.push(TransactWriteItem::builder().put(put).build());
        }
        self.transact(actions).await
    }

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
        let item = self
            .client
            .get_item()
            .table_name(&self.tables.usage)
            .key("pk", text(keys::license(license)))
            .key("sk", text(keys::record(slot, dimension)))
            .consistent_read(true)
            .send()
            .await?
            .item;
        item.map(|item| read::<RecordRow>(item).map(Into::into))
            .transpose()
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
        let row = RecordRow::from(record);
        let put = self
            .client
            .put_item()
            .table_name(&self.tables.usage)
            .set_item(Some(write(&row.pk.clone(), row)?))
            .item("written", text(nonce))
            .condition_expression("version = :before")
            .expression_attribute_values(
                ":before",
                AttributeValue::N((record.version - 1).to_string()),
            )
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

/// Groups a license's items, ascending by key, into its slots.
fn slots_of(items: Vec<Item>) -> Result<Vec<Slot>, StoreError> {
    let mut heads = Vec::new();
    let mut entries = Vec::new();
    let mut records = Vec::new();
    for item in items {
        let sk = item
            .get("sk")
            .and_then(|value| value.as_s().ok())
            .cloned()
            .unwrap_or_default();
        let Some((slot, rest)) = sk.split_once('#') else {
            return Err(StoreError::corrupt(key_of(&item), "no slot's item"));
        };
        let slot = slot.to_owned();
        if rest == "head" {
            heads.push((slot, SlotHead::from(read::<HeadRow>(item)?)));
        } else if rest.starts_with("entry#") {
            entries.push((slot, SlotEntry::from(read::<EntryRow>(item)?)));
        } else if rest.starts_with("record#") {
            records.push((slot, Record::from(read::<RecordRow>(item)?)));
        } else {
            return Err(StoreError::corrupt(key_of(&item), "no slot's item"));
        }
    }
    Ok(heads
        .into_iter()
        .map(|(slot, head)| Slot {
            head,
            entries: of_slot(&entries, &slot),
            records: of_slot(&records, &slot),
        })
        .collect())
}

fn of_slot<T: Clone>(items: &[(String, T)], slot: &str) -> Vec<T> {
    items
        .iter()
        .filter(|(of, _)| of == slot)
        .map(|(_, item)| item.clone())
        .collect()
}
