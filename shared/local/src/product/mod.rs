//! The seller's product, in small: users, accounts, computers, and the usage
//! that it reports every hour.

mod fleet;
mod reporting;
mod requests;
mod seed;
mod silence;

pub use seed::{ACME_PRODUCTION, ACME_STAGING, GLOBEX, Person, Proof, SeedError, people};

pub(crate) use reporting::Reporting;
pub(crate) use requests::Requests;
pub(crate) use seed::{open_accounts, users};
pub(crate) use silence::Silence;

use domain::catalog::{Catalog, ContractDimension, InvalidCatalog};
use domain::ids::Dimension;

/// What is sold: by the hour, and by contracts whose dimensions the fake names
/// after the metered ones.
pub(crate) fn catalog() -> Result<Catalog, InvalidCatalog> {
    let catalog = Catalog::workload_security();
    let contracts = catalog.rates().iter().filter_map(|rate| {
        Some(ContractDimension {
            contract: Dimension::parse(format!("{}_hours", rate.dimension)).ok()?,
            metered: rate.dimension.clone(),
        })
    });
    let contracts = contracts.collect();
    catalog.with_contracts(contracts)
}
