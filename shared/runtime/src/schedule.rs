//! Scheduled runs: a rule's event, or whatever a scheduler's schedule sends.

use jiff::Timestamp;
use serde_json::Value;

use crate::payload::{Unreadable, WHOLE};

/// A scheduled run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Scheduled {
    /// When it was due, when the schedule says so. Nothing depends on it but
    /// the log: what a run does depends on the clock, so that a late or missed
    /// run changes nothing.
    pub due_at: Option<Timestamp>,
}

/// Reads a scheduled event: a rule's (`"detail-type":"Scheduled Event"`) or an
/// EventBridge Scheduler's own input, a JSON object whose `scheduled_time`, when
/// it has one, is an instant.
///
/// # Errors
/// [`Unreadable`] when it is another kind of event: invoked by mistake, a
/// function does nothing rather than something.
pub fn from_payload(payload: &Value) -> Result<Scheduled, Unreadable> {
    let Some(event) = payload.as_object() else {
        return Err(Unreadable::new(WHOLE, "expected a JSON object"));
    };
    let due_at = match event.get("detail-type") {
        Some(kind) if kind == "Scheduled Event" => ("time", event.get("time")),
        Some(_) => return Err(Unreadable::new("detail-type", "expected Scheduled Event")),
        None if event.contains_key("Records") || event.contains_key("requestContext") => {
            return Err(Unreadable::new(WHOLE, "expected a scheduled event"));
        }
        None => ("scheduled_time", event.get("scheduled_time")),
    };
    match due_at {
        (_, None) => Ok(Scheduled { due_at: None }),
        (field, Some(time)) => time
            .as_str()
            .and_then(|text| text.parse().ok())
            .map(|due_at| Scheduled {
                due_at: Some(due_at),
            })
            .ok_or_else(|| {
                Unreadable::new(field, "expected an instant, such as 2026-11-22T10:00:00Z")
            }),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_rules_and_a_schedulers_event_are_understood() {
        let at = |text: &str| Some(text.parse().unwrap());
        for (event, due_at) in [
            (
                json!({"detail-type":"Scheduled Event","source":"aws.events","time":"2026-11-22T10:01:00Z","detail":{}}),
                at("2026-11-22T10:01:00Z"),
            ),
            (
                json!({"scheduled_time":"2026-11-22T10:01:00Z"}),
                at("2026-11-22T10:01:00Z"),
            ),
            (json!({}), None),
            (json!({"anything":1}), None),
        ] {
            assert_eq!(from_payload(&event), Ok(Scheduled { due_at }));
        }
    }

    #[test]
    fn another_kind_of_event_is_refused_by_its_field() {
        for (event, field) in [
            (
                json!({"detail-type":"License Updated - Manufacturer"}),
                "detail-type",
            ),
            (json!({"Records":[]}), WHOLE),
            (json!({"requestContext":{}}), WHOLE),
            (json!("now"), WHOLE),
            (json!({"scheduled_time":"noon"}), "scheduled_time"),
        ] {
            assert_eq!(from_payload(&event).unwrap_err().field, field);
        }
    }
}
