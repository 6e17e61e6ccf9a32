//! For the seller's support: who pays for what, and unlinking or transferring a
//! license for a customer who cannot.
//!
//! Whoever is not support is told that there is no such page.

mod orders;
mod pages;

use std::collections::BTreeSet;

use app::support::{LicenseFile, Subject};
use axum::Router;
use axum::extract::{Path, Query, State as Extract};
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::{get, post};
use domain::account::AccountName;
use domain::ids::{AccountId, AgreementId, AwsAccountId, LicenseArn, LicenseId};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use maud::Markup;
use serde::Deserialize;

use self::pages::Asked;
use crate::layout::{self, Width};
use crate::problem::Problem;
use crate::sign_in::leading_to_sign_in;
use crate::site::State;
use crate::visitor::Support;

pub(crate) fn routes() -> Router<State> {
    Router::new()
        .route("/support", get(search))
        .route("/support/accounts/{account}", get(account))
        .route("/support/licenses/{license}", get(license))
        .route("/support/told", get(told))
        .route(
            "/support/unlink",
            get(orders::ask_unlink).post(orders::unlink),
        )
        .route(
            "/support/transfer",
            get(orders::ask_transfer).post(orders::transfer),
        )
        .route("/support/requests/{request}", get(orders::request))
        .route("/support/requests/{request}/approve", post(orders::approve))
        .route("/support/requests/{request}/decline", post(orders::decline))
}

#[derive(Deserialize)]
struct Sought {
    q: Option<String>,
}

#[derive(Deserialize)]
struct Instant {
    at: Option<String>,
}

/// What was found by a text that may be an account's, a license's, an
/// agreement's or an AWS account's id.
struct Found {
    sought: String,
    account: Option<(AccountId, AccountName)>,
    licenses: Vec<LicenseFile>,
}

async fn search(
    Extract(state): Extract<State>,
    support: Support,
    Query(sought): Query<Sought>,
) -> Result<Response, Problem> {
    let requests = state.app.support_requests().await?;
    let sought = sought.q.map(|text| text.trim().to_owned());
    let found = match sought.filter(|text| !text.is_empty()) {
        Some(sought) => Some(find(&state, sought).await?),
        None => None,
    };
    let body = pages::search(found.as_ref(), None, &requests);
    Ok(show(&state, &support, "Support", &body).await)
}

async fn find(state: &State, sought: String) -> Result<Found, Problem> {
    let mut licenses = BTreeSet::new();
    licenses.extend(license_id(&sought));
    if let Ok(agreement) = AgreementId::parse(sought.as_str()) {
        licenses.extend(state.app.licenses_of_agreement(&agreement).await?);
    }
    // AWS's console writes 1234-5678-9012.
    if let Ok(buyer) = AwsAccountId::parse(sought.replace(['-', ' '], "")) {
        licenses.extend(state.app.licenses_of_buyer(&buyer).await?);
    }
    let mut files = Vec::new();
    for license in &licenses {
        files.extend(state.app.license_file(license).await?);
    }
    let account = match AccountId::parse(sought.as_str()) {
        Ok(id) => state.app.account_file(&id).await?,
        Err(_) => None,
    };
    Ok(Found {
        sought,
        account: account.map(|file| (file.account.id, file.account.name)),
        licenses: files,
    })
}

/// An id or an ARN: AWS's pages and events show both.
fn license_id(text: &str) -> Option<LicenseId> {
    match LicenseArn::parse(text) {
        Ok(arn) => Some(arn.id().clone()),
        Err(_) => LicenseId::parse(text).ok(),
    }
}

async fn account(
    Extract(state): Extract<State>,
    support: Support,
    Path(account): Path<String>,
    Query(instant): Query<Instant>,
) -> Result<Response, Problem> {
    let id = AccountId::parse(account).map_err(|_| not_found())?;
    let file = state.app.account_file(&id).await?.ok_or_else(not_found)?;
    let now = state.app.paid_at(&file, file.as_of).await?;
    let text = instant.at.filter(|text| !text.is_empty());
    let at = text.as_deref().and_then(parse_instant);
    let then = match at {
        Some(at) => state.app.paid_at(&file, at).await?,
        None => None,
    };
    let asked = match (at, text) {
        (Some(at), _) => Asked::At(at, then.as_ref()),
        (None, Some(text)) => Asked::Mistaken(text),
        (None, None) => Asked::Nothing,
    };
    let body = pages::account(&file, now.as_ref(), &asked);
    let name = file.account.name.as_str();
    Ok(match asked {
        Asked::Nothing | Asked::At(..) => show(&state, &support, name, &body).await,
        Asked::Mistaken(_) => show_mistake(&state, &support, name, &body).await,
    })
}

/// An instant as RFC 3339 has it, or as our tables show it, in UTC.
fn parse_instant(text: &str) -> Option<Timestamp> {
    let text = text.trim();
    let shown = || {
        let at: jiff::civil::DateTime = text.parse().ok()?;
        TimeZone::UTC.to_timestamp(at).ok()
    };
    text.parse().ok().or_else(shown)
}

async fn license(
    Extract(state): Extract<State>,
    support: Support,
    Path(license): Path<String>,
) -> Result<Response, Problem> {
    let id = license_id(&license).ok_or_else(not_found)?;
    let file = state.app.license_file(&id).await?.ok_or_else(not_found)?;
    let body = pages::license(&file);
    Ok(show(&state, &support, "License", &body).await)
}

/// What AWS told of an agreement or a license, or on a day of nobody known.
async fn told(
    Extract(state): Extract<State>,
    support: Support,
    Query(sought): Query<Sought>,
) -> Result<Response, Problem> {
    let sought = sought.q.unwrap_or_default();
    let Some(subject) = Subject::parse(sought.trim()) else {
        let requests = state.app.support_requests().await?;
        let body = pages::search(None, Some(&sought), &requests);
        return Ok(show_mistake(&state, &support, "Support", &body).await);
    };
    let told = state.app.told_of(&subject).await?;
    let body = pages::told(&sought, &told);
    Ok(show(&state, &support, "What AWS told", &body).await)
}

/// The same, where what was typed cannot be read: the page says so and keeps it.
async fn show_mistake(state: &State, support: &Support, title: &str, body: &Markup) -> Response {
    let mut page = show(state, support, title, body).await;
    *page.status_mut() = StatusCode::BAD_REQUEST;
    page
}

fn not_found() -> Problem {
    Problem::of_status(StatusCode::NOT_FOUND).go("Look up something else", "/support")
}

/// A page; its forms may lead to the sign-in when the session is over.
async fn show(state: &State, support: &Support, title: &str, body: &Markup) -> Response {
    let shown = support.0.shown();
    let page = layout::page(&state.site, title, Width::Wide, Some(&shown), body);
    leading_to_sign_in(state, page).await
}
