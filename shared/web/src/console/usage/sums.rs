//! Computer-hours added up, for tables and charts.

use std::collections::{BTreeMap, BTreeSet};

use app::prices::{Prices, list_price};
use app::usage_month::{MeteringStatus, UsageHour, UsageLine, UsageMonth};
use domain::catalog::Catalog;
use domain::hour::Hour;
use domain::ids::Dimension;
use domain::license::pricing_at;
use domain::money::Usd;
use jiff::Timestamp;

use super::words::Reason;

/// Computer-hours added up.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Sums {
    /// What is charged, by dimension.
    pub(super) charged: BTreeMap<Dimension, Charge>,
    pub(super) not_charged: BTreeMap<Reason, u64>,
    pub(super) statuses: BTreeMap<MeteringStatus, u64>,
    /// Of what is charged, what is billed in another hour than that of use.
    pub(super) carried: u64,
    /// Of what AWS accepted, what costs nothing.
    pub(super) accepted_free: u64,
}

/// Computer-hours, and what they cost.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Charge {
    pub(super) count: u64,
    pub(super) cost: Usd,
}

impl Charge {
    pub(super) fn add(&mut self, line: &UsageLine) {
        self.count += u64::from(line.count);
        self.cost = self.cost.plus(line.cost());
    }
}

impl Sums {
    pub(super) fn of<'a>(hours: impl IntoIterator<Item = &'a UsageHour>) -> Self {
        let mut sums = Self::default();
        for hour in hours {
            for line in &hour.lines {
                sums.add(line);
            }
            for (reason, count) in &hour.unbillable {
                let reason = Reason::Unlicensed(*reason);
                *sums.not_charged.entry(reason).or_default() += u64::from(*count);
            }
        }
        sums
    }

    pub(super) fn of_lines<'a>(lines: impl Iterator<Item = &'a UsageLine>) -> Self {
        let mut sums = Self::default();
        lines.for_each(|line| sums.add(line));
        sums
    }

    fn add(&mut self, line: &UsageLine) {
        let count = u64::from(line.count);
        if line.status.is_charged() {
            let charge = self.charged.entry(line.dimension.clone()).or_default();
            charge.add(line);
            self.carried += if line.billed_in.is_some() { count } else { 0 };
        } else {
            let reason = Reason::Uncharged(line.status);
            *self.not_charged.entry(reason).or_default() += count;
        }
        *self.statuses.entry(line.status).or_default() += count;
        if line.status == MeteringStatus::Accepted && line.is_free() {
            self.accepted_free += count;
        }
    }

    pub(super) fn charge(&self, dimension: &Dimension) -> Charge {
        self.charged.get(dimension).copied().unwrap_or_default()
    }

    pub(super) fn billed(&self) -> u64 {
        self.charged.values().map(|charge| charge.count).sum()
    }

    pub(super) fn unbilled(&self) -> u64 {
        self.not_charged.values().sum()
    }

    pub(super) fn cost(&self) -> Usd {
        self.charged.values().map(|charge| charge.cost).sum()
    }

    pub(super) fn with_status(&self, status: MeteringStatus) -> u64 {
        self.statuses.get(&status).copied().unwrap_or_default()
    }
}

/// A tier as a row or a column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Tier {
    pub(super) dimension: Dimension,
    pub(super) label: String,
    /// What a computer-hour of it costs, ascending: more than one when the price
    /// changed; none for what is no longer sold.
    pub(super) prices: BTreeSet<Usd>,
}

/// The tiers that are sold, and then those of the month's usage that no longer are.
/// A tier without usage has the rate of the agreement in force at the month's end,
/// or now.
pub(super) fn tiers(catalog: &Catalog, usage: &UsageMonth, now: Timestamp) -> Vec<Tier> {
    let lines = || usage.used().chain(usage.carried_in()).map(|(_, line)| line);
    let prices_of = |dimension: &Dimension| -> BTreeSet<Usd> {
        let of_tier = lines().filter(|line| line.dimension == *dimension);
        of_tier.filter_map(|line| line.unit_price).collect()
    };
    let tier = |dimension: &Dimension, label: &str| Tier {
        dimension: dimension.clone(),
        label: label.to_owned(),
        prices: match prices_of(dimension) {
            unused if unused.is_empty() => latest_price(catalog, usage, dimension, now)
                .into_iter()
                .collect(),
            used => used,
        },
    };
    let sold = catalog.rates().iter();
    let mut tiers: Vec<Tier> = sold.map(|r| tier(&r.dimension, &r.label)).collect();
    for line in lines() {
        if !tiers.iter().any(|tier| tier.dimension == line.dimension) {
            tiers.push(tier(&line.dimension, line.dimension.as_str()));
        }
    }
    tiers
}

/// What a computer-hour costs by the agreement in force at the month's end, or now;
/// at list price where none is known.
fn latest_price(
    catalog: &Catalog,
    usage: &UsageMonth,
    dimension: &Dimension,
    now: Timestamp,
) -> Option<Usd> {
    let hour = Hour::of(now).min(usage.month.next().first_hour().previous());
    let begun = |(license, agreed)| Some((pricing_at(agreed, hour.end())?.from, license));
    let agreed = usage.agreed.iter().map(|(id, agreed)| (id, &agreed[..]));
    match agreed.filter_map(begun).max() {
        Some((_, license)) => {
            Prices::new(catalog, &usage.agreed).unit_price(license, dimension, hour)
        }
        None => list_price(catalog, dimension),
    }
}

/// What people call a dimension.
pub(in crate::console) fn tier_label<'a>(
    catalog: &'a Catalog,
    dimension: &'a Dimension,
) -> &'a str {
    let rate = catalog.rate_of(dimension);
    rate.map_or(dimension.as_str(), |rate| rate.label.as_str())
}

#[cfg(test)]
mod tests {
    use app::month::Month;
    use domain::ids::LicenseId;
    use domain::ledger::account_hour::{Unbillable, WriteOff};

    use super::*;

    fn line(dimension: &str, count: u32, status: MeteringStatus) -> UsageLine {
        let dimension = Dimension::parse(dimension).unwrap();
        UsageLine {
            license: LicenseId::parse("l-0123456789abcdef0123456789abcdef").unwrap(),
            unit_price: list_price(&Catalog::workload_security(), &dimension),
            dimension,
            cloud_account: None,
            count,
            billed_in: None,
            status,
        }
    }

    fn hour(lines: Vec<UsageLine>) -> UsageHour {
        UsageHour {
            hour: Hour::of("2026-11-22T10:00:00Z".parse().unwrap()),
            lines,
            unbillable: BTreeMap::from([(Unbillable::Grace, 2)]),
        }
    }

    #[test]
    fn what_aws_will_not_charge_is_in_no_estimate() {
        let ended = MeteringStatus::WrittenOff(WriteOff::LicenseEnded);
        let sums = Sums::of([&hour(vec![
            line("medium", 10, MeteringStatus::Accepted),
            line("medium", 5, ended),
            line("medium", 7, MeteringStatus::Included),
            line("xlarge", 1, MeteringStatus::Held),
        ])]);
        assert_eq!(sums.billed(), 11);
        assert_eq!(sums.unbilled(), 5 + 7 + 2);
        assert_eq!(sums.cost(), Usd::from_micros(10 * 11_000 + 47_000));
    }

    #[test]
    fn a_tier_that_is_no_longer_sold_is_shown_without_a_rate_and_not_left_out() {
        let usage = UsageMonth {
            month: Month::parse("2026-11").unwrap(),
            hours: vec![hour(vec![line("retired", 3, MeteringStatus::Accepted)])],
            carried_in: Vec::new(),
            payers: BTreeMap::new(),
            agreed: BTreeMap::new(),
        };
        let now = "2026-11-22T12:00:00Z".parse().unwrap();
        let tiers = tiers(&Catalog::workload_security(), &usage, now);
        let last = tiers.last().unwrap();
        assert_eq!(last.label, "retired");
        assert!(last.prices.is_empty());
        assert_eq!(Sums::of(&usage.hours).cost(), Usd::ZERO);
        assert_eq!(Sums::of(&usage.hours).billed(), 3);
    }
}
