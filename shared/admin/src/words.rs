//! What an operator reads.

use app::{Listed, Unreadable};
use domain::ledger::controls::Controls;
use domain::ledger::hold::Hold;
use domain::ledger::record::{CloseReason, Record, RecordState};

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

/// What would be sent now.
pub(crate) fn to_be_sent(records: &[Record], controls: &Controls) -> String {
    if records.is_empty() {
        return "Nothing would be sent now.".to_owned();
    }
    let mut lines = vec![heading(records.len(), "record would be sent")];
    lines.extend(records.iter().map(|record| {
        let mut line = format!(
            "{}  allocations {}",
            named(record),
            record.usage.allocations.len()
        );
        if controls.stopped.contains(&record.product) {
            line.push_str("  (its product's sending is stopped)");
        }
        if controls.slot_in_doubt(record.slot) {
            line.push_str("  (in a restored interval: closes as unknown instead)");
        }
        line
    }));
    lines.push("Nothing was frozen and nothing was sent.".to_owned());
    lines.join("\n")
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
            ..
        } => "billed".to_owned(),
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
