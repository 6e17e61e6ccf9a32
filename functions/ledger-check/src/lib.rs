//! The `ledger-check` function: checks every hour that usage is conserved, from
//! the reports to AWS's verdicts, and that nothing lags.
//!
//! It changes nothing of the ledger. Each difference is logged as an alarm that
//! names the account-hour, or the license, dimension and hour; the sums of every
//! class are its answer and its metrics ([`figures`]). So is an account that pays
//! by its usage and whose hours are not reported any more.
//!
//! Then it sums up, of the accounts whose turn it is, the days of which nothing
//! can change any more: for the customers' pages, which read the summaries.

use app::{App, Conservation, Scope, StepError};
use domain::ids::AccountId;
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
    let silent = app.silent_accounts().await.map_err(RunError::Store)?;
    log_silent(&silent);
    let figures = figures(&found, silent.len());
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

/// How many of the accounts that are not reported any more are named in the log:
/// if all are, it is the product that does not report.
const MOST_NAMED: usize = 20;

fn log_silent(silent: &[AccountId]) {
    for account in silent.iter().take(MOST_NAMED) {
        tracing::error!(
            alarm = "ReportsStopped",
            account.id = %account,
            usage.silent = silent.len(),
            "an account pays by its usage and is not reported any more, not even as unused"
        );
    }
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

/// What a run publishes. Computer-hours are those of the hours looked at; `silent`
/// is how many accounts are not reported any more.
pub fn figures(found: &Conservation, silent: usize) -> [Metric; 23] {
    let Conservation { sums, .. } = found;
    let waiting = found.differences.waiting();
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
        // What only waits has alarms of its own: a hold for days hides no difference.
        Metric::count("differences", found.differences.count() - waiting),
        Metric::count("waits", waiting),
        Metric::count("accounts", found.accounts),
        Metric::count("unchecked_accounts", found.unchecked),
        Metric::seconds("cursor_lag_seconds", found.cursor_lag_seconds),
        Metric::seconds("marker_lag_seconds", found.marker_lag_seconds),
        Metric::seconds("oldest_unsettled_seconds", found.oldest_unsettled_seconds),
        Metric::count("silent_accounts", silent),
    ]
}

const fn count(name: &'static str, value: u64) -> Metric {
    Metric {
        name,
        unit: Unit::Count,
        value,
    }
}
