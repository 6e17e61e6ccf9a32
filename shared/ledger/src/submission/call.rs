//! Making a call, and finding the record for whose sake it fails.

use domain::ledger::record::{Outcome, Record, RecordState, blames_a_record};
use domain::metering::{
    CallAnswer, CallFailure, NoAnswer, RecordKey, Refusal, UsageRecord, Verdict,
};
use domain::mutant;
use futures_util::stream::{self, StreamExt};
use jiff::Timestamp;

use super::CONCURRENCY;
use super::prepared::{Call, ProductDimension, Ready, dimension_of, name_of};
use super::settling::{Settled, settle};
use crate::notice::Notice;
use crate::step::{StepError, Written};
use crate::steps::Steps;

/// What follows on a failed call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Next {
    /// Send its halves: one of its records makes it fail.
    Halve,
    /// Go on with other calls: its only record made it fail.
    GoOn,
    /// Send no more in this run.
    Stop,
}

/// How a call ended.
pub(super) struct CallEnd {
    /// What became of its records.
    pub(super) settled: Vec<Settled>,
    /// Its halves, to be sent at once.
    pub(super) halves: Vec<Call>,
    /// Whether AWS answered it, be it with a refusal.
    pub(super) answered: bool,
    /// Whether its only record is found to be one that makes calls fail.
    pub(super) found: bool,
    /// The dimension that AWS does not know, if that is why it refused its only
    /// record: whatever else is of it makes calls fail as well.
    pub(super) missing: Option<ProductDimension>,
    /// Whether nothing more is to be sent in this run.
    pub(super) stop: bool,
}

/// Sends a call at its time and stores what came of each of its records. A
/// call that fails for the sake of one of them comes back in halves, another
/// attempt counted for each, if there `may` be halves.
pub(super) async fn make_call(steps: &Steps, call: Call, at: Timestamp, may: bool) -> CallEnd {
    if at > steps.now() {
        // A wait that fails is shorter: AWS then throttles, and nothing is lost.
        let _waited = steps.wait(at).await;
    }
    let usage: Vec<UsageRecord> = call.records.iter().map(what_is_sent).collect();
    let answer = steps
        .send(usage)
        .await
        .unwrap_or(Err(CallFailure::NoAnswer(NoAnswer::Connection)));
    let failure = match answer {
        Ok(answer) => return answered(steps, call, &answer).await,
        Err(failure) => failure,
    };
    let next = next(&call, &failure, may);
    steps.tell(Notice::CallFailed {
        failure: failure.clone(),
        records: call.records.len(),
        halved: next == Next::Halve,
    });
    if mutant!(OutcomesForgottenOnFailure) {
        return CallEnd {
            settled: Vec::new(),
            halves: Vec::new(),
            answered: false,
            found: false,
            missing: None,
            stop: true,
        };
    }
    match next {
        Next::Halve => halved(steps, call, failure).await,
        Next::GoOn | Next::Stop => {
            let alone = call.records.len() == 1;
            let found = next == Next::GoOn && !call.records.iter().all(Ready::is_alone);
            let unknown = failure == CallFailure::Refused(Refusal::InvalidUsageDimension);
            let only = call.records.first().filter(|_| alone && unknown);
            let missing = only.map(dimension_of);
            let answered = matches!(failure, CallFailure::Refused(_));
            let outcome = Outcome::Failed { failure, alone };
            let outcomes = call
                .records
                .into_iter()
                .map(|ready| (ready, outcome.clone()));
            CallEnd {
                settled: settle_all(steps, outcomes.collect()).await,
                halves: Vec::new(),
                answered,
                found,
                missing,
                stop: next == Next::Stop || found && mutant!(PoisonFoundStopsTheRun),
            }
        }
    }
}

/// The frozen fields, as they are stored.
fn what_is_sent(ready: &Ready) -> UsageRecord {
    let mut usage = ready.record.usage.clone();
    if mutant!(QuantityComputedAgain) && ready.record.attempts > 1 {
        let quantity = usage.quantity.get() + 1;
        usage.quantity = domain::quantity::Quantity::new(quantity).unwrap_or(usage.quantity);
        usage.allocations.clear();
    }
    usage
}

/// What follows on a failed call. A server error is a record's fault only the
/// second time: the first may be AWS's own.
fn next(call: &Call, failure: &CallFailure, may_halve: bool) -> Next {
    let blamed = match failure {
        CallFailure::Refused(refusal) => blames_a_record(refusal),
        CallFailure::NoAnswer(NoAnswer::ServerError(_)) => call
            .records
            .iter()
            .any(|ready| ready.record.unanswered > 1 && !mutant!(ServerErrorStopsAll)),
        CallFailure::NoAnswer(
            NoAnswer::TimedOut | NoAnswer::Connection | NoAnswer::NotUnderstood,
        ) => false,
    };
    if mutant!(OneBadRecordClosesItsBatch) && matches!(failure, CallFailure::Refused(_)) {
        return Next::GoOn;
    }
    match (blamed, call.records.len()) {
        (true, 1) => Next::GoOn,
        (true, _) if may_halve => Next::Halve,
        (true | false, _) => Next::Stop,
    }
}

async fn answered(steps: &Steps, call: Call, answer: &CallAnswer) -> CallEnd {
    let outcomes = call
        .records
        .into_iter()
        .enumerate()
        .map(|(place, ready)| {
            let outcome = outcome_of(&ready.record.usage.key(), place, answer);
            (ready, outcome)
        })
        .collect();
    CallEnd {
        settled: settle_all(steps, outcomes).await,
        halves: Vec::new(),
        answered: true,
        found: false,
        missing: None,
        stop: false,
    }
}

/// The verdict on a record, by what AWS echoes of it.
fn outcome_of(key: &RecordKey, place: usize, answer: &CallAnswer) -> Outcome {
    if mutant!(ResultsByPosition)
        && let Some((_, verdict)) = answer.verdicts.get(place)
    {
        return Outcome::Verdict(verdict.clone());
    }
    let found = answer.verdicts.iter().find(|(echoed, _)| echoed == key);
    match found {
        Some((_, Verdict::Unprocessed)) if mutant!(UnprocessedIsNotRead) => {
            Outcome::Verdict(Verdict::Success {
                metering_record_id: None,
            })
        }
        Some((_, verdict)) => Outcome::Verdict(verdict.clone()),
        None => Outcome::NotMentioned,
    }
}

pub(super) async fn settle_all(steps: &Steps, outcomes: Vec<(Ready, Outcome)>) -> Vec<Settled> {
    let settling = outcomes
        .into_iter()
        .map(|(ready, outcome)| async move { settle(steps, ready, &outcome).await });
    stream::iter(settling).buffered(CONCURRENCY).collect().await
}

/// A failed call's records in two halves: the failure settled, and another
/// attempt counted for each.
async fn halved(steps: &Steps, call: Call, failure: CallFailure) -> CallEnd {
    let records = call.records.len();
    let parts = if mutant!(PoisonSoughtOneByOne) {
        records
    } else {
        2
    };
    let answered = matches!(failure, CallFailure::Refused(_));
    let outcome = Outcome::Failed {
        failure,
        alone: false,
    };
    let again: Vec<_> = call
        .records
        .into_iter()
        .map(|ready| attempt_again(steps, ready, &outcome))
        .collect();
    let again: Vec<_> = stream::iter(again).buffered(CONCURRENCY).collect().await;
    let mut end = CallEnd {
        settled: Vec::new(),
        halves: (0..parts).map(|_| Call { records: vec![] }).collect(),
        answered,
        found: false,
        missing: None,
        stop: false,
    };
    for (place, again) in again.into_iter().enumerate() {
        match again {
            Ok(Some(ready)) => {
                if let Some(half) = end.halves.get_mut(place * parts / records) {
                    half.records.push(ready);
                }
            }
            Ok(None) => {}
            Err(settled) => end.settled.push(*settled),
        }
    }
    end.halves.retain(|half| !half.records.is_empty());
    end
}

/// Settles a failed attempt that was not the record's fault as far as is
/// known, and counts the next one. `None` when somebody else has the record.
async fn attempt_again(
    steps: &Steps,
    ready: Ready,
    outcome: &Outcome,
) -> Result<Option<Ready>, Box<Settled>> {
    let (state, end) = (ready.record.state.clone(), ready.end);
    let settled = settle(steps, ready, outcome).await;
    let Settled::Stored { settlement, .. } = &settled else {
        return Err(Box::new(settled));
    };
    // Another submitter may have settled it meanwhile: then that stands.
    let RecordState::Frozen { .. } = settlement.record.state else {
        return Err(Box::new(settled));
    };
    // In a call of several nothing is known of this one: it is not alone yet.
    let record = Record {
        state,
        ..settlement.record.clone()
    };
    let Some(attempted) = record.attempted_again(steps.now()) else {
        return Ok(None);
    };
    let counted = steps.replace_record(attempted.clone(), steps.nonce()).await;
    match counted {
        Ok(Written::Committed) => Ok(Some(Ready {
            record: attempted,
            end,
        })),
        Ok(Written::Lost) => Ok(None),
        Err(error) => Err(Box::new(not_counted(&attempted, error))),
    }
}

fn not_counted(record: &Record, error: StepError) -> Settled {
    Settled::Failed {
        name: name_of(record),
        error,
    }
}
