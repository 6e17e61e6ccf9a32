//! The billing and usage page: a month's total, why some is not charged, and
//! the month by cloud account, by day and, a day at a time, by hour.

use std::collections::{BTreeMap, BTreeSet};

use app::accounts::AccountView;
use app::month::Month;
use app::usage_month::{MeteringStatus, UsageHour, UsageMonth};
use domain::catalog::Catalog;
use domain::hour::{HOURS_A_DAY, Hour};
use domain::ids::Dimension;
use domain::ledger::included::Included;
use domain::money::Usd;
use domain::tiers::Tier::DataCenter;
use maud::{Markup, html};

use super::agreed::agreed;
use super::carried::carried;
use super::charts::{day_chart, hour_chart};
use super::sums::{Sums, Tier, tiers};
use super::tables::{by_cloud_account, day_table, hour_table};
use super::words::{reason_text, status_badge, status_meaning};
use crate::console::pages::head;
use crate::layout::{dollars, grouped};

/// What the page shows.
pub(super) struct Page<'a> {
    pub(super) view: &'a AccountView,
    /// By day.
    pub(super) usage: &'a UsageMonth,
    pub(super) catalog: &'a Catalog,
    /// The newest first.
    pub(super) months: &'a [Month],
    /// The first hour of the day whose hours are shown, if any is.
    pub(super) day: Option<Hour>,
    /// That day by hour.
    pub(super) hours: &'a [UsageHour],
    /// What contracts cover before anything is metered.
    pub(super) included: &'a [Included],
}

/// What is known of a month by day, 1 to 31.
pub(super) type Days<'a> = BTreeMap<u8, Vec<&'a UsageHour>>;

/// The page.
pub(super) fn page(page: &Page<'_>) -> Markup {
    let view = page.view;
    let days = by_day(page.usage);
    let tiers = tiers(page.catalog, page.usage, view.as_of);
    html! {
        (head(&view.account, &view.name, view.standing, "Billing & usage"))
        (month_choice(page))
        @if page.usage.hours.is_empty() && page.usage.carried_in.is_empty() {
            div.note {
                strong { "No usage in " (page.usage.month) }
                p { "An hour appears here about 10 minutes after it ended, when any computer was protected in it." }
            }
            (agreed(page))
        } @else {
            div.grid {
                (totals(page, &tiers))
                (uncharged(page))
            }
            (agreed(page))
            (day_chart(page.usage.month, &tiers, &days))
            (day_table(page.usage.month, &tiers, &days))
            @if let Some(first) = page.day {
                @let day = day_of(page.usage.month.first_hour(), first);
                (hour_chart(page, day, &tiers))
                (hour_table(page, day, &tiers))
            }
            (by_cloud_account(page.usage))
            (carried(page.usage, page.catalog))
            (exports(page))
        }
    }
}

/// The month as files.
fn exports(page: &Page<'_>) -> Markup {
    let (account, month) = (&page.view.account, page.usage.month);
    let link = |file: &str, by: &str| format!("/accounts/{account}/{file}?month={month}&by={by}");
    html! {
        section.card aria-labelledby="exports" {
            h2 #exports { "Export " (month) }
            p { "As CSV: everything above, charged or not. As FOCUS 1.2, the open format of cloud bills: what AWS has accepted in the month, at the estimated cost; what is not accepted yet is in the CSV. All times in UTC." }
            div.actions {
                a.button.quiet href=(link("usage.csv", "hour")) download { "CSV by hour" }
                a.button.quiet href=(link("usage.csv", "day")) download { "CSV by day" }
                a.button.quiet href=(link("focus-1.2.csv", "day")) download { "FOCUS 1.2 by day" }
                a.button.quiet href=(link("focus-1.2.csv", "hour")) download { "FOCUS 1.2 by hour" }
            }
        }
    }
}

fn month_choice(page: &Page<'_>) -> Markup {
    html! {
        form.card method="get" action={ "/accounts/" (page.view.account) "/usage" } {
            label for="month" { "Month (UTC)" }
            div.actions {
                select #month name="month" {
                    @for month in page.months {
                        option value=(month) selected[*month == page.usage.month] { (month) }
                    }
                }
                button.quiet type="submit" { "Show" }
            }
        }
    }
}

/// The month's total, by hour billed in.
fn totals(page: &Page<'_>, tiers: &[Tier]) -> Markup {
    let sums = Sums::of_lines(page.usage.billed().map(|(_, line)| line));
    let awaiting = sums.with_status(MeteringStatus::AwaitsCover);
    html! {
        section.card aria-labelledby="charged" {
            h2 #charged { "Charged to the subscription" }
            div.scroll tabindex="0" role="group" aria-labelledby="charged" {
                table #tiers {
                    thead { tr { th scope="col" { "Tier" } th.num scope="col" { "Computer-hours" } th.num.roomy scope="col" { "Rate, USD" } th.num scope="col" { "Estimate" } } }
                    tbody {
                        tr.group { th colspan="4" scope="rowgroup" { (page.catalog.service()) } }
                        @for tier in tiers { (tier_row(page, tier, &sums)) }
                    }
                    tfoot { tr { th scope="row" { "Total" } td.num #billed { (grouped(sums.billed())) } td.roomy {} td.num { (dollars(sums.cost())) } } }
                }
            }
            @if awaiting > 0 {
                p #awaiting { (grouped(awaiting)) " of these wait for AWS to say what the contract covers. Until then they are counted as if it covered none of them; what it covers is not charged." }
            }
            p.small.muted {
                @if page.usage.agreed.is_empty() { "Estimated at list prices. " }
                @else if page.usage.agreed.values().all(Vec::is_empty) { "Estimated at list prices: AWS has not told yet at which rates the agreement bills. " }
                @else { "Estimated at the rates agreed on in AWS Marketplace, before taxes and credits. " }
                "AWS’s invoice is what counts; AWS issues it on the 2nd or 3rd of the next month. " a href="/help#bill" { "Why it may differ" }
            }
            (reconciliation(page.usage, &sums))
        }
    }
}

/// A tier's rate, or its lowest and highest in the month.
fn rates(prices: &BTreeSet<Usd>) -> Markup {
    html! {
        @match (prices.first(), prices.last()) {
            (Some(lowest), Some(highest)) if lowest == highest && *lowest == Usd::ZERO => { "free" }
            (Some(lowest), Some(highest)) if lowest == highest => { (lowest) }
            (Some(lowest), Some(highest)) => { (lowest) " to " (highest) }
            (None, _) | (_, None) => { "no longer sold" }
        }
    }
}

fn tier_row(page: &Page<'_>, tier: &Tier, sums: &Sums) -> Markup {
    let charge = sums.charge(&tier.dimension);
    let not_cloud = page.catalog.rate(DataCenter).dimension == tier.dimension;
    html! {
        tr data-dimension=(tier.dimension) {
            th.wrap scope="row" {
                (tier.label)
                @if not_cloud && charge.count > 0 { a.below.small href={ "/accounts/" (page.view.account) "/not-cloud" } { "Which computers?" } }
            }
            td.num { (grouped(charge.count)) }
            td.num.roomy { (rates(&tier.prices)) }
            td.num { (dollars(charge.cost)) }
        }
    }
}

/// How the total comes about, and how much of it AWS has accepted.
fn reconciliation(usage: &UsageMonth, billed: &Sums) -> Markup {
    let count = |sums: Sums| sums.billed();
    let used = count(Sums::of_lines(usage.used().map(|(_, line)| line)));
    let came = count(Sums::of_lines(usage.carried_in().map(|(_, line)| line)));
    let left = count(Sums::of_lines(usage.carried_out().map(|(_, line)| line)));
    let accepted = billed.with_status(MeteringStatus::Accepted);
    let row = |name: &str, number: Markup| {
        html! { tr { th.wrap scope="row" { (name) } td.num { (number) } } }
    };
    html! {
        h3 { "How the total comes about" }
        table #reconciliation {
            tbody {
                (row("Used in the month, and charged", html! { (grouped(used)) }))
                @if came > 0 { (row("Carried in: used before, billed in the month", html! { "+ " (grouped(came)) })) }
                @if left > 0 { (row("Carried out: used in the month, billed later", html! { "− " (grouped(left)) })) }
                (row("Billed in hours of the month", html! { strong { (grouped(billed.billed())) } }))
                (row("of these accepted by AWS", html! { span #accepted { (grouped(accepted)) } }))
                @if billed.billed() > accepted { (row("not accepted yet", html! { (grouped(billed.billed() - accepted)) })) }
            }
        }
    }
}

/// What of the month's use is not charged, and what became of the rest.
fn uncharged(page: &Page<'_>) -> Markup {
    let sums = Sums::of(&page.usage.hours);
    html! {
        section.card aria-labelledby="uncharged" {
            h2 #uncharged { "Not charged" }
            @if sums.not_charged.is_empty() {
                p {
                    "Every computer-hour of this month is charged to the subscription"
                    @if sums.accepted_free > 0 { ", of which the free trial or an agreed rate of nothing costs nothing" }
                    "."
                }
            } @else {
                table {
                    thead { tr { th scope="col" { "Reason" } th.num scope="col" { "Computer-hours" } } }
                    tbody {
                        @for (reason, count) in &sums.not_charged {
                            tr { td.wrap { (reason_text(*reason)) } td.num { (grouped(*count)) } }
                        }
                    }
                }
                p.small.muted { "Until an hour is closed, a subscription that is linked within it may still be charged for it. After that, what is not charged is never charged later." }
            }
            h3 { "Metering status" }
            table #statuses {
                thead { tr { th scope="col" { "Status" } th.num scope="col" { "Computer-hours" } } }
                tbody {
                    @for (status, count) in &sums.statuses {
                        tr { td.wrap { (status_badge(*status)) " " span.small.muted { (meaning(*status, *count, &sums)) } } td.num { (grouped(*count)) } }
                    }
                    @if sums.carried > 0 {
                        tr { td.wrap { span.badge { "carried" } " " span.small.muted { "of these billed in a later hour than that of use" } } td.num { (grouped(sums.carried)) } }
                    }
                }
            }
        }
    }
}

/// What a status means for so many computer-hours: what costs nothing is not on
/// AWS's invoice for anything.
fn meaning(status: MeteringStatus, count: u64, sums: &Sums) -> Markup {
    let free = match status {
        MeteringStatus::Accepted => sums.accepted_free,
        MeteringStatus::Open
        | MeteringStatus::Held
        | MeteringStatus::AwaitsCover
        | MeteringStatus::Sent
        | MeteringStatus::Refused
        | MeteringStatus::Conflict
        | MeteringStatus::Unknown
        | MeteringStatus::NotAccepted
        | MeteringStatus::Included
        | MeteringStatus::WrittenOff(_) => 0,
    };
    html! {
        @if free == 0 { (status_meaning(status)) }
        @else if free == count { "metered, and AWS charges nothing for it: free by the agreement" }
        @else { (status_meaning(status)) "; " (grouped(free)) " of these free by the agreement" }
    }
}

fn by_day(usage: &UsageMonth) -> Days<'_> {
    let first = usage.month.first_hour();
    let mut days = Days::new();
    for hour in &usage.hours {
        days.entry(day_of(first, hour.hour)).or_default().push(hour);
    }
    days
}

/// The day of the month in which an hour lies, 1 to 31.
fn day_of(first: Hour, hour: Hour) -> u8 {
    u8::try_from(hour.since(first) / HOURS_A_DAY + 1).unwrap_or(u8::MAX)
}

/// Computer-hours of each tier, and at last what is not charged: a bar's parts.
pub(super) fn parts(sums: &Sums, tiers: &[Tier]) -> Vec<u64> {
    let charged = |dimension: &Dimension| sums.charge(dimension).count;
    let mut parts: Vec<u64> = tiers.iter().map(|tier| charged(&tier.dimension)).collect();
    parts.push(sums.unbilled());
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_and_the_last_hour_of_a_month_lie_in_its_first_and_last_day() {
        let hour = |text: &str| UsageHour {
            hour: Hour::of(text.parse().unwrap()),
            lines: Vec::new(),
            unbillable: BTreeMap::new(),
        };
        let usage = UsageMonth {
            month: Month::parse("2026-11").unwrap(),
            hours: vec![hour("2026-11-01T00:00:00Z"), hour("2026-11-30T23:00:00Z")],
            carried_in: Vec::new(),
            payers: BTreeMap::new(),
            agreed: BTreeMap::new(),
        };
        assert_eq!(by_day(&usage).into_keys().collect::<Vec<_>>(), [1, 30]);
    }
}
