//! The headers that every answer carries, and errors made into pages.

use axum::extract::{Request, State as Extract};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use maud::Markup;

use crate::problem::{ApiProblem, Problem};
use crate::site::State;
use crate::visitor::Visitor;

/// An origin besides our own to which a page's forms may lead: put into an
/// answer's extensions by the page that needs it.
#[derive(Debug, Clone)]
pub(crate) struct FormTarget(pub(crate) String);

/// Pages hold what belongs to one person: nothing is kept by anyone unless the
/// answer itself says so, as the stylesheet does.
const NO_STORE: HeaderValue = HeaderValue::from_static("no-store");

const FIXED: [(HeaderName, HeaderValue); 5] = [
    (
        header::X_CONTENT_TYPE_OPTIONS,
        HeaderValue::from_static("nosniff"),
    ),
    (header::X_FRAME_OPTIONS, HeaderValue::from_static("DENY")),
    // Not no-referrer: with it browsers send `Origin: null` for our own forms.
    (
        header::REFERRER_POLICY,
        HeaderValue::from_static("same-origin"),
    ),
    (
        HeaderName::from_static("cross-origin-opener-policy"),
        HeaderValue::from_static("same-origin"),
    ),
    (
        HeaderName::from_static("permissions-policy"),
        HeaderValue::from_static("camera=(), geolocation=(), microphone=(), payment=()"),
    ),
];

/// Sets the security headers and turns every error into something to read: a
/// page, or problem details under `/api/`.
pub(crate) async fn guard(
    Extract(state): Extract<State>,
    request: Request,
    next: Next,
) -> Response {
    let api = request.uri().path().starts_with("/api/");
    let cookies = cookies(request.headers());
    let answer = next.run(request).await;
    let mut answer = readable(&state, api, &cookies, answer).await;
    let form_target = answer.extensions_mut().remove::<FormTarget>();
    let headers = answer.headers_mut();
    for (name, value) in FIXED {
        headers.insert(name, value);
    }
    headers.insert(
        header::CONTENT_SECURITY_POLICY,
        policy(form_target.as_ref()),
    );
    headers.entry(header::CACHE_CONTROL).or_insert(NO_STORE);
    if state.site.public_url.is_secure() {
        headers.insert(
            header::STRICT_TRANSPORT_SECURITY,
            HeaderValue::from_static("max-age=63072000"),
        );
    }
    answer
}

/// No script at all, nothing from elsewhere, no frame, no inline style.
fn policy(form_target: Option<&FormTarget>) -> HeaderValue {
    const POLICY: &str = "default-src 'none'; style-src 'self'; img-src 'self'; \
         base-uri 'none'; frame-ancestors 'none'; form-action 'self'";
    form_target
        .and_then(|FormTarget(origin)| HeaderValue::from_str(&format!("{POLICY} {origin}")).ok())
        .unwrap_or(HeaderValue::from_static(POLICY))
}

/// By which an error's page knows whose it is.
fn cookies(headers: &HeaderMap) -> HeaderMap {
    let cookies = headers.get_all(header::COOKIE).iter();
    cookies
        .map(|cookie| (header::COOKIE, cookie.clone()))
        .collect()
}

/// A problem as a page, with the header of whoever is signed in, as far as that is known.
async fn drawn(state: &State, cookies: &HeaderMap, problem: &Problem) -> Markup {
    let visitor = Visitor::of(cookies, state).await.ok();
    let shown = visitor.as_ref().and_then(Visitor::shown);
    problem.page(&state.site, shown.as_ref())
}

async fn readable(state: &State, api: bool, cookies: &HeaderMap, mut answer: Response) -> Response {
    let status = answer.status();
    let problem = answer.extensions_mut().remove::<Problem>();
    if let Some(problem) = problem.filter(|_| !api) {
        let page = drawn(state, cookies, &problem).await;
        // Keeps the headers of the refusal, such as a cookie that it clears.
        let (mut parts, _) = answer.into_parts();
        let (page_parts, body) = page.into_response().into_parts();
        parts.headers.remove(header::CONTENT_LENGTH);
        parts.headers.extend(page_parts.headers);
        return Response::from_parts(parts, body);
    }
    if !status.is_client_error() && !status.is_server_error() || is_finished(&answer) {
        return answer;
    }
    let mut readable = if api {
        ApiProblem::of_status(status).into_response()
    } else {
        let page = drawn(state, cookies, &Problem::of_status(status)).await;
        (status, page).into_response()
    };
    // What the router knows, such as which methods a path allows.
    if status == StatusCode::METHOD_NOT_ALLOWED
        && let Some(allow) = answer.headers().get(header::ALLOW)
    {
        readable.headers_mut().insert(header::ALLOW, allow.clone());
    }
    readable
}

/// Whether an error already has a body made for its reader.
fn is_finished(answer: &Response) -> bool {
    let kind = answer.headers().get(header::CONTENT_TYPE);
    kind.is_some_and(|kind| {
        let kind = kind.as_bytes();
        kind.starts_with(b"text/html") || kind.starts_with(b"application/problem+json")
    })
}
