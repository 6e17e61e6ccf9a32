//! Licenses that end before, in and after the hour.

use simulator::schedule::Action;
use simulator::world::Job;

use super::{Actor, Scenario, at, from, happens, posted, report, report_of, reported};

pub(super) fn all() -> Vec<Scenario> {
    vec![ends_after(), ends_before(), license_ends(), renewed()]
}

/// A license was renewed by another one, which is learned an hour after: what
/// AWS refused of it is closed, and billed anew, when a late report of that hour comes.
fn renewed() -> Scenario {
    let prologue = vec![
        Action::Renew {
            license: 0,
            overlaps: false,
        },
        Action::Advance { minutes: 60 },
        reported(1, &[1], 0),
        Action::Finish,
        Action::Advance { minutes: 60 },
        Action::Minutes { minutes: 2 },
        Action::LearnRenewed {
            license: 0,
            heir: 1,
            gap: 0,
        },
        Action::Minutes { minutes: 2 },
        Action::Advance { minutes: 82 },
    ];
    let actors = vec![
        from(218, Job::Post),
        from(218, Job::Post),
        from(218, Job::Submit),
        from(218, report_of(1, 2, &[1, 2])),
    ];
    Scenario {
        prologue,
        instants: vec![at(218)],
        ..Scenario::new("a license that was renewed by another one", actors)
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

/// A license ended in the hour before, which is learned when the next hour is
/// being posted and sent, and reports of both come.
fn ends_before() -> Scenario {
    let prologue = vec![
        reported(1, &[1], 0),
        Action::Finish,
        Action::Advance { minutes: 34 },
        Action::End { license: 0 },
        Action::Advance { minutes: 20 },
        reported(2, &[2], 0),
        Action::Finish,
        Action::Advance { minutes: 60 },
    ];
    let actors = vec![
        Actor::runs(Job::Post),
        Actor::runs(report_of(1, 3, &[2, 3])),
        happens(132, Action::Learn { license: 0 }),
        from(132, Job::Submit),
    ];
    Scenario {
        prologue,
        instants: vec![at(132)],
        ..Scenario::new(
            "a license that ended before the hour, learned after it",
            actors,
        )
    }
}

/// A license ends when the hour is over, posted and not sent.
fn ends_after() -> Scenario {
    let actors = vec![
        Actor::runs(report(2, &[1, 2])),
        happens(80, Action::End { license: 0 }),
        happens(81, Action::Learn { license: 0 }),
        from(81, Job::Post),
        from(90, Job::Submit),
    ];
    Scenario {
        prologue: posted(),
        instants: vec![at(80), at(81), at(90)],
        ..Scenario::new(
            "a license that ends after the hour, before it is sent",
            actors,
        )
    }
}
