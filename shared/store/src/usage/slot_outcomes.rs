//! Slots as far as they say what became of their usage: a part of each item, for
//! the pages, which read some hundred of them.

use std::collections::BTreeMap;

use domain::hour::Hour;
use domain::ids::{Dimension, LicenseId};
use domain::ledger::record::RecordState;
use domain::ledger::slot::{SlotEntry, SlotState};
use jiff::Timestamp;
use serde::Deserialize;

use super::keys::{self, Key};
use super::mapping::packed::read_entry;
use super::mapping::{Item, read};
use super::table::Sorted;
use crate::{Store, StoreError};

/// What is read of an item: besides its key and form, the state of a head or a
/// record, and everything of an entry.
const ATTRIBUTES: [&str; 6] = ["state", "account", "part", "hour", "origin", "amounts"];

/// What became of a slot's usage.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SlotOutcome {
    /// The slot's hour.
    pub hour: Hour,
    /// What may happen to it.
    pub state: SlotState,
    /// What is in it.
    pub entries: Vec<SlotEntry>,
    /// The states of its records.
    pub records: BTreeMap<Dimension, RecordState>,
}

#[derive(Deserialize)]
struct HeadState {
    state: SlotState,
}

#[derive(Deserialize)]
struct StateOfRecord {
    state: RecordState,
}

impl Store {
    /// What became of the usage in the slots of a license from the first hour
    /// up to but without the second, ascending.
    ///
    /// # Errors
    /// [`StoreError`] when DynamoDB does not answer or an item is unreadable.
    pub async fn slot_outcomes(
        &self,
        license: &LicenseId,
        from: Hour,
        until: Hour,
    ) -> Result<Vec<SlotOutcome>, StoreError> {
        let hours = Sorted::Between(keys::slot(from), keys::slot(until));
        let mut query = self
            .usage_query(keys::license(license), hours)
            .projection_expression(format!("pk, sk, #format, #{}", ATTRIBUTES.join(", #")))
            .expression_attribute_names("#format", "format");
        for name in ATTRIBUTES {
            query = query.expression_attribute_names(format!("#{name}"), name);
        }
        let mut slots: BTreeMap<String, Found> = BTreeMap::new();
        for item in self.query_all(query).await? {
            let key = Key::of(&item);
            let (slot, rest) = key.sk.split_once('#').unwrap_or_default();
            let found = slots.entry(slot.to_owned()).or_default();
            found.add(&key, rest, item)?;
        }
        slots.into_iter().filter_map(outcome).collect()
    }
}

/// What was found of a slot.
#[derive(Default)]
struct Found {
    state: Option<SlotState>,
    entries: Vec<SlotEntry>,
    records: BTreeMap<Dimension, RecordState>,
}

impl Found {
    fn add(&mut self, key: &Key, rest: &str, item: Item) -> Result<(), StoreError> {
        match rest.split_once('#') {
            None if rest == "head" => self.state = Some(read::<HeadState>(item)?.state),
            Some(("entry", _)) => self.entries.push(read_entry(item)?),
            Some(("record", dimension)) => {
                let dimension = Dimension::parse(dimension)
                    .map_err(|error| StoreError::corrupt(key.to_string(), error))?;
                let state = read::<StateOfRecord>(item)?.state;
                self.records.insert(dimension, state);
            }
            None | Some(_) => return Err(StoreError::corrupt(key.to_string(), "no slot's item")),
        }
        Ok(())
    }
}

/// The outcome of a slot that has a head.
fn outcome((slot, found): (String, Found)) -> Option<Result<SlotOutcome, StoreError>> {
    let Found {
        state,
        entries,
        records,
    } = found;
    let state = state?;
    let begins = slot.parse::<Timestamp>().ok();
    let hour = begins.and_then(|begins| Hour::starting_at(begins).ok());
    Some(match hour {
        Some(hour) => Ok(SlotOutcome {
            hour,
            state,
            entries,
            records,
        }),
        None => Err(StoreError::corrupt(slot, "no slot's hour")),
    })
}
