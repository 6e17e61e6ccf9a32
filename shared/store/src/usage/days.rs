//! Days that are over, summed up: read by the pages instead of some hundred
//! items a day. No part of the ledger; it is all made from it.

use aws_sdk_dynamodb::types::{AttributeValue, TransactWriteItem, Update};
use domain::hour::{Hour, after};
use domain::ids::AccountId;
use domain::ledger::day::{DaySummary, SummedDay};
use domain::ledger::packed::days::{pack_day, unpack_day};
use domain::usage::Part;
use jiff::{SignedDuration, Timestamp};
use ledger::Written;

use super::keys;
use super::mapping::{FORMAT, Item, bytes, known, number};
use super::table::{Replaces, Sorted, not_built};
use crate::{Store, StoreError};

/// How long a summary is kept: longer than the 13 months that are shown, and
/// the days before them of which something may have been carried into them.
const KEPT_FOR: SignedDuration = SignedDuration::from_hours(450 * 24);

/// What is kept of a day.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptDay {
    /// The first hour of the day.
    pub day: Hour,
    /// Raised by every write.
    pub version: u64,
    /// Its summary; `None` when a posting took it back.
    pub summed_up: Option<SummedDay>,
}

impl Store {
    /// What is kept of the days that begin from the first hour up to but
    /// without the second, ascending.
    ///
    /// # Errors
    /// [`StoreError`] when DynamoDB does not answer or an item is unreadable.
    pub async fn days(
        &self,
        account: &AccountId,
        part: Part,
        from: Hour,
        until: Hour,
    ) -> Result<Vec<KeptDay>, StoreError> {
        let between = Sorted::Between(from.to_string(), until.previous().to_string());
        let items = self.usage_items(keys::days(account, part), between);
        items.await?.iter().map(kept_day).collect()
    }

    /// Stores the summary of a day, if nothing was written since what it
    /// replaces, its version before, was read.
    ///
    /// # Errors
    /// [`StoreError`] when DynamoDB does not answer; it may then be stored.
    pub async fn put_day(&self, summary: &DaySummary) -> Result<Written, StoreError> {
        let key = keys::day(&summary.account, summary.part, summary.day);
        let mut item = key.attributes();
        item.extend([
            ("format".to_owned(), number(FORMAT)),
            ("version".to_owned(), number(summary.version)),
            ("hours".to_owned(), bytes(pack_day(&summary.hours))),
            ("expires_at".to_owned(), expires_at(summary.day)),
        ]);
        self.usage_put(item, Replaces::before(summary.version))
            .await
    }

    /// Takes back the summary of an hour's day, if there is one; and if one is
    /// being made of what was there before, it will not be stored.
    pub(super) fn take_day_back(
        &self,
        account: &AccountId,
        part: Part,
        hour: Hour,
    ) -> Result<TransactWriteItem, StoreError> {
        let day = hour.first_of_day();
        let update = Update::builder()
            .table_name(&self.tables.usage)
            .set_key(Some(keys::day(account, part, day).attributes()))
            .update_expression(
                "SET #version = if_not_exists(#version, :zero) + :one, #format = :format, \
                 expires_at = :expires_at REMOVE #hours",
            )
            .expression_attribute_names("#version", "version")
            .expression_attribute_names("#format", "format")
            .expression_attribute_names("#hours", "hours")
            .expression_attribute_values(":zero", number(0))
            .expression_attribute_values(":one", number(1))
            .expression_attribute_values(":format", number(FORMAT))
            .expression_attribute_values(":expires_at", expires_at(day))
            .build()
            .map_err(not_built)?;
        Ok(TransactWriteItem::builder().update(update).build())
    }
}

fn expires_at(day: Hour) -> AttributeValue {
    number(after(day.start(), KEPT_FOR).as_second())
}

fn kept_day(item: &Item) -> Result<KeptDay, StoreError> {
    let key = known(item)?;
    let corrupt = |reason: &dyn ToString| StoreError::corrupt(key.to_string(), reason.to_string());
    let begins: Option<Timestamp> = key.sk.parse().ok();
    let day = begins.and_then(|begins| Hour::starting_at(begins).ok());
    let day = day.ok_or_else(|| corrupt(&"no day"))?;
    let version = item.get("version").and_then(|version| version.as_n().ok());
    let version = version.and_then(|version| version.parse().ok());
    let summed_up = match item.get("hours") {
        Some(AttributeValue::B(hours)) => {
            let hours = unpack_day(hours.as_ref(), day);
            Some(hours.map_err(|error| corrupt(&error))?)
        }
        Some(_) => return Err(corrupt(&"no bytes hours")),
        None => None,
    };
    Ok(KeptDay {
        day,
        version: version.ok_or_else(|| corrupt(&"no version"))?,
        summed_up,
    })
}
