//! At which rates usage is billed.

use std::collections::BTreeMap;

use domain::catalog::Catalog;
use domain::hour::Hour;
use domain::ids::{Dimension, LicenseId};
use domain::license::{Pricing, pricing_at};
use domain::money::Usd;

/// What computer-hours cost: at the rates that a license's buyer agreed on, as
/// far as AWS told them, else at list price.
///
/// Every estimate, on a page and in an export, asks here and nowhere else.
#[derive(Debug, Clone, Copy)]
pub struct Prices<'a> {
    catalog: &'a Catalog,
    agreed: &'a BTreeMap<LicenseId, Vec<Pricing>>,
}

impl<'a> Prices<'a> {
    /// The prices of a catalog, and those that were agreed on by license.
    pub const fn new(catalog: &'a Catalog, agreed: &'a BTreeMap<LicenseId, Vec<Pricing>>) -> Self {
        Self { catalog, agreed }
    }

    /// What a computer-hour metered to a license under a dimension in an hour
    /// costs; `None` for a dimension that is no longer sold. What AWS told in
    /// another currency than US dollars is estimated at list price.
    pub fn unit_price(
        &self,
        license: &LicenseId,
        dimension: &Dimension,
        hour: Hour,
    ) -> Option<Usd> {
        let agreed = || {
            let agreed = self.agreed.get(license)?;
            let (pricing, at) = in_hour(agreed, hour)?;
            pricing.rate(dimension, at)
        };
        agreed().or_else(|| list_price(self.catalog, dimension))
    }

    /// Whether a license's prices change after an hour's start and before
    /// another one's.
    pub(crate) fn change_between(&self, license: &LicenseId, from: Hour, until: Hour) -> bool {
        let agreed = self.agreed.get(license).map_or(&[][..], Vec::as_slice);
        let changes = agreed
            .iter()
            .flat_map(|one| [Some(one.from), one.free_until]);
        changes
            .flatten()
            .any(|at| from.start() < at && at < until.start())
    }

    /// The dimensions and tiers that are sold.
    pub(crate) const fn catalog(&self) -> &'a Catalog {
        self.catalog
    }
}

/// The pricing in force in an hour, and at which instant of it: a record has the
/// hour's start, or the license's activation in the hour.
fn in_hour(agreed: &[Pricing], hour: Hour) -> Option<(&Pricing, jiff::Timestamp)> {
    let start = hour.start();
    if let Some(pricing) = pricing_at(agreed, start) {
        return Some((pricing, start));
    }
    let first = agreed.first().filter(|first| first.from < hour.end())?;
    Some((first, first.from))
}

/// The catalog's price before anything that was agreed on.
pub fn list_price(catalog: &Catalog, dimension: &Dimension) -> Option<Usd> {
    let rate = catalog.rate_of(dimension)?;
    Some(Usd::from_micros(rate.list_price_microusd))
}

#[cfg(test)]
mod tests;
