//! `POST /api/usage-reports`: computers protected in an hour, from the product.

use app::{RecordError, Recorded};
use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, FromRequest as _, Request, State as Extract};
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::post;
use domain::usage::UsageReport;
use serde_json::json;

use super::{Caller, answer, read};
use crate::problem::ApiProblem;
use crate::site::State;

/// 5,000 computers with long ids and spans fit; API Gateway takes 10 MB, Lambda 6.
const MAX_REPORT_BYTES: usize = 4 * 1024 * 1024;

pub(crate) fn routes() -> Router<State> {
    Router::new().route(
        "/api/usage-reports",
        post(record).layer(DefaultBodyLimit::max(MAX_REPORT_BYTES)),
    )
}

async fn record(
    Extract(state): Extract<State>,
    _: Caller,
    request: Request,
) -> Result<Response, ApiProblem> {
    let body = Bytes::from_request(request, &state)
        .await
        .map_err(|rejection| ApiProblem::of_status(rejection.status()))?;
    let report = parse(&body)?;
    let (status, recorded) = match state.app.record_usage(&report).await? {
        Recorded::New => (StatusCode::CREATED, "new"),
        Recorded::Again => (StatusCode::OK, "again"),
    };
    let body = json!({
        "account": report.account,
        "hour": report.hour,
        "report_id": report.report_id,
        "computers": report.computers.len(),
        "recorded": recorded,
    });
    Ok(answer(status, &body))
}

/// Reads a report, naming the field that is wrong and never its content.
fn parse(body: &[u8]) -> Result<UsageReport, ApiProblem> {
    read(body, "the report", invalid)
}

fn invalid() -> ApiProblem {
    ApiProblem::new(
        StatusCode::UNPROCESSABLE_ENTITY,
        "/problems/invalid-report",
        "The report is not valid",
    )
}

impl From<RecordError> for ApiProblem {
    fn from(error: RecordError) -> Self {
        match error {
            RecordError::Invalid(report) => invalid().detail(report.problem).field(report.field),
            RecordError::UnknownAccount => invalid()
                .detail("there is no such account")
                .field("account"),
            RecordError::Conflict => Self::new(
                StatusCode::CONFLICT,
                "/problems/report-differs",
                "A report with this id and other content was recorded",
            )
            .detail("Nothing was changed. Send other content under another report_id.")
            .field("report_id"),
            RecordError::Store(error) => {
                tracing::error!(
                    error = %app::Chain(&error),
                    "a usage report was not recorded"
                );
                Self::of_status(StatusCode::SERVICE_UNAVAILABLE)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(body: &str) -> serde_json::Value {
        let problem = parse(body.as_bytes()).unwrap_err();
        serde_json::to_value(&problem).unwrap()
    }

    #[test]
    fn a_wrong_field_is_named_and_its_content_is_not_repeated() {
        for (body, field, detail) in [
            (
                r#"{"account":"a/secret","hour":"2026-11-22T10:00:00Z","report_id":"r","computers":[]}"#,
                "account",
                "not a valid account id: 1 to 64 characters of a-z A-Z 0-9 - _ . : @, not only points",
            ),
            (
                r#"{"account":"a","hour":"2026-11-22T10:30:00Z","report_id":"r","computers":[]}"#,
                "hour",
                "must be the start of a UTC hour, such as 2026-11-22T10:00:00Z",
            ),
            (
                r#"{"account":"a","hour":"2026-11-22T10:00:00Z","report_id":"r","computers":[{"agent_id":"x","connector":{"kind":"secret"}}]}"#,
                "computers[0].connector.kind",
                "is not one of aws, azure, gcp, vcenter",
            ),
            (
                r#"{"account":"a","hour":"2026-11-22T10:00:00Z","report_id":"r","computers":"secret"}"#,
                "computers",
                "must be a list of computers",
            ),
        ] {
            let problem = refused(body);
            assert_eq!(problem["field"], field, "{problem}");
            assert_eq!(problem["detail"], detail, "{problem}");
            assert_eq!(problem["status"], 422);
            assert!(!problem.to_string().contains("secret"), "{problem}");
        }
    }

    #[test]
    fn a_missing_field_is_named() {
        let problem = refused(r#"{"account":"a"}"#);
        assert_eq!(problem["field"], "hour");
        assert_eq!(problem["detail"], "is missing");
    }

    #[test]
    fn what_is_no_object_is_named_as_the_report() {
        let problem = refused(r#"["secret"]"#);
        assert_eq!(problem["status"], 422);
        assert_eq!(problem["field"], serde_json::Value::Null);
        assert_eq!(problem["detail"], "the report must be an object");
    }

    #[test]
    fn what_is_not_json_is_400() {
        let whole =
            r#"{"account":"a","hour":"2026-11-22T10:00:00Z","report_id":"r","computers":[]}"#;
        assert!(parse(whole.as_bytes()).is_ok());
        for body in ["", "{", "account=secret", &format!("{whole}secret")] {
            let problem = refused(body);
            assert_eq!(problem["status"], 400, "{body}: {problem}");
            assert!(!problem.to_string().contains("secret"), "{problem}");
        }
    }
}
