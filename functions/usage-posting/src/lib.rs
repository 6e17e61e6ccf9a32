//! The `usage-posting` function: closes hours and posts them onto the slots of
//! the licenses that pay, every minute.
//!
//! A run does whatever is due by the clock, whichever event started it: a missed
//! run is made up by the next, and any number of runs may overlap.

use app::{App, PostingRun, StepError};
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
    #[error("what is due could not be read or raised")]
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
    let run = app.post_due(deadline).await.map_err(RunError::Store)?;
    metrics.publish(&figures(&run), app.clock.now());
    tracing::info!(
        schedule.due_at = scheduled.due_at.map(tracing::field::display),
        run.account_hours = run.account_hours,
        run.failed = run.failed,
        run.posted = %run.posted,
        run.next = %run.next,
        "Posted usage onto slots"
    );
    Ok(json!({
        "account_hours": run.account_hours,
        "failed": run.failed,
        "posted": run.posted,
        "next": run.next,
    }))
}

/// What a run publishes.
pub fn figures(run: &PostingRun) -> [Metric; 3] {
    [
        Metric::count("posting_runs", 1),
        Metric::count("account_hours", run.account_hours),
        Metric::count("posting_failures", run.failed),
    ]
}
