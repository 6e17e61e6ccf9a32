//! The steps of the ledger's procedures: one request to the store or to AWS
//! each, and what it may answer.
//!
//! A procedure asks for steps and never makes one itself. Whoever drives it
//! performs them: `store` and `marketplace` in production, a table in memory in
//! the simulator. One step is one conditional write, one read, or one call.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::sync::Arc;

use domain::account::Account;
use domain::change::Change;
use domain::hour::Hour;
use domain::ids::{AccountId, Dimension, LicenseId, ReportId};
use domain::ledger::account_hour::{AccountHour, Reports, WriteOff};
use domain::ledger::controls::Controls;
use domain::ledger::hold::Hold;
use domain::ledger::included::{Included, IncludedUsage};
use domain::ledger::record::Record;
use domain::ledger::slot::{SlotEntry, SlotHead, SlotState};
use domain::license::License;
use domain::linking::Link;
use domain::metering::{CallAnswer, CallFailure, UsageRecord};
use domain::mutant;
use domain::usage::report::Fingerprint;
use domain::usage::{Observation, Part, Shard};
use jiff::Timestamp;

use crate::steps::Steps;

/// A step that did not end in an answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StepError {
    /// The store refused for its load, or a transaction met another: try again.
    #[error("the store asked to slow down")]
    Throttled,
    /// No answer: a write may or may not have happened.
    #[error("the store did not answer: {0}")]
    Unavailable(String),
    /// The store refused the request for what it is.
    #[error("the store refused the request: {0}")]
    Refused(String),
    /// A stored item is not of the form this version writes.
    #[error(transparent)]
    Corrupt(#[from] Unreadable),
}

/// The answer to a conditional write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum Written {
    /// The write was made.
    Committed,
    /// Somebody else changed an item since it was read: load and decide again.
    Lost,
}

/// Up to which hour a shard is sealed and posted. Both are only ever raised.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Cursor {
    /// A report of this hour or an earlier one is late.
    pub sealed: Hour,
    /// Every report listed in this hour and the earlier ones is posted or has a marker.
    pub posted: Hour,
}

/// What a list of several items' contents or names gave.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed<T> {
    /// Those that can be read.
    pub items: Vec<T>,
    /// Those that cannot: kept as they are, for a version that can.
    pub unreadable: Vec<Unreadable>,
}

/// A stored item that is not of the form this version writes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
#[error("the stored item {key} cannot be read: {reason}")]
pub struct Unreadable {
    /// Its key.
    pub key: String,
    /// What is wrong with it.
    pub reason: String,
}

impl<T> Listed<T> {
    /// All of them.
    ///
    /// # Errors
    /// [`Unreadable`], the first, when there is one.
    pub fn whole(self) -> Result<Vec<T>, Unreadable> {
        match self.unreadable.into_iter().next() {
            None => Ok(self.items),
            Some(unreadable) => Err(unreadable),
        }
    }

    /// Adds what reading one more item gave.
    ///
    /// # Errors
    /// [`StepError`] when the store did not answer.
    pub(crate) fn add(&mut self, read: Result<Option<T>, StepError>) -> Result<(), StepError> {
        match read {
            Ok(item) => self.items.extend(item),
            Err(StepError::Corrupt(unreadable)) => self.unreadable.push(unreadable),
            Err(error) => return Err(error),
        }
        Ok(())
    }
}

impl<T> From<Vec<T>> for Listed<T> {
    fn from(items: Vec<T>) -> Self {
        Self {
            items,
            unreadable: Vec::new(),
        }
    }
}

/// The cursor of every shard, `None` for one that has none yet. One that
/// cannot be read is left out.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Cursors {
    /// By shard.
    pub by_shard: BTreeMap<Shard, Option<Cursor>>,
    /// Those that cannot be read.
    pub unreadable: Vec<Unreadable>,
}

/// Which of a cursor's two hours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Edge {
    /// [`Cursor::sealed`].
    Sealed,
    /// [`Cursor::posted`].
    Posted,
}

/// An account-hour to be posted again.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Marker {
    /// The account.
    pub account: AccountId,
    /// The part.
    pub part: Part,
    /// The hour.
    pub hour: Hour,
    /// Tells this marker from one put later for the same account-hour.
    pub nonce: String,
    /// When it was put: how long its account-hour has been waiting. One that is
    /// put over it waits from then on.
    pub put_at: Timestamp,
}

impl Marker {
    /// A marker of an account-hour, put now, unlike any before it.
    pub(crate) fn fresh(steps: &Steps, account: AccountId, part: Part, hour: Hour) -> Self {
        Self {
            account,
            part,
            hour,
            nonce: if mutant!(MarkerNonceNotFresh) {
                String::new()
            } else {
                steps.nonce()
            },
            put_at: steps.now(),
        }
    }
}

/// An ended license whose final usage is looked after.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Ending {
    /// The license.
    pub license: LicenseId,
    /// Tells this from one that was begun later for the same license.
    pub nonce: String,
}

impl Ending {
    /// A license whose final usage is to be looked after from now on.
    pub(crate) fn fresh(steps: &Steps, license: LicenseId) -> Self {
        let nonce = steps.nonce();
        Self { license, nonce }
    }
}

/// One part of an account in one hour that has reports.
pub type AccountPart = (AccountId, Part);

/// One of the items of a report's part.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Chunk {
    /// Which, from 0 on.
    pub number: u16,
    /// How many there are.
    pub of: u16,
}

/// A chunk of one part of a report, to be stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReportPart {
    /// The account.
    pub account: AccountId,
    /// The hour.
    pub hour: Hour,
    /// The part.
    pub part: Part,
    /// The report's id.
    pub id: ReportId,
    /// Which chunk of the part.
    pub chunk: Chunk,
    /// The hash of the whole report's raw entries.
    pub fingerprint: Fingerprint,
    /// The chunk's computers.
    pub observations: Vec<Observation>,
}

/// The answer to storing a chunk of a report.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum PutReport {
    /// It was not there before.
    Stored,
    /// The same report is there.
    AlreadyStored,
    /// Another report is there under the same id.
    Conflict,
}

/// A stored chunk of one part of a report.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredReport {
    /// The report's id.
    pub id: ReportId,
    /// Which chunk of the part.
    pub chunk: Chunk,
    /// What it saw.
    pub observations: Vec<Observation>,
}

/// The reports of one part of an account-hour, chunk by chunk.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ReadReports {
    /// Those that can be read, ascending.
    pub reports: Vec<StoredReport>,
    /// Those that cannot: kept as they are, for a version that can.
    pub unreadable: Vec<Unreadable>,
}

/// The reports of which every chunk is there. Any other is left out, as though
/// nothing of it were: it is not acknowledged yet, and what named it now would
/// take for posted what is stored of it later.
pub fn whole(chunks: Vec<StoredReport>) -> Reports {
    let mut found: BTreeMap<ReportId, (u16, Chunk, Vec<Observation>)> = BTreeMap::new();
    for stored in chunks {
        match found.entry(stored.id) {
            Entry::Vacant(first) => {
                first.insert((1, stored.chunk, stored.observations));
            }
            Entry::Occupied(mut others) => {
                let (count, _, observations) = others.get_mut();
                *count += 1;
                observations.extend(stored.observations);
            }
        }
    }
    found
        .into_iter()
        .filter(|(_, (count, first, _))| *count == first.of || mutant!(HalfReportPosted))
        .map(|(id, (_, _, observations))| (id, observations))
        .collect()
}

/// An entry to be set in a license's slot, if the slot is open.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SlotPosting {
    /// The license.
    pub license: LicenseId,
    /// The slot's hour.
    pub slot: Hour,
    /// The account-hour's total there.
    pub entry: SlotEntry,
}

/// A slot, whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Slot {
    /// Its head.
    pub head: SlotHead,
    /// What was posted into it.
    pub entries: Vec<SlotEntry>,
    /// What it was frozen into.
    pub records: Vec<Record>,
}

/// A record by its license, slot and dimension.
pub type RecordName = (LicenseId, Hour, Dimension);

/// What an entry of the work list stands for.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Work {
    /// An open slot, or one that is being carried.
    Slot(LicenseId, Hour),
    /// A record that is to be sent.
    Record(RecordName),
}

/// What the work list suggests is due, and when the next thing will be.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct DueWork {
    /// Open slots to be looked at, by license and hour.
    pub slots: Vec<(LicenseId, Hour)>,
    /// Records to be sent.
    pub records: Vec<RecordName>,
    /// When the earliest of what is not due yet will be.
    pub next: Option<Timestamp>,
    /// There may be more that is due than what was asked for.
    pub more: bool,
    /// Entries that stand for nothing this version knows.
    pub unreadable: Vec<Unreadable>,
}

/// A slot to be frozen, on the version that it was decided on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Freeze {
    /// The head as it was read.
    pub head: SlotHead,
    /// The records to be stored.
    pub records: Vec<Record>,
    /// What the contract covers.
    pub included: Vec<IncludedUsage>,
    /// The contract's periods with that taken, each on the version before its own.
    pub taken: Vec<Included>,
    /// When.
    pub at: Timestamp,
}

/// Entries of a slot to be moved into a later one, all or nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Carry {
    /// The slot's head as it was read.
    pub head: SlotHead,
    /// The entries to be moved. Their keys keep the slot that they first entered.
    pub moved: Vec<SlotEntry>,
    /// The open slot that takes them; `None` when nothing is moved.
    pub into: Option<Hour>,
    /// What the slot is after that.
    pub then: SlotState,
}

macro_rules! steps {
    ($($(#[$doc:meta])* $method:ident($($field:ident: $type:ty),*) -> $variant:ident($answer:ty);)*) => {
        /// One step of a procedure.
        #[derive(Debug, Clone, PartialEq)]
        #[expect(missing_docs, reason = "the fields are named in each variant's text")]
        pub enum Step {
            $($(#[$doc])* $variant { $($field: $type),* },)*
        }

        /// What a step answered.
        #[derive(Debug, Clone, PartialEq)]
        #[expect(missing_docs, reason = "each is the answer to the step of its name")]
        pub enum Answer {
            $($variant($answer),)*
        }

        impl Steps {
            $($(#[$doc])*
            ///
            /// # Errors
            /// [`StepError`] when there is no answer; a write may then have been made.
            pub async fn $method(&self, $($field: $type),*) -> Result<$answer, StepError> {
                match self.ask(Step::$variant { $($field),* }).await? {
                    Answer::$variant(answer) => Ok(answer),
                    other => Err(StepError::Refused(format!(
                        "the answer {other:?} to another step"
                    ))),
                }
            })*
        }
    };
}

steps! {
    /// Reads the cursor of a shard.
    cursor(shard: Shard) -> ReadCursor(Option<Cursor>);
    /// Reads the cursor of every shard.
    cursors() -> ReadCursors(Cursors);
    /// Raises one edge of these shards' cursors to an hour, all or none; lost
    /// when one is there or beyond. A shard without a cursor gets one that is
    /// posted up to `posted_before`.
    raise_cursors(edge: Edge, shards: Vec<Shard>, hour: Hour, posted_before: Hour) -> RaiseCursors(Written);
    /// Reads every late marker.
    markers() -> ReadMarkers(Listed<Marker>);
    /// Whether an account-hour has a late marker.
    has_marker(account: AccountId, part: Part, hour: Hour) -> HasMarker(bool);
    /// Puts a late marker, over any that is there.
    put_marker(marker: Marker) -> PutMarker(());
    /// Deletes a marker if it is still this one.
    delete_marker(marker: Marker) -> DeleteMarker(Written);

    /// Stores a chunk of one part of a report, if nothing is stored as this chunk of its id.
    put_report(report: ReportPart) -> StoreReport(PutReport);
    /// Lists which parts of which accounts have reports in a shard's hour, each once, ascending.
    reported_parts(shard: Shard, hour: Hour) -> ListReportedParts(Listed<AccountPart>);
    /// Reads all reports of one part of an account in an hour.
    reports(account: AccountId, part: Part, hour: Hour) -> ListReports(ReadReports);

    /// Reads an account-hour; one that is not stored is empty, of version 0.
    account_hour(account: AccountId, part: Part, hour: Hour) -> ReadAccountHour(AccountHour);
    /// Posts: the account-hour if its stored version is one less than its own,
    /// and each entry if its slot is open, whose version it raises; all or nothing.
    post(hour: AccountHour, slots: Vec<SlotPosting>) -> Post(Written);

    /// Reads a slot's head; `None` when nothing was ever put into it.
    slot_head(license: LicenseId, hour: Hour) -> ReadSlotHead(Option<SlotHead>);
    /// Reads a slot, whole.
    slot(license: LicenseId, hour: Hour) -> ReadSlot(Option<Slot>);
    /// Reads the slots of a license from the first hour up to but without the second,
    /// ascending. One of which an item cannot be read is left out.
    slots(license: LicenseId, from: Hour, until: Hour) -> ReadSlots(Listed<Slot>);
    /// Opens an empty slot that is looked at from `due` on, if there is none.
    open_slot(license: LicenseId, hour: Hour, due: Timestamp) -> OpenSlot(Written);
    /// Freezes a slot if its version is the one its records were made from.
    freeze(freeze: Freeze) -> FreezeSlot(Written);
    /// Moves entries of a slot into a later one, if its version is unchanged and the later one is open.
    carry(carry: Carry) -> CarrySlot(Written);
    /// Closes an open slot whose entries can never be billed, if its version is unchanged.
    close_slot(head: SlotHead, reason: WriteOff, at: Timestamp) -> CloseSlot(Written);

    /// Reads one record of a slot.
    record(license: LicenseId, slot: Hour, dimension: Dimension) -> ReadRecord(Option<Record>);
    /// Replaces a record if the stored one has the version before its own.
    /// `nonce` names this write, so that its repetition is told from another's.
    replace_record(record: Record, nonce: String) -> ReplaceRecord(Written);
    /// Asks the work list what is due. An index: what it names is read again.
    due_work(now: Timestamp) -> ReadDueWork(DueWork);
    /// Has an entry of the work list that is due at `now` looked at from `until`
    /// on, and not before: for what waits, so that it is not in the way of the
    /// rest. Lost when it is not due, or not listed any more.
    put_off(work: Work, now: Timestamp, until: Timestamp) -> PutOff(Written);
    /// Lists the records whose outcome is unknown. An index: what it names is read again.
    unknown_records() -> ListUnknown(Listed<RecordName>);

    /// Lists the licenses whose final usage is looked after: what an index names, read again.
    final_usage() -> ListFinalUsage(Listed<Ending>);
    /// Has an ended license's final usage looked after from now on.
    begin_final_usage(ending: Ending, now: Timestamp) -> BeginFinalUsage(());
    /// The final usage of a license is over, if nobody had it looked after anew.
    end_final_usage(ending: Ending) -> EndFinalUsage(Written);
    /// Lists the licenses on hold. An index.
    holds() -> ListHolds(Listed<LicenseId>);
    /// Reads a license's hold.
    hold(license: LicenseId) -> ReadHold(Option<Hold>);
    /// Stores a hold: a first one if there is none, else on the version before its own.
    put_hold(hold: Hold) -> PutHold(Written);
    /// Ends a hold; lost when there is none.
    end_hold(license: LicenseId) -> EndHold(Written);

    /// Reads the operator's decisions.
    controls() -> ReadControls(Controls);
    /// Stores the operator's decisions on the version before their own.
    put_controls(controls: Controls) -> PutControls(Written);
    /// Reads what a license's contract covers, every period.
    included(license: LicenseId) -> ReadIncluded(Vec<Included>);
    /// Stores a period of a contract on the version before its own.
    put_included(included: Included) -> PutIncluded(Written);

    /// Reads an account.
    account(account: AccountId) -> ReadAccount(Option<Arc<Account>>);
    /// Reads a license.
    license(license: LicenseId) -> ReadLicense(Option<Arc<License>>);
    /// Reads the links of an account that overlap an interval.
    links_of_account(account: AccountId, from: Timestamp, until: Timestamp) -> ReadLinksOfAccount(Vec<Link>);
    /// Reads the links of a license that overlap an interval.
    links_of_license(license: LicenseId, from: Timestamp, until: Timestamp) -> ReadLinksOfLicense(Vec<Link>);
    /// Commits a change of accounts, licenses and links.
    commit(change: Change) -> CommitChange(Written);

    /// Sends records to AWS in one call.
    send(records: Vec<UsageRecord>) -> Send(Result<CallAnswer, CallFailure>);
    /// Waits until an instant.
    wait(until: Timestamp) -> Wait(());
}
