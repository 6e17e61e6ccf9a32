//! The rules of selling a SaaS through AWS Marketplace, as pure functions.
//!
//! Nothing here does I/O, reads a clock, draws a random number or looks at the
//! environment: `now` and fresh identifiers are arguments. A decision is a
//! value; the `store` crate commits it in one conditional write, and effects
//! follow from what was committed.
//!
//! Invariants held by these types:
//!
//! - an identifier that exists is well formed, and never contains `/` or `#`,
//!   the separators of the store's keys, so that no two keys can collide;
//! - an account has at most one payer, a license at most one account
//!   ([`account`], [`linking`]);
//! - what was billed for a computer-hour never changes ([`ledger`]).

pub mod account;
pub mod answers;
pub mod audit;
pub mod bought_ahead;
pub mod catalog;
pub mod change;
pub mod expiry;
pub mod fact;
pub mod hour;
pub mod ids;
pub mod ledger;
pub mod license;
pub mod linking;
pub mod marketplace_event;
pub mod member;
pub mod metering;
pub mod money;
pub mod mutant;
pub mod outbound;
pub mod packing;
pub mod policy;
pub mod quantity;
pub mod reconciliation;
pub mod registration;
pub mod service_kind;
pub mod sign_in;
pub mod support;
pub mod tiers;
pub mod usage;
