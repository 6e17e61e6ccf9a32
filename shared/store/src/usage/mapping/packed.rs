//! Items of which an attribute is packed: what may name thousands of cloud
//! accounts or reports.

use std::collections::BTreeMap;

use aws_sdk_dynamodb::types::AttributeValue;
use domain::hour::Hour;
use domain::ids::AccountId;
use domain::ledger::account_hour::{AccountHour, Unbillable};
use domain::ledger::packed::{self, Undecodable, postings};
use domain::ledger::record::Record;
use domain::ledger::slot::SlotEntry;
use domain::usage::Part;
use serde::{Deserialize, Serialize};

use super::{Item, RecordRow, bytes, known, read, write};
use crate::StoreError;
use crate::usage::keys::{self, Key};

/// A record's item: its allocations are packed beside the row.
pub(in crate::usage) fn write_record(key: &Key, record: &Record) -> Result<Item, StoreError> {
    let mut row = RecordRow::from(record);
    row.usage.allocations.clear();
    let mut item = write(key, row)?;
    put_bytes(
        &mut item,
        "allocations",
        packed::pack_allocations(&record.usage.allocations),
    );
    Ok(item)
}

pub(in crate::usage) fn read_record(mut item: Item) -> Result<Record, StoreError> {
    let key = known(&item)?;
    let allocations = take_bytes(&mut item, &key, "allocations")?;
    let mut record: Record = read::<RecordRow>(item)?.into();
    record.usage.allocations = readable(packed::unpack_allocations(&allocations), &key)?;
    Ok(record)
}

#[derive(Debug, Serialize, Deserialize)]
struct EntryRow {
    account: AccountId,
    part: Part,
    hour: Hour,
    origin: Hour,
}

/// An entry's item: its amounts are packed beside the row.
pub(in crate::usage) fn write_entry(key: &Key, entry: &SlotEntry) -> Result<Item, StoreError> {
    let row = EntryRow {
        account: entry.account.clone(),
        part: entry.part,
        hour: entry.hour,
        origin: entry.origin,
    };
    let mut item = write(key, row)?;
    put_bytes(&mut item, "amounts", packed::pack_amounts(&entry.amounts));
    Ok(item)
}

pub(in crate::usage) fn read_entry(mut item: Item) -> Result<SlotEntry, StoreError> {
    let key = known(&item)?;
    let amounts = take_bytes(&mut item, &key, "amounts")?;
    let row: EntryRow = read(item)?;
    Ok(SlotEntry {
        account: row.account,
        part: row.part,
        hour: row.hour,
        origin: row.origin,
        amounts: readable(packed::unpack_amounts(&amounts), &key)?,
    })
}

#[derive(Debug, Serialize, Deserialize)]
struct AccountHourRow {
    account: AccountId,
    part: Part,
    hour: Hour,
    version: u64,
    /// How many pieces of its postings are items of their own.
    pieces: usize,
    unbillable: BTreeMap<Unbillable, u32>,
}

/// The items of an account-hour that a write of it puts: its own first, with
/// its lines and the last piece of its postings, then those pieces that are
/// items of their own from now on.
pub(in crate::usage) fn write_account_hour(hour: &AccountHour) -> Result<Vec<Item>, StoreError> {
    let mut pieces = postings::pack_postings(&hour.postings);
    let last = pieces.pop().unwrap_or_default();
    let row = AccountHourRow {
        account: hour.account.clone(),
        part: hour.part,
        hour: hour.hour,
        version: hour.version,
        pieces: pieces.len(),
        unbillable: hour.unbillable.clone(),
    };
    let key = keys::account_hour(&hour.account, hour.part, hour.hour);
    let mut item = write(&key, row)?;
    put_bytes(&mut item, "lines", packed::pack_lines(&hour.lines));
    put_bytes(&mut item, "postings", last);
    let mut items = vec![item];
    let stored = if pieces.is_empty() {
        0
    } else {
        pieces_before_the_last_posting(hour)
    };
    for (number, piece) in pieces.into_iter().enumerate().skip(stored) {
        let key = keys::piece(&hour.account, hour.part, hour.hour, number);
        let nothing: BTreeMap<String, String> = BTreeMap::new();
        let mut item = write(&key, nothing)?;
        put_bytes(&mut item, "postings", piece);
        items.push(item);
    }
    Ok(items)
}

/// A write adds one posting at the most: the pieces of those before are stored.
fn pieces_before_the_last_posting(hour: &AccountHour) -> usize {
    let before = hour.postings.split_last().map(|(_, before)| before);
    postings::pack_postings(before.unwrap_or_default()).len() - 1
}

/// The own item of an account-hour, whose postings may begin in others.
pub(in crate::usage) struct StoredAccountHour {
    row: AccountHourRow,
    key: Key,
    lines: Vec<u8>,
    last_piece: Vec<u8>,
}

impl StoredAccountHour {
    pub(in crate::usage) fn of(mut item: Item) -> Result<Self, StoreError> {
        let key = known(&item)?;
        Ok(Self {
            lines: take_bytes(&mut item, &key, "lines")?,
            last_piece: take_bytes(&mut item, &key, "postings")?,
            row: read(item)?,
            key,
        })
    }

    /// How many pieces of its postings are items of their own.
    pub(in crate::usage) fn pieces(&self) -> usize {
        self.row.pieces
    }

    pub(in crate::usage) fn hour(&self) -> Hour {
        self.row.hour
    }

    /// The account-hour, given the items of its pieces.
    pub(in crate::usage) fn with(self, pieces: Vec<Item>) -> Result<AccountHour, StoreError> {
        let Self { row, key, .. } = self;
        let mut log = Vec::with_capacity(pieces.len() + 1);
        for mut piece in pieces {
            let key = known(&piece)?;
            log.push(take_bytes(&mut piece, &key, "postings")?);
        }
        if log.len() != row.pieces {
            let reason = format!("{} of its {} pieces are there", log.len(), row.pieces);
            return Err(StoreError::corrupt(key.to_string(), reason));
        }
        log.push(self.last_piece);
        let postings = postings::unpack_postings(log.iter().map(Vec::as_slice));
        Ok(AccountHour {
            account: row.account,
            part: row.part,
            hour: row.hour,
            version: row.version,
            postings: readable(postings, &key)?,
            lines: readable(packed::unpack_lines(&self.lines), &key)?,
            unbillable: row.unbillable,
        })
    }
}

fn put_bytes(item: &mut Item, name: &str, value: Vec<u8>) {
    item.insert(name.to_owned(), bytes(value));
}

fn take_bytes(item: &mut Item, key: &Key, name: &str) -> Result<Vec<u8>, StoreError> {
    match item.remove(name) {
        Some(AttributeValue::B(bytes)) => Ok(bytes.into_inner()),
        Some(_) | None => Err(StoreError::corrupt(
            key.to_string(),
            format!("it has no bytes {name}"),
        )),
    }
}

fn readable<T>(unpacked: Result<T, Undecodable>, key: &Key) -> Result<T, StoreError> {
    unpacked.map_err(|error| StoreError::corrupt(key.to_string(), error))
}

#[cfg(test)]
mod tests {
    use domain::ids::ReportId;
    use domain::ledger::account_hour::Posting;

    use super::*;

    #[test]
    fn a_piece_of_the_postings_is_written_once() {
        let hour = Hour::of("2026-11-22T10:00:00Z".parse().unwrap());
        let account = AccountId::parse("acme").unwrap();
        let mut posted = AccountHour::empty(account, Part(0), hour);
        let mut keys = Vec::new();
        for (reports, items) in [(1, 1), (3_000, 4), (1, 1), (300, 2), (300, 2), (1, 1)] {
            let report = |n| ReportId::parse(format!("{n:064}")).unwrap();
            posted.postings.push(Posting {
                reports: (0..reports).map(report).collect(),
                links: Vec::new(),
                releases: Vec::new(),
            });
            let written = write_account_hour(&posted).unwrap();
            assert_eq!(written.len(), items, "{reports} reports");
            keys.extend(written.iter().skip(1).map(|item| Key::of(item).sk));
        }
        let expected = (0..5).map(|number| format!("2026-11-22T10:00:00Z#{number:05}"));
        assert!(keys.iter().cloned().eq(expected), "{keys:?}");
    }
}
