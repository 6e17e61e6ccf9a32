//! Storing what AWS's answers make of records.

use domain::ids::masked;
use domain::ledger::record::{Alarm, CloseReason, Outcome, Record, RecordState, Settlement};
use store::StoreError;
use store::usage::Written;

use super::Submitter;
use crate::Chain;

/// How often a settlement that met another writer is decided again.
const MAX_TRIES: usize = 10;

impl Submitter<'_> {
    /// Stores what an attempt's outcome makes of a record, and tells.
    pub(super) async fn settle(&mut self, record: Record, outcome: &Outcome) {
        let result = self.store_settlement(record.clone(), outcome).await;
        self.tell(&record, result);
    }

    /// Stores an answer that is not the last word: the record is sent again at
    /// once. `None` when it could not be stored.
    pub(super) async fn settle_quietly(
        &mut self,
        record: Record,
        outcome: &Outcome,
    ) -> Option<Record> {
        let state = record.state.clone();
        let mut settled = self.store_settlement(record.clone(), outcome).await;
        if let Ok(settlement) = &mut settled {
            settlement.alarm = None;
        }
        let stored = settled.as_ref().ok().map(|s| s.record.clone());
        if settled.is_err() {
            self.tell(&record, settled);
        }
        // In a call of several nothing is known of this one: it is not alone yet.
        stored.map(|stored| match stored.state {
            RecordState::Frozen { .. } => Record { state, ..stored },
            RecordState::Billed { .. } | RecordState::Closed { .. } => stored,
        })
    }

    /// Closes a record whose deadline has passed; `false` while it has not.
    pub(super) async fn close_past_deadline(&mut self, record: &Record) -> bool {
        let terms = match self.terms(record.usage.license.id()).await {
            Ok(terms) => terms,
            Err(error) => {
                self.tell(record, Err(error));
                return true;
            }
        };
        let end = terms.and_then(|terms| terms.end);
        let Some(closed) = record.past_deadline(end.as_ref(), self.app.clock.now()) else {
            return false;
        };
        let nonce = self.app.nonce();
        match self.app.store.replace_record(&closed.record, &nonce).await {
            Ok(Written::Committed) => self.tell(record, Ok(closed)),
            Ok(Written::Lost) => {}
            Err(error) => self.tell(record, Err(error)),
        }
        true
    }

    async fn store_settlement(
        &mut self,
        mut record: Record,
        outcome: &Outcome,
    ) -> Result<Settlement, StoreError> {
        let license = record.usage.license.id().clone();
        let end = self.terms(&license).await?.and_then(|terms| terms.end);
        for _ in 0..MAX_TRIES {
            let settled = record.settle(outcome, end.as_ref(), self.app.clock.now());
            let nonce = self.app.nonce();
            match self
                .app
                .store
                .replace_record(&settled.record, &nonce)
                .await?
            {
                Written::Committed => return Ok(settled),
                Written::Lost => {}
            }
            record = self
                .app
                .store
                .record(&license, record.slot, &record.usage.dimension)
                .await?
                .unwrap_or(record);
        }
        Err(StoreError::Throttled)
    }

    fn tell(&mut self, record: &Record, result: Result<Settlement, StoreError>) {
        match result {
            Ok(settlement) => {
                match settlement.record.state {
                    RecordState::Frozen { due, .. } => {
                        self.next = Some(self.next.map_or(due, |next| next.min(due)));
                    }
                    RecordState::Billed { .. } => self.run.billed += 1,
                    RecordState::Closed { .. } => self.run.closed += 1,
                }
                if let Some(alarm) = settlement.alarm {
                    raise(alarm, &settlement.record);
                }
            }
            Err(error) => {
                self.run.failed += 1;
                tracing::error!(
                    license.id = %record.usage.license.id(),
                    usage.slot = %record.slot,
                    usage.dimension = %record.usage.dimension,
                    error = %Chain(&error),
                    "an outcome could not be stored; the record counts as unanswered and is sent again"
                );
            }
        }
    }
}

/// Tells a person what they must hear of.
fn raise(alarm: Alarm, record: &Record) {
    let told = match alarm {
        Alarm::Poison => {
            "AWS refuses a record for its own sake; it is set aside and tried every 15 minutes until its deadline"
        }
        Alarm::NotSubscribed => {
            "AWS does not know the buyer of a live license as subscribed; its record is tried every 15 minutes"
        }
        Alarm::Clock => "AWS finds a timestamp out of bounds before its deadline: a clock is wrong",
        Alarm::Conflict => {
            "AWS holds another record for this hour: somebody else meters this license"
        }
        Alarm::Unknown => {
            "the deadline passed and it is not known whether AWS accepted the record; never send it again, find out"
        }
        Alarm::Refused => {
            "the deadline passed and AWS refused the record every time: its usage is not billed"
        }
    };
    let closed = match record.state {
        RecordState::Closed { reason, .. } => match reason {
            CloseReason::Refused => "refused",
            CloseReason::Conflict => "conflict",
            CloseReason::Unknown => "unknown",
        },
        RecordState::Frozen { .. } | RecordState::Billed { .. } => "",
    };
    tracing::error!(
        alarm = ?alarm,
        license.id = %record.usage.license.id(),
        marketplace.buyer = %masked(&record.usage.buyer),
        usage.slot = %record.slot,
        usage.dimension = %record.usage.dimension,
        usage.quantity = record.usage.quantity.get(),
        record.attempts = record.attempts,
        record.unanswered = record.unanswered,
        record.closed = closed,
        "{told}"
    );
}
