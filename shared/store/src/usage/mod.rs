//! The ledger: the `Usage` table.
//!
//! | what | pk | sk |
//! |---|---|---|
//! | report, one item per part | `report#<shard>#<hour>` | `<account>#<part>#<report id>` |
//! | cursor of a shard | `shard#<shard>` | `cursor` |
//! | late marker | `marker#<partition>` | `<account>#<part>#<hour>` |
//! | account-hour | `account#<account>#<part>` | `<hour>` |
//! | slot's head | `license#<license>` | `<hour>#head` |
//! | slot's entry | `license#<license>` | `<hour>#entry#<origin>#<account>#<part>#<hour of use>` |
//! | slot's record | `license#<license>` | `<hour>#record#<dimension>` |
//! | final usage of an ended license | `license#<license>` | `final` |
//!
//! The index `work` (`work_shard`, `work_due`) holds open slots until they are
//! frozen, records until they are terminal, and licenses whose final usage is
//! looked after. It only suggests: what it names
//! is read again.
//!
//! # Why a report and the posting of its hour may race in any way
//!
//! A recorder stores the report, *then* reads the shard's cursor, and puts a
//! late marker if the hour is sealed. A poster raises `sealed`, *then* lists
//! the hour's reports. Whatever the interleaving, either the list comes after
//! the report was stored and holds it, or the list came before, so `sealed`
//! was raised before, so the recorder, who reads the cursor after storing,
//! sees the hour sealed and puts the marker. A crash between storing and
//! reading leaves the report unacknowledged: its redelivery finds it stored
//! and goes on to read the cursor. A marker is deleted only if its nonce is
//! the one that was there before the hour was posted: a report stored in
//! between put a new one.

mod account_hours;
mod cursors;
mod final_usage;
mod keys;
mod mapping;
mod reports;
mod slots;
mod work;

pub use account_hours::SlotPosting;
pub use cursors::{Cursor, Marker};
pub use reports::{AccountPart, PutReport, StoredReport};
pub use slots::Slot;
pub use work::DueWork;

/// The answer to a conditional write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum Written {
    /// The write was made.
    Committed,
    /// Somebody else changed an item since it was read: load and decide again.
    Lost,
}
