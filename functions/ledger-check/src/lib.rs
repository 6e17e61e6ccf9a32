//! The `ledger-check` function: checks every hour that usage is conserved, from
//! the reports to AWS's verdicts, and that nothing lags.
//!
//! It changes nothing of the ledger. Each difference is logged as an alarm that
//! names the account-hour, or the license, dimension and hour; the sums of every
//! class are its answer and its metrics ([`figures`]).
//!
//! Then it sums up, of the accounts whose turn it is, the days of which nothing
//! can change any more: for the customers' pages, which read the summaries.

use app::{App, Conservation, Scope, StepError};
use jiff::Timestamp;
use runtime::metrics::{Metric, Metrics, Unit};
use runtime::payload::Unreadable;
use runtime::schedule;
use serde_json::{Map, Value};
use store::StoreError;

/// Why a run did not take place, or not to its end.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The event is no schedule's.
    #[error("the event cannot be read: {0}")]
    Unreadable(Unreadable),
    /// The store failed. The next run looks at the hours that follow.
    #[error("the ledger could not be read")]
    Store(#[source] StepError),
    /// The store failed when days were summed up. They are tried again in a day.
    #[error("the days that are over could not be summed up")]
    SumUp(#[source] StoreError),
}

/// Checks the hours that are due by the clock, as far as it gets before
/// `deadline`, and publishes what it found.
///
/// # Errors
/// See [`RunError`]. A difference is none.
pub async fn handle(
    app: &App,
    metrics: &Metrics,
    payload: &Value,
    deadline: Timestamp,
) -> Result<Value, RunError> {
    let scheduled = schedule::from_payload(payload).map_err(RunError::Unreadable)?;
    let now = app.clock.now();
    let scope = Scope::of_run(now, app.settings.rules.carry.hours);
    let found = app
        .check_conservation(&scope, deadline)
        .await
        .map_err(RunError::Store)?;
    let figures = figures(&found);
    metrics.publish(&figures, now);
    if found.unchecked > 0 {
        tracing::error!(
            alarm = "LedgerUnchecked",
            check.accounts = found.accounts,
            check.unchecked = found.unchecked,
            "accounts were left unchecked: the time did not suffice, or too many differ"
        );
    }
    tracing::info!(
        schedule.due_at = scheduled.due_at.map(tracing::field::display),
        check.accounts = found.accounts,
        check.unchecked = found.unchecked,
        check.differences = found.differences.count(),
        "Checked that usage is conserved"
    );
    sum_up_days(app, deadline).await?;
    let figures = figures.map(|figure| (figure.name.to_owned(), figure.value.into()));
    Ok(Value::Object(Map::from_iter(figures)))
}

async fn sum_up_days(app: &App, deadline: Timestamp) -> Result<(), RunError> {
    let done = app.sum_up_days(deadline).await.map_err(RunError::SumUp)?;
    tracing::info!(
        summing_up.days = done.days,
        summing_up.left = done.left,
        summing_up.unseen = done.unseen,
        "Summed up the days that are over"
    );
    Ok(())
}

/// What a run publishes. Computer-hours are those of the hours looked at.
pub fn figures(found: &Conservation) -> [Metric; 21] {
    let Conservation { sums, .. } = found;
    let (written_off, closed) = (sums.written_off, sums.closed);
    [
        count("reported", sums.reported),
        count("lines", sums.lines),
        count("released", sums.released),
        count("unbillable", sums.unbillable),
        count("open", sums.open),
        count("frozen", sums.frozen),
        count("billed", sums.billed),
        count("included", sums.included),
        count("written_off_license_ended", written_off.license_ended),
        count("written_off_too_late", written_off.too_late),
        count("written_off_restored", written_off.restored),
        count("written_off_not_accepted", written_off.not_accepted),
        count("closed_refused", closed.refused),
        count("closed_conflict", closed.conflict),
        count("closed_unknown", closed.unknown),
        count("differences", found.differences.count() as u64),
        count("accounts", found.accounts as u64),
        count("unchecked_accounts", found.unchecked as u64),
        seconds("cursor_lag_seconds", found.cursor_lag_seconds),
        seconds("marker_lag_seconds", found.marker_lag_seconds),
        seconds("oldest_unsettled_seconds", found.oldest_unsettled_seconds),
    ]
}

const fn count(name: &'static str, value: u64) -> Metric {
    Metric {
        name,
        unit: Unit::Count,
        value,
    }
}

const fn seconds(name: &'static str, value: u64) -> Metric {
    Metric {
        name,
        unit: Unit::Seconds,
        value,
    }
}
