//! Storing what AWS's answers make of records.

use domain::hour::after;
use domain::ledger::hold::Hold;
use domain::ledger::record::{Alarm, Outcome, Record, RecordState, Settlement};
use domain::license::LicenseEnd;
use domain::metering::Verdict;

use super::call::{CallEnd, settle_all};
use super::prepared::{Call, Ready, name_of};
use super::{AGAIN_AFTER, Submitter};
use crate::notice::Notice;
use crate::step::{RecordName, StepError, Written};
use crate::steps::Steps;

/// How often a settlement that met another writer is decided again.
const MAX_TRIES: usize = 10;

/// What became of a record of a call.
#[expect(
    clippy::large_enum_variant,
    reason = "there are 25 of a call, and nearly all are the large one"
)]
pub(super) enum Settled {
    /// It is stored.
    Stored {
        settlement: Settlement,
        /// The end of its license, if it has ended.
        end: Option<LicenseEnd>,
    },
    /// It could not be stored: the record counts as unanswered and is sent again.
    Failed { name: RecordName, error: StepError },
}

/// Stores what an attempt's outcome makes of a record.
pub(super) async fn settle(steps: &Steps, ready: Ready, outcome: &Outcome) -> Settled {
    let name = name_of(&ready.record);
    let end = ready.end;
    let stored = store_settlement(steps, ready.record, end.as_ref(), outcome).await;
    match stored {
        Ok(settlement) => Settled::Stored { settlement, end },
        Err(error) => Settled::Failed { name, error },
    }
}

async fn store_settlement(
    steps: &Steps,
    mut record: Record,
    end: Option<&LicenseEnd>,
    outcome: &Outcome,
) -> Result<Settlement, StepError> {
    let (license, slot, dimension) = name_of(&record);
    for _ in 0..MAX_TRIES {
        let settled = record.settle(outcome, end, steps.now());
        let replaced = steps.replace_record(settled.record.clone(), steps.nonce());
        if replaced.await? == Written::Committed {
            return Ok(settled);
        }
        record = steps
            .record(license.clone(), slot, dimension.clone())
            .await?
            .unwrap_or(record);
    }
    Err(StepError::Throttled)
}

impl Submitter<'_> {
    /// Takes in how a call ended: counts, tells, begins and ends holds. The
    /// calls that are to follow at once.
    pub(super) async fn take_in(&mut self, end: CallEnd) -> Vec<Call> {
        self.run.stopped |= end.stop;
        self.answered |= end.answered;
        let known = end
            .missing
            .is_some_and(|missing| !self.missing.insert(missing));
        self.found += usize::from(end.found && !known);
        for settled in end.settled {
            self.settled(settled).await;
        }
        end.halves
    }

    /// Settles records that were counted and then not sent: as AWS's own
    /// Unprocessed, no attempt of theirs is without an answer.
    pub(super) async fn put_back(&mut self, records: Vec<Ready>) {
        let not_sent = Outcome::Verdict(Verdict::Unprocessed);
        let outcomes = records.into_iter().map(|ready| (ready, not_sent.clone()));
        for settled in settle_all(self.steps, outcomes.collect()).await {
            self.settled(settled).await;
        }
    }

    async fn settled(&mut self, settled: Settled) {
        match settled {
            Settled::Failed { name, error } => self.passed_over(name, &error),
            Settled::Stored { settlement, end } => {
                self.count(&settlement);
                let held = self.held.contains(settlement.record.usage.license.id());
                self.hold_or_go_on(&settlement, end).await;
                // Of a license on hold a person has heard.
                let is_news = settlement.alarm != Some(Alarm::NotSubscribed) || !held;
                if let Some(alarm) = settlement.alarm.filter(|_| is_news) {
                    self.tell_of(alarm, settlement.record);
                }
            }
        }
    }

    fn count(&mut self, settlement: &Settlement) {
        match settlement.record.state {
            RecordState::Frozen { due, .. } => {
                self.due_next(due.max(after(self.steps.now(), AGAIN_AFTER)));
            }
            RecordState::Billed { .. } => self.run.billed += 1,
            RecordState::Closed { .. } => self.run.closed += 1,
        }
    }

    /// Begins a hold when AWS does not know the buyer of a live license as
    /// subscribed, and ends it when AWS accepts a record.
    async fn hold_or_go_on(&mut self, settlement: &Settlement, end: Option<LicenseEnd>) {
        let license = settlement.record.usage.license.id();
        let changed = match (&settlement.record.state, settlement.alarm) {
            (RecordState::Frozen { .. }, Some(Alarm::NotSubscribed)) if end.is_none() => {
                if !self.held.insert(license.clone()) {
                    return;
                }
                let hold = Hold::begin(license.clone(), self.steps.now());
                let begun = Notice::HoldBegan {
                    license: license.clone(),
                };
                self.steps.put_hold(hold).await.map(|put| (put, begun))
            }
            (RecordState::Billed { .. }, _) if self.held.remove(license) => {
                let ended = Notice::HoldEnded {
                    license: license.clone(),
                };
                self.steps
                    .end_hold(license.clone())
                    .await
                    .map(|put| (put, ended))
            }
            (
                RecordState::Frozen { .. }
                | RecordState::Billed { .. }
                | RecordState::Closed { .. },
                _,
            ) => return,
        };
        match changed {
            Ok((Written::Committed, notice)) => self.steps.tell(notice),
            Ok((Written::Lost, _)) => {}
            Err(error) => self.passed_over(name_of(&settlement.record), &error),
        }
    }

    pub(super) fn tell_of(&self, alarm: Alarm, record: Record) {
        self.steps.tell(Notice::Record {
            alarm,
            record: Box::new(record),
        });
    }

    /// Closes a record that is not to be sent again: its deadline has passed,
    /// or a restored table forgot what became of it.
    pub(super) async fn close(&mut self, record: Record) {
        let now = self.steps.now();
        let closed = if self.controls.slot_in_doubt(record.slot) {
            record.unknown(now)
        } else {
            record.given_up(now)
        };
        let stored = self
            .steps
            .replace_record(closed.record.clone(), self.steps.nonce());
        match stored.await {
            Ok(Written::Committed) => {
                self.count(&closed);
                if let Some(alarm) = closed.alarm {
                    self.tell_of(alarm, closed.record);
                }
            }
            Ok(Written::Lost) => {}
            Err(error) => self.passed_over(name_of(&record), &error),
        }
    }
}
