//! What an operator reads.

use app::{Listed, Unreadable, WrittenOffUsage};
use domain::ledger::account_hour::WriteOff;
use domain::ledger::controls::Controls;
use domain::ledger::hold::Hold;
use domain::ledger::record::{CloseReason, Evidence, Record, RecordState};

/// The records whose outcome is unknown, and how to settle them.
pub(crate) fn unknown(records: &Listed<Record>) -> String {
    let mut lines = cannot_be_read(&records.unreadable);
    if records.items.is_empty() {
        lines.push("No record's outcome is unknown.".to_owned());
        return lines.join("\n");
    }
    lines.push(heading(records.items.len(), "record of unknown outcome"));
    lines.extend(records.items.iter().map(|record| {
        let since = match &record.state {
            RecordState::Closed { at, .. } | RecordState::Billed { at, .. } => at.to_string(),
            RecordState::Frozen { .. } => "-".to_owned(),
        };
        format!(
            "{}  attempts {} (unanswered {})  since {since}\n  buyer {}  {}  timestamp {}",
            named(record),
            record.attempts,
            record.unanswered,
            record.usage.buyer,
            record.usage.license,
            record.usage.timestamp,
        )
    }));
    lines.push(
        "Look each up in CloudTrail or AWS's billing reports, then: \
         admin resolve LICENSE SLOT DIMENSION --accepted [METERING_RECORD_ID] | --not-accepted"
            .to_owned(),
    );
    lines.join("\n")
}

/// The licenses on hold.
pub(crate) fn held(holds: &Listed<Hold>) -> String {
    let mut lines = cannot_be_read(&holds.unreadable);
    if holds.items.is_empty() {
        lines.push("No license is on hold.".to_owned());
        return lines.join("\n");
    }
    lines.push(heading(holds.items.len(), "license on hold"));
    lines.extend(holds.items.iter().map(|hold| {
        format!(
            "{}  since {}  next try {}",
            hold.license, hold.since, hold.next_try
        )
    }));
    lines.join("\n")
}

fn cannot_be_read(unreadable: &[Unreadable]) -> Vec<String> {
    unreadable.iter().map(ToString::to_string).collect()
}

/// What would be sent now, and what waits.
pub(crate) fn to_be_sent(records: &[Record], controls: &Controls, held: &[Hold]) -> String {
    if records.is_empty() {
        return "Nothing would be sent now.".to_owned();
    }
    let shown = |record: &Record| {
        let allocations = record.usage.allocations.len();
        format!("{}  allocations {allocations}", named(record))
    };
    let waits = |record: &Record| {
        let license = record.usage.license.id();
        if controls.stopped.contains(&record.product) {
            Some("its product's sending is stopped")
        } else if held.iter().any(|hold| hold.license == *license) {
            Some("its license is on hold")
        } else {
            None
        }
    };
    let (waiting, sent): (Vec<_>, Vec<_>) = records
        .iter()
        .map(|record| (record, waits(record)))
        .partition(|(_, reason)| reason.is_some());
    let mut lines = vec![heading(sent.len(), "record would be sent")];
    lines.extend(sent.iter().map(|(record, _)| shown(record)));
    if !waiting.is_empty() {
        lines.push(heading(waiting.len(), "record waits"));
        lines.extend(waiting.iter().map(|(record, reason)| {
            format!("{}  ({})", shown(record), reason.unwrap_or_default())
        }));
    }
    lines.push("Nothing was frozen and nothing was sent.".to_owned());
    lines.join("\n")
}

/// Usage that was written off.
pub(crate) fn written_off(usage: &Listed<WrittenOffUsage>) -> String {
    let mut lines = cannot_be_read(&usage.unreadable);
    if usage.items.is_empty() {
        lines.push("Nothing was written off of these hours.".to_owned());
        return lines.join("\n");
    }
    lines.push(heading(usage.items.len(), "usage written off"));
    lines.extend(usage.items.iter().map(|usage| {
        format!(
            "{}  {}  {}  {}  computer-hours {}  ({})",
            usage.hour,
            usage.account,
            usage.license,
            usage.dimension,
            usage.computer_hours,
            reason(usage.reason)
        )
    }));
    lines.push(
        "AWS Marketplace takes none of it any more: what a buyer owes for it, beyond what a \
         contract covers, is settled with them directly."
            .to_owned(),
    );
    lines.join("\n")
}

fn reason(reason: WriteOff) -> &'static str {
    match reason {
        WriteOff::LicenseEnded => "the license had ended, and AWS took no more final usage",
        WriteOff::TooLate => "too long after its hour",
        WriteOff::Restored => "in a restored interval: it may have been billed",
    }
}

/// A record's name and quantity.
pub(crate) fn named(record: &Record) -> String {
    format!(
        "{}  {}  {}  quantity {}",
        record.usage.license.id(),
        record.slot,
        record.usage.dimension,
        record.usage.quantity.get(),
    )
}

/// What became of a record.
pub(crate) fn state(state: &RecordState) -> String {
    match state {
        RecordState::Frozen { due, .. } => format!("waiting to be sent, next at {due}"),
        RecordState::Billed {
            metering_record_id: Some(id),
            ..
        } => format!("billed as metering record {id}"),
        RecordState::Billed {
            metering_record_id: None,
            evidence,
            ..
        } => match evidence {
            Evidence::Success => "billed".to_owned(),
            Evidence::Duplicate => "billed, as DuplicateRecord told".to_owned(),
            Evidence::Finding => "billed, as was found out".to_owned(),
        },
        RecordState::Closed { reason, at } => {
            let reason = match reason {
                CloseReason::Refused => "refused by AWS",
                CloseReason::Conflict => "in conflict with another record that AWS holds",
                CloseReason::Unknown => "of unknown outcome",
                CloseReason::WrittenOff => "not accepted and written off",
            };
            format!("closed as {reason} at {at}")
        }
    }
}

fn heading(count: usize, what: &str) -> String {
    format!("{count} x {what}:")
}
