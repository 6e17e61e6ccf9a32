//! The two tables in memory: what each step does to them, as `store` does it to
//! DynamoDB. A twin may be wrong in its own way: `simulate -- lockstep` has the real
//! store on an embedded DynamoDB make every step of whole schedules beside it,
//! and no answer may differ.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use domain::account::Account;
use domain::change::Change;
use domain::hour::{Hour, after};
use domain::ids::{AccountId, Dimension, LicenseId, ReportId};
use domain::ledger::account_hour::AccountHour;
use domain::ledger::controls::Controls;
use domain::ledger::deadline::CLOSED_AFTER;
use domain::ledger::hold::Hold;
use domain::ledger::included::Included;
use domain::ledger::record::{CloseReason, Record, RecordState};
use domain::ledger::slot::{SlotEntry, SlotHead, SlotState};
use domain::license::{License, LicenseEnd, LicenseStatus};
use domain::linking::Link;
use domain::mutant;
use domain::usage::report::Fingerprint;
use domain::usage::{Observation, Part, Shard, UsageReport, packed};
use jiff::Timestamp;
use ledger::step::{
    Answer, Carry, Chunk, Cursor, Cursors, DueWork, Edge, Ending, Freeze, Marker, PutReport,
    ReadReports, RecordName, ReportPart, Slot, SlotPosting, Step, StoredReport, Work, Written,
};

/// Identifies an entry in its slot: origin, account, part, hour of use.
type EntryKey = (Hour, AccountId, Part, Hour);

/// An entry of the work list: when it is due, license, slot, and the dimension
/// of a record.
type Due = (Timestamp, LicenseId, Hour, Option<Dimension>);

/// The most entries of the work list that are read at once.
pub const MOST_DUE: usize = 2_000;

/// How many reports a mutant's query reads: its first page.
const FIRST_PAGE: usize = 1;

/// Both tables.
#[derive(Debug, Clone, Default)]
pub struct Tables {
    cursors: BTreeMap<Shard, Cursor>,
    /// For a mutant: each cursor before it was last raised.
    stale: BTreeMap<Shard, Option<Cursor>>,
    markers: BTreeMap<(AccountId, Part, Hour), Marker>,
    reports: BTreeMap<Hour, BTreeMap<(AccountId, Part, ReportId), Stored>>,
    account_hours: BTreeMap<(AccountId, Part, Hour), AccountHour>,
    slots: BTreeMap<(LicenseId, Hour), SlotItems>,
    work: BTreeSet<Due>,
    /// Where in the work list a record is that was put off.
    put_off: BTreeMap<RecordName, Timestamp>,
    finals: BTreeMap<LicenseId, String>,
    holds: BTreeMap<LicenseId, Hold>,
    controls: Controls,
    included: BTreeMap<(LicenseId, Dimension, Timestamp), Included>,
    accounts: BTreeMap<AccountId, Arc<Account>>,
    licenses: BTreeMap<LicenseId, Arc<License>>,
    links: Vec<Link>,
}

/// One part of a report.
#[derive(Debug, Clone)]
struct Stored {
    shard: Shard,
    fingerprint: Fingerprint,
    /// How many chunks it has, and those that are stored.
    of: u16,
    chunks: BTreeMap<u16, Arc<Vec<Observation>>>,
    /// What all of them saw, once they are.
    whole: Option<Arc<Vec<Observation>>>,
}

impl Stored {
    fn put(&mut self, chunk: u16, observations: Vec<Observation>) -> PutReport {
        if self.chunks.contains_key(&chunk) {
            return PutReport::AlreadyStored;
        }
        // As they come back from the form in which they are stored.
        let kept = packed::unpack(&packed::pack(&observations)).unwrap_or(observations);
        self.chunks.insert(chunk, Arc::new(kept));
        if self.chunks.len() == usize::from(self.of) {
            let mut chunks = self.chunks.values();
            self.whole = match (self.of, chunks.next()) {
                (1, Some(only)) => Some(Arc::clone(only)),
                (_, _) => {
                    let all = self.chunks.values().flat_map(|chunk| chunk.iter().cloned());
                    Some(Arc::new(all.collect()))
                }
            };
        }
        PutReport::Stored
    }
}

/// The items of a slot.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
struct SlotItems {
    head: Option<SlotHead>,
    /// When the work list has the head looked at.
    due: Option<Timestamp>,
    entries: BTreeMap<EntryKey, SlotEntry>,
    records: BTreeMap<Dimension, Record>,
}

impl SlotItems {
    fn is_open(&self) -> bool {
        self.head
            .as_ref()
            .is_none_or(|head| head.state == SlotState::Open)
    }

    fn is_used(&self) -> bool {
        self.entries.values().any(|entry| !entry.amounts.is_empty())
    }
}

/// What identifies the tables' state: of what is only ever replaced by a later
/// version, its version; of what is immutable, its name, what was first under it
/// and how many of its chunks there are.
impl Hash for Tables {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.cursors.hash(state);
        self.stale.hash(state);
        self.markers.hash(state);
        for (hour, reports) in &self.reports {
            hour.hash(state);
            for (key, stored) in reports {
                (key, stored.fingerprint.0, stored.chunks.len()).hash(state);
            }
        }
        self.account_hours.hash(state);
        self.slots.hash(state);
        self.put_off.hash(state);
        self.finals.hash(state);
        self.holds.hash(state);
        self.controls.hash(state);
        self.included.hash(state);
        for (id, account) in &self.accounts {
            (id, account.version).hash(state);
        }
        for (id, license) in &self.licenses {
            (id, license.version).hash(state);
            match &license.status {
                LicenseStatus::Pending => {}
                LicenseStatus::Active { since } => since.hash(state),
                LicenseStatus::Ended { active_since, end } => {
                    let LicenseEnd {
                        ended_at,
                        last_event_at,
                        learned_at,
                    } = end;
                    (active_since, ended_at, last_event_at, learned_at).hash(state);
                }
            }
        }
        for link in &self.links {
            (&link.license, &link.account, link.from, link.until).hash(state);
        }
    }
}

impl Tables {
    /// Makes one step; `None` for a step that is not the tables'.
    pub fn perform(&mut self, step: Step) -> Option<Answer> {
        Some(match step {
            Step::ReadCursor { shard } => Answer::ReadCursor(match self.stale.get(&shard) {
                Some(stale) => *stale,
                None => self.cursors.get(&shard).copied(),
            }),
            Step::ReadCursors {} => Answer::ReadCursors(Cursors {
                by_shard: Shard::all()
                    .map(|shard| (shard, self.cursors.get(&shard).copied()))
                    .collect(),
                unreadable: Vec::new(),
            }),
            Step::RaiseCursors {
                edge,
                shards,
                hour,
                posted_before,
            } => Answer::RaiseCursors(self.raise(edge, &shards, hour, posted_before)),
            Step::ReadMarkers {} => {
                let markers: Vec<Marker> = self.markers.values().cloned().collect();
                Answer::ReadMarkers(markers.into())
            }
            Step::HasMarker {
                account,
                part,
                hour,
            } => Answer::HasMarker(self.markers.contains_key(&(account, part, hour))),
            Step::PutMarker { marker } => {
                let key = (marker.account.clone(), marker.part, marker.hour);
                self.markers.insert(key, marker);
                Answer::PutMarker(())
            }
            Step::DeleteMarker { marker } => Answer::DeleteMarker(self.delete_marker(marker)),
            Step::StoreReport { report } => Answer::StoreReport(self.put_report(report)),
            Step::ListReportedParts { shard, hour } => {
                Answer::ListReportedParts(self.reported_parts(shard, hour).into())
            }
            Step::ListReports {
                account,
                part,
                hour,
            } => Answer::ListReports(self.list_reports(&account, part, hour)),
            Step::ReadAccountHour {
                account,
                part,
                hour,
            } => Answer::ReadAccountHour(self.account_hour(&account, part, hour)),
            Step::Post { hour, slots } => Answer::Post(self.post(hour, slots)),
            Step::ReadSlotHead { license, hour } => {
                let slot = self.slots.get(&(license, hour));
                Answer::ReadSlotHead(slot.and_then(|slot| slot.head.clone()))
            }
            Step::ReadSlot { license, hour } => Answer::ReadSlot(self.slot(&license, hour)),
            Step::ReadSlots {
                license,
                from,
                until,
            } => Answer::ReadSlots(self.slots_between(&license, from, until).into()),
            Step::OpenSlot { license, hour, due } => {
                Answer::OpenSlot(self.open_slot(license, hour, due))
            }
            Step::FreezeSlot { freeze } => Answer::FreezeSlot(self.freeze(freeze)),
            Step::CarrySlot { carry } => Answer::CarrySlot(self.carry(carry)),
            Step::CloseSlot { head, reason, at } => {
                let closed = SlotState::Closed { at, reason };
                Answer::CloseSlot(self.end_slot(&head, closed))
            }
            Step::ReadRecord {
                license,
                slot,
                dimension,
            } => {
                let slot = self.slots.get(&(license, slot));
                let record = slot.and_then(|slot| slot.records.get(&dimension));
                Answer::ReadRecord(record.cloned())
            }
            Step::ReplaceRecord { record, nonce: _ } => {
                Answer::ReplaceRecord(self.replace_record(record))
            }
            Step::ReadDueWork { now } => Answer::ReadDueWork(self.due_work(now)),
            Step::PutOff { work, now, until } => Answer::PutOff(self.put_off(&work, now, until)),
            Step::ListUnknown {} => {
                let unknown = self.records().filter(|record| is_unknown(record));
                Answer::ListUnknown(unknown.map(name_of).collect::<Vec<_>>().into())
            }
            Step::ListFinalUsage {} => {
                let endings = self.finals.iter().map(|(license, nonce)| Ending {
                    license: license.clone(),
                    nonce: nonce.clone(),
                });
                Answer::ListFinalUsage(endings.collect::<Vec<_>>().into())
            }
            Step::BeginFinalUsage { ending, now: _ } => {
                self.finals.insert(ending.license, ending.nonce);
                Answer::BeginFinalUsage(())
            }
            Step::EndFinalUsage { ending } => {
                let gone = self.finals.get(&ending.license) == Some(&ending.nonce);
                if gone {
                    self.finals.remove(&ending.license);
                }
                Answer::EndFinalUsage(committed(gone))
            }
            Step::ListHolds {} => {
                let licenses: Vec<LicenseId> = self.holds.keys().cloned().collect();
                Answer::ListHolds(licenses.into())
            }
            Step::ReadHold { license } => Answer::ReadHold(self.holds.get(&license).cloned()),
            Step::PutHold { hold } => Answer::PutHold(self.put_hold(hold)),
            Step::EndHold { license } => {
                Answer::EndHold(committed(self.holds.remove(&license).is_some()))
            }
            Step::ReadControls {} => Answer::ReadControls(self.controls.clone()),
            Step::PutControls { controls } => {
                let current = self.controls.version + 1 == controls.version;
                if current {
                    self.controls = controls;
                }
                Answer::PutControls(committed(current))
            }
            Step::ReadIncluded { license } => Answer::ReadIncluded(
                self.included
                    .values()
                    .filter(|period| period.license == license)
                    .cloned()
                    .collect(),
            ),
            Step::PutIncluded { included } => {
                let current = self.is_next_included(&included);
                if current {
                    self.put_included(included);
                }
                Answer::PutIncluded(committed(current))
            }
            Step::ReadAccount { account } => {
                Answer::ReadAccount(self.accounts.get(&account).cloned())
            }
            Step::ReadLicense { license } => {
                Answer::ReadLicense(self.licenses.get(&license).cloned())
            }
            Step::ReadLinksOfAccount {
                account,
                from,
                until,
            } => Answer::ReadLinksOfAccount(
                self.links_within(from, until, |link| link.account == account),
            ),
            Step::ReadLinksOfLicense {
                license,
                from,
                until,
            } => Answer::ReadLinksOfLicense(
                self.links_within(from, until, |link| link.license == license),
            ),
            Step::CommitChange { change } => Answer::CommitChange(self.commit(change)),
            Step::Send { .. } | Step::Wait { .. } => return None,
        })
    }

    fn raise(&mut self, edge: Edge, shards: &[Shard], hour: Hour, posted_before: Hour) -> Written {
        let may = shards.iter().all(|shard| {
            let cursor = self.cursors.get(shard);
            match edge {
                Edge::Sealed => cursor.is_none_or(|cursor| cursor.sealed < hour),
                Edge::Posted => cursor.is_some_and(|c| c.posted < hour && c.sealed >= hour),
            }
        });
        if !may {
            return Written::Lost;
        }
        for shard in shards {
            if mutant!(StaleCursor) {
                self.stale.insert(*shard, self.cursors.get(shard).copied());
            }
            let cursor = self.cursors.entry(*shard).or_insert(Cursor {
                sealed: hour,
                posted: posted_before,
            });
            match edge {
                Edge::Sealed => cursor.sealed = hour,
                Edge::Posted => cursor.posted = hour,
            }
        }
        Written::Committed
    }

    fn delete_marker(&mut self, marker: Marker) -> Written {
        let key = (marker.account, marker.part, marker.hour);
        let stored = self.markers.get(&key);
        let is_it = stored.is_some_and(|stored| stored.nonce == marker.nonce);
        if is_it || mutant!(MarkerDeletedWithoutNonce) {
            self.markers.remove(&key);
        }
        committed(is_it)
    }

    fn put_report(&mut self, report: ReportPart) -> PutReport {
        let shard = Shard::of(&report.account, report.part);
        let key = report_key(report.account, report.part, report.id);
        let reports = self.reports.entry(report.hour).or_default();
        let stored = reports.entry(key).or_insert_with(|| Stored {
            shard,
            fingerprint: report.fingerprint,
            of: report.chunk.of,
            chunks: BTreeMap::new(),
            whole: None,
        });
        if stored.fingerprint == report.fingerprint {
            stored.put(report.chunk.number, report.observations)
        } else {
            PutReport::Conflict
        }
    }

    fn reported_parts(&self, shard: Shard, hour: Hour) -> Vec<(AccountId, Part)> {
        let reports = self.reports.get(&hour).into_iter().flatten();
        let mut parts: Vec<(AccountId, Part)> = reports
            .filter(|(_, stored)| stored.shard == shard)
            .map(|((account, part, _), _)| (account.clone(), *part))
            .collect();
        parts.dedup();
        parts
    }

    fn list_reports(&self, account: &AccountId, part: Part, hour: Hour) -> ReadReports {
        let most = if mutant!(OnlyTheFirstPage) {
            FIRST_PAGE
        } else {
            usize::MAX
        };
        let reports = self.reports.get(&hour).into_iter().flatten();
        let reports = reports
            .filter(|((a, p, _), _)| a == account && *p == part)
            .flat_map(|((_, _, id), stored)| {
                stored.chunks.iter().map(|(number, chunk)| StoredReport {
                    id: id.clone(),
                    chunk: Chunk {
                        number: *number,
                        of: stored.of,
                    },
                    observations: chunk.to_vec(),
                })
            })
            .take(most)
            .collect();
        ReadReports {
            reports,
            unreadable: Vec::new(),
        }
    }

    fn account_hour(&self, account: &AccountId, part: Part, hour: Hour) -> AccountHour {
        self.account_hours
            .get(&(account.clone(), part, hour))
            .cloned()
            .unwrap_or_else(|| AccountHour::empty(account.clone(), part, hour))
    }

    fn post(&mut self, hour: AccountHour, slots: Vec<SlotPosting>) -> Written {
        let key = (hour.account.clone(), hour.part, hour.hour);
        let stored = self.account_hours.get(&key).map_or(0, |hour| hour.version);
        if stored + 1 != hour.version && !mutant!(AccountHourWithoutVersion) {
            return Written::Lost;
        }
        let closed = slots.iter().any(|posting| {
            let slot = self.slots.get(&(posting.license.clone(), posting.slot));
            slot.is_some_and(|slot| !slot.is_open())
        });
        let unasked = mutant!(LateIntoFrozenSlot) || mutant!(PostedWithoutSlotOpen);
        if closed && !unasked {
            return Written::Lost;
        }
        for posting in slots {
            let slot = self.raise_head(&posting.license, posting.slot);
            let key = entry_key(&posting.entry);
            let before = slot.entries.insert(key.clone(), posting.entry);
            if let (true, Some(before)) = (mutant!(EntryAddedTo), before)
                && let Some(entry) = slot.entries.get_mut(&key)
            {
                entry.amounts.extend(before.amounts);
            }
        }
        self.account_hours.insert(key, hour);
        Written::Committed
    }

    /// Raises a slot's version, as every entry that is set does.
    fn raise_head(&mut self, license: &LicenseId, hour: Hour) -> &mut SlotItems {
        let slot = self.slots.entry((license.clone(), hour)).or_default();
        let head = slot.head.get_or_insert_with(|| SlotHead {
            license: license.clone(),
            hour,
            version: 0,
            state: SlotState::Open,
        });
        head.version += 1;
        if head.state == SlotState::Open {
            let due = Some(whole_seconds(after(hour.end(), CLOSED_AFTER)));
            reschedule(&mut self.work, &mut slot.due, due, license, hour);
        }
        slot
    }

    fn slot(&self, license: &LicenseId, hour: Hour) -> Option<Slot> {
        let slot = self.slots.get(&(license.clone(), hour))?;
        Some(Slot {
            head: slot.head.clone()?,
            entries: slot.entries.values().cloned().collect(),
            records: slot.records.values().cloned().collect(),
        })
    }

    fn slots_between(&self, license: &LicenseId, from: Hour, until: Hour) -> Vec<Slot> {
        self.slots
            .range((license.clone(), from)..(license.clone(), until))
            .filter_map(|((_, hour), _)| self.slot(license, *hour))
            .collect()
    }

    fn open_slot(&mut self, license: LicenseId, hour: Hour, due: Timestamp) -> Written {
        let slot = self.slots.entry((license.clone(), hour)).or_default();
        if slot.head.is_some() {
            return Written::Lost;
        }
        let due = Some(whole_seconds(due));
        reschedule(&mut self.work, &mut slot.due, due, &license, hour);
        slot.head = Some(SlotHead {
            license,
            hour,
            version: 1,
            state: SlotState::Open,
        });
        Written::Committed
    }

    fn freeze(&mut self, freeze: Freeze) -> Written {
        let periods = freeze.taken.iter().all(|p| self.is_next_included(p));
        if !periods && !mutant!(IncludedTakenWithoutVersion) {
            return Written::Lost;
        }
        let (license, hour) = (freeze.head.license.clone(), freeze.head.hour);
        let Some(slot) = self.slots.get_mut(&(license.clone(), hour)) else {
            return Written::Lost;
        };
        let unchanged = if mutant!(FreezeWithoutVersion) {
            slot.is_open()
        } else {
            slot.head.as_ref() == Some(&freeze.head) && freeze.head.state == SlotState::Open
        };
        if !unchanged {
            return Written::Lost;
        }
        if let Some(head) = &mut slot.head {
            head.version += 1;
            head.state = SlotState::Frozen {
                at: freeze.at,
                included: freeze.included,
            };
        }
        reschedule(&mut self.work, &mut slot.due, None, &license, hour);
        for record in freeze.records {
            self.work.extend(due_of(&record));
            slot.records.insert(record.usage.dimension.clone(), record);
        }
        for period in freeze.taken {
            self.put_included(period);
        }
        Written::Committed
    }

    fn carry(&mut self, carry: Carry) -> Written {
        let (license, hour) = (carry.head.license.clone(), carry.head.hour);
        let key = (license.clone(), hour);
        let stored = self.slots.get(&key).and_then(|slot| slot.head.as_ref());
        let may = matches!(
            carry.head.state,
            SlotState::Open | SlotState::Carrying { .. }
        ) || mutant!(FrozenSlotIsCarried);
        if (stored != Some(&carry.head) || !may) && !mutant!(CarryWithoutVersion) {
            return Written::Lost;
        }
        if let Some(into) = carry.into {
            let target = self.slots.get(&(license.clone(), into));
            if target.is_some_and(|slot| !slot.is_open()) {
                return Written::Lost;
            }
            let target = self.raise_head(&license, into);
            let moved = carry.moved.iter().cloned();
            target
                .entries
                .extend(moved.map(|entry| (entry_key(&entry), entry)));
        }
        let Some(slot) = self.slots.get_mut(&key) else {
            return Written::Lost;
        };
        for entry in &carry.moved {
            if !mutant!(CarriedEntryStays) {
                slot.entries.remove(&entry_key(entry));
            }
        }
        if !matches!(carry.then, SlotState::Carrying { .. }) {
            reschedule(&mut self.work, &mut slot.due, None, &license, hour);
        }
        if let Some(head) = &mut slot.head {
            head.version += 1;
            head.state = carry.then;
        }
        Written::Committed
    }

    fn end_slot(&mut self, expected: &SlotHead, state: SlotState) -> Written {
        let (license, hour) = (&expected.license, expected.hour);
        let Some(slot) = self.slots.get_mut(&(license.clone(), hour)) else {
            return Written::Lost;
        };
        match &mut slot.head {
            Some(head) if head == expected && expected.state == SlotState::Open => {
                head.version += 1;
                head.state = state;
                reschedule(&mut self.work, &mut slot.due, None, license, hour);
                Written::Committed
            }
            Some(_) | None => Written::Lost,
        }
    }

    fn replace_record(&mut self, record: Record) -> Written {
        let (license, slot, dimension) = name_of(&record);
        let slot = self.slots.get_mut(&(license, slot));
        match slot.and_then(|slot| slot.records.get_mut(&dimension)) {
            Some(stored)
                if stored.version + 1 == record.version || mutant!(SettledWithoutVersion) =>
            {
                let listed = due_of(stored).map(|due| {
                    let put_off = self.put_off.remove(&name_of(stored));
                    (put_off.unwrap_or(due.0), due.1, due.2, due.3)
                });
                if let Some(listed) = listed {
                    self.work.remove(&listed);
                }
                self.work.extend(due_of(&record));
                *stored = record;
                Written::Committed
            }
            Some(_) | None => Written::Lost,
        }
    }

    /// Has a due entry of the work list looked at later.
    fn put_off(&mut self, work: &Work, now: Timestamp, until: Timestamp) -> Written {
        let (now, until) = (whole_seconds(now), whole_seconds(until));
        match work {
            Work::Slot(license, hour) => {
                let slot = self.slots.get_mut(&(license.clone(), *hour));
                let Some(slot) = slot.filter(|slot| slot.due.is_some_and(|due| due <= now)) else {
                    return Written::Lost;
                };
                reschedule(&mut self.work, &mut slot.due, Some(until), license, *hour);
            }
            Work::Record(name) => {
                let slot = self.slots.get(&(name.0.clone(), name.1));
                let record = slot.and_then(|slot| slot.records.get(&name.2));
                let Some((due, license, slot, dimension)) = record.and_then(due_of) else {
                    return Written::Lost;
                };
                let due = self.put_off.get(name).copied().unwrap_or(due);
                if due > now {
                    return Written::Lost;
                }
                self.work
                    .remove(&(due, license.clone(), slot, dimension.clone()));
                self.work.insert((until, license, slot, dimension));
                self.put_off.insert(name.clone(), until);
            }
        }
        Written::Committed
    }

    /// What is due, as many entries of the work list as are asked for at once.
    fn due_work(&self, now: Timestamp) -> DueWork {
        let now = whole_seconds(now);
        let mut work = DueWork::default();
        for (due, license, hour, dimension) in &self.work {
            if *due > now {
                work.next = Some(*due);
                break;
            }
            if work.slots.len() + work.records.len() == MOST_DUE {
                work.more = true;
                break;
            }
            match dimension {
                Some(dimension) => {
                    let name = (license.clone(), *hour, dimension.clone());
                    work.records.push(name);
                }
                None => work.slots.push((license.clone(), *hour)),
            }
        }
        work
    }

    fn put_hold(&mut self, hold: Hold) -> Written {
        let stored = self.holds.get(&hold.license).map_or(0, |hold| hold.version);
        let current = stored + 1 == hold.version;
        if current {
            self.holds.insert(hold.license.clone(), hold);
        }
        committed(current)
    }

    fn is_next_included(&self, period: &Included) -> bool {
        let key = (
            period.license.clone(),
            period.dimension.clone(),
            period.from,
        );
        self.included.get(&key).map_or(0, |period| period.version) + 1 == period.version
    }

    fn put_included(&mut self, period: Included) {
        let key = (
            period.license.clone(),
            period.dimension.clone(),
            period.from,
        );
        self.included.insert(key, period);
    }

    fn links_within(
        &self,
        from: Timestamp,
        until: Timestamp,
        of: impl Fn(&Link) -> bool,
    ) -> Vec<Link> {
        self.links
            .iter()
            .filter(|link| of(link) && link.overlaps(from, until))
            .cloned()
            .collect()
    }

    fn commit(&mut self, change: Change) -> Written {
        let accounts = change.accounts.iter().all(|account| {
            let stored = self.accounts.get(&account.id).map_or(0, |a| a.version);
            stored == account.version
        });
        let licenses = change.licenses.iter().all(|license| {
            let stored = self.licenses.get(&license.id).map_or(0, |l| l.version);
            stored == license.version
        });
        if !(accounts && licenses) {
            return Written::Lost;
        }
        for mut account in change.accounts {
            account.version += 1;
            self.accounts.insert(account.id.clone(), Arc::new(account));
        }
        for mut license in change.licenses {
            license.version += 1;
            self.licenses.insert(license.id.clone(), Arc::new(license));
        }
        for closed in change.closed {
            self.links
                .retain(|link| (&link.license, link.number) != (&closed.license, closed.number));
            self.links.push(closed);
        }
        self.links.extend(change.opened);
        self.links.sort_by_key(|link| link.from);
        Written::Committed
    }
}

/// What the schedule and the checks look at.
impl Tables {
    /// The license's snapshot.
    pub fn license(&self, license: &LicenseId) -> Option<&License> {
        self.licenses.get(license).map(Arc::as_ref)
    }

    /// The account's snapshot.
    pub fn account(&self, account: &AccountId) -> Option<&Account> {
        self.accounts.get(account).map(Arc::as_ref)
    }

    /// Every link there ever was.
    pub fn links(&self) -> &[Link] {
        &self.links
    }

    /// Every account-hour.
    pub fn account_hours(&self) -> impl Iterator<Item = &AccountHour> {
        self.account_hours.values()
    }

    /// Every slot's head.
    pub fn heads(&self) -> impl Iterator<Item = &SlotHead> {
        self.slots.values().filter_map(|slot| slot.head.as_ref())
    }

    /// Every entry, with its license and the slot in which it lies.
    pub fn entries(&self) -> impl Iterator<Item = (&LicenseId, Hour, &SlotEntry)> {
        self.slots.iter().flat_map(|((license, hour), slot)| {
            let entries = slot.entries.values();
            entries.map(move |entry| (license, *hour, entry))
        })
    }

    /// Every record.
    pub fn records(&self) -> impl Iterator<Item = &Record> {
        self.slots.values().flat_map(|slot| slot.records.values())
    }

    /// How many entries the work list has.
    pub fn work_list_len(&self) -> usize {
        self.work.len()
    }

    /// Drops every slot of which nothing is to be sent any more, and every
    /// account-hour: for a long drive, which would fill the memory.
    pub fn forget_settled(&mut self) {
        self.slots.retain(|_, slot| {
            let frozen = |record: &Record| matches!(record.state, RecordState::Frozen { .. });
            slot.is_open() || slot.records.values().any(frozen)
        });
        self.account_hours.clear();
    }

    /// Whether every account that was linked to a license in an hour is posted.
    pub fn is_posted(&self, license: &LicenseId, hour: Hour) -> bool {
        let links = self.links_within(hour.start(), hour.end(), |link| link.license == *license);
        links.iter().all(|link| {
            let parts = self.account(&link.account).map(|a| a.parts.count_at(hour));
            let mut parts = parts.into_iter().flat_map(Part::all);
            parts.all(|part| {
                let cursor = self.cursors.get(&Shard::of(&link.account, part));
                cursor.is_some_and(|cursor| cursor.posted >= hour)
            })
        })
    }

    /// Whether sending of any product is stopped.
    pub fn is_anything_stopped(&self) -> bool {
        !self.controls.stopped.is_empty()
    }

    /// The hours of which there are reports, ascending.
    pub fn reported_hours(&self) -> Vec<Hour> {
        self.reports.keys().copied().collect()
    }

    /// The last hour of which there is a report.
    pub fn last_reported_hour(&self) -> Option<Hour> {
        self.reports.keys().next_back().copied()
    }

    /// Whether every shard is posted up to an hour.
    pub fn all_posted(&self, hour: Hour) -> bool {
        Shard::all().all(|shard| self.cursors.get(&shard).is_some_and(|c| c.posted >= hour))
    }

    /// Whether a slot with usage is open, or a record to be sent.
    pub fn is_anything_waiting(&self) -> bool {
        self.slots.values().any(|slot| {
            let waits = slot.head.as_ref().is_some_and(|head| {
                matches!(head.state, SlotState::Open | SlotState::Carrying { .. })
            });
            let frozen = |record: &Record| matches!(record.state, RecordState::Frozen { .. });
            waits && slot.is_used() || slot.records.values().any(frozen)
        })
    }

    /// The open slots of a license that hold usage.
    pub fn open_slots_used(&self, license: &LicenseId) -> Vec<Hour> {
        let slots = self.slots.iter().filter(|((of, _), _)| of == license);
        slots
            .filter(|(_, slot)| slot.is_open() && slot.is_used())
            .map(|((_, hour), _)| *hour)
            .collect()
    }

    /// How many late markers there are.
    pub fn marker_count(&self) -> usize {
        self.markers.len()
    }

    /// What is left of contracts, and was used of them.
    pub fn included(&self) -> impl Iterator<Item = &Included> {
        self.included.values()
    }

    /// The licenses whose final usage is looked after.
    pub fn finals(&self) -> impl Iterator<Item = &LicenseId> {
        self.finals.keys()
    }

    /// The licenses on hold.
    pub fn holds(&self) -> impl Iterator<Item = &Hold> {
        self.holds.values()
    }

    /// Every report part of which all is stored: its hour, its key and what it saw.
    pub fn reports(
        &self,
    ) -> impl Iterator<Item = (Hour, &(AccountId, Part, ReportId), &[Observation])> {
        self.reports.iter().flat_map(|(hour, reports)| {
            let reports = reports.iter();
            reports
                .filter_map(|(key, stored)| Some((*hour, key, stored.whole.as_ref()?.as_slice())))
        })
    }

    /// Whether something is stored under a report's id.
    pub fn has(&self, report: &UsageReport) -> bool {
        let ids = self.reports.get(&report.hour).into_iter();
        let mut ids = ids.flat_map(BTreeMap::keys);
        ids.any(|(account, _, id)| (account, id) == (&report.account, &report.report_id))
    }

    /// Every report part's hour and key, and the hash of the whole report that it is of.
    pub fn fingerprints(
        &self,
    ) -> impl Iterator<Item = (Hour, &(AccountId, Part, ReportId), Fingerprint)> {
        self.reports.iter().flat_map(|(hour, reports)| {
            let reports = reports.iter();
            reports.map(|(key, stored)| (*hour, key, stored.fingerprint))
        })
    }

    /// The tables as a backup holds them: the ledger of an earlier point, with
    /// the subscriptions as they are.
    #[must_use]
    pub fn restored_to(&self, earlier: &Self) -> Self {
        Self {
            accounts: self.accounts.clone(),
            licenses: self.licenses.clone(),
            links: self.links.clone(),
            ..earlier.clone()
        }
    }
}

/// What a report is stored under: of a mutant's, what its key is read as, whose
/// names are joined by a full stop, which a name may contain.
fn report_key(account: AccountId, part: Part, id: ReportId) -> (AccountId, Part, ReportId) {
    if mutant!(IdsCollide) {
        let key = format!("{account}.{}.{id}", part.0);
        let mut names = key.splitn(3, '.');
        let mut next = || names.next().unwrap_or_default();
        if let (Ok(account), Ok(part), Ok(id)) = (
            AccountId::parse(next()),
            next().parse().map(Part),
            ReportId::parse(next()),
        ) {
            return (account, part, id);
        }
    }
    (account, part, id)
}

fn entry_key(entry: &SlotEntry) -> EntryKey {
    let part = if mutant!(EntryKeyLacksPart) {
        Part(0)
    } else {
        entry.part
    };
    (entry.origin, entry.account.clone(), part, entry.hour)
}

fn name_of(record: &Record) -> (LicenseId, Hour, Dimension) {
    (
        record.usage.license.id().clone(),
        record.slot,
        record.usage.dimension.clone(),
    )
}

fn is_unknown(record: &Record) -> bool {
    matches!(
        record.state,
        RecordState::Closed {
            reason: CloseReason::Unknown,
            ..
        }
    )
}

fn committed(made: bool) -> Written {
    if made {
        Written::Committed
    } else {
        Written::Lost
    }
}

/// The work list's entry of a record that is to be sent.
fn due_of(record: &Record) -> Option<Due> {
    let RecordState::Frozen { due, .. } = record.state else {
        return None;
    };
    let (license, slot, dimension) = name_of(record);
    Some((whole_seconds(due), license, slot, Some(dimension)))
}

/// Changes when the work list has a slot's head looked at.
fn reschedule(
    work: &mut BTreeSet<Due>,
    present: &mut Option<Timestamp>,
    due: Option<Timestamp>,
    license: &LicenseId,
    hour: Hour,
) {
    if *present == due {
        return;
    }
    if let Some(present) = *present {
        work.remove(&(present, license.clone(), hour, None));
    }
    work.extend(due.map(|due| (due, license.clone(), hour, None)));
    *present = due;
}

/// Due times are kept in whole seconds.
fn whole_seconds(instant: Timestamp) -> Timestamp {
    Timestamp::from_second(instant.as_second()).unwrap_or(instant)
}
