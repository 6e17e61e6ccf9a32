//! One invocation: its payload, its deadline, its answer.

use std::error::Error;

use jiff::{SignedDuration, Timestamp};
use lambda_runtime::{Context, Diagnostic, LambdaEvent, service_fn};
use serde::Serialize;
use serde_json::Value;

use app::Chain;

/// What is left for the answer and the log when a function must stop its work.
pub const MARGIN: SignedDuration = SignedDuration::from_secs(3);

/// When an invocation must stop starting new work: its deadline, less a margin.
pub fn deadline(context: &Context) -> Timestamp {
    i64::try_from(context.deadline)
        .ok()
        .and_then(|milliseconds| Timestamp::from_millisecond(milliseconds).ok())
        .unwrap_or(Timestamp::MAX)
        .saturating_sub(MARGIN)
        .unwrap_or(Timestamp::MIN)
}

/// Serves invocations until Lambda ends the process: `handle` is given the
/// payload and the deadline. An error is logged once, with what caused it, and
/// answered by its own text.
///
/// # Errors
/// When Lambda's runtime API cannot be reached.
pub async fn serve<H, A, E>(handle: H) -> Result<(), lambda_runtime::Error>
where
    H: AsyncFn(Value, Timestamp) -> Result<A, E>,
    A: Serialize,
    E: Error + 'static,
{
    let handle = &handle;
    lambda_runtime::run(service_fn(async |event: LambdaEvent<Value>| {
        let deadline = deadline(&event.context);
        // Boxed: a use case's future is deep, and laying it out inside those of
        // the runtime's layers exceeds the compiler's depth limit.
        let answered = Box::pin(handle(event.payload, deadline)).await;
        answered.map_err(|error| {
            tracing::error!(
                error = %Chain(&error),
                lambda.request_id = %event.context.request_id,
                "The invocation failed"
            );
            Diagnostic {
                error_type: short_name(std::any::type_name::<E>()).to_owned(),
                error_message: error.to_string(),
            }
        })
    }))
    .await
}

fn short_name(path: &str) -> &str {
    path.rsplit("::").next().unwrap_or(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_stops_before_the_deadline() {
        let mut context = Context::default();
        context.deadline = 1_795_341_600_000;
        assert_eq!(deadline(&context).to_string(), "2026-11-22T09:59:57Z");
    }
}
