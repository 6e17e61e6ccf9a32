//! The ledger's items, as rows.

use std::collections::{BTreeMap, HashMap};

use aws_sdk_dynamodb::types::AttributeValue;
use domain::hour::Hour;
use domain::ids::{AccountId, LicenseId, ProductCode};
use domain::ledger::account_hour::{AccountHour, Line, Posting, Unbillable};
use domain::ledger::record::{Record, RecordState};
use domain::ledger::slot::{Amount, SlotEntry, SlotHead, SlotState};
use domain::metering::UsageRecord;
use domain::usage::Part;
use jiff::Timestamp;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::keys::{self, WorkKind};
use crate::StoreError;

pub(super) type Item = HashMap<String, AttributeValue>;

/// The key of an item, for errors.
pub(super) fn key_of(item: &Item) -> String {
    let part = |name| match item.get(name) {
        Some(AttributeValue::S(text)) => text.as_str(),
        _ => "?",
    };
    format!("{} | {}", part("pk"), part("sk"))
}

pub(super) fn read<T: DeserializeOwned>(item: Item) -> Result<T, StoreError> {
    let key = key_of(&item);
    serde_dynamo::from_item(item).map_err(|error| StoreError::corrupt(key, error))
}

pub(super) fn write<T: Serialize>(key: &str, row: T) -> Result<Item, StoreError> {
    serde_dynamo::to_item(row).map_err(|error| StoreError::corrupt(key, error))
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct AccountHourRow {
    pub pk: String,
    pub sk: String,
    account: AccountId,
    part: Part,
    hour: Hour,
    version: u64,
    postings: Vec<Posting>,
    lines: Vec<Line>,
    unbillable: BTreeMap<Unbillable, u32>,
}

impl From<&AccountHour> for AccountHourRow {
    fn from(hour: &AccountHour) -> Self {
        Self {
            pk: keys::account(&hour.account, hour.part),
            sk: hour.hour.to_string(),
            account: hour.account.clone(),
            part: hour.part,
            hour: hour.hour,
            version: hour.version,
            postings: hour.postings.clone(),
            lines: hour.lines.clone(),
            unbillable: hour.unbillable.clone(),
        }
    }
}

impl From<AccountHourRow> for AccountHour {
    fn from(row: AccountHourRow) -> Self {
        Self {
            account: row.account,
            part: row.part,
            hour: row.hour,
            version: row.version,
            postings: row.postings,
            lines: row.lines,
            unbillable: row.unbillable,
        }
    }
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct HeadRow {
    license: LicenseId,
    hour: Hour,
    version: u64,
    state: SlotState,
}

impl From<HeadRow> for SlotHead {
    fn from(row: HeadRow) -> Self {
        Self {
            license: row.license,
            hour: row.hour,
            version: row.version,
            state: row.state,
        }
    }
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct EntryRow {
    pk: String,
    sk: String,
    account: AccountId,
    part: Part,
    hour: Hour,
    origin: Hour,
    amounts: Vec<Amount>,
}

impl EntryRow {
    pub(super) fn new(license: &LicenseId, slot: Hour, entry: &SlotEntry) -> Self {
        Self {
            pk: keys::license(license),
            sk: keys::entry(slot, entry),
            account: entry.account.clone(),
            part: entry.part,
            hour: entry.hour,
            origin: entry.origin,
            amounts: entry.amounts.clone(),
        }
    }
}

impl From<EntryRow> for SlotEntry {
    fn from(row: EntryRow) -> Self {
        Self {
            account: row.account,
            part: row.part,
            hour: row.hour,
            origin: row.origin,
            amounts: row.amounts,
        }
    }
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct RecordRow {
    pub pk: String,
    pub sk: String,
    product: ProductCode,
    slot: Hour,
    usage: UsageRecord,
    fingerprint: String,
    deadline: Timestamp,
    version: u64,
    attempts: u32,
    unanswered: u32,
    state: RecordState,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    work_shard: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    work_due: Option<Timestamp>,
}

impl From<&Record> for RecordRow {
    fn from(record: &Record) -> Self {
        let license = record.usage.license.id();
        let due = match record.state {
            RecordState::Frozen { due, .. } => Some(due),
            RecordState::Billed { .. } | RecordState::Closed { .. } => None,
        };
        Self {
            pk: keys::license(license),
            sk: keys::record(record.slot, &record.usage.dimension),
            product: record.product.clone(),
            slot: record.slot,
            usage: record.usage.clone(),
            fingerprint: record.fingerprint.clone(),
            deadline: record.deadline,
            version: record.version,
            attempts: record.attempts,
            unanswered: record.unanswered,
            state: record.state.clone(),
            work_shard: due.map(|_| keys::work_of(WorkKind::Record, license)),
            work_due: due.map(whole_seconds),
        }
    }
}

impl From<RecordRow> for Record {
    fn from(row: RecordRow) -> Self {
        Self {
            product: row.product,
            slot: row.slot,
            usage: row.usage,
            fingerprint: row.fingerprint,
            deadline: row.deadline,
            version: row.version,
            attempts: row.attempts,
            unanswered: row.unanswered,
            state: row.state,
        }
    }
}

/// Whole seconds, so that due times sort as text.
pub(super) fn whole_seconds(instant: Timestamp) -> Timestamp {
    Timestamp::from_second(instant.as_second()).unwrap_or(instant)
}
