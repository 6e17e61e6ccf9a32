//! The `marketplace-events` function: what AWS Marketplace tells of agreements,
//! licenses and entitlements, from EventBridge through SQS.
//!
//! An event is acknowledged only when it is kept and what follows from it is
//! committed; AWS does not replay what it sent. One that cannot be read goes
//! back to its queue, alone, and in the end to the dead letters.

use app::App;
use app::marketplace_events::{DeriveError, EventOutcome, MalformedEvent, parse_event};
use jiff::Timestamp;
use runtime::batch::{self, Failures, Message};
use runtime::payload::Unreadable;
use serde_json::Value;

/// Why a message's event was not recorded.
#[derive(Debug, thiserror::Error)]
enum MessageError {
    #[error(
        "the message is an SNS notification of a listing older than 2026-06-01, which names no license"
    )]
    OldListing,
    #[error("the event cannot be read: {0}")]
    Malformed(MalformedEvent),
    #[error("the event was not recorded")]
    NotRecorded(#[source] DeriveError),
}

/// Records the events of an SQS batch. Messages that are not begun before
/// `deadline` come again.
///
/// # Errors
/// [`Unreadable`] when the payload is no SQS batch.
pub async fn handle(app: &App, payload: Value, deadline: Timestamp) -> Result<Value, Unreadable> {
    let mut failures = Failures::default();
    for message in batch::messages(payload)? {
        if app.clock.now() >= deadline {
            failures.postpone(&message);
        } else if let Err(error) = record(app, &message).await {
            failures.record(&message, &error);
        }
    }
    Ok(failures.into_answer())
}

async fn record(app: &App, message: &Message) -> Result<(), MessageError> {
    if is_old_listings(&message.body) {
        return Err(MessageError::OldListing);
    }
    let event = parse_event(message.body.as_bytes()).map_err(MessageError::Malformed)?;
    let (id, detail_type) = (event.id.clone(), event.detail_type.clone());
    let outcome = app
        .record_marketplace_event(event)
        .await
        .map_err(MessageError::NotRecorded)?;
    match outcome {
        EventOutcome::Regarded { licenses } => tracing::info!(
            event.id = %id,
            event.detail_type = ?detail_type,
            event.licenses = licenses.len(),
            "Recorded an event of AWS Marketplace"
        ),
        EventOutcome::Disregarded(reason) => tracing::warn!(
            event.id = %id,
            event.detail_type = ?detail_type,
            event.reason = %reason,
            "Kept an event of AWS Marketplace that changes nothing"
        ),
        EventOutcome::Unrecognized => tracing::warn!(
            event.id = %id,
            event.detail_type = ?detail_type,
            "Kept an event of AWS Marketplace of an unknown kind; a person should look at it"
        ),
    }
    Ok(())
}

/// Whether a message is SNS's of a listing older than 2026-06-01, raw or in
/// SNS's envelope.
fn is_old_listings(body: &str) -> bool {
    let Ok(message) = serde_json::from_str::<Value>(body) else {
        return false;
    };
    message.get("customer-identifier").is_some() || message["Type"] == "Notification"
}
