//! The lines of an account's hours, from what was posted and what became of it.

use std::collections::BTreeMap;

use domain::catalog::Catalog;
use domain::hour::Hour;
use domain::ids::{CloudAccountId, Dimension, LicenseId};
use domain::ledger::account_hour::{AccountHour, Line, Target};
use domain::ledger::slot::SlotEntry;

use super::outcomes::{EntryName, Outcomes, name_of};
use super::{MeteringStatus, UsageHour, UsageLine};
use crate::prices::unit_price;

/// Lines added up by hour of use.
pub(super) struct Lines<'a> {
    catalog: &'a Catalog,
    hours: BTreeMap<Hour, UsageHour>,
}

impl<'a> Lines<'a> {
    pub(super) const fn new(catalog: &'a Catalog) -> Self {
        Self {
            catalog,
            hours: BTreeMap::new(),
        }
    }

    /// Adds everything of an account's hour.
    pub(super) fn add_hour(&mut self, hour: &AccountHour, outcomes: &Outcomes) {
        let usage = self.hour(hour.hour);
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
                Target::WrittenOff(reason) => {
                    let status = MeteringStatus::WrittenOff(reason);
                    let unit_price = unit_price(self.catalog, &line.dimension);
                    self.hour(hour.hour).lines.push(UsageLine {
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

    /// Adds everything of an entry of a slot.
    pub(super) fn add_entry(
        &mut self,
        license: &LicenseId,
        entry: &SlotEntry,
        outcomes: &Outcomes,
    ) {
        let name = name_of(license, entry);
        for amount in &entry.amounts {
            let cloud_account = amount.cloud_account.as_ref();
            let kind = (&amount.dimension, cloud_account, amount.count);
            self.add(&name, kind, outcomes);
        }
    }

    fn add(
        &mut self,
        name: &EntryName,
        (dimension, cloud_account, count): (&Dimension, Option<&CloudAccountId>, u32),
        outcomes: &Outcomes,
    ) {
        let (license, _, _, used, _) = name;
        let unit_price = unit_price(self.catalog, dimension);
        for outcome in outcomes.of(name, dimension, cloud_account, count) {
            self.hour(*used).lines.push(UsageLine {
                license: license.clone(),
                dimension: dimension.clone(),
                cloud_account: cloud_account.cloned(),
                count: outcome.count,
                billed_in: (outcome.slot != *used).then_some(outcome.slot),
                status: outcome.status,
                unit_price,
            });
        }
    }

    fn hour(&mut self, hour: Hour) -> &mut UsageHour {
        self.hours.entry(hour).or_insert_with(|| UsageHour {
            hour,
            lines: Vec::new(),
            unbillable: BTreeMap::new(),
        })
    }

    /// The hours, ascending, each with its lines by license, tier and cloud
    /// account. The parts of an account are counted together.
    pub(super) fn by_hour(mut self) -> Vec<UsageHour> {
        let rates = self.catalog.rates();
        let tier = |line: &UsageLine| rates.iter().position(|r| r.dimension == line.dimension);
        for usage in self.hours.values_mut() {
            usage.lines.sort_by(|a, b| {
                let by_tier = a.license.cmp(&b.license).then(tier(a).cmp(&tier(b)));
                by_tier
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

fn entry_of(hour: &AccountHour, line: &Line, origin: Hour) -> EntryName {
    let (account, part) = (hour.account.clone(), hour.part);
    (line.license.clone(), account, part, hour.hour, origin)
}
