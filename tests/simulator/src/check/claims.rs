//! What is called billed is what AWS accepted, and nothing else is.

use domain::ledger::record::{CloseReason, Record, RecordState};

use super::{Found, Settled, name_of};
use crate::aws::key_of;
use crate::schedule::Action;

pub(super) fn check(settled: &Settled<'_>, found: &mut Found) {
    claims_are_true(settled, found);
    accepted_is_known(settled, found);
    answers_are_kept(settled, found);
}

/// Billed is what AWS accepted, and nothing that it accepted is called anything else.
fn claims_are_true(settled: &Settled<'_>, found: &mut Found) {
    for record in settled.records() {
        if may_seem_ours(settled, record) {
            continue;
        }
        let accepted = settled.world.aws.accepted.get(&key_of(&record.usage));
        let is_ours = accepted == Some(&record.usage);
        let claim = match (&record.state, is_ours) {
            (RecordState::Billed { .. }, false) => "billed, and AWS has not accepted it",
            (RecordState::Closed { reason, .. }, true) => match reason {
                CloseReason::Unknown => continue,
                CloseReason::Refused | CloseReason::WrittenOff => {
                    "not billed, and AWS has accepted it"
                }
                CloseReason::Conflict => "a conflict, and AWS has accepted ours",
            },
            (
                RecordState::Closed {
                    reason: CloseReason::Conflict,
                    ..
                },
                false,
            ) if accepted.is_none() => "a conflict with nothing",
            (
                RecordState::Billed { .. }
                | RecordState::Closed { .. }
                | RecordState::Frozen { .. },
                _,
            ) => continue,
        };
        found.fails(
            "false claim",
            format!("{} is called {claim}", name_of(record)),
        );
    }
}

/// Whether somebody else's record must be taken for ours: AWS tells no
/// difference when an attempt of ours had no answer.
fn may_seem_ours(settled: &Settled<'_>, record: &Record) -> bool {
    let aws = &settled.world.aws;
    let key = key_of(&record.usage);
    let broken = settled
        .schedule
        .actions
        .iter()
        .any(|action| matches!(action, Action::Crash { .. } | Action::StoreFails { .. }));
    aws.foreign.contains(&key) && (broken || aws.unanswered.contains(&key))
}

/// What AWS accepted is one of our records, unless a restore forgot it.
fn accepted_is_known(settled: &Settled<'_>, found: &mut Found) {
    if !settled.story.forgotten.is_empty() {
        return;
    }
    let aws = &settled.world.aws;
    for key in aws.accepted.keys() {
        if settled.record(key).is_none() && !aws.foreign.contains(key) {
            found.fails(
                "false claim",
                format!("AWS accepted {key:?}, which no record is"),
            );
        }
    }
}

/// What AWS answered as accepted is billed, however late the answer was stored;
/// unless a crash, a failing store or a restored table swallowed that answer.
fn answers_are_kept(settled: &Settled<'_>, found: &mut Found) {
    for key in settled.world.aws.answered.keys() {
        let record = settled.record(key);
        if !record.is_some_and(|r| matches!(r.state, RecordState::Billed { .. })) {
            let (license, dimension, hour) = key;
            found.fails("answer forgotten", format!("{license} {hour} {dimension}"));
        }
    }
}
