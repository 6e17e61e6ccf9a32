//! A small OpenID Connect issuer, so that the local stack signs people in the
//! way Cognito does: discovery, authorization code with PKCE, ID tokens signed
//! with a key from its JWKS.
//!
//! It is an issuer of its own and shares nothing with the code that verifies
//! its tokens, so that one misreading cannot sit on both sides. Deliberately
//! absent: refresh tokens, a user-info endpoint, a session of its own. It asks
//! who you are each time, so `prompt=login` and `max_age=0` hold by themselves.

mod keys;
mod pages;

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::extract::{Form, Query, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use jiff::{SignedDuration, Timestamp};
use ring::digest;
use serde::Deserialize;
use serde_json::{Value, json};

use keys::Keys;

/// How long an authorization code may be redeemed.
const CODE_LIFETIME: SignedDuration = SignedDuration::from_mins(5);
/// How long an ID token is valid.
const TOKEN_LIFETIME: SignedDuration = SignedDuration::from_hours(1);
/// Codes kept at once; beyond it a new one cannot be redeemed.
const MAX_CODES: usize = 1_000;

/// What the issuer is called, whom it knows and which client it serves.
#[derive(Clone)]
pub struct IssuerConfig {
    /// The issuer's URL without a final slash, such as `http://localhost:8080/issuer`.
    /// Its path is the prefix of every route.
    pub url: String,
    /// The one client.
    pub client_id: String,
    /// The client's secret, given to the token endpoint.
    pub client_secret: String,
    /// Where a code may be sent.
    pub redirect_uris: Vec<String>,
    /// Who can sign in.
    pub users: Vec<User>,
    /// Where its time comes from.
    pub now: Arc<dyn Fn() -> Timestamp + Send + Sync>,
}

/// Somebody who can sign in.
#[derive(Debug, Clone)]
pub struct User {
    /// The e-mail address, also the name to sign in with.
    pub email: String,
    /// The name shown.
    pub name: String,
    /// Whether the address is verified.
    pub email_verified: bool,
    /// How they prove who they are.
    pub method: Method,
}

/// How a user proves who they are.
#[derive(Debug, Clone)]
pub enum Method {
    /// By a password, typed here.
    Password(String),
    /// By their company's single sign-on, as Cognito reports it: in `identities`.
    Saml {
        /// The identity provider's name.
        provider: String,
    },
}

/// The issuer. Cheap to clone.
#[derive(Clone)]
pub struct Issuer {
    inner: Arc<Inner>,
}

struct Inner {
    config: IssuerConfig,
    keys: Mutex<Keys>,
    codes: Mutex<HashMap<String, Grant>>,
}

/// What a code stands for until it is redeemed.
struct Grant {
    user: User,
    nonce: Option<String>,
    code_challenge: String,
    redirect_uri: String,
    signed_in_at: Timestamp,
}

/// Key generation failed: the operating system gave no randomness.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NoRandomness;

impl fmt::Display for NoRandomness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the operating system gave no random bytes to make the issuer's key of")
    }
}

impl std::error::Error for NoRandomness {}

impl Issuer {
    /// An issuer with a fresh ES256 key.
    ///
    /// # Errors
    /// [`NoRandomness`] when no key could be made.
    pub fn new(config: IssuerConfig) -> Result<Self, NoRandomness> {
        Ok(Self {
            inner: Arc::new(Inner {
                config,
                keys: Mutex::new(Keys::generate()?),
                codes: Mutex::new(HashMap::new()),
            }),
        })
    }

    /// The issuer's routes, under the path of its URL.
    pub fn router(&self) -> Router {
        let routes = Router::new()
            .route("/.well-known/openid-configuration", get(discovery))
            .route("/jwks", get(jwks))
            .route("/authorize", get(ask).post(authorize))
            .route("/token", post(token))
            .with_state(self.clone());
        match self.inner.config.path() {
            "" => routes,
            path => Router::new().nest(path, routes),
        }
    }

    /// Replaces the signing key: tokens signed before no longer verify, and
    /// new ones name a key that a verifier has not seen.
    ///
    /// # Errors
    /// [`NoRandomness`] when no key could be made; the old one stays.
    pub fn rotate_key(&self) -> Result<(), NoRandomness> {
        *lock(&self.inner.keys) = Keys::generate()?;
        Ok(())
    }

    fn now(&self) -> Timestamp {
        (self.inner.config.now)()
    }

    fn endpoint(&self, name: &str) -> String {
        format!("{}/{name}", self.inner.config.url)
    }

    /// The user who gave these credentials.
    fn user(&self, form: &SignInForm) -> Option<User> {
        let email = form.email.trim().to_ascii_lowercase();
        let users = &self.inner.config.users;
        let user = users.iter().find(|user| user.email == email)?;
        let proven = match &user.method {
            Method::Password(password) => form.password.as_deref() == Some(password),
            Method::Saml { .. } => form.password.is_none(),
        };
        proven.then(|| user.clone())
    }

    /// Keeps a grant under a fresh code.
    fn grant(&self, grant: Grant) -> Result<String, NoRandomness> {
        let code = keys::random_text()?;
        let mut codes = lock(&self.inner.codes);
        let now = grant.signed_in_at;
        codes.retain(|_, grant| now.duration_since(grant.signed_in_at) < CODE_LIFETIME);
        if codes.len() < MAX_CODES {
            codes.insert(code.clone(), grant);
        }
        Ok(code)
    }

    /// The claims about a user, in Cognito's shape.
    fn claims(&self, grant: &Grant) -> Value {
        let now = self.now();
        let user = &grant.user;
        let subject = digest::digest(&digest::SHA256, user.email.as_bytes());
        let mut claims = json!({
            "iss": self.inner.config.url,
            "aud": self.inner.config.client_id,
            "sub": URL_SAFE_NO_PAD.encode(&subject.as_ref()[..16]),
            "iat": now.as_second(),
            "exp": (now + TOKEN_LIFETIME).as_second(),
            "auth_time": grant.signed_in_at.as_second(),
            "token_use": "id",
            "email": user.email,
            "email_verified": user.email_verified,
            "name": user.name,
        });
        if let Some(nonce) = &grant.nonce {
            claims["nonce"] = json!(nonce);
        }
        match &user.method {
            Method::Password(_) => claims["amr"] = json!(["pwd"]),
            Method::Saml { provider } => {
                claims["identities"] = json!([{
                    "userId": user.email,
                    "providerName": provider,
                    "providerType": "SAML",
                    "issuer": format!("https://sso.example.com/{provider}"),
                    "primary": "true",
                    "dateCreated": grant.signed_in_at.as_millisecond().to_string(),
                }]);
            }
        }
        claims
    }
}

impl IssuerConfig {
    /// The path of the issuer's URL, empty at the root.
    fn path(&self) -> &str {
        let rest = self.url.split_once("://").map_or("", |(_, rest)| rest);
        rest.find('/').map_or("", |at| &rest[at..])
    }
}

/// The parameters of an authorization request (OpenID Connect Core 3.1.2.1).
#[derive(Debug, Clone, Deserialize)]
struct AuthorizationRequest {
    response_type: String,
    client_id: String,
    redirect_uri: String,
    scope: String,
    state: Option<String>,
    nonce: Option<String>,
    code_challenge: String,
    code_challenge_method: String,
    login_hint: Option<String>,
}

/// What the sign-in form sends besides the request, which stays in the query.
#[derive(Deserialize)]
struct SignInForm {
    email: String,
    password: Option<String>,
}

/// What the token endpoint is sent (RFC 6749 section 4.1.3, RFC 7636 section 4.5).
#[derive(Deserialize)]
struct TokenRequest {
    grant_type: String,
    code: String,
    redirect_uri: String,
    code_verifier: String,
    client_id: Option<String>,
    client_secret: Option<String>,
}

async fn discovery(State(issuer): State<Issuer>) -> Json<Value> {
    Json(json!({
        "issuer": issuer.inner.config.url,
        "authorization_endpoint": issuer.endpoint("authorize"),
        "token_endpoint": issuer.endpoint("token"),
        "jwks_uri": issuer.endpoint("jwks"),
        "response_types_supported": ["code"],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["ES256"],
        "token_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post"],
        "code_challenge_methods_supported": ["S256"],
        "scopes_supported": ["openid", "email", "profile"],
    }))
}

async fn jwks(State(issuer): State<Issuer>) -> Json<Value> {
    Json(lock(&issuer.inner.keys).public())
}

/// Shows the sign-in form. A wrong client or address is told to the person,
/// never sent to the address.
async fn ask(
    State(issuer): State<Issuer>,
    Query(request): Query<AuthorizationRequest>,
) -> Response {
    if let Err(problem) = check(&issuer, &request) {
        return (StatusCode::BAD_REQUEST, pages::problem(problem)).into_response();
    }
    pages::sign_in(
        &issuer.inner.config.users,
        request.login_hint.as_deref(),
        false,
    )
    .into_response()
}

async fn authorize(
    State(issuer): State<Issuer>,
    Query(request): Query<AuthorizationRequest>,
    Form(form): Form<SignInForm>,
) -> Response {
    if let Err(problem) = check(&issuer, &request) {
        return (StatusCode::BAD_REQUEST, pages::problem(problem)).into_response();
    }
    let Some(user) = issuer.user(&form) else {
        let page = pages::sign_in(&issuer.inner.config.users, Some(&form.email), true);
        return (StatusCode::UNAUTHORIZED, page).into_response();
    };
    let grant = Grant {
        user,
        nonce: request.nonce,
        code_challenge: request.code_challenge,
        redirect_uri: request.redirect_uri.clone(),
        signed_in_at: issuer.now(),
    };
    match issuer.grant(grant) {
        Ok(code) => {
            let mut target = format!("{}?code={code}", request.redirect_uri);
            if let Some(state) = request.state {
                target.push_str("&state=");
                target.push_str(&percent_encoded(&state));
            }
            Redirect::to(&target).into_response()
        }
        Err(NoRandomness) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

/// Whether the request may be answered at all.
fn check(issuer: &Issuer, request: &AuthorizationRequest) -> Result<(), &'static str> {
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

async fn token(
    State(issuer): State<Issuer>,
    headers: HeaderMap,
    Form(request): Form<TokenRequest>,
) -> Response {
    if !is_client(&issuer.inner.config, &headers, &request) {
        return refused(StatusCode::UNAUTHORIZED, "invalid_client");
    }
    if request.grant_type != "authorization_code" {
        return refused(StatusCode::BAD_REQUEST, "unsupported_grant_type");
    }
    // Taken whatever follows: a code is redeemed once.
    let Some(grant) = lock(&issuer.inner.codes).remove(&request.code) else {
        return refused(StatusCode::BAD_REQUEST, "invalid_grant");
    };
    let challenge = digest::digest(&digest::SHA256, request.code_verifier.as_bytes());
    let age = issuer.now().duration_since(grant.signed_in_at);
    if URL_SAFE_NO_PAD.encode(challenge) != grant.code_challenge
        || grant.redirect_uri != request.redirect_uri
        || age >= CODE_LIFETIME
    {
        return refused(StatusCode::BAD_REQUEST, "invalid_grant");
    }
    let claims = issuer.claims(&grant);
    let signed = lock(&issuer.inner.keys).sign(&claims);
    let (Ok(id_token), Ok(access_token)) = (signed, keys::random_text()) else {
        return refused(StatusCode::INTERNAL_SERVER_ERROR, "server_error");
    };
    let answer = json!({
        "id_token": id_token,
        "access_token": access_token,
        "token_type": "Bearer",
        "expires_in": TOKEN_LIFETIME.as_secs(),
    });
    ([(header::CACHE_CONTROL, "no-store")], Json(answer)).into_response()
}

/// Whether the client gave its secret, by HTTP Basic or in the form.
fn is_client(config: &IssuerConfig, headers: &HeaderMap, request: &TokenRequest) -> bool {
    let basic = headers
        .get(header::AUTHORIZATION)
        .and_then(|value| value.to_str().ok()?.strip_prefix("Basic "))
        .and_then(|encoded| String::from_utf8(STANDARD.decode(encoded).ok()?).ok());
    let given = match (&basic, &request.client_id, &request.client_secret) {
        (Some(basic), _, _) => basic.split_once(':'),
        (None, Some(id), Some(secret)) => Some((id.as_str(), secret.as_str())),
        (None, _, _) => None,
    };
    given == Some((config.client_id.as_str(), config.client_secret.as_str()))
}

/// An error of the token endpoint (RFC 6749 section 5.2).
fn refused(status: StatusCode, error: &str) -> Response {
    (status, Json(json!({ "error": error }))).into_response()
}

/// `text` for a query's value.
fn percent_encoded(text: &str) -> String {
    use fmt::Write as _;
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            // Writing to a String cannot fail.
            let _ = write!(encoded, "%{byte:02X}");
        }
    }
    encoded
}

/// The lock, also after a panic elsewhere: what it guards is whole at all times.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
