//! The work list: which slots and records are due, as far as the index knows.

use domain::hour::Hour;
use domain::ids::{Dimension, LicenseId};
use futures_util::future::try_join_all;
use jiff::Timestamp;

use super::keys::{self, WorkKind};
use super::mapping::{Item, key_of, whole_seconds};
use super::reports::text;
use crate::{Store, StoreError};

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
    /// Up to `limit` due slots and `limit` due records of each of the index's
    /// partitions, earliest first.
    ///
    /// # Errors
    /// [`StoreError`] when DynamoDB does not answer.
    pub async fn due_work(&self, now: Timestamp, limit: i32) -> Result<DueWork, StoreError> {
        let partitions = [WorkKind::Slot, WorkKind::Record]
            .into_iter()
            .flat_map(|kind| (0..keys::WORK_SHARDS).map(move |shard| (kind, shard)));
        let pages =
            try_join_all(partitions.map(|(kind, shard)| self.earliest_work(kind, shard, limit)))
                .await?;
        let mut due = DueWork::default();
        for (n, item) in pages.iter().flat_map(|page| page.iter().enumerate()) {
            let Some((at, work)) = due_at(item).zip(work_of(item)) else {
                due.unreadable.push(key_of(item));
                continue;
            };
            if at > whole_seconds(now) {
                due.next = Some(due.next.map_or(at, |next| next.min(at)));
                continue;
            }
            due.more |= i32::try_from(n + 1).is_ok_and(|n| n == limit);
            match work {
                Work::Slot(license, hour) => due.slots.push((license, hour)),
                Work::Record(license, hour, dimension) => {
                    due.records.push((license, hour, dimension));
                }
            }
        }
        Ok(due)
    }

    async fn earliest_work(
        &self,
        kind: WorkKind,
        shard: u8,
        limit: i32,
    ) -> Result<Vec<Item>, StoreError> {
        let page = self
            .client
            .query()
            .table_name(&self.tables.usage)
            .index_name("work")
            .key_condition_expression("work_shard = :shard")
            .expression_attribute_values(":shard", text(keys::work(kind, shard)))
            .limit(limit)
            .send()
            .await?;
        Ok(page.items.unwrap_or_default())
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
