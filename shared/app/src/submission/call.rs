//! Making calls, and finding the record for whose sake AWS refuses one.

use domain::ledger::record::{Outcome, Record, RecordState, blames_a_record};
use domain::metering::{CallAnswer, CallFailure, MAX_RECORDS_PER_CALL, UsageRecord};
use store::usage::Written;

use super::Submitter;

/// A call's body stays well below AWS's 1 MB.
const MAX_CALL_BYTES: usize = 900_000;

/// Upper bounds of what a record and an allocation take in a call's JSON.
const RECORD_BYTES: usize = 600;
const ALLOCATION_BYTES: usize = 260;

impl Submitter<'_> {
    /// Counts another attempt of a record and takes it up for the next call. A
    /// record whose deadline has passed is closed instead.
    pub(super) async fn attempt(&mut self, record: &Record) {
        if self.close_past_deadline(record).await {
            return;
        }
        if let Some(attempted) = record.attempted(self.app.clock.now()) {
            self.count(attempted).await;
        }
    }

    /// Stores a counted attempt; only then may the record be sent.
    async fn count(&mut self, attempted: Record) {
        match self.app.store.replace_record(&attempted).await {
            Ok(Written::Committed) => self.ready.push_back(attempted),
            Ok(Written::Lost) => {}
            Err(error) => {
                self.run.failed += 1;
                tracing::error!(
                    license.id = %attempted.usage.license.id(),
                    usage.slot = %attempted.slot,
                    error = &error as &dyn std::error::Error,
                    "an attempt could not be counted; the record is not sent"
                );
            }
        }
    }

    /// Sends the next call's records, and halves the call if AWS refuses it
    /// whole for the sake of one.
    pub(super) async fn send_next(&mut self) {
        let mut calls = vec![self.next_call()];
        while let Some(call) = calls.pop() {
            if call.is_empty() || self.run.stopped {
                continue;
            }
            let usage: Vec<UsageRecord> = call.iter().map(|r| r.usage.clone()).collect();
            self.run.calls += 1;
            match self.app.marketplace.batch_meter_usage(&usage).await {
                Ok(answer) => self.settle_answer(call, &answer).await,
                Err(CallFailure::Refused(refusal))
                    if blames_a_record(&refusal) && call.len() > 1 =>
                {
                    tracing::warn!(
                        marketplace.refusal = %refusal,
                        records = call.len(),
                        "AWS refused a call for the sake of a record; halving it"
                    );
                    calls.extend(self.halves(call, CallFailure::Refused(refusal)).await);
                }
                Err(failure) => self.settle_failure(call, failure).await,
            }
        }
    }

    /// Settles a failure for every record of a call. Unless it was the fault of
    /// the only record, nothing more is sent in this run.
    async fn settle_failure(&mut self, call: Vec<Record>, failure: CallFailure) {
        let blamed = matches!(&failure, CallFailure::Refused(refusal) if blames_a_record(refusal));
        if !blamed {
            self.run.stopped = true;
            tracing::warn!(marketplace.failure = %failure, records = call.len(), "a call to AWS failed; sending pauses");
        }
        let outcome = Outcome::Failed(failure);
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

    /// A refused call's records in two halves, the refusal settled and another
    /// attempt counted for each.
    async fn halves(&mut self, call: Vec<Record>, failure: CallFailure) -> [Vec<Record>; 2] {
        let middle = call.len() / 2;
        let outcome = Outcome::Failed(failure);
        let mut halves = [Vec::new(), Vec::new()];
        for (n, record) in call.into_iter().enumerate() {
            let Some(answered) = self.settle_quietly(record, &outcome).await else {
                continue;
            };
            let Some(attempted) = answered.attempted_again(self.app.clock.now()) else {
                continue;
            };
            self.count(attempted).await;
            if let (Some(counted), Some(half)) = (
                self.ready.pop_back(),
                halves.get_mut(usize::from(n >= middle)),
            ) {
                half.push(counted);
            }
        }
        halves
    }

    /// Takes the next call's records: one alone if it must be, else up to 25
    /// within the size of a call.
    fn next_call(&mut self) -> Vec<Record> {
        let mut call: Vec<Record> = Vec::new();
        let mut bytes = 0;
        while let Some(next) = self.ready.front() {
            bytes += RECORD_BYTES + ALLOCATION_BYTES * next.usage.allocations.len();
            let full = call.len() >= MAX_RECORDS_PER_CALL || bytes > MAX_CALL_BYTES;
            if !call.is_empty() && (full || is_alone(next)) {
                break;
            }
            let alone = is_alone(next);
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
