//! What the product calls: JSON under `/api/`, documented by
//! `GET /api/openapi.json`.
//!
//! Everything is idempotent by its natural key, errors are RFC 9457 problem
//! details that name the field at fault and repeat nothing of the request, and
//! every answer says of which version of the API it is.

mod accounts;
mod usage_reports;

use app::reading::{self, Unreadable};
use axum::Router;
use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use secrecy::ExposeSecret as _;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::cookies::hash;
use crate::problem::ApiProblem;
use crate::site::{ApiAccess, State};

/// The version of the API. It changes only with what an older client would
/// misunderstand; fields may be added to any version's answers.
const VERSION: &str = "1";

/// A request may name the version that it is written for; every answer does.
const VERSION_HEADER: HeaderName = HeaderName::from_static("api-version");

const OPENAPI: &str = include_str!("../../assets/openapi.json");

/// Accounts, members, annual subscriptions, access; and the API's document.
pub(crate) fn accounts() -> Router<State> {
    accounts::routes().route("/api/openapi.json", get(async || json(OPENAPI.to_owned())))
}

/// Usage reports.
pub(crate) fn usage_reports() -> Router<State> {
    usage_reports::routes()
}

/// Whoever may call, by a version of the API that is served here.
struct Caller;

impl FromRequestParts<State> for Caller {
    type Rejection = ApiProblem;

    async fn from_request_parts(parts: &mut Parts, state: &State) -> Result<Self, ApiProblem> {
        authenticate(&state.site.api_access, &parts.headers)?;
        match parts.headers.get(VERSION_HEADER) {
            Some(version) if version != VERSION => Err(ApiProblem::new(
                StatusCode::BAD_REQUEST,
                "/problems/unknown-version",
                "The API has no such version",
            )
            .detail(format!("Version {VERSION} is served here."))
            .field("api-version")),
            Some(_) | None => Ok(Self),
        }
    }
}

fn authenticate(access: &ApiAccess, headers: &HeaderMap) -> Result<(), ApiProblem> {
    let key = match access {
        ApiAccess::Gateway => return Ok(()),
        ApiAccess::Key(key) => key,
    };
    let given = headers
        .get(header::AUTHORIZATION)
        .and_then(|value| value.to_str().ok()?.split_once(' '))
        .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("Bearer"))
        .map(|(_, key)| key);
    // By hash, so that the time taken tells nothing about the key.
    if given.map(|given| hash(&[given])) == Some(hash(&[key.expose_secret()])) {
        Ok(())
    } else {
        Err(ApiProblem::new(
            StatusCode::UNAUTHORIZED,
            "/problems/unauthenticated",
            "The key is missing or wrong",
        )
        .detail("Send the header Authorization: Bearer <key>."))
    }
}

fn answer(status: StatusCode, body: &Value) -> Response {
    (status, json(body.to_string())).into_response()
}

fn json(body: String) -> Response {
    let headers = [
        (
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/json"),
        ),
        (VERSION_HEADER, HeaderValue::from_static(VERSION)),
    ];
    (headers, body).into_response()
}

/// Reads a body, naming the field that is wrong and never its content: it is
/// `invalid`, what it holds being `what`.
fn read<T: DeserializeOwned>(
    body: &[u8],
    what: &str,
    invalid: impl FnOnce() -> ApiProblem,
) -> Result<T, ApiProblem> {
    reading::from_json(body).map_err(|error| match error {
        Unreadable::NotJson { line, column } => not_json(line, column),
        Unreadable::Form {
            field: Some(field),
            problem,
        } => invalid().detail(problem).field(field),
        Unreadable::Form {
            field: None,
            problem,
        } => invalid().detail(format!("{what} {problem}")),
    })
}

fn not_json(line: usize, column: usize) -> ApiProblem {
    ApiProblem::new(
        StatusCode::BAD_REQUEST,
        "/problems/malformed",
        "The body is not JSON",
    )
    .detail(format!(
        "It stops being JSON at line {line}, column {column}."
    ))
}
