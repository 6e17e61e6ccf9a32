//! The ledger's items, as rows.

pub(super) mod packed;

use std::collections::HashMap;

use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::AttributeValue;
use domain::hour::Hour;
use domain::ids::{AccountId, Dimension, LicenseId, ProductCode};
use domain::ledger::controls::{Controls, Forgotten};
use domain::ledger::hold::Hold;
use domain::ledger::included::Included;
use domain::ledger::record::{CloseReason, Record, RecordState};
use domain::ledger::slot::{SlotHead, SlotState};
use domain::metering::UsageRecord;
use domain::usage::Part;
use jiff::Timestamp;
use ledger::step::{Cursor, Ending, Marker};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::keys::{Key, WorkKind};
use crate::StoreError;

pub(super) type Item = HashMap<String, AttributeValue>;

/// The form of the items that this version writes, and the newest that it reads.
pub(super) const FORMAT: u32 = 1;

/// Reads an item. One of a newer form is not read at all: what this version
/// does not know of it could be what matters.
pub(super) fn read<T: DeserializeOwned>(item: Item) -> Result<T, StoreError> {
    let key = known(&item)?;
    serde_dynamo::from_item(item).map_err(|error| StoreError::corrupt(key.to_string(), error))
}

/// The key of an item of a form that this version reads.
pub(super) fn known(item: &Item) -> Result<Key, StoreError> {
    let key = Key::of(item);
    let format: Option<u32> = item
        .get("format")
        .and_then(|format| format.as_n().ok()?.parse().ok());
    match format {
        Some(FORMAT) => Ok(key),
        Some(other) => Err(StoreError::corrupt(
            key.to_string(),
            format!("it is of format {other}; this version reads {FORMAT}"),
        )),
        None => Err(StoreError::corrupt(key.to_string(), "it names no format")),
    }
}

/// The item of a row.
pub(super) fn write<T: Serialize>(key: &Key, row: T) -> Result<Item, StoreError> {
    let mut item: Item =
        serde_dynamo::to_item(row).map_err(|error| StoreError::corrupt(key.to_string(), error))?;
    item.extend(key.attributes());
    item.insert("format".to_owned(), number(FORMAT));
    Ok(item)
}

pub(super) fn text(value: impl Into<String>) -> AttributeValue {
    AttributeValue::S(value.into())
}

pub(super) fn number(value: impl ToString) -> AttributeValue {
    AttributeValue::N(value.to_string())
}

pub(super) fn bytes(value: impl Into<Vec<u8>>) -> AttributeValue {
    AttributeValue::B(Blob::new(value))
}

/// Has an item listed in the work index.
pub(super) fn listed(item: &mut Item, kind: WorkKind, license: &LicenseId, due: Timestamp) {
    item.insert("work_shard".to_owned(), text(kind.partition_of(license)));
    item.insert("work_due".to_owned(), work_due(due));
}

/// Whole seconds, so that due times sort as text.
pub(super) fn work_due(due: Timestamp) -> AttributeValue {
    text(whole_seconds(due).to_string())
}

pub(super) fn whole_seconds(instant: Timestamp) -> Timestamp {
    Timestamp::from_second(instant.as_second()).unwrap_or(instant)
}

/// Declares the row of a type whose fields it has: it is written from it and
/// read into it field by field.
macro_rules! row {
    ($row:ident of $type:ident { $($field:ident: $of:ty),* $(,)? }) => {
        #[derive(Debug, Serialize, Deserialize)]
        pub(super) struct $row {
            $($field: $of,)*
        }

        impl From<&$type> for $row {
            fn from(value: &$type) -> Self {
                Self { $($field: value.$field.clone(),)* }
            }
        }

        impl From<$row> for $type {
            fn from(row: $row) -> Self {
                Self { $($field: row.$field,)* }
            }
        }
    };
}

row!(HeadRow of SlotHead {
    license: LicenseId,
    hour: Hour,
    version: u64,
    state: SlotState,
});

row!(RecordRow of Record {
    product: ProductCode,
    slot: Hour,
    usage: UsageRecord,
    fingerprint: String,
    deadline: Timestamp,
    version: u64,
    attempts: u32,
    unanswered: u32,
    state: RecordState,
});

row!(MarkerRow of Marker {
    account: AccountId,
    part: Part,
    hour: Hour,
    nonce: String,
    put_at: Timestamp,
});

row!(EndingRow of Ending {
    license: LicenseId,
    nonce: String,
});

row!(HoldRow of Hold {
    license: LicenseId,
    since: Timestamp,
    next_try: Timestamp,
    version: u64,
});

row!(IncludedRow of Included {
    license: LicenseId,
    dimension: Dimension,
    from: Timestamp,
    until: Timestamp,
    granted: u64,
    used: u64,
    version: u64,
});

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct ControlsRow {
    stopped: Vec<ProductCode>,
    forgotten: Vec<Forgotten>,
    version: u64,
}

impl From<&Controls> for ControlsRow {
    fn from(controls: &Controls) -> Self {
        Self {
            stopped: controls.stopped.iter().cloned().collect(),
            forgotten: controls.forgotten.clone(),
            version: controls.version,
        }
    }
}

impl From<ControlsRow> for Controls {
    fn from(row: ControlsRow) -> Self {
        Self {
            stopped: row.stopped.into_iter().collect(),
            forgotten: row.forgotten,
            version: row.version,
        }
    }
}

/// A cursor's hours as numbers: its updates compare them.
#[derive(Debug, Deserialize)]
pub(super) struct CursorRow {
    sealed: i32,
    posted: i32,
}

impl From<CursorRow> for Cursor {
    fn from(row: CursorRow) -> Self {
        Self {
            sealed: Hour::from_number(row.sealed),
            posted: Hour::from_number(row.posted),
        }
    }
}

/// Under which kind of work a record is listed, and for when.
pub(super) fn work_of(record: &Record) -> Option<(WorkKind, Timestamp)> {
    match record.state {
        RecordState::Frozen { due, .. } => Some((WorkKind::Record, due)),
        RecordState::Closed {
            reason: CloseReason::Unknown,
            at,
        } => Some((WorkKind::Unknown, at)),
        RecordState::Closed {
            reason: CloseReason::Refused | CloseReason::Conflict | CloseReason::WrittenOff,
            ..
        }
        | RecordState::Billed { .. } => None,
    }
}
