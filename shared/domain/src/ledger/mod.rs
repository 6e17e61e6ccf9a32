//! The ledger: from what the product reported to what AWS accepted.
//!
//! A report's computers are *posted* onto the slots of the license that pays
//! ([`account_hour`], [`attribution`]); a slot, one hour of one license, is
//! *frozen* into usage records just before the first of them is sent
//! ([`slot`]); AWS's explicit verdict *settles* each record ([`record`]).
//!
//! Invariants, which the store's conditional writes and these functions keep
//! together:
//!
//! - What was billed for a computer-hour never changes: an account-hour's
//!   postings are replayed, and only computers that no posting billed are new.
//! - An entry in a slot is the *total* of its account-hour's lines there, set
//!   and never added to, so that posting may be repeated from any crash.
//! - Open means surely never sent; frozen means perhaps sent. Usage goes only
//!   into open slots, and a frozen record never changes in what is sent.
//! - Unknown is not failed: a record is "not billed" only when every attempt
//!   was answered with a refusal.
//!
//! Conservation: for an account-hour, posted atoms = lines + unbillable; for a
//! slot, entries = frozen quantities.

pub mod account_hour;
pub mod attribution;
pub mod controls;
pub mod day;
pub mod deadline;
pub mod hold;
pub mod included;
pub mod packed;
pub mod record;
pub mod slot;
