//! The work list: which slots and records are due, as far as the index knows.

use domain::hour::Hour;
use domain::ids::{Dimension, LicenseId};
use futures_util::future::try_join_all;
use jiff::Timestamp;
use ledger::step::{DueWork, RecordName};

use super::keys::{self, Key, WorkKind};
use super::mapping::{Item, text, whole_seconds};
use crate::{Store, StoreError};

/// How many entries are read at once.
const PAGE: i32 = 100;

/// How many due entries of a partition are taken up at the most.
const MOST_DUE: usize = 2_000;

impl Store {
    /// Everything that is due, up to 2,000 of each of the index's partitions,
    /// earliest first.
    ///
    /// # Errors
    /// [`StoreError`] when DynamoDB does not answer.
    pub async fn due_work(&self, now: Timestamp) -> Result<DueWork, StoreError> {
        let partitions = [WorkKind::Slot, WorkKind::Record]
            .into_iter()
            .flat_map(WorkKind::partitions)
            .map(|partition| self.earliest_work(partition, now));
        let mut due = DueWork::default();
        for partition in try_join_all(partitions).await? {
            due.more |= partition.len() >= MOST_DUE;
            for item in &partition {
                add(&mut due, item, now);
            }
        }
        Ok(due)
    }

    /// The records whose outcome is unknown, as far as the index knows.
    ///
    /// # Errors
    /// [`StoreError`] when DynamoDB does not answer or an entry names no record.
    pub async fn unknown_records(&self) -> Result<Vec<RecordName>, StoreError> {
        self.usage_work(WorkKind::Unknown)
            .await?
            .iter()
            .map(|item| match work_of(item) {
                Some(Work::Record(license, slot, dimension)) => Ok((license, slot, dimension)),
                Some(Work::Slot(..)) | None => {
                    let key = Key::of(item).to_string();
                    Err(StoreError::corrupt(key, "no record's key"))
                }
            })
            .collect()
    }

    /// The licenses that a kind of work is about, as far as the index knows.
    pub(super) async fn licenses_with(&self, kind: WorkKind) -> Result<Vec<LicenseId>, StoreError> {
        self.usage_work(kind)
            .await?
            .iter()
            .map(|item| {
                let key = Key::of(item);
                keys::named_license(&key.pk)
                    .ok_or_else(|| StoreError::corrupt(key.to_string(), "no license's key"))
            })
            .collect()
    }

    /// What is due in a partition, and what will be next.
    async fn earliest_work(
        &self,
        partition: String,
        now: Timestamp,
    ) -> Result<Vec<Item>, StoreError> {
        let query = self
            .client
            .query()
            .table_name(&self.tables.usage)
            .index_name("work")
            .key_condition_expression("work_shard = :shard")
            .expression_attribute_values(":shard", text(partition))
            .limit(PAGE);
        let mut items: Vec<Item> = Vec::new();
        let mut start = None;
        loop {
            let page = query
                .clone()
                .set_exclusive_start_key(start.take())
                .send()
                .await?;
            items.extend(page.items.unwrap_or_default());
            start = page.last_evaluated_key.filter(|key| !key.is_empty());
            let beyond_now = items
                .last()
                .and_then(due_at)
                .is_some_and(|at| at > whole_seconds(now));
            if start.is_none() || beyond_now || items.len() >= MOST_DUE {
                return Ok(items);
            }
        }
    }
}

fn add(due: &mut DueWork, item: &Item, now: Timestamp) {
    let Some((at, work)) = due_at(item).zip(work_of(item)) else {
        due.unreadable.push(Key::of(item).to_string());
        return;
    };
    if at > whole_seconds(now) {
        due.next = Some(due.next.map_or(at, |next| next.min(at)));
        return;
    }
    match work {
        Work::Slot(license, hour) => due.slots.push((license, hour)),
        Work::Record(license, hour, dimension) => {
            due.records.push((license, hour, dimension));
        }
    }
}

enum Work {
    Slot(LicenseId, Hour),
    Record(LicenseId, Hour, Dimension),
}

fn due_at(item: &Item) -> Option<Timestamp> {
    item.get("work_due")?.as_s().ok()?.parse().ok()
}

/// Reads the key that the index names.
fn work_of(item: &Item) -> Option<Work> {
    let key = Key::of(item);
    let license = keys::named_license(&key.pk)?;
    let (slot, rest) = key.sk.split_once('#')?;
    let hour = Hour::starting_at(slot.parse().ok()?).ok()?;
    match rest.split_once('#') {
        None if rest == "head" => Some(Work::Slot(license, hour)),
        Some(("record", dimension)) => Some(Work::Record(
            license,
            hour,
            Dimension::parse(dimension).ok()?,
        )),
        None | Some(_) => None,
    }
}
