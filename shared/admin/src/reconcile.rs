//! Comparing what we have billed with what AWS has.

use std::fmt::Write as _;
use std::fs::File;
use std::io::{self, Write as _};
use std::path::Path;

use app::month::Month;
use app::reconciliation::{Reconciled, ReconciledMonth, Sources, days_of_run, month_of_run};
use app::{App, StepError};
use domain::hour::after;
use domain::ids::AgreementId;
use domain::money::Usd;
use domain::reconciliation::adjustments::{NotProposed, Proposals};
use domain::reconciliation::amounts::{AmountFinding, AmountObstacle, AmountVerdict};
use domain::reconciliation::kept::{AmountCounts, Counts, ReconciledAmounts, ReconciledDay};
use domain::reconciliation::{FeedOfDay, Finding, Obstacle, Verdict, Whose, end_of};
use jiff::civil::Date;
use jiff::{SignedDuration, Timestamp};

use crate::refused::Refused;
use crate::{Answer, Ended};

/// How long a comparison may take; what was not reached is said.
const WITHIN: SignedDuration = SignedDuration::from_mins(30);

/// The most lines of a table.
const MOST_LINES: usize = 500;

/// Compares a day, or what the daily run compares, and says what differs. With
/// a file, compares the day's month, or the last, and writes what AWS may be asked
/// to give back, if it may be written. Nothing is sent.
pub(crate) async fn reconcile(
    app: &App,
    sources: &Sources,
    day: Option<Date>,
    adjustments: Option<(&Path, bool)>,
) -> Result<Answer, Refused> {
    let now = app.clock.now();
    let deadline = after(now, WITHIN);
    if day.is_some_and(|day| end_of(day) > now) {
        return Err(Refused::Instants("DAY must be over, UTC"));
    }
    let Some((file, may_write)) = adjustments else {
        let days = day.map_or_else(|| days_of_run(now), |day| (day, day));
        let found = app.reconcile(sources, days, deadline).await;
        let found = found.map_err(StepError::from)?;
        let (mut text, mut ended) = (days_text(&found), days_ended(&found));
        if let (None, Some(month)) = (day, month_of_run(now)) {
            let found = app.reconcile_month(sources, month, deadline).await;
            let found = found.map_err(StepError::from)?;
            let _ = write!(text, "\n\n{}", amounts_text(&found));
            ended = both(ended, amounts_ended(&AmountCounts::of(&found.amounts)));
        }
        return Ok(Answer { text, ended });
    };
    if may_write {
        can_be_written(file)
            .map_err(|error| Refused::NotWritten(file.display().to_string(), error))?;
    }
    let month = match day {
        None => Month::of(now).previous(),
        Some(day) => Month::of(end_of(day) - SignedDuration::from_secs(1)),
    };
    if month.next().first_hour().start() > now {
        return Err(Refused::Instants(
            "the month of DAY must be over, UTC, for adjustments",
        ));
    }
    let found = app.reconcile_month(sources, month, deadline).await;
    let found = found.map_err(StepError::from)?;
    let proposed = if may_write {
        write_adjustments(file, &found.proposals)?
    } else {
        let entries = &found.proposals.file.billing_adjustment_request_entries;
        format!(
            "--dry-run: {} was not written; it would hold {} proposed adjustment(s).",
            file.display(),
            entries.len()
        )
    };
    let amounts = amounts_ended(&AmountCounts::of(&found.amounts));
    let text = format!(
        "{}\n\n{}\n\n{proposed}",
        days_text(&found.days),
        amounts_text(&found)
    );
    Ok(Answer {
        text,
        ended: both(days_ended(&found.days), amounts),
    })
}

/// How a comparison of days ended.
fn days_ended(found: &Reconciled) -> Ended {
    let whole = found.is_whole() && found.unreadable_rows == 0;
    let delivered = |feed: &FeedOfDay| *feed == FeedOfDay::Delivered;
    let whole = whole && found.days.values().all(delivered);
    ended(&Counts::of(&found.findings), whole)
}

fn ended(counts: &Counts, whole: bool) -> Ended {
    if counts.missing + counts.over > 0 {
        Ended::Differs
    } else if whole && counts.not_comparable == 0 {
        Ended::Done
    } else {
        Ended::NotCompared
    }
}

/// How a comparison of amounts ended.
const fn amounts_ended(counts: &AmountCounts) -> Ended {
    if counts.missing + counts.over > 0 {
        Ended::Differs
    } else if counts.not_comparable > 0 {
        Ended::NotCompared
    } else {
        Ended::Done
    }
}

/// How two comparisons ended together: a difference is told first.
const fn both(one: Ended, other: Ended) -> Ended {
    match (one, other) {
        (Ended::Differs, _) | (_, Ended::Differs) => Ended::Differs,
        (Ended::NotCompared, _) | (_, Ended::NotCompared) => Ended::NotCompared,
        (Ended::Done, Ended::Done) => Ended::Done,
    }
}

/// Whether a file can be written, found out before the work whose outcome it is
/// for. What is there stays: it may be a proposal that somebody has edited.
fn can_be_written(file: &Path) -> io::Result<()> {
    File::create_new(file)?;
    std::fs::remove_file(file)
}

/// Says what the daily runs found of a day, or of the last ones, and of its month's
/// amounts, as it is kept.
pub(crate) async fn kept(app: &App, day: Option<Date>) -> Result<Answer, Refused> {
    let (first, last) = day.map_or_else(|| days_of_run(app.clock.now()), |day| (day, day));
    let (mut parts, mut ended) = (Vec::new(), Ended::Done);
    let days = first.series(jiff::Span::new().days(1));
    for day in days.take_while(|day| *day <= last) {
        let kept = app.store.reconciled_day(day).await;
        let kept = kept.map_err(StepError::from)?;
        ended = both(ended, kept_day_ended(kept.as_ref()));
        parts.push(match kept {
            Some(kept) => kept_day_text(&kept),
            None => format!("{day}: nothing is kept of it"),
        });
    }
    let month = match day {
        Some(day) => day.first_of_month(),
        None => last.first_of_month().yesterday().unwrap_or(last),
    };
    let kept = app.store.reconciled_amounts(month).await;
    let kept = kept.map_err(StepError::from)?;
    let amounts = match &kept {
        Some(kept) if kept.unseen_licenses > 0 => {
            both(Ended::NotCompared, amounts_ended(&kept.counts))
        }
        Some(kept) => amounts_ended(&kept.counts),
        None => Ended::NotCompared,
    };
    ended = both(ended, amounts);
    parts.push(match kept {
        Some(kept) => kept_amounts_text(&kept),
        None => format!(
            "{}: nothing is kept of its amounts",
            month.strftime("%Y-%m")
        ),
    });
    Ok(Answer {
        text: parts.join("\n\n"),
        ended,
    })
}

/// How the comparison of a day ended that is kept, if it is.
fn kept_day_ended(kept: Option<&ReconciledDay>) -> Ended {
    let Some(kept) = kept else {
        return Ended::NotCompared;
    };
    let whole = kept.unseen_licenses == 0 && kept.feed == FeedOfDay::Delivered;
    ended(&kept.counts, whole)
}

fn kept_day_text(kept: &ReconciledDay) -> String {
    let mut lines = vec![format!("{}: {}", kept.day, counted(&kept.counts))];
    lines.push(format!("as it was looked at {}", kept.at));
    lines.extend(not_compared_day(kept.day, &kept.feed));
    if kept.unseen_licenses > 0 {
        lines.push(format!(
            "NOT COMPLETE: {} licenses were not looked at",
            kept.unseen_licenses
        ));
    }
    let findings: Vec<&Finding> = kept.findings.iter().collect();
    lines.extend(table(&findings, kept.left_out));
    lines.join("\n")
}

fn kept_amounts_text(kept: &ReconciledAmounts) -> String {
    let month = kept.month.strftime("%Y-%m").to_string();
    let mut lines = vec![invoiced(&month, &kept.counts)];
    lines.push(format!("as they were looked at {}", kept.at));
    if kept.unseen_licenses > 0 {
        lines.push(format!(
            "NOT COMPLETE: {} licenses were not looked at",
            kept.unseen_licenses
        ));
    }
    if kept.unasked > 0 {
        lines.push(format!(
            "AWS was not asked for the invoices of {} agreements in that look: what differs of \
             them, and what is proposed, is of an earlier one, and what was equal then is not \
             compared",
            kept.unasked
        ));
    }
    lines.extend(kept.amounts.iter().map(amount_line));
    if kept.left_out > 0 {
        lines.push(format!("… and {} more", kept.left_out));
    }
    lines.extend(kept.proposed.iter().map(|one| {
        format!(
            "Proposed: give back {} USD of invoice {} to agreement {} (--adjustments FILE writes it)",
            one.amount, one.invoice, one.agreement
        )
    }));
    if kept.proposed_left_out > 0 {
        lines.push(format!("… and {} more", kept.proposed_left_out));
    }
    lines.extend(kept.not_proposed.iter().map(left_out));
    lines.join("\n")
}

/// Writes the file of proposals, unless there are none; what it says of them.
fn write_adjustments(file: &Path, proposals: &Proposals) -> Result<String, Refused> {
    let mut lines = Vec::new();
    let entries = &proposals.file.billing_adjustment_request_entries;
    let shown = file.display();
    if entries.is_empty() {
        lines.push(format!(
            "No adjustment is proposed: {shown} was not written."
        ));
    } else {
        let mut text = serde_json::to_string_pretty(&proposals.file)
            .map_err(|error| Refused::NotWritten(shown.to_string(), error.into()))?;
        text.push('\n');
        File::create_new(file)
            .and_then(|mut file| file.write_all(text.as_bytes()))
            .map_err(|error| Refused::NotWritten(shown.to_string(), error))?;
        lines.push(format!("Written to {shown}, and sent to nobody:"));
        lines.extend(entries.iter().map(|entry| {
            format!(
                "  give back {} {} of invoice {} to agreement {}: {}",
                entry.adjustment_amount,
                entry.currency_code,
                entry.original_invoice_id,
                entry.agreement_id,
                entry.description
            )
        }));
        lines.push(format!(
            "Look at it, then send it: aws marketplace-agreement \
             batch-create-billing-adjustment-request --cli-input-json file://{shown}"
        ));
    }
    lines.extend(proposals.left.iter().map(left_out));
    Ok(lines.join("\n"))
}

fn left_out((agreement, why): &(AgreementId, NotProposed)) -> String {
    let why = not_proposed(why);
    format!("Not proposed for agreement {agreement}: {why}")
}

/// What the comparison of days found: what differs, and what was not compared.
fn days_text(found: &Reconciled) -> String {
    let counts = Counts::of(&found.findings);
    let mut lines = vec![format!("{}: {}", days_named(found), counted(&counts))];
    lines.extend(not_compared(found));
    let mut shown: Vec<&Finding> = found
        .findings
        .iter()
        .filter(|finding| finding.verdict != Verdict::Equal)
        .collect();
    shown.sort_by_key(|finding| !finding.verdict.needs_a_person());
    lines.extend(table(&shown, 0));
    lines.join("\n")
}

fn counted(counts: &Counts) -> String {
    format!(
        "{} equal, {} late, {} missing, {} over, {} not compared \
         (each a dimension of an agreement on a day)",
        counts.equal, counts.late, counts.missing, counts.over, counts.not_comparable
    )
}

/// A table of findings, of which so many more are left out.
fn table(shown: &[&Finding], left_out: usize) -> Vec<String> {
    let mut lines = Vec::new();
    if !shown.is_empty() {
        lines.push(row("day", "agreement", "dimension", ["billed", "AWS"], ""));
    }
    lines.extend(shown.iter().take(MOST_LINES).map(|finding| line(finding)));
    let left_out = left_out + shown.len().saturating_sub(MOST_LINES);
    if left_out > 0 {
        lines.push(format!("… and {left_out} more"));
    }
    lines
}

fn days_named(found: &Reconciled) -> String {
    match (found.days.keys().next(), found.days.keys().next_back()) {
        (Some(first), Some(last)) if first == last => first.to_string(),
        (Some(first), Some(last)) => format!("{first} to {last}"),
        (None, _) | (_, None) => "no day".to_owned(),
    }
}

/// What kept whole days, rows or licenses from being compared, in plain words.
fn not_compared(found: &Reconciled) -> Vec<String> {
    let mut lines = Vec::new();
    for (day, feed) in &found.days {
        lines.extend(not_compared_day(*day, feed));
    }
    if found.unreached > 0 {
        lines.push(format!(
            "{} licenses were not looked at: the time did not suffice",
            found.unreached
        ));
    }
    if found.unreadable > 0 {
        lines.push(format!(
            "{} licenses were not looked at: an item of theirs cannot be read",
            found.unreadable
        ));
    }
    if found.unreadable_rows > 0 {
        lines.push(format!(
            "{} rows of AWS's feed cannot be read: what they may be about was not compared",
            found.unreadable_rows
        ));
    }
    if found.other_products > 0 {
        let others = found.other_products;
        lines.push(format!("{others} rows of other products were passed over"));
    }
    lines.extend(found.notes.iter().map(|note| format!("Note: {note}")));
    lines
}

fn not_compared_day(day: Date, feed: &FeedOfDay) -> Option<String> {
    let why = match feed {
        FeedOfDay::Delivered => return None,
        FeedOfDay::NotDelivered => "AWS has delivered no data feed of it yet",
        FeedOfDay::Unread { reason } => reason,
        FeedOfDay::NotEnrolled => "no bucket of data feeds is set (DATA_FEEDS_BUCKET)",
    };
    Some(format!("{day} was not compared: {why}"))
}

fn line(finding: &Finding) -> String {
    let whose = match &finding.whose {
        Whose::Agreement(agreement) | Whose::UnknownAgreement(agreement) => agreement.to_string(),
        Whose::License(license) => license.to_string(),
        Whose::Nobody => "(none)".to_owned(),
    };
    let aws = finding.known_of_aws();
    let aws = aws.map_or_else(|| "?".to_owned(), |units| units.to_string());
    let units = [finding.ours.to_string(), aws];
    row(
        &finding.day.to_string(),
        &whose,
        finding.dimension.as_str(),
        units.each_ref().map(String::as_str),
        &format!("{}{}", verdict(finding), costs(finding)),
    )
}

/// What a difference costs, and by whose price.
fn costs(finding: &Finding) -> String {
    match (finding.difference(), finding.price.told()) {
        (Some(units), Some((rate, by))) => {
            let amount = rate.times_hundredths(units.hundredths());
            format!("; {amount} USD at {rate} ({by})")
        }
        (Some(_), None) => "; its price is not known".to_owned(),
        (None, _) => String::new(),
    }
}

fn row(day: &str, whose: &str, dimension: &str, [ours, aws]: [&str; 2], said: &str) -> String {
    let row = format!("{day:<10}  {whose:<34}  {dimension:<12}  {ours:>10}  {aws:>10}  {said}");
    row.trim_end().to_owned()
}

fn verdict(finding: &Finding) -> String {
    match &finding.verdict {
        Verdict::Equal => "equal".to_owned(),
        Verdict::Late { units } => {
            format!("late: AWS has {units} less, and its feed may still grow")
        }
        Verdict::Missing { units } => {
            format!("MISSING: AWS accepted {units} more than it has, and its feed is complete")
        }
        Verdict::Over { units, explained } if explained.is_none() => {
            format!("OVER: AWS has {units} more than we know of")
        }
        Verdict::Over { units, explained } => format!(
            "OVER: AWS has {units} more than we know of, beyond {explained} of records whose \
             outcome is unknown (admin unknown)"
        ),
        Verdict::NotComparable { obstacle } => {
            format!("not compared: {}", because(obstacle, finding))
        }
    }
}

fn because(obstacle: &Obstacle, finding: &Finding) -> String {
    match obstacle {
        Obstacle::NotEnrolled => "no bucket of data feeds is set".to_owned(),
        Obstacle::FeedUnread => "the feed could not be read".to_owned(),
        Obstacle::FeedNotDelivered => "the day's feed was not delivered".to_owned(),
        Obstacle::RowUnreadable { file, line, reason } => {
            format!("{file}, line {line}: {reason}")
        }
        Obstacle::RowsDisagree => "rows of the feed say different things at once".to_owned(),
        Obstacle::OutcomeUnknown => {
            let more = finding.aws.less(finding.ours);
            let unknown = finding.unknown;
            let then = if more == unknown {
                "it has them all: admin resolve … --accepted"
            } else if more.is_none() {
                "it has none of them: admin resolve … --not-accepted"
            } else {
                "it has a part of them"
            };
            format!(
                "the outcome of records of {unknown} is unknown (admin unknown), and AWS has {more} \
                 more than is billed: {then}"
            )
        }
        Obstacle::Conflict => {
            "AWS holds a record that is not ours in place of one of ours".to_owned()
        }
        Obstacle::NoAgreement => {
            "no event of AWS says under which agreement the license was".to_owned()
        }
        Obstacle::AgreementUnknown => {
            "AWS's rows name this agreement, which nobody knows: was it made for another product?"
                .to_owned()
        }
        Obstacle::RowsWithoutAgreement => "AWS's rows name no agreement".to_owned(),
        Obstacle::PerhapsWithoutAgreement => {
            "AWS has less, and rows without a known agreement that may be the rest".to_owned()
        }
        Obstacle::PerhapsOurs => {
            "AWS has more, which may be billed usage of which no agreement is known".to_owned()
        }
        Obstacle::UnderAnother { agreement } => format!(
            "the license was renewed, and AWS has usage of it under agreement {agreement} instead, \
             or the other way round"
        ),
        Obstacle::LicensesUnseen => {
            "AWS has as much or more, and not every license of ours was looked at".to_owned()
        }
    }
}

/// The month's amounts that differ, and those that were not compared.
fn amounts_text(found: &ReconciledMonth) -> String {
    let counts = AmountCounts::of(&found.amounts);
    let mut lines = vec![invoiced(&found.month.to_string(), &counts)];
    let differ = found.amounts.iter();
    let differ = differ.filter(|of| of.verdict != AmountVerdict::Equal);
    lines.extend(differ.map(amount_line));
    lines.join("\n")
}

fn invoiced(month: &str, counts: &AmountCounts) -> String {
    let (equal, all) = (counts.equal, counts.all());
    format!("{month}: {equal} of {all} agreements' amounts are as invoiced")
}

fn amount_line(of: &AmountFinding) -> String {
    let dollars = |micros| Usd::from_micros(micros).to_string();
    let by: Vec<String> = of.priced_by.iter().map(ToString::to_string).collect();
    let by = match by.as_slice() {
        [] => String::new(),
        by => format!(" ({})", by.join(", ")),
    };
    let of_aws = |micros| {
        let known = of.verdict.knows_invoices();
        if known {
            dollars(micros)
        } else {
            "?".to_owned()
        }
    };
    format!(
        "{:<34}  billed {} USD{by}  invoiced {}  given back {}  {}",
        of.agreement.as_str(),
        dollars(of.billed_microusd),
        of_aws(of.invoiced_microusd),
        of_aws(of.credited_microusd),
        amount_verdict(&of.verdict)
    )
}

fn amount_verdict(verdict: &AmountVerdict) -> String {
    let dollars = |micros: &u64| Usd::from_micros(*micros).to_string();
    match verdict {
        AmountVerdict::Equal => "equal".to_owned(),
        AmountVerdict::Late => "late: AWS has not invoiced it yet".to_owned(),
        AmountVerdict::Missing { microusd } => {
            format!("MISSING: AWS has invoiced {} less", dollars(microusd))
        }
        AmountVerdict::Over { microusd } => {
            format!("OVER: AWS has invoiced {} more", dollars(microusd))
        }
        AmountVerdict::NotComparable { obstacle } => {
            format!("not compared: {}", amount_because(obstacle))
        }
    }
}

fn amount_because(obstacle: &AmountObstacle) -> String {
    match obstacle {
        AmountObstacle::InvoicesUnread { reason } => reason.clone(),
        AmountObstacle::InvoiceNotUnderstood { invoice } => {
            format!("invoice {invoice} is of an unknown kind, amount or currency")
        }
        AmountObstacle::RatesUnknown => {
            "the agreement's own rates are not known; billed is at list price".to_owned()
        }
        AmountObstacle::OutcomeUnknown => {
            "the outcome of some records is unknown (admin unknown)".to_owned()
        }
        AmountObstacle::FixedPayments => {
            "AWS has invoiced more, and the contract may have fixed payments".to_owned()
        }
        AmountObstacle::PerhapsOurs => {
            "AWS has invoiced more, which may be usage of which no agreement is known".to_owned()
        }
        AmountObstacle::UnderAnother { agreement } => format!(
            "the license was renewed, and AWS has invoiced usage of it under agreement {agreement} \
             instead, or the other way round"
        ),
        AmountObstacle::LicensesUnseen => {
            "AWS has invoiced as much or more, and not every license of ours was looked at"
                .to_owned()
        }
    }
}

fn not_proposed(why: &NotProposed) -> String {
    match why {
        NotProposed::RateUnknown => "its own rates are not known".to_owned(),
        NotProposed::InvoicesUnread => "its invoices could not be read".to_owned(),
        NotProposed::NotInvoiced => "AWS has not invoiced the month in US dollars yet".to_owned(),
        NotProposed::NothingDue => {
            "it costs nothing, or AWS has as much less on other days".to_owned()
        }
        NotProposed::AsInvoiced => "AWS has invoiced the month as it was billed".to_owned(),
        NotProposed::GivenBack => "AWS has given back as much already".to_owned(),
        NotProposed::NoRoom { left } => {
            format!("AWS allows no more than this to be given back; {left} USD are left")
        }
    }
}

/// A day of a command line.
pub(crate) fn day(text: &str) -> Result<Date, &'static str> {
    let instant: Result<Timestamp, _> = text.parse();
    match (text.parse(), instant) {
        (Ok(day), Err(_)) => Ok(day),
        (_, Ok(_)) | (Err(_), Err(_)) => Err("must be a day, such as 2026-11-22"),
    }
}
