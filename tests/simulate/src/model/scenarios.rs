//! The small worlds that are explored to their ends.

mod closing;
mod ending;
mod paying;
mod sending;

use std::sync::Arc;

use domain::hour::{Hour, after};
use jiff::{SignedDuration, Timestamp};
use ledger::Rules;
use simulator::cast::{self, Seen};
use simulator::schedule::{Action, Schedule, Setting};
use simulator::world::Job;

/// The hour that everything is about begins here.
const HOUR: i32 = 493_906;

/// Somebody who acts in a scenario, once.
#[derive(Debug, Clone)]
pub(crate) enum Actor {
    /// A procedure runs, not before an instant.
    Runs {
        /// What.
        job: Job,
        /// The first instant at which it may begin.
        from: Timestamp,
    },
    /// Something happens at once, not before an instant.
    Happens {
        /// What.
        action: Action,
        /// The first instant at which it may.
        from: Timestamp,
    },
}

impl Actor {
    fn runs(job: Job) -> Self {
        Self::Runs {
            job,
            from: Timestamp::MIN,
        }
    }

    /// What happens, if it is that.
    pub(crate) fn action(&self) -> Option<&Action> {
        match self {
            Self::Happens { action, .. } => Some(action),
            Self::Runs { .. } => None,
        }
    }

    pub(crate) fn may_begin(&self, now: Timestamp) -> bool {
        match self {
            Self::Runs { from, .. } | Self::Happens { from, .. } => *from <= now,
        }
    }
}

/// A small world.
pub(crate) struct Scenario {
    pub(crate) name: &'static str,
    /// What happened before, alone and without faults.
    pub(crate) prologue: Vec<Action>,
    pub(crate) actors: Vec<Actor>,
    /// The instants at which it may be, ascending.
    pub(crate) instants: Vec<Timestamp>,
    /// How many tasks may crash.
    pub(crate) crashes: u8,
    /// How many of AWS's answers may be lost.
    pub(crate) lost: u8,
    /// How often the store may fail, or its answer be lost.
    pub(crate) failures: u8,
    pub(crate) contracts: bool,
    pub(crate) settle_hours: i64,
    /// Whether it is so small that all of it is explored as well, to hold what
    /// the reductions leave out to be nothing.
    pub(crate) is_small: bool,
}

impl Scenario {
    fn new(name: &'static str, actors: Vec<Actor>) -> Self {
        Self {
            name,
            prologue: Vec::new(),
            actors,
            instants: Vec::new(),
            crashes: 0,
            lost: 0,
            failures: 0,
            contracts: false,
            settle_hours: 2,
            is_small: false,
        }
    }

    pub(crate) fn setting(&self) -> Setting {
        Setting {
            contracts: self.contracts,
            retry_is_duplicate: true,
            ..Setting::ordinary(at(5))
        }
    }

    pub(crate) fn rules(&self) -> Rules {
        let mut rules = self.setting().rules();
        // One after another: that calls overlap is explored by two submitters.
        rules.calls_at_once = 1;
        rules
    }

    /// What comes before anything is explored: every shard is posted up to the
    /// hour before.
    pub(crate) fn before(&self) -> Schedule {
        let mut actions = vec![
            Action::Advance { minutes: 6 },
            Action::Minutes { minutes: 0 },
        ];
        actions.push(Action::Post { ahead: 0 });
        actions.push(Action::Finish);
        actions.extend(self.prologue.clone());
        actions.push(Action::Finish);
        Schedule {
            setting: self.setting(),
            actions,
        }
    }
}

fn start() -> Timestamp {
    Hour::from_number(HOUR).start()
}

fn at(minute: i64) -> Timestamp {
    after(start(), SignedDuration::from_mins(minute))
}

fn seen(computer: u8) -> Seen {
    Seen {
        computer,
        tier: 1,
        when: 0,
        known_by: 0,
    }
}

/// A report of account one for the hour.
fn report(id: u8, computers: &[u8]) -> Job {
    report_of(0, id, computers)
}

/// A report of account one for an hour so many hours later.
fn report_of(later: i32, id: u8, computers: &[u8]) -> Job {
    let seen: Vec<Seen> = computers.iter().map(|computer| seen(*computer)).collect();
    let hour = Hour::from_number(HOUR + later);
    Job::Record(Arc::new(cast::report(0, hour, id, &seen)))
}

/// The same, in a prologue.
fn reported(id: u8, computers: &[u8], hours_back: u8) -> Action {
    Action::Report {
        account: 0,
        hours_back,
        id,
        seen: computers.iter().map(|computer| seen(*computer)).collect(),
    }
}

fn from(minute: i64, job: Job) -> Actor {
    Actor::Runs {
        job,
        from: at(minute),
    }
}

fn happens(minute: i64, action: Action) -> Actor {
    Actor::Happens {
        action,
        from: at(minute),
    }
}

/// Runs up to the hour's closing, one report of it recorded and posted.
fn posted() -> Vec<Action> {
    vec![
        reported(1, &[1], 0),
        Action::Finish,
        Action::Advance { minutes: 60 },
        Action::Post { ahead: 0 },
        Action::Finish,
    ]
}

/// Every scenario, the quick ones first.
pub(crate) fn all() -> Vec<Scenario> {
    let mut all = sending::all();
    all.extend(paying::all());
    all.extend(ending::all());
    all.extend(closing::all());
    all
}
