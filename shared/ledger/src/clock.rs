//! Time and randomness, the two things a procedure may not find out by itself.

use futures_util::future::{BoxFuture, ready};
use jiff::Timestamp;

/// Where `now` and fresh identifiers come from. The only trait of the project:
/// the system's on AWS, one that can be moved in the local stack, a seeded one
/// in the simulator.
pub trait Clock: Send + Sync {
    /// The current instant.
    fn now(&self) -> Timestamp;

    /// 128 random bits, unguessable where the clock is the system's.
    fn random(&self) -> u128;

    /// Waits until an instant. A clock that moves only when told has nothing
    /// to wait for and returns at once; one that flows must not.
    fn wait(&self, _until: Timestamp) -> BoxFuture<'_, ()> {
        Box::pin(ready(()))
    }
}
