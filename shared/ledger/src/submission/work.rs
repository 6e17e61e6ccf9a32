//! What is due, and preparing the next call of it.

use std::collections::{BTreeSet, VecDeque};

use domain::hour::{Hour, after};
use domain::ids::LicenseId;
use domain::ledger::deadline::{accepted_until, closed_at, last_hour};
use domain::ledger::record::{RETRY_AFTER, Record, RecordState, TimeLeft};
use domain::ledger::slot::SlotState;
use domain::mutant;
use futures_util::stream::{self, StreamExt};
use jiff::Timestamp;

use super::prepared::{Call, Ready, name_of, next_call, room_in_call};
use super::{CONCURRENCY, Submitter};
use crate::notice::{Notice, chain};
use crate::step::{RecordName, StepError, Work, Written};

/// For how many hours before its last one an ended license may have a slot
/// that AWS still takes.
const FINAL_HOURS: i32 = 24;

/// What looking at a due record came to.
enum Looked {
    /// Its attempt is counted.
    Counted(Record),
    /// Its deadline has passed, or a restored table forgot what became of it.
    Over(Record),
    /// Nothing is to be done, or somebody else did it.
    Nothing,
    /// Its license is on hold, or its product is stopped.
    Waits(Record),
    /// Its deadline, this one, has passed, and it is too early to close it.
    PastDeadline(Timestamp),
    /// What was stored is not what was frozen.
    Changed,
}

impl Submitter<'_> {
    /// Fills the next call; `None` when nothing can be sent now.
    pub(super) async fn prepare(&mut self) -> Result<Option<Call>, StepError> {
        self.controls = self.steps.controls().await?;
        if self.records.is_empty() && self.slots.is_empty() && self.ask {
            self.ask_for_work().await?;
        }
        while !self.records.is_empty() && self.room() > 0 {
            self.take_up_records(self.room()).await;
        }
        while !self.slots.is_empty() && self.room() > 0 {
            self.take_up_slots(self.room()).await;
        }
        self.leave_out_missing(&mut VecDeque::new()).await;
        Ok(next_call(&mut self.ready, &mut self.passed_over))
    }

    /// How many more the next call takes, if there is time to look for them.
    fn room(&self) -> usize {
        if self.has_time() {
            room_in_call(&self.ready)
        } else {
            0
        }
    }

    /// Asks the work list what is due; again later, if it did not say all. The
    /// licenses that are ending first, then by the hour, and so by deadline.
    async fn ask_for_work(&mut self) -> Result<(), StepError> {
        let due = self.steps.due_work(self.steps.now()).await?;
        if let Some(next) = due.next {
            self.due_next(next);
        }
        self.ask = due.more;
        self.run.failed += self.steps.tell_unreadable(due.unreadable);
        let ending = self.steps.final_usage().await?;
        self.run.failed += self.steps.tell_unreadable(ending.unreadable);
        let ending: BTreeSet<LicenseId> = ending.items.into_iter().map(|one| one.license).collect();
        let mut records = due.records;
        let last = self.final_slots(&ending, &mut records).await;
        self.slots.extend(last);
        self.slots.extend(due.slots);
        self.slots.retain(|slot| !self.seen_slots.contains(slot));
        self.slots
            .make_contiguous()
            .sort_by_key(|(license, hour)| (!ending.contains(license), *hour));
        records.retain(|record| !self.seen_records.contains(record));
        records.sort_by(|a, b| {
            let order = |name: &RecordName| (!ending.contains(&name.0), name.1);
            order(a).cmp(&order(b)).then_with(|| a.cmp(b))
        });
        records.dedup();
        self.records.extend(records);
        if self.records.is_empty() && self.slots.is_empty() {
            self.ask = false;
        }
        self.try_held().await
    }

    /// The open slots of licenses that are ending, which do not wait for their
    /// usual time, and their frozen records, however long they were put off: of a
    /// license that was on hold, those of many hours are.
    async fn final_slots(
        &mut self,
        ending: &BTreeSet<LicenseId>,
        records: &mut Vec<RecordName>,
    ) -> Vec<(LicenseId, Hour)> {
        let mut slots = Vec::new();
        for license in ending {
            if let Err(error) = self.add_final_slots(license, &mut slots, records).await {
                self.run.failed += 1;
                self.steps.tell(Notice::FinalUsageFailed {
                    license: license.clone(),
                    reason: chain(&error),
                });
            }
        }
        slots
    }

    async fn add_final_slots(
        &mut self,
        license: &LicenseId,
        slots: &mut Vec<(LicenseId, Hour)>,
        records: &mut Vec<RecordName>,
    ) -> Result<(), StepError> {
        let Some(end) = self.terms(license).await?.and_then(|terms| terms.end) else {
            return Ok(());
        };
        let last = last_hour(&end);
        let hours = if mutant!(OnlyTheLastTwoHoursAreFinal) {
            1
        } else {
            FINAL_HOURS
        };
        let first = last.plus(-hours);
        let all = self.steps.slots(license.clone(), first, last.next());
        let all = all.await?;
        self.run.failed += self.steps.tell_unreadable(all.unreadable);
        for slot in all.items {
            if slot.head.state == SlotState::Open {
                slots.push((license.clone(), slot.head.hour));
            }
            let frozen = |r: &&Record| matches!(r.state, RecordState::Frozen { .. });
            records.extend(slot.records.iter().filter(frozen).map(name_of));
        }
        Ok(())
    }

    /// Counts another attempt of the next due records, as many as the call takes.
    async fn take_up_records(&mut self, missing: usize) {
        let names: Vec<RecordName> = self
            .records
            .drain(..missing.min(self.records.len()))
            .filter(|name| self.seen_records.insert(name.clone()))
            .collect();
        let this = &*self;
        let looks: Vec<_> = names
            .iter()
            .map(|name| this.look_at_or_put_off(name))
            .collect();
        let looked: Vec<_> = stream::iter(looks).buffered(CONCURRENCY).collect().await;
        for (name, looked) in names.into_iter().zip(looked) {
            match looked {
                Ok(looked) => self.took_up(name, looked).await,
                Err(error) => self.passed_over(name, &error),
            }
        }
    }

    async fn took_up(&mut self, name: RecordName, looked: Looked) {
        match looked {
            Looked::Counted(record) => match self.terms(&name.0).await {
                Ok(terms) => self.ready.push_back(Ready {
                    record,
                    end: terms.and_then(|terms| terms.end),
                }),
                // Counted and not sent: it stays unanswered, and is sent again.
                Err(error) => self.passed_over(name, &error),
            },
            Looked::Over(record) => self.close(record).await,
            Looked::Waits(record) => self.waits(&record.product, record.deadline),
            Looked::PastDeadline(deadline) => self.due_next(closed_at(deadline)),
            Looked::Changed => {
                self.run.failed += 1;
                self.steps.tell(Notice::RecordChanged { record: name });
            }
            Looked::Nothing => {}
        }
    }

    /// A record that cannot be read is not to be in the way of those that can.
    async fn look_at_or_put_off(&self, name: &RecordName) -> Result<Looked, StepError> {
        let looked = self.look_at(name).await;
        if let Err(error) = &looked {
            self.put_off_unreadable(Work::Record(name.clone()), error)
                .await;
        }
        looked
    }

    /// Reads a record that the index named, and counts another attempt of it.
    async fn look_at(&self, name: &RecordName) -> Result<Looked, StepError> {
        let steps = self.steps;
        let (license, slot, dimension) = name.clone();
        let Some(record) = steps.record(license.clone(), slot, dimension).await? else {
            return Ok(Looked::Nothing);
        };
        let now = steps.now();
        let RecordState::Frozen { due, .. } = record.state else {
            return Ok(Looked::Nothing);
        };
        let end = match self.terms.get(&license) {
            Some(terms) => terms.clone(),
            None => crate::posting::terms(steps, &license).await?,
        }
        .and_then(|terms| terms.end);
        // One that was put off for longer is tried every minute once its license ends.
        let soon = after(now, RETRY_AFTER);
        let waits = end.is_none() || due <= soon || mutant!(FinalRecordsStayPutOff);
        if due > now && waits {
            return Ok(Looked::Nothing);
        }
        let left = record.time_left(end.as_ref(), now);
        if self.is_in_doubt(slot) || left == TimeLeft::None {
            return Ok(Looked::Over(record));
        }
        if left == TimeLeft::PerhapsNone {
            self.put_off_in_the_way(Work::Record(name.clone())).await;
            return Ok(Looked::PastDeadline(accepted_until(
                record.usage.timestamp,
                end.as_ref(),
            )));
        }
        let missing = (record.product.clone(), record.usage.dimension.clone());
        let waits =
            end.is_none() && (self.held.contains(&license) || self.missing.contains(&missing));
        let is_intact = record.is_intact();
        if waits || self.controls.stopped.contains(&record.product) || !is_intact {
            let until = self.waits_until(&record.product, record.deadline);
            self.put_off(Work::Record(name.clone()), until).await;
            return Ok(if is_intact {
                Looked::Waits(record)
            } else {
                Looked::Changed
            });
        }
        let Some(attempted) = record.attempted_again(now) else {
            return Ok(Looked::Nothing);
        };
        let counted = steps.replace_record(attempted.clone(), steps.nonce());
        Ok(match counted.await? {
            Written::Committed => Looked::Counted(attempted),
            Written::Lost => Looked::Nothing,
        })
    }

    /// A record that cannot be read does not hold up the others.
    pub(super) fn passed_over(&mut self, record: RecordName, error: &StepError) {
        self.run.failed += 1;
        self.steps.tell(Notice::RecordFailed {
            record,
            reason: chain(error),
        });
    }
}
