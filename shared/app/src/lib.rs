//! The use cases: load, decide, commit, effect.
//!
//! Each file is one use case of [`App`]. It reads the clock once, loads what
//! the decision needs, lets `domain` decide, commits the decision in one
//! conditional write, and only then lets effects follow. It holds no rule of
//! its own: what may happen is `domain`'s, how it is kept is `store`'s.

pub mod accounts;
mod chain;
mod clock;
pub mod conservation;
pub mod expiry;
pub mod intake;
pub mod linking;
pub mod marketplace_events;
pub mod posting;
pub mod reading;
pub mod registration;
mod secret;
pub mod sign_in;
pub mod submission;
#[cfg(test)]
mod testing;
pub mod usage_month;
#[cfg(test)]
mod usage_races;

use std::sync::Arc;

use domain::catalog::Catalog;
use domain::ledger::slot::AllocationLimit;
use domain::policy::SubscriptionPolicy;
use marketplace::Marketplace;
use store::Store;

pub use chain::Chain;
pub use clock::Clock;
pub use secret::{InvalidSecret, SessionSecret};

/// Everything a use case works with. Cheap to clone.
#[derive(Clone)]
pub struct App {
    /// DynamoDB.
    pub store: Store,
    /// AWS Marketplace.
    pub marketplace: Marketplace,
    /// Time and randomness.
    pub clock: Arc<dyn Clock>,
    /// What the seller chose.
    pub settings: Settings,
}

/// What the seller chose. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The rules of subscriptions.
    pub subscriptions: Arc<SubscriptionPolicy>,
    /// What is sold, and how it is metered.
    pub catalog: Arc<Catalog>,
    /// How many allocations a usage record holds at most.
    pub allocations: AllocationLimit,
}
