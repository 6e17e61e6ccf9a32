//! The `usage-submission` function: freezes slots, submits their records to AWS
//! Marketplace and settles the answers, every minute, one at a time.
//!
//! A run does whatever is due by the clock, whichever event started it. Two
//! runs at once are safe; that there is only one keeps the calls below AWS's
//! limit of ten a second.

use app::{App, StepError};
use jiff::Timestamp;
use runtime::payload::Unreadable;
use runtime::schedule;
use serde_json::{Value, json};

/// Why a run did not take place, or not to its end.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The event is no schedule's.
    #[error("the event cannot be read: {0}")]
    Unreadable(Unreadable),
    /// The store failed. The next run goes on where this one ended.
    #[error("the work list could not be read")]
    Store(#[source] StepError),
}

/// Does what is due, as far as it gets before `deadline`.
///
/// # Errors
/// See [`RunError`].
pub async fn handle(app: &App, payload: &Value, deadline: Timestamp) -> Result<Value, RunError> {
    let scheduled = schedule::from_payload(payload).map_err(RunError::Unreadable)?;
    let run = app.submit_due(deadline).await.map_err(RunError::Store)?;
    tracing::info!(
        schedule.due_at = scheduled.due_at.map(tracing::field::display),
        run.frozen = run.frozen,
        run.carried = run.carried,
        run.calls = run.calls,
        run.billed = run.billed,
        run.closed = run.closed,
        run.failed = run.failed,
        run.stopped = run.stopped,
        run.next = run.next.map(tracing::field::display),
        "Submitted usage to AWS Marketplace"
    );
    Ok(json!({
        "frozen": run.frozen,
        "carried": run.carried,
        "calls": run.calls,
        "billed": run.billed,
        "closed": run.closed,
        "failed": run.failed,
        "stopped": run.stopped,
        "next": run.next,
    }))
}
