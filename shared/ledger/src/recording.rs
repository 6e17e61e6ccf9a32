//! Recording a usage report.

use domain::mutant;
use domain::usage::report::{AcceptedReport, InvalidReport};
use domain::usage::{Part, Shard, UsageReport};

use crate::notice::Notice;
use crate::rules::Rules;
use crate::step::{Chunk, Marker, PutReport, ReportPart, StepError};
use crate::steps::Steps;

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
pub enum RecordError {
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
    Store(#[from] StepError),
}

/// Records a usage report: stores it, then makes sure that it will be posted.
/// What is acknowledged is never lost.
///
/// A report that is there already is not acknowledged early: its first
/// delivery may have ended between storing it and looking at the cursor. All
/// of its items are stored before any cursor is read: a part that was posted
/// already is marked again.
///
/// # Errors
/// [`RecordError`] says what is wrong with the report, or that it must be sent again.
pub async fn record_usage(
    steps: &Steps,
    rules: &Rules,
    report: &UsageReport,
) -> Result<Recorded, RecordError> {
    let now = steps.now();
    let account = steps
        .account(report.account.clone())
        .await?
        .ok_or(RecordError::UnknownAccount)?;
    let parts = account.parts.count_at(report.hour);
    let accepted = report.accept(parts, rules.report_chunk_bytes, now)?;
    if mutant!(CursorReadBeforeStoring) {
        let mut late = Vec::new();
        for part in accepted.parts.keys() {
            late.push((*part, is_late(steps, &accepted, *part).await?));
        }
        let recorded = store(steps, &accepted).await?;
        for (part, late) in late {
            if late {
                steps.put_marker(marker(steps, &accepted, part)).await?;
            }
        }
        return Ok(recorded);
    }
    let recorded = store(steps, &accepted).await?;
    if mutant!(RepeatedReportReturnsEarly) && recorded == Recorded::Again {
        return Ok(recorded);
    }
    let marked = if mutant!(SecondPartNotMarked) {
        1
    } else {
        accepted.parts.len()
    };
    for part in accepted.parts.keys().take(marked) {
        if is_late(steps, &accepted, *part).await? {
            steps.put_marker(marker(steps, &accepted, *part)).await?;
        }
    }
    Ok(recorded)
}

async fn store(steps: &Steps, report: &AcceptedReport) -> Result<Recorded, RecordError> {
    let mut recorded = Recorded::Again;
    for (part, chunks) in &report.parts {
        let of = u16::try_from(chunks.len()).unwrap_or(u16::MAX);
        for (number, observations) in (0..of).zip(chunks) {
            let stored = steps
                .put_report(ReportPart {
                    account: report.account.clone(),
                    hour: report.hour,
                    part: *part,
                    id: report.id.clone(),
                    chunk: Chunk { number, of },
                    fingerprint: report.fingerprint,
                    observations: observations.clone(),
                })
                .await?;
            match stored {
                PutReport::Stored => recorded = Recorded::New,
                PutReport::AlreadyStored => {}
                PutReport::Conflict => return Err(RecordError::Conflict),
            }
        }
    }
    Ok(recorded)
}

/// Whether the report's hour is sealed for the part. If the cursor cannot be
/// read it may be: the shard is posted by its markers until somebody mends it.
async fn is_late(steps: &Steps, report: &AcceptedReport, part: Part) -> Result<bool, StepError> {
    match steps.cursor(Shard::of(&report.account, part)).await {
        Ok(Some(cursor)) if mutant!(MarkerOnlyIfPosted) => Ok(report.hour <= cursor.posted),
        Ok(cursor) => Ok(cursor.is_some_and(|cursor| report.hour <= cursor.sealed)),
        Err(StepError::Corrupt(unreadable)) => {
            steps.tell(Notice::ItemUnreadable(unreadable));
            Ok(true)
        }
        Err(error) => Err(error),
    }
}

fn marker(steps: &Steps, report: &AcceptedReport, part: Part) -> Marker {
    Marker::fresh(steps, report.account.clone(), part, report.hour)
}
