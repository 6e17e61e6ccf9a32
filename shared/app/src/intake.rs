//! Recording a usage report.

use std::num::NonZeroU16;

use domain::usage::report::{AcceptedReport, InvalidReport};
use domain::usage::{Part, Shard, UsageReport};
use store::StoreError;
use store::usage::{Marker, PutReport};

use crate::App;

/// What recording a report did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Recorded {
    /// It is new.
    New,
    /// The same report was recorded before.
    Again,
}

/// Why a report was not recorded.
#[derive(Debug, thiserror::Error)]
pub enum IntakeError {
    /// No such account.
    #[error("account: no such account")]
    UnknownAccount,
    /// A field breaks a rule.
    #[error(transparent)]
    Invalid(#[from] InvalidReport),
    /// Another report has this id.
    #[error("report_id: another report with this id was recorded for the hour")]
    Conflict,
    /// Not known whether it was recorded: send it again.
    #[error("the report could not be stored")]
    Store(#[from] StoreError),
}

impl App {
    /// Records a usage report: stores it, then makes sure that it will be
    /// posted. What is acknowledged is never lost.
    ///
    /// A report that is there already is not acknowledged early: its first
    /// delivery may have ended between storing it and looking at the cursor.
    ///
    /// # Errors
    /// [`IntakeError`] says what is wrong with the report, or that it must be sent again.
    pub async fn record_usage(&self, report: &UsageReport) -> Result<Recorded, IntakeError> {
        let now = self.clock.now();
        let account = self
            .store
            .account(&report.account)
            .await?
            .ok_or(IntakeError::UnknownAccount)?;
        let parts: NonZeroU16 = account.parts.count_at(report.hour);
        let accepted = report.accept(parts, now)?;
        let mut recorded = Recorded::Again;
        for (part, observations) in &accepted.parts {
            let put = self
                .store
                .put_report(
                    &accepted.account,
                    accepted.hour,
                    *part,
                    &accepted.id,
                    accepted.fingerprint,
                    observations,
                )
                .await?;
            match put {
                PutReport::Stored => recorded = Recorded::New,
                PutReport::AlreadyStored => {}
                PutReport::Conflict => return Err(IntakeError::Conflict),
            }
        }
        for part in accepted.parts.keys() {
            self.mark_if_late(&accepted, *part).await?;
        }
        Ok(recorded)
    }

    /// Puts a late marker if the report's hour is sealed.
    async fn mark_if_late(&self, report: &AcceptedReport, part: Part) -> Result<(), StoreError> {
        let shard = Shard::of(&report.account, part);
        let cursor = self.store.cursor(shard).await?;
        if cursor.is_some_and(|cursor| report.hour <= cursor.sealed) {
            self.store
                .put_marker(&Marker {
                    account: report.account.clone(),
                    part,
                    hour: report.hour,
                    nonce: self.nonce(),
                })
                .await?;
        }
        Ok(())
    }

    /// A text that was never used before.
    pub(crate) fn nonce(&self) -> String {
        format!("{:032x}", self.clock.random())
    }
}
