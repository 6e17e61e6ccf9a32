//! The steps of the ledger's procedures, as far as they are the store's.

use std::sync::Arc;

use domain::metering::UsageRecord;
use jiff::Timestamp;
use ledger::{Answer, Step, StepError, Written};

use crate::subscriptions::CommitOutcome;
use crate::{Store, StoreError};

/// Why the store did not answer a step.
#[derive(Debug)]
pub enum Unanswered {
    /// It failed.
    Failed(StepError),
    /// It is not the store's: these records are to be sent to AWS.
    Send(Vec<UsageRecord>),
    /// It is not the store's: an instant is to be waited for.
    Wait(Timestamp),
}

impl From<StoreError> for Unanswered {
    fn from(error: StoreError) -> Self {
        Self::Failed(error.into())
    }
}

impl Store {
    /// Performs a step of a procedure, at this instant.
    ///
    /// # Errors
    /// [`Unanswered::Failed`] when there is no answer; a write may then have
    /// been made. What is not the store's to do is handed back.
    pub async fn perform(&self, step: Step, now: Timestamp) -> Result<Answer, Unanswered> {
        Ok(match step {
            Step::ReadCursor { shard } => Answer::ReadCursor(self.cursor(shard).await?),
            Step::ReadCursors {} => Answer::ReadCursors(self.cursors().await?),
            Step::RaiseCursors {
                edge,
                shards,
                hour,
                posted_before,
            } => Answer::RaiseCursors(
                self.raise_cursors(edge, &shards, hour, posted_before)
                    .await?,
            ),
            Step::ReadMarkers {} => Answer::ReadMarkers(self.markers().await?),
            Step::HasMarker {
                account,
                part,
                hour,
            } => Answer::HasMarker(self.has_marker(&account, part, hour).await?),
            Step::PutMarker { marker } => Answer::PutMarker(self.put_marker(&marker).await?),
            Step::DeleteMarker { marker } => {
                Answer::DeleteMarker(self.delete_marker(&marker).await?)
            }
            Step::StoreReport { report } => Answer::StoreReport(self.put_report(&report).await?),
            Step::ListReportedParts { shard, hour } => {
                Answer::ListReportedParts(self.reported_parts(shard, hour).await?)
            }
            Step::ListReports {
                account,
                part,
                hour,
            } => Answer::ListReports(self.reports(&account, part, hour).await?),
            Step::ReadAccountHour {
                account,
                part,
                hour,
            } => Answer::ReadAccountHour(self.account_hour(&account, part, hour).await?),
            Step::Post { hour, slots } => Answer::Post(self.post(&hour, &slots, now).await?),
            Step::ReadSlotHead { license, hour } => {
                Answer::ReadSlotHead(self.slot_head(&license, hour).await?)
            }
            Step::ReadSlot { license, hour } => Answer::ReadSlot(self.slot(&license, hour).await?),
            Step::ReadSlots {
                license,
                from,
                until,
            } => Answer::ReadSlots(self.listed_slots(&license, from, until).await?),
            Step::OpenSlot { license, hour, due } => {
                Answer::OpenSlot(self.open_slot(&license, hour, due).await?)
            }
            Step::FreezeSlot { freeze } => Answer::FreezeSlot(self.freeze(&freeze).await?),
            Step::CarrySlot { carry } => Answer::CarrySlot(self.carry(&carry).await?),
            Step::CloseSlot { head, reason, at } => {
                Answer::CloseSlot(self.close_slot(&head, reason, at).await?)
            }
            Step::ReadRecord {
                license,
                slot,
                dimension,
            } => Answer::ReadRecord(self.record(&license, slot, &dimension).await?),
            Step::ReplaceRecord { record, nonce } => {
                Answer::ReplaceRecord(self.replace_record(&record, &nonce).await?)
            }
            Step::ReadDueWork { now } => Answer::ReadDueWork(self.due_work(now).await?),
            Step::PutOff { work, now, until } => {
                Answer::PutOff(self.put_off(&work, now, until).await?)
            }
            Step::ListUnknown {} => Answer::ListUnknown(self.unknown_records().await?),
            Step::ListFinalUsage {} => Answer::ListFinalUsage(self.final_usage().await?),
            Step::BeginFinalUsage { ending, now } => {
                Answer::BeginFinalUsage(self.begin_final_usage(&ending, now).await?)
            }
            Step::EndFinalUsage { ending } => {
                Answer::EndFinalUsage(self.end_final_usage(&ending).await?)
            }
            Step::ListHolds {} => Answer::ListHolds(self.holds().await?),
            Step::ReadHold { license } => Answer::ReadHold(self.hold(&license).await?),
            Step::PutHold { hold } => Answer::PutHold(self.put_hold(&hold).await?),
            Step::EndHold { license } => Answer::EndHold(self.end_hold(&license).await?),
            Step::ReadControls {} => Answer::ReadControls(self.controls().await?),
            Step::PutControls { controls } => {
                Answer::PutControls(self.put_controls(&controls).await?)
            }
            Step::ReadIncluded { license } => Answer::ReadIncluded(self.included(&license).await?),
            Step::PutIncluded { included } => {
                Answer::PutIncluded(self.put_included(&included).await?)
            }
            Step::ReadAccount { account } => {
                Answer::ReadAccount(self.account(&account).await?.map(Arc::new))
            }
            Step::ReadLicense { license } => {
                Answer::ReadLicense(self.license(&license).await?.map(Arc::new))
            }
            Step::ReadLinksOfAccount {
                account,
                from,
                until,
            } => Answer::ReadLinksOfAccount(self.links_of_account(&account, from, until).await?),
            Step::ReadLinksOfLicense {
                license,
                from,
                until,
            } => Answer::ReadLinksOfLicense(self.links_of_license(&license, from, until).await?),
            Step::CommitChange { change } => {
                Answer::CommitChange(written(self.commit(&change).await?))
            }
            Step::Send { records } => return Err(Unanswered::Send(records)),
            Step::Wait { until } => return Err(Unanswered::Wait(until)),
        })
    }
}

fn written(outcome: CommitOutcome) -> Written {
    match outcome {
        CommitOutcome::Committed => Written::Committed,
        CommitOutcome::Lost => Written::Lost,
    }
}
