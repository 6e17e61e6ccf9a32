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

use domain::catalog::{Catalog, InvalidCatalog};

/// What is sold: by the hour, and by contracts whose dimensions the fake names
/// after the metered ones.
pub(crate) fn catalog() -> Result<Catalog, InvalidCatalog> {
    Catalog::workload_security().with_contracts_by_name()
}
