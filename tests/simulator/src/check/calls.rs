//! Calls are made as AWS takes them, as few as records and faults allow.

use std::collections::BTreeMap;

use domain::metering::MAX_RECORDS_PER_CALL;
use jiff::SignedDuration;

use super::{Found, Settled};
use crate::aws::{CallEnd, CallMade, Cause};

/// AWS takes so many calls a second.
const CALLS_A_SECOND: usize = 10;

/// So many more when what was to go before was held up: the calls under way.
const HELD_UP: usize = 4;

/// Ten extra calls find one record among 25 that makes calls fail.
const CALLS_TO_FIND_ONE: usize = 10;

pub(super) fn check(settled: &Settled<'_>, found: &mut Found) {
    let aws = &settled.world.aws;
    if aws.malformed > 0 {
        found.fails("malformed call", "too many records, or of two products");
    }
    let mut runs: BTreeMap<usize, Vec<&CallMade>> = BTreeMap::new();
    for call in &aws.calls {
        if let Some(by) = call.by {
            runs.entry(by.number).or_default().push(call);
        }
    }
    for (run, calls) in &runs {
        the_rate_is_kept(*run, calls, found);
        calls_are_filled(*run, calls, found);
        poison_is_found_in_ten(*run, calls, found);
    }
    runs_that_stop_have_found_poison(settled, &runs, found);
}

/// One submitter never makes more than ten calls a second. (Two may: AWS then
/// throttles one. That there are not two is the function's reserved concurrency.)
fn the_rate_is_kept(run: usize, calls: &[&CallMade], found: &mut Found) {
    let held_up = calls
        .iter()
        .any(|call| call.by.is_some_and(|by| by.held_up));
    let most = CALLS_A_SECOND + if held_up { HELD_UP } else { 0 };
    let second = SignedDuration::from_secs(1);
    let mut windows = calls.windows(most + 1);
    if windows.any(|calls| calls[most].at.duration_since(calls[0].at) < second) {
        found.fails(
            "too many calls",
            format!("task {run}: more than {most} within a second"),
        );
    }
}

/// n records of a product take ceil(n/25) calls: at most one of a run is not
/// full. That is true of the calls which no fault caused and no end of a
/// license: records of a license that is ending do not wait until a call is full.
fn calls_are_filled(run: usize, calls: &[&CallMade], found: &mut Found) {
    for second_product in [false, true] {
        let mut not_full = calls.iter().filter(|call| {
            call.second_product == second_product
                && call.cause == Cause::Due
                && call.records < MAX_RECORDS_PER_CALL
                && !call.ending
        });
        let (one, other) = (not_full.next(), not_full.next());
        if let (Some(one), Some(other)) = (one, other) {
            found.fails(
                "calls not filled",
                format!(
                    "task {run}: calls of {} and of {} records of one product",
                    one.records, other.records
                ),
            );
        }
    }
}

/// A run whose calls failed only for their records' sake sends no record again
/// in more than ten calls for each of those that are to blame.
fn poison_is_found_in_ten(run: usize, calls: &[&CallMade], found: &mut Found) {
    let failed = |call: &&&CallMade| call.end != CallEnd::Answered;
    if calls.iter().filter(failed).any(|call| call.poison == 0) {
        return;
    }
    let first = |call: &&&CallMade| call.cause == Cause::Due;
    let failed = calls.iter().filter(failed).filter(first);
    let poison: usize = failed.map(|call| call.poison).sum();
    let again = calls.iter().filter(|call| call.cause == Cause::Again);
    let again = again.count();
    if again > CALLS_TO_FIND_ONE * poison {
        found.fails(
            "poison delays",
            format!("task {run}: {again} extra calls for {poison} records to blame"),
        );
    }
}

/// A run that stops although only records are to blame has found one of them:
/// so that, of however many, all are set aside after as many runs.
fn runs_that_stop_have_found_poison(
    settled: &Settled<'_>,
    runs: &BTreeMap<usize, Vec<&CallMade>>,
    found: &mut Found,
) {
    for submitted in &settled.world.submitted {
        let stopped = submitted.run.is_some_and(|run| run.stopped);
        let Some(calls) = runs.get(&submitted.by.number).filter(|_| stopped) else {
            continue;
        };
        let failed = || calls.iter().filter(|call| call.end != CallEnd::Answered);
        let blames = CallEnd::Failed { blames: true };
        let only_records = failed().all(|call| call.end == blames && call.poison > 0);
        if only_records && !failed().any(|call| call.records == 1) {
            found.fails(
                "poison not found",
                format!(
                    "task {} stopped and has set nothing aside",
                    submitted.by.number
                ),
            );
        }
    }
}
