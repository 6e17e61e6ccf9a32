//! The `registration` function: fulfillment URL, sign-in, choice of an account, confirmation of the link.
//!
//! An HTTP request of API Gateway goes through the router that also serves
//! locally; this crate holds no page and no rule.

use axum::Router;
use runtime::payload::Unreadable;
use serde_json::Value;
use web::State;

/// The routes that this function serves.
pub fn router(state: State) -> Router {
    web::registration(state)
}

/// Answers an event of API Gateway (payload format 2.0).
///
/// # Errors
/// [`Unreadable`] when the event is no HTTP request.
pub async fn handle(router: &Router, payload: Value) -> Result<Value, Unreadable> {
    runtime::http::answer(router, payload).await
}
