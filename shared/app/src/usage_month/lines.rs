//! The lines of an account's hours, from what was posted and what became of it.

use std::collections::BTreeMap;

use domain::hour::Hour;
use domain::ids::{CloudAccountId, Dimension};
use domain::ledger::account_hour::{AccountHour, Line, Target};
use domain::ledger::day::{SummedHour, SummedLine};

use super::outcomes::{EntryName, Outcomes};
use super::{MeteringStatus, UsageHour, UsageLine};
use crate::prices::Prices;

/// By what lines are added up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Grain {
    /// By hour of use.
    Hour,
    /// By day of use, in the day's first hour; but what was carried by hour of use.
    Day,
}

/// Lines added up by hour or by day of use.
pub(super) struct Lines<'a> {
    prices: Prices<'a>,
    grain: Grain,
    hours: BTreeMap<Hour, UsageHour>,
}

impl<'a> Lines<'a> {
    pub(super) const fn new(prices: Prices<'a>, grain: Grain) -> Self {
        Self {
            prices,
            grain,
            hours: BTreeMap::new(),
        }
    }

    /// Adds everything of an account's hour.
    pub(super) fn add_hour(&mut self, hour: &AccountHour, outcomes: &Outcomes) {
        let usage = self.hour(hour.hour, None);
        for (reason, count) in &hour.unbillable {
            *usage.unbillable.entry(*reason).or_default() += count;
        }
        for line in &hour.lines {
            match line.target {
                Target::Slot(origin) => {
                    let name = entry_of(hour, line, origin);
                    let cloud_account = line.cloud_account.as_ref();
                    let kind = (&line.dimension, cloud_account, line.count);
                    self.add(&name, kind, outcomes);
                }
                // Another line of the hour holds it.
                Target::Released(_) => {}
                Target::WrittenOff(reason) => {
                    let status = MeteringStatus::WrittenOff(reason);
                    let unit_price =
                        self.prices
                            .unit_price(&line.license, &line.dimension, hour.hour);
                    self.hour(hour.hour, None).lines.push(UsageLine {
                        license: line.license.clone(),
                        dimension: line.dimension.clone(),
                        cloud_account: line.cloud_account.clone(),
                        count: line.count,
                        billed_in: None,
                        status,
                        unit_price,
                    });
                }
            }
        }
    }

    /// Adds everything of an hour, or of a whole day, that is summed up.
    pub(super) fn add_summed_up(&mut self, summed: SummedHour) {
        let used = summed.hour;
        let usage = self.hour(used, None);
        for (reason, count) in summed.unbillable {
            *usage.unbillable.entry(reason).or_default() += count;
        }
        for SummedLine { kind, count } in summed.lines {
            let carried = i32::from(kind.carried_hours);
            let billed_in = (carried > 0).then(|| used.plus(carried));
            let billing_hour = billed_in.unwrap_or(used);
            let line = UsageLine {
                billed_in,
                status: kind.end.into(),
                unit_price: self
                    .prices
                    .unit_price(&kind.license, &kind.dimension, billing_hour),
                license: kind.license,
                dimension: kind.dimension,
                cloud_account: kind.cloud_account,
                count,
            };
            self.hour(used, billed_in).lines.push(line);
        }
    }

    fn add(
        &mut self,
        name: &EntryName,
        (dimension, cloud_account, count): (&Dimension, Option<&CloudAccountId>, u32),
        outcomes: &Outcomes,
    ) {
        let (license, _, _, used, _) = name;
        for outcome in outcomes.of(name, dimension, cloud_account, count) {
            let billed_in = (outcome.slot != *used).then_some(outcome.slot);
            let unit_price = self.prices.unit_price(license, dimension, outcome.slot);
            self.hour(*used, billed_in).lines.push(UsageLine {
                license: license.clone(),
                dimension: dimension.clone(),
                cloud_account: cloud_account.cloned(),
                count: outcome.count,
                billed_in,
                status: outcome.status,
                unit_price,
            });
        }
    }

    /// Where a line of an hour of use is added.
    fn hour(&mut self, used: Hour, billed_in: Option<Hour>) -> &mut UsageHour {
        let at = match (self.grain, billed_in) {
            (Grain::Day, None) => used.first_of_day(),
            (Grain::Hour, _) | (Grain::Day, Some(_)) => used,
        };
        self.hours.entry(at).or_insert_with(|| nothing(at))
    }

    /// The hours, ascending, each with its lines by license, tier and cloud
    /// account. The parts of an account are counted together.
    pub(super) fn by_hour(mut self) -> Vec<UsageHour> {
        let rates = self.prices.catalog().rates();
        let tier = |line: &UsageLine| rates.iter().position(|r| r.dimension == line.dimension);
        for usage in self.hours.values_mut() {
            usage.lines.sort_by(|a, b| {
                let by_license = a.license.cmp(&b.license);
                by_license
                    .then_with(|| tier(a).cmp(&tier(b)))
                    .then_with(|| a.dimension.cmp(&b.dimension))
                    .then_with(|| a.cloud_account.cmp(&b.cloud_account))
                    .then_with(|| (a.billed_in, a.status).cmp(&(b.billed_in, b.status)))
            });
            usage.lines.dedup_by(|later, earlier| {
                let alike = earlier.is_counted_with(later);
                if alike {
                    earlier.count = earlier.count.saturating_add(later.count);
                }
                alike
            });
        }
        self.hours.into_values().collect()
    }
}

fn nothing(hour: Hour) -> UsageHour {
    UsageHour {
        hour,
        lines: Vec::new(),
        unbillable: BTreeMap::new(),
    }
}

fn entry_of(hour: &AccountHour, line: &Line, origin: Hour) -> EntryName {
    let (account, part) = (hour.account.clone(), hour.part);
    (line.license.clone(), account, part, hour.hour, origin)
}
