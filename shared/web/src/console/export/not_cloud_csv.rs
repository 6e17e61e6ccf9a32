//! Computers outside the clouds as CSV, each with what a cloud connector would save.

use app::not_cloud::{NotCloud, Saving};
use domain::catalog::Catalog;
use domain::hour::Hour;
use domain::usage::NotCloudComputer;

use super::csv::{Csv, Field, TooLarge};
use crate::console::not_cloud::reason_text;

const COLUMNS: [&str; 7] = [
    "hour_utc",
    "agent",
    "instance",
    "why",
    "tier_under_connector",
    "saves_at_least_usd_an_hour",
    "saves_at_most_usd_an_hour",
];

/// A row for each computer; none, when none was reported.
pub(super) fn file(found: Option<&NotCloud>, catalog: &Catalog) -> Result<String, TooLarge> {
    let mut csv = Csv::with_header(&COLUMNS);
    if let Some(found) = found {
        for (computer, saving) in &found.computers {
            csv.row(row(found.hour, computer, *saving, catalog))?;
        }
    }
    Ok(csv.finish())
}

fn row<'a>(
    hour: Hour,
    computer: &'a NotCloudComputer,
    saving: Option<Saving>,
    catalog: &'a Catalog,
) -> [Field<'a>; COLUMNS.len()] {
    let instance = computer.instance.as_ref();
    let tier = computer.under_connector.map(|tier| catalog.rate(tier));
    [
        Field::plain(hour),
        Field::text(computer.agent.as_str()),
        instance.map_or(Field::Null, |id| Field::text(id.as_str())),
        Field::text(reason_text(computer.why)),
        tier.map_or(Field::Null, |rate| Field::text(rate.label.as_str())),
        Field::plain_or_null(saving.map(|saving| saving.least)),
        Field::plain_or_null(saving.map(|saving| saving.most)),
    ]
}
