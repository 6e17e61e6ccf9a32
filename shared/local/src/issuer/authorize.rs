//! The authorization endpoint: who somebody is, asked on a page.

use axum::extract::{Form, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use form_urlencoded::Serializer;
use jiff::Timestamp;
use serde::Deserialize;

use super::{Issuer, Method, NoRandomness, User, one_time_code, pages, sign_up};

/// Wrong one-time codes after which the password is asked for again.
const MAX_WRONG_CODES: u32 = 5;

/// The parameters of an authorization request (OpenID Connect Core 3.1.2.1).
#[derive(Debug, Clone, Deserialize)]
pub(super) struct AuthorizationRequest {
    response_type: String,
    client_id: String,
    redirect_uri: String,
    scope: String,
    state: Option<String>,
    nonce: Option<String>,
    code_challenge: String,
    code_challenge_method: String,
    pub(super) login_hint: Option<String>,
    prompt: Option<String>,
}

/// What the sign-in form sends besides the request, which stays in the query.
#[derive(Deserialize)]
pub(super) struct SignInForm {
    email: String,
    password: Option<String>,
}

/// What the form for a one-time code sends.
#[derive(Deserialize)]
pub(super) struct CodeForm {
    ticket: String,
    code: String,
}

/// Somebody who gave their password and owes a one-time code.
pub(super) struct CodeOwed {
    user: User,
    request: AuthorizationRequest,
    wrong: u32,
}

/// What an authorization code stands for until it is redeemed.
pub(super) struct Grant {
    pub(super) user: User,
    pub(super) nonce: Option<String>,
    pub(super) code_challenge: String,
    pub(super) redirect_uri: String,
    pub(super) signed_in_at: Timestamp,
}

/// Shows the sign-in form. A wrong client or address is told to the person,
/// never sent to the address.
pub(super) async fn ask(
    State(issuer): State<Issuer>,
    Query(request): Query<AuthorizationRequest>,
) -> Response {
    if let Err(problem) = check(&issuer, &request) {
        return refused(problem);
    }
    if request.wants_sign_up() {
        return sign_up::form(&issuer, &request);
    }
    sign_in_form(&issuer, &request, request.login_hint.as_deref(), false)
}

/// Answers the sign-in form.
pub(super) async fn authorize(
    State(issuer): State<Issuer>,
    Query(request): Query<AuthorizationRequest>,
    Form(form): Form<SignInForm>,
) -> Response {
    if let Err(problem) = check(&issuer, &request) {
        return refused(problem);
    }
    let Some(user) = issuer.user(&form) else {
        let page = sign_in_form(&issuer, &request, Some(&form.email), true);
        return (StatusCode::UNAUTHORIZED, page).into_response();
    };
    match &user.method {
        Method::Password(_) | Method::HashedPassword(_) | Method::Saml { .. } => {
            answer(&issuer, user, request)
        }
        Method::PasswordAndCode { .. } => {
            let owed = CodeOwed {
                user,
                request,
                wrong: 0,
            };
            match issuer.inner.codes_owed.put(owed, issuer.now()) {
                Ok(ticket) => {
                    pages::one_time_code(issuer.inner.config.path(), &ticket, false).into_response()
                }
                Err(NoRandomness) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
            }
        }
    }
}

/// Answers the form for a one-time code.
pub(super) async fn second_factor(
    State(issuer): State<Issuer>,
    Form(form): Form<CodeForm>,
) -> Response {
    let (owed, now) = (&issuer.inner.codes_owed, issuer.now());
    let right = owed.with(&form.ticket, now, |owed| {
        let right = issuer.is_code_of(&owed.user, form.code.trim(), now);
        owed.wrong += u32::from(!right);
        (right, owed.wrong)
    });
    match right {
        Some((true, _)) => match owed.take(&form.ticket, now) {
            Some(proven) => answer(&issuer, proven.user, proven.request),
            None => sign_in_again(),
        },
        Some((false, wrong)) if wrong < MAX_WRONG_CODES => {
            let page = pages::one_time_code(issuer.inner.config.path(), &form.ticket, true);
            (StatusCode::UNAUTHORIZED, page).into_response()
        }
        Some((false, _)) => {
            owed.take(&form.ticket, now);
            sign_in_again()
        }
        None => sign_in_again(),
    }
}

/// Shows the one-time codes of everybody who needs one, as their phones would.
pub(super) async fn authenticator(State(issuer): State<Issuer>) -> Response {
    pages::authenticator(issuer.inner.users.known(), issuer.now()).into_response()
}

fn sign_in_again() -> Response {
    refused("The password was given more than 5 minutes ago, or too many codes were wrong.")
}

/// The page of a request that is not answered.
pub(super) fn refused(problem: &str) -> Response {
    (StatusCode::BAD_REQUEST, pages::problem(problem)).into_response()
}

fn sign_in_form(
    issuer: &Issuer,
    request: &AuthorizationRequest,
    email: Option<&str>,
    refused: bool,
) -> Response {
    let inner = &issuer.inner;
    let page = pages::SignIn {
        path: inner.config.path(),
        query: &request.query(),
        users: inner.users.known(),
        email,
        refused,
    };
    page.show().into_response()
}

/// Sends the browser back with a code.
pub(super) fn answer(issuer: &Issuer, user: User, request: AuthorizationRequest) -> Response {
    let now = issuer.now();
    let grant = Grant {
        user,
        nonce: request.nonce,
        code_challenge: request.code_challenge,
        redirect_uri: request.redirect_uri.clone(),
        signed_in_at: now,
    };
    match issuer.inner.grants.put(grant, now) {
        Ok(code) => {
            let mut query = Serializer::new(String::new());
            query.append_pair("code", &code);
            if let Some(state) = &request.state {
                query.append_pair("state", state);
            }
            let target = format!("{}?{}", request.redirect_uri, query.finish());
            Redirect::to(&target).into_response()
        }
        Err(NoRandomness) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

/// Whether the request may be answered at all.
pub(super) fn check(issuer: &Issuer, request: &AuthorizationRequest) -> Result<(), &'static str> {
    let config = &issuer.inner.config;
    if request.client_id != config.client_id {
        return Err("This client is not known here.");
    }
    if !config.redirect_uris.contains(&request.redirect_uri) {
        return Err("This client may not be answered at that address.");
    }
    if request.response_type != "code" {
        return Err("Only response_type=code is served.");
    }
    if !request.scope.split(' ').any(|scope| scope == "openid") {
        return Err("The scope must contain openid.");
    }
    if request.code_challenge_method != "S256" || request.code_challenge.is_empty() {
        return Err("A PKCE challenge with S256 is required.");
    }
    Ok(())
}

impl AuthorizationRequest {
    /// Whether it begins with signing up (OpenID Connect's "Initiating User
    /// Registration").
    fn wants_sign_up(&self) -> bool {
        let prompts = self.prompt.as_deref().unwrap_or_default();
        prompts.split(' ').any(|prompt| prompt == "create")
    }

    /// The request as a query again, without what page it is to begin with.
    pub(super) fn query(&self) -> String {
        let mut query = Serializer::new(String::new());
        for (name, value) in [
            ("response_type", Some(&self.response_type)),
            ("client_id", Some(&self.client_id)),
            ("redirect_uri", Some(&self.redirect_uri)),
            ("scope", Some(&self.scope)),
            ("state", self.state.as_ref()),
            ("nonce", self.nonce.as_ref()),
            ("code_challenge", Some(&self.code_challenge)),
            ("code_challenge_method", Some(&self.code_challenge_method)),
            ("login_hint", self.login_hint.as_ref()),
        ] {
            if let Some(value) = value {
                query.append_pair(name, value);
            }
        }
        query.finish()
    }
}

impl Issuer {
    /// The user who gave these credentials.
    fn user(&self, form: &SignInForm) -> Option<User> {
        let email = form.email.trim().to_ascii_lowercase();
        let user = self.inner.users.find(&email)?;
        let given = form.password.as_deref();
        let proven = match &user.method {
            Method::Password(password) | Method::PasswordAndCode { password, .. } => {
                given == Some(password)
            }
            Method::HashedPassword(hash) => given.is_some_and(|given| hash.is_of(given)),
            Method::Saml { .. } => given.is_none(),
        };
        proven.then_some(user)
    }

    /// Whether this is a code of the user's that was not used before: each
    /// counts once, so one that was looked over a shoulder is worth nothing.
    fn is_code_of(&self, user: &User, code: &str, now: Timestamp) -> bool {
        let step = match &user.method {
            Method::PasswordAndCode { secret, .. } => one_time_code::step_of(secret, code, now),
            Method::Password(_) | Method::HashedPassword(_) | Method::Saml { .. } => None,
        };
        let Some(step) = step else {
            return false;
        };
        let mut used = super::kept::lock(&self.inner.used_steps);
        let fresh = used.get(&user.email).is_none_or(|last| *last < step);
        if fresh {
            used.insert(user.email.clone(), step);
        }
        fresh
    }
}
