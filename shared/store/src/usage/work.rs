//! The work list: which slots and records are due, as far as the index knows.

use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use domain::hour::Hour;
use domain::ids::{Dimension, LicenseId};
use futures_util::future::try_join_all;
use jiff::Timestamp;
use ledger::Written;
use ledger::step::{DueWork, Listed, RecordName, Unreadable, Work};

use super::keys::{self, Key, WorkKind};
use super::mapping::{Item, whole_seconds, work_due};
use super::table::{list, lost_if};
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

    /// Has a due entry looked at from `until` on; lost when it is not due by
    /// `now`, or not listed any more.
    ///
    /// # Errors
    /// [`StoreError`] when DynamoDB does not answer; it may then be put off.
    pub async fn put_off(
        &self,
        work: &Work,
        now: Timestamp,
        until: Timestamp,
    ) -> Result<Written, StoreError> {
        let key = match work {
            Work::Slot(license, hour) => keys::head(license, *hour),
            Work::Record((license, slot, dimension)) => keys::record(license, *slot, dimension),
        };
        let update = self
            .to_write_usage()
            .await?
            .update_item()
            .table_name(&self.tables.usage)
            .set_key(Some(key.attributes()))
            .update_expression("SET work_due = :until")
            .condition_expression("work_due <= :now")
            .expression_attribute_values(":until", work_due(until))
            .expression_attribute_values(":now", work_due(now));
        lost_if(
            update.send().await,
            UpdateItemError::is_conditional_check_failed_exception,
        )
    }

    /// The records whose outcome is unknown, as far as the index knows.
    ///
    /// # Errors
    /// [`StoreError`] when DynamoDB does not answer.
    pub async fn unknown_records(&self) -> Result<Listed<RecordName>, StoreError> {
        let items = self.usage_work(WorkKind::Unknown).await?;
        list(items.iter().map(|item| match work_of(item) {
            Some(Work::Record(record)) => Ok(record),
            Some(Work::Slot(..)) | None => {
                let key = Key::of(item).to_string();
                Err(StoreError::corrupt(key, "no record's key"))
            }
        }))
    }

    /// The licenses that a kind of work is about, as far as the index knows.
    pub(super) async fn licenses_with(
        &self,
        kind: WorkKind,
    ) -> Result<Listed<LicenseId>, StoreError> {
        let items = self.usage_work(kind).await?;
        list(items.iter().map(|item| {
            let key = Key::of(item);
            keys::named_license(&key.pk)
                .ok_or_else(|| StoreError::corrupt(key.to_string(), "no license's key"))
        }))
    }

    /// What is due in a partition, and what will be next.
    async fn earliest_work(
        &self,
        partition: String,
        now: Timestamp,
    ) -> Result<Vec<Item>, StoreError> {
        let query = self.work_query(partition).limit(PAGE);
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
        due.unreadable.push(Unreadable {
            key: Key::of(item).to_string(),
            reason: "no slot's or record's key, or no due time".to_owned(),
        });
        return;
    };
    if at > whole_seconds(now) {
        due.next = Some(due.next.map_or(at, |next| next.min(at)));
        return;
    }
    match work {
        Work::Slot(license, hour) => due.slots.push((license, hour)),
        Work::Record(record) => due.records.push(record),
    }
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
        Some(("record", dimension)) => {
            let dimension = Dimension::parse(dimension).ok()?;
            Some(Work::Record((license, hour, dimension)))
        }
        None | Some(_) => None,
    }
}
