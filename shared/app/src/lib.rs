//! The use cases: load, decide, commit, effect.
//!
//! Each file is one use case of [`App`]. It reads the clock once, loads what
//! the decision needs, lets `domain` decide, commits the decision in one
//! conditional write, and only then lets effects follow. It holds no rule of
//! its own: what may happen is `domain`'s, in which order usage is recorded,
//! posted and sent is `ledger`'s, how it is kept is `store`'s.

pub mod accounts;
mod asking;
pub mod catching_up;
mod chain;
mod conservation;
pub mod expiry;
mod granting;
pub mod linking;
pub mod marketplace_events;
mod metering;
pub mod month;
pub mod not_cloud;
mod notices;
mod pace;
pub mod prices;
pub mod reading;
pub mod reconciliation;
pub mod registration;
mod secret;
pub mod sign_in;
mod summing_up;
pub mod support;
#[cfg(test)]
mod testing;
mod trail;
pub mod usage_month;
#[cfg(test)]
mod usage_races;

use std::sync::Arc;

use domain::policy::SubscriptionPolicy;
use marketplace::Marketplace;
use store::Store;

pub use chain::Chain;
pub use ledger::conservation::{Conservation, Difference, Scope};
pub use ledger::operations::{Done, GrantError, OperationError};
pub use ledger::posting::PostingRun;
pub use ledger::recording::{RecordError, Recorded};
pub use ledger::step::{Listed, RecordName, Unreadable};
pub use ledger::submission::SubmissionRun;
pub use ledger::written_off::WrittenOffUsage;
pub use ledger::{Clock, Rules, StepError, ZeroRecords};
pub use secret::{InvalidSecret, SessionSecret};
pub use summing_up::SummedUp;

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
    /// What is sold, and the rules of the ledger.
    pub rules: Rules,
}
