//! The local stack: the whole system on one machine, without AWS.
//!
//! The functions of `functions/` run in this process, with the same handlers
//! and the same SDK clients as on AWS, against `fake-aws`: an embedded
//! DynamoDB and a faithful fake of AWS Marketplace on one port, the seller's
//! pages and API on another. Time is the fake's: the wall clock plus what was
//! advanced, or an instant that only moves when told.
//!
//! Invariants:
//!
//! - nothing here knows a rule: it wires, and plays the parts of AWS (queues,
//!   schedules) and of the seller's product (accounts, users, computers);
//! - what falls due while the clock is moved runs at its own instant.

mod apart;
mod clock;
mod edge;
mod functions;
pub mod issuer;
mod processes;
pub mod product;
mod schedules;
mod stack;

pub use apart::Observer;
pub use processes::{Answer, ProcessConfig, Processes, RuntimeApi};
pub use stack::{Config, Local, StartError, USAGE_API_KEY};
