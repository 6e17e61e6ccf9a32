//! What is kept in DynamoDB, and the conditional writes that keep it right.
//!
//! Two tables. `Subscriptions` holds accounts, members, licenses, agreements,
//! links, registrations, audit and outbox ([`subscriptions`]); `Usage` holds
//! the ledger (`usage`).
//!
//! Invariants:
//!
//! - A decision is committed by one `TransactWriteItems`, conditioned on the
//!   version of every snapshot it was decided on. A failed condition is an
//!   answer (somebody else won), never an error.
//! - Nothing is created by overwriting: a create is conditioned on absence.
//! - Every read of a base table is strongly consistent and paged to its end.
//!   An index only suggests; what it names is read again.
//! - An item that cannot be read is [`StoreError::Corrupt`] with its key.
//! - Nothing is written to a table without the keys and indexes that are needed:
//!   what is due would never be found again ([`StoreError::Unusable`]).

mod error;
mod perform;
mod query;
pub mod subscriptions;
mod tables;
mod usage;

use std::sync::Arc;

use aws_sdk_dynamodb::Client;

use tables::FoundUsable;

pub use error::StoreError;
pub use perform::Unanswered;
pub use tables::{Lack, TableFault};
pub use usage::{KeptDay, REPORTS_KEPT_FOR, SlotOutcome};

/// The two tables' names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tables {
    /// Accounts, licenses, links.
    pub subscriptions: String,
    /// The ledger.
    pub usage: String,
}

/// The store: a DynamoDB client and where the tables are. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Store {
    client: Client,
    tables: Tables,
    found_usable: Arc<FoundUsable>,
}

impl Store {
    /// A store over these tables. Does no I/O.
    pub fn new(client: Client, tables: Tables) -> Self {
        Self {
            client,
            tables,
            found_usable: Arc::default(),
        }
    }
}
