//! The trail through the log, from a request to what AWS Marketplace was told.
//!
//! Each step is one line, once it is committed, with the ids by which the next is
//! found: a license linked to an account; a report of an account's hour; that hour
//! posted into a license's slot, or carried into a later one; the slot's record, its
//! attempts and AWS's metering record id. Which request or run it was says the span
//! that the line is in.

use domain::change::Change;
use domain::hour::Hour;
use domain::ids::{AccountId, LicenseId};
use domain::ledger::record::{Record, RecordState};
use domain::usage::{Part, UsageReport};
use ledger::recording::Recorded;
use ledger::{Answer, Step, Written};
use tracing::Level;

/// Logs the links that a committed change began and ended.
pub(crate) fn committed(change: &Change) {
    for link in &change.closed {
        tracing::info!(
            account.id = %link.account,
            license.id = %link.license,
            "A license's link to an account ended"
        );
    }
    for link in &change.opened {
        tracing::info!(
            account.id = %link.account,
            license.id = %link.license,
            "A license was linked to an account"
        );
    }
}

/// Logs that a report is recorded.
pub(crate) fn recorded(report: &UsageReport, recorded: Recorded) {
    let repeated = match recorded {
        Recorded::New => false,
        Recorded::Again => true,
    };
    tracing::info!(
        account.id = %report.account,
        usage.hour = %report.hour,
        usage.report = %report.report_id,
        usage.computers = report.computers.len(),
        usage.repeated = repeated,
        "Recorded a usage report"
    );
}

/// A step of the ledger's that leaves a line once it is done.
pub(crate) enum Traced {
    /// An account's hour is posted into these slots.
    Posted {
        /// Whose.
        account: AccountId,
        /// The part of its computers.
        part: Part,
        /// The hour of use.
        hour: Hour,
        /// The licenses, and the hours of their slots.
        slots: Vec<(LicenseId, Hour)>,
    },
    /// A slot's entries move into a later one.
    Carried(LicenseId, Hour, Hour),
    /// A record was answered, is about to be sent again, or is closed.
    Record(Box<Record>),
}

impl Traced {
    /// What is to be logged of a step, if anything.
    pub(crate) fn of(step: &Step) -> Option<Self> {
        if !tracing::enabled!(Level::INFO) {
            return None;
        }
        if let Step::Post { hour, slots } = step {
            let slots = slots.iter().map(|to| (to.license.clone(), to.slot));
            return Some(Self::Posted {
                account: hour.account.clone(),
                part: hour.part,
                hour: hour.hour,
                slots: slots.collect(),
            });
        }
        if let Step::CarrySlot { carry } = step {
            let into = carry.into?;
            return Some(Self::Carried(
                carry.head.license.clone(),
                carry.head.hour,
                into,
            ));
        }
        if let Step::ReplaceRecord { record, .. } = step {
            return Some(Self::Record(Box::new(record.clone())));
        }
        None
    }

    /// Logs it, if the step was carried out.
    pub(crate) fn done(self, answer: &Answer) {
        let (Answer::Post(Written::Committed)
        | Answer::CarrySlot(Written::Committed)
        | Answer::ReplaceRecord(Written::Committed)) = answer
        else {
            return;
        };
        match self {
            Self::Posted {
                account,
                part,
                hour,
                slots,
            } => posted((&account, part, hour), &slots),
            Self::Carried(license, from, into) => tracing::info!(
                license.id = %license,
                usage.slot = %from,
                usage.into = %into,
                "Usage is carried into a later slot"
            ),
            Self::Record(record) => record_changed(&record),
        }
    }
}

fn posted((account, part, hour): (&AccountId, Part, Hour), slots: &[(LicenseId, Hour)]) {
    for (license, slot) in slots {
        tracing::info!(
            account.id = %account,
            usage.part = part.0,
            usage.hour = %hour,
            license.id = %license,
            usage.slot = %slot,
            "Posted an account's hour into a slot"
        );
    }
}

fn record_changed(record: &Record) {
    let (state, metering_record_id) = match &record.state {
        RecordState::Frozen { .. } => ("frozen", None),
        RecordState::Billed {
            metering_record_id, ..
        } => ("billed", metering_record_id.as_deref()),
        RecordState::Closed { .. } => ("closed", None),
    };
    tracing::info!(
        license.id = %record.usage.license.id(),
        usage.slot = %record.slot,
        usage.dimension = %record.usage.dimension,
        usage.quantity = record.usage.quantity.get(),
        record.state = state,
        record.attempts = record.attempts,
        record.metering_id = metering_record_id,
        "A usage record changed"
    );
}
