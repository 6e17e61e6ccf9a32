//! Accounts, members, licenses, links, registrations: the `Subscriptions` table.
//!
//! | item | pk | sk |
//! |---|---|---|
//! | account | `account#A` | `account` |
//! | link, by account | `account#A` | `link#from#L#number` |
//! | member, by account | `account#A` | `member#E` |
//! | license | `license#L` | `license` |
//! | link, by license | `license#L` | `link#from#A#number` |
//! | license, by the AWS account that bought it | `buyer#B` | `license#L` |
//! | license, among all | `licenses#partition` | `license#L` |
//! | fact of an agreement, or of one that follows it | `agreement#X` | `fact#id` |
//! | fact that names a license only | `license#L` | `fact#id` |
//! | fact that names a buyer by an older listing's identifier | `customer#P#C` | `fact#id` |
//! | fact that names neither agreement nor license | `unjoined#date` | `fact#id` |
//! | audit | `account#A` or `license#L` | `audit#at#version#digest` |
//! | outbox (TTL) | `account#A` or `license#L` | `outbox#version#n` |
//! | user, pinned to the issuer's `sub` | `user#E` | `user` |
//! | member, by user | `user#E` | `member#A` |
//! | request of support's (TTL) | `support-requests#date` | `request#id` |
//! | day compared with AWS's feeds (TTL) | `reconciliation#date` | `reconciliation` |
//! | month compared with AWS's invoices (TTL) | `reconciliation#month` | `reconciliation` |
//! | how far such a comparison came | `reconciliation-run#kind` | `run` |
//! | what it read of our side (TTL) | `reconciliation-run#kind#begun` | `part#number` |
//! | how far AWS's agreements were looked at | `catching-up` | `run` |
//! | registration session (TTL) | `registration#hash` | `session` |
//! | sign-in under way (TTL) | `sign-in-state#hash` | `pending` |
//! | sign-in session (TTL) | `sign-in#hash` | `session` |
//!
//! Instants in keys have nine digits of a second, so that they sort as text.
//! Every item has `format`, the version of its form, and its content in `body`.
//! Accounts, licenses and requests have `version`, raised by every commit. The sparse
//! index `due` (`due_shard`, `due_at`) names the accounts that the clock will
//! change and the licenses of which AWS will be asked something. TTL (`expires_at`, seconds since 1970) only cleans up: whether a
//! session still counts is decided by our clock.

mod accounts;
mod audit;
mod catching_up;
mod commit;
mod due;
mod keys;
mod licenses;
mod links;
mod mapping;
mod members;
mod outbox;
mod reconciliations;
mod registrations;
mod sign_ins;
mod support_requests;

pub use catching_up::CaughtUp;
pub use commit::CommitOutcome;
pub use due::{DUE_SHARDS, Due, DueCursor, DuePage};
pub use members::Pinned;
pub use sign_ins::SignInSession;
