//! The `usage-submission` function: freezes slots, submits their records to AWS
//! Marketplace and settles the answers, every minute, one at a time.
//!
//! A run does whatever is due by the clock, whichever event started it. Two
//! runs at once are safe; that there is only one keeps the calls below AWS's
//! limit of ten a second.

use app::{App, StepError, SubmissionRun};
use jiff::Timestamp;
use runtime::metrics::{Metric, Metrics};
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

/// Does what is due, as far as it gets before `deadline`, and publishes what it did.
///
/// # Errors
/// See [`RunError`].
pub async fn handle(
    app: &App,
    metrics: &Metrics,
    payload: &Value,
    deadline: Timestamp,
) -> Result<Value, RunError> {
    let scheduled = schedule::from_payload(payload).map_err(RunError::Unreadable)?;
    let run = app.submit_due(deadline).await.map_err(RunError::Store)?;
    let switched_off = app.controls().await.map_err(RunError::Store)?.stopped.len();
    metrics.publish(&figures(&run, switched_off), app.clock.now());
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

/// What a run publishes; `switched_off` is of how many products an operator stopped
/// the sending.
pub fn figures(run: &SubmissionRun, switched_off: usize) -> [Metric; 7] {
    [
        Metric::count("submission_runs", 1),
        Metric::count("calls", run.calls),
        Metric::count("calls_failed", usize::from(run.stopped)),
        Metric::count("records_accepted", run.billed),
        Metric::count("records_closed", run.closed),
        Metric::count("submission_failures", run.failed),
        Metric::count("products_switched_off", switched_off),
    ]
}
