//! The `reconciliation` function: compares daily what we have billed with what
//! AWS has, by agreement, dimension and day; and from the 3rd of a month on, for
//! a week, last month's amounts with AWS's invoices.
//!
//! It reads AWS's data feeds and invoices, and sends nothing: a person looks at
//! what differs (`admin reconcile`) and sends what they agree to. Each difference
//! is an alarm in the log; what could not be compared is one too, once a run.
//! What was found of each day is kept, in place of what an earlier run found.

use std::collections::BTreeSet;

use app::App;
use app::reconciliation::{
    Reconciled, ReconciledMonth, Sources, days_of_run, log_differences, month_of_run,
};
use domain::hour::after;
use domain::reconciliation::amounts::{AmountFinding, AmountVerdict};
use domain::reconciliation::kept::Counts;
use domain::reconciliation::{FeedOfDay, end_of};
use jiff::{SignedDuration, Timestamp};
use runtime::metrics::{Metric, Metrics};
use runtime::payload::Unreadable;
use runtime::schedule;
use serde_json::{Map, Value};
use store::StoreError;

/// Within what time after a day its feed is to come.
const FEED_COMES_WITHIN: SignedDuration = SignedDuration::from_hours(24);

/// Why a run did not take place, or not to its end.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The event is no schedule's.
    #[error("the event cannot be read: {0}")]
    Unreadable(Unreadable),
    /// The store failed. The next run looks at the same days, but for the first.
    #[error("our records could not be read, or what was found not be kept")]
    Store(#[source] StoreError),
}

/// Compares the days that are due by the clock, and a month if one is, as far as
/// it gets before `deadline`; keeps and publishes what it found.
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
    let days = app
        .reconcile(sources, days_of_run(now), deadline)
        .await
        .map_err(RunError::Store)?;
    for day in days.kept(now) {
        let kept = app.store.put_reconciled_day(&day).await;
        kept.map_err(RunError::Store)?;
    }
    log_differences(&days.findings);
    log_not_compared(&days, now);
    let month = match month_of_run(now) {
        None => None,
        Some(month) => {
            let compared = app.reconcile_month(sources, month, deadline).await;
            Some(compared.map_err(RunError::Store)?)
        }
    };
    if let Some(month) = &month {
        log_amounts(month);
    }
    let figures = figures(&days, month.as_ref());
    metrics.publish(&figures, now);
    tracing::info!(
        schedule.due_at = scheduled.due_at.map(tracing::field::display),
        reconciliation.findings = days.findings.len(),
        reconciliation.unseen = days.unreached + days.unreadable,
        reconciliation.month = month.as_ref().map(|of| tracing::field::display(of.month)),
        "Compared our usage with AWS's"
    );
    let figures = figures.map(|figure| (figure.name.to_owned(), figure.value.into()));
    Ok(Value::Object(Map::from_iter(figures)))
}

/// What kept whole days, rows or licenses from being compared. Where there was
/// nothing to compare, nobody need hear of it.
fn log_not_compared(found: &Reconciled, now: Timestamp) {
    if found.findings.is_empty() && found.is_whole() {
        return;
    }
    let mut said = BTreeSet::new();
    for (day, feed) in &found.days {
        let reason = match feed {
            FeedOfDay::Delivered | FeedOfDay::NotEnrolled => continue,
            // A feed is generated within a day.
            FeedOfDay::NotDelivered if now < after(end_of(*day), FEED_COMES_WITHIN) => continue,
            FeedOfDay::NotDelivered => "nothing was delivered since the day's end",
            FeedOfDay::Unread { reason } => reason.as_str(),
        };
        if said.insert(reason) {
            tracing::error!(
                alarm = "DataFeedUnread",
                usage.day = %day,
                error = reason,
                "usage of this day, and perhaps of those after, was not compared with AWS's"
            );
        }
    }
    if found.unreadable_rows > 0 {
        tracing::error!(
            alarm = "DataFeedUnread",
            feed.rows = found.unreadable_rows,
            "rows of AWS's data feed cannot be read; what they may be about was not compared"
        );
    }
    if !found.is_whole() {
        tracing::error!(
            alarm = "LicensesNotCompared",
            reconciliation.unreached = found.unreached,
            reconciliation.unreadable = found.unreadable,
            "licenses were not compared with AWS: the time did not suffice, or an item cannot be read"
        );
    }
    for note in &found.notes {
        tracing::warn!(feed.note = %note, "a data feed has something unknown");
    }
}

fn log_amounts(month: &ReconciledMonth) {
    for amount in &month.amounts {
        let (alarm, said) = match &amount.verdict {
            AmountVerdict::Missing { .. } => (
                "AmountMissingAtAws",
                "AWS has invoiced less than we have billed",
            ),
            AmountVerdict::Over { .. } => (
                "AmountOverAtAws",
                "AWS has invoiced more than we have billed",
            ),
            AmountVerdict::Equal | AmountVerdict::Late | AmountVerdict::NotComparable { .. } => {
                continue;
            }
        };
        tracing::error!(
            alarm,
            agreement.id = %amount.agreement,
            invoice.month = %month.month,
            invoice.billed_microusd = amount.billed_microusd,
            invoice.invoiced_microusd = amount.invoiced_microusd,
            invoice.credited_microusd = amount.credited_microusd,
            "{said}"
        );
    }
}

/// What a run publishes: findings by dimension and day of use, amounts by agreement.
pub fn figures(days: &Reconciled, month: Option<&ReconciledMonth>) -> [Metric; 9] {
    let counts = Counts::of(&days.findings);
    let amounts = month.map_or(&[][..], |month| &month.amounts);
    let amounts = |is: fn(&AmountFinding) -> bool| amounts.iter().filter(|of| is(of)).count();
    [
        Metric::count("usage_equal", counts.equal),
        Metric::count("usage_late", counts.late),
        Metric::count("usage_missing", counts.missing),
        Metric::count("usage_over", counts.over),
        Metric::count("usage_not_comparable", counts.not_comparable),
        Metric::count("unseen_licenses", days.unreached + days.unreadable),
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
