//! `/api/accounts…`: the product opens accounts, says who their members are and
//! which have an annual subscription, and asks what an account may do.

use app::accounts::{Access, AccountError};
use axum::Router;
use axum::body::Bytes;
use axum::extract::{FromRequest, Path, Request, State as Extract};
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::{get, post, put};
use domain::account::{AccountName, AccountRefusal, Standing};
use domain::audit::Actor;
use domain::ids::{AccountId, UserEmail};
use domain::member::Role;
use jiff::Timestamp;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::json;

use super::{Caller, answer, read};
use crate::problem::ApiProblem;
use crate::site::State;

pub(super) fn routes() -> Router<State> {
    let account = put(open).patch(rename).get(access).delete(suspend);
    let member = put(put_member).delete(remove_member);
    let annual = put(activate_annual).delete(end_annual);
    Router::new()
        .route("/api/accounts/{account}", account)
        .route("/api/accounts/{account}/access", get(access))
        .route("/api/accounts/{account}/restore", post(restore))
        .route("/api/accounts/{account}/members/{email}", member)
        .route("/api/accounts/{account}/annual-subscription", annual)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewAccount {
    name: AccountName,
    /// Its first full-access member.
    owner: Option<UserEmail>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Renamed {
    name: AccountName,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewMember {
    role: Role,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Annual {
    ends_at: Option<Timestamp>,
}

async fn open(
    Extract(state): Extract<State>,
    _: Caller,
    Path(account): Path<String>,
    Body(new): Body<NewAccount>,
) -> Result<Response, ApiProblem> {
    let account = id(&account)?;
    let status = match state.app.access(&account).await? {
        Some(_) => StatusCode::OK,
        None => StatusCode::CREATED,
    };
    let opened = state
        .app
        .open_account(&account, &new.name, new.owner.as_ref(), &Actor::Product);
    opened.await?;
    show(&state, &account, status).await
}

async fn rename(
    Extract(state): Extract<State>,
    _: Caller,
    Path(account): Path<String>,
    Body(new): Body<Renamed>,
) -> Result<Response, ApiProblem> {
    let account = id(&account)?;
    let renamed = state
        .app
        .rename_account(&account, &new.name, &Actor::Product);
    renamed.await?;
    show(&state, &account, StatusCode::OK).await
}

async fn access(
    Extract(state): Extract<State>,
    _: Caller,
    Path(account): Path<String>,
) -> Result<Response, ApiProblem> {
    show(&state, &id(&account)?, StatusCode::OK).await
}

async fn suspend(
    Extract(state): Extract<State>,
    _: Caller,
    Path(account): Path<String>,
) -> Result<Response, ApiProblem> {
    let account = id(&account)?;
    state.app.suspend_account(&account, &Actor::Product).await?;
    show(&state, &account, StatusCode::OK).await
}

async fn restore(
    Extract(state): Extract<State>,
    _: Caller,
    Path(account): Path<String>,
) -> Result<Response, ApiProblem> {
    let account = id(&account)?;
    state.app.restore_account(&account, &Actor::Product).await?;
    show(&state, &account, StatusCode::OK).await
}

async fn put_member(
    Extract(state): Extract<State>,
    _: Caller,
    Path((account, email)): Path<(String, String)>,
    Body(member): Body<NewMember>,
) -> Result<Response, ApiProblem> {
    let (account, email) = (id(&account)?, user(&email)?);
    state
        .app
        .put_member(&account, &email, member.role, &Actor::Product)
        .await?;
    let body = json!({"account": account, "user": email, "role": member.role});
    Ok(answer(StatusCode::OK, &body))
}

async fn remove_member(
    Extract(state): Extract<State>,
    _: Caller,
    Path((account, email)): Path<(String, String)>,
) -> Result<StatusCode, ApiProblem> {
    let (account, email) = (id(&account)?, user(&email)?);
    state
        .app
        .remove_member(&account, &email, &Actor::Product)
        .await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn activate_annual(
    Extract(state): Extract<State>,
    _: Caller,
    Path(account): Path<String>,
    Body(annual): Body<Annual>,
) -> Result<Response, ApiProblem> {
    let account = id(&account)?;
    state
        .app
        .activate_annual(&account, annual.ends_at, &Actor::Product)
        .await?;
    show(&state, &account, StatusCode::OK).await
}

async fn end_annual(
    Extract(state): Extract<State>,
    _: Caller,
    Path(account): Path<String>,
) -> Result<Response, ApiProblem> {
    let account = id(&account)?;
    state.app.end_annual(&account, &Actor::Product).await?;
    show(&state, &account, StatusCode::OK).await
}

/// What an account may do now.
async fn show(
    state: &State,
    account: &AccountId,
    status: StatusCode,
) -> Result<Response, ApiProblem> {
    let access = state.app.access(account).await?;
    let access = access.ok_or(AccountError::Unknown)?;
    let Access {
        account,
        name,
        version,
        standing,
        until,
        as_of,
    } = access;
    let billed_by = match standing {
        Standing::Subscribed => Some("aws_marketplace"),
        Standing::Annual => Some("annual_subscription"),
        Standing::Trial | Standing::Grace | Standing::Expired | Standing::Suspended => None,
    };
    let body = json!({
        "account": account,
        "name": name,
        "version": version,
        "state": standing,
        "label": standing.label(),
        "allowed": standing.allows_new(),
        "blocked": standing.blocked(),
        "billed_by": billed_by,
        "until": until,
        "as_of": as_of,
    });
    Ok(answer(status, &body))
}

fn id(text: &str) -> Result<AccountId, ApiProblem> {
    AccountId::parse(text).map_err(|error| invalid().detail(error.to_string()).field("account"))
}

fn user(text: &str) -> Result<UserEmail, ApiProblem> {
    UserEmail::parse(text).map_err(|error| invalid().detail(error.to_string()).field("email"))
}

fn invalid() -> ApiProblem {
    ApiProblem::new(
        StatusCode::UNPROCESSABLE_ENTITY,
        "/problems/invalid",
        "The request is not valid",
    )
}

/// A body, read with the name of the field that is wrong.
struct Body<T>(T);

impl<T: DeserializeOwned> FromRequest<State> for Body<T> {
    type Rejection = ApiProblem;

    async fn from_request(request: Request, state: &State) -> Result<Self, ApiProblem> {
        let body = Bytes::from_request(request, state)
            .await
            .map_err(|rejection| ApiProblem::of_status(rejection.status()))?;
        read(&body, "the body", invalid).map(Self)
    }
}

impl From<AccountError> for ApiProblem {
    fn from(error: AccountError) -> Self {
        let conflict = |kind, refusal: &AccountRefusal| {
            let detail = format!("{refusal}; nothing was changed");
            Self::new(StatusCode::CONFLICT, kind, "The account does not allow it").detail(detail)
        };
        match &error {
            AccountError::Unknown => Self::new(
                StatusCode::NOT_FOUND,
                "/problems/no-such-account",
                "There is no such account",
            ),
            AccountError::Refused(refusal) => match refusal {
                AccountRefusal::IdTaken => {
                    conflict("/problems/account-differs", refusal).field("name")
                }
                AccountRefusal::SubscribedThroughMarketplace { .. } => {
                    conflict("/problems/subscribed-through-marketplace", refusal)
                }
                AccountRefusal::OtherAnnual { .. } => {
                    conflict("/problems/other-annual-subscription", refusal).field("ends_at")
                }
                AccountRefusal::NotAnnual => conflict("/problems/no-annual-subscription", refusal),
                AccountRefusal::EndsInThePast => {
                    invalid().detail(refusal.to_string()).field("ends_at")
                }
                AccountRefusal::Deleted => conflict("/problems/account-deleted", refusal),
                AccountRefusal::NotRestorable => conflict("/problems/not-restorable", refusal),
                AccountRefusal::Torn => Self::of_status(StatusCode::SERVICE_UNAVAILABLE),
            },
            AccountError::Contended => Self::new(
                StatusCode::CONFLICT,
                "/problems/contended",
                "Others changed the account at the same time",
            )
            .detail("Nothing was changed. Send the request again."),
            AccountError::Store(store) => {
                tracing::error!(error = %app::Chain(store), "the API could not answer");
                Self::of_status(StatusCode::SERVICE_UNAVAILABLE)
            }
        }
    }
}

impl From<store::StoreError> for ApiProblem {
    fn from(error: store::StoreError) -> Self {
        AccountError::from(error).into()
    }
}
