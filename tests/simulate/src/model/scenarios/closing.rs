//! Reports against the closing and posting of their hour.

use simulator::schedule::Action;
use simulator::world::Job;

use super::{Actor, Scenario, posted, report, reported};

pub(super) fn all() -> Vec<Scenario> {
    vec![
        closing(),
        closed_by_two(),
        two_late_reports(),
        comes_a_day_late(),
        store_fails(),
        two_posters(),
        late_report(),
        two_of_each_late(),
        two_of_each(),
    ]
}

/// A report comes while its hour closes.
fn closing() -> Scenario {
    Scenario {
        prologue: vec![Action::Advance { minutes: 60 }],
        crashes: 1,
        is_small: true,
        ..Scenario::new(
            "a report while its hour closes",
            [report(1, &[1]), Job::Post].map(Actor::runs).into(),
        )
    }
}

/// A report comes while two posters close its hour.
fn closed_by_two() -> Scenario {
    // A second run, so that a poster that lists before it seals, and so raises
    // `posted` a run later, has nothing left of the hours before either.
    let prologue = vec![
        Action::Post { ahead: 0 },
        Action::Finish,
        Action::Advance { minutes: 60 },
    ];
    Scenario {
        prologue,
        ..Scenario::new(
            "a report while two posters close its hour",
            [report(1, &[1]), Job::Post, Job::Post]
                .map(Actor::runs)
                .into(),
        )
    }
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
        is_small: true,
        ..Scenario::new("a late report while another's marker is worked off", actors)
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

/// Two of each at once, while an hour is closed of which a report was recorded:
/// another one is delivered twice.
fn two_of_each() -> Scenario {
    Scenario {
        prologue: vec![
            reported(1, &[1], 0),
            Action::Finish,
            Action::Advance { minutes: 60 },
        ],
        ..Scenario::new(
            "two recorders, posters and submitters while an hour closes",
            of_each(),
        )
    }
}

fn two_of_each_late() -> Scenario {
    Scenario {
        prologue: posted(),
        crashes: 1,
        lost: 1,
        ..Scenario::new(
            "two recorders, posters and submitters after an hour closed",
            of_each(),
        )
    }
}

fn of_each() -> Vec<Actor> {
    let late = || report(2, &[1, 2]);
    let jobs = [
        late(),
        late(),
        Job::Post,
        Job::Post,
        Job::Submit,
        Job::Submit,
    ];
    jobs.map(Actor::runs).into()
}

/// A report comes when its hour was billed a day ago, of a computer that was
/// billed then and of another one.
fn comes_a_day_late() -> Scenario {
    let mut prologue = posted();
    prologue.extend([
        Action::Submit { ahead: 0 },
        Action::Finish,
        Action::Advance { minutes: 1_440 },
        Action::Post { ahead: 0 },
        Action::Finish,
    ]);
    let late = report(2, &[1, 2]);
    let actors = [late.clone(), late, Job::Post, Job::Post, Job::Submit].map(Actor::runs);
    Scenario {
        prologue,
        crashes: 1,
        settle_hours: 4,
        ..Scenario::new(
            "a report that comes a day after its hour was billed",
            actors.into(),
        )
    }
}

/// The store fails once, before or after it made what it was asked for.
fn store_fails() -> Scenario {
    let actors = [report(1, &[1]), Job::Post, Job::Post, Job::Submit].map(Actor::runs);
    Scenario {
        prologue: vec![Action::Advance { minutes: 60 }],
        failures: 1,
        ..Scenario::new("a store that fails once", actors.into())
    }
}
