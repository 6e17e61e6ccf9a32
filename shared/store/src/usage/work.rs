//! The work list: which slots and records are due, as far as the index knows.

use domain::hour::Hour;
use domain::ids::{Dimension, LicenseId};
use futures_util::future::try_join_all;
use jiff::Timestamp;

use super::keys::{self, WorkKind};
use super::mapping::{Item, key_of, whole_seconds};
use super::reports::text;
use crate::{Store, StoreError};

/// How many entries are read at once.
const PAGE: i32 = 100;

/// How many due entries of a partition are taken up at the most.
const MOST_DUE: usize = 2_000;

/// What the index suggests is due, and when the next thing will be.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct DueWork {
    /// Open slots to be looked at, by license and hour.
    pub slots: Vec<(LicenseId, Hour)>,
    /// Records to be sent, by license, slot and dimension.
    pub records: Vec<(LicenseId, Hour, Dimension)>,
    /// When the earliest of what is not due yet will be.
    pub next: Option<Timestamp>,
    /// There may be more that is due than what was asked for.
    pub more: bool,
    /// Keys of entries that stand for nothing this version knows.
    pub unreadable: Vec<String>,
}

impl Store {
    /// Everything that is due, up to 2,000 of each of the index's partitions,
    /// earliest first.
    ///
    /// # Errors
    /// [`StoreError`] when DynamoDB does not answer.
    pub async fn due_work(&self, now: Timestamp) -> Result<DueWork, StoreError> {
        let partitions = [WorkKind::Slot, WorkKind::Record]
            .into_iter()
            .flat_map(|kind| (0..keys::WORK_SHARDS).map(move |shard| (kind, shard)));
        let earliest =
            try_join_all(partitions.map(|(kind, shard)| self.earliest_work(kind, shard, now)))
                .await?;
        let mut due = DueWork::default();
        for partition in earliest {
            due.more |= partition.len() >= MOST_DUE;
            for item in &partition {
                due.add(item, now);
            }
        }
        Ok(due)
    }

    /// What is due in a partition, and what will be next.
    async fn earliest_work(
        &self,
        kind: WorkKind,
        shard: u8,
        now: Timestamp,
    ) -> Result<Vec<Item>, StoreError> {
        let query = self
            .client
            .query()
            .table_name(&self.tables.usage)
            .index_name("work")
            .key_condition_expression("work_shard = :shard")
            .expression_attribute_values(":shard", text(keys::work(kind, shard)))
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

impl DueWork {
    fn add(&mut self, item: &Item, now: Timestamp) {
        let Some((at, work)) = due_at(item).zip(work_of(item)) else {
            self.unreadable.push(key_of(item));
            return;
        };
        if at > whole_seconds(now) {
            self.next = Some(self.next.map_or(at, |next| next.min(at)));
            return;
        }
        match work {
            Work::Slot(license, hour) => self.slots.push((license, hour)),
            Work::Record(license, hour, dimension) => {
                self.records.push((license, hour, dimension));
            }
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
    let attribute = |name: &str| item.get(name).and_then(|value| value.as_s().ok());
    let license = LicenseId::parse(attribute("pk")?.strip_prefix("license#")?).ok()?;
    let (slot, rest) = attribute("sk")?.split_once('#')?;
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
