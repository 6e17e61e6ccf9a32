//! What became of usage, by the slots in which it lies.

use std::collections::BTreeMap;

use domain::hour::Hour;
use domain::ids::{AccountId, CloudAccountId, Dimension, LicenseId};
use domain::ledger::record::{CloseReason, RecordState};
use domain::ledger::slot::{SlotEntry, SlotState};
use domain::usage::Part;
use store::SlotOutcome;

use super::MeteringStatus;

/// License, account, part, hour of use, and the slot first entered.
pub(super) type EntryName = (LicenseId, AccountId, Part, Hour, Hour);

/// What became of the usage of each license.
#[derive(Debug, Default)]
pub(super) struct Outcomes {
    entries: BTreeMap<EntryName, Entry>,
    slots: BTreeMap<(LicenseId, Hour), SlotStatus>,
}

/// An entry, and where it lies now.
#[derive(Debug)]
struct Entry {
    slot: Hour,
    /// Computer-hours that a contract covers, by dimension and cloud account.
    covered: BTreeMap<(Dimension, Option<CloudAccountId>), u32>,
}

/// What became of a slot's usage.
#[derive(Debug)]
enum SlotStatus {
    /// All of it alike.
    Whole(MeteringStatus),
    /// By dimension; one without a record is covered by a contract.
    Frozen(BTreeMap<Dimension, MeteringStatus>),
}

/// What became of a part of an entry's computer-hours of a kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Outcome {
    /// The slot in which they lie now.
    pub(super) slot: Hour,
    pub(super) status: MeteringStatus,
    pub(super) count: u32,
}

impl Outcomes {
    /// Adds the slots of a license.
    pub(super) fn add(&mut self, license: &LicenseId, slots: Vec<SlotOutcome>, held: bool) {
        for slot in slots {
            let hour = slot.hour;
            let mut covered = covered(&slot);
            for (place, entry) in slot.entries.iter().enumerate() {
                let kept = Entry {
                    slot: hour,
                    covered: covered.remove(&place).unwrap_or_default(),
                };
                self.entries.insert(name_of(license, entry), kept);
            }
            let status = slot_status(slot, held);
            self.slots.insert((license.clone(), hour), status);
        }
    }

    /// What became of an entry's computer-hours of a kind: what a contract
    /// covers, and the rest.
    pub(super) fn of(
        &self,
        name: &EntryName,
        dimension: &Dimension,
        cloud_account: Option<&CloudAccountId>,
        count: u32,
    ) -> impl Iterator<Item = Outcome> + use<> {
        let (license, .., origin) = name;
        let kept = self.entries.get(name);
        let slot = kept.map_or(*origin, |kept| kept.slot);
        let kind = (dimension.clone(), cloud_account.cloned());
        let covered = kept.and_then(|kept| kept.covered.get(&kind)).copied();
        let covered = covered.unwrap_or_default().min(count);
        let outcome = move |status, count| Outcome {
            slot,
            status,
            count,
        };
        let rest = outcome(self.status(license, slot, dimension), count - covered);
        [outcome(MeteringStatus::Included, covered), rest]
            .into_iter()
            .filter(|outcome| outcome.count > 0)
    }

    /// Marks what waits in open slots for AWS to say what a contract covers.
    pub(super) fn await_cover(&mut self, awaits: impl Fn(&LicenseId, Hour) -> bool) {
        for ((license, slot), status) in &mut self.slots {
            if let SlotStatus::Whole(status @ MeteringStatus::Open) = status
                && awaits(license, *slot)
            {
                *status = MeteringStatus::AwaitsCover;
            }
        }
    }

    fn status(&self, license: &LicenseId, slot: Hour, dimension: &Dimension) -> MeteringStatus {
        match self.slots.get(&(license.clone(), slot)) {
            Some(SlotStatus::Whole(status)) => *status,
            Some(SlotStatus::Frozen(records)) => records
                .get(dimension)
                .copied()
                .unwrap_or(MeteringStatus::Included),
            None => MeteringStatus::Open,
        }
    }
}

/// The name of an entry of a license's slots.
fn name_of(license: &LicenseId, entry: &SlotEntry) -> EntryName {
    let (account, part) = (entry.account.clone(), entry.part);
    (license.clone(), account, part, entry.hour, entry.origin)
}

/// What a contract covers of a frozen slot, by the place of the entry. The slot
/// says how much of each dimension; it is spread over the entries in
/// proportion, and adds up exactly.
fn covered(
    slot: &SlotOutcome,
) -> BTreeMap<usize, BTreeMap<(Dimension, Option<CloudAccountId>), u32>> {
    let mut covered: BTreeMap<usize, BTreeMap<_, u32>> = BTreeMap::new();
    let SlotState::Frozen { included, .. } = &slot.state else {
        return covered;
    };
    let mut by_dimension: BTreeMap<&Dimension, u64> = BTreeMap::new();
    for one in included {
        *by_dimension.entry(&one.dimension).or_default() += u64::from(one.computer_hours);
    }
    for (dimension, included) in by_dimension {
        let amounts = || {
            let entries = slot.entries.iter().enumerate();
            let amounts = entries.flat_map(|(n, entry)| entry.amounts.iter().map(move |a| (n, a)));
            amounts.filter(|(_, amount)| amount.dimension == *dimension)
        };
        let total: u64 = amounts().map(|(_, amount)| u64::from(amount.count)).sum();
        let (mut passed, mut given) = (0_u64, 0_u32);
        for (place, amount) in amounts() {
            passed += u64::from(amount.count);
            let due = passed * included / total.max(1);
            let due = u32::try_from(due).unwrap_or(u32::MAX);
            let kind = (dimension.clone(), amount.cloud_account.clone());
            covered
                .entry(place)
                .or_default()
                .insert(kind, due.saturating_sub(given));
            given = due;
        }
    }
    covered
}

fn slot_status(slot: SlotOutcome, held: bool) -> SlotStatus {
    let open = if held {
        MeteringStatus::Held
    } else {
        MeteringStatus::Open
    };
    match slot.state {
        // What was carried lies in a later slot.
        SlotState::Open | SlotState::Carrying { .. } | SlotState::Carried { .. } => {
            SlotStatus::Whole(open)
        }
        SlotState::Closed { reason, .. } => SlotStatus::Whole(MeteringStatus::WrittenOff(reason)),
        SlotState::Frozen { .. } => SlotStatus::Frozen(
            slot.records
                .into_iter()
                .map(|(dimension, state)| (dimension, record_status(&state, held)))
                .collect(),
        ),
    }
}

fn record_status(state: &RecordState, held: bool) -> MeteringStatus {
    match state {
        // It is tried until AWS takes usage again.
        RecordState::Frozen { .. } if held => MeteringStatus::Held,
        RecordState::Frozen { .. } => MeteringStatus::Sent,
        RecordState::Billed { .. } => MeteringStatus::Accepted,
        RecordState::Closed { reason, .. } => match reason {
            CloseReason::Refused => MeteringStatus::Refused,
            CloseReason::Conflict => MeteringStatus::Conflict,
            CloseReason::Unknown => MeteringStatus::Unknown,
            CloseReason::WrittenOff => MeteringStatus::NotAccepted,
        },
    }
}
