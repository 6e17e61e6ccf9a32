//! At which rates usage is billed.

use domain::catalog::Catalog;
use domain::ids::Dimension;
use domain::money::Usd;

/// What a computer-hour metered under a dimension costs; `None` for a dimension
/// that is no longer sold.
///
/// It is the list price. Every estimate, on a page and in an export, asks here
/// and nowhere else: what changes this changes them all.
pub fn unit_price(catalog: &Catalog, dimension: &Dimension) -> Option<Usd> {
    list_price(catalog, dimension)
}

/// The catalog's price before anything that was agreed on.
pub fn list_price(catalog: &Catalog, dimension: &Dimension) -> Option<Usd> {
    let rate = catalog.rate_of(dimension)?;
    Some(Usd::from_micros(rate.list_price_microusd))
}
