//! A state of an exploration: the tables, AWS, the time, where each task is,
//! and whatever else a check at the end looks at. All of it is in the state's
//! digest: two states with one digest have one future and one verdict.

use std::collections::BTreeSet;
use std::hash::Hash;
use std::sync::Arc;

use domain::hour::Hour;
use domain::ids::AccountId;
use domain::usage::UsageReport;
use jiff::Timestamp;
use ledger::recording::RecordError;
use ledger::{Notice, Step};
use simulator::aws::Aws;
use simulator::check::Violation;
use simulator::tables::Tables;
use simulator::world::{Acknowledged, Healthy, Job, JobEnd, World};

use super::scenarios::Actor;
use super::task::{Local, digest_of, digest_of_text};

/// A report by account, hour and id.
pub(super) type ReportName = (AccountId, Hour, String);

/// A value and its digest, shared until it is changed.
#[derive(Clone)]
pub(super) struct Known<T> {
    pub(super) value: Arc<T>,
    pub(super) digest: u64,
}

impl<T: Hash> Known<T> {
    pub(super) fn new(value: T) -> Self {
        Self {
            digest: digest_of(&value),
            value: Arc::new(value),
        }
    }
}

impl Known<Aws> {
    /// By all that it holds.
    pub(super) fn aws(value: Aws) -> Self {
        Self {
            digest: digest_of_text(&value),
            value: Arc::new(value),
        }
    }
}

impl Known<Acknowledged> {
    /// By name and time: a report of an account-hour is told by its id.
    fn acknowledged(value: Acknowledged) -> Self {
        let names: Vec<_> = value.iter().map(|(name, (at, _))| (name, at)).collect();
        Self {
            digest: digest_of(&names),
            value: Arc::new(value),
        }
    }
}

impl Known<Healthy> {
    fn healthy(value: Healthy) -> Self {
        Self {
            digest: digest_of_text(&value),
            value: Arc::new(value),
        }
    }
}

/// Somebody who is yet to act, or is acting.
#[derive(Clone)]
pub(super) struct Task {
    /// Unlike any other's: what it draws at random follows from it.
    pub(super) number: usize,
    pub(super) actor: Arc<Actor>,
    /// The digest of its actor: tasks with the same one are alike.
    kind: u64,
    pub(super) status: Status,
}

#[derive(Clone)]
pub(super) enum Status {
    /// Not begun.
    Waits,
    /// Under way.
    Under {
        local: Arc<Local>,
        /// The reports that were acknowledged since it began.
        acknowledged_since: Arc<BTreeSet<ReportName>>,
    },
}

impl Task {
    pub(super) fn new(number: usize, actor: Arc<Actor>) -> Self {
        Self {
            kind: digest_of_text(&actor),
            number,
            actor,
            status: Status::Waits,
        }
    }

    fn digest(&self) -> u64 {
        match &self.status {
            Status::Waits => digest_of(&(self.kind, 0_u8)),
            Status::Under {
                local,
                acknowledged_since,
            } => digest_of(&(self.kind, local.digest, acknowledged_since)),
        }
    }
}

/// What may still go wrong, and what did.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(super) struct Faults {
    pub(super) crashes: u8,
    pub(super) lost: u8,
    pub(super) failures: u8,
    pub(super) has_crashed: bool,
    pub(super) has_failed: bool,
}

#[derive(Clone)]
pub(super) struct State {
    pub(super) tables: Known<Tables>,
    pub(super) aws: Known<Aws>,
    pub(super) now: Timestamp,
    pub(super) faults: Faults,
    /// Those that are not over.
    pub(super) tasks: Vec<Task>,
    /// How many there ever were.
    pub(super) numbered: usize,
    pub(super) acknowledged: Known<Acknowledged>,
    pub(super) healthy: Known<Healthy>,
    /// What was told, in no order.
    told: Arc<Vec<Notice>>,
    told_digest: u64,
    /// What was seen to be wrong at the moment when it happened.
    pub(super) caught: Option<Violation>,
    pub(super) path: Option<Arc<Trace>>,
}

/// How a state was reached.
pub(super) struct Trace {
    what: What,
    before: Option<Arc<Self>>,
}

/// What led from one state to the next.
pub(super) enum What {
    Begins(usize, Arc<Actor>),
    Happens(Arc<Actor>),
    Steps(usize, Arc<Step>, &'static str),
    Time(Timestamp),
}

impl State {
    /// The state of a world in which nothing is under way.
    pub(super) fn of(world: World, actors: &[Actor], faults: Faults) -> Self {
        let actors = actors.iter().cloned().map(Arc::new).enumerate();
        Self {
            now: world.now(),
            tables: Known::new(world.tables),
            aws: Known::aws(Aws {
                calls: Vec::new(),
                ..world.aws
            }),
            faults,
            numbered: actors.len(),
            tasks: actors.map(|(n, actor)| Task::new(n, actor)).collect(),
            acknowledged: Known::acknowledged(world.acknowledged),
            healthy: Known::healthy(world.healthy),
            told: Arc::default(),
            told_digest: 0,
            caught: None,
            path: None,
        }
    }

    /// The digest of everything. Tasks that are alike may change places: what
    /// they draw at random is only ever compared with what was drawn before.
    pub(super) fn digest(&self, in_order: bool) -> u64 {
        let mut tasks: Vec<u64> = self.tasks.iter().map(Task::digest).collect();
        if !in_order {
            tasks.sort_unstable();
        }
        digest_of(&(self.outcome(), &self.faults, tasks))
    }

    /// The digest of what a check at the end looks at.
    pub(super) fn outcome(&self) -> u64 {
        digest_of(&(
            self.tables.digest,
            self.aws.digest,
            self.now,
            self.acknowledged.digest,
            self.healthy.digest,
            self.told_digest,
            (self.faults.has_crashed, self.faults.has_failed),
        ))
    }

    /// Puts the world into which something happened back into the state.
    pub(super) fn take(&mut self, world: World) {
        self.tables = Known::new(world.tables);
        self.aws = Known::aws(world.aws);
        self.healthy = Known::healthy(world.healthy);
    }

    /// Notes that something is wrong.
    pub(super) fn trouble(&mut self) {
        let mut healthy = Healthy::clone(&self.healthy.value);
        healthy.trouble(self.now);
        self.healthy = Known::healthy(healthy);
    }

    pub(super) fn tell(&mut self, notices: &[Notice]) {
        if !notices.is_empty() {
            Arc::make_mut(&mut self.told).extend_from_slice(notices);
            let sum = notices.iter().map(digest_of_text);
            self.told_digest = sum.fold(self.told_digest, u64::wrapping_add);
        }
    }

    /// Puts a task where it now is.
    pub(super) fn place(&mut self, number: usize, local: Arc<Local>) {
        self.tell(&local.told);
        let mut tasks = self.tasks.iter_mut();
        if let Some(task) = tasks.find(|task| task.number == number) {
            let acknowledged_since = match &task.status {
                Status::Under {
                    acknowledged_since, ..
                } => Arc::clone(acknowledged_since),
                Status::Waits => Arc::default(),
            };
            task.status = Status::Under {
                local,
                acknowledged_since,
            };
        }
    }

    /// Takes a task that has ended out of the state, whose world this is.
    pub(super) fn end(&mut self, number: usize, local: &Local, mut world: World) {
        self.tell(&local.told);
        let Some(at) = self.tasks.iter().position(|task| task.number == number) else {
            return;
        };
        let ended = self.tasks.remove(at);
        let (Actor::Runs { job, .. }, Some(end)) = (ended.actor.as_ref(), &local.end) else {
            return;
        };
        world.acknowledged = Acknowledged::clone(&self.acknowledged.value);
        world.ended(job, end, true);
        self.note_acknowledged(world.acknowledged);
        if local.began < self.now {
            // It was held up for longer than a run may take: not a good one.
            self.trouble();
        } else {
            self.healthy = Known::healthy(world.healthy);
        }
        if let JobEnd::Recorded(Err(RecordError::Store(_))) = end {
            self.again(&ended.actor);
        }
    }

    /// A report that was not acknowledged is delivered again.
    pub(super) fn again(&mut self, actor: &Arc<Actor>) {
        let task = Task::new(self.numbered, Arc::clone(actor));
        self.numbered += 1;
        self.tasks.push(task);
    }

    fn note_acknowledged(&mut self, now: Acknowledged) {
        let new: Vec<ReportName> = now
            .keys()
            .filter(|name| !self.acknowledged.value.contains_key(*name))
            .cloned()
            .collect();
        if new.is_empty() {
            return;
        }
        self.acknowledged = Known::acknowledged(now);
        for task in &mut self.tasks {
            // Only who freezes is held to what was there before it began.
            let submits = matches!(
                task.actor.as_ref(),
                Actor::Runs {
                    job: Job::Submit,
                    ..
                }
            );
            if let (
                true,
                Status::Under {
                    acknowledged_since, ..
                },
            ) = (submits, &mut task.status)
            {
                Arc::make_mut(acknowledged_since).extend(new.iter().cloned());
            }
        }
    }

    /// The reports that are yet to be recorded.
    pub(super) fn reports(&self) -> impl Iterator<Item = &UsageReport> {
        self.tasks
            .iter()
            .filter_map(|task| match task.actor.as_ref() {
                Actor::Runs {
                    job: Job::Record(report),
                    ..
                } => Some(report.as_ref()),
                Actor::Runs { .. } | Actor::Happens { .. } => None,
            })
    }

    /// What was told.
    pub(super) fn notices(&self) -> Vec<Notice> {
        self.told.to_vec()
    }

    pub(super) fn trace(&mut self, what: What) {
        self.path = Some(Arc::new(Trace {
            what,
            before: self.path.take(),
        }));
    }
}

/// A path in words, a line for each thing on it.
pub(super) fn told(path: Option<&Arc<Trace>>) -> String {
    let mut lines = Vec::new();
    let mut at = path;
    while let Some(trace) = at {
        lines.push(format!("      {}\n", words(&trace.what)));
        at = trace.before.as_ref();
    }
    lines.into_iter().rev().collect()
}

fn words(what: &What) -> String {
    match what {
        What::Begins(task, actor) => format!("task {} begins: {}", task + 1, doing(actor)),
        What::Happens(actor) => doing(actor),
        What::Steps(task, step, then) => format!("task {}: {}{then}", task + 1, short(step)),
        What::Time(at) => format!("it is {at}"),
    }
}

fn doing(actor: &Actor) -> String {
    match actor {
        Actor::Runs { job, .. } => match job {
            Job::Record(report) => format!("record {} of {}", report.report_id, report.hour),
            Job::Post => "post".to_owned(),
            Job::Submit => "submit".to_owned(),
        },
        Actor::Happens { action, .. } => action.to_string(),
    }
}

/// A step in a line.
fn short(step: &Step) -> String {
    let text = format!("{step:?}");
    text.chars().take(100).collect()
}
