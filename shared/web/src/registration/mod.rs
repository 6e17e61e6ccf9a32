//! From AWS Marketplace's POST to a linked account.
//!
//! `POST /register` redeems the token and answers with a cookie and a
//! redirect, so that the token is in no URL and in no page. The POST comes from
//! AWS's site: it brings no cookie of ours (SameSite=Lax) and needs none.

pub(crate) mod pages;

use app::SessionSecret;
use app::linking::LinkError;
use app::registration::{BeginError, RegistrationStatus, RegistrationView, SessionError};
use axum::Router;
use axum::extract::{Path, Query, State as Extract};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use domain::account::AccountName;
use domain::ids::AccountId;
use domain::linking::{Basis, LinkRefusal};
use maud::Markup;
use secrecy::SecretString;
use serde::Deserialize;

use crate::cookies::Cookie;
use crate::forms::{Form, OwnForm};
use crate::layout::{self, Width};
use crate::problem::Problem;
use crate::sign_in::leading_to_sign_in;
use crate::site::State;
use crate::visitor::{User, Visitor};
use crate::words;

pub(crate) fn routes() -> Router<State> {
    Router::new()
        .route("/register", get(landing).post(begin))
        .route("/register/accounts", get(choose).post(open_account))
        .route("/register/confirm", get(ask).post(confirm))
        .route("/register/done", get(done))
        .route("/register/hand-over", post(hand_over))
        .route("/register/take-over", post(take_over))
        .route("/register/take-over/{secret}", get(offer))
}

/// AWS Marketplace's form.
#[derive(Deserialize)]
struct FulfillmentForm {
    #[serde(rename = "x-amzn-marketplace-token")]
    token: Option<String>,
    #[serde(rename = "x-amzn-marketplace-offer-type")]
    offer_type: Option<String>,
}

#[derive(Deserialize)]
struct ChosenAccount {
    account: AccountId,
}

#[derive(Deserialize)]
struct NewAccount {
    name: String,
    /// Drawn for the form: sent twice, it opens one account.
    key: String,
}

#[derive(Deserialize)]
struct Confirmed {
    account: AccountId,
    basis: Basis,
}

#[derive(Deserialize)]
struct Nothing {}

#[derive(Deserialize)]
struct HandedOver {
    secret: String,
}

async fn begin(
    Extract(state): Extract<State>,
    Form(form): Form<FulfillmentForm>,
) -> Result<Response, Problem> {
    let token = SecretString::from(form.token.ok_or(BeginError::InvalidToken)?);
    let free_trial = form.offer_type.as_deref() == Some("free-trial");
    let (secret, _session) = state.app.begin_registration(token, free_trial).await?;
    let cookie = Cookie::Registration.set(&state.site.public_url, &secret);
    Ok((cookie, Redirect::to("/register")).into_response())
}

/// Explains where to come from, or begins with the sign-in.
async fn landing(
    Extract(state): Extract<State>,
    headers: HeaderMap,
    visitor: Visitor,
) -> Result<Response, Problem> {
    let title = "Set up your subscription";
    let show = |body: &Markup| {
        layout::page(
            &state.site,
            title,
            Width::Narrow,
            visitor.shown().as_ref(),
            body,
        )
    };
    let session = match Cookie::Registration.get(&state.site.public_url, &headers) {
        Some(secret) => state.app.registration(&secret).await,
        None => Err(SessionError::Unknown),
    };
    let view = match session {
        Ok(view) => view,
        Err(SessionError::Unknown) => {
            return Ok(show(&pages::explanation(&state.site)).into_response());
        }
        Err(SessionError::Store(error)) => return Err(error.into()),
    };
    let now = state.app.clock.now();
    let page = show(&pages::welcome(
        &state.site,
        &view,
        visitor.signed_in.as_ref(),
        now,
    ));
    Ok(leading_to_sign_in(&state, page).await)
}

async fn choose(
    Extract(state): Extract<State>,
    headers: HeaderMap,
    user: Visitor,
) -> Result<Response, Problem> {
    let Some(user) = signed_in(user) else {
        return Ok(Redirect::to("/register").into_response());
    };
    let (secret, view) = session(&state, &headers).await?;
    if let Some(answer) = not_ready(&state, &view, &user) {
        return Ok(answer);
    }
    let (page, refused) = choices(&state, &user, &secret, None).await?;
    if refused {
        // 403 with the way out on the page: the session is kept.
        return Ok(leading_to_sign_in(&state, (StatusCode::FORBIDDEN, page)).await);
    }
    Ok(page.into_response())
}

/// The accounts to choose from, and whether the sign-in does not do; with what was
/// `typed` as a new one's name and is none.
async fn choices(
    state: &State,
    user: &User,
    secret: &SessionSecret,
    typed: Option<&str>,
) -> Result<(Markup, bool), Problem> {
    let choices = state.app.link_choices(secret, &user.signed_in).await?;
    let key = state.app.draw_form_key();
    let body = pages::choose(&choices, &user.csrf, &key, typed);
    let page = show(state, user, "Choose the account", &body);
    Ok((page, choices.sign_in.is_some()))
}

async fn open_account(
    Extract(state): Extract<State>,
    headers: HeaderMap,
    user: User,
    OwnForm(form): OwnForm<NewAccount>,
) -> Result<Response, Problem> {
    let (secret, _view) = session(&state, &headers).await?;
    let now = state.app.clock.now();
    if let Err(refusal) = user.signed_in.may_change_payer(now) {
        return Err(sign_in_problem(&refusal));
    }
    let Ok(name) = AccountName::parse(&form.name) else {
        let (page, _) = choices(&state, &user, &secret, Some(&form.name)).await?;
        return Ok((StatusCode::UNPROCESSABLE_ENTITY, page).into_response());
    };
    let account = state
        .app
        .open_own_account(&user.signed_in, &name, &form.key)
        .await?;
    Ok(Redirect::to(&confirm_path(&account.id)).into_response())
}

async fn ask(
    Extract(state): Extract<State>,
    headers: HeaderMap,
    user: Visitor,
    Query(chosen): Query<ChosenAccount>,
) -> Result<Response, Problem> {
    let Some(user) = signed_in(user) else {
        return Ok(Redirect::to("/register").into_response());
    };
    let (secret, view) = session(&state, &headers).await?;
    if let Some(answer) = not_ready(&state, &view, &user) {
        return Ok(answer);
    }
    confirmation(&state, &user, &secret, &chosen.account, false).await
}

async fn confirm(
    Extract(state): Extract<State>,
    headers: HeaderMap,
    user: User,
    OwnForm(form): OwnForm<Confirmed>,
) -> Result<Response, Problem> {
    let (secret, _view) = session(&state, &headers).await?;
    let linked = state
        .app
        .confirm_link(&secret, &user.signed_in, &form.account, &form.basis)
        .await;
    match linked {
        Ok(linked) => {
            let target = format!("/register/done?account={}", linked.account);
            Ok(Redirect::to(&target).into_response())
        }
        Err(LinkError::Conflict) => {
            let page = confirmation(&state, &user, &secret, &form.account, true).await?;
            Ok((StatusCode::CONFLICT, page).into_response())
        }
        Err(error) => Err(error.into()),
    }
}

/// A link by which somebody else goes on, such as an administrator of the account.
async fn hand_over(
    Extract(state): Extract<State>,
    headers: HeaderMap,
    user: User,
    OwnForm(Nothing {}): OwnForm<Nothing>,
) -> Result<Markup, Problem> {
    let (secret, view) = session(&state, &headers).await?;
    let handed = state.app.hand_over(&secret).await?;
    let origin = state.site.public_url.origin();
    let link = format!("{origin}/register/take-over/{}", handed.expose());
    let body = pages::hand_over(&view, &link);
    Ok(show(&state, &user, "A link for an administrator", &body))
}

/// What the link shows. Nothing is used up by looking at it, as programs do that
/// show what is behind a link.
async fn offer(
    Extract(state): Extract<State>,
    visitor: Visitor,
    Path(secret): Path<String>,
) -> Result<Markup, Problem> {
    let secret = SessionSecret::parse(&secret).map_err(|_| used_up())?;
    if !state.app.is_handed_over(&secret).await? {
        return Err(used_up());
    }
    let body = pages::take_over(&state.site, &secret, &visitor.csrf);
    let shown = visitor.shown();
    Ok(layout::page(
        &state.site,
        "Finish setting up a subscription",
        Width::Narrow,
        shown.as_ref(),
        &body,
    ))
}

async fn take_over(
    Extract(state): Extract<State>,
    OwnForm(form): OwnForm<HandedOver>,
) -> Result<Response, Problem> {
    let handed = SessionSecret::parse(&form.secret).map_err(|_| used_up())?;
    match state.app.take_over(&handed).await {
        Ok(secret) => {
            let cookie = Cookie::Registration.set(&state.site.public_url, &secret);
            Ok((cookie, Redirect::to("/register")).into_response())
        }
        Err(SessionError::Unknown) => Err(used_up()),
        Err(SessionError::Store(error)) => Err(error.into()),
    }
}

/// The link was used, is older than 4 hours, or is not one of ours.
fn used_up() -> Problem {
    Problem::new(
        StatusCode::GONE,
        "This link does not work any more",
        "It can be used once, within 4 hours of being made.",
    )
    .kept("The subscription in AWS is as it was.")
    .say("Ask whoever sent it for another one, or press “Set up your account” in AWS Marketplace.")
}

async fn done(
    Extract(state): Extract<State>,
    user: User,
    Query(chosen): Query<ChosenAccount>,
) -> Result<Response, Problem> {
    let view = state
        .app
        .subscription(&user.signed_in, &chosen.account)
        .await?;
    let view = view.ok_or_else(|| Problem::of_status(StatusCode::NOT_FOUND))?;
    let body = pages::done(&state.site, &view);
    Ok(show(&state, &user, "Your subscription is set up", &body).into_response())
}

/// The confirmation of one of the user's accounts; any other does not exist.
async fn confirmation(
    state: &State,
    user: &User,
    secret: &SessionSecret,
    account: &AccountId,
    asked_again: bool,
) -> Result<Response, Problem> {
    let choice = state
        .app
        .link_choice(secret, &user.signed_in, account)
        .await?;
    let (buyer, choice) = choice.ok_or_else(|| Problem::of_status(StatusCode::NOT_FOUND))?;
    match &choice.outcome {
        Ok(proposal) => {
            let body = pages::confirm(&pages::Confirmation {
                choice: &choice,
                proposal,
                buyer: &buyer,
                csrf: &user.csrf,
                asked_again,
            });
            Ok(show(state, user, "Confirm", &body).into_response())
        }
        Err(refusal) => Err(refused(refusal)),
    }
}

fn show(state: &State, user: &User, title: &str, body: &Markup) -> Markup {
    layout::page(&state.site, title, Width::Narrow, Some(&user.shown()), body)
}

fn signed_in(visitor: Visitor) -> Option<User> {
    Some(User {
        signed_in: visitor.signed_in?,
        csrf: visitor.csrf,
    })
}

async fn session(
    state: &State,
    headers: &HeaderMap,
) -> Result<(SessionSecret, RegistrationView), Problem> {
    let secret = Cookie::Registration.get(&state.site.public_url, headers);
    let secret = secret.ok_or(SessionError::Unknown)?;
    let view = state.app.registration(&secret).await?;
    Ok((secret, view))
}

/// The page for a license that cannot be linked at the moment, or any more.
fn not_ready(state: &State, view: &RegistrationView, user: &User) -> Option<Response> {
    match view.status {
        RegistrationStatus::Ready { .. } => None,
        RegistrationStatus::Pending {
            begins_at: Some(begins_at),
        } => Some(show(state, user, "Not begun yet", &pages::not_begun(begins_at)).into_response()),
        RegistrationStatus::Pending { begins_at: None } => {
            let page = show(state, user, "Nearly ready", &pages::pending());
            let again = (
                HeaderName::from_static("refresh"),
                HeaderValue::from_static("5"),
            );
            Some(([again], page).into_response())
        }
        RegistrationStatus::Ended { at } => {
            Some(show(state, user, "Ended", &pages::ended(at)).into_response())
        }
    }
}

fn confirm_path(account: &AccountId) -> String {
    format!("/register/confirm?account={account}")
}

const SESSION_KEPT: &str = "Your registration is kept: you need not go back to AWS.";

/// Why a link is refused, as a page.
fn refused(refusal: &LinkRefusal) -> Problem {
    let status = match refusal {
        LinkRefusal::SignIn(refusal) => return sign_in_problem(refusal),
        LinkRefusal::NotAMember => return Problem::of_status(StatusCode::NOT_FOUND),
        LinkRefusal::NotFullAccess
        | LinkRefusal::GroundsRequired
        | LinkRefusal::ApprovalRequired
        | LinkRefusal::Request(_) => StatusCode::FORBIDDEN,
        LinkRefusal::AnnualSubscription { .. }
        | LinkRefusal::AccountDeleted { .. }
        | LinkRefusal::LicensePending
        | LinkRefusal::LicenseEnded { .. }
        | LinkRefusal::AnotherLicense
        | LinkRefusal::NothingLinked => StatusCode::CONFLICT,
    };
    Problem::new(
        status,
        "This account cannot be chosen",
        words::refusal(refusal),
    )
    .kept("Nothing was changed. Your registration is kept.")
    .go("Your accounts", "/accounts")
}

fn sign_in_problem(refusal: &domain::sign_in::SignInRefusal) -> Problem {
    Problem::new(
        StatusCode::FORBIDDEN,
        "Sign in with your password first",
        words::sign_in_refusal(refusal),
    )
    .code(words::sign_in_code(refusal))
    .kept(SESSION_KEPT)
    .go(
        "Sign in with e-mail and password",
        "/sign-in?to=/register/accounts&again=1",
    )
}

impl From<SessionError> for Problem {
    fn from(error: SessionError) -> Self {
        match error {
            SessionError::Unknown => Self::new(
                StatusCode::GONE,
                "This registration is over",
                "It was begun more than 4 hours ago, or in another browser.",
            )
            .kept("Your subscription in AWS is as it was. You need not subscribe again.")
            .say("In AWS Marketplace, open Manage subscriptions and press “Set up your account” again.")
            .go("How that works", "/register"),
            SessionError::Store(error) => error.into(),
        }
    }
}

impl From<LinkError> for Problem {
    fn from(error: LinkError) -> Self {
        match error {
            LinkError::Session(error) => error.into(),
            LinkError::Refused(refusal) => refused(&refusal),
            LinkError::Conflict => Self::new(
                StatusCode::CONFLICT,
                "Something changed meanwhile",
                "The account or the subscription was changed while the page was made.",
            )
            .kept(SESSION_KEPT)
            .go("Look again", "/register/accounts"),
            LinkError::Store(error) => error.into(),
        }
    }
}

impl From<BeginError> for Problem {
    fn from(error: BeginError) -> Self {
        let kept = "Your subscription in AWS is as it was. You need not subscribe again.";
        let back =
            "In AWS Marketplace, open Manage subscriptions and press “Set up your account” again.";
        let cause = &error as &dyn std::error::Error;
        match &error {
            BeginError::InvalidToken => Self::new(
                StatusCode::BAD_REQUEST,
                "AWS did not recognise this registration",
                "The registration that your browser brought from AWS Marketplace is missing or not valid.",
            )
            .kept(kept)
            .say(back),
            BeginError::ExpiredToken => Self::new(
                StatusCode::BAD_REQUEST,
                "This registration has expired",
                "Too much time passed since you pressed “Set up your account” in AWS Marketplace.",
            )
            .kept(kept)
            .say(back),
            BeginError::AnotherProduct => Self::new(
                StatusCode::BAD_REQUEST,
                "This is a subscription to another product",
                "AWS says that the subscription is to a product that is not set up here.",
            )
            .kept(kept)
            .say("Open the right product in AWS Marketplace, or write to support."),
            BeginError::Busy(_) => {
                tracing::warn!(error = cause, "a registration could not begin");
                Self::new(
                    StatusCode::SERVICE_UNAVAILABLE,
                    "AWS is busy",
                    "AWS Marketplace did not answer when we asked about your subscription.",
                )
                .kept(kept)
                .say("Reload this page in a moment; your browser may ask whether to send the form again: yes.")
            }
            BeginError::NotAllowed(_) | BeginError::Incomplete(_) => {
                tracing::error!(error = cause, "a registration could not begin");
                Self::new(
                    StatusCode::BAD_GATEWAY,
                    "We could not look up your subscription",
                    "AWS Marketplace did not tell us what we need. The mistake is on our side.",
                )
                .kept(kept)
                .say("Write to support; we have been told about it as well.")
            }
            BeginError::Store(_) => {
                tracing::error!(error = cause, "a registration could not begin");
                Self::unavailable(StatusCode::SERVICE_UNAVAILABLE)
                    .kept(kept)
            }
        }
    }
}
