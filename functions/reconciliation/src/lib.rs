//! The `reconciliation` function: compares daily what we have billed with what
//! AWS has, by agreement, dimension and day; and from the 3rd of a month on, for
//! a week, last month's amounts with AWS's invoices.
//!
//! It reads AWS's data feeds and invoices, and sends nothing: a person looks at
//! what differs (`admin reconcile`) and sends what they agree to. Each difference
//! is an alarm in the log; so is what could not be compared, once a day and kind.
//! What was found of each day and month is kept, in place of what an earlier run
//! found. A run that does not reach every license is gone on with by the next one,
//! within the hour; one that finds the day's work done does nothing.

use app::App;
use app::reconciliation::{Came, Reconciled, ReconciledMonth, Sources};
use domain::hour::after;
use domain::reconciliation::amounts::{AmountFinding, AmountVerdict};
use domain::reconciliation::kept::Counts;
use jiff::{SignedDuration, Timestamp};
use runtime::metrics::{Metric, Metrics};
use runtime::payload::Unreadable;
use runtime::schedule;
use serde_json::{Map, Value};
use store::StoreError;

/// When an unfinished run is gone on with, at the latest.
const GOES_ON_WITHIN: SignedDuration = SignedDuration::from_hours(1);

/// Why a run did not take place, or not to its end.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The event is no schedule's.
    #[error("the event cannot be read: {0}")]
    Unreadable(Unreadable),
    /// The store failed. The next run goes on.
    #[error("our records could not be read, or what was found not be kept")]
    Store(#[source] StoreError),
}

/// Compares the days that are due by the clock, and a month if one is, as far as
/// it gets before `deadline`; keeps and publishes what it found. The answer has
/// `next` when there is more to do.
///
/// # Errors
/// See [`RunError`]. A difference is none, nor is AWS's silence.
pub async fn handle(
    app: &App,
    sources: &Sources,
    metrics: &Metrics,
    payload: &Value,
    deadline: Timestamp,
) -> Result<Value, RunError> {
    let scheduled = schedule::from_payload(payload).map_err(RunError::Unreadable)?;
    let now = app.clock.now();
    let days = app.reconcile_due_days(sources, deadline).await;
    let days = days.map_err(RunError::Store)?;
    let month = app.reconcile_due_month(sources, deadline).await;
    let month = month.map_err(RunError::Store)?;
    let left = left(&days).max(left(&month));
    let idle = days == Came::Nowhere && month == Came::Nowhere;
    let (days, month) = (compared(days).unwrap_or_default(), compared(month));
    let days = Reconciled {
        unreached: days.unreached.max(left),
        ..days
    };
    let figures = figures(&days, month.as_ref());
    if idle {
        metrics.publish(&[run()], now);
    } else {
        metrics.publish(&figures, now);
    }
    tracing::info!(
        schedule.due_at = scheduled.due_at.map(tracing::field::display),
        reconciliation.findings = days.findings.len(),
        reconciliation.unseen = days.unseen(),
        reconciliation.month = month.as_ref().map(|of| tracing::field::display(of.month)),
        "Compared our usage with AWS's"
    );
    let figures = figures.map(|figure| (figure.name.to_owned(), figure.value.into()));
    let mut answer = Map::from_iter(figures);
    if left > 0 {
        let next = after(now, GOES_ON_WITHIN).to_string();
        answer.insert("next".to_owned(), next.into());
    }
    Ok(Value::Object(answer))
}

const fn left<T>(came: &Came<T>) -> usize {
    match came {
        Came::SoFar { left } => *left,
        Came::Nowhere | Came::ToItsEnd(_) => 0,
    }
}

fn compared<T>(came: Came<T>) -> Option<T> {
    match came {
        Came::ToItsEnd(found) => Some(found),
        Came::Nowhere | Came::SoFar { .. } => None,
    }
}

/// What a run publishes: findings by dimension and day of use, amounts by agreement.
pub fn figures(days: &Reconciled, month: Option<&ReconciledMonth>) -> [Metric; 10] {
    let counts = Counts::of(&days.findings);
    let amounts = month.map_or(&[][..], |month| &month.amounts);
    let amounts = |is: fn(&AmountFinding) -> bool| amounts.iter().filter(|of| is(of)).count();
    [
        run(),
        Metric::count("usage_equal", counts.equal),
        Metric::count("usage_late", counts.late),
        Metric::count("usage_missing", counts.missing),
        Metric::count("usage_over", counts.over),
        Metric::count("usage_not_comparable", counts.not_comparable),
        Metric::count("unseen_licenses", days.unseen()),
        Metric::count(
            "amounts_missing",
            amounts(|of| matches!(of.verdict, AmountVerdict::Missing { .. })),
        ),
        Metric::count(
            "amounts_over",
            amounts(|of| matches!(of.verdict, AmountVerdict::Over { .. })),
        ),
        Metric::count(
            "amounts_not_comparable",
            amounts(|of| matches!(of.verdict, AmountVerdict::NotComparable { .. })),
        ),
    ]
}

/// That a run ended, also one with nothing to do.
fn run() -> Metric {
    Metric::count("reconciliation_runs", 1)
}
