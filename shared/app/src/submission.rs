//! Submission: freezing slots, sending their records, settling the answers.
//!
//! Attempts are counted in the store before they are made, and every outcome
//! is stored before the next call, so that a crash anywhere leaves each record
//! saying whether it may have been accepted. Two submitters at once are safe:
//! each counts its attempt on the record's version, and one of them loses.

mod call;
mod freezing;
mod settling;

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use domain::hour::{Hour, after, before};
use domain::ids::{Dimension, LicenseId};
use domain::ledger::record::{Record, RecordState};
use domain::ledger::slot::{LicenseTerms, SlotState};
use domain::metering::MAX_RECORDS_PER_CALL;
use futures_util::stream::{self, StreamExt};
use jiff::{SignedDuration, Timestamp};
use store::StoreError;

use crate::posting::last_hours;
use crate::{App, Chain};

/// How many records are read at once.
const CONCURRENCY: usize = 8;

/// The longest that a call to AWS takes before it counts as unanswered, and a
/// second to store what came of it: none is begun later before the deadline.
const LONGEST_CALL: SignedDuration = SignedDuration::from_secs(21);

/// Time until a run that left something behind is due again.
const AGAIN_AFTER: SignedDuration = SignedDuration::from_mins(1);

/// What a run of [`App::submit_due`] did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SubmissionRun {
    /// Slots frozen.
    pub frozen: usize,
    /// Calls made.
    pub calls: usize,
    /// Records that AWS accepted.
    pub billed: usize,
    /// Records closed without having been accepted.
    pub closed: usize,
    /// Records and slots that could not be dealt with for a fault of the store.
    pub failed: usize,
    /// Whether a call failed, so that the run stopped sending.
    pub stopped: bool,
    /// When there is something to do next, as far as this run knows.
    pub next: Option<Timestamp>,
}

/// One run and what it has looked at.
struct Submitter<'a> {
    app: &'a App,
    run: SubmissionRun,
    /// Frozen and counted, to be sent in the next call.
    ready: VecDeque<Record>,
    /// Due, in the order of sending.
    records: VecDeque<Record>,
    /// Due to be frozen, by hour.
    slots: VecDeque<(LicenseId, Hour)>,
    /// Whether the work list may know more that is due.
    ask: bool,
    terms: BTreeMap<LicenseId, Option<LicenseTerms>>,
    /// When the next thing will be due, by the work list and what was settled since.
    next: Option<Timestamp>,
    /// Calls spent on finding the records that make calls fail.
    extra_calls: usize,
    /// A due slot waits for its accounts to be posted.
    waiting: bool,
    seen_slots: BTreeSet<(LicenseId, Hour)>,
    seen_records: BTreeSet<(LicenseId, Hour, Dimension)>,
}

impl App {
    /// Sends what is due until nothing is, a call fails, or `deadline` comes.
    ///
    /// # Errors
    /// [`StoreError`] when the work list cannot be read. A record or slot that
    /// fails by itself does not hold up the others.
    pub async fn submit_due(&self, deadline: Timestamp) -> Result<SubmissionRun, StoreError> {
        let mut submitter = Submitter {
            app: self,
            run: SubmissionRun::default(),
            ready: VecDeque::new(),
            records: VecDeque::new(),
            slots: VecDeque::new(),
            ask: true,
            terms: BTreeMap::new(),
            next: None,
            extra_calls: 0,
            waiting: false,
            seen_slots: BTreeSet::new(),
            seen_records: BTreeSet::new(),
        };
        let last_call = before(deadline, LONGEST_CALL);
        while self.clock.now() < last_call && !submitter.run.stopped {
            if !submitter.step().await? {
                break;
            }
        }
        let not_sent = submitter.ready.drain(..).collect();
        submitter.put_back(not_sent).await;
        Ok(submitter.finish())
    }
}

impl Submitter<'_> {
    /// Fills and makes one call; `false` when nothing is left to be done.
    async fn step(&mut self) -> Result<bool, StoreError> {
        if self.records.is_empty() && self.slots.is_empty() && self.ask {
            self.ask_for_work().await?;
        }
        self.take_up().await;
        self.freeze_due().await;
        if !self.ready.is_empty() {
            self.send_next().await;
        }
        Ok(
            self.ask
                || !self.records.is_empty()
                || !self.slots.is_empty()
                || !self.ready.is_empty(),
        )
    }

    /// Asks the work list what is due; again later, if it did not say all.
    async fn ask_for_work(&mut self) -> Result<(), StoreError> {
        let due = self.app.store.due_work(self.app.clock.now()).await?;
        self.next = due.next;
        self.ask = due.more;
        for key in due.unreadable {
            self.run.failed += 1;
            tracing::error!(store.key = %key, "an entry of the work list is not readable; the rest goes on");
        }
        let ending = self.final_slots().await?;
        let ends: BTreeSet<LicenseId> = ending.iter().map(|(license, _)| license.clone()).collect();
        self.slots.extend(ending.into_iter().chain(due.slots));
        self.slots.retain(|slot| !self.seen_slots.contains(slot));
        self.slots
            .make_contiguous()
            .sort_by_key(|(license, hour)| (!ends.contains(license), *hour));
        let mut named = due.records;
        named.retain(|record| !self.seen_records.contains(record));
        if named.is_empty() && self.slots.is_empty() {
            self.ask = false;
        }
        self.read_records(named).await;
        Ok(())
    }

    /// Reads what the index named, in the order of sending: the licenses that
    /// are ending first, then by deadline.
    async fn read_records(&mut self, named: Vec<(LicenseId, Hour, Dimension)>) {
        let app = self.app;
        let reads: Vec<_> = named
            .iter()
            .map(|(license, slot, dimension)| app.store.record(license, *slot, dimension))
            .collect();
        let read: Vec<_> = stream::iter(reads).buffered(CONCURRENCY).collect().await;
        let mut due = Vec::new();
        for (record, name) in read.into_iter().zip(named) {
            self.seen_records.insert(name.clone());
            let ending = match self.terms(&name.0).await {
                Ok(terms) => terms.is_some_and(|terms| terms.end.is_some()),
                Err(error) => {
                    self.passed_over(&name, &error);
                    continue;
                }
            };
            match record {
                Ok(Some(record)) if is_due(&record, app.clock.now()) => {
                    due.push((!ending, record.deadline, name, record));
                }
                Ok(Some(_) | None) => {}
                Err(error) => self.passed_over(&name, &error),
            }
        }
        due.sort_by(|a, b| (a.0, a.1, &a.2).cmp(&(b.0, b.1, &b.2)));
        self.records
            .extend(due.into_iter().map(|(_, _, _, record)| record));
    }

    /// A record that cannot be read does not hold up the others.
    fn passed_over(&mut self, name: &(LicenseId, Hour, Dimension), error: &StoreError) {
        self.run.failed += 1;
        tracing::error!(
            license.id = %name.0,
            usage.slot = %name.1,
            usage.dimension = %name.2,
            error = %Chain(error),
            "a record cannot be read; the rest goes on"
        );
    }

    /// Counts another attempt of due records, until the next call is full.
    async fn take_up(&mut self) {
        while self.ready.len() < MAX_RECORDS_PER_CALL {
            let Some(record) = self.records.pop_front() else {
                return;
            };
            self.attempt(&record).await;
        }
    }

    /// The slots of ended licenses, which do not wait for their usual time.
    async fn final_slots(&mut self) -> Result<Vec<(LicenseId, Hour)>, StoreError> {
        let mut slots = Vec::new();
        for license in self.app.store.final_usage().await? {
            if let Err(error) = self.add_final_slots(&license, &mut slots).await {
                self.run.failed += 1;
                tracing::error!(
                    license.id = %license,
                    error = %Chain(&error),
                    "the last slots of an ended license cannot be read; the rest goes on"
                );
            }
        }
        Ok(slots)
    }

    async fn add_final_slots(
        &mut self,
        license: &LicenseId,
        slots: &mut Vec<(LicenseId, Hour)>,
    ) -> Result<(), StoreError> {
        let end = self.terms(license).await?.and_then(|terms| terms.end);
        for hour in end.iter().flat_map(last_hours) {
            let head = self.app.store.slot_head(license, hour).await?;
            if head.is_some_and(|head| head.state == SlotState::Open) {
                slots.push((license.clone(), hour));
            }
        }
        Ok(())
    }

    /// A license's terms, read once a run.
    async fn terms(&mut self, license: &LicenseId) -> Result<Option<LicenseTerms>, StoreError> {
        if let Some(terms) = self.terms.get(license) {
            return Ok(terms.clone());
        }
        let terms = self.app.terms(license).await?;
        self.terms.insert(license.clone(), terms.clone());
        Ok(terms)
    }

    /// Adds when there is something to do next: soon, when something that is
    /// due was left behind, else when the work list says.
    fn finish(mut self) -> SubmissionRun {
        let left = self.run.stopped || self.run.failed > 0 || self.waiting;
        let soon = after(self.app.clock.now(), AGAIN_AFTER);
        self.run.next = match self.next {
            Some(next) if left => Some(next.min(soon)),
            None if left => Some(soon),
            next => next,
        };
        self.run
    }
}

fn is_due(record: &Record, now: Timestamp) -> bool {
    matches!(record.state, RecordState::Frozen { due, .. } if due <= now)
}

#[cfg(test)]
mod tests;
