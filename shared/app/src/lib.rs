//! The use cases: load, decide, commit, effect.
//!
//! Each file is one use case of [`App`]. It reads the clock once, loads what
//! the decision needs, lets `domain` decide, commits the decision in one
//! conditional write, and only then lets effects follow. It holds no rule of
//! its own: what may happen is `domain`'s, how it is kept is `store`'s.

mod clock;

use std::sync::Arc;

use marketplace::Marketplace;
use store::Store;

pub use clock::Clock;

/// Everything a use case works with. Cheap to clone.
#[derive(Clone)]
pub struct App {
    /// DynamoDB.
    pub store: Store,
    /// AWS Marketplace.
    pub marketplace: Marketplace,
    /// Time and randomness.
    pub clock: Arc<dyn Clock>,
}
