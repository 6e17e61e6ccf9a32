//! Everything around a use case when it runs as a Lambda function: settings,
//! the system's clock, AWS clients, telemetry, and the shapes of events.
//!
//! Invariants:
//!
//! - Only this crate reads the environment, the system's clock and its source of
//!   randomness ([`settings`], [`clock`]); settings are read once, at start, and
//!   every wrong or missing one is reported together, by name.
//! - Clients are built once, before the first invocation, with one HTTP and one
//!   TLS stack ([`aws`], [`https`]). Metering is never retried by the SDK.
//! - What an event got wrong is told by its field; neither the event's content
//!   nor a secret enters an answer or the log ([`payload`], [`telemetry`]).
//! - One bad record of a batch fails alone ([`batch`]).
//! - Metrics are written in one place and one form ([`metrics`]).

pub mod aws;
pub mod batch;
pub mod clock;
pub mod http;
pub mod https;
pub mod invocation;
pub mod metrics;
pub mod payload;
pub mod schedule;
pub mod settings;
mod sources;
pub mod telemetry;

mod start;

pub use marketplace::Api;
pub use start::{Started, start, start_pages, start_reconciliation, start_site};
