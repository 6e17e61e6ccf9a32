//! The billing and usage page: a month by tier and day, a day by hour.

use std::collections::BTreeMap;

use app::accounts::SubscriptionView;
use app::usage_month::{MeteringStatus, Month, UsageHour, UsageLine, UsageMonth};
use domain::catalog::Catalog;
use domain::hour::Hour;
use domain::ids::Dimension;
use domain::ledger::account_hour::{Unbillable, WriteOff};
use maud::{Markup, html};

use super::chart::{self, Bar};
use super::pages::head;
use crate::layout::{dollars, grouped, time};

/// How many months can be looked at, the running one included.
pub(super) const MONTHS_SHOWN: usize = 13;

const HOURS_A_DAY: i32 = 24;

/// What the page shows.
pub(super) struct Page<'a> {
    pub(super) view: &'a SubscriptionView,
    pub(super) usage: &'a UsageMonth,
    pub(super) catalog: &'a Catalog,
    /// The newest first.
    pub(super) months: &'a [Month],
    /// The day whose hours are shown, 1 to 31, if one was chosen.
    pub(super) day: Option<u8>,
}

/// Computer-hours added up.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Sums {
    billable: BTreeMap<Dimension, u64>,
    not_charged: BTreeMap<Reason, u64>,
    statuses: BTreeMap<MeteringStatus, u64>,
}

/// Why computer-hours are not charged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Reason {
    /// No license paid.
    Unlicensed(Unbillable),
    /// A license paid, and AWS does not charge it after all.
    Uncharged(MeteringStatus),
}

impl Sums {
    fn of<'a>(hours: impl IntoIterator<Item = &'a UsageHour>) -> Self {
        let mut sums = Self::default();
        for hour in hours {
            for line in &hour.lines {
                let count = u64::from(line.count);
                if is_charged(line.status) {
                    *sums.billable.entry(line.dimension.clone()).or_default() += count;
                } else {
                    let reason = Reason::Uncharged(line.status);
                    *sums.not_charged.entry(reason).or_default() += count;
                }
                *sums.statuses.entry(line.status).or_default() += count;
            }
            for (reason, count) in &hour.unbillable {
                let reason = Reason::Unlicensed(*reason);
                *sums.not_charged.entry(reason).or_default() += u64::from(*count);
            }
        }
        sums
    }

    fn billed(&self) -> u64 {
        self.billable.values().sum()
    }

    fn unbilled(&self) -> u64 {
        self.not_charged.values().sum()
    }

    /// In millionths of a US dollar, at the list prices.
    fn cost(&self, catalog: &Catalog) -> u64 {
        self.billable
            .iter()
            .filter_map(|(dimension, count)| {
                let rate = catalog.rate_of(dimension)?;
                Some(count.saturating_mul(rate.list_price_microusd))
            })
            .sum()
    }
}

/// The page.
pub(super) fn page(page: &Page<'_>) -> Markup {
    let view = page.view;
    let sums = Sums::of(&page.usage.hours);
    let days = by_day(page.usage);
    html! {
        (head(&view.account, &view.name, view.standing, "Billing & usage"))
        (month_choice(page))
        @if page.usage.hours.is_empty() {
            div.note {
                strong { "No usage in " (page.usage.month) }
                p { "An hour appears here about 10 minutes after it ended, when any computer was protected in it." }
            }
        } @else {
            div.grid {
                (totals(page, &sums))
                (uncharged(&sums))
            }
            (chart_card(page, &days))
            (day_table(page, &days))
            (hour_table(page, &days))
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

fn totals(page: &Page<'_>, sums: &Sums) -> Markup {
    html! {
        section.card aria-labelledby="charged" {
            h2 #charged { "Charged to the subscription" }
            div.scroll tabindex="0" role="region" aria-labelledby="charged" {
                table #tiers {
                    thead { tr { th scope="col" { "Tier" } th.num scope="col" { "Computer-hours" } th.num.roomy scope="col" { "Rate, USD" } th.num scope="col" { "Estimate" } } }
                    tbody {
                        @for rate in page.catalog.rates() {
                            @let count = sums.billable.get(&rate.dimension).copied().unwrap_or_default();
                            tr data-dimension=(rate.dimension) {
                                th scope="row" { (rate.label) }
                                td.num { (grouped(count)) }
                                td.num.roomy { (thousandths(rate.list_price_microusd)) }
                                td.num { (dollars(count.saturating_mul(rate.list_price_microusd))) }
                            }
                        }
                    }
                    tfoot { tr { th scope="row" { "Total" } td.num { (grouped(sums.billed())) } td.roomy {} td.num { (dollars(sums.cost(page.catalog))) } } }
                }
            }
            p.small.muted { "Estimated at list prices, before a private offer’s, contracts and taxes. AWS’s invoice is what counts; AWS issues it on the 2nd or 3rd of the next month." }
        }
    }
}

fn uncharged(sums: &Sums) -> Markup {
    html! {
        section.card aria-labelledby="uncharged" {
            h2 #uncharged { "Not charged" }
            @if sums.not_charged.is_empty() {
                p { "Every computer-hour of this month is charged to the subscription." }
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
            h3 { "What AWS said" }
            table {
                thead { tr { th scope="col" { "Metering" } th.num scope="col" { "Computer-hours" } } }
                tbody {
                    @for (status, count) in &sums.statuses {
                        tr { td { (status_badge(*status)) } td.num { (grouped(*count)) } }
                    }
                }
            }
        }
    }
}

/// The hours of a month by day, 1 to 31.
fn by_day(usage: &UsageMonth) -> BTreeMap<u8, Vec<&UsageHour>> {
    let first = usage.month.first_hour();
    let mut days: BTreeMap<u8, Vec<&UsageHour>> = BTreeMap::new();
    for hour in &usage.hours {
        let day = hour.hour.since(first) / HOURS_A_DAY + 1;
        if let Ok(day) = u8::try_from(day) {
            days.entry(day).or_default().push(hour);
        }
    }
    days
}

fn chart_card(page: &Page<'_>, days: &BTreeMap<u8, Vec<&UsageHour>>) -> Markup {
    let month = page.usage.month;
    let length = month.next().first_hour().since(month.first_hour()) / HOURS_A_DAY;
    let bars: Vec<Bar> = (1..=u8::try_from(length).unwrap_or(31))
        .map(|day| {
            let sums = days
                .get(&day)
                .map(|hours| Sums::of(hours.iter().copied()))
                .unwrap_or_default();
            let mut parts: Vec<u64> = page
                .catalog
                .rates()
                .iter()
                .map(|rate| {
                    sums.billable
                        .get(&rate.dimension)
                        .copied()
                        .unwrap_or_default()
                })
                .collect();
            parts.push(sums.unbilled());
            Bar { label: day, parts }
        })
        .collect();
    let mut names: Vec<&str> = page
        .catalog
        .rates()
        .iter()
        .map(|rate| rate.label.as_str())
        .collect();
    names.push("Not charged");
    html! {
        section.card aria-labelledby="by-day-chart" {
            h2 #by-day-chart { "Computer-hours by day" }
            (chart::stacked(&format!("Computer-hours of {month} by day; the table below has the same figures."), &bars))
            ul.legend {
                @for (at, name) in names.iter().enumerate() {
                    li { i.(chart::colour(at, names.len())) {} (name) }
                }
            }
        }
    }
}

fn day_table(page: &Page<'_>, days: &BTreeMap<u8, Vec<&UsageHour>>) -> Markup {
    let month = page.usage.month;
    html! {
        section.card aria-labelledby="by-day" {
            h2 #by-day { "By day" }
            div.scroll tabindex="0" role="region" aria-labelledby="by-day" {
                table {
                    thead { tr {
                        th scope="col" { "Day" }
                        @for rate in page.catalog.rates() { th.num.roomy scope="col" { (rate.label) } }
                        th.num scope="col" { "Charged" }
                        th.num scope="col" { "Not charged" }
                        th.num scope="col" { "Estimate" }
                    } }
                    tbody {
                        @for (day, hours) in days.iter().rev() {
                            @let sums = Sums::of(hours.iter().copied());
                            tr {
                                th scope="row" { a href={ "?month=" (month) "&day=" (day) "#by-hour" } { (month) "-" (two_digits(*day)) } }
                                @for rate in page.catalog.rates() {
                                    td.num.roomy { (grouped(sums.billable.get(&rate.dimension).copied().unwrap_or_default())) }
                                }
                                td.num { (grouped(sums.billed())) }
                                td.num { (grouped(sums.unbilled())) }
                                td.num { (dollars(sums.cost(page.catalog))) }
                            }
                        }
                    }
                }
            }
            p.small.muted { "Days and hours are UTC, by hour of use." }
        }
    }
}

/// The hours of the chosen day, or of the last one with usage.
fn hour_table(page: &Page<'_>, days: &BTreeMap<u8, Vec<&UsageHour>>) -> Markup {
    let Some(day) = page.day.or_else(|| days.keys().next_back().copied()) else {
        return Markup::default();
    };
    let hours: &[&UsageHour] = days.get(&day).map(Vec::as_slice).unwrap_or_default();
    html! {
        section.card aria-labelledby="by-hour" {
            h2 #by-hour { (page.usage.month) "-" (two_digits(day)) " by hour" }
            @if hours.is_empty() {
                p { "No usage on this day." }
            } @else {
                div.scroll tabindex="0" role="region" aria-labelledby="by-hour" {
                    table.lines #hours {
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

fn hour_rows(catalog: &Catalog, hour: &UsageHour) -> Markup {
    html! {
        tbody data-hour=(hour.hour) {
            tr.group { th colspan="5" scope="rowgroup" { (hour_text(hour.hour)) } }
            @for line in &hour.lines {
                tr data-status=(status_text(line.status)) {
                    td data-cell="tier" { @match catalog.rate_of(&line.dimension) { Some(rate) => { (rate.label) } None => { (line.dimension) } } }
                    td data-cell="cloud" { @match &line.cloud_account { Some(account) => { (account) } None => { "–" } } }
                    td.num data-cell="computers" { (grouped(u64::from(line.count))) }
                    td data-cell="charged" { @if is_charged(line.status) { "Yes" } @else { "No" } }
                    td data-cell="metering" { span { (status_badge(line.status)) (billed_in(line)) } }
                }
            }
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

fn billed_in(line: &UsageLine) -> Markup {
    html! {
        @if let Some(hour) = line.billed_in.filter(|_| is_charged(line.status)) {
            " " span.small { "billed in the hour of " (time(hour.start())) }
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

/// A rate of millionths of a dollar with three decimals, as the rates have.
fn thousandths(micro_dollars: u64) -> String {
    format!(
        "{}.{:03}",
        micro_dollars / 1_000_000,
        micro_dollars % 1_000_000 / 1_000
    )
}

fn two_digits(day: u8) -> String {
    format!("{day:02}")
}

/// Whether usage with this status is, or may still become, part of AWS's invoice.
fn is_charged(status: MeteringStatus) -> bool {
    match status {
        MeteringStatus::Open
        | MeteringStatus::Held
        | MeteringStatus::Sent
        | MeteringStatus::Accepted
        | MeteringStatus::Conflict
        | MeteringStatus::Unknown => true,
        MeteringStatus::Refused
        | MeteringStatus::NotAccepted
        | MeteringStatus::Included
        | MeteringStatus::WrittenOff(_) => false,
    }
}

fn status_text(status: MeteringStatus) -> &'static str {
    match status {
        MeteringStatus::Open => "open",
        MeteringStatus::Held => "held",
        MeteringStatus::Sent => "sent",
        MeteringStatus::Accepted => "accepted by AWS",
        MeteringStatus::Refused => "refused by AWS",
        MeteringStatus::Conflict => "in clarification with AWS",
        MeteringStatus::Unknown => "AWS’s answer is being found out",
        MeteringStatus::Included => "covered by the contract",
        MeteringStatus::NotAccepted | MeteringStatus::WrittenOff(_) => "written off",
    }
}

fn status_badge(status: MeteringStatus) -> Markup {
    let colour = match status {
        MeteringStatus::Open => "",
        MeteringStatus::Sent => "info",
        MeteringStatus::Accepted | MeteringStatus::Included => "good",
        MeteringStatus::Held | MeteringStatus::Conflict | MeteringStatus::Unknown => "warn",
        MeteringStatus::Refused | MeteringStatus::NotAccepted | MeteringStatus::WrittenOff(_) => {
            "bad"
        }
    };
    html! { span class={ "badge " (colour) } { (status_text(status)) } }
}

fn reason_text(reason: Reason) -> &'static str {
    match reason {
        Reason::Unlicensed(Unbillable::Trial) => "The account was in its trial",
        Reason::Unlicensed(Unbillable::Annual) => "Covered by the annual subscription",
        Reason::Unlicensed(Unbillable::Grace) => "The account was in its 48 hours of grace",
        Reason::Unlicensed(Unbillable::Expired) => domain::account::EXPIRED_LABEL,
        Reason::Unlicensed(Unbillable::Suspended) => "The account was deleted",
        Reason::Unlicensed(Unbillable::AgentOffline) => {
            "Outside any cloud connector, and its agent was offline for the whole hour"
        }
        Reason::Uncharged(status) => match status {
            MeteringStatus::WrittenOff(WriteOff::LicenseEnded) => {
                "The subscription had ended in AWS"
            }
            MeteringStatus::WrittenOff(WriteOff::TooLate) => {
                "AWS takes no usage so long after its hour"
            }
            MeteringStatus::WrittenOff(WriteOff::Restored) => {
                "It may have been charged before, so it is not charged again"
            }
            MeteringStatus::Refused => "AWS refused it until its deadline",
            MeteringStatus::NotAccepted => "AWS had not accepted it, and takes it no more",
            MeteringStatus::Included => "Covered by the prepaid part of the contract",
            MeteringStatus::Open
            | MeteringStatus::Held
            | MeteringStatus::Sent
            | MeteringStatus::Accepted
            | MeteringStatus::Conflict
            | MeteringStatus::Unknown => "Not charged by AWS",
        },
    }
}

#[cfg(test)]
mod tests {
    use domain::ids::LicenseId;

    use super::*;

    fn line(dimension: &str, count: u32, status: MeteringStatus) -> UsageLine {
        UsageLine {
            license: LicenseId::parse("l-0123456789abcdef0123456789abcdef").unwrap(),
            dimension: Dimension::parse(dimension).unwrap(),
            cloud_account: None,
            count,
            billed_in: None,
            status,
        }
    }

    fn hour(text: &str, lines: Vec<UsageLine>) -> UsageHour {
        UsageHour {
            hour: Hour::of(text.parse().unwrap()),
            lines,
            unbillable: BTreeMap::from([(Unbillable::Grace, 2)]),
        }
    }

    #[test]
    fn what_aws_will_not_charge_is_in_no_estimate() {
        let hour = hour(
            "2026-11-22T10:00:00Z",
            vec![
                line("medium", 10, MeteringStatus::Accepted),
                line(
                    "medium",
                    5,
                    MeteringStatus::WrittenOff(WriteOff::LicenseEnded),
                ),
                line("medium", 7, MeteringStatus::Included),
                line("xlarge", 1, MeteringStatus::Held),
            ],
        );
        let sums = Sums::of([&hour]);
        assert_eq!(sums.billed(), 11);
        assert_eq!(sums.unbilled(), 5 + 7 + 2);
        assert_eq!(
            sums.cost(&Catalog::workload_security()),
            10 * 11_000 + 47_000
        );
    }

    #[test]
    fn the_first_and_the_last_hour_of_a_month_lie_in_its_first_and_last_day() {
        let usage = UsageMonth {
            month: Month::parse("2026-11").unwrap(),
            hours: vec![
                hour("2026-11-01T00:00:00Z", Vec::new()),
                hour("2026-11-30T23:00:00Z", Vec::new()),
            ],
        };
        assert_eq!(by_day(&usage).into_keys().collect::<Vec<_>>(), [1, 30]);
    }

    #[test]
    fn a_rate_shows_tenths_of_a_cent() {
        assert_eq!(thousandths(11_000), "0.011");
        assert_eq!(thousandths(1_060_000), "1.060");
    }
}
