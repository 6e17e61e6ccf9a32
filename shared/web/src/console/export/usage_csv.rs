//! A month's usage as CSV: everything that the page shows, charged or not.

use app::month::Month;
use domain::hour::Hour;
use domain::ledger::account_hour::Unbillable;

use super::csv::{Csv, Field, TooLarge};
use super::rows::{Row, Span, rows, unbillable};
use super::{Export, Grain};
use crate::console::usage::sums::tier_label;
use crate::console::usage::words::{Reason, reason_text, status_text};

const COLUMNS: [&str; 17] = [
    "used_from_utc",
    "used_until_utc",
    "billed_in_month",
    "billed_in_other_hour_utc",
    "account",
    "account_name",
    "paid_by_aws_account",
    "service",
    "tier",
    "dimension",
    "cloud_account",
    "computer_hours",
    "charged",
    "reason",
    "metering_status",
    "unit_price_usd",
    "estimated_cost_usd",
];

/// Rows by hour or day of use: of the month, and of what is billed in it.
pub(super) fn file(export: &Export<'_>, grain: Grain) -> Result<String, TooLarge> {
    let usage = export.usage;
    let mut csv = Csv::with_header(&COLUMNS);
    let came = usage.carried_in().filter(|(hour, _)| export.holds(*hour));
    let of_month = usage.hours.iter().filter(|used| export.holds(used.hour));
    let lines = of_month
        .clone()
        .flat_map(|used| used.lines.iter().map(|line| (used.hour, line)));
    for row in rows(came.chain(lines), grain) {
        csv.row(charged(export, &row))?;
    }
    for ((span, reason), count) in unbillable(of_month, grain) {
        csv.row(not_billable(export, span, reason, count))?;
    }
    Ok(csv.finish())
}

fn charged<'a>(export: &'a Export<'_>, row: &Row<'a>) -> [Field<'a>; COLUMNS.len()] {
    let line = row.line;
    let charged = line.status.is_charged();
    let billed_in = line.billing_hour(row.used.from);
    let reason = (!charged).then(|| reason_text(Reason::Uncharged(line.status)));
    let cloud_account = line.cloud_account.as_ref();
    [
        instant(row.used.from),
        instant(row.used.until),
        Field::plain_or_null(billed_in.map(|hour| Month::of(hour.start()))),
        Field::plain_or_null(line.billed_in.filter(|_| charged)),
        Field::text(export.view.account.as_str()),
        Field::text(export.view.name.as_str()),
        Field::text(export.payer(&line.license)),
        Field::text(export.catalog.service()),
        Field::text(tier_label(export.catalog, &line.dimension)),
        Field::text(line.dimension.as_str()),
        cloud_account.map_or(Field::Null, |account| Field::text(account.as_str())),
        Field::plain(row.count),
        Field::plain(if charged { "yes" } else { "no" }),
        reason.map_or(Field::Null, Field::text),
        Field::text(status_text(line.status)),
        Field::plain_or_null(line.unit_price),
        Field::plain(row.cost),
    ]
}

fn not_billable<'a>(
    export: &'a Export<'_>,
    used: Span,
    reason: Unbillable,
    count: u64,
) -> [Field<'a>; COLUMNS.len()] {
    [
        instant(used.from),
        instant(used.until),
        Field::Null,
        Field::Null,
        Field::text(export.view.account.as_str()),
        Field::text(export.view.name.as_str()),
        Field::Null,
        Field::text(export.catalog.service()),
        Field::Null,
        Field::Null,
        Field::Null,
        Field::plain(count),
        Field::plain("no"),
        Field::text(reason_text(Reason::Unlicensed(reason))),
        Field::Null,
        Field::Null,
        Field::plain(0),
    ]
}

fn instant<'a>(hour: Hour) -> Field<'a> {
    Field::plain(hour)
}
