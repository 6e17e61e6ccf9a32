//! The seller's product, in small: users, accounts, computers, and the usage
//! that it reports every hour.

mod fleet;
mod reporting;
mod seed;

pub use seed::{ACME_PRODUCTION, ACME_STAGING, GLOBEX, Person, Proof, SeedError, people};

pub(crate) use reporting::Reporting;
pub(crate) use seed::{open_accounts, users};
