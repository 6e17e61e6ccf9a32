//! A small OpenID Connect issuer, so that the local stack signs people in the
//! way Cognito does: discovery, authorization code with PKCE, ID tokens signed
//! with a key from its JWKS.
//!
//! Whoever has no user signs up, by a mail whose code is shown on the page
//! `/mailbox`.
//!
//! It is an issuer of its own and shares nothing with the code that verifies
//! its tokens, so that one misreading cannot sit on both sides. Deliberately
//! absent: refresh tokens, a user-info endpoint, a session of its own. It asks
//! who you are each time, so `prompt=login` and `max_age=0` hold by themselves.

mod authorize;
mod kept;
mod keys;
mod mailbox;
mod one_time_code;
mod pages;
mod sign_up;
mod token;
mod users;

use std::collections::HashMap;
use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use axum::extract::State;
use axum::routing::{get, post};
use axum::{Json, Router};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::{SignedDuration, Timestamp};
use ring::digest;
use serde_json::{Value, json};

use authorize::{CodeOwed, Grant};
use kept::{Kept, lock};
use keys::Keys;
use mailbox::Mailbox;
use sign_up::SignUp;
use users::Users;

pub use users::{PasswordHash, UsersError};

/// How long an authorization code may be redeemed.
const CODE_LIFETIME: SignedDuration = SignedDuration::from_mins(5);
/// How long a one-time code may be given after the password.
const SECOND_FACTOR_LIFETIME: SignedDuration = SignedDuration::from_mins(5);

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
    /// Who can sign in from the start.
    pub users: Vec<User>,
    /// Where those who sign up are kept; `None`: nowhere.
    pub users_file: Option<PathBuf>,
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
    /// The claim `sub`, which is never another user's.
    pub subject: String,
    /// Whether the address is verified.
    pub email_verified: bool,
    /// How they prove who they are.
    pub method: Method,
    /// The groups they are in, told in `cognito:groups`.
    pub groups: Vec<String>,
}

/// How a user proves who they are.
#[derive(Debug, Clone)]
pub enum Method {
    /// By a password, typed here.
    Password(String),
    /// By a password, typed here, of which only a hash is kept.
    HashedPassword(PasswordHash),
    /// By a password and a one-time code (TOTP), which the page
    /// `/authenticator` shows as their phone would.
    PasswordAndCode {
        /// The password.
        password: String,
        /// What the codes are made of; 20 bytes are usual.
        secret: Vec<u8>,
    },
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
    users: Users,
    mailbox: Mailbox,
    keys: Mutex<Keys>,
    grants: Kept<Grant>,
    codes_owed: Kept<CodeOwed>,
    sign_ups: Kept<SignUp>,
    /// By e-mail address: the step of the one-time code that was used last.
    used_steps: Mutex<HashMap<String, u64>>,
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

/// Why there is no issuer.
#[derive(Debug, thiserror::Error)]
pub enum IssuerError {
    /// No key could be made.
    #[error(transparent)]
    Key(#[from] NoRandomness),
    /// Those who signed up before cannot be read.
    #[error("those who signed up before cannot be read")]
    Users(#[from] UsersError),
}

/// The `sub` of somebody who is there from the start: the same at every start.
pub fn subject_of(email: &str) -> String {
    let hash = digest::digest(&digest::SHA256, email.as_bytes());
    URL_SAFE_NO_PAD.encode(&hash.as_ref()[..16])
}

impl Issuer {
    /// An issuer with a fresh ES256 key.
    ///
    /// # Errors
    /// [`IssuerError`].
    pub fn new(config: IssuerConfig) -> Result<Self, IssuerError> {
        let users = Users::open(config.users.clone(), config.users_file.as_deref())?;
        Ok(Self {
            inner: Arc::new(Inner {
                config,
                users,
                mailbox: Mailbox::default(),
                keys: Mutex::new(Keys::generate()?),
                grants: Kept::for_a(CODE_LIFETIME),
                codes_owed: Kept::for_a(SECOND_FACTOR_LIFETIME),
                sign_ups: Kept::for_a(sign_up::CODE_LIFETIME),
                used_steps: Mutex::new(HashMap::new()),
            }),
        })
    }

    /// The issuer's routes, under the path of its URL.
    pub fn router(&self) -> Router {
        let routes = Router::new()
            .route("/.well-known/openid-configuration", get(discovery))
            .route("/jwks", get(jwks))
            .route("/authorize", get(authorize::ask).post(authorize::authorize))
            .route("/second-factor", post(authorize::second_factor))
            .route("/authenticator", get(authorize::authenticator))
            .route("/sign-up", get(sign_up::ask).post(sign_up::sign_up))
            .route("/verification", post(sign_up::verify))
            .route("/mailbox", get(mailbox::show))
            .route("/token", post(token::token))
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
}

impl IssuerConfig {
    /// The path of the issuer's URL, empty at the root.
    fn path(&self) -> &str {
        let rest = self.url.split_once("://").map_or("", |(_, rest)| rest);
        rest.find('/').map_or("", |at| &rest[at..])
    }
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
        "prompt_values_supported": ["login", "create"],
    }))
}

async fn jwks(State(issuer): State<Issuer>) -> Json<Value> {
    Json(lock(&issuer.inner.keys).public())
}
