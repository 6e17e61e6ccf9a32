//! The `grace-expiry` function: records whatever fell due, every minute, and asks
//! AWS about the licenses of which something is to be asked.
//!
//! An account's state at an instant follows from its snapshot and the clock, so
//! a late run changes nobody's access; what it does is to record the end, audit
//! it, and tell the outside.

use app::App;
use app::expiry::ExpiryRun;
use jiff::Timestamp;
use runtime::metrics::{Metric, Metrics};
use runtime::payload::Unreadable;
use runtime::schedule;
use serde_json::{Value, json};
use store::StoreError;

/// Why a run did not take place, or not to its end.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The event is no schedule's.
    #[error("the event cannot be read: {0}")]
    Unreadable(Unreadable),
    /// What is due could not be read. The next run begins again.
    #[error("what is due could not be read")]
    Store(#[source] StoreError),
}

/// Records everything that fell due, as far as it gets before `deadline`, and
/// publishes what it did.
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
    let run = app.expire_due(deadline).await.map_err(RunError::Store)?;
    let now = app.clock.now();
    metrics.publish(&figures(&run, now), now);
    tracing::info!(
        schedule.due_at = scheduled.due_at.map(tracing::field::display),
        run.recorded = run.recorded,
        run.looked_at = run.looked_at,
        run.stale = run.stale,
        run.failed = run.failed,
        run.next = run.next.map(tracing::field::display),
        "Recorded what fell due"
    );
    Ok(json!({
        "recorded": run.recorded,
        "looked_at": run.looked_at,
        "stale": run.stale,
        "failed": run.failed,
        "next": run.next,
    }))
}

/// What a run that ended at `now` publishes. What it left behind is late.
pub fn figures(run: &ExpiryRun, now: Timestamp) -> [Metric; 4] {
    let late = run
        .next
        .map_or(0, |next| now.duration_since(next).as_secs());
    [
        Metric::count("expiry_runs", 1),
        Metric::count("ends_recorded", run.recorded),
        Metric::count("expiry_failures", run.failed),
        Metric::seconds("due_lag_seconds", late.try_into().unwrap_or(0)),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_behind_is_late_since_it_was_due_and_what_comes_is_not() {
        let now: Timestamp = "2026-11-22T10:00:00Z".parse().unwrap();
        let lag = |next: Option<&str>| {
            let run = ExpiryRun {
                next: next.map(|next| next.parse().unwrap()),
                ..ExpiryRun::default()
            };
            figures(&run, now)[3]
        };
        for (next, expected) in [
            (None, 0),
            (Some("2026-11-22T10:05:00Z"), 0),
            (Some("2026-11-22T09:40:00Z"), 1_200),
        ] {
            assert_eq!(lag(next), Metric::seconds("due_lag_seconds", expected));
        }
    }
}
