//! Going to the issuer, coming back, and signing out.

use app::SessionSecret;
use axum::Router;
use axum::extract::{Query, State as Extract};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use domain::hour::after;
use domain::ids::UserEmail;
use domain::policy::{PENDING_SIGN_IN_FOR, SIGN_IN_FOR};
use domain::sign_in::{PendingSignIn, SignInMethod, SignedIn, Subject};
use serde::Deserialize;

use super::{Begun, Identity, SignInError, Wanted};
use crate::cookies::{Cookie, hash};
use crate::forms::{Form, OwnForm, check_origin};
use crate::headers::FormTarget;
use crate::problem::Problem;
use crate::site::{PublicUrl, State};

/// Where the issuer sends the browser back to.
pub(crate) const CALLBACK: &str = "/sign-in/callback";

pub(crate) fn routes() -> Router<State> {
    Router::new()
        .route("/sign-in", get(begin_by_link).post(begin_by_form))
        .route(CALLBACK, get(finish))
        .route("/sign-out", post(sign_out))
}

/// What to sign in for.
#[derive(Deserialize)]
struct Wish {
    /// The page to come back to.
    to: Option<String>,
    /// The e-mail address to suggest to the issuer.
    email: Option<String>,
    /// Present: ask for credentials even of somebody who is signed in.
    again: Option<String>,
    /// Present: lead to where one signs up.
    new: Option<String>,
}

/// What the issuer sends back (RFC 6749 section 4.1.2).
#[derive(Deserialize)]
struct Callback {
    state: Option<String>,
    code: Option<String>,
    error: Option<String>,
}

#[derive(Deserialize)]
struct Nothing {}

/// The link that signs in and leads back to one of our pages.
pub(crate) fn sign_in_link(to: &str) -> String {
    let query = form_urlencoded::Serializer::new(String::new())
        .append_pair("to", to)
        .finish();
    format!("/sign-in?{query}")
}

/// A page with a sign-in form: browsers ask the policy of the page about every
/// redirect that a form leads to, the issuer's too.
pub(crate) async fn leading_to_sign_in(state: &State, page: impl IntoResponse) -> Response {
    let mut answer = page.into_response();
    let now = state.app.clock.now();
    match state.sign_in.page_origin(now).await {
        Ok(origin) => {
            answer.extensions_mut().insert(FormTarget(origin));
        }
        Err(error) => tracing::warn!(%error, "the sign-in page's address is not known"),
    }
    answer
}

async fn begin_by_link(
    Extract(state): Extract<State>,
    headers: HeaderMap,
    Query(wish): Query<Wish>,
) -> Result<Response, Problem> {
    begin(&state, &headers, &wish).await
}

async fn begin_by_form(
    Extract(state): Extract<State>,
    headers: HeaderMap,
    Form(wish): Form<Wish>,
) -> Result<Response, Problem> {
    check_origin(&state.site.public_url, &headers)?;
    begin(&state, &headers, &wish).await
}

async fn begin(state: &State, headers: &HeaderMap, wish: &Wish) -> Result<Response, Problem> {
    let url = &state.site.public_url;
    let clock = state.app.clock.as_ref();
    let now = clock.now();
    let to = wish
        .to
        .as_deref()
        .filter(|to| is_own_path(to))
        .unwrap_or("/accounts");
    // One secret ties every sign-in of this browser to it, so that two tabs do
    // not undo each other.
    let browser = Cookie::SignIn
        .get(url, headers)
        .unwrap_or_else(|| SessionSecret::draw(clock));
    let random = || SessionSecret::draw(clock).expose().to_owned();
    let pending = PendingSignIn {
        nonce: random(),
        pkce_verifier: random(),
        return_to: to.to_owned(),
        expires_at: after(now, PENDING_SIGN_IN_FOR),
    };
    let name = state.app.begin_sign_in(&pending).await?;
    let state_text = format!("{}.{}", name.expose(), tie(&name, &browser));
    let begun = Begun {
        state: &state_text,
        nonce: &pending.nonce,
        verifier: &pending.pkce_verifier,
    };
    let wanted = if wish.new.is_some() {
        Wanted::SignUp
    } else if to.starts_with("/register") || wish.again.is_some() {
        Wanted::SignInNow
    } else {
        Wanted::SignInWithin {
            max_age_s: u32::try_from(SIGN_IN_FOR.as_secs()).unwrap_or(u32::MAX),
        }
    };
    let email = wish
        .email
        .as_deref()
        .map(str::trim)
        .filter(|email| !email.is_empty());
    let target = state
        .sign_in
        .authorization_url(&begun, wanted, email, now)
        .await?;
    Ok((Cookie::SignIn.set(url, &browser), Redirect::to(&target)).into_response())
}

async fn finish(
    Extract(state): Extract<State>,
    headers: HeaderMap,
    Query(callback): Query<Callback>,
) -> Result<Response, Problem> {
    let url = &state.site.public_url;
    let state_text = callback.state.as_deref().unwrap_or_default();
    let name = begun_here(url, &headers, state_text).ok_or_else(|| not_begun_here(url))?;
    let pending = state.app.take_sign_in(&name).await?;
    let pending = pending.ok_or_else(|| not_begun_here(url))?;
    let again = sign_in_link(&pending.return_to);
    let Some(code) = callback.code.filter(|_| callback.error.is_none()) else {
        let problem = Problem::new(
            StatusCode::FORBIDDEN,
            "You are not signed in",
            "The sign-in was cancelled or refused.",
        );
        return Err(problem.go("Sign in", again));
    };
    let now = state.app.clock.now();
    let begun = Begun {
        state: state_text,
        nonce: &pending.nonce,
        verifier: &pending.pkce_verifier,
    };
    let identity = state.sign_in.finish(&code, &begun, now).await?;
    let signed_in =
        signed_in(identity).map_err(|problem| problem.go("Sign in as somebody else", again))?;
    let secret = state.app.complete_sign_in(&signed_in).await?;
    // The session before is over: its secret may be known to whoever used it.
    if let Some(old) = Cookie::Session.get(url, &headers) {
        state.app.sign_out(&old).await?;
    }
    let cookie = Cookie::Session.set(url, &secret);
    Ok((cookie, Redirect::to(&pending.return_to)).into_response())
}

async fn sign_out(
    Extract(state): Extract<State>,
    headers: HeaderMap,
    OwnForm(Nothing {}): OwnForm<Nothing>,
) -> Result<Response, Problem> {
    let url = &state.site.public_url;
    if let Some(secret) = Cookie::Session.get(url, &headers) {
        state.app.sign_out(&secret).await?;
    }
    Ok((Cookie::Session.clear(url), Redirect::to("/")).into_response())
}

/// The secret in a `state`, if this browser began that sign-in.
fn begun_here(url: &PublicUrl, headers: &HeaderMap, state_text: &str) -> Option<SessionSecret> {
    let browser = Cookie::SignIn.get(url, headers)?;
    let (name, mac) = state_text.split_once('.')?;
    let name = SessionSecret::parse(name).ok()?;
    (mac == tie(&name, &browser)).then_some(name)
}

/// The half of a `state` that only the browser which began it can make.
fn tie(name: &SessionSecret, browser: &SessionSecret) -> String {
    hash(&["sign-in", name.expose(), browser.expose()])
}

/// Whether a page to come back to is one of ours.
fn is_own_path(path: &str) -> bool {
    let ours = ["/accounts", "/register", "/support"]
        .iter()
        .filter_map(|root| path.strip_prefix(root))
        .any(|rest| rest.is_empty() || rest.starts_with(['/', '?']));
    ours && path.len() <= 512
        && path
            .bytes()
            .all(|byte| byte.is_ascii_graphic() && byte != b'\\')
}

/// The user whom the issuer vouches for.
fn signed_in(identity: Identity) -> Result<SignedIn, Problem> {
    let unusable = || {
        Problem::new(
            StatusCode::FORBIDDEN,
            "We cannot use that e-mail address",
            "The sign-in service named an address or an id that we cannot read.",
        )
    };
    Ok(SignedIn {
        email: UserEmail::parse(identity.email).map_err(|_| unusable())?,
        subject: Subject::parse(identity.subject).map_err(|_| unusable())?,
        method: match identity.federated {
            Some(provider) => SignInMethod::Federated { provider },
            None => SignInMethod::Credentials,
        },
        at: identity.signed_in_at,
        email_verified: identity.email_verified,
        support: identity.support,
    })
}

fn not_begun_here(url: &PublicUrl) -> Problem {
    Problem::new(
        StatusCode::BAD_REQUEST,
        "This sign-in did not begin here",
        "It was begun in another browser, is more than an hour old, or was finished before.",
    )
    .kept("Nothing was changed. A registration that you began is kept for 4 hours.")
    .say(format!(
        "Open {} in the browser that you want to use and sign in there.",
        url.origin()
    ))
    .go("Sign in", "/sign-in?to=/accounts")
}

impl From<SignInError> for Problem {
    fn from(error: SignInError) -> Self {
        let kept = "A registration that you began is kept for 4 hours.";
        match &error {
            SignInError::IssuerUnavailable { .. } => {
                tracing::error!(%error, "a sign-in failed");
                Self::new(
                    StatusCode::SERVICE_UNAVAILABLE,
                    "Signing in is not working at the moment",
                    "The sign-in service did not answer.",
                )
                .kept(kept)
                .say("Wait a minute and try again. If it goes on, write to support.")
            }
            SignInError::Refused { .. } | SignInError::InvalidToken(_) => {
                tracing::warn!(%error, "a sign-in failed");
                Self::new(
                    StatusCode::BAD_REQUEST,
                    "The sign-in did not succeed",
                    "What came back from the sign-in service cannot be used, so you are not signed in.",
                )
                .kept(kept)
                .go("Sign in again", "/sign-in?to=/accounts")
            }
            SignInError::NoEmail => Self::new(
                StatusCode::FORBIDDEN,
                "Your e-mail address is missing",
                "The sign-in service did not tell us your e-mail address, by which we know you.",
            )
            .kept(kept)
            .say("Ask the people who run your sign-in to pass it on, or write to support."),
        }
    }
}

impl From<app::sign_in::SignInError> for Problem {
    fn from(error: app::sign_in::SignInError) -> Self {
        match error {
            app::sign_in::SignInError::EmailNotVerified => Self::new(
                StatusCode::FORBIDDEN,
                "Verify your e-mail address first",
                "Your e-mail address is what we know you by, and it is not verified yet.",
            )
            .kept("A registration that you began is kept for 4 hours.")
            .say("Do what the mail says that you were sent when you signed up, then sign in again."),
            app::sign_in::SignInError::AnotherUser => Self::new(
                StatusCode::FORBIDDEN,
                "This e-mail address belongs to another user",
                "Somebody signed in here with this address before, as another user of the sign-in service.",
            )
            .kept("The accounts of that user are as they were, and so is yours.")
            .say("Sign in as the user that you had before. If the address is yours and you know of no other user, write to support.")
            .go("Sign in as that user", "/sign-in?to=/accounts&again=1"),
            app::sign_in::SignInError::Store(error) => error.into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sign_in_leads_back_to_our_own_pages_only() {
        for path in [
            "/accounts",
            "/accounts/a-1/usage?month=2026-11",
            "/register/accounts",
            "/support",
        ] {
            assert!(is_own_path(path), "{path}");
        }
        for path in [
            "//evil.example",
            "/\\evil.example",
            "https://evil.example",
            "/accountsevil",
            "/support.evil.example",
            "/accounts\r\nSet-Cookie: a=b",
            "/sign-out",
            "",
        ] {
            assert!(!is_own_path(path), "{path}");
        }
    }
}
