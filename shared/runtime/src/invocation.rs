//! One invocation: its payload, its deadline, its answer.

use std::error::Error;

use jiff::{SignedDuration, Timestamp};
use lambda_runtime::{Context, Diagnostic, LambdaEvent, service_fn};
use serde::Serialize;
use serde_json::Value;
use tracing::{Instrument as _, Span};

use app::{Chain, Clock};

use crate::clock::system_time;

/// What is left for the answer and the log when a function must stop its work.
pub const MARGIN: SignedDuration = SignedDuration::from_secs(3);

/// When an invocation must stop starting new work, by `clock`: its deadline, less
/// a margin. Lambda tells the deadline by the clock of the machine, which may be
/// wrong and `clock` right: what counts is the time that it leaves.
fn deadline(context: &Context, clock: &dyn Clock) -> Timestamp {
    let milliseconds = i64::try_from(context.deadline).ok();
    let told = milliseconds.and_then(|told| Timestamp::from_millisecond(told).ok());
    let left = told.map_or(SignedDuration::MAX, |told| {
        told.duration_since(system_time())
    });
    clock
        .now()
        .saturating_add(left.saturating_sub(MARGIN))
        .unwrap_or(Timestamp::MAX)
}

/// What is logged in it is known by the invocation's id, and by that of the request
/// that API Gateway brought: the same that its access log has, and that a browser is
/// told in the header `apigw-requestid`.
pub fn span(lambda_request: Option<&str>, http_request: Option<&str>) -> Span {
    // An error's, so that the level of the log does not take it away.
    tracing::error_span!(
        "invocation",
        lambda.request_id = lambda_request,
        http.request_id = http_request
    )
}

/// Serves invocations until Lambda ends the process: `handle` is given the
/// payload and the deadline, by `clock`. An error is logged once, with what caused
/// it, and answered by its own text.
///
/// # Errors
/// When Lambda's runtime API cannot be reached.
pub async fn serve<H, A, E>(clock: &dyn Clock, handle: H) -> Result<(), lambda_runtime::Error>
where
    H: AsyncFn(Value, Timestamp) -> Result<A, E>,
    A: Serialize,
    E: Error + 'static,
{
    let handle = &handle;
    lambda_runtime::run(service_fn(async |event: LambdaEvent<Value>| {
        let deadline = deadline(&event.context, clock);
        let http_request = event.payload["requestContext"]["requestId"].as_str();
        let span = span(Some(&event.context.request_id), http_request);
        // Boxed: a use case's future is deep, and laying it out inside those of
        // the runtime's layers exceeds the compiler's depth limit.
        let answered = Box::pin(handle(event.payload, deadline).instrument(span.clone())).await;
        answered.map_err(|error| {
            span.in_scope(|| {
                tracing::error!(error = %Chain(&error), "The invocation failed");
            });
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
    use crate::clock::SystemClock;

    #[test]
    fn work_stops_before_the_deadline_also_when_the_machine_s_clock_is_wrong() {
        let clock = SystemClock::default();
        for aws_ahead in [0, 50, -50] {
            clock.told(system_time() + SignedDuration::from_mins(aws_ahead));
            let mut context = Context::default();
            let told = system_time() + SignedDuration::from_secs(60);
            context.deadline = told.as_millisecond().try_into().unwrap();
            let left = deadline(&context, &clock).duration_since(clock.now());
            assert!(left > SignedDuration::from_secs(50), "{left}");
            assert!(left <= SignedDuration::from_secs(57), "{left}");
        }
    }
}
