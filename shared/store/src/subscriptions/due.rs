//! The index of what falls due. It only suggests: an account that it names is
//! read again before anything is decided.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::AttributeValue;
use domain::ids::AccountId;
use jiff::Timestamp;

use super::keys;
use crate::{Store, StoreError};

/// The partitions of the index, so that no one holds all customers.
pub const DUE_SHARDS: u8 = 4;

/// The accounts read at once.
const PAGE: i32 = 100;

/// A page of accounts that may be due.
#[derive(Debug, Clone, Default)]
pub struct DuePage {
    /// The accounts.
    pub accounts: Vec<AccountId>,
    /// Where the next page begins, if there is one.
    pub next: Option<DueCursor>,
}

/// Where a page of the index begins.
#[derive(Debug, Clone)]
pub struct DueCursor(HashMap<String, AttributeValue>);

/// The partition of the index in which an account is.
pub(super) fn shard_of(account: &AccountId) -> u8 {
    let sum = account
        .as_str()
        .bytes()
        .fold(0_u8, |sum, byte| sum.wrapping_mul(31).wrapping_add(byte));
    sum % DUE_SHARDS
}

impl Store {
    /// Accounts of a partition, below [`DUE_SHARDS`], that may be due at `now`,
    /// the earliest first.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn due_accounts(
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
        let accounts = items.iter().filter_map(|item| {
            let account = match item.get("pk") {
                Some(AttributeValue::S(pk)) => keys::account_of(pk),
                Some(_) | None => None,
            };
            if account.is_none() {
                tracing::error!("an entry of the index `due` names no account");
            }
            account
        });
        Ok(DuePage {
            accounts: accounts.collect(),
            next: page
                .last_evaluated_key
                .filter(|key| !key.is_empty())
                .map(DueCursor),
        })
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
