//! Account-hours, and the one transaction that posts.

use aws_sdk_dynamodb::types::{AttributeValue, Put, TransactWriteItem, Update};
use domain::hour::{Hour, after};
use domain::ids::{AccountId, LicenseId};
use domain::ledger::account_hour::AccountHour;
use domain::ledger::deadline::CLOSED_AFTER;
use domain::ledger::slot::SlotEntry;
use domain::usage::Part;

use super::keys::WorkKind;
use super::mapping::{AccountHourRow, EntryRow, read, whole_seconds, write};
use super::reports::text;
use super::{Written, keys};
use crate::{Store, StoreError};

/// An entry to be set in a license's slot, if the slot is open.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SlotPosting {
    /// The license.
    pub license: LicenseId,
    /// The slot's hour.
    pub slot: Hour,
    /// The account-hour's total there.
    pub entry: SlotEntry,
}

impl Store {
    /// An account-hour; one that is not stored is empty, of version 0.
    ///
    /// # Errors
    /// [`StoreError`] when DynamoDB does not answer or the item is unreadable.
    pub async fn account_hour(
        &self,
        account: &AccountId,
        part: Part,
        hour: Hour,
    ) -> Result<AccountHour, StoreError> {
        let item = self
            .client
            .get_item()
            .table_name(&self.tables.usage)
            .key("pk", text(keys::account(account, part)))
            .key("sk", text(hour.to_string()))
            .consistent_read(true)
            .send()
            .await?
            .item;
        match item {
            Some(item) => Ok(read::<AccountHourRow>(item)?.into()),
            None => Ok(AccountHour::empty(account.clone(), part, hour)),
        }
    }

    /// The stored account-hours of one part of an account, from the first hour
    /// up to but without the second, ascending.
    ///
    /// # Errors
    /// [`StoreError`] when DynamoDB does not answer or an item is unreadable.
    pub async fn account_hours(
        &self,
        account: &AccountId,
        part: Part,
        from: Hour,
        until: Hour,
    ) -> Result<Vec<AccountHour>, StoreError> {
        let query = self
            .client
            .query()
            .table_name(&self.tables.usage)
            .consistent_read(true)
            .key_condition_expression("pk = :pk AND sk BETWEEN :from AND :last")
            .expression_attribute_values(":pk", text(keys::account(account, part)))
            .expression_attribute_values(":from", text(from.to_string()))
            .expression_attribute_values(":last", text(until.previous().to_string()));
        self.query_all(query)
            .await?
            .into_iter()
            .map(|item| Ok(read::<AccountHourRow>(item)?.into()))
            .collect()
    }

    /// Posts: the account-hour if its stored version is one less than its own,
    /// and each entry if its slot is open, whose version it raises; all or nothing.
    ///
    /// # Errors
    /// [`StoreError`] when DynamoDB does not answer; the writes may then have been made,
    /// and posting again finds out.
    pub async fn post(
        &self,
        hour: &AccountHour,
        slots: &[SlotPosting],
    ) -> Result<Written, StoreError> {
        let mut actions = vec![self.account_hour_put(hour)?];
        for posting in slots {
            actions.push(self.head_raise(posting)?);
            actions.push(self.entry_put(posting)?);
        }
        self.transact(actions).await
    }

    fn account_hour_put(&self, hour: &AccountHour) -> Result<TransactWriteItem, StoreError> {
        let row = AccountHourRow::from(hour);
        let key = format!("{} | {}", row.pk, row.sk);
        let put = Put::builder()
            .table_name(&self.tables.usage)
            .set_item(Some(write(&key, row)?));
        let put = if hour.version == 1 {
            put.condition_expression("attribute_not_exists(pk)")
        } else {
            put.condition_expression("version = :before")
                .expression_attribute_values(
                    ":before",
                    AttributeValue::N((hour.version - 1).to_string()),
                )
        };
        let put = put
            .build()
            .map_err(|error| StoreError::Refused(error.to_string()))?;
        Ok(TransactWriteItem::builder().put(put).build())
    }

    fn head_raise(&self, posting: &SlotPosting) -> Result<TransactWriteItem, StoreError> {
        let due = whole_seconds(after(posting.slot.end(), CLOSED_AFTER));
        let update = Update::builder()
            .table_name(&self.tables.usage)
            .key("pk", text(keys::license(&posting.license)))
            .key("sk", text(keys::head(posting.slot)))
            .update_expression(
                "SET #version = if_not_exists(#version, :zero) + :one, #state = :open, \
                 #license = :license, #hour = :hour, work_shard = :shard, work_due = :due",
            )
            .condition_expression("attribute_not_exists(pk) OR #state.#is = :is_open")
            .expression_attribute_names("#version", "version")
            .expression_attribute_names("#state", "state")
            .expression_attribute_names("#is", "is")
            .expression_attribute_names("#license", "license")
            .expression_attribute_names("#hour", "hour")
            .expression_attribute_values(":zero", AttributeValue::N("0".into()))
            .expression_attribute_values(":one", AttributeValue::N("1".into()))
            .expression_attribute_values(
                ":open",
                AttributeValue::M([("is".to_owned(), text("open"))].into()),
            )
            .expression_attribute_values(":is_open", text("open"))
            .expression_attribute_values(":license", text(posting.license.as_str()))
            .expression_attribute_values(":hour", text(posting.slot.to_string()))
            .expression_attribute_values(
                ":shard",
                text(keys::work_of(WorkKind::Slot, &posting.license)),
            )
            .expression_attribute_values(":due", text(due.to_string()))
            .build()
            .map_err(|error| StoreError::Refused(error.to_string()))?;
        Ok(TransactWriteItem::builder().update(update).build())
    }

    fn entry_put(&self, posting: &SlotPosting) -> Result<TransactWriteItem, StoreError> {
        let row = EntryRow::new(&posting.license, posting.slot, &posting.entry);
        let key = keys::license(&posting.license);
        let put = Put::builder()
            .table_name(&self.tables.usage)
            .set_item(Some(write(&key, row)?))
            .build()
            .map_err(|error| StoreError::Refused(error.to_string()))?;
        Ok(TransactWriteItem::builder().put(put).build())
    }
}
