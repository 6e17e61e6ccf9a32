//! Submission: freezing slots, sending their records, settling the answers.
//!
//! Attempts are counted in the store before they are made, and every outcome
//! is stored before the records of its call are sent again, so that a crash
//! anywhere leaves each record saying whether it may have been accepted. Two
//! submitters at once are safe: each counts its attempt on the record's
//! version, and one of them loses.
//!
//! A run keeps a few calls under way, a tenth of a second apart, and prepares
//! the next one meanwhile: it counts the attempts of records that are due and
//! freezes just as many slots as the call takes; with several products, until
//! one of them fills a call. A call that fails for one record's sake is halved until
//! that is found; after any other failure nothing more is frozen or sent.

mod call;
mod carrying;
mod freezing;
mod holds;
mod prepared;
mod settling;
mod waiting;
mod work;
mod zeros;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::pin::pin;

use domain::hour::{Hour, after, before};
use domain::ids::{LicenseId, ProductCode};
use domain::ledger::controls::Controls;
use domain::ledger::slot::LicenseTerms;
use domain::mutant;
use futures_util::future::{Either, select};
use futures_util::stream::{FuturesUnordered, StreamExt};
use jiff::{SignedDuration, Timestamp};

use crate::rules::Rules;
use crate::step::{RecordName, StepError};
use crate::steps::Steps;

use call::{CallEnd, make_call};
use prepared::{Call, ProductDimension, Ready, dimension_of};
use waiting::StoppedNear;
pub use zeros::begin_zeros;

/// How many steps of one kind are under way at once.
const CONCURRENCY: usize = 25;

/// AWS takes ten calls a second (Metering API model).
const BETWEEN_CALLS: SignedDuration = SignedDuration::from_millis(100);

/// The longest that a call to AWS takes before it counts as unanswered, and a
/// second to store what came of it: none is begun later before the deadline.
const LONGEST_CALL: SignedDuration = SignedDuration::from_secs(21);

/// Time until a run that left something behind is due again.
const AGAIN_AFTER: SignedDuration = SignedDuration::from_mins(1);

/// How many records that make calls fail a run finds before it stops at the
/// next failure. Ten extra calls find one among 25, two for each time that the
/// call is halved. Were the calls counted instead, two such records in one call
/// could use them up, run after run, and neither ever be found. Were there no
/// limit, an AWS that refuses everything would have every record set aside.
const MAX_FOUND: usize = 5;

/// What a run of [`submit_due`] did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SubmissionRun {
    /// Slots frozen.
    pub frozen: usize,
    /// Slots whose entries went into a later one.
    pub carried: usize,
    /// Calls made.
    pub calls: usize,
    /// Records that AWS accepted.
    pub billed: usize,
    /// Records closed without having been accepted, and slots closed unsent.
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
    steps: &'a Steps,
    rules: &'a Rules,
    run: SubmissionRun,
    controls: Controls,
    held: BTreeSet<LicenseId>,
    /// Frozen and counted, to be sent in the next calls.
    ready: VecDeque<Ready>,
    /// Due, in the order of sending.
    records: VecDeque<RecordName>,
    /// Due to be frozen, in the order of freezing.
    slots: VecDeque<(LicenseId, Hour)>,
    /// Whether the work list may know more that is due.
    ask: bool,
    terms: BTreeMap<LicenseId, Option<LicenseTerms>>,
    /// When the next thing will be due, by the work list and what was settled since.
    next: Option<Timestamp>,
    /// Whether AWS answered a call, be it with a refusal.
    answered: bool,
    /// Records found that make calls fail.
    found: usize,
    /// Dimensions that AWS turned out not to know: nothing more of them is sent.
    missing: BTreeSet<ProductDimension>,
    /// Full calls that went before what is first to be sent.
    passed_over: usize,
    /// A due slot waits for its accounts to be posted.
    waiting: bool,
    /// What of stopped products is near its deadline.
    stopped_near: BTreeMap<ProductCode, StoppedNear>,
    seen_slots: BTreeSet<(LicenseId, Hour)>,
    seen_records: BTreeSet<RecordName>,
    /// No call is begun before this instant, nor from `last_call` on.
    next_call: Timestamp,
    last_call: Timestamp,
}

/// Sends what is due until nothing is, a call fails, or `deadline` comes.
///
/// # Errors
/// [`StepError`] when the work list cannot be read. A record or slot that
/// fails by itself does not hold up the others.
pub async fn submit_due(
    steps: &Steps,
    rules: &Rules,
    deadline: Timestamp,
) -> Result<SubmissionRun, StepError> {
    let mut submitter = Submitter::begin(steps, rules, deadline).await?;
    let mut calls: VecDeque<Call> = VecDeque::new();
    let mut under_way = FuturesUnordered::new();
    let mut ended: Vec<CallEnd> = Vec::new();
    let mut broken: Option<StepError> = None;
    loop {
        for end in ended.drain(..) {
            // The halves next: what makes calls fail is found before more is sought.
            for half in submitter.take_in(end).await.into_iter().rev() {
                calls.push_front(half);
            }
            submitter.leave_out_missing(&mut calls).await;
        }
        while under_way.len() < rules.calls_at_once
            && let Some(call) = calls.pop_front()
        {
            match submitter.may_send_at() {
                Some(at) => {
                    submitter.run.calls += 1;
                    under_way.push(make_call(steps, call, at, submitter.may_halve()));
                }
                None => submitter.put_back(call.records).await,
            }
        }
        if calls.is_empty() && submitter.has_work() {
            let prepared = submitter.prepare();
            match alongside(prepared, &mut under_way, &mut ended).await {
                Ok(call) => calls.extend(call),
                // What is under way is still taken in, and what is counted put back.
                Err(error) => {
                    submitter.run.stopped = true;
                    broken = Some(error);
                }
            }
        } else if let Some(end) = under_way.next().await {
            ended.push(end);
        } else if calls.is_empty() {
            break;
        }
    }
    let not_sent = submitter.ready.drain(..).collect();
    submitter.put_back(not_sent).await;
    submitter.warn_of_stopped();
    match broken {
        Some(error) => Err(error),
        None => Ok(submitter.finish()),
    }
}

/// Does some work while calls are under way; what of them ended meanwhile.
async fn alongside<T, C: Future>(
    work: impl Future<Output = T>,
    under_way: &mut FuturesUnordered<C>,
    ended: &mut Vec<C::Output>,
) -> T {
    let mut work = pin!(work);
    while !under_way.is_empty() {
        match select(work.as_mut(), under_way.next()).await {
            Either::Left((done, _)) => return done,
            Either::Right((end, _)) => ended.extend(end),
        }
    }
    work.await
}

impl<'a> Submitter<'a> {
    async fn begin(
        steps: &'a Steps,
        rules: &'a Rules,
        deadline: Timestamp,
    ) -> Result<Self, StepError> {
        let held = steps.holds().await?;
        let run = SubmissionRun {
            failed: steps.tell_unreadable(held.unreadable),
            ..SubmissionRun::default()
        };
        Ok(Self {
            steps,
            rules,
            run,
            controls: Controls::default(),
            held: held.items.into_iter().collect(),
            ready: VecDeque::new(),
            records: VecDeque::new(),
            slots: VecDeque::new(),
            ask: true,
            terms: BTreeMap::new(),
            next: None,
            answered: false,
            found: 0,
            missing: BTreeSet::new(),
            passed_over: 0,
            waiting: false,
            stopped_near: BTreeMap::new(),
            seen_slots: BTreeSet::new(),
            seen_records: BTreeSet::new(),
            next_call: steps.now(),
            last_call: before(deadline, LONGEST_CALL),
        })
    }

    /// Whether there is time for another call.
    fn has_time(&self) -> bool {
        self.steps.now() < self.last_call
    }

    /// Whether another call may be prepared.
    fn has_work(&self) -> bool {
        let left = self.ask
            || !self.records.is_empty()
            || !self.slots.is_empty()
            || !self.ready.is_empty();
        left && !self.run.stopped && self.has_time()
    }

    /// When the next call may begin: a tenth of a second after the one before.
    /// `None` after a failed call, and when the time does not suffice.
    fn may_send_at(&mut self) -> Option<Timestamp> {
        let at = self.next_call.max(self.steps.now());
        if self.run.stopped || at >= self.last_call {
            return None;
        }
        if !mutant!(RateOfCallsNotKept) {
            self.next_call = after(at, BETWEEN_CALLS);
        }
        Some(at)
    }

    /// Whether records that make calls fail are still looked for. While AWS
    /// answers nothing at all it is rather AWS that fails: one is found a run.
    fn may_halve(&self) -> bool {
        let given_up = mutant!(PoisonSoughtInTenCalls) && self.run.calls > 10;
        self.found < if self.answered { MAX_FOUND } else { 1 } && !given_up
    }

    /// Whether a record makes its call fail, for AWS does not know its dimension.
    /// Those of a license that is ending have no time to wait, and are tried.
    fn is_missing(&self, ready: &Ready) -> bool {
        ready.end.is_none() && self.missing.contains(&dimension_of(ready))
    }

    /// Puts back what of calls, and of what is ready for one, is of a dimension
    /// that AWS does not know.
    async fn leave_out_missing(&mut self, calls: &mut VecDeque<Call>) {
        if self.missing.is_empty() {
            return;
        }
        let mut left_out = Vec::new();
        for call in calls.iter_mut() {
            let missing = call.records.extract_if(.., |one| self.is_missing(one));
            left_out.extend(missing);
        }
        calls.retain(|call| !call.records.is_empty());
        let ready = std::mem::take(&mut self.ready);
        let (missing, rest): (VecDeque<Ready>, _) =
            ready.into_iter().partition(|one| self.is_missing(one));
        self.ready = rest;
        left_out.extend(missing);
        self.put_back(left_out).await;
    }

    /// A license's terms, read once a run.
    async fn terms(&mut self, license: &LicenseId) -> Result<Option<LicenseTerms>, StepError> {
        if let Some(terms) = self.terms.get(license) {
            return Ok(terms.clone());
        }
        let terms = crate::posting::terms(self.steps, license).await?;
        self.terms.insert(license.clone(), terms.clone());
        Ok(terms)
    }

    fn due_next(&mut self, at: Timestamp) {
        self.next = Some(self.next.map_or(at, |next| next.min(at)));
    }

    /// Adds when there is something to do next: soon, when something that is
    /// due was left behind, else when the work list says.
    fn finish(mut self) -> SubmissionRun {
        if self.run.stopped || self.run.failed > 0 || self.waiting {
            self.due_next(after(self.steps.now(), AGAIN_AFTER));
        }
        self.run.next = self.next;
        self.run
    }
}
