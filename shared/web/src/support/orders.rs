//! Unlinking and transferring a license for a customer, and approving it.

use app::support::orders::{OrderError, Ordered};
use axum::extract::{Path, Query, State as Extract};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use domain::ids::{AccountId, InvalidId, LicenseId, SupportRequestId};
use domain::linking::{Basis, LinkRefusal};
use domain::support::{Grounds, Reason, RequestRefusal, RequestState, SupportOrder, Ticket};
use serde::Deserialize;

use super::{license_id, not_found, pages, show};
use crate::forms::OwnForm;
use crate::problem::Problem;
use crate::site::State;
use crate::visitor::Support;
use crate::words;

#[derive(Deserialize)]
pub(super) struct UnlinkQuery {
    account: String,
    license: String,
}

#[derive(Deserialize)]
pub(super) struct TransferQuery {
    license: String,
    to: String,
}

/// What whoever acts gave and was shown.
#[derive(Deserialize)]
pub(super) struct Given {
    reason: String,
    ticket: String,
    basis: Basis,
}

#[derive(Deserialize)]
pub(super) struct Confirmed {
    basis: Basis,
}

/// What was given before, and why it is asked for again.
pub(super) struct Before<'a> {
    pub(super) reason: &'a str,
    pub(super) ticket: &'a str,
    pub(super) why: Again,
}

/// Why something is asked for again.
pub(super) enum Again {
    /// What would follow is no longer what was shown.
    Changed,
    /// That is no ticket.
    Ticket(InvalidId),
    /// That is no reason.
    Reason(InvalidId),
}

impl Before<'_> {
    /// What is wrong with the ticket, and with the reason.
    pub(super) const fn mistakes(&self) -> (Option<&InvalidId>, Option<&InvalidId>) {
        match &self.why {
            Again::Changed => (None, None),
            Again::Ticket(error) => (Some(error), None),
            Again::Reason(error) => (None, Some(error)),
        }
    }
}

/// Nothing but the token of the browser's session.
#[derive(Deserialize)]
pub(super) struct Empty {}

impl UnlinkQuery {
    fn order(&self) -> Result<SupportOrder, Problem> {
        Ok(SupportOrder::Unlink {
            account: account_id(&self.account)?,
            license: license_of(&self.license)?,
        })
    }
}

impl TransferQuery {
    fn order(&self) -> Result<SupportOrder, Problem> {
        Ok(SupportOrder::Transfer {
            license: license_of(&self.license)?,
            to: account_id(self.to.trim())?,
        })
    }
}

fn account_id(text: &str) -> Result<AccountId, Problem> {
    AccountId::parse(text).map_err(|_| nothing_has_it())
}

fn nothing_has_it() -> Problem {
    Problem::new(
        StatusCode::NOT_FOUND,
        "There is no such account or license",
        "Nothing has the id that was given.",
    )
    .say("Go back and look at what you typed: an account\u{2019}s id is what the product calls it.")
    .go("Look up something else", "/support")
}

fn license_of(text: &str) -> Result<LicenseId, Problem> {
    license_id(text).ok_or_else(not_found)
}

fn request_id(text: &str) -> Result<SupportRequestId, Problem> {
    SupportRequestId::parse(text).map_err(|_| not_found())
}

pub(super) async fn ask_unlink(
    Extract(state): Extract<State>,
    support: Support,
    Query(query): Query<UnlinkQuery>,
) -> Result<Response, Problem> {
    ask(&state, &support, &query.order()?, None).await
}

pub(super) async fn unlink(
    Extract(state): Extract<State>,
    support: Support,
    Query(query): Query<UnlinkQuery>,
    OwnForm(given): OwnForm<Given>,
) -> Result<Response, Problem> {
    act(&state, &support, query.order()?, given).await
}

pub(super) async fn ask_transfer(
    Extract(state): Extract<State>,
    support: Support,
    Query(query): Query<TransferQuery>,
) -> Result<Response, Problem> {
    ask(&state, &support, &query.order()?, None).await
}

pub(super) async fn transfer(
    Extract(state): Extract<State>,
    support: Support,
    Query(query): Query<TransferQuery>,
    OwnForm(given): OwnForm<Given>,
) -> Result<Response, Problem> {
    act(&state, &support, query.order()?, given).await
}

/// Shows what would follow and asks for the reason and the ticket; again with what
/// was `given` before.
async fn ask(
    state: &State,
    support: &Support,
    order: &SupportOrder,
    given: Option<Before<'_>>,
) -> Result<Response, Problem> {
    let user = &support.0;
    let view = state.app.support_order(&user.signed_in, order).await;
    let view = view.map_err(|error| problem(order, error))?;
    let body = pages::order(&view, &user.csrf, given.as_ref());
    Ok(show(state, support, pages::title(order), &body).await)
}

async fn act(
    state: &State,
    support: &Support,
    order: SupportOrder,
    given: Given,
) -> Result<Response, Problem> {
    let before = |why| Before {
        reason: &given.reason,
        ticket: &given.ticket,
        why,
    };
    let ticket = Ticket::parse(&given.ticket).map_err(Again::Ticket);
    let reason = Reason::parse(&given.reason).map_err(Again::Reason);
    let grounds = match ticket.and_then(|ticket| Ok((ticket, reason?))) {
        Ok((ticket, reason)) => Grounds { reason, ticket },
        Err(mistake) => {
            let page = ask(state, support, &order, Some(before(mistake))).await?;
            return Ok((StatusCode::UNPROCESSABLE_ENTITY, page).into_response());
        }
    };
    let user = &support.0.signed_in;
    let ordered = state
        .app
        .order_by_support(user, &order, &grounds, &given.basis)
        .await;
    match ordered {
        Ok(Ordered::Done) => Ok(Redirect::to(&account_path(order.account())).into_response()),
        Ok(Ordered::Asked(id)) => Ok(Redirect::to(&request_path(&id)).into_response()),
        Err(OrderError::Conflict) => {
            let page = ask(state, support, &order, Some(before(Again::Changed))).await?;
            Ok((StatusCode::CONFLICT, page).into_response())
        }
        Err(error) => Err(problem(&order, error)),
    }
}

pub(super) async fn request(
    Extract(state): Extract<State>,
    support: Support,
    Path(request): Path<String>,
) -> Result<Response, Problem> {
    show_request(&state, &support, &request_id(&request)?, false).await
}

async fn show_request(
    state: &State,
    support: &Support,
    id: &SupportRequestId,
    asked_again: bool,
) -> Result<Response, Problem> {
    let user = &support.0;
    let view = state.app.support_request(&user.signed_in, id).await;
    let view = view.map_err(|error| problem_of_request(id, error))?;
    let body = pages::request(&view, user, asked_again);
    Ok(show(state, support, "Request", &body).await)
}

pub(super) async fn approve(
    Extract(state): Extract<State>,
    support: Support,
    Path(request): Path<String>,
    OwnForm(form): OwnForm<Confirmed>,
) -> Result<Response, Problem> {
    let id = request_id(&request)?;
    let user = &support.0.signed_in;
    match state.app.approve(user, &id, &form.basis).await {
        Ok(()) => Ok(Redirect::to(&request_path(&id)).into_response()),
        Err(OrderError::Conflict) => {
            let page = show_request(&state, &support, &id, true).await?;
            Ok((StatusCode::CONFLICT, page).into_response())
        }
        // Of a form that is sent twice, the first time did it.
        Err(OrderError::Refused(LinkRefusal::Request(RequestRefusal::Settled(
            RequestState::CarriedOut { by, .. },
        )))) if by == user.email => Ok(Redirect::to(&request_path(&id)).into_response()),
        Err(error) => Err(problem_of_request(&id, error)),
    }
}

pub(super) async fn decline(
    Extract(state): Extract<State>,
    support: Support,
    Path(request): Path<String>,
    OwnForm(Empty {}): OwnForm<Empty>,
) -> Result<Response, Problem> {
    let id = request_id(&request)?;
    let declined = state.app.decline(&support.0.signed_in, &id).await;
    declined.map_err(|error| problem_of_request(&id, error))?;
    Ok(Redirect::to(&request_path(&id)).into_response())
}

fn account_path(account: &AccountId) -> String {
    format!("/support/accounts/{account}")
}

fn request_path(id: &SupportRequestId) -> String {
    format!("/support/requests/{}", id.as_str())
}

fn problem(order: &SupportOrder, error: OrderError) -> Problem {
    let back = ("Back to the account", account_path(order.account()));
    told(error, back, &pages::path(order))
}

fn problem_of_request(id: &SupportRequestId, error: OrderError) -> Problem {
    let path = request_path(id);
    told(error, ("Back to the request", path.clone()), &path)
}

/// Why an order is refused, as a page; `path` is where to sign in again for.
fn told(error: OrderError, back: (&'static str, String), path: &str) -> Problem {
    let refusal = match error {
        OrderError::Unknown => return nothing_has_it(),
        OrderError::Store(error) => return error.into(),
        OrderError::Conflict => {
            return Problem::new(
                StatusCode::CONFLICT,
                "Something changed meanwhile",
                "Others changed the account or the license at the same time.",
            )
            .kept("Nothing was done.")
            .go(back.0, back.1);
        }
        OrderError::Refused(refusal) => refusal,
    };
    let problem = |status, title| {
        Problem::new(status, title, words::refusal(&refusal)).kept("Nothing was done.")
    };
    match &refusal {
        LinkRefusal::SignIn(refused) => {
            let to = form_urlencoded::byte_serialize(path.as_bytes()).collect::<String>();
            problem(StatusCode::FORBIDDEN, words::sign_in_heading(refused))
                .code(words::sign_in_code(refused))
                .go("Sign in again", format!("/sign-in?to={to}&again=1"))
        }
        LinkRefusal::NotAMember => not_found(),
        LinkRefusal::NotFullAccess
        | LinkRefusal::GroundsRequired
        | LinkRefusal::ApprovalRequired
        | LinkRefusal::Request(RequestRefusal::OwnRequest) => {
            problem(StatusCode::FORBIDDEN, "You cannot do that alone").go(back.0, back.1)
        }
        LinkRefusal::Request(RequestRefusal::Expired { .. } | RequestRefusal::Settled(_))
        | LinkRefusal::AnnualSubscription { .. }
        | LinkRefusal::AccountDeleted { .. }
        | LinkRefusal::LicensePending
        | LinkRefusal::LicenseEnded { .. }
        | LinkRefusal::AnotherLicense
        | LinkRefusal::NothingLinked => {
            problem(StatusCode::CONFLICT, "That cannot be done").go(back.0, back.1)
        }
    }
}
