//! Slots, whole: heads, entries and records; and what becomes of them.

use std::collections::BTreeMap;

use aws_sdk_dynamodb::types::TransactWriteItem;
use domain::hour::Hour;
use domain::ids::LicenseId;
use domain::ledger::account_hour::WriteOff;
use domain::ledger::record::Record;
use domain::ledger::slot::{SlotEntry, SlotHead, SlotState};
use domain::mutant;
use jiff::Timestamp;
use ledger::Written;
use ledger::step::{Carry, Freeze, Listed, Slot, Unreadable};

use super::heads::Was;
use super::keys::{self, Key};
use super::mapping::packed::{read_entry, read_record, write_entry};
use super::mapping::{HeadRow, Item, read};
use super::table::{Replaces, Sorted};
use crate::{Store, StoreError};

impl Store {
    /// A slot, whole; `None` when nothing was ever put into it.
    ///
    /// # Errors
    /// [`StoreError`] when DynamoDB does not answer or an item is unreadable.
    pub async fn slot(&self, license: &LicenseId, hour: Hour) -> Result<Option<Slot>, StoreError> {
        let of_slot = Sorted::BeginningWith(keys::slot(hour));
        let items = self.usage_items(keys::license(license), of_slot);
        Ok(slots_of(items.await?)?.whole()?.pop())
    }

    /// The slots of a license from the first hour up to but without the second, ascending.
    ///
    /// # Errors
    /// [`StoreError`] when DynamoDB does not answer or an item is unreadable.
    pub async fn slots(
        &self,
        license: &LicenseId,
        from: Hour,
        until: Hour,
    ) -> Result<Vec<Slot>, StoreError> {
        Ok(self.listed_slots(license, from, until).await?.whole()?)
    }

    /// [`Self::slots`], but for those of which an item cannot be read.
    ///
    /// # Errors
    /// [`StoreError`] when DynamoDB does not answer.
    pub async fn listed_slots(
        &self,
        license: &LicenseId,
        from: Hour,
        until: Hour,
    ) -> Result<Listed<Slot>, StoreError> {
        let hours = Sorted::Between(keys::slot(from), keys::slot(until));
        slots_of(self.usage_items(keys::license(license), hours).await?)
    }

    /// Freezes a slot if its version is the one its records were made from:
    /// the records are stored for ever, the slot takes no more usage, and what
    /// a contract covers is taken from it.
    ///
    /// # Errors
    /// [`StoreError`] when DynamoDB does not answer; the slot may then be frozen.
    pub async fn freeze(&self, freeze: &Freeze) -> Result<Written, StoreError> {
        let frozen = SlotState::Frozen {
            at: freeze.at,
            included: freeze.included.clone(),
        };
        let mut actions = vec![self.change_head(&freeze.head, Was::Open, &frozen)?];
        for record in &freeze.records {
            actions.push(self.create_record(record)?);
        }
        for period in &freeze.taken {
            actions.push(self.take_included(period)?);
        }
        self.transact(actions).await
    }

    /// Moves entries of a slot into a later one, if its version is unchanged
    /// and the later one is open. Each keeps its name: the slot that it first entered.
    ///
    /// # Errors
    /// [`StoreError`] when DynamoDB does not answer; they may then be moved.
    pub async fn carry(&self, carry: &Carry) -> Result<Written, StoreError> {
        let (license, from) = (&carry.head.license, carry.head.hour);
        let mut actions = vec![self.change_head(&carry.head, Was::OpenOrCarrying, &carry.then)?];
        if let Some(into) = carry.into {
            actions.push(self.raise_open_head(license, into)?);
            for entry in &carry.moved {
                if !mutant!(CarriedEntryStays) {
                    actions.push(self.delete_action(&keys::entry(license, from, entry))?);
                }
                actions.push(self.set_entry(license, into, entry)?);
            }
        }
        self.transact(actions).await
    }

    /// Closes an open slot whose entries can never be billed, if its version is unchanged.
    ///
    /// # Errors
    /// [`StoreError`] when DynamoDB does not answer; the slot may then be closed.
    pub async fn close_slot(
        &self,
        head: &SlotHead,
        reason: WriteOff,
        at: Timestamp,
    ) -> Result<Written, StoreError> {
        let closed = SlotState::Closed { at, reason };
        let action = self.change_head(head, Was::Open, &closed)?;
        self.transact(vec![action]).await
    }

    /// Sets an entry of a slot to a total, over what it was before.
    pub(super) fn set_entry(
        &self,
        license: &LicenseId,
        slot: Hour,
        entry: &SlotEntry,
    ) -> Result<TransactWriteItem, StoreError> {
        let item = write_entry(&keys::entry(license, slot, entry), entry)?;
        self.put_action(item, Replaces::Anything)
    }
}

/// The items of one slot.
#[derive(Default)]
struct SlotItems {
    head: Option<SlotHead>,
    entries: Vec<SlotEntry>,
    records: Vec<Record>,
    unreadable: Vec<Unreadable>,
}

impl SlotItems {
    fn add(&mut self, rest: &str, item: Item) -> Result<(), StoreError> {
        match rest.split_once('#') {
            None if rest == "head" => self.head = Some(read::<HeadRow>(item)?.into()),
            Some(("entry", _)) => self.entries.push(read_entry(item)?),
            Some(("record", _)) => self.records.push(read_record(item)?),
            None | Some(_) => {
                let key = Key::of(&item).to_string();
                return Err(StoreError::corrupt(key, "no slot's item"));
            }
        }
        Ok(())
    }
}

/// Groups a license's items, ascending by key, into its slots. One of which an
/// item cannot be read is left out.
fn slots_of(items: Vec<Item>) -> Result<Listed<Slot>, StoreError> {
    let mut slots: BTreeMap<String, SlotItems> = BTreeMap::new();
    for item in items {
        let sk = Key::of(&item).sk;
        let (slot, rest) = sk.split_once('#').unwrap_or((&sk, ""));
        let slot = slots.entry(slot.to_owned()).or_default();
        match slot.add(rest, item) {
            Ok(()) => {}
            Err(StoreError::Corrupt(unreadable)) => slot.unreadable.push(unreadable),
            Err(error) => return Err(error),
        }
    }
    let mut listed = Listed::from(Vec::new());
    for mut slot in slots.into_values() {
        if let (Some(head), true) = (slot.head, slot.unreadable.is_empty()) {
            listed.items.push(Slot {
                head,
                entries: slot.entries,
                records: slot.records,
            });
        }
        listed.unreadable.append(&mut slot.unreadable);
    }
    Ok(listed)
}
