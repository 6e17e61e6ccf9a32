//! The ledger: the `Usage` table.
//!
//! | what | pk | sk |
//! |---|---|---|
//! | report, one item per part | `report#<shard>#<hour>` | `<account>#<part>#<report id>` |
//! | cursor of a shard | `shard#<shard>` | `cursor` |
//! | late marker | `marker#<partition>` | `<account>#<part>#<hour>` |
//! | account-hour | `account#<account>#<part>` | `<hour>` |
//! | an account-hour's earlier postings | `postings#<account>#<part>` | `<hour>#<number>` |
//! | day of an account, summed up | `days#<account>#<part>` | `<first hour>` |
//! | slot's head | `license#<license>` | `<hour>#head` |
//! | slot's entry | `license#<license>` | `<hour>#entry#<origin>#<account>#<part>#<hour of use>` |
//! | slot's record | `license#<license>` | `<hour>#record#<dimension>` |
//! | final usage of an ended license | `license#<license>` | `final` |
//! | hold on a license | `license#<license>` | `hold` |
//! | what a contract covers in a period | `license#<license>` | `included#<dimension>#<from>` |
//! | the operator's decisions | `controls` | `controls` |
//! | computers reported outside the clouds, for customers | `not-cloud#<account>` | `<hour>#<report id>` |
//!
//! The index `work` (`work_shard`, `work_due`) only suggests: what it names is
//! read again.
//!
//! | what it holds | `work_shard` | `work_due` |
//! |---|---|---|
//! | slots, until they are frozen, carried or closed | `slot#<n>` | when it is looked at |
//! | records, until they are terminal | `record#<n>` | when it is sent |
//! | records whose outcome is unknown | `unknown#<n>` | when it became so |
//! | ended licenses whose final usage is looked after | `final#0` | when it began |
//! | licenses on hold | `hold#0` | when one record is tried next |
//!
//! Every item names its `format`; one of a newer format is an error that names
//! its key, never half an answer.
//!
//! What a step of the ledger asks for, and why the order of steps is what it
//! is, says the crate `ledger`. A step here is one read, or one conditional
//! write.

mod account_hours;
mod controls;
mod cursors;
mod days;
mod final_usage;
mod heads;
mod holds;
mod included;
mod keys;
mod mapping;
mod markers;
mod not_cloud;
mod records;
mod reports;
mod slot_outcomes;
mod slots;
mod table;
mod work;

pub use days::KeptDay;
pub use reports::REPORTS_KEPT_FOR;
pub use slot_outcomes::SlotOutcome;
