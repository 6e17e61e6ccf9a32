//! The account's pages: subscription, unlinking, billing and usage as pages and
//! as files, computers outside the clouds; and help.

mod chart;
mod export;
mod help;
mod not_cloud;
mod pages;
mod usage;

use app::accounts::{AccountError, AccountView, SubscriptionView};
use app::linking::LinkError;
use axum::Router;
use axum::extract::{Path, State as Extract};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::get;
use domain::account::AccountName;
use domain::ids::AccountId;
use domain::linking::{Basis, LinkRefusal, UnlinkCause};
use maud::Markup;
use serde::Deserialize;

use crate::forms::OwnForm;
use crate::layout::{self, Width};
use crate::problem::Problem;
use crate::sign_in::leading_to_sign_in;
use crate::site::State;
use crate::visitor::{User, Visitor};
use crate::words;

pub(crate) fn routes() -> Router<State> {
    Router::new()
        .route("/", get(front))
        .route("/accounts", get(accounts).post(open_account))
        .route("/accounts/{account}", get(subscription))
        .route("/accounts/{account}/usage", get(usage::month))
        .route("/accounts/{account}/usage.csv", get(export::usage))
        .route("/accounts/{account}/focus-1.2.csv", get(export::focus))
        .route("/accounts/{account}/not-cloud", get(not_cloud::page))
        .route("/accounts/{account}/not-cloud.csv", get(export::not_cloud))
        .route("/help", get(help::page))
        .route("/accounts/{account}/unlink", get(ask_unlink).post(unlink))
}

#[derive(Deserialize)]
struct NewAccount {
    name: String,
    /// Drawn for the form: sent twice, it opens one account.
    key: String,
}

#[derive(Deserialize)]
struct Confirmed {
    basis: Basis,
}

async fn front(Extract(state): Extract<State>, visitor: Visitor) -> Response {
    if visitor.signed_in.is_some() {
        return Redirect::to("/accounts").into_response();
    }
    let body = pages::front(&state.site);
    layout::page(&state.site, "Welcome", Width::Narrow, None, &body).into_response()
}

async fn accounts(Extract(state): Extract<State>, user: User) -> Result<Markup, Problem> {
    own_accounts(&state, &user, None).await
}

/// The user's accounts; with what was `typed` as a new one's name and is none.
async fn own_accounts(state: &State, user: &User, typed: Option<&str>) -> Result<Markup, Problem> {
    let accounts = state.app.accounts_of(&user.signed_in.email).await?;
    let key = state.app.draw_form_key();
    let body = pages::accounts(&accounts, &user.csrf, &key, typed);
    Ok(show(state, user, "Your accounts", &body))
}

async fn open_account(
    Extract(state): Extract<State>,
    user: User,
    OwnForm(form): OwnForm<NewAccount>,
) -> Result<Response, Problem> {
    let Ok(name) = AccountName::parse(&form.name) else {
        let page = own_accounts(&state, &user, Some(&form.name)).await?;
        return Ok((StatusCode::UNPROCESSABLE_ENTITY, page).into_response());
    };
    let account = state
        .app
        .open_own_account(&user.signed_in, &name, &form.key)
        .await?;
    Ok(Redirect::to(&format!("/accounts/{}", account.id)).into_response())
}

async fn subscription(
    Extract(state): Extract<State>,
    user: User,
    Path(account): Path<String>,
) -> Result<Markup, Problem> {
    let view = view(&state, &user, &account).await?;
    let body = pages::subscription(&state.site, &view);
    Ok(show(&state, &user, view.name.as_str(), &body))
}

async fn ask_unlink(
    Extract(state): Extract<State>,
    user: User,
    Path(account): Path<String>,
) -> Result<Response, Problem> {
    let id = AccountId::parse(account).map_err(|_| not_found())?;
    let page = unlinking(&state, &user, &id, false).await?;
    Ok(leading_to_sign_in(&state, page).await)
}

async fn unlinking(
    state: &State,
    user: &User,
    account: &AccountId,
    asked_again: bool,
) -> Result<Markup, Problem> {
    let view = state.app.unlinking(&user.signed_in, account).await?;
    let view = view.ok_or_else(not_found)?;
    let body = pages::unlink(&view, &user.csrf, asked_again);
    Ok(show(state, user, "Unlink", &body))
}

async fn unlink(
    Extract(state): Extract<State>,
    user: User,
    Path(account): Path<String>,
    OwnForm(form): OwnForm<Confirmed>,
) -> Result<Response, Problem> {
    let id = AccountId::parse(account.as_str()).map_err(|_| not_found())?;
    match state.app.unlink(&user.signed_in, &id, &form.basis).await {
        Ok(unlinked) => {
            let target = format!("/accounts/{}", unlinked.account);
            Ok(Redirect::to(&target).into_response())
        }
        // Of a form that is sent twice, the first time may have done it.
        Err(error @ (LinkError::Conflict | LinkError::Refused(LinkRefusal::NothingLinked))) => {
            let view = view(&state, &user, &account).await?;
            if was_unlinked(&view) {
                return Ok(Redirect::to(&format!("/accounts/{id}")).into_response());
            }
            if let LinkError::Refused(refusal) = &error {
                return Err(not_unlinked(&id, refusal));
            }
            let page = unlinking(&state, &user, &id, true).await?;
            Ok((StatusCode::CONFLICT, page).into_response())
        }
        Err(LinkError::Refused(refusal)) => Err(not_unlinked(&id, &refusal)),
        Err(error @ (LinkError::Session(_) | LinkError::Store(_))) => Err(error.into()),
    }
}

/// Whether nothing is linked because somebody unlinked it.
fn was_unlinked(view: &SubscriptionView) -> bool {
    let cause = view
        .links
        .first()
        .and_then(|latest| latest.link.unlinked.as_ref())
        .map(|end| end.cause);
    view.payer.is_none() && cause == Some(UnlinkCause::Unlinked)
}

/// Why an unlinking is refused, as a page.
fn not_unlinked(account: &AccountId, refusal: &LinkRefusal) -> Problem {
    let back = ("Back to the account", format!("/accounts/{account}"));
    let problem = |status, title| {
        Problem::new(status, title, words::refusal(refusal))
            .kept("Nothing was changed: who pays for the account is as it was.")
    };
    match refusal {
        LinkRefusal::SignIn(refused) => {
            let again = format!("/sign-in?to=/accounts/{account}/unlink&again=1");
            let title = words::sign_in_heading(refused);
            problem(StatusCode::FORBIDDEN, title)
                .code(words::sign_in_code(refused))
                .go("Sign in with e-mail and password", again)
        }
        LinkRefusal::NotAMember => not_found(),
        LinkRefusal::NotFullAccess
        | LinkRefusal::GroundsRequired
        | LinkRefusal::ApprovalRequired
        | LinkRefusal::Request(_) => {
            problem(StatusCode::FORBIDDEN, "You cannot unlink the subscription").go(back.0, back.1)
        }
        LinkRefusal::NothingLinked => {
            problem(StatusCode::CONFLICT, "There is nothing to unlink").go(back.0, back.1)
        }
        LinkRefusal::AnnualSubscription { .. }
        | LinkRefusal::AccountDeleted { .. }
        | LinkRefusal::LicensePending
        | LinkRefusal::AnotherLicense
        | LinkRefusal::LicenseEnded { .. } => {
            problem(StatusCode::CONFLICT, "The subscription cannot be unlinked").go(back.0, back.1)
        }
    }
}

/// The account as its member may see it; for others it is not there.
async fn view(state: &State, user: &User, account: &str) -> Result<SubscriptionView, Problem> {
    let id = AccountId::parse(account).map_err(|_| not_found())?;
    let view = state.app.subscription(&user.signed_in, &id).await?;
    view.ok_or_else(not_found)
}

/// The account as a page about something else of it names it.
async fn seen(state: &State, user: &User, account: &str) -> Result<AccountView, Problem> {
    let id = AccountId::parse(account).map_err(|_| not_found())?;
    let view = state.app.account_seen_by(&user.signed_in, &id).await?;
    view.ok_or_else(not_found)
}

fn not_found() -> Problem {
    Problem::of_status(StatusCode::NOT_FOUND)
}

fn show(state: &State, user: &User, title: &str, body: &Markup) -> Markup {
    layout::page(&state.site, title, Width::Wide, Some(&user.shown()), body)
}

impl From<AccountError> for Problem {
    fn from(error: AccountError) -> Self {
        match error {
            AccountError::Unknown => not_found(),
            AccountError::Refused(refusal) => Self::new(
                StatusCode::CONFLICT,
                "That cannot be done with this account",
                refusal.to_string(),
            )
            .go("Your accounts", "/accounts"),
            AccountError::Contended => Self::new(
                StatusCode::CONFLICT,
                "Something changed meanwhile",
                "Others changed the account at the same time.",
            )
            .say("Go back and try again."),
            AccountError::Store(error) => error.into(),
        }
    }
}
