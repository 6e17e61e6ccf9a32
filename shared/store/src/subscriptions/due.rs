//! The index of what falls due. It only suggests: what it names is read again
//! before anything is decided.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::AttributeValue;
use domain::ids::{AccountId, LicenseId};
use domain::license::License;
use jiff::Timestamp;

use super::keys;
use crate::{Store, StoreError};

/// The partitions of the index, so that no one holds all customers.
pub const DUE_SHARDS: u8 = 4;

/// The entries read at once.
const PAGE: i32 = 100;

/// Something that may be due.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Due {
    /// An account, which the clock changes.
    Account(AccountId),
    /// A license, of which AWS is to be asked something.
    License(LicenseId),
}

/// A page of what may be due.
#[derive(Debug, Clone, Default)]
pub struct DuePage {
    /// What may be due, the earliest first.
    pub entries: Vec<Due>,
    /// Where the next page begins, if there is one.
    pub next: Option<DueCursor>,
}

/// Where a page of the index begins.
#[derive(Debug, Clone)]
pub struct DueCursor(HashMap<String, AttributeValue>);

/// The partition of the index in which what has this id is.
pub(super) fn shard_of(id: &str) -> u8 {
    let sum = id
        .bytes()
        .fold(0_u8, |sum, byte| sum.wrapping_mul(31).wrapping_add(byte));
    sum % DUE_SHARDS
}

impl Store {
    /// What may be due at `now` in a partition, below [`DUE_SHARDS`], the earliest first.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn due_entries(
        &self,
        shard: u8,
        now: Timestamp,
        after: Option<DueCursor>,
    ) -> Result<DuePage, StoreError> {
        let page = self
            .client
            .query()
            .table_name(&self.tables.subscriptions)
            .index_name("due")
            .key_condition_expression("due_shard = :shard AND due_at <= :now")
            .expression_attribute_values(":shard", AttributeValue::S(shard.to_string()))
            .expression_attribute_values(":now", AttributeValue::S(keys::instant(now)))
            .set_exclusive_start_key(after.map(|cursor| cursor.0))
            .limit(PAGE)
            .send()
            .await?;
        let items = page.items.unwrap_or_default();
        let entries = items.iter().filter_map(|item| {
            let due = match item.get("pk") {
                Some(AttributeValue::S(pk)) => {
                    let account = keys::account_of(pk).map(Due::Account);
                    account.or_else(|| keys::license_of(pk).map(Due::License))
                }
                Some(_) | None => None,
            };
            if due.is_none() {
                tracing::error!("an entry of the index `due` names no account and no license");
            }
            due
        });
        Ok(DuePage {
            entries: entries.collect(),
            next: page
                .last_evaluated_key
                .filter(|key| !key.is_empty())
                .map(DueCursor),
        })
    }

    /// Has a license looked at again at an instant, and not before, unless it is
    /// changed meanwhile: then its own instant counts.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn put_off_license(
        &self,
        license: &License,
        until: Timestamp,
    ) -> Result<(), StoreError> {
        let put_off = self
            .to_write_subscriptions()
            .await?
            .update_item()
            .table_name(&self.tables.subscriptions)
            .key("pk", AttributeValue::S(keys::license(&license.id)))
            .key("sk", AttributeValue::S(keys::LICENSE.to_owned()))
            .update_expression("SET due_at = :until")
            .condition_expression("#version = :version")
            .expression_attribute_names("#version", "version")
            .expression_attribute_values(":until", AttributeValue::S(keys::instant(until)))
            .expression_attribute_values(":version", AttributeValue::N(license.version.to_string()))
            .send()
            .await;
        match put_off {
            Ok(_) => Ok(()),
            Err(error) => match error.as_service_error() {
                Some(refused) if refused.is_conditional_check_failed_exception() => Ok(()),
                Some(_) | None => Err(error.into()),
            },
        }
    }

    /// The earliest instant at which anything falls due, or fell due and was
    /// not recorded yet.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn next_due(&self) -> Result<Option<Timestamp>, StoreError> {
        let mut earliest: Option<Timestamp> = None;
        for shard in 0..DUE_SHARDS {
            let page = self
                .client
                .query()
                .table_name(&self.tables.subscriptions)
                .index_name("due")
                .key_condition_expression("due_shard = :shard")
                .expression_attribute_values(":shard", AttributeValue::S(shard.to_string()))
                .limit(1)
                .send()
                .await?;
            for item in page.items.unwrap_or_default() {
                let due_at = match item.get("due_at") {
                    Some(AttributeValue::S(text)) => text.parse().ok(),
                    Some(_) | None => None,
                };
                earliest = earliest.into_iter().chain(due_at).min();
            }
        }
        Ok(earliest)
    }
}
