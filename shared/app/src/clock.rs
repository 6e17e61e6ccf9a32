//! Time and randomness, the two things a use case may not find out by itself.

use jiff::Timestamp;

/// Where `now` and fresh identifiers come from. The only trait of the project:
/// the system's on AWS, one that can be moved in the local stack, a seeded one
/// in the simulator.
pub trait Clock: Send + Sync {
    /// The current instant.
    fn now(&self) -> Timestamp;

    /// 128 random bits, unguessable where the clock is the system's.
    fn random(&self) -> u128;
}
