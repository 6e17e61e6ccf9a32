//! What a procedure has to tell: to the log, and where it says so to a person.

use domain::hour::Hour;
use domain::ids::{AccountId, LicenseId, ProductCode};
use domain::ledger::account_hour::WriteOff;
use domain::ledger::record::{Alarm, Record};
use domain::metering::CallFailure;
use domain::usage::Part;
use jiff::Timestamp;

use crate::step::{RecordName, Unreadable};

/// Something worth telling. The reason, where there is one, is a whole chain
/// of errors as text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Notice {
    /// An account-hour could not be posted; a marker keeps it for a later run.
    AccountHourFailed {
        /// The account.
        account: AccountId,
        /// The part.
        part: Part,
        /// The hour.
        hour: Hour,
        /// What kind of failure it is.
        failure: AccountHourFailure,
        /// Why.
        reason: String,
    },
    /// The final usage of a license could not be posted; it is tried every minute.
    FinalUsageFailed {
        /// The license.
        license: LicenseId,
        /// Why.
        reason: String,
    },
    /// An account has too many computers for its parts and gets more of them.
    PartsChanged {
        /// The account.
        account: AccountId,
        /// From this hour on.
        from: Hour,
        /// So many.
        parts: u16,
    },
    /// Computer-hours that can never be billed.
    WrittenOff {
        /// The license that would have paid.
        license: LicenseId,
        /// The hour of use, or the slot that was closed.
        hour: Hour,
        /// Why.
        reason: WriteOff,
        /// How many.
        computer_hours: u64,
    },
    /// Computer-hours that AWS refused of a license that ended count as not
    /// billed to it, and are billed anew.
    BilledAnew {
        /// The license that ended.
        license: LicenseId,
        /// The hour of use.
        hour: Hour,
        /// How many.
        computer_hours: u64,
    },
    /// A stored item, or an entry of an index, cannot be read; the rest goes on.
    ItemUnreadable(Unreadable),
    /// A slot could not be frozen, carried or closed; it stays open and is tried again.
    SlotFailed {
        /// The license.
        license: LicenseId,
        /// The slot.
        slot: Hour,
        /// Why.
        reason: String,
    },
    /// A record could not be read or its outcome not be stored; the rest goes on.
    RecordFailed {
        /// Which.
        record: RecordName,
        /// Why.
        reason: String,
    },
    /// A stored record is not what was frozen; it is not sent.
    RecordChanged {
        /// Which.
        record: RecordName,
    },
    /// A person must hear of a record.
    Record {
        /// What.
        alarm: Alarm,
        /// The record as it is now.
        record: Box<Record>,
    },
    /// A call to AWS failed.
    CallFailed {
        /// How.
        failure: CallFailure,
        /// How many records it held.
        records: usize,
        /// Whether its halves are sent instead.
        halved: bool,
    },
    /// A license is on hold from now on.
    HoldBegan {
        /// The license.
        license: LicenseId,
    },
    /// A hold ended.
    HoldEnded {
        /// The license.
        license: LicenseId,
    },
    /// Sending is stopped for a product, and a deadline is less than 6 hours away.
    StoppedBeforeDeadline {
        /// The product.
        product: ProductCode,
        /// How many of its slots and records that a run looked at are so near.
        waiting: usize,
        /// The earliest of their deadlines.
        earliest: Timestamp,
    },
}

/// Why an account-hour could not be posted, as far as it matters to who hears of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AccountHourFailure {
    /// The store failed, or an item other than a report is unreadable.
    Store,
    /// What was posted before does not follow from the reports: one is gone, or
    /// was not there yet when they were read.
    NotReplayed,
    /// Some of its reports are unreadable; the others are posted.
    UnreadableReports,
    /// Its account is not stored.
    AccountMissing,
    /// No slot takes its usage.
    NoSlot,
    /// Others changed it again and again.
    Contended,
}

/// An error with everything that caused it, for a notice's reason.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}
