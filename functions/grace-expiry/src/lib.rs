//! The `grace-expiry` function: records whatever fell due, every minute, and asks
//! AWS about the licenses of which something is to be asked.
//!
//! An account's state at an instant follows from its snapshot and the clock, so
//! a late run changes nobody's access; what it does is to record the end, audit
//! it, and tell the outside.

use app::App;
use jiff::Timestamp;
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

/// Records everything that fell due, as far as it gets before `deadline`.
///
/// # Errors
/// See [`RunError`].
pub async fn handle(app: &App, payload: &Value, deadline: Timestamp) -> Result<Value, RunError> {
    let scheduled = schedule::from_payload(payload).map_err(RunError::Unreadable)?;
    let run = app.expire_due(deadline).await.map_err(RunError::Store)?;
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
