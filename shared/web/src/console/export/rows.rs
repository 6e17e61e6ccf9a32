//! Usage as rows of a file, by hour or by day of use.

use std::collections::BTreeMap;

use app::usage_month::{MeteringStatus, UsageHour, UsageLine};
use domain::hour::{HOURS_A_DAY, Hour};
use domain::ids::{CloudAccountId, Dimension, LicenseId};
use domain::ledger::account_hour::Unbillable;
use domain::money::Usd;

/// What a row is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Grain {
    Hour,
    Day,
}

/// From an hour up to another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Span {
    pub(super) from: Hour,
    pub(super) until: Hour,
}

impl Grain {
    /// The one that an address names.
    pub(super) fn named(name: &str) -> Option<Self> {
        match name {
            "hour" => Some(Self::Hour),
            "day" => Some(Self::Day),
            _ => None,
        }
    }

    /// The hour or the day in which an hour lies.
    fn span(self, hour: Hour) -> Span {
        let (from, hours) = match self {
            Self::Hour => (hour, 1),
            Self::Day => (hour.first_of_day(), HOURS_A_DAY),
        };
        Span {
            from,
            until: from.plus(hours),
        }
    }
}

/// Lines of a span that are alike but for their hour of use: of one price.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Row<'a> {
    pub(super) used: Span,
    /// One of the lines.
    pub(super) line: &'a UsageLine,
    /// Computer-hours of all of them.
    pub(super) count: u64,
    pub(super) cost: Usd,
}

type Kind<'a> = (
    Span,
    &'a LicenseId,
    &'a Dimension,
    Option<&'a CloudAccountId>,
    Option<Hour>,
    MeteringStatus,
    Option<Usd>,
);

/// Lines added up by span of use.
pub(super) fn rows<'a>(
    lines: impl Iterator<Item = (Hour, &'a UsageLine)>,
    grain: Grain,
) -> impl Iterator<Item = Row<'a>> {
    let mut rows: BTreeMap<Kind<'a>, Row<'a>> = BTreeMap::new();
    for (hour, line) in lines {
        let used = grain.span(hour);
        let cloud_account = line.cloud_account.as_ref();
        let of_license = (&line.license, &line.dimension, cloud_account);
        let kind = (
            used,
            of_license.0,
            of_license.1,
            of_license.2,
            line.billed_in,
            line.status,
            line.unit_price,
        );
        let row = rows.entry(kind).or_insert(Row {
            used,
            line,
            count: 0,
            cost: Usd::ZERO,
        });
        row.count += u64::from(line.count);
        row.cost = row.cost.plus(line.cost());
    }
    rows.into_values()
}

/// What nobody pays for, added up by span of use and reason.
pub(super) fn unbillable<'a>(
    hours: impl Iterator<Item = &'a UsageHour>,
    grain: Grain,
) -> BTreeMap<(Span, Unbillable), u64> {
    let mut sums = BTreeMap::new();
    for usage in hours {
        for (reason, count) in &usage.unbillable {
            let sum: &mut u64 = sums.entry((grain.span(usage.hour), *reason)).or_default();
            *sum += u64::from(*count);
        }
    }
    sums
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hour(text: &str) -> Hour {
        Hour::of(text.parse().unwrap())
    }

    fn line(count: u32, billed_in: Option<Hour>) -> UsageLine {
        UsageLine {
            license: LicenseId::parse("l-0123456789abcdef0123456789abcdef").unwrap(),
            dimension: Dimension::parse("medium").unwrap(),
            cloud_account: None,
            count,
            billed_in,
            status: MeteringStatus::Accepted,
            unit_price: Some(Usd::from_micros(11_000)),
        }
    }

    #[test]
    fn a_day_adds_up_its_hours_and_keeps_what_is_billed_elsewhere_apart() {
        let later = hour("2026-12-01T00:00:00Z");
        let (own, more, carried) = (line(2, None), line(3, None), line(5, Some(later)));
        let lines = [
            (hour("2026-11-30T00:00:00Z"), &own),
            (hour("2026-11-30T23:00:00Z"), &more),
            (hour("2026-11-30T23:00:00Z"), &carried),
        ];
        let by_day: Vec<_> = rows(lines.into_iter(), Grain::Day)
            .map(|row| (row.used.from, row.count, row.cost, row.line.billed_in))
            .collect();
        let day = hour("2026-11-30T00:00:00Z");
        assert_eq!(
            by_day,
            [
                (day, 5, Usd::from_micros(55_000), None),
                (day, 5, Usd::from_micros(55_000), Some(later)),
            ]
        );
        assert_eq!(rows(lines.into_iter(), Grain::Hour).count(), 3);
        assert_eq!(Grain::Day.span(day.plus(23)).until, later);
    }
}
