//! The `usage-intake` function: usage reports from the product, by queue and by HTTP.
//!
//! The body of a message and of `POST /api/usage-reports` is the same. A report
//! is acknowledged only when it is recorded; a message that cannot be recorded
//! goes back to its queue, alone, and in the end to the dead letters, where it
//! can be looked at: nothing that the product told us is dropped.

use app::{App, RecordError};
use axum::Router;
use domain::usage::UsageReport;
use jiff::Timestamp;
use runtime::batch::{self, Failures, Message};
use runtime::http;
use runtime::payload::{self, Unreadable};
use serde_json::Value;
use tracing::Instrument as _;
use web::State;

/// Why a message's report was not recorded.
#[derive(Debug, thiserror::Error)]
enum MessageError {
    #[error("the report cannot be read: {0}")]
    Unreadable(Unreadable),
    #[error("the report was not recorded")]
    NotRecorded(#[source] RecordError),
}

/// The routes that this function serves.
pub fn router(state: State) -> Router {
    web::usage_api(state)
}

/// Records the reports of an SQS batch, or answers a request of API Gateway.
/// Messages that are not begun before `deadline` come again.
///
/// # Errors
/// [`Unreadable`] when the event is neither.
pub async fn handle(
    app: &App,
    router: &Router,
    payload: Value,
    deadline: Timestamp,
) -> Result<Value, Unreadable> {
    if http::is_request(&payload) {
        return http::answer(router, payload).await;
    }
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
    let report: UsageReport =
        payload::from_text(&message.body).map_err(MessageError::Unreadable)?;
    let recorded = app.record_usage(&report).await;
    recorded.map(drop).map_err(MessageError::NotRecorded)
}
