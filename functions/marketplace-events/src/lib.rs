//! The `marketplace-events` function: what AWS Marketplace tells of agreements,
//! licenses and entitlements, from EventBridge through SQS, and by the SNS topics
//! of listings older than 2026-06-01 through the same queue.
//!
//! An event is acknowledged only when it is kept and what follows from it is
//! committed; AWS does not replay what it sent. One that cannot be read goes
//! back to its queue, alone, and in the end to the dead letters.

use std::fmt;

use app::App;
use app::marketplace_events::{
    DeriveError, EventOutcome, MalformedEvent, parse_event, parse_notification,
};
use jiff::Timestamp;
use runtime::batch::{self, Failures, Message};
use runtime::payload::Unreadable;
use serde_json::Value;
use tracing::Instrument as _;

/// Why a message's event was not recorded.
#[derive(Debug, thiserror::Error)]
enum MessageError {
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
        } else if let Err(error) = record(app, &message).instrument(message.span()).await {
            failures.record(&message, &error);
        }
    }
    Ok(failures.into_answer())
}

async fn record(app: &App, message: &Message) -> Result<(), MessageError> {
    let sent_at = message.sent_at.unwrap_or_else(|| app.clock.now());
    if let Some(parsed) = parse_notification(&message.body, (&message.id, sent_at)) {
        let notification = parsed.map_err(MessageError::Malformed)?;
        let (id, action) = (notification.id.clone(), notification.action.clone());
        let outcome = app.record_notification(notification).await;
        report(&outcome.map_err(MessageError::NotRecorded)?, &id, &action);
        return Ok(());
    }
    let event = parse_event(message.body.as_bytes()).map_err(MessageError::Malformed)?;
    let (id, detail_type) = (event.id.clone(), event.detail_type.clone());
    let outcome = app.record_marketplace_event(event).await;
    report(
        &outcome.map_err(MessageError::NotRecorded)?,
        &id,
        &detail_type,
    );
    Ok(())
}

/// Says what came of an event, by its own kind.
fn report(outcome: &EventOutcome, id: &dyn fmt::Display, kind: &dyn fmt::Debug) {
    match outcome {
        EventOutcome::Regarded { licenses } => tracing::info!(
            event.id = %id,
            event.detail_type = ?kind,
            event.licenses = licenses.len(),
            "Recorded an event of AWS Marketplace"
        ),
        EventOutcome::Disregarded(reason) => tracing::warn!(
            event.id = %id,
            event.detail_type = ?kind,
            event.reason = %reason,
            "Kept an event of AWS Marketplace that changes nothing"
        ),
        // It has an alarm of its own.
        EventOutcome::Unrecognized => {}
    }
}
