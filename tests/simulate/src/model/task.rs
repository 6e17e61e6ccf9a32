//! A task of an exploration, between two of its steps: a function of its job,
//! of when it began, and of what it was answered.

use std::collections::HashMap;
use std::collections::hash_map::DefaultHasher;
use std::fmt::Write as _;
use std::hash::{Hash, Hasher};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::task::{Context, Poll, Waker};

use jiff::Timestamp;
use ledger::{Answer, Clock, Notice, Rules, Step, StepError, Steps, Ticket};
use simulator::world::{Job, JobEnd, future_of};

/// What a step was answered.
pub(super) type Answered = Result<Answer, StepError>;

/// A task's clock: it says when the task was answered last, and notes whether
/// the task asked.
#[derive(Debug)]
struct TaskClock {
    second: AtomicI64,
    drawn: AtomicU64,
    was_read: AtomicBool,
}

impl Clock for TaskClock {
    fn now(&self) -> Timestamp {
        self.was_read.store(true, Ordering::Relaxed);
        Timestamp::from_second(self.second.load(Ordering::Relaxed)).unwrap_or(Timestamp::MAX)
    }

    fn random(&self) -> u128 {
        self.drawn.fetch_add(1, Ordering::Relaxed).into()
    }
}

/// A task after some answers. It cannot be copied with the code that it is in
/// the middle of, so it is run again from its beginning, once for each place
/// that it comes to.
pub(super) struct Local {
    /// Tells it from every other place of a task with its job.
    pub(super) digest: u64,
    /// When it began.
    pub(super) began: Timestamp,
    /// The steps that it has asked for.
    pub(super) waiting: Vec<(Ticket, Arc<Step>)>,
    /// What it told since the answer before.
    pub(super) told: Vec<Notice>,
    /// How it ended, if it did.
    pub(super) end: Option<JobEnd>,
    /// Whether it looked at the clock since the answer before.
    pub(super) read_clock: bool,
    came: Option<(Arc<Self>, Got)>,
}

/// An answer that a task got, and when.
struct Got {
    at: Timestamp,
    ticket: Ticket,
    answer: Arc<Answered>,
}

/// A task, run up to where it is.
struct Live {
    steps: Steps,
    clock: Arc<TaskClock>,
    future: Pin<Box<dyn Future<Output = JobEnd>>>,
    waiting: Vec<(Ticket, Arc<Step>)>,
    end: Option<JobEnd>,
}

impl Live {
    fn begin(rules: &Rules, number: usize, job: &Job, began: Timestamp) -> Self {
        let clock = Arc::new(TaskClock {
            second: AtomicI64::new(began.as_second()),
            // Unlike those of the prologue and of every other task.
            drawn: AtomicU64::new((number as u64 + 1) << 32),
            was_read: AtomicBool::new(false),
        });
        let steps = Steps::new(Arc::clone(&clock) as Arc<dyn Clock>);
        let future = future_of(job, &steps, rules);
        let mut live = Self {
            steps,
            clock,
            future,
            waiting: Vec::new(),
            end: None,
        };
        live.poll();
        live
    }

    fn poll(&mut self) {
        let polled = self
            .future
            .as_mut()
            .poll(&mut Context::from_waker(Waker::noop()));
        let mut asked = Vec::new();
        self.steps.take(&mut asked);
        let asked = asked.into_iter();
        self.waiting
            .extend(asked.map(|(ticket, step)| (ticket, Arc::from(step))));
        if let Poll::Ready(end) = polled {
            self.end = Some(end);
        }
    }

    fn take(&mut self, got: &Got) {
        self.waiting.retain(|(ticket, _)| *ticket != got.ticket);
        self.clock
            .second
            .store(got.at.as_second(), Ordering::Relaxed);
        self.clock.was_read.store(false, Ordering::Relaxed);
        let _told_before = self.steps.take_notices();
        self.steps.answer(got.ticket, (*got.answer).clone());
        self.poll();
    }

    fn into_local(self, digest: u64, began: Timestamp, came: Option<(Arc<Local>, Got)>) -> Local {
        Local {
            digest,
            began,
            told: self.steps.take_notices(),
            read_clock: self.clock.was_read.load(Ordering::Relaxed),
            waiting: self.waiting,
            end: self.end,
            came,
        }
    }
}

/// Every place of a task that was come to.
pub(super) struct Places<'a> {
    rules: &'a Rules,
    known: HashMap<(usize, u64), Arc<Local>>,
}

impl<'a> Places<'a> {
    pub(super) fn new(rules: &'a Rules) -> Self {
        Self {
            rules,
            known: HashMap::new(),
        }
    }

    /// A task at its beginning.
    pub(super) fn begin(&mut self, number: usize, job: &Job, began: Timestamp) -> Arc<Local> {
        let digest = digest_of(&began);
        let rules = self.rules;
        let begin = || Live::begin(rules, number, job, began).into_local(digest, began, None);
        let known = self.known.entry((number, digest));
        Arc::clone(known.or_insert_with(|| Arc::new(begin())))
    }

    /// A task after another answer.
    pub(super) fn after(
        &mut self,
        number: usize,
        job: &Job,
        before: &Arc<Local>,
        ticket: Ticket,
        answer: Answered,
        at: Timestamp,
    ) -> Arc<Local> {
        let told = digest_of(&(before.digest, ticket, digest_of_text(&answer)));
        // When it was answered is part of where it is only if it looked.
        let timed = digest_of(&(told, at));
        if let Some(known) = self.known.get(&(number, timed)) {
            return Arc::clone(known);
        }
        let mut live = Live::begin(self.rules, number, job, before.began);
        for got in before.answers() {
            live.take(got);
        }
        let got = Got {
            at,
            ticket,
            answer: Arc::new(answer),
        };
        live.take(&got);
        let read_clock = live.clock.was_read.load(Ordering::Relaxed);
        let digest = if read_clock { timed } else { told };
        let came = Some((Arc::clone(before), got));
        let local = Arc::new(live.into_local(digest, before.began, came));
        self.known.insert((number, timed), Arc::clone(&local));
        local
    }
}

impl Local {
    /// Every answer that it got, the first first.
    fn answers(&self) -> Vec<&Got> {
        let mut answers = Vec::new();
        let mut at = self.came.as_ref();
        while let Some((before, got)) = at {
            answers.push(got);
            at = before.came.as_ref();
        }
        answers.reverse();
        answers
    }
}

/// A value's digest.
pub(super) fn digest_of(value: &impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    hasher.finish()
}

/// The digest of what has only a text.
pub(super) fn digest_of_text(value: &impl std::fmt::Debug) -> u64 {
    struct Text(DefaultHasher);
    impl std::fmt::Write for Text {
        fn write_str(&mut self, text: &str) -> std::fmt::Result {
            text.hash(&mut self.0);
            Ok(())
        }
    }
    let mut text = Text(DefaultHasher::new());
    let _infallible = write!(text, "{value:?}");
    text.0.finish()
}
