//! What was carried over the ends of the month.

use std::collections::BTreeMap;

use app::usage_month::{MeteringStatus, UsageLine, UsageMonth};
use domain::catalog::Catalog;
use domain::hour::Hour;
use domain::ids::Dimension;
use maud::{Markup, html};

use super::sums::tier_label;
use super::words::status_badge;
use crate::layout::{grouped, time_in_table};

/// How many rows are listed; an export lists them all.
const MOST_ROWS: usize = 50;

/// Usage carried alike: hour of use, hour billed in, dimension and status.
type Kind<'a> = (Hour, Option<Hour>, &'a Dimension, MeteringStatus);

/// Nothing, when nothing was carried.
pub(super) fn carried(usage: &UsageMonth, catalog: &Catalog) -> Markup {
    let came = sums(usage.carried_in());
    let left = sums(usage.carried_out());
    if came.is_empty() && left.is_empty() {
        return Markup::default();
    }
    html! {
        section.card aria-labelledby="carried" {
            h2 #carried { "Carried over the month’s end" }
            p { "Usage that could not be sent for its own hour is billed in a later one. It counts in the month of the hour that it is billed in, as on AWS’s invoice." }
            (table("in", "Carried in", &came, catalog))
            (table("out", "Carried out", &left, catalog))
        }
    }
}

/// Computer-hours of every cloud account together.
fn sums<'a>(lines: impl Iterator<Item = (Hour, &'a UsageLine)>) -> BTreeMap<Kind<'a>, u64> {
    let mut sums = BTreeMap::new();
    for (used, line) in lines {
        let kind = (used, line.billed_in, &line.dimension, line.status);
        let sum: &mut u64 = sums.entry(kind).or_default();
        *sum += u64::from(line.count);
    }
    sums
}

fn table(way: &str, heading: &str, rows: &BTreeMap<Kind<'_>, u64>, catalog: &Catalog) -> Markup {
    if rows.is_empty() {
        return Markup::default();
    }
    let others = rows.len().saturating_sub(MOST_ROWS);
    html! {
        h3 { (heading) }
        div.scroll tabindex="0" role="group" aria-label=(heading) {
            table.stack data-carried=(way) {
                thead { tr { th scope="col" { "Hour of use (UTC)" } th scope="col" { "Hour billed in (UTC)" } th scope="col" { "Tier" } th.num scope="col" { "Computer-hours" } th scope="col" { "Metering" } } }
                tbody {
                    @for ((used, billed_in, dimension, status), count) in rows.iter().take(MOST_ROWS) {
                        tr {
                            th scope="row" data-label="Hour of use (UTC)" { (time_in_table(used.start())) }
                            td data-label="Hour billed in (UTC)" { @if let Some(hour) = billed_in { (time_in_table(hour.start())) } }
                            td data-label="Tier" { (tier_label(catalog, dimension)) }
                            td.num data-label="Computer-hours" { (grouped(*count)) }
                            td data-label="Metering" { (status_badge(*status)) }
                        }
                    }
                }
            }
        }
        @if others > 0 { p.small { (others) " more are in the CSV export." } }
    }
}
