//! An exhaustive exploration of small worlds: every interleaving of a few
//! recorders, posters and submitters at every step, with crashes, redelivery,
//! lost answers and the passing of time between any two.
//!
//! It drives the same procedures as the simulator, step by step: a task is its
//! job and the answers that it got, from which it is run again wherever the
//! exploration goes on from. Two states are the same when the tables, AWS, the
//! time, and what each task was answered are. Steps that read what nobody
//! changes in a scenario are made at once: in any order they come to the same.

pub(crate) mod scenarios;

use std::collections::HashSet;
use std::collections::hash_map::DefaultHasher;
use std::fmt::Write as _;
use std::hash::{Hash, Hasher};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::task::{Context, Poll, Waker};

use clap::Args;
use jiff::{SignedDuration, Timestamp};
use ledger::{Answer, Clock, Notice, Step, StepError, Steps, Ticket};
use simulator::aws::Aws;
use simulator::check::{Violation, violations};
use simulator::schedule::{Schedule, Story};
use simulator::tables::Tables;
use simulator::world::{Acknowledged, Job, JobEnd, StoreFault, World, future_of};

use scenarios::{Actor, Scenario};

/// More states than any scenario has.
const MOST_STATES: usize = 4_000_000;

/// Which scenarios.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Only those whose name contains this.
    #[arg(long, default_value = "")]
    scenario: String,
}

/// Explores every scenario; whether every promise held in every state.
#[expect(clippy::print_stdout, reason = "a command that prints")]
pub(crate) fn run_all(arguments: &Arguments) -> bool {
    let (mut states, mut found) = (0, 0);
    for scenario in scenarios::all() {
        if !scenario.name.contains(&arguments.scenario) {
            continue;
        }
        let explored = explore(&scenario);
        states += explored.states;
        println!(
            "{:<58} {:8} states, {:7} ends, {}",
            scenario.name,
            explored.states,
            explored.ends,
            if explored.violation.is_some() {
                "VIOLATED"
            } else {
                "holds"
            }
        );
        if let Some((violation, path)) = explored.violation {
            found += 1;
            println!("{path}  {violation}");
        }
    }
    if states == 0 {
        println!(
            "no scenario's name contains {:?}; there are:",
            arguments.scenario
        );
        scenarios::all()
            .iter()
            .for_each(|s| println!("  {}", s.name));
    }
    println!("{states} states, {found} violations");
    found == 0 && states > 0
}

/// What an exploration came to.
pub(crate) struct Explored {
    pub(crate) states: usize,
    pub(crate) ends: usize,
    pub(crate) violation: Option<(Violation, String)>,
}

/// A task's clock: what it reads is part of what it was answered.
#[derive(Debug)]
struct TaskClock {
    second: AtomicI64,
    drawn: AtomicU64,
}

impl Clock for TaskClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_second(self.second.load(Ordering::Relaxed)).unwrap_or(Timestamp::MAX)
    }

    fn random(&self) -> u128 {
        self.drawn.fetch_add(1, Ordering::Relaxed).into()
    }
}

/// An answer that a task got, and when.
#[derive(Clone)]
struct Got {
    at: Timestamp,
    ticket: Ticket,
    answer: Arc<Result<Answer, StepError>>,
}

#[derive(Clone)]
enum Status {
    /// Not begun.
    Waits,
    /// Under way, after these answers.
    Under {
        began: Timestamp,
        got: Vec<Got>,
        digest: u64,
    },
    /// Ended or crashed.
    Over,
}

#[derive(Clone)]
struct State {
    tables: Tables,
    aws: Aws,
    now: Timestamp,
    tasks: Vec<(Actor, Status)>,
    crashes: u8,
    lost: u8,
    acknowledged: Vec<usize>,
    /// What was acknowledged in the prologue.
    before: Arc<Acknowledged>,
    torn: Vec<Notice>,
    path: Option<Arc<Trace>>,
}

/// How a state was reached.
struct Trace {
    what: String,
    before: Option<Arc<Trace>>,
}

/// A task, run again up to where it is.
struct Live {
    steps: Steps,
    clock: Arc<TaskClock>,
    future: Pin<Box<dyn Future<Output = JobEnd>>>,
    waiting: Vec<(Ticket, Box<Step>)>,
    end: Option<JobEnd>,
}

impl Live {
    fn begin(scenario: &Scenario, number: usize, job: &Job, began: Timestamp) -> Self {
        let clock = Arc::new(TaskClock {
            second: AtomicI64::new(began.as_second()),
            // Unlike those of the prologue and of every other task.
            drawn: AtomicU64::new((number as u64 + 1) << 32),
        });
        let steps = Steps::new(Arc::clone(&clock) as Arc<dyn Clock>);
        let future = future_of(job, &steps, &scenario.rules());
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
        self.steps.take(&mut self.waiting);
        if let Poll::Ready(end) = polled {
            self.end = Some(end);
        }
    }

    fn take(&mut self, got: &Got) {
        self.waiting.retain(|(ticket, _)| *ticket != got.ticket);
        self.clock
            .second
            .store(got.at.as_second(), Ordering::Relaxed);
        self.steps.answer(got.ticket, (*got.answer).clone());
        self.poll();
    }
}

/// Explores a scenario to its end, or to the first violation.
pub(crate) fn explore(scenario: &Scenario) -> Explored {
    let mut seen: HashSet<u64> = HashSet::new();
    let mut ends: HashSet<u64> = HashSet::new();
    let mut stack = vec![first(scenario)];
    while let Some(state) = stack.pop() {
        if !seen.insert(digest(&state)) {
            continue;
        }
        assert!(seen.len() < MOST_STATES, "{} is too large", scenario.name);
        let next = successors(scenario, &state);
        if next.is_empty() {
            let mut hasher = DefaultHasher::new();
            (&state.tables, &state.aws, state.now, &state.acknowledged).hash(&mut hasher);
            if ends.insert(hasher.finish())
                && let Some(violation) = verdict(scenario, &state)
            {
                return Explored {
                    states: seen.len(),
                    ends: ends.len(),
                    violation: Some((violation, told(state.path.as_ref()))),
                };
            }
        }
        stack.extend(next);
    }
    Explored {
        states: seen.len(),
        ends: ends.len(),
        violation: None,
    }
}

fn first(scenario: &Scenario) -> State {
    let (world, _) = scenario.before().play();
    State {
        now: world.now(),
        tables: world.tables,
        aws: Aws {
            calls: Vec::new(),
            ..world.aws
        },
        tasks: scenario
            .actors
            .iter()
            .map(|actor| (actor.clone(), Status::Waits))
            .collect(),
        crashes: scenario.crashes,
        lost: scenario.lost,
        acknowledged: Vec::new(),
        before: Arc::new(world.acknowledged),
        torn: Vec::new(),
        path: None,
    }
}

fn digest(state: &State) -> u64 {
    let mut hasher = DefaultHasher::new();
    (&state.tables, &state.aws, state.now).hash(&mut hasher);
    (state.crashes, state.lost, &state.acknowledged).hash(&mut hasher);
    for (_, status) in &state.tasks {
        match status {
            Status::Waits => 0_u64.hash(&mut hasher),
            Status::Under { began, digest, .. } => (1_u64, began, digest).hash(&mut hasher),
            Status::Over => 2_u64.hash(&mut hasher),
        }
    }
    hasher.finish()
}

/// Every state that can follow.
fn successors(scenario: &Scenario, state: &State) -> Vec<State> {
    let mut next = Vec::new();
    for (number, (actor, status)) in state.tasks.iter().enumerate() {
        match (actor, status) {
            (_, Status::Over) => {}
            (actor, Status::Waits) if !actor.may_begin(state.now) => {}
            (Actor::Happens { action, .. }, Status::Waits) => {
                let mut after = state.clone();
                after.happen(scenario, action);
                after.tasks[number].1 = Status::Over;
                after.trace(format!("{action}"));
                next.push(after);
            }
            (Actor::Happens { .. }, Status::Under { .. }) => {}
            (Actor::Runs { job, .. }, Status::Waits) => {
                let mut after = state.clone();
                after.tasks[number].1 = Status::Under {
                    began: state.now,
                    got: Vec::new(),
                    digest: 0,
                };
                after.trace(format!("task {} begins: {}", number + 1, name_of(job)));
                let live = Live::begin(scenario, number, job, state.now);
                after.go_on(scenario, number, live, None, false);
                next.push(after);
            }
            (Actor::Runs { job, .. }, Status::Under { .. }) => {
                step(scenario, state, number, job, &mut next);
            }
        }
    }
    if let Some(at) = scenario.instants.iter().find(|at| **at > state.now) {
        let mut after = state.clone();
        after.now = *at;
        after.trace(format!("it is {at}"));
        next.push(after);
    }
    next
}

/// What can become of a task's next step: it is made, it is made and the
/// answer lost, or the task crashes before it.
fn step(scenario: &Scenario, state: &State, number: usize, job: &Job, next: &mut Vec<State>) {
    let mut made = state.clone();
    let live = state.live(scenario, number, job);
    let sends = matches!(
        live.waiting.first().map(|(_, step)| step.as_ref()),
        Some(Step::Send { .. })
    );
    made.go_on(scenario, number, live, Some(None), true);
    next.push(made);
    if sends && state.lost > 0 {
        let mut lost = state.clone();
        lost.lost -= 1;
        let live = state.live(scenario, number, job);
        lost.go_on(
            scenario,
            number,
            live,
            Some(Some(StoreFault::AnswerLost)),
            true,
        );
        next.push(lost);
    }
    if state.crashes > 0 {
        let mut crashed = state.clone();
        crashed.crashes -= 1;
        crashed.tasks[number].1 = Status::Over;
        crashed.trace(format!("task {} crashes", number + 1));
        if let Job::Record(_) = job {
            // Not acknowledged: it is delivered again.
            crashed
                .tasks
                .push((Actor::runs(job.clone()), Status::Waits));
        }
        next.push(crashed);
    }
}

impl State {
    /// A task, run again with what it was answered.
    fn live(&self, scenario: &Scenario, number: usize, job: &Job) -> Live {
        let began = match &self.tasks[number].1 {
            Status::Under { began, .. } => *began,
            Status::Waits | Status::Over => self.now,
        };
        let mut live = Live::begin(scenario, number, job, began);
        if let Status::Under { got, .. } = &self.tasks[number].1 {
            for got in got {
                live.take(got);
            }
        }
        let _told_before = live.steps.take_notices();
        live
    }

    /// Makes a task's next step, if one is to be made, and then those that
    /// come to the same in any order.
    fn go_on(
        &mut self,
        scenario: &Scenario,
        number: usize,
        mut live: Live,
        first: Option<Option<StoreFault>>,
        traced: bool,
    ) {
        let mut fault = first;
        loop {
            let place = match fault {
                Some(_) => Some(0),
                None => live
                    .waiting
                    .iter()
                    .position(|(_, step)| scenario.is_the_same_in_any_order(step)),
            };
            let Some((ticket, made)) = place
                .and_then(|place| live.waiting.get(place))
                .map(|(t, s)| (*t, s.clone()))
            else {
                break;
            };
            if traced && fault.is_some() {
                let lost = if fault == Some(Some(StoreFault::AnswerLost)) {
                    ", the answer is lost"
                } else {
                    ""
                };
                self.trace(format!("task {}: {}{lost}", number + 1, short(&made)));
            }
            let answer = self.perform(scenario, *made, fault.flatten());
            fault = None;
            let got = Got {
                at: self.now,
                ticket,
                answer: Arc::new(answer),
            };
            live.take(&got);
            self.torn.extend(live.steps.take_notices());
            if let Status::Under {
                got: all, digest, ..
            } = &mut self.tasks[number].1
            {
                *digest = digest_of(*digest, &got);
                all.push(got);
            }
        }
        if let Some(end) = live.end {
            self.ended(number, &end);
        }
    }

    fn ended(&mut self, number: usize, end: &JobEnd) {
        let acknowledged = matches!(end, JobEnd::Recorded(Ok(_)));
        if acknowledged {
            self.acknowledged.push(number);
            self.acknowledged.sort_unstable();
        }
        self.tasks[number].1 = Status::Over;
        let job = match &self.tasks[number].0 {
            Actor::Runs { job, .. } => job.clone(),
            Actor::Happens { .. } => return,
        };
        if matches!(job, Job::Record(_)) && !acknowledged {
            self.tasks.push((Actor::runs(job), Status::Waits));
        }
    }

    fn perform(
        &mut self,
        scenario: &Scenario,
        step: Step,
        fault: Option<StoreFault>,
    ) -> Result<Answer, StepError> {
        let lost_send = fault.is_some() && matches!(step, Step::Send { .. });
        let mut world = self.world(scenario);
        if lost_send {
            world
                .aws
                .faults
                .push_front(simulator::aws::CallFault::LostAnswer);
        }
        let answer = world.perform(step, None, None);
        self.tables = std::mem::take(&mut world.tables);
        self.aws = std::mem::take(&mut world.aws);
        answer
    }

    fn happen(&mut self, scenario: &Scenario, action: &simulator::schedule::Action) {
        let mut world = self.world(scenario);
        world.act(action, &mut Story::default());
        self.tables = std::mem::take(&mut world.tables);
        self.aws = std::mem::take(&mut world.aws);
    }

    /// The state's world; the state is without tables until it is put back.
    fn world(&mut self, scenario: &Scenario) -> World {
        let mut world = World::new(self.now, scenario.rules());
        world.tables = std::mem::take(&mut self.tables);
        world.aws = std::mem::take(&mut self.aws);
        world
    }

    fn trace(&mut self, what: String) {
        self.path = Some(Arc::new(Trace {
            what,
            before: self.path.take(),
        }));
    }
}

/// What does not hold after everything has settled.
fn verdict(scenario: &Scenario, state: &State) -> Option<Violation> {
    let mut end = state.clone();
    let mut world = end.world(scenario);
    world.acknowledged.clone_from(&state.before);
    world.notices.clone_from(&state.torn);
    for number in &state.acknowledged {
        if let Some((Actor::Runs { job, .. }, _)) = state.tasks.get(*number) {
            world.ended(job, &JobEnd::Recorded(Ok(ledger::recording::Recorded::New)));
        }
    }
    let schedule = Schedule {
        setting: scenario.setting(),
        actions: scenario.as_actions(),
    };
    let story = Story::default();
    world.settle(&[], scenario.settle_hours, false);
    violations(&world, &schedule, &story).into_iter().next()
}

fn digest_of(before: u64, got: &Got) -> u64 {
    struct Text(DefaultHasher);
    impl std::fmt::Write for Text {
        fn write_str(&mut self, text: &str) -> std::fmt::Result {
            text.hash(&mut self.0);
            Ok(())
        }
    }
    let mut text = Text(DefaultHasher::new());
    (before, got.at, got.ticket).hash(&mut text.0);
    let _infallible = write!(text, "{:?}", got.answer);
    text.0.finish()
}

fn told(path: Option<&Arc<Trace>>) -> String {
    let mut lines = Vec::new();
    let mut at = path;
    while let Some(trace) = at {
        lines.push(format!("      {}\n", trace.what));
        at = trace.before.as_ref();
    }
    lines.into_iter().rev().collect()
}

/// A job in a few words.
fn name_of(job: &Job) -> String {
    match job {
        Job::Record(report) => format!("record {} of {}", report.report_id, report.hour),
        Job::Post => "post".to_owned(),
        Job::Submit => "submit".to_owned(),
    }
}

/// A step by its name.
fn short(step: &Step) -> String {
    let text = format!("{step:?}");
    text.chars().take(100).collect()
}

/// Minutes after an hour's beginning.
pub(crate) fn minutes_after(start: Timestamp, minutes: i64) -> Timestamp {
    domain::hour::after(start, SignedDuration::from_mins(minutes))
}
