//! The small worlds that are explored to their ends.

use std::sync::Arc;

use domain::hour::{Hour, after};
use jiff::{SignedDuration, Timestamp};
use ledger::Rules;
use simulator::aws::CallFault;
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
        }
    }

    pub(crate) fn setting(&self) -> Setting {
        Setting {
            start: at(5),
            zeros: false,
            contracts: self.contracts,
            retry_is_duplicate: true,
            computers_per_part: 1_000,
            carry_hours: 96,
            allocations: 500,
            poison_stays: false,
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
    let seen: Vec<Seen> = computers.iter().map(|computer| seen(*computer)).collect();
    Job::Record(Arc::new(cast::report(
        0,
        Hour::from_number(HOUR),
        id,
        &seen,
    )))
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

/// Every scenario.
pub(crate) fn all() -> Vec<Scenario> {
    vec![
        metered_elsewhere(),
        two_carriers(),
        carry_against_posting(),
        included_by_two(),
        slow_submitter(),
        lost_answers(),
        refused_for_one(),
        freeze_against_posting(),
        unbillable_then_licensed(),
        two_late_reports(),
        license_ends(),
        two_posters(),
        payer_change(),
        late_report(),
        two_of_each(),
        two_of_each_late(),
    ]
}

/// Two of each at once, while an hour is closed of which a report was recorded:
/// another one is delivered twice.
fn two_of_each() -> Scenario {
    Scenario {
        prologue: vec![
            reported(1, &[1], 0),
            Action::Finish,
            Action::Advance { minutes: 60 },
        ],
        ..Scenario::new("two recorders, posters and submitters while an hour closes", of_each())
    }
}

fn two_of_each_late() -> Scenario {
    Scenario {
        prologue: posted(),
        crashes: 1,
        lost: 1,
        ..Scenario::new("two recorders, posters and submitters after an hour closed", of_each())
    }
}

fn of_each() -> Vec<Actor> {
    let late = || report(2, &[1, 2]);
    let jobs = [late(), late(), Job::Post, Job::Post, Job::Submit, Job::Submit];
    jobs.map(Actor::runs).into()
}

/// A report comes, twice, while its hour closes.
fn late_report() -> Scenario {
    let recorders = [report(1, &[1]), report(1, &[1])].map(Actor::runs);
    let mut actors: Vec<Actor> = recorders.into();
    actors.extend([Job::Post, Job::Post].map(Actor::runs));
    Scenario {
        prologue: vec![Action::Advance { minutes: 60 }],
        crashes: 1,
        ..Scenario::new(
            "a late report, delivered twice, against two posters",
            actors,
        )
    }
}

/// Another late report comes while the marker of the first is worked off.
fn two_late_reports() -> Scenario {
    let actors = vec![
        Actor::runs(report(3, &[3])),
        Actor::runs(Job::Post),
        Actor::runs(Job::Post),
    ];
    let mut prologue = posted();
    prologue.push(reported(2, &[2], 1));
    prologue.push(Action::Finish);
    Scenario {
        prologue,
        crashes: 1,
        ..Scenario::new("a late report while another's marker is worked off", actors)
    }
}

/// AWS holds a record for the hour that is not ours.
fn metered_elsewhere() -> Scenario {
    let mut prologue = posted();
    prologue.insert(
        0,
        Action::Foreign {
            license: 0,
            tier: 1,
        },
    );
    Scenario {
        prologue,
        ..Scenario::new(
            "an hour that somebody else metered",
            vec![Actor::runs(Job::Submit)],
        )
    }
}

/// Reports of one hour arrive between two posters.
fn two_posters() -> Scenario {
    let actors = vec![
        Actor::runs(report(2, &[1, 2])),
        Actor::runs(Job::Post),
        Actor::runs(Job::Post),
    ];
    Scenario {
        prologue: vec![
            reported(1, &[1], 0),
            Action::Finish,
            Action::Advance { minutes: 60 },
        ],
        crashes: 2,
        ..Scenario::new("reports of one hour between two posters", actors)
    }
}

/// A slot is frozen, for it was waited for long enough, while usage is posted into it.
fn freeze_against_posting() -> Scenario {
    let actors = vec![
        Actor::runs(report(2, &[2])),
        Actor::runs(Job::Post),
        Actor::runs(Job::Post),
        Actor::runs(Job::Submit),
    ];
    let mut prologue = posted();
    prologue.push(Action::Advance { minutes: 40 });
    Scenario {
        prologue,
        crashes: 1,
        ..Scenario::new("freeze against posting of late usage", actors)
    }
}

/// Two submitters, an answer lost.
fn lost_answers() -> Scenario {
    let actors = vec![Actor::runs(Job::Submit), Actor::runs(Job::Submit)];
    Scenario {
        prologue: posted(),
        instants: vec![at(73)],
        crashes: 1,
        lost: 1,
        ..Scenario::new("two submitters, lost answers and a crash", actors)
    }
}

/// A submitter is slow, and another one closes the record at its deadline.
fn slow_submitter() -> Scenario {
    // The license was activated at minute 5: so the record's deadline.
    let over = 24 * 60 + 6;
    let actors = vec![Actor::runs(Job::Submit), from(over, Job::Submit)];
    Scenario {
        prologue: posted(),
        instants: vec![at(73), at(over)],
        ..Scenario::new("a slow submitter past the deadline", actors)
    }
}

/// The payer changed within the hour, and a computer came after that.
fn payer_change() -> Scenario {
    let mut prologue = vec![
        reported(1, &[1], 0),
        Action::Advance { minutes: 20 },
        Action::Link {
            license: 1,
            account: 0,
        },
        Action::Advance { minutes: 10 },
    ];
    prologue.push(Action::Report {
        account: 0,
        hours_back: 0,
        id: 2,
        seen: vec![Seen { when: 2, ..seen(2) }],
    });
    prologue.push(Action::Finish);
    prologue.push(Action::Advance { minutes: 30 });
    let actors = vec![
        Actor::runs(Job::Post),
        Actor::runs(Job::Post),
        Actor::runs(report(3, &[1, 2, 3])),
        Actor::runs(Job::Submit),
    ];
    Scenario {
        prologue,
        ..Scenario::new(
            "payer change within the hour, a late report, a submitter",
            actors,
        )
    }
}

/// The license that paid ended early in the hour, whose usage is therefore
/// posted every minute; another is linked later in it, which pays for what
/// came later.
fn unbillable_then_licensed() -> Scenario {
    let prologue = vec![
        Action::End { license: 0 },
        Action::Learn { license: 0 },
        Action::Report {
            account: 0,
            hours_back: 0,
            id: 1,
            seen: vec![seen(1), Seen { when: 2, ..seen(2) }],
        },
        Action::Finish,
    ];
    let link = Action::Link {
        license: 1,
        account: 0,
    };
    let actors = vec![
        Actor::runs(Job::Post),
        happens(30, link),
        from(71, Job::Post),
    ];
    Scenario {
        prologue,
        instants: vec![at(30), at(71)],
        ..Scenario::new("unbillable, then licensed within the hour", actors)
    }
}

/// A license ends while its last hour runs; reports of it come until late.
fn license_ends() -> Scenario {
    let actors = vec![
        happens(20, Action::End { license: 0 }),
        happens(21, Action::Learn { license: 0 }),
        from(22, report(2, &[1, 2])),
        from(22, Job::Post),
        from(66, Job::Submit),
    ];
    Scenario {
        prologue: vec![reported(1, &[1], 0), Action::Finish],
        instants: vec![at(20), at(21), at(22), at(66)],
        ..Scenario::new("a license that ends within its last hour", actors)
    }
}

/// Sending was stopped; the slot is carried while late usage is posted into it.
fn carry_against_posting() -> Scenario {
    let mut prologue = posted();
    prologue.insert(0, Action::Switch { stopped: true });
    prologue.push(Action::Advance { minutes: 1_339 });
    prologue.push(Action::Post { ahead: 0 });
    prologue.push(Action::Finish);
    prologue.push(reported(2, &[2], 23));
    prologue.push(Action::Finish);
    let actors = vec![
        Actor::runs(Job::Post),
        from(1_436, Job::Submit),
        from(1_436, Job::Submit),
    ];
    Scenario {
        prologue,
        instants: vec![at(1_436)],
        crashes: 1,
        ..Scenario::new("carry against posting", actors)
    }
}

/// Two submitters carry two slots of one license.
fn two_carriers() -> Scenario {
    let mut prologue = posted();
    prologue.insert(0, Action::Switch { stopped: true });
    prologue.push(reported(2, &[3], 0));
    prologue.push(Action::Finish);
    prologue.push(Action::Advance { minutes: 60 });
    prologue.push(Action::Post { ahead: 0 });
    prologue.push(Action::Finish);
    prologue.push(Action::Advance { minutes: 1_360 });
    let actors = vec![Actor::runs(Job::Submit), Actor::runs(Job::Submit)];
    Scenario {
        prologue,
        crashes: 1,
        ..Scenario::new("two submitters carry two slots", actors)
    }
}

/// Two submitters freeze two slots of a license whose contract covers less than both.
fn included_by_two() -> Scenario {
    let medium = |id, computers: &[u8], hours_back| Action::Report {
        account: 0,
        hours_back,
        id,
        seen: computers
            .iter()
            .map(|c| Seen {
                tier: 0,
                ..seen(*c)
            })
            .collect(),
    };
    let prologue = vec![
        Action::Grant { computer_hours: 3 },
        medium(1, &[1, 2], 0),
        Action::Finish,
        Action::Advance { minutes: 60 },
        medium(2, &[1, 2], 0),
        Action::Finish,
        Action::Advance { minutes: 60 },
        Action::Post { ahead: 0 },
        Action::Finish,
    ];
    let actors = vec![Actor::runs(Job::Submit), Actor::runs(Job::Submit)];
    Scenario {
        prologue,
        crashes: 1,
        contracts: true,
        ..Scenario::new("two submitters take a contract's included part", actors)
    }
}

/// AWS refuses a call of two records for the sake of one; another submitter comes.
fn refused_for_one() -> Scenario {
    let mut prologue = vec![Action::Report {
        account: 0,
        hours_back: 0,
        id: 1,
        seen: vec![seen(1), Seen { tier: 0, ..seen(2) }],
    }];
    prologue.extend([
        Action::Finish,
        Action::Advance { minutes: 60 },
        Action::Post { ahead: 0 },
        Action::Finish,
        Action::CallFails(CallFault::UnknownRefusal),
    ]);
    let actors = vec![Actor::runs(Job::Submit), from(73, Job::Submit)];
    Scenario {
        prologue,
        instants: vec![at(73)],
        ..Scenario::new(
            "a call refused for one record, and a second submitter",
            actors,
        )
    }
}
