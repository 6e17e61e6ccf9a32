//! Making calls, and finding the record for whose sake one fails.

use domain::ledger::record::{Outcome, Record, RecordState, blames_a_record};
use domain::metering::{
    CallAnswer, CallFailure, MAX_RECORDS_PER_CALL, NoAnswer, Refusal, UsageRecord, Verdict,
};
use store::usage::Written;

use super::Submitter;
use crate::Chain;

/// A call's body stays well below AWS's 1 MB.
const MAX_CALL_BYTES: usize = 900_000;

/// Upper bounds of what a record and an allocation take in a call's JSON.
const RECORD_BYTES: usize = 600;
const ALLOCATION_BYTES: usize = 260;

/// How many calls a run spends on finding the records that make calls fail.
/// Ten find one among 25: two for each time that the call is halved.
const MAX_EXTRA_CALLS: usize = 10;

/// What is to be done after a failed call.
enum After {
    /// Send its halves: one of its records makes it fail.
    Halve,
    /// Go on with other calls: its only record made it fail.
    GoOn,
    /// Send no more in this run.
    Stop,
}

impl Submitter<'_> {
    /// Counts another attempt of a record and takes it up for the next call. A
    /// record whose deadline has passed is closed instead.
    pub(super) async fn attempt(&mut self, record: &Record) {
        if !record.is_intact() {
            self.run.failed += 1;
            tracing::error!(
                license.id = %record.usage.license.id(),
                usage.slot = %record.slot,
                usage.dimension = %record.usage.dimension,
                "a frozen record is not what was frozen; it is not sent"
            );
            return;
        }
        if self.close_past_deadline(record).await {
            return;
        }
        if let Some(attempted) = record.attempted(self.app.clock.now())
            && let Some(counted) = self.count(attempted).await
        {
            self.ready.push_back(counted);
        }
    }

    /// Stores a counted attempt; only then may the record be sent.
    async fn count(&mut self, attempted: Record) -> Option<Record> {
        let nonce = self.app.nonce();
        match self.app.store.replace_record(&attempted, &nonce).await {
            Ok(Written::Committed) => Some(attempted),
            Ok(Written::Lost) => None,
            Err(error) => {
                self.run.failed += 1;
                tracing::error!(
                    license.id = %attempted.usage.license.id(),
                    usage.slot = %attempted.slot,
                    error = %Chain(&error),
                    "an attempt could not be counted; the record is not sent"
                );
                None
            }
        }
    }

    /// Sends the next call's records. A call that fails for the sake of one of
    /// them is halved until that one is alone.
    pub(super) async fn send_next(&mut self) {
        let mut calls = vec![self.next_call()];
        while let Some(call) = calls.pop() {
            if call.is_empty() {
                continue;
            }
            if self.run.stopped {
                self.put_back(call).await;
                continue;
            }
            let usage: Vec<UsageRecord> = call.iter().map(|r| r.usage.clone()).collect();
            self.run.calls += 1;
            match self.app.marketplace.batch_meter_usage(&usage).await {
                Ok(answer) => self.settle_answer(call, &answer).await,
                Err(failure) => match self.after(&call, &failure) {
                    After::Halve => {
                        self.extra_calls += 2;
                        calls.extend(self.halves(call, failure).await);
                    }
                    After::GoOn => self.settle_failure(call, failure).await,
                    After::Stop => {
                        self.run.stopped = true;
                        self.settle_failure(call, failure).await;
                    }
                },
            }
        }
    }

    /// Settles records that were counted and then not sent: as AWS's own
    /// Unprocessed, no attempt of theirs is without an answer.
    pub(super) async fn put_back(&mut self, call: Vec<Record>) {
        let not_sent = Outcome::Verdict(Verdict::Unprocessed);
        for record in call {
            self.settle(record, &not_sent).await;
        }
    }

    /// What follows on a failed call. A server error is a record's fault only
    /// the second time: the first may be AWS's own.
    fn after(&self, call: &[Record], failure: &CallFailure) -> After {
        let blamed = match failure {
            CallFailure::Refused(refusal) => blames_a_record(refusal),
            CallFailure::NoAnswer(NoAnswer::ServerError(_)) => {
                call.iter().any(|record| record.unanswered > 1)
            }
            CallFailure::NoAnswer(
                NoAnswer::TimedOut | NoAnswer::Connection | NoAnswer::NotUnderstood,
            ) => false,
        };
        match (blamed, call.len()) {
            (true, 1) => After::GoOn,
            (true, _) if self.extra_calls < MAX_EXTRA_CALLS => After::Halve,
            (true | false, _) => After::Stop,
        }
    }

    async fn settle_failure(&mut self, call: Vec<Record>, failure: CallFailure) {
        let alone = call.len() == 1;
        match &failure {
            CallFailure::Refused(
                Refusal::AccessDenied | Refusal::DisabledApi | Refusal::InvalidProductCode,
            ) => tracing::error!(
                alarm = "CallsRefused",
                marketplace.failure = %failure,
                "AWS refuses every call: nothing is metered until a person mends it"
            ),
            CallFailure::Refused(_) | CallFailure::NoAnswer(_) => tracing::warn!(
                marketplace.failure = %failure,
                records = call.len(),
                stopped = self.run.stopped,
                "a call to AWS failed"
            ),
        }
        let outcome = Outcome::Failed { failure, alone };
        for record in call {
            self.settle(record, &outcome).await;
        }
    }

    async fn settle_answer(&mut self, call: Vec<Record>, answer: &CallAnswer) {
        for record in call {
            let key = record.usage.key();
            let outcome = answer
                .verdicts
                .iter()
                .find(|(echoed, _)| *echoed == key)
                .map_or(Outcome::NotMentioned, |(_, verdict)| {
                    Outcome::Verdict(verdict.clone())
                });
            self.settle(record, &outcome).await;
        }
    }

    /// A failed call's records in two halves, the failure settled and another
    /// attempt counted for each.
    async fn halves(&mut self, call: Vec<Record>, failure: CallFailure) -> [Vec<Record>; 2] {
        tracing::warn!(
            marketplace.failure = %failure,
            records = call.len(),
            "a call failed for the sake of a record; halving it"
        );
        let middle = call.len() / 2;
        let outcome = Outcome::Failed {
            failure,
            alone: false,
        };
        let (mut first, mut second) = (Vec::new(), Vec::new());
        for (n, record) in call.into_iter().enumerate() {
            let Some(settled) = self.settle_quietly(record, &outcome).await else {
                continue;
            };
            let Some(attempted) = settled.attempted_again(self.app.clock.now()) else {
                continue;
            };
            let half = if n < middle { &mut first } else { &mut second };
            half.extend(self.count(attempted).await);
        }
        [first, second]
    }

    /// Takes the next call's records, of one product: one alone if it must be,
    /// else up to 25 within the size of a call.
    fn next_call(&mut self) -> Vec<Record> {
        let mut call: Vec<Record> = Vec::new();
        let mut bytes = 0;
        while let Some(next) = self.ready.front() {
            bytes += RECORD_BYTES + ALLOCATION_BYTES * next.usage.allocations.len();
            let alone = is_alone(next);
            let fits = call.first().is_none_or(|first| {
                !alone
                    && first.product == next.product
                    && call.len() < MAX_RECORDS_PER_CALL
                    && bytes <= MAX_CALL_BYTES
            });
            if !fits {
                break;
            }
            call.extend(self.ready.pop_front());
            if alone {
                break;
            }
        }
        call
    }
}

fn is_alone(record: &Record) -> bool {
    matches!(record.state, RecordState::Frozen { alone: true, .. })
}
