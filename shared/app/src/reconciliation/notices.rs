//! What a comparison has a person hear of, as alarms in the log: each difference,
//! and once for each day, or month, and kind what could not be compared.

use std::collections::{BTreeMap, BTreeSet};

use domain::hour::after;
use domain::ids::AgreementId;
use domain::reconciliation::amounts::{AmountObstacle, AmountVerdict};
use domain::reconciliation::run::Run;
use domain::reconciliation::{FeedOfDay, Finding, Obstacle, Verdict, day_of, end_of};
use jiff::civil::Date;
use jiff::{SignedDuration, Timestamp};

use super::{Reconciled, ReconciledMonth};

/// Within what time after a day its feed is to come.
const FEED_COMES_WITHIN: SignedDuration = SignedDuration::from_hours(24);

/// For how long after a day a record of it without an answer may still be sent again.
const OUTCOME_COMES_WITHIN: SignedDuration = SignedDuration::from_hours(48);

/// What was found of days.
pub(super) fn days(found: &Reconciled, now: Timestamp) {
    differences(&found.findings);
    obstacles(&found.findings, now);
    not_compared(found, now);
}

/// A run stopped before it had seen all licenses. A person must hear of it when
/// the runs of its day did not suffice.
pub(super) fn unfinished(run: &Run, left: usize, now: Timestamp) {
    if day_of(run.begun_at) == day_of(now) {
        tracing::warn!(
            reconciliation.unreached = left,
            "the time did not suffice to compare all licenses with AWS; the next run goes on"
        );
    } else {
        tracing::error!(
            alarm = "LicensesNotCompared",
            reconciliation.unreached = left,
            reconciliation.begun_at = %run.begun_at,
            "a day's runs did not suffice to compare all licenses with AWS; the next goes on"
        );
    }
}

fn differences(findings: &[Finding]) {
    for finding in findings {
        let (alarm, said, units) = match &finding.verdict {
            Verdict::Missing { units } => (
                "UsageMissingAtAws",
                "AWS has less usage than it accepted",
                units,
            ),
            Verdict::Over { units, .. } => (
                "UsageOverAtAws",
                "AWS has more usage than we know of",
                units,
            ),
            Verdict::Equal | Verdict::Late { .. } | Verdict::NotComparable { .. } => continue,
        };
        tracing::error!(
            alarm,
            agreement.id = finding.whose.agreement().map(tracing::field::display),
            usage.day = %finding.day,
            usage.dimension = %finding.dimension,
            usage.difference = %units,
            usage.billed = %finding.ours,
            usage.aws = %finding.aws,
            usage.difference_microusd = finding.amount().map(|amount| amount.micros()),
            "{said}"
        );
    }
}

/// What kept usage from being compared, once for each day and kind, with one of the
/// agreements that AWS's rows name.
fn obstacles(findings: &[Finding], now: Timestamp) {
    let mut counts: BTreeMap<(Date, &str, &str), (usize, Option<&AgreementId>)> = BTreeMap::new();
    for finding in findings {
        let Verdict::NotComparable { obstacle } = &finding.verdict else {
            continue;
        };
        if let Some((kind, said)) = told(obstacle, finding.day, now) {
            let (count, first) = counts.entry((finding.day, kind, said)).or_default();
            *count += 1;
            *first = first.or(finding.whose.agreement());
        }
    }
    for ((day, kind, said), (count, first)) in counts {
        tracing::error!(
            alarm = "UsageNotCompared",
            usage.day = %day,
            agreement.id = first.map(tracing::field::display),
            reconciliation.obstacle = kind,
            reconciliation.findings = count,
            "usage was not compared with AWS's: {said}"
        );
    }
}

/// The name of an obstacle and what it is; `None` for one of which a person hears
/// otherwise, or need not yet.
fn told(obstacle: &Obstacle, day: Date, now: Timestamp) -> Option<(&'static str, &'static str)> {
    match obstacle {
        // Each is told once of the whole run.
        Obstacle::NotEnrolled
        | Obstacle::FeedUnread
        | Obstacle::FeedNotDelivered
        | Obstacle::RowUnreadable { .. }
        | Obstacle::LicensesUnseen => None,
        Obstacle::OutcomeUnknown => {
            let closed = after(end_of(day), OUTCOME_COMES_WITHIN) <= now;
            let said = "it is not known whether AWS accepted records of ours; resolve them";
            closed.then_some(("outcome_unknown", said))
        }
        Obstacle::RowsDisagree => Some((
            "rows_disagree",
            "rows of AWS's feed say different things at once",
        )),
        Obstacle::Conflict => Some((
            "conflict",
            "AWS holds records that are not ours in place of ours",
        )),
        Obstacle::NoAgreement => Some((
            "no_agreement",
            "no fact says under which agreement a license was",
        )),
        Obstacle::AgreementUnknown => Some((
            "agreement_unknown",
            "rows of AWS's feed name an agreement that nobody knows",
        )),
        Obstacle::RowsWithoutAgreement => Some((
            "rows_without_agreement",
            "rows of AWS's feed name no agreement",
        )),
        Obstacle::PerhapsWithoutAgreement => Some((
            "perhaps_without_agreement",
            "what AWS lacks may be in rows without an agreement",
        )),
        Obstacle::PerhapsOurs => Some((
            "perhaps_ours",
            "what AWS has more may be usage of a license whose agreement is not known",
        )),
        Obstacle::UnderAnother { .. } => Some((
            "under_another",
            "AWS has usage of a renewed license under another of its agreements",
        )),
    }
}

/// What kept whole days, rows or licenses from being compared. Where there was
/// nothing to compare, nobody need hear of it.
fn not_compared(found: &Reconciled, now: Timestamp) {
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

/// What was found of a month's amounts.
pub(super) fn month(month: &ReconciledMonth) {
    let mut counts: BTreeMap<(&str, &str), usize> = BTreeMap::new();
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
            AmountVerdict::NotComparable { obstacle } => {
                if let Some(kind) = told_of_amount(obstacle) {
                    *counts.entry(kind).or_default() += 1;
                }
                continue;
            }
            AmountVerdict::Equal | AmountVerdict::Late => continue,
        };
        tracing::error!(
            alarm,
            agreement.id = %amount.agreement,
            invoice.month = %month.month,
            invoice.billed_microusd = amount.billed_microusd,
            invoice.invoiced_microusd = amount.invoiced_microusd,
            invoice.credited_microusd = amount.credited_microusd,
            invoice.priced_by = ?amount.priced_by,
            "{said}"
        );
    }
    for ((kind, said), count) in counts {
        tracing::error!(
            alarm = "AmountsNotCompared",
            invoice.month = %month.month,
            reconciliation.obstacle = kind,
            reconciliation.findings = count,
            "amounts were not compared with AWS's invoices: {said}"
        );
    }
}

/// The name of an obstacle and what it is; `None` for one of which a person hears
/// otherwise, or that is as it should be.
fn told_of_amount(obstacle: &AmountObstacle) -> Option<(&'static str, &'static str)> {
    match obstacle {
        AmountObstacle::FixedPayments | AmountObstacle::LicensesUnseen => None,
        AmountObstacle::InvoicesUnread { .. } => {
            Some(("invoices_unread", "the invoices could not be read"))
        }
        AmountObstacle::InvoiceNotUnderstood { .. } => Some((
            "invoice_not_understood",
            "an invoice is of an unknown kind, amount or currency",
        )),
        AmountObstacle::RatesUnknown => {
            Some(("rates_unknown", "the agreement's own rates are not known"))
        }
        AmountObstacle::OutcomeUnknown => Some((
            "outcome_unknown",
            "it is not known whether AWS accepted records of ours; resolve them",
        )),
        AmountObstacle::PerhapsOurs => Some((
            "perhaps_ours",
            "what AWS has more may be usage of a license whose agreement is not known",
        )),
        AmountObstacle::UnderAnother { .. } => Some((
            "under_another",
            "AWS has invoiced usage of a renewed license under another of its agreements",
        )),
    }
}

#[cfg(test)]
mod tests;
