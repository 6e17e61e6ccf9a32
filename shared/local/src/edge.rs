//! What API Gateway does to every request: it gives it an id, which its answer and
//! the log of whatever the request does carry.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use axum::extract::{Request, State};
use axum::http::HeaderValue;
use axum::middleware::Next;
use axum::response::Response;
use tracing::Instrument as _;

/// The header in which API Gateway's HTTP APIs tell a request's id.
const REQUEST_ID_HEADER: &str = "apigw-requestid";

/// A request's id, for whoever plays the gateway further in.
#[derive(Debug, Clone)]
pub(crate) struct RequestId(pub(crate) String);

/// How many requests there were.
#[derive(Debug, Clone, Default)]
pub(crate) struct Requests(Arc<AtomicU64>);

/// Answers a request as one that is known by an id of its own.
pub(crate) async fn known_by_id(
    State(requests): State<Requests>,
    mut request: Request,
    next: Next,
) -> Response {
    let id = format!("local-{}", requests.0.fetch_add(1, Ordering::Relaxed) + 1);
    let span = runtime::invocation::span(None, Some(&id));
    request.extensions_mut().insert(RequestId(id.clone()));
    let mut response = next.run(request).instrument(span).await;
    if let Ok(id) = HeaderValue::from_str(&id) {
        response.headers_mut().insert(REQUEST_ID_HEADER, id);
    }
    response
}
