//! A slot by itself: whether it is frozen into its entries, whether it stands
//! still, and where its entries' computer-hours are.

use std::collections::BTreeMap;

use domain::hour::after;
use domain::ids::Dimension;
use domain::ledger::deadline::ACCEPTED_FOR;
use domain::ledger::record::RecordState;
use domain::ledger::slot::{SlotEntry, SlotState};
use jiff::{SignedDuration, Timestamp};

use super::account::Looked;
use super::sums::Place;
use super::{Difference, SlotFault};
use crate::step::Slot;

/// Usage that is not settled so long after its hour's end is alarmed.
const ALARMED_AFTER: SignedDuration = SignedDuration::from_hours(3);

/// Time that a submitter has to close what is past its deadline.
const TERMINAL_AFTER: SignedDuration = SignedDuration::from_hours(1);

/// What a slot holds of a dimension, in computer-hours.
#[derive(Debug, Clone, Copy, Default)]
struct Held {
    entries: u64,
    included: u64,
    records: u64,
    /// In records without a verdict.
    unsettled: u64,
}

/// Looks at a slot of which everything was read.
pub(super) fn look_at_slot(slot: &Slot, now: Timestamp, looked: &mut Looked) {
    for (dimension, held) in held(slot) {
        let fault = match slot.head.state {
            SlotState::Frozen { .. } => {
                (held.entries != held.included + held.records).then_some(SlotFault::DoesNotAddUp {
                    entries: held.entries,
                    included: held.included,
                    records: held.records,
                })
            }
            SlotState::Carried { .. } if held.entries > 0 => Some(SlotFault::LeftBehind {
                entries: held.entries,
            }),
            SlotState::Open
            | SlotState::Carrying { .. }
            | SlotState::Carried { .. }
            | SlotState::Closed { .. } => (held.records > 0).then_some(SlotFault::NotFrozen {
                records: held.records,
            }),
        };
        let waiting = waiting_since(slot, held).filter(|since| *since < now);
        looked.unsettled(waiting);
        let waits = waiting.and_then(|since| standing_still(slot, since, now));
        for fault in fault.into_iter().chain(waits) {
            looked.differences.insert(Difference::Slot {
                license: slot.head.license.clone(),
                dimension: dimension.clone(),
                slot: slot.head.hour,
                fault,
            });
        }
    }
}

fn held(slot: &Slot) -> BTreeMap<&Dimension, Held> {
    let mut held: BTreeMap<&Dimension, Held> = BTreeMap::new();
    for amount in slot.entries.iter().flat_map(|entry| &entry.amounts) {
        held.entry(&amount.dimension).or_default().entries += u64::from(amount.count);
    }
    if let SlotState::Frozen { included, .. } = &slot.head.state {
        for covered in included {
            let held = held.entry(&covered.dimension).or_default();
            held.included += u64::from(covered.computer_hours);
        }
    }
    for record in &slot.records {
        let quantity = u64::from(record.usage.quantity.get());
        let held = held.entry(&record.usage.dimension).or_default();
        held.records += quantity;
        if let RecordState::Frozen { .. } = record.state {
            held.unsettled += quantity;
        }
    }
    held
}

/// Since when usage of a slot waits to be settled: its hour's end, or its
/// freeze should that be later; `None` when none does.
fn waiting_since(slot: &Slot, held: Held) -> Option<Timestamp> {
    let end = slot.head.hour.end();
    match &slot.head.state {
        SlotState::Open | SlotState::Carrying { .. } => (held.entries > 0).then_some(end),
        SlotState::Frozen { at, .. } => (held.unsettled > 0).then_some(end.max(*at)),
        SlotState::Carried { .. } | SlotState::Closed { .. } => None,
    }
}

fn standing_still(slot: &Slot, since: Timestamp, now: Timestamp) -> Option<SlotFault> {
    let accepted = after(slot.head.hour.end(), ACCEPTED_FOR);
    if after(accepted, TERMINAL_AFTER) <= now {
        Some(SlotFault::Overdue)
    } else {
        (after(since, ALARMED_AFTER) < now).then_some(SlotFault::Unsettled)
    }
}

/// Where the computer-hours of a slot's entries are. What is included goes to
/// the earliest hours of use, what the records hold to those that follow: so
/// every computer-hour is in one place, although a record does not say whose
/// it holds. An entry for which nothing is left is in none.
pub(super) fn whereabouts(slot: &Slot) -> Vec<(&SlotEntry, &Dimension, Place, u64)> {
    let mut entries: Vec<&SlotEntry> = slot.entries.iter().collect();
    entries.sort_by(|a, b| {
        let name = |of: &SlotEntry| (of.hour, of.origin, of.part);
        name(a).cmp(&name(b)).then(a.account.cmp(&b.account))
    });
    let mut left: BTreeMap<&Dimension, Vec<(Place, u64)>> = BTreeMap::new();
    let mut found = Vec::new();
    for entry in entries {
        for amount in &entry.amounts {
            let dimension = &amount.dimension;
            let mut wanted = u64::from(amount.count);
            let places = left
                .entry(dimension)
                .or_insert_with(|| places(slot, dimension));
            for (place, room) in places {
                let taken = wanted.min(*room);
                wanted -= taken;
                *room -= taken;
                if taken > 0 {
                    found.push((entry, dimension, *place, taken));
                }
            }
        }
    }
    found
}

/// Where usage of a dimension in a slot can be, and how much of it there.
fn places(slot: &Slot, dimension: &Dimension) -> Vec<(Place, u64)> {
    match &slot.head.state {
        SlotState::Open | SlotState::Carrying { .. } => vec![(Place::Open, u64::MAX)],
        SlotState::Closed { reason, .. } => vec![(Place::WrittenOff(*reason), u64::MAX)],
        SlotState::Carried { .. } => Vec::new(),
        SlotState::Frozen { included, .. } => {
            let covered = included.iter().filter(|one| one.dimension == *dimension);
            let records = slot.records.iter();
            let records = records.filter(|record| record.usage.dimension == *dimension);
            covered
                .map(|one| (Place::Included, u64::from(one.computer_hours)))
                .chain(records.map(|record| {
                    let quantity = u64::from(record.usage.quantity.get());
                    (Place::of(&record.state), quantity)
                }))
                .collect()
        }
    }
}
