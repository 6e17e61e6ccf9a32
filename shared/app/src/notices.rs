//! What the ledger's procedures have to tell, in the log. Where a person must
//! act, the field `alarm` names what for.

use domain::hour::Hour;
use domain::ids::{AccountId, LicenseId, masked};
use domain::ledger::account_hour::WriteOff;
use domain::ledger::record::{Alarm, CloseReason, Record, RecordState};
use domain::metering::{CallFailure, Refusal};
use ledger::Notice;
use ledger::step::{RecordName, Unreadable};

/// Logs a notice.
pub(crate) fn log(notice: Notice) {
    match notice {
        Notice::ItemUnreadable(Unreadable { key, reason }) => tracing::error!(
            alarm = "ItemUnreadable",
            store.key = %key,
            error = %reason,
            "a stored item cannot be read; it is kept, and the rest goes on"
        ),
        Notice::AccountHourFailed {
            account,
            part,
            hour,
            failure,
            reason,
        } => tracing::error!(
            alarm = "AccountHourFailed",
            account.id = %account,
            usage.part = part.0,
            usage.hour = %hour,
            posting.failure = ?failure,
            error = %reason,
            "an account-hour could not be posted; a marker keeps it for a later run"
        ),
        Notice::FinalUsageFailed { license, reason } => tracing::error!(
            alarm = "FinalUsageFailed",
            license.id = %license,
            error = %reason,
            "final usage could not be posted or frozen; it is tried again every minute"
        ),
        Notice::PartsChanged {
            account,
            from,
            parts,
        } => parts_changed(&account, from, parts),
        Notice::WrittenOff {
            license,
            hour,
            reason,
            computer_hours,
        } => written_off(&license, hour, reason, computer_hours),
        Notice::BilledAnew {
            license,
            hour,
            computer_hours,
        } => tracing::info!(
            license.id = %license,
            usage.hour = %hour,
            usage.computer_hours = computer_hours,
            "what AWS refused of a license that ended is billed anew, to the one linked since"
        ),
        Notice::SlotFailed {
            license,
            slot,
            reason,
        } => slot_failed(&license, slot, &reason),
        Notice::RecordFailed { record, reason } => record_failed(&record, &reason),
        Notice::RecordChanged { record } => record_changed(&record),
        Notice::Record { alarm, record } => record_alarm(alarm, &record),
        Notice::CallFailed {
            failure,
            records,
            halved,
        } => call_failed(&failure, records, halved),
        Notice::HoldBegan { license } => hold_began(&license),
        Notice::HoldEnded { license } => tracing::info!(
            license.id = %license,
            "a license's hold ended; its usage is sent again"
        ),
        Notice::StoppedBeforeDeadline {
            product,
            waiting,
            earliest,
        } => tracing::error!(
            alarm = "StoppedBeforeDeadline",
            marketplace.product = %product,
            usage.waiting = waiting,
            usage.deadline = %earliest,
            "sending is stopped, and a deadline is less than 6 hours away"
        ),
    }
}

fn parts_changed(account: &AccountId, from: Hour, parts: u16) {
    tracing::info!(
        account.id = %account,
        account.parts = parts,
        usage.hour = %from,
        "an account has too much for its parts and gets more of them"
    );
}

fn hold_began(license: &LicenseId) {
    tracing::error!(
        alarm = "HoldBegan",
        license.id = %license,
        "a license is on hold: nothing more of it is frozen, and one record is tried every 15 minutes"
    );
}

fn written_off(license: &LicenseId, hour: Hour, reason: WriteOff, computer_hours: u64) {
    let told = match reason {
        WriteOff::LicenseEnded => {
            "usage of an ended license is written off: no slot of it takes any more"
        }
        WriteOff::TooLate => "usage is written off: it may not be billed so long after its hour",
        WriteOff::Restored => {
            "usage of an hour that a restored table forgot is written off: it may have been billed"
        }
    };
    tracing::error!(
        alarm = "WrittenOff",
        license.id = %license,
        usage.hour = %hour,
        usage.reason = ?reason,
        usage.computer_hours = computer_hours,
        "{told}"
    );
}

fn slot_failed(license: &LicenseId, slot: Hour, reason: &str) {
    tracing::error!(
        alarm = "SlotFailed",
        license.id = %license,
        usage.slot = %slot,
        error = %reason,
        "a slot could not be frozen, carried or closed; it is tried again"
    );
}

fn record_failed((license, slot, dimension): &RecordName, reason: &str) {
    tracing::error!(
        alarm = "RecordFailed",
        license.id = %license,
        usage.slot = %slot,
        usage.dimension = %dimension,
        error = %reason,
        "a record could not be read, or its outcome not be stored; if it was sent it counts as unanswered, and the rest goes on"
    );
}

fn record_changed((license, slot, dimension): &RecordName) {
    tracing::error!(
        alarm = "RecordChanged",
        license.id = %license,
        usage.slot = %slot,
        usage.dimension = %dimension,
        "a frozen record is not what was frozen; it is not sent"
    );
}

fn call_failed(failure: &CallFailure, records: usize, halved: bool) {
    match failure {
        CallFailure::Refused(
            Refusal::AccessDenied | Refusal::DisabledApi | Refusal::InvalidProductCode,
        ) => tracing::error!(
            alarm = "CallsRefused",
            marketplace.failure = %failure,
            "AWS refuses every call: nothing is metered until a person mends it"
        ),
        CallFailure::Refused(_) | CallFailure::NoAnswer(_) if halved => tracing::warn!(
            marketplace.failure = %failure,
            call.records = records,
            "a call failed for the sake of a record; halving it"
        ),
        CallFailure::Refused(_) | CallFailure::NoAnswer(_) => tracing::warn!(
            marketplace.failure = %failure,
            call.records = records,
            "a call to AWS failed"
        ),
    }
}

/// Tells a person what they must hear of a record.
fn record_alarm(alarm: Alarm, record: &Record) {
    let (name, told) = match alarm {
        Alarm::Poison => (
            "RecordPoison",
            "AWS refuses a record for its own sake; it is set aside and tried every 15 minutes until its deadline",
        ),
        Alarm::NotSubscribed => (
            "NotSubscribed",
            "AWS does not know the buyer of a live license as subscribed; the license is on hold",
        ),
        Alarm::Clock => (
            "ClockWrong",
            "AWS finds a timestamp out of bounds before its deadline: a clock is wrong",
        ),
        Alarm::Conflict => (
            "RecordConflict",
            "AWS holds another record for this hour: somebody else meters this license",
        ),
        Alarm::Unknown => (
            "RecordUnknown",
            "it is not known whether AWS accepted the record; it is never sent again: find out",
        ),
        Alarm::Refused => (
            "RecordRefused",
            "the deadline passed and AWS refused the record every time: its usage is not billed",
        ),
    };
    let closed = match record.state {
        RecordState::Closed { reason, .. } => match reason {
            CloseReason::Refused => "refused",
            CloseReason::Conflict => "conflict",
            CloseReason::Unknown => "unknown",
            CloseReason::WrittenOff => "written off",
        },
        RecordState::Frozen { .. } | RecordState::Billed { .. } => "",
    };
    tracing::error!(
        alarm = name,
        license.id = %record.usage.license.id(),
        marketplace.buyer = %masked(&record.usage.buyer),
        usage.slot = %record.slot,
        usage.dimension = %record.usage.dimension,
        usage.quantity = record.usage.quantity.get(),
        record.attempts = record.attempts,
        record.unanswered = record.unanswered,
        record.closed = closed,
        "{told}"
    );
}

#[cfg(test)]
mod tests {
    use domain::ids::{AwsAccountId, Dimension, LicenseArn, ProductCode};
    use domain::metering::UsageRecord;
    use domain::quantity::Quantity;
    use domain::usage::Part;
    use jiff::Timestamp;
    use ledger::notice::AccountHourFailure;

    use super::*;
    use crate::testing::Logged;

    fn logged(notice: Notice) -> Logged {
        let logged = Logged::from_now_on();
        log(notice);
        logged
    }

    fn record() -> Record {
        let hour = Hour::from_number(498_706);
        let id = format!("l-{:032x}", 7);
        let usage = UsageRecord {
            buyer: AwsAccountId::parse("210987654321").unwrap(),
            license: LicenseArn::parse(format!(
                "arn:aws:license-manager::123456789012:license:{id}"
            ))
            .unwrap(),
            dimension: Dimension::parse("medium").unwrap(),
            timestamp: hour.start(),
            quantity: Quantity::new(3).unwrap(),
            allocations: Vec::new(),
        };
        let product = ProductCode::parse("product").unwrap();
        Record::frozen(product, hour, usage, Timestamp::MAX, hour.end())
    }

    fn license() -> LicenseId {
        LicenseId::parse(format!("l-{:032x}", 7)).unwrap()
    }

    fn hour() -> Hour {
        Hour::from_number(498_706)
    }

    #[test]
    fn what_a_person_must_hear_of_a_record_names_it_and_masks_aws_accounts() {
        for (alarm, name) in [
            (Alarm::Poison, "RecordPoison"),
            (Alarm::NotSubscribed, "NotSubscribed"),
            (Alarm::Clock, "ClockWrong"),
            (Alarm::Conflict, "RecordConflict"),
            (Alarm::Unknown, "RecordUnknown"),
            (Alarm::Refused, "RecordRefused"),
        ] {
            let logged = logged(Notice::Record {
                alarm,
                record: Box::new(record()),
            });
            let told = logged.alarm(name);
            assert_eq!(told["license.id"], license().to_string());
            assert_eq!(told["usage.slot"], hour().to_string());
            assert_eq!(told["usage.dimension"], "medium");
            assert_eq!(told["usage.quantity"], 3);
            assert_eq!(told["marketplace.buyer"], "••••••••4321");
            let text = logged.text();
            assert!(!text.contains("210987654321"), "{text}");
            assert!(!text.contains("123456789012"), "{text}");
        }
    }

    #[test]
    fn every_other_alarm_of_the_ledger_is_written_and_names_what_it_is_about() {
        let reason = || "the reason".to_owned();
        let of_record = || (license(), hour(), Dimension::parse("medium").unwrap());
        let account = || AccountId::parse("north").unwrap();
        let product = ProductCode::parse("product").unwrap();
        let (license_id, at) = (license().to_string(), hour().to_string());
        let (license_id, at) = (license_id.as_str(), at.as_str());
        let deadline = hour().start().to_string();
        let notices = [
            (
                Notice::ItemUnreadable(Unreadable {
                    key: "license#7".to_owned(),
                    reason: reason(),
                }),
                "ItemUnreadable",
                [("store.key", "license#7"), ("error", "the reason")],
            ),
            (
                Notice::AccountHourFailed {
                    account: account(),
                    part: Part(0),
                    hour: hour(),
                    failure: AccountHourFailure::Store,
                    reason: reason(),
                },
                "AccountHourFailed",
                [("account.id", "north"), ("usage.hour", at)],
            ),
            (
                Notice::FinalUsageFailed {
                    license: license(),
                    reason: reason(),
                },
                "FinalUsageFailed",
                [("license.id", license_id), ("error", "the reason")],
            ),
            (
                Notice::WrittenOff {
                    license: license(),
                    hour: hour(),
                    reason: WriteOff::TooLate,
                    computer_hours: 5,
                },
                "WrittenOff",
                [("license.id", license_id), ("usage.hour", at)],
            ),
            (
                Notice::SlotFailed {
                    license: license(),
                    slot: hour(),
                    reason: reason(),
                },
                "SlotFailed",
                [("license.id", license_id), ("usage.slot", at)],
            ),
            (
                Notice::RecordFailed {
                    record: of_record(),
                    reason: reason(),
                },
                "RecordFailed",
                [("license.id", license_id), ("usage.dimension", "medium")],
            ),
            (
                Notice::RecordChanged {
                    record: of_record(),
                },
                "RecordChanged",
                [("license.id", license_id), ("usage.slot", at)],
            ),
            (
                Notice::HoldBegan { license: license() },
                "HoldBegan",
                [("license.id", license_id), ("level", "ERROR")],
            ),
            (
                Notice::StoppedBeforeDeadline {
                    product,
                    waiting: 3,
                    earliest: hour().start(),
                },
                "StoppedBeforeDeadline",
                [
                    ("marketplace.product", "product"),
                    ("usage.deadline", deadline.as_str()),
                ],
            ),
        ];
        for (notice, name, named) in notices {
            let told = logged(notice).alarm(name);
            for (field, value) in named {
                assert_eq!(told[field], value, "{told}");
            }
        }
    }

    #[test]
    fn a_call_that_aws_refuses_whatever_it_holds_is_an_alarm_and_a_throttled_one_is_not() {
        let failed = |refusal| {
            logged(Notice::CallFailed {
                failure: CallFailure::Refused(refusal),
                records: 25,
                halved: false,
            })
        };
        for refusal in [
            Refusal::AccessDenied,
            Refusal::DisabledApi,
            Refusal::InvalidProductCode,
        ] {
            failed(refusal).alarm("CallsRefused");
        }
        let throttled = failed(Refusal::Throttled);
        assert!(throttled.text().contains("WARN"));
        assert!(throttled.alarms().is_empty());
    }
}
