//! Who is asking: the sign-in session that a request's cookie names.

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, Method, StatusCode};
use axum::response::{IntoResponse, Redirect, Response};
use domain::sign_in::SignedIn;

use crate::cookies::Cookie;
use crate::forms::csrf_token;
use crate::layout::SignedInAs;
use crate::problem::Problem;
use crate::sign_in::sign_in_link;
use crate::site::State;

/// Whoever is asking, signed in or not.
pub(crate) struct Visitor {
    pub(crate) signed_in: Option<SignedIn>,
    pub(crate) csrf: String,
}

/// Somebody signed in. Others are sent to sign in, and come back.
pub(crate) struct User {
    pub(crate) signed_in: SignedIn,
    pub(crate) csrf: String,
}

/// Somebody of the seller's support. For other users the page is not there.
pub(crate) struct Support(pub(crate) User);

impl Visitor {
    /// By a request's cookies.
    pub(crate) async fn of(headers: &HeaderMap, state: &State) -> Result<Self, Problem> {
        let url = &state.site.public_url;
        let signed_in = match Cookie::Session.get(url, headers) {
            Some(secret) => state.app.signed_in(&secret).await?,
            None => None,
        };
        Ok(Self {
            signed_in,
            csrf: csrf_token(url, headers),
        })
    }

    /// For the header of a page.
    pub(crate) fn shown(&self) -> Option<SignedInAs<'_>> {
        self.signed_in.as_ref().map(|signed_in| SignedInAs {
            email: &signed_in.email,
            support: signed_in.support,
            csrf: &self.csrf,
        })
    }
}

impl User {
    /// For the header of a page.
    pub(crate) fn shown(&self) -> SignedInAs<'_> {
        SignedInAs {
            email: &self.signed_in.email,
            support: self.signed_in.support,
            csrf: &self.csrf,
        }
    }
}

impl FromRequestParts<State> for Visitor {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &State) -> Result<Self, Problem> {
        Self::of(&parts.headers, state).await
    }
}

impl FromRequestParts<State> for User {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, state: &State) -> Result<Self, Response> {
        let visitor = Visitor::of(&parts.headers, state)
            .await
            .map_err(IntoResponse::into_response)?;
        match visitor.signed_in {
            Some(signed_in) => Ok(Self {
                signed_in,
                csrf: visitor.csrf,
            }),
            None if parts.method == Method::GET || parts.method == Method::HEAD => {
                Err(Redirect::to(&sign_in_path(parts)).into_response())
            }
            None => Err(signed_out().into_response()),
        }
    }
}

impl FromRequestParts<State> for Support {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, state: &State) -> Result<Self, Response> {
        let user = User::from_request_parts(parts, state).await?;
        if user.signed_in.support {
            Ok(Self(user))
        } else {
            Err(Problem::of_status(StatusCode::NOT_FOUND).into_response())
        }
    }
}

/// The sign-in that leads back to the page asked for.
fn sign_in_path(parts: &Parts) -> String {
    sign_in_link(
        parts
            .uri
            .path_and_query()
            .map_or("/accounts", |path| path.as_str()),
    )
}

fn signed_out() -> Problem {
    Problem::new(
        StatusCode::UNAUTHORIZED,
        "You are signed out",
        "Your session ended before you sent the form.",
    )
    .say("Sign in and do it again.")
    .go("Sign in", "/sign-in?to=/accounts")
}
