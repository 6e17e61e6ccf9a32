//! Exploring a scenario: every state that can follow on every other.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use domain::ids::{AccountId, LicenseId};
use domain::usage::{Part, Shard};
use jiff::{SignedDuration, Timestamp};
use ledger::step::Freeze;
use ledger::{Answer, Rules, Step, Ticket};
use simulator::aws::{Aws, CallFault};
use simulator::cast;
use simulator::check::{Violation, violations};
use simulator::gate;
use simulator::schedule::{Action, Schedule, Story};
use simulator::tables::Tables;
use simulator::world::{Acknowledged, Caller, Healthy, Job, StoreFault, World};

use super::scenarios::{Actor, Scenario};
use super::state::{Faults, Known, ReportName, State, Status, Task, What, told};
use super::task::{Answered, Local, Places};
use super::touch::{Things, Touch, never_written, of_action, of_job, of_step};

/// More states than any scenario has.
pub(crate) const MOST_STATES: usize = 4_000_000;

/// What an exploration came to.
pub(crate) struct Explored {
    pub(crate) states: usize,
    /// The digest of every end.
    pub(crate) ends: HashSet<u64>,
    /// What does not hold, and the path to where.
    pub(crate) violation: Option<(Violation, String)>,
}

/// How much of a scenario is explored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Extent {
    /// Every state.
    Whole,
    /// So many that every end is come to: see the text of [`super`].
    Reduced,
}

struct Exploration<'a> {
    scenario: &'a Scenario,
    rules: &'a Rules,
    extent: Extent,
    /// The shards of which there is no report, and to which none comes.
    idle: BTreeSet<Shard>,
    /// The last instant.
    until: Timestamp,
    /// All that anybody in the scenario may read and write.
    all: Touch,
    places: Places<'a>,
    /// What every step came to that was ever made.
    gone: HashMap<Place, Gone>,
    /// A world for reading only, and the digest of its tables.
    reading: Option<(u64, World)>,
}

/// What the outcome of a step follows from.
#[derive(PartialEq, Eq, Hash)]
struct Place {
    task: usize,
    local: u64,
    ticket: Ticket,
    goes: Goes,
    now: Timestamp,
    /// The digest of AWS for a call, else that of the tables.
    side: u64,
}

/// What a step came to.
#[derive(Clone)]
struct Gone {
    side: Side,
    local: Arc<Local>,
    caught: Option<Violation>,
}

/// What a step changed.
#[derive(Clone)]
enum Side {
    Nothing,
    Tables(Known<Tables>),
    Aws(Known<Aws>),
}

/// A task's next step.
struct Next<'s> {
    task: &'s Task,
    job: &'s Job,
    local: &'s Arc<Local>,
    ticket: Ticket,
    step: &'s Arc<Step>,
}

/// How a step goes.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Goes {
    Well,
    /// AWS does what it is asked, and its answer is lost.
    AnswerLost,
    /// The store fails.
    Fails(StoreFault),
}

/// Explores a scenario to its ends, to the first violation, or until it has come
/// to so many states.
pub(crate) fn explore(scenario: &Scenario, extent: Extent, most: usize) -> Explored {
    let rules = scenario.rules();
    let first = first(scenario);
    let until = scenario.instants.last().copied();
    let until = until.unwrap_or(first.now).max(first.now);
    let never = never_written(&first, until);
    let mut exploration = Exploration {
        scenario,
        rules: &rules,
        extent,
        idle: idle_shards(&first),
        until,
        all: scenario
            .actors
            .iter()
            .map(|actor| of_actor(actor).but(never))
            .fold(Touch::default(), Touch::and),
        places: Places::new(&rules),
        gone: HashMap::new(),
        reading: None,
    };
    let mut explored = Explored {
        states: 0,
        ends: HashSet::new(),
        violation: None,
    };
    let mut seen: HashSet<u64> = HashSet::new();
    let mut stack = exploration.made_free(vec![first], most);
    while let Some(state) = stack.pop() {
        if !seen.insert(state.digest(extent == Extent::Whole)) {
            continue;
        }
        explored.states = seen.len();
        if seen.len() >= most {
            break;
        }
        let wrong = if state.tasks.is_empty() {
            let new = explored.ends.insert(state.outcome());
            new.then(|| exploration.verdict(&state)).flatten()
        } else {
            state.caught.clone()
        };
        if let Some(violation) = wrong {
            explored.violation = Some((violation, told(state.path.as_ref())));
            return explored;
        }
        let next = exploration.successors(&state);
        stack.extend(exploration.made_free(next, most));
    }
    explored
}

fn first(scenario: &Scenario) -> State {
    let (world, _) = scenario.before().play();
    let faults = Faults {
        crashes: scenario.crashes,
        lost: scenario.lost,
        failures: scenario.failures,
        has_crashed: false,
        has_failed: false,
    };
    State::of(world, &scenario.actors, faults)
}

/// The shards at which nobody looks: those of no account of which there is or
/// comes a report, nor of one with which such an account shares a license.
fn idle_shards(first: &State) -> BTreeSet<Shard> {
    let tables = &first.tables.value;
    let stored = tables.reports().map(|(_, (account, ..), _)| account);
    let to_come = first.reports().map(|report| &report.account);
    let mut used: BTreeSet<AccountId> = stored.chain(to_come).cloned().collect();
    let mut links: BTreeSet<(LicenseId, AccountId)> = tables
        .links()
        .iter()
        .map(|link| (link.license.clone(), link.account.clone()))
        .collect();
    for action in first.tasks.iter().filter_map(|task| task.actor.action()) {
        if let Action::Link { license, account } = action {
            links.insert((cast::license(*license), cast::account(*account)));
        }
    }
    let of_used = |(license, account): &(LicenseId, AccountId)| {
        used.contains(account).then(|| license.clone())
    };
    let licenses: BTreeSet<LicenseId> = links.iter().filter_map(of_used).collect();
    let shared = links.into_iter().filter(|(of, _)| licenses.contains(of));
    used.extend(shared.map(|(_, account)| account));
    let used: BTreeSet<Shard> = used.iter().map(|id| Shard::of(id, Part(0))).collect();
    Shard::all().filter(|shard| !used.contains(shard)).collect()
}

impl Exploration<'_> {
    /// These states after every step in them that comes to the same in any
    /// order is made.
    fn made_free(&mut self, mut states: Vec<State>, most: usize) -> Vec<State> {
        let mut made = Vec::new();
        while let Some(state) = states.pop() {
            if made.len() >= most {
                return made;
            }
            let free = if self.extent == Extent::Reduced && state.caught.is_none() {
                self.free_moves(&state)
            } else {
                None
            };
            match free {
                Some(next) => states.extend(next),
                None => made.push(state),
            }
        }
        made
    }

    /// What can follow when one task goes on whose next step meets nothing that
    /// any other may still do. `None` when there is none such.
    fn free_moves(&mut self, state: &State) -> Option<Vec<State>> {
        let time_stands = self.next_instant(state).is_none();
        let never = never_written(state, self.until);
        for task in &state.tasks {
            match (task.actor.as_ref(), &task.status) {
                (Actor::Happens { .. }, _) => {}
                (Actor::Runs { job, .. }, Status::Waits) => {
                    // What is acknowledged before a submitter begins, it must wait for.
                    let is_told_apart = *job == Job::Submit && state.reports().next().is_some();
                    if time_stands && !is_told_apart && task.actor.may_begin(state.now) {
                        return Some(self.begun(state, task, job));
                    }
                }
                (Actor::Runs { job, .. }, Status::Under { local, .. }) => {
                    let made = self
                        .next(task, job, local)
                        .and_then(|next| self.free_step(state, &next, never, time_stands));
                    if made.is_some() {
                        return made;
                    }
                }
            }
        }
        None
    }

    /// The next of the steps that a task asked for: one that meets nothing which
    /// anybody in the scenario does, if there is one, else the first.
    fn next<'s>(&self, task: &'s Task, job: &'s Job, local: &'s Arc<Local>) -> Option<Next<'s>> {
        let waiting = &local.waiting;
        let mut apart = waiting.iter();
        let apart = apart.find(|(_, step)| !self.all.meets(of_step(step, &self.idle)));
        let (ticket, step) = apart.or(waiting.first())?;
        Some(Next {
            task,
            job,
            local,
            ticket: *ticket,
            step,
        })
    }

    fn free_step(
        &mut self,
        state: &State,
        next: &Next<'_>,
        never: Things,
        time_stands: bool,
    ) -> Option<Vec<State>> {
        let touch = of_step(next.step, &self.idle);
        let others = state
            .tasks
            .iter()
            .filter(|other| other.number != next.task.number);
        let mut happens = false;
        for other in others {
            happens |= matches!(other.actor.as_ref(), Actor::Happens { .. });
            if of_actor(&other.actor).but(never).meets(touch) {
                return None;
            }
        }
        let (made, local) = self.made(state, next);
        // What looks at the clock, or ends, may do so at another time as well.
        let free = time_stands || !local.read_clock && local.end.is_none();
        (free && !(happens && local.end.is_some())).then_some(made)
    }

    /// Every state that can follow.
    fn successors(&mut self, state: &State) -> Vec<State> {
        let mut next = Vec::new();
        for task in &state.tasks {
            match (task.actor.as_ref(), &task.status) {
                (actor, Status::Waits) if !actor.may_begin(state.now) => {}
                (Actor::Happens { action, .. }, _) => next.push(self.happened(state, task, action)),
                (Actor::Runs { job, .. }, Status::Waits) => {
                    next.extend(self.begun(state, task, job));
                }
                (Actor::Runs { job, .. }, Status::Under { local, .. }) => {
                    if let Some(step) = self.next(task, job, local) {
                        next.extend(self.made(state, &step).0);
                    }
                }
            }
        }
        if let Some(at) = self.next_instant(state) {
            let mut after = state.clone();
            after.now = at;
            after.trace(What::Time(at));
            next.push(after);
        }
        next
    }

    fn next_instant(&self, state: &State) -> Option<Timestamp> {
        let mut instants = self.scenario.instants.iter();
        instants.find(|at| **at > state.now).copied()
    }

    fn happened(&self, state: &State, task: &Task, action: &Action) -> State {
        let mut after = state.clone();
        after.tasks.retain(|other| other.number != task.number);
        let mut world = self.world(state);
        world.act(action, &mut Story::default());
        after.take(world);
        after.trace(What::Happens(Arc::clone(&task.actor)));
        after
    }

    /// A task begins; or never does, which counts as a crash. A report that is
    /// never recorded comes again, and is as if it came later.
    fn begun(&mut self, state: &State, task: &Task, job: &Job) -> Vec<State> {
        let mut after = state.clone();
        let local = self.places.begin(task.number, job, state.now);
        after.place(task.number, local);
        after.trace(What::Begins(task.number, Arc::clone(&task.actor)));
        let mut begun = vec![after];
        if state.faults.crashes > 0 && !matches!(job, Job::Record(_)) {
            begun.push(crashed(state.clone(), task));
        }
        begun
    }

    /// What can become of a task's next step: it is made; it is made, and the
    /// task crashes; it is made, and the answer is lost; it fails. A crash
    /// after a step that changed nothing is a crash before it. With it, where
    /// the task is if all goes well.
    fn made(&mut self, state: &State, next: &Next<'_>) -> (Vec<State>, Arc<Local>) {
        let gone = self.gone(state, next, Goes::Well);
        let local = Arc::clone(&gone.local);
        let mut made = Vec::new();
        let changed = gone.side.differs_from(state);
        let anywhere = self.extent == Extent::Whole && self.scenario.instants.is_empty();
        if state.faults.crashes > 0 && (changed || anywhere) {
            let mut before = state.clone();
            gone.side.put_into(&mut before);
            before.trace(What::Steps(
                next.task.number,
                Arc::clone(next.step),
                ", and it crashes",
            ));
            made.push(crashed(before, next.task));
        }
        made.push(self.after(state, next, gone, Goes::Well));
        let mut otherwise = Vec::new();
        if matches!(**next.step, Step::Send { .. }) {
            otherwise.extend((state.faults.lost > 0).then_some(Goes::AnswerLost));
        } else if state.faults.failures > 0 {
            otherwise.push(Goes::Fails(StoreFault::NotMade));
            let is_write = of_step(next.step, &BTreeSet::new()).is_write();
            otherwise.extend(is_write.then_some(Goes::Fails(StoreFault::AnswerLost)));
        }
        for goes in otherwise {
            let gone = self.gone(state, next, goes);
            made.push(self.after(state, next, gone, goes));
        }
        (made, local)
    }

    /// The state after a step.
    fn after(&self, state: &State, next: &Next<'_>, gone: Gone, goes: Goes) -> State {
        let mut after = state.clone();
        let then = match goes {
            Goes::Well => "",
            Goes::AnswerLost => {
                after.faults.lost -= 1;
                after.trouble();
                ", and the answer is lost"
            }
            Goes::Fails(fault) => {
                after.faults.failures -= 1;
                after.faults.has_failed = true;
                after.trouble();
                match fault {
                    StoreFault::AnswerLost => ", and the answer is lost",
                    StoreFault::NotMade => ", which fails",
                }
            }
        };
        let number = next.task.number;
        after.trace(What::Steps(number, Arc::clone(next.step), then));
        after.caught = gone.caught.or_else(|| {
            let Step::FreezeSlot { freeze } = next.step.as_ref() else {
                return None;
            };
            let frozen = gone.side.differs_from(state);
            frozen
                .then(|| self.frozen_too_early(state, next.task, freeze))
                .flatten()
        });
        gone.side.put_into(&mut after);
        match gone.local.end {
            Some(_) => {
                let world = self.world(&after);
                after.end(number, &gone.local, world);
            }
            None => after.place(number, gone.local),
        }
        after
    }

    /// What a step comes to, which follows from where its task is and what it
    /// is made in.
    fn gone(&mut self, state: &State, next: &Next<'_>, goes: Goes) -> Gone {
        let sends = matches!(**next.step, Step::Send { .. });
        let place = Place {
            task: next.task.number,
            local: next.local.digest,
            ticket: next.ticket,
            goes,
            now: state.now,
            side: if sends {
                state.aws.digest
            } else {
                state.tables.digest
            },
        };
        if let Some(known) = self.gone.get(&place) {
            return known.clone();
        }
        let (answer, side, caught) = self.perform(state, next, goes);
        let touch = of_step(next.step, &BTreeSet::new());
        let foreseen = of_job(next.job).but(never_written(state, self.until));
        assert!(
            foreseen.covers(touch, side.differs_from(state)),
            "it is not foreseen that {:?}",
            next.step
        );
        let number = next.task.number;
        let local = self
            .places
            .after(number, next.job, next.local, next.ticket, answer, state.now);
        let gone = Gone {
            side,
            local,
            caught,
        };
        self.gone.insert(place, gone.clone());
        gone
    }

    /// Performs a step in a state.
    fn perform(
        &mut self,
        state: &State,
        next: &Next<'_>,
        goes: Goes,
    ) -> (Answered, Side, Option<Violation>) {
        let step = Step::clone(next.step);
        let touch = of_step(&step, &BTreeSet::new());
        let fault = match goes {
            Goes::Well | Goes::AnswerLost => None,
            Goes::Fails(fault) => Some(fault),
        };
        if fault.is_none() && !touch.is_write() {
            return (self.read(state, step), Side::Nothing, None);
        }
        if let Step::Send { .. } = step {
            let mut world = self.world_of(state, Tables::default(), Aws::clone(&state.aws.value));
            if goes == Goes::AnswerLost {
                world.aws.faults.push_front(CallFault::LostAnswer);
            }
            let answer = world.perform(step, None, None);
            return (answer, Side::Aws(Known::aws(world.aws)), None);
        }
        let tables = Tables::clone(&state.tables.value);
        let mut world = self.world_of(state, tables, Aws::default());
        let by = Caller {
            number: next.task.number,
            ahead: SignedDuration::ZERO,
            began: next.local.began,
            held_up: next.local.began < state.now,
        };
        let answer = world.perform(step, fault, Some(by));
        let side = Side::Tables(Known::new(world.tables));
        (answer, side, world.seen.caught.pop())
    }

    /// Reads from the tables, which stay as they are.
    fn read(&mut self, state: &State, step: Step) -> Answered {
        let digest = state.tables.digest;
        if self.reading.as_ref().is_none_or(|(of, _)| *of != digest) {
            let tables = Tables::clone(&state.tables.value);
            let world = self.world_of(state, tables, Aws::default());
            self.reading = Some((digest, world));
        }
        match &mut self.reading {
            Some((_, world)) => world.perform(step, None, None),
            None => Ok(Answer::Wait(())),
        }
    }

    /// Holds a freeze to what the gate is for: whatever was acknowledged before
    /// the submitter began is posted, or the hour was over for 45 minutes.
    fn frozen_too_early(&self, state: &State, task: &Task, freeze: &Freeze) -> Option<Violation> {
        let Status::Under {
            acknowledged_since, ..
        } = &task.status
        else {
            return None;
        };
        let mut world = self.world(state);
        world.acknowledged = without(&state.acknowledged.value, acknowledged_since);
        gate::frozen_too_early(&world, &freeze.head.license, freeze.head.hour)
    }

    /// The state's world.
    fn world(&self, state: &State) -> World {
        let tables = Tables::clone(&state.tables.value);
        self.world_of(state, tables, Aws::clone(&state.aws.value))
    }

    fn world_of(&self, state: &State, tables: Tables, aws: Aws) -> World {
        let mut world = World::new(state.now, self.rules.clone());
        world.tables = tables;
        world.aws = aws;
        world.healthy = Healthy::clone(&state.healthy.value);
        world
    }

    /// What does not hold after everything has settled.
    fn verdict(&self, state: &State) -> Option<Violation> {
        let mut world = self.world(state);
        world.acknowledged = Acknowledged::clone(&state.acknowledged.value);
        world.notices = state.notices();
        world.seen.caught.extend(state.caught.clone());
        let schedule = Schedule {
            setting: self.scenario.setting(),
            actions: as_actions(&state.faults),
        };
        let mut story = Story::default();
        story.over = state.now;
        world.settle(&[], self.scenario.settle_hours, false);
        violations(&world, &schedule, &story).into_iter().next()
    }
}

impl Side {
    fn differs_from(&self, state: &State) -> bool {
        match self {
            Self::Nothing => false,
            Self::Tables(tables) => tables.digest != state.tables.digest,
            Self::Aws(aws) => aws.digest != state.aws.digest,
        }
    }

    fn put_into(&self, state: &mut State) {
        match self {
            Self::Nothing => {}
            Self::Tables(tables) => state.tables = tables.clone(),
            Self::Aws(aws) => state.aws = aws.clone(),
        }
    }
}

/// A state in which a task has crashed. A report that was not acknowledged is
/// delivered again.
fn crashed(mut state: State, task: &Task) -> State {
    state.tasks.retain(|other| other.number != task.number);
    state.faults.crashes -= 1;
    state.faults.has_crashed = true;
    state.trouble();
    if let Actor::Runs {
        job: Job::Record(_),
        ..
    } = task.actor.as_ref()
    {
        state.again(&task.actor);
    }
    state
}

/// All that somebody may read and write.
fn of_actor(actor: &Actor) -> Touch {
    match actor {
        Actor::Runs { job, .. } => of_job(job),
        Actor::Happens { action, .. } => of_action(action),
    }
}

fn without(acknowledged: &Acknowledged, since: &BTreeSet<ReportName>) -> Acknowledged {
    acknowledged
        .iter()
        .filter(|(name, _)| !since.contains(*name))
        .map(|(name, when)| (name.clone(), when.clone()))
        .collect()
}

/// What the checks need to know of the actions.
fn as_actions(faults: &Faults) -> Vec<Action> {
    let crash = faults.has_crashed.then_some(Action::Crash { task: 0 });
    let fails = Action::StoreFails {
        task: 0,
        made: true,
    };
    let fails = faults.has_failed.then_some(fails);
    // Two submitters: no limit of calls holds of both together.
    let submits = [Action::Submit { ahead: 0 }, Action::Submit { ahead: 0 }];
    crash.into_iter().chain(fails).chain(submits).collect()
}
