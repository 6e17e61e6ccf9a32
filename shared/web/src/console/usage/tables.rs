//! The month by cloud account and by day, and a day by hour.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use app::month::Month;
use app::usage_month::{MeteringStatus, UsageHour, UsageLine, UsageMonth};
use domain::catalog::Catalog;
use domain::hour::Hour;
use domain::ids::CloudAccountId;
use maud::{Markup, html};

use super::page::{Days, Page};
use super::sums::{Charge, Sums, Tier, tier_label};
use super::words::{Reason, reason_text, status_badge, status_text};
use crate::layout::{dollars, grouped, time, time_in_table};

/// How many cloud accounts are listed; an export lists them all.
const MOST_CLOUD_ACCOUNTS: usize = 50;

/// How many lines of an hour are listed; an export lists them all.
const MOST_LINES: usize = 30;

/// What is billed in the month, by cloud account, the dearest first.
pub(super) fn by_cloud_account(usage: &UsageMonth) -> Markup {
    let mut charges: BTreeMap<Option<&CloudAccountId>, Charge> = BTreeMap::new();
    for (_, line) in usage.billed() {
        let charge = charges.entry(line.cloud_account.as_ref()).or_default();
        charge.add(line);
    }
    let mut charges: Vec<_> = charges.into_iter().collect();
    charges.sort_by_key(|(_, charge)| Reverse((charge.cost, charge.count)));
    let listed = charges.len().min(MOST_CLOUD_ACCOUNTS);
    let (listed, others) = charges.split_at(listed);
    html! {
        section.card aria-labelledby="by-cloud-account" {
            h2 #by-cloud-account { "By cloud account" }
            @if listed.is_empty() {
                p { "Nothing is charged in this month." }
            } @else {
                div.scroll tabindex="0" role="group" aria-labelledby="by-cloud-account" {
                    table #cloud-accounts {
                        thead { tr { th scope="col" { "Cloud account" } th.num scope="col" { "Computer-hours" } th.num scope="col" { "Estimate" } } }
                        tbody {
                            @for (account, charge) in listed {
                                tr {
                                    th.wrap scope="row" { @match account { Some(account) => { (account) } None => { "Without a cloud account" } } }
                                    td.num { (grouped(charge.count)) }
                                    td.num { (dollars(charge.cost)) }
                                }
                            }
                        }
                    }
                }
                @if !others.is_empty() { p.small { (others.len()) " more are in the CSV export." } }
                p.small.muted { "As in the total above: by hour billed in. In AWS, the same split is in the tag " code { "cloudAccountID" } "." }
            }
        }
    }
}

/// Every day of the month with usage, the latest first.
pub(super) fn day_table(month: Month, tiers: &[Tier], days: &Days<'_>) -> Markup {
    html! {
        section.card aria-labelledby="by-day" {
            h2 #by-day { "By day" }
            div.scroll tabindex="0" role="group" aria-labelledby="by-day" {
                table #days {
                    thead { tr {
                        th scope="col" { "Day" }
                        @for tier in tiers { th.num.roomy scope="col" { (tier.label) } }
                        th.num scope="col" { "Charged" }
                        th.num scope="col" { "Not charged" }
                        th.num scope="col" { "Estimate" }
                        th.roomy scope="col" { "Metering" }
                    } }
                    tbody { @for (day, hours) in days.iter().rev() { (day_row(month, *day, tiers, hours)) } }
                }
            }
            p.small.muted { "Days and hours are UTC, by hour of use. Choose a day to see its hours." }
        }
    }
}

fn day_row(month: Month, day: u8, tiers: &[Tier], hours: &[&UsageHour]) -> Markup {
    let sums = Sums::of(hours.iter().copied());
    html! {
        tr {
            th scope="row" { a href={ "?month=" (month) "&day=" (day) "#by-hour" } { (month) "-" (two_digits(day)) } }
            @for tier in tiers { td.num.roomy { (grouped(sums.charge(&tier.dimension).count)) } }
            td.num { (grouped(sums.billed())) }
            td.num { (grouped(sums.unbilled())) }
            td.num { (dollars(sums.cost())) }
            td.wrap.roomy { @if sums.statuses.is_empty() { "not charged" } @else { (statuses(&sums)) } }
        }
    }
}

/// The statuses of a day: named alone where there is one, else with their counts.
fn statuses(sums: &Sums) -> Markup {
    let one = sums.statuses.len() == 1;
    html! {
        @for (status, count) in &sums.statuses {
            span.nowrap { @if !one { span.small { (grouped(*count)) " " } } (status_badge(*status)) } " "
        }
    }
}

/// The hours of a day, the latest first: each in a row, and then what each is made of.
pub(super) fn hour_table(page: &Page<'_>, day: u8, tiers: &[Tier]) -> Markup {
    let hours = page.hours;
    let month = page.usage.month;
    html! {
        section.card aria-labelledby="by-hour" {
            h2 #by-hour { (month) "-" (two_digits(day)) " by hour" }
            (day_choice(month, day))
            @if hours.is_empty() {
                p { "No usage on this day." }
            } @else {
                div.scroll tabindex="0" role="group" aria-labelledby="by-hour" {
                    table #hours {
                        thead { tr {
                            th scope="col" { "Hour (UTC)" }
                            @for tier in tiers { th.num.roomy scope="col" { (tier.label) } }
                            th.num scope="col" { "Charged" }
                            th.num.roomy scope="col" { "Not charged" }
                            th.num scope="col" { "Estimate" }
                            th scope="col" { "Metering" }
                        } }
                        tbody { @for hour in hours.iter().rev() { (hour_row(hour, tiers)) } }
                    }
                }
                details {
                    summary { "Each hour by tier and cloud account" }
                    table.lines {
                        thead { tr {
                            th scope="col" { "Tier" }
                            th scope="col" { "Cloud account" }
                            th.num scope="col" { "Computers" }
                            th scope="col" { "Charged" }
                            th scope="col" { "Metering" }
                        } }
                        @for hour in hours.iter().rev() { (hour_rows(page.catalog, hour)) }
                    }
                }
            }
        }
    }
}

fn hour_row(hour: &UsageHour, tiers: &[Tier]) -> Markup {
    let sums = Sums::of([hour]);
    let billed_in: BTreeSet<Hour> = hour
        .lines
        .iter()
        .filter_map(|line| line.billed_in)
        .collect();
    html! {
        tr {
            th scope="row" { time datetime=(hour.hour) { (hour.hour.start().strftime("%H:%M")) } }
            @for tier in tiers { td.num.roomy { (grouped(sums.charge(&tier.dimension).count)) } }
            td.num { (grouped(sums.billed())) }
            td.num.roomy { (grouped(sums.unbilled())) }
            td.num { (dollars(sums.cost())) }
            td.wrap {
                (statuses(&sums))
                @if sums.statuses.is_empty() { "not charged" }
                @for hour in billed_in { " " span.small { "billed in " (time_in_table(hour.start())) } }
            }
        }
    }
}

/// The day before and the day after, within the month.
fn day_choice(month: Month, day: u8) -> Markup {
    let to = |day: u8| format!("?month={month}&day={day}#by-hour");
    html! {
        nav.around aria-label="Other days" {
            @if day > 1 { a rel="prev" href=(to(day - 1)) { "← " (month) "-" (two_digits(day - 1)) } }
            @if day < month.days() { a rel="next" href=(to(day + 1)) { (month) "-" (two_digits(day + 1)) " →" } }
        }
    }
}

fn hour_rows(catalog: &Catalog, hour: &UsageHour) -> Markup {
    let others = hour.lines.len().saturating_sub(MOST_LINES);
    html! {
        tbody data-hour=(hour.hour) {
            tr.group { th colspan="5" scope="rowgroup" { (hour_text(hour.hour)) } }
            @for line in hour.lines.iter().take(MOST_LINES) { (line_row(catalog, line)) }
            @if others > 0 { tr { td.wrap.small colspan="5" { (others) " more are in the CSV export." } } }
            @for (reason, count) in &hour.unbillable {
                tr data-status="not charged" {
                    td data-cell="tier" { "Not charged" }
                    td data-cell="cloud" { "–" }
                    td.num data-cell="computers" { (grouped(u64::from(*count))) }
                    td data-cell="charged" { "No" }
                    td.wrap data-cell="metering" { (reason_text(Reason::Unlicensed(*reason))) }
                }
            }
        }
    }
}

fn line_row(catalog: &Catalog, line: &UsageLine) -> Markup {
    html! {
        tr data-status=(status_text(line.status)) {
            td data-cell="tier" { (tier_label(catalog, &line.dimension)) }
            td data-cell="cloud" { @match &line.cloud_account { Some(account) => { (account) } None => { "–" } } }
            td.num data-cell="computers" { (grouped(u64::from(line.count))) }
            td data-cell="charged" { @if line.is_free() { "Free" } @else if line.status.is_charged() { "Yes" } @else { "No" } }
            td.wrap data-cell="metering" { span { (status_badge(line.status)) (explained(line)) } }
        }
    }
}

/// The hour billed in, when it is another one; or why nothing is billed.
fn explained(line: &UsageLine) -> Markup {
    html! {
        @if !line.status.is_charged() {
            " " span.small { (reason_text(Reason::Uncharged(line.status))) }
        } @else if let Some(hour) = line.billed_in {
            " " span.small {
                @match line.status {
                    MeteringStatus::Open | MeteringStatus::Held | MeteringStatus::AwaitsCover => { "carried: to be billed in the hour of " }
                    MeteringStatus::Sent
                    | MeteringStatus::Accepted
                    | MeteringStatus::Conflict
                    | MeteringStatus::Unknown
                    | MeteringStatus::Refused
                    | MeteringStatus::NotAccepted
                    | MeteringStatus::Included
                    | MeteringStatus::WrittenOff(_) => { "billed in the hour of " }
                }
                (time(hour.start()))
            }
        }
    }
}

fn hour_text(hour: Hour) -> String {
    let (start, end) = (hour.start(), hour.end());
    format!(
        "{} to {} UTC",
        start.strftime("%H:%M"),
        end.strftime("%H:%M")
    )
}

fn two_digits(day: u8) -> String {
    format!("{day:02}")
}
