//! The `catching-up` function: every hour, looks at the agreements that AWS
//! lists and repairs what undelivered events left wrong.
//!
//! Events that could not be delivered for a day are given up and never sent
//! again. An hour is how long a lost end may go unnoticed: as long as AWS takes
//! a license's last usage.

use app::App;
use app::catching_up::{CatchUpError, Found, Scope};
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
    /// AWS or the store failed. The next run looks at the same again.
    #[error("the agreements could not be looked at")]
    CatchUp(#[source] CatchUpError),
}

/// Looks at the agreements that changed, once a day at all, as far as it gets
/// before `deadline`, and publishes what it did.
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
    let run = app
        .catch_up(Scope::Scheduled, Found::Learned, deadline)
        .await
        .map_err(RunError::CatchUp)?;
    let figures = figures(run.listed, run.repaired.len(), run.failed + run.unreadable);
    metrics.publish(&figures, app.clock.now());
    if !run.finished {
        tracing::error!(
            alarm = "AgreementsUnchecked",
            run.listed = run.listed,
            "the time did not suffice to look at all agreements; the next run begins again"
        );
    }
    tracing::info!(
        schedule.due_at = scheduled.due_at.map(tracing::field::display),
        run.listed = run.listed,
        run.repaired = run.repaired.len(),
        run.failed = run.failed,
        run.unreadable = run.unreadable,
        "Looked at AWS's agreements"
    );
    Ok(json!({
        "listed": run.listed,
        "repaired": run.repaired.len(),
        "failed": run.failed,
        "unreadable": run.unreadable,
        "finished": run.finished,
    }))
}

/// What a run publishes.
pub fn figures(listed: usize, repaired: usize, failed: usize) -> [Metric; 4] {
    [
        Metric::count("catching_up_runs", 1),
        Metric::count("agreements_listed", listed),
        Metric::count("licenses_repaired", repaired),
        Metric::count("agreements_failed", failed),
    ]
}
