//! What went wrong, told so that it helps: a person reads what happened, what
//! was not lost and what to do next; a program gets RFC 9457 problem details.

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use maud::{Markup, Render, html};
use serde::Serialize;
use store::StoreError;

use crate::layout::{self, SignedInAs, Width};
use crate::site::Site;

/// A problem shown to a person. As an answer it is only a status with this in
/// its extensions; `headers::guard` draws the page.
#[derive(Debug, Clone)]
pub(crate) struct Problem {
    status: StatusCode,
    title: &'static str,
    happened: Markup,
    kept: String,
    next: Vec<Step>,
    code: Option<&'static str>,
}

/// Something that the reader can do.
#[derive(Debug, Clone)]
enum Step {
    Say(String),
    Go { label: &'static str, href: String },
}

impl Problem {
    /// A problem: its status, a title, and what happened in a sentence or two.
    pub(crate) fn new(status: StatusCode, title: &'static str, happened: impl Render) -> Self {
        Self {
            status,
            title,
            happened: happened.render(),
            kept: "Nothing was changed.".to_owned(),
            next: Vec::new(),
            code: None,
        }
    }

    /// A name of the problem for programs, kept in the page.
    #[must_use]
    pub(crate) fn code(mut self, code: &'static str) -> Self {
        self.code = Some(code);
        self
    }

    /// What was not lost, when that is more than that nothing was changed.
    #[must_use]
    pub(crate) fn kept(mut self, kept: impl Into<String>) -> Self {
        self.kept = kept.into();
        self
    }

    /// What to do next, in words.
    #[must_use]
    pub(crate) fn say(mut self, text: impl Into<String>) -> Self {
        self.next.push(Step::Say(text.into()));
        self
    }

    /// Where to go next.
    #[must_use]
    pub(crate) fn go(mut self, label: &'static str, href: impl Into<String>) -> Self {
        self.next.push(Step::Go {
            label,
            href: href.into(),
        });
        self
    }

    /// The problem of an answer that has only a status.
    pub(crate) fn of_status(status: StatusCode) -> Self {
        match status {
            StatusCode::NOT_FOUND => Self::new(
                status,
                "There is no such page",
                "The address leads nowhere, or to something that you are not a member of.",
            )
            .go("Your accounts", "/accounts"),
            StatusCode::METHOD_NOT_ALLOWED => Self::new(
                status,
                "That cannot be done here",
                "This address does not answer that kind of request.",
            )
            .go("Your accounts", "/accounts"),
            StatusCode::PAYLOAD_TOO_LARGE => Self::new(
                status,
                "That is too large",
                "The form that arrived is larger than this page accepts.",
            )
            .say("Go back, shorten what you typed and send it again."),
            status if status.is_client_error() => Self::new(
                status,
                "That request could not be read",
                "It does not have the form that this page expects.",
            )
            .say("Go back, reload the page and try again."),
            status => Self::unavailable(status),
        }
    }

    /// Something on our side does not work at the moment.
    pub(crate) fn unavailable(status: StatusCode) -> Self {
        Self::new(
            status,
            "This is not working at the moment",
            "Something on our side did not answer.",
        )
        .kept("What you had done before is kept.")
        .say("Wait a minute and reload the page. If it goes on, write to support.")
    }

    /// The page, with the header of whoever is signed in.
    pub(crate) fn page(&self, site: &Site, signed_in: Option<&SignedInAs<'_>>) -> Markup {
        let body = html! {
            div.card data-refusal=[self.code] {
                p.badge.(if self.status.is_server_error() { "bad" } else { "warn" }) { (self.status.as_u16()) }
                h1 { (self.title) }
                p { (self.happened) }
                h2 { "What was not lost" }
                p { (self.kept) }
                @if !self.next.is_empty() {
                    h2 { "What to do next" }
                    @for step in &self.next {
                        @if let Step::Say(text) = step { p { (text) } }
                    }
                    div.actions {
                        @for step in &self.next {
                            @if let Step::Go { label, href } = step { a.button href=(href) { (label) } }
                        }
                    }
                }
            }
        };
        layout::page(site, self.title, Width::Narrow, signed_in, &body)
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        tracing::error!(
            error = %app::Chain(&error),
            "a page could not be answered"
        );
        Self::unavailable(match error {
            StoreError::Throttled | StoreError::Unavailable(_) => StatusCode::SERVICE_UNAVAILABLE,
            StoreError::Refused(_) | StoreError::Unusable(_) | StoreError::Corrupt(_) => {
                StatusCode::INTERNAL_SERVER_ERROR
            }
        })
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut answer = self.status.into_response();
        answer.extensions_mut().insert(self);
        answer
    }
}

/// A problem told to a program: RFC 9457, with the field that is at fault.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct ApiProblem {
    #[serde(rename = "type")]
    kind: &'static str,
    title: &'static str,
    status: u16,
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<String>,
    /// The field at fault, such as `computers[3].size`.
    #[serde(skip_serializing_if = "Option::is_none")]
    field: Option<String>,
}

impl ApiProblem {
    /// A problem without more to say than its status.
    pub(crate) fn new(status: StatusCode, kind: &'static str, title: &'static str) -> Self {
        Self {
            kind,
            title,
            status: status.as_u16(),
            detail: None,
            field: None,
        }
    }

    /// With the reason, which must not hold the payload.
    #[must_use]
    pub(crate) fn detail(mut self, detail: impl Into<String>) -> Self {
        self.detail = Some(detail.into());
        self
    }

    /// With the field at fault.
    #[must_use]
    pub(crate) fn field(mut self, field: impl Into<String>) -> Self {
        self.field = Some(field.into());
        self
    }

    /// The problem of an answer that has only a status.
    pub(crate) fn of_status(status: StatusCode) -> Self {
        let (kind, title) = match status {
            StatusCode::NOT_FOUND => ("/problems/not-found", "There is no such resource"),
            StatusCode::METHOD_NOT_ALLOWED => (
                "/problems/method-not-allowed",
                "The resource does not answer this method",
            ),
            StatusCode::PAYLOAD_TOO_LARGE => ("/problems/too-large", "The body is too large"),
            status if status.is_client_error() => {
                ("/problems/malformed", "The request is malformed")
            }
            _ => (
                "/problems/unavailable",
                "The service is not available: try again",
            ),
        };
        Self::new(status, kind, title)
    }
}

impl IntoResponse for ApiProblem {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let body = serde_json::to_string(&self).unwrap_or_default();
        let kind = HeaderValue::from_static("application/problem+json");
        (status, [(header::CONTENT_TYPE, kind)], body).into_response()
    }
}
