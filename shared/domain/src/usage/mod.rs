//! Usage reports: what the product tells us about an account's hour.
//!
//! The unit of truth is an *atom*, (account, hour, computer): "computer c was
//! protected in hour h" is a member of a set, never an increment, so that a
//! report delivered again changes nothing. A report is an immutable fact; its
//! computers are classified when it arrives ([`report`]), packed ([`packed`])
//! and stored by part ([`partition`]).

pub mod computer;
pub mod not_cloud;
pub mod packed;
pub mod partition;
pub mod report;

pub use computer::{ComputerKey, Observation, Protected, Span};
pub use not_cloud::{NotCloudComputer, NotCloudListing, NotCloudReason};
pub use partition::{Part, Shard};
pub use report::UsageReport;
