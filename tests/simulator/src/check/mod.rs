//! What must hold after a schedule has settled: the promises, as far as they
//! can be seen from outside and in the tables. One file a theme.

mod billing;
mod calls;
mod claims;
mod closing;
mod contracts;
mod ends;
mod neighbours;
mod released;
mod settled;
mod sums;
mod usage;
mod zeros;

use std::collections::BTreeMap;
use std::fmt;

use domain::hour::{Hour, before};
use domain::ids::LicenseId;
use domain::ledger::record::Record;
use domain::ledger::slot::{SlotEntry, SlotHead, SlotState};
use domain::license::{LicenseEnd, LicenseStatus};
use jiff::{SignedDuration, Timestamp};

pub use self::neighbours::{Poisoned, delayed_neighbours};
use crate::aws::DedupKey;
use crate::schedule::{Schedule, Story};
use crate::truth::{self, Computers, Reports};
use crate::world::World;

/// A promise that does not hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// Which check found it.
    pub check: &'static str,
    /// What it found.
    pub what: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.check, self.what)
    }
}

/// What was found so far.
#[derive(Default)]
struct Found(Vec<Violation>);

impl Found {
    fn fails(&mut self, check: &'static str, what: impl fmt::Display) {
        self.0.push(Violation {
            check,
            what: what.to_string(),
        });
    }
}

/// What a check works with: a settled world, ordered once for all checks.
struct Settled<'a> {
    world: &'a World,
    schedule: &'a Schedule,
    story: &'a Story,
    slots: BTreeMap<(&'a LicenseId, Hour), Slot<'a>>,
    reports: Reports<'a>,
    computers: Computers<'a>,
}

/// A slot, whole.
#[derive(Default)]
struct Slot<'a> {
    head: Option<&'a SlotHead>,
    entries: Vec<&'a SlotEntry>,
    records: Vec<&'a Record>,
}

/// Every promise that does not hold of a settled world.
pub fn violations(world: &World, schedule: &Schedule, story: &Story) -> Vec<Violation> {
    let settled = Settled::of(world, schedule, story);
    let mut found = Found::default();
    billing::check(&settled, &mut found);
    claims::check(&settled, &mut found);
    calls::check(&settled, &mut found);
    sums::check(&settled, &mut found);
    usage::check(&settled, &mut found);
    closing::check(&settled, &mut found);
    settled::check(&settled, &mut found);
    ends::check(&settled, &mut found);
    zeros::check(&settled, &mut found);
    contracts::check(&settled, &mut found);
    released::check(&settled, &mut found);
    found.0.extend(world.seen.caught.iter().cloned());
    found.0
}

impl<'a> Settled<'a> {
    fn of(world: &'a World, schedule: &'a Schedule, story: &'a Story) -> Self {
        let mut slots: BTreeMap<_, Slot<'a>> = BTreeMap::new();
        for head in world.tables.heads() {
            slots.entry((&head.license, head.hour)).or_default().head = Some(head);
        }
        for (license, hour, entry) in world.tables.entries() {
            let slot = slots.entry((license, hour)).or_default();
            slot.entries.push(entry);
        }
        for record in world.tables.records() {
            let key = (record.usage.license.id(), record.slot);
            slots.entry(key).or_default().records.push(record);
        }
        let reports = truth::reports(world);
        Self {
            world,
            schedule,
            story,
            slots,
            computers: truth::computer_hours(world, &reports),
            reports,
        }
    }

    fn heads(&self) -> impl Iterator<Item = &'a SlotHead> {
        self.slots.values().filter_map(|slot| slot.head)
    }

    fn records(&self) -> impl Iterator<Item = &'a Record> {
        self.slots
            .values()
            .flat_map(|slot| slot.records.iter().copied())
    }

    fn record(&self, (license, dimension, hour): &DedupKey) -> Option<&'a Record> {
        let slot = self.slots.get(&(license, *hour))?;
        let mut records = slot.records.iter();
        records
            .find(|record| record.usage.dimension == *dimension)
            .copied()
    }

    fn entries_in<'b>(&'b self, license: &'b LicenseId, slot: Hour) -> &'b [&'a SlotEntry] {
        self.slots
            .get(&(license, slot))
            .map_or(&[], |slot| slot.entries.as_slice())
    }

    /// When a slot was frozen by the true clock, if it was.
    fn frozen_at(&self, license: &LicenseId, slot: Hour) -> Option<Timestamp> {
        match self.slots.get(&(license, slot))?.head?.state {
            SlotState::Frozen { at, .. } => {
                let seen = self.world.seen.frozen.get(&(license.clone(), slot));
                Some(seen.copied().unwrap_or(at))
            }
            SlotState::Open
            | SlotState::Carrying { .. }
            | SlotState::Carried { .. }
            | SlotState::Closed { .. } => None,
        }
    }

    /// Since when a slot holds usage, if it came to it after a license ended.
    fn used_since(&self, license: &LicenseId, slot: Hour) -> Timestamp {
        let used = &self.world.seen.used_since;
        let used = used.get(&(license.clone(), slot)).copied();
        used.unwrap_or(Timestamp::MIN)
    }

    fn end_of(&self, license: &LicenseId) -> Option<LicenseEnd> {
        match self.world.tables.license(license)?.status {
            LicenseStatus::Ended { end, .. } => Some(end),
            LicenseStatus::Pending | LicenseStatus::Active { .. } => None,
        }
    }

    /// Whether a restore left it in doubt what of an hour was sent.
    fn in_doubt(&self, slot: Hour) -> bool {
        self.story.forgotten.iter().any(|forgotten| {
            let far_back = before(forgotten.from, SignedDuration::from_hours(49));
            far_back < slot.end() && slot.start() < forgotten.until
        })
    }
}

/// A record as violations name it.
fn name_of(record: &Record) -> String {
    format!(
        "{} {} {}",
        record.usage.license.id(),
        record.slot,
        record.usage.dimension
    )
}
