//! The pages and the JSON of the seller's side, over axum: the same routers on
//! Lambda and in the local stack.
//!
//! | router | paths |
//! |---|---|
//! | [`registration`] | `/register…` (fulfillment URL), `/sign-in…`, `/sign-out`, `/static/…`, `/health` |
//! | [`console`] | `/`, `/accounts…`, `/help`, `/support…`, `/api/accounts…`, `/api/openapi.json`, `/static/…`, `/health` |
//! | [`usage_api`] | `/api/usage-reports`, `/health` |
//! | [`all`] | all of them, for the local stack |
//!
//! Invariants:
//!
//! - a page runs no script and loads nothing from elsewhere, and its
//!   Content-Security-Policy says so;
//! - a form that changes something is accepted only from our own pages, with
//!   the token of the browser's sessions;
//! - a registration token goes into one call and nowhere else: not into a URL,
//!   a page, a log or an error;
//! - an account that the user is not a member of answers as one that is not there.
//!
//! Deliberately absent: any rule about accounts, licenses or usage. A handler
//! parses, makes one call into `app`, and maps the answer.

mod api;
mod assets;
mod audit;
mod console;
mod cookies;
mod forms;
mod headers;
mod layout;
mod notices;
mod problem;
mod registration;
mod sign_in;
mod site;
mod support;
mod visitor;
mod words;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::http::{Method, StatusCode, Uri};
use axum::middleware::from_fn_with_state;
use axum::response::{IntoResponse as _, Redirect, Response};

pub use sign_in::{
    Begun, CredentialRule, Identity, SignIn, SignInError, SignInSettings, SupportRule, Wanted,
};
pub use site::{ApiAccess, InvalidPublicUrl, PublicUrl, Site, State};

use problem::Problem;

/// No form of ours is larger.
const MAX_FORM_BYTES: usize = 16 * 1024;

/// The fulfillment URL, sign-in, and linking.
pub fn registration(state: State) -> Router {
    finish(
        registration::routes()
            .merge(sign_in::routes())
            .merge(assets::routes()),
        state,
    )
}

/// The account's pages.
pub fn console(state: State) -> Router {
    finish(
        console::routes()
            .merge(support::routes())
            .merge(api::accounts())
            .merge(assets::routes()),
        state,
    )
}

/// Usage reports by HTTP.
pub fn usage_api(state: State) -> Router {
    finish(api::usage_reports().merge(assets::health()), state)
}

/// Everything on one port.
pub fn all(state: State) -> Router {
    apart(state.clone(), state.clone(), state)
}

/// Everything on one port, each function's routes over its own state.
pub fn apart(registration: State, console: State, usage: State) -> Router {
    let of_registration = registration::routes()
        .merge(sign_in::routes())
        .with_state(registration);
    let of_usage = api::usage_reports().with_state(usage);
    finish(
        console::routes()
            .merge(support::routes())
            .merge(api::accounts())
            .merge(assets::routes())
            .merge(of_registration)
            .merge(of_usage),
        console,
    )
}

/// A page's address with a slash at its end leads to the page; else there is none.
async fn elsewhere(method: Method, uri: Uri) -> Response {
    let page = uri.path().trim_matches('/');
    if method != Method::GET || page.is_empty() || !uri.path().ends_with('/') {
        return Problem::of_status(StatusCode::NOT_FOUND).into_response();
    }
    let query = uri.query().map(|query| format!("?{query}"));
    Redirect::permanent(&format!("/{page}{}", query.unwrap_or_default())).into_response()
}

/// What every answer goes through, whichever router it comes from.
fn finish(routes: Router<State>, state: State) -> Router {
    routes
        .fallback(elsewhere)
        .layer(DefaultBodyLimit::max(MAX_FORM_BYTES))
        .layer(from_fn_with_state(state.clone(), headers::guard))
        .with_state(state)
}
