//! Who pays: payer changes, relinks, and links made late in the hour.

use std::sync::Arc;

use domain::hour::Hour;
use simulator::cast::{self, Seen};
use simulator::schedule::Action;
use simulator::world::Job;

use super::{Actor, HOUR, Scenario, at, from, happens, report, reported, seen};

pub(super) fn all() -> Vec<Scenario> {
    vec![
        unbillable_then_licensed(),
        relinked_while_posted(),
        relinked_while_recorded(),
        payer_change(),
    ]
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

/// The license that paid ended early in the hour, whose usage is therefore
/// posted every minute; meanwhile another is linked, which pays from then on,
/// and moves to a second account before the hour's last minutes.
fn relinked_while_posted() -> Scenario {
    let last_minutes = |account, id, computer| Action::Report {
        account,
        hours_back: 0,
        id,
        seen: vec![Seen {
            when: 2,
            ..seen(computer)
        }],
    };
    let link = |account| Action::Link {
        license: 1,
        account,
    };
    let prologue = vec![
        reported(1, &[1], 0),
        last_minutes(0, 2, 2),
        last_minutes(1, 3, 3),
        Action::Finish,
        Action::End { license: 0 },
        Action::Learn { license: 0 },
    ];
    let actors = vec![
        happens(20, link(0)),
        from(20, Job::Post),
        happens(45, link(1)),
        from(45, Job::Post),
    ];
    Scenario {
        prologue,
        instants: vec![at(20), at(45)],
        ..Scenario::new("payer change and relink while the hour is posted", actors)
    }
}

/// The payer changes, and the license that paid moves to another account, while
/// reports of both are recorded; two posters and a submitter follow.
fn relinked_while_recorded() -> Scenario {
    let of_two = |id, computers: &[u8]| {
        let seen: Vec<Seen> = computers.iter().map(|computer| seen(*computer)).collect();
        Job::Record(Arc::new(cast::report(
            1,
            Hour::from_number(HOUR),
            id,
            &seen,
        )))
    };
    let actors = vec![
        happens(
            20,
            Action::Link {
                license: 1,
                account: 0,
            },
        ),
        happens(
            40,
            Action::Link {
                license: 0,
                account: 1,
            },
        ),
        from(40, of_two(2, &[1])),
        from(71, Job::Post),
        from(71, Job::Submit),
    ];
    Scenario {
        prologue: vec![reported(1, &[1], 0), Action::Finish],
        instants: vec![at(20), at(40), at(71)],
        crashes: 1,
        ..Scenario::new("payer change and relink while the hour is recorded", actors)
    }
}
