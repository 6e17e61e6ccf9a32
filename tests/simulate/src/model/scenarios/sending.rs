//! Freezing, sending, settling, carrying.

use simulator::aws::CallFault;
use simulator::cast::Seen;
use simulator::schedule::Action;
use simulator::world::Job;

use super::{Actor, Scenario, at, from, happens, posted, report, reported, seen};

pub(super) fn all() -> Vec<Scenario> {
    vec![
        metered_elsewhere(),
        refused_and_metered_elsewhere(),
        two_carriers(),
        carry_against_posting(),
        near_the_deadline(),
        frozen_or_carried(),
        included_by_two(),
        cover_becomes_known(),
        slow_submitter(),
        lost_answers(),
        refused_for_one(),
        gate_against_posting(),
        freeze_against_posting(),
    ]
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
        is_small: true,
        ..Scenario::new(
            "an hour that somebody else metered",
            vec![Actor::runs(Job::Submit)],
        )
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
        is_small: true,
        ..Scenario::new("two submitters, lost answers and a crash", actors)
    }
}

/// A submitter is slow, and another one closes the record at its deadline.
fn slow_submitter() -> Scenario {
    // The license was activated at minute 5: so the record's deadline. It is
    // closed when no clock can be so far ahead.
    let (over, closed) = (24 * 60 + 6, 24 * 60 + 76);
    let actors = vec![
        Actor::runs(Job::Submit),
        from(over, Job::Submit),
        from(closed, Job::Submit),
    ];
    Scenario {
        prologue: posted(),
        instants: vec![at(73), at(over), at(closed)],
        is_small: true,
        ..Scenario::new("a slow submitter past the deadline", actors)
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
        is_small: true,
        ..Scenario::new("two submitters carry two slots", actors)
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
        is_small: true,
        ..Scenario::new("carry against posting", actors)
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
        is_small: true,
        ..Scenario::new("two submitters take a contract's included part", actors)
    }
}

/// AWS says what a contract covers while a submitter is about to meter it.
fn cover_becomes_known() -> Scenario {
    let prologue = vec![
        Action::CoverUnknown,
        Action::Report {
            account: 0,
            hours_back: 0,
            id: 1,
            seen: vec![Seen { tier: 0, ..seen(1) }],
        },
        Action::Finish,
        Action::Advance { minutes: 80 },
        Action::Post { ahead: 0 },
        Action::Finish,
    ];
    Scenario {
        prologue,
        crashes: 1,
        contracts: true,
        is_small: true,
        ..Scenario::new(
            "what a contract covers becomes known",
            vec![
                Actor::runs(Job::Submit),
                happens(0, Action::CoverKnown { computer_hours: 3 }),
            ],
        )
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
        is_small: true,
        ..Scenario::new(
            "a call refused for one record, and a second submitter",
            actors,
        )
    }
}

/// AWS does not process a record, or refuses the call, before it says that it
/// holds another one for the hour.
fn refused_and_metered_elsewhere() -> Scenario {
    let mut prologue = posted();
    prologue.insert(
        0,
        Action::Foreign {
            license: 0,
            tier: 1,
        },
    );
    prologue.push(Action::CallFails(CallFault::Unprocessed(1)));
    prologue.push(Action::CallFails(CallFault::Throttle));
    let actors = vec![
        Actor::runs(Job::Submit),
        from(73, Job::Submit),
        from(75, Job::Submit),
    ];
    Scenario {
        prologue,
        instants: vec![at(73), at(75)],
        is_small: true,
        ..Scenario::new(
            "refused calls for an hour that somebody else metered",
            actors,
        )
    }
}

/// Sending was stopped until shortly before a slot's deadline; usage of its
/// hour comes, and both are dealt with when minutes are left, and when none is.
fn near_the_deadline() -> Scenario {
    let mut prologue = posted();
    prologue.insert(0, Action::Switch { stopped: true });
    prologue.push(Action::Advance { minutes: 1_350 });
    prologue.push(Action::Post { ahead: 0 });
    prologue.push(Action::Finish);
    prologue.push(Action::Switch { stopped: false });
    // The license was activated at minute 5: so the record's deadline.
    let actors = vec![
        from(1_441, report(2, &[2])),
        from(1_441, Job::Post),
        from(1_441, Job::Submit),
        from(1_446, Job::Submit),
    ];
    Scenario {
        prologue,
        instants: vec![at(1_441), at(1_446)],
        ..Scenario::new("usage and a submitter minutes before a deadline", actors)
    }
}

/// A submitter freezes a slot shortly before it would be carried; another one
/// was told of the slot before that, and looks at it after.
fn frozen_or_carried() -> Scenario {
    let mut prologue = posted();
    prologue.insert(0, Action::Switch { stopped: true });
    prologue.push(Action::Advance { minutes: 1_360 });
    prologue.push(Action::Post { ahead: 0 });
    prologue.push(Action::Finish);
    prologue.push(Action::Switch { stopped: false });
    Scenario {
        prologue,
        instants: vec![at(1_436)],
        is_small: true,
        ..Scenario::new(
            "a slot that one submitter freezes and another would carry",
            [Job::Submit, Job::Submit].map(Actor::runs).into(),
        )
    }
}

/// A slot could be frozen, were it not for a late report that is being posted.
fn gate_against_posting() -> Scenario {
    let actors = [report(2, &[2]), Job::Post, Job::Post, Job::Submit].map(Actor::runs);
    Scenario {
        prologue: posted(),
        crashes: 1,
        ..Scenario::new(
            "the gate before a freeze against a late report",
            actors.into(),
        )
    }
}
