//! Forms, read so that a mistake is named and another site's form is refused.

use app::SessionSecret;
use axum::body::Bytes;
use axum::extract::{FromRequest, Request};
use axum::http::{HeaderMap, StatusCode, header};
use maud::{Markup, html};
use serde::de::DeserializeOwned;

use crate::cookies::{Cookie, hash};
use crate::problem::Problem;
use crate::site::{PublicUrl, State};

/// A page's form, from whichever site.
pub(crate) struct Form<T>(pub(crate) T);

/// A form that changes something: sent by one of our own pages, which held the
/// token of this browser's sessions.
pub(crate) struct OwnForm<T>(pub(crate) T);

impl<T: DeserializeOwned> FromRequest<State> for Form<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &State) -> Result<Self, Problem> {
        let body = body(request, state).await?;
        Ok(Self(parse(&body)?))
    }
}

impl<T: DeserializeOwned> FromRequest<State> for OwnForm<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &State) -> Result<Self, Problem> {
        let url = &state.site.public_url;
        check_origin(url, request.headers())?;
        let expected = csrf_token(url, request.headers());
        let body = body(request, state).await?;
        let given = form_urlencoded::parse(&body).find(|(name, _)| name == "csrf");
        if given.is_none_or(|(_, token)| token != expected) {
            return Err(outdated());
        }
        Ok(Self(parse(&body)?))
    }
}

/// The token that our forms carry: only a page of ours can know it, for it is
/// made of the cookies that no other site and no script can read. It changes
/// with them, so a form from before a sign-in counts no longer.
pub(crate) fn csrf_token(url: &PublicUrl, headers: &HeaderMap) -> String {
    let registration = Cookie::Registration.get(url, headers);
    let session = Cookie::Session.get(url, headers);
    let text = |secret: &Option<SessionSecret>| {
        secret
            .as_ref()
            .map_or(String::new(), |secret| secret.expose().to_owned())
    };
    hash(&["csrf", &text(&registration), &text(&session)])
}

/// Refuses a request that the browser says was sent by another site. A client
/// that says nothing is no browser of today, and the token still guards it.
pub(crate) fn check_origin(url: &PublicUrl, headers: &HeaderMap) -> Result<(), Problem> {
    let text = |name| {
        headers
            .get(name)
            .map(|value: &header::HeaderValue| value.as_bytes())
    };
    let same = match (
        text(header::HeaderName::from_static("sec-fetch-site")),
        text(header::ORIGIN),
    ) {
        (Some(site), _) => site == b"same-origin",
        (None, Some(origin)) => origin == url.origin().as_bytes(),
        (None, None) => true,
    };
    if same {
        Ok(())
    } else {
        Err(Problem::new(
            StatusCode::FORBIDDEN,
            "That came from another site",
            "The form was sent by a page that is not ours, so we did not act on it.",
        )
        .say(format!(
            "If you meant to do this, open {} yourself and do it there.",
            url.origin()
        )))
    }
}

fn outdated() -> Problem {
    Problem::new(
        StatusCode::FORBIDDEN,
        "This page is out of date",
        "You signed in, signed out or started again since the page was opened, perhaps in \
         another tab.",
    )
    .say("Go back, reload the page and try again.")
}

async fn body(request: Request, state: &State) -> Result<Bytes, Problem> {
    let kind = request.headers().get(header::CONTENT_TYPE);
    let is_form = kind.is_some_and(|kind| {
        kind.as_bytes()
            .to_ascii_lowercase()
            .starts_with(b"application/x-www-form-urlencoded")
    });
    if !is_form {
        return Err(Problem::of_status(StatusCode::UNSUPPORTED_MEDIA_TYPE));
    }
    Bytes::from_request(request, state)
        .await
        .map_err(|rejection| Problem::of_status(rejection.status()))
}

/// Where a new account is named; again with what was `typed` when that is no name.
pub(crate) fn name_field(typed: Option<&str>, hint: Option<&str>) -> Markup {
    let described_by = typed.map(|_| "name-mistake").or(hint.map(|_| "name-hint"));
    html! {
        div.field {
            label for="name" { "Name of the account" }
            input #name type="text" name="name" required maxlength="100" autocomplete="organization"
                value=[typed] aria-invalid=[typed.map(|_| "true")] aria-describedby=[described_by];
            @if typed.is_some() { (mistake("name-mistake", "That name cannot be used: a name has 1 to 100 characters on one line.")) }
            @if let Some(hint) = hint { p.hint #name-hint { (hint) } }
        }
    }
}

/// What is wrong with what was typed, below its field.
pub(crate) fn mistake(id: &str, what: &str) -> Markup {
    html! { p.mistake id=(id) role="alert" { (what) " Nothing was changed." } }
}

/// Names the field that is missing or malformed, never its content.
fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T, Problem> {
    let form = serde_urlencoded::Deserializer::new(form_urlencoded::parse(body));
    serde_path_to_error::deserialize(form).map_err(|error| {
        let path = error.path().to_string();
        let reason = error.inner().to_string();
        let field = match reason.strip_prefix("missing field ") {
            Some(name) => format!(
                "The field {} is missing.",
                name.replace('`', "\u{201d}")
                    .replacen('\u{201d}', "\u{201c}", 1)
            ),
            None if path == "." => "The form could not be read.".to_owned(),
            None => format!("The field \u{201c}{path}\u{201d} is not of the expected form."),
        };
        Problem::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            "Something in the form is not right",
            field,
        )
        .say("Go back, correct it and send it again.")
    })
}
