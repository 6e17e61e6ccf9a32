//! The world of a schedule: tables, AWS, a clock, and the procedures that are
//! under way in it, each stopped between two of its steps.

use std::collections::BTreeMap;
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::task::{Context, Poll, Waker};

use domain::hour::Hour;
use domain::ids::AccountId;
use domain::license::{License, UnknownCover};
use domain::metering::UsageRecord;
use domain::usage::UsageReport;
use jiff::{SignedDuration, Timestamp};
use ledger::posting::PostingRun;
use ledger::recording::{RecordError, Recorded};
use ledger::submission::SubmissionRun;
use ledger::{Answer, Clock, Notice, Rules, Step, StepError, Steps, Ticket};

use crate::aws::{Aws, key_of};
use crate::schedule::billed;
use crate::tables::Tables;
use crate::watch::Seen;

/// How long a run of posting may take, and one of submission.
const POSTING: SignedDuration = SignedDuration::from_secs(50);
const SUBMISSION: SignedDuration = SignedDuration::from_secs(80);

/// More steps than any procedure takes: one that does not end is a fault.
const MOST_STEPS: usize = 200_000;

/// The world's clock, moved by the schedule alone, and its random numbers.
#[derive(Debug)]
pub struct WorldClock {
    nanos: AtomicI64,
    drawn: AtomicU64,
}

impl WorldClock {
    fn new(now: Timestamp) -> Self {
        let clock = Self {
            nanos: AtomicI64::new(0),
            drawn: AtomicU64::new(0),
        };
        clock.set(now);
        clock
    }

    fn set(&self, now: Timestamp) {
        let nanos = i64::try_from(now.as_nanosecond()).unwrap_or(i64::MAX);
        self.nanos.store(nanos, Ordering::Relaxed);
    }
}

impl Clock for WorldClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_nanosecond(self.nanos.load(Ordering::Relaxed).into())
            .unwrap_or(Timestamp::MAX)
    }

    fn random(&self) -> u128 {
        self.drawn.fetch_add(1, Ordering::Relaxed).into()
    }
}

/// A clock that goes wrong by so many seconds.
#[derive(Debug)]
struct SkewedClock {
    clock: Arc<WorldClock>,
    ahead: SignedDuration,
}

impl Clock for SkewedClock {
    fn now(&self) -> Timestamp {
        domain::hour::after(self.clock.now(), self.ahead)
    }

    fn random(&self) -> u128 {
        self.clock.random()
    }
}

/// A procedure to be started.
#[derive(Debug, Clone, PartialEq)]
pub enum Job {
    /// Record this report.
    Record(Arc<UsageReport>),
    /// Close and post.
    Post,
    /// Freeze and submit.
    Submit,
}

/// How a procedure ended.
#[derive(Debug)]
pub enum JobEnd {
    /// A report was recorded or refused.
    Recorded(Result<Recorded, RecordError>),
    /// A run of posting.
    Posted(Result<PostingRun, StepError>),
    /// A run of submission.
    Submitted(Result<SubmissionRun, StepError>),
}

/// A procedure, as what it does is told from what others do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Caller {
    /// Its number in the schedule, from 1.
    pub number: usize,
    /// How far its clock is ahead; behind when negative.
    pub ahead: SignedDuration,
    /// When it began, by the true clock.
    pub began: Timestamp,
    /// Whether it was held up since: the clock was moved by another than itself.
    pub held_up: bool,
}

/// A procedure under way.
pub struct Task {
    /// Who it is.
    pub by: Caller,
    /// What it is.
    pub job: Job,
    steps: Steps,
    future: Pin<Box<dyn Future<Output = JobEnd>>>,
    /// The steps that it has asked for.
    pub waiting: Vec<(Ticket, Box<Step>)>,
}

impl Task {
    fn first_that_takes_no_time(&self) -> Option<usize> {
        let takes_none = |(_, step): &(Ticket, Box<Step>)| !matches!(**step, Step::Wait { .. });
        self.waiting.iter().position(takes_none)
    }
}

impl fmt::Debug for Task {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {:?}", self.by.number, self.job)
    }
}

/// What the store does with a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum StoreFault {
    /// It is not made.
    NotMade,
    /// It is made, and the answer lost.
    AnswerLost,
}

/// Reports whose recording was acknowledged, and when, by account, hour and id.
pub type Acknowledged = BTreeMap<(AccountId, Hour, String), (Timestamp, Arc<UsageReport>)>;

/// Whoever wants to see every step of the tables and its answer, before the
/// procedure does.
pub type Observer = Box<dyn FnMut(&Step, &Answer)>;

/// The world.
pub struct World {
    /// The clock.
    pub clock: Arc<WorldClock>,
    /// The two tables.
    pub tables: Tables,
    /// AWS.
    pub aws: Aws,
    /// What the seller chose.
    pub rules: Rules,
    /// What is under way.
    pub tasks: Vec<Task>,
    /// When each report's recording was acknowledged, by account, hour and id.
    pub acknowledged: Acknowledged,
    /// What was told.
    pub notices: Vec<Notice>,
    /// When runs of posting and of submission ended well, AWS being well.
    pub healthy: Healthy,
    /// When an operator last stopped sending, or let it go on.
    pub switched: Option<Timestamp>,
    /// When it was not known what the first license's contract covers, if ever.
    pub cover: Option<Cover>,
    /// Every run of submission that did not crash.
    pub submitted: Vec<Submitted>,
    /// What to write down of every step, if anything.
    pub observer: Option<Observer>,
    /// What was seen of steps when they were made.
    pub seen: Seen,
    started: usize,
}

/// That it is not known, or was not, what a contract covers.
#[derive(Debug, Clone, Copy)]
pub struct Cover {
    /// Since when, and of which usage.
    pub unknown: UnknownCover,
    /// When AWS answered.
    pub known_at: Option<Timestamp>,
}

/// A run of submission.
#[derive(Debug, Clone, Copy)]
pub struct Submitted {
    /// Who it was.
    pub by: Caller,
    /// When it ended, by the true clock.
    pub ended: Timestamp,
    /// What it did; `None` when it failed.
    pub run: Option<SubmissionRun>,
    /// Whether sending of a product was stopped when it ended, or was let go on meanwhile.
    pub switched_off: bool,
}

/// When runs ended well, those whose clocks were right.
#[derive(Debug, Clone, Default)]
pub struct Healthy {
    /// Runs of posting.
    pub posts: Vec<Timestamp>,
    /// Runs of submission that AWS answered.
    pub submits: Vec<Timestamp>,
    /// When something was wrong with AWS or a run, the latest last.
    pub troubles: Vec<Timestamp>,
}

impl World {
    /// A world at an instant.
    pub fn new(now: Timestamp, rules: Rules) -> Self {
        Self {
            clock: Arc::new(WorldClock::new(now)),
            tables: Tables::default(),
            aws: Aws::default(),
            rules,
            tasks: Vec::new(),
            acknowledged: BTreeMap::new(),
            notices: Vec::new(),
            healthy: Healthy::default(),
            switched: None,
            cover: None,
            submitted: Vec::new(),
            observer: None,
            seen: Seen::default(),
            started: 0,
        }
    }

    /// The current instant.
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Moves the clock.
    pub fn set_now(&self, now: Timestamp) {
        self.clock.set(now);
    }

    /// Starts a procedure, whose clock is so far ahead; it runs up to its first step.
    pub fn start(&mut self, job: Job, ahead: SignedDuration) {
        let clock: Arc<dyn Clock> = if ahead.is_zero() {
            Arc::clone(&self.clock) as Arc<dyn Clock>
        } else {
            Arc::new(SkewedClock {
                clock: Arc::clone(&self.clock),
                ahead,
            })
        };
        let steps = Steps::new(clock);
        self.started += 1;
        let future = future_of(&job, &steps, &self.rules);
        self.tasks.push(Task {
            by: Caller {
                number: self.started,
                ahead,
                began: self.clock.now(),
                held_up: false,
            },
            job,
            steps,
            future,
            waiting: Vec::new(),
        });
        self.resume(self.tasks.len() - 1);
    }

    /// Makes one of the steps that a task waits for, the one that `pick` says.
    pub fn step(&mut self, task: usize, pick: usize, fault: Option<StoreFault>) {
        let Some(of) = self.tasks.get_mut(task) else {
            return;
        };
        if of.waiting.is_empty() {
            return;
        }
        let (ticket, step) = of.waiting.remove(pick % of.waiting.len());
        if let Step::Wait { .. } = *step
            && of.first_that_takes_no_time().is_some()
        {
            // What it could have done in the meantime.
            of.by.held_up = true;
        }
        let by = of.by;
        let answer = self.perform(*step, fault, Some(by));
        if let Some(of) = self.tasks.get(task) {
            of.steps.answer(ticket, answer);
        }
        self.resume(task);
    }

    /// Makes every step of a task until it ends. Every other task has time go by
    /// only when there is nothing else to do; the others, as it happens to come.
    pub fn finish(&mut self, number: usize) {
        for _ in 0..MOST_STEPS {
            let Some(place) = self.tasks.iter().position(|task| task.by.number == number) else {
                return;
            };
            let pick = if number.is_multiple_of(2) {
                0
            } else {
                self.tasks[place].first_that_takes_no_time().unwrap_or(0)
            };
            self.step(place, pick, None);
        }
    }

    /// Starts a procedure and runs it to its end, alone.
    pub fn run(&mut self, job: Job) {
        self.start(job, SignedDuration::ZERO);
        self.finish(self.started);
    }

    /// Ends a task where it is.
    pub fn crash(&mut self, task: usize) {
        if task < self.tasks.len() {
            let crashed = self.tasks.remove(task);
            self.healthy.trouble(self.clock.now());
            self.swallow_answers_of(crashed.by.number);
        }
    }

    /// What AWS answered in a run that crashed is lost, unless it was stored.
    fn swallow_answers_of(&mut self, run: usize) {
        let billed = billed(&self.tables);
        let answered = &mut self.aws.answered;
        answered.retain(|key, by| *by != Some(run) || billed.contains(key));
    }

    /// The answer of a run on one record is lost when the store fails to store
    /// it, or to read the record for it.
    fn swallow_answer(&mut self, step: &Step, run: usize) {
        let key = if let Step::ReplaceRecord { record, .. } = step {
            key_of(&record.usage)
        } else if let Step::ReadRecord {
            license,
            slot,
            dimension,
        } = step
        {
            (license.clone(), dimension.clone(), *slot)
        } else {
            return;
        };
        if self.aws.answered.get(&key) == Some(&Some(run)) {
            self.aws.answered.remove(&key);
        }
    }

    /// Makes a step, for whom is known of a procedure of the schedule itself. A
    /// fault is the store's: a call and a wait are made all the same.
    ///
    /// # Errors
    /// [`StepError`] when the fault says so.
    pub fn perform(
        &mut self,
        step: Step,
        fault: Option<StoreFault>,
        by: Option<Caller>,
    ) -> Result<Answer, StepError> {
        let lost = || StepError::Unavailable("the connection broke".to_owned());
        if fault.is_some() {
            self.healthy.trouble(self.clock.now());
            if let Some(by) = by {
                self.swallow_answer(&step, by.number);
            }
        }
        if let Step::Send { records } = &step {
            let ending = self.holds_an_ended_license(records);
            let answer = self.aws.send(records, self.clock.now(), by, ending);
            return Ok(Answer::Send(answer));
        }
        if let Step::Wait { until } = step {
            let ahead = by.map_or(SignedDuration::ZERO, |by| by.ahead);
            let until = domain::hour::before(until, ahead);
            self.clock.set(until.max(self.clock.now()));
            self.hold_up(by);
            return Ok(Answer::Wait(()));
        }
        if fault == Some(StoreFault::NotMade) {
            return Err(lost());
        }
        let does = by.and_then(|by| self.look_at(&step, &by));
        let answer = self.make(step).ok_or_else(lost)?;
        if let Some(does) = does {
            self.answered(does, &answer);
        }
        match fault {
            Some(StoreFault::AnswerLost) => Err(lost()),
            Some(StoreFault::NotMade) | None => Ok(answer),
        }
    }

    /// Everybody under way was held up, but for whom it happened.
    pub fn hold_up(&mut self, but: Option<Caller>) {
        let but = but.map(|by| by.number);
        for task in &mut self.tasks {
            task.by.held_up |= Some(task.by.number) != but;
        }
    }

    fn holds_an_ended_license(&self, records: &[UsageRecord]) -> bool {
        !self.aws.ended.is_empty()
            && records.iter().any(|record| {
                let license = self.tables.license(record.license.id());
                license.is_some_and(License::has_ended)
            })
    }

    /// Makes a step of the tables at once and shows it to the observer: there
    /// is no other way to them, so that whoever follows a world misses nothing.
    /// `None` for a step that is not the tables'.
    pub fn make(&mut self, step: Step) -> Option<Answer> {
        let seen = self.observer.is_some().then(|| step.clone());
        let answer = self.tables.perform(step)?;
        if let (Some(observer), Some(step)) = (&mut self.observer, seen) {
            observer(&step, &answer);
        }
        Some(answer)
    }

    /// Lets a task go on with the answers that it has.
    fn resume(&mut self, task: usize) {
        let Some(of) = self.tasks.get_mut(task) else {
            return;
        };
        let polled = of
            .future
            .as_mut()
            .poll(&mut Context::from_waker(Waker::noop()));
        of.steps.take(&mut of.waiting);
        self.notices.extend(of.steps.take_notices());
        if let Poll::Ready(end) = polled {
            let ended = self.tasks.remove(task);
            if let JobEnd::Submitted(run) = &end {
                self.submitted.push(Submitted {
                    by: ended.by,
                    ended: self.clock.now(),
                    run: run.as_ref().ok().copied(),
                    switched_off: self.tables.is_anything_stopped()
                        || self.switched.is_some_and(|at| at >= ended.by.began),
                });
            }
            self.ended(&ended.job, &end, ended.by.ahead.is_zero());
        }
    }

    /// Takes in how a procedure ended whose clock `is_right`, or is not.
    pub fn ended(&mut self, job: &Job, end: &JobEnd, is_right: bool) {
        let now = self.clock.now();
        let well = self.aws.is_well(now) && !self.tables.is_anything_stopped();
        match (job, end) {
            (Job::Record(report), JobEnd::Recorded(Ok(_))) => {
                let key = (
                    report.account.clone(),
                    report.hour,
                    report.report_id.to_string(),
                );
                self.acknowledged
                    .entry(key)
                    .or_insert_with(|| (now, Arc::clone(report)));
            }
            (Job::Post, JobEnd::Posted(Ok(run))) if run.failed == 0 => {
                self.healthy.posts.extend(is_right.then_some(now));
            }
            (Job::Submit, JobEnd::Submitted(Ok(run))) if well && run.failed == 0 => {
                if run.stopped {
                    self.healthy.trouble(now);
                } else {
                    self.healthy.submits.extend(is_right.then_some(now));
                }
            }
            (Job::Record(_) | Job::Post | Job::Submit, _) => self.healthy.trouble(now),
        }
    }
}

impl Healthy {
    /// Notes that something is wrong.
    pub fn trouble(&mut self, at: Timestamp) {
        if self.troubles.last() != Some(&at) {
            self.troubles.push(at);
        }
    }
}

impl Aws {
    /// Whether it would now answer a call as it should.
    pub fn is_well(&self, now: Timestamp) -> bool {
        self.faults.is_empty()
            && self.down_until.is_none_or(|until| until <= now)
            && self.missing.is_empty()
            && self.unpropagated.is_empty()
            && self.always_fails.is_empty()
            && (self.poison.is_empty() || self.poison_is_mended)
            && self.suspended.is_empty()
    }
}

/// A procedure, from its beginning.
pub fn future_of(job: &Job, steps: &Steps, rules: &Rules) -> Pin<Box<dyn Future<Output = JobEnd>>> {
    let within = |limit| domain::hour::after(steps.now(), limit);
    let (posting, submission) = (within(POSTING), within(SUBMISSION));
    let (steps, rules) = (steps.clone(), rules.clone());
    match job.clone() {
        Job::Record(report) => Box::pin(async move {
            JobEnd::Recorded(ledger::recording::record_usage(&steps, &rules, &report).await)
        }),
        Job::Post => Box::pin(async move {
            JobEnd::Posted(ledger::posting::post_due(&steps, &rules, posting).await)
        }),
        Job::Submit => Box::pin(async move {
            JobEnd::Submitted(ledger::submission::submit_due(&steps, &rules, submission).await)
        }),
    }
}
