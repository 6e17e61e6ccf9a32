//! Signing in by OpenID Connect: the authorization code flow with PKCE against
//! any issuer that publishes a discovery document.
//!
//! Built by hand on `jsonwebtoken` because the `openidconnect` crate brings
//! chrono and, with its clients, a second HTTP and TLS stack.
//!
//! Invariants: a token counts only if its signature verifies by a key of the
//! issuer's JWKS, and issuer, audience, nonce and expiry are right at the
//! `now` given; the JWKS is fetched again for an unknown key, at most once a
//! minute, so that a key rotation needs no restart and forged key ids cannot
//! make us hammer the issuer.

mod http;
mod ring_provider;
mod routes;
mod token;

use std::sync::{Arc, PoisonError, RwLock};

use aws_smithy_runtime_api::client::http::SharedHttpConnector;
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use form_urlencoded::Serializer;
use jiff::{SignedDuration, Timestamp};
use jsonwebtoken::jwk::JwkSet;
use ring::digest;
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;

use self::http::Http;
pub(crate) use self::routes::{CALLBACK, leading_to_sign_in, routes, sign_in_link};
use crate::site::PublicUrl;

/// How long the discovery document is believed.
const DISCOVERY_LIFETIME: SignedDuration = SignedDuration::from_hours(1);
/// How long a key of the JWKS is believed: one withdrawn counts no longer.
const KEYS_LIFETIME: SignedDuration = SignedDuration::from_hours(1);
/// The JWKS is fetched for an unknown key no more often than this.
const KEYS_INTERVAL: SignedDuration = SignedDuration::from_mins(1);

/// The issuer and how we are known to it.
#[derive(Debug, Clone)]
pub struct SignInSettings {
    /// The issuer's URL as its tokens name it, such as
    /// `https://cognito-idp.us-east-1.amazonaws.com/us-east-1_AbCdEf`.
    pub issuer: String,
    /// Our client id.
    pub client_id: String,
    /// Our client secret.
    pub client_secret: SecretString,
    /// How a sign-in with credentials is told from a federated one.
    pub credentials: CredentialRule,
    /// How support is told from customers.
    pub support: SupportRule,
}

/// How a sign-in with credentials is told from a federated one (single sign-on).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CredentialRule {
    /// Cognito: a federated user carries the claim `identities`.
    Identities,
    /// The claim `amr` must hold one of these methods (RFC 8176), such as `pwd`.
    Amr(Vec<String>),
}

/// How the seller's support is told from customers: by a group that the issuer
/// puts a user into.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SupportRule {
    /// The claim that names the user's groups: a list of texts, or one text.
    pub claim: String,
    /// The group of support, exactly as the claim writes it.
    pub group: String,
}

impl Default for SupportRule {
    /// Cognito's claim, and a group called `support`.
    fn default() -> Self {
        Self {
            claim: "cognito:groups".to_owned(),
            group: "support".to_owned(),
        }
    }
}

/// Who signed in, as the issuer's token says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// The issuer's id of the user.
    pub subject: String,
    /// The e-mail address in lower case, not yet parsed.
    pub email: String,
    /// Whether the issuer verified the address.
    pub email_verified: bool,
    /// When the user last proved who they are.
    pub signed_in_at: Timestamp,
    /// The identity provider of a federated user; `None` after a sign-in with
    /// credentials at the issuer itself.
    pub federated: Option<String>,
    /// Whether the user is in the group of support.
    pub support: bool,
}

/// Why a sign-in did not end with a user.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SignInError {
    /// The issuer cannot be reached or answers nonsense: try again.
    #[error("the sign-in service is not available: {reason}")]
    IssuerUnavailable {
        /// For the log.
        reason: String,
    },
    /// The issuer refused the code: it is used, expired or not ours.
    #[error("the sign-in service refused the sign-in: {reason}")]
    Refused {
        /// The issuer's error code.
        reason: String,
    },
    /// The token must not be believed.
    #[error("the ID token is not valid: {0}")]
    InvalidToken(&'static str),
    /// The issuer named no e-mail address.
    #[error("the ID token names no e-mail address")]
    NoEmail,
}

/// What a sign-in needs to be finished, kept by us until the answer comes.
#[derive(Debug, Clone)]
pub struct Begun<'a> {
    /// Comes back with the answer: names what was begun.
    pub state: &'a str,
    /// Comes back in the token.
    pub nonce: &'a str,
    /// The PKCE verifier (RFC 7636).
    pub verifier: &'a str,
}

/// What to ask of the issuer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wanted {
    /// The user must prove who they are now.
    SignInNow,
    /// A sign-in at most this many seconds old will do.
    SignInWithin {
        /// Seconds.
        max_age_s: u32,
    },
    /// Somebody who has no user yet gets one, and is signed in by that.
    SignUp,
}

/// The client of one issuer. Cheap to clone.
#[derive(Clone)]
pub struct SignIn {
    inner: Arc<Inner>,
}

struct Inner {
    settings: SignInSettings,
    redirect_uri: String,
    http: Http,
    discovered: RwLock<Option<Known<Discovery>>>,
    keys: RwLock<Option<Known<JwkSet>>>,
}

/// Something fetched, and when.
struct Known<T> {
    value: Arc<T>,
    fetched_at: Timestamp,
}

/// The parts of the discovery document that we use.
#[derive(Debug, Deserialize)]
struct Discovery {
    issuer: String,
    authorization_endpoint: String,
    token_endpoint: String,
    jwks_uri: String,
    #[serde(default)]
    prompt_values_supported: Vec<String>,
}

#[derive(Deserialize)]
struct TokenAnswer {
    id_token: String,
}

#[derive(Deserialize)]
struct TokenRefusal {
    error: String,
}

impl SignIn {
    /// A client that has its answers sent to the page of ours for it, which
    /// must be registered at the issuer: the public URL and `/sign-in/callback`.
    /// It calls the issuer by this connector. Does no I/O.
    pub fn new(
        settings: SignInSettings,
        connector: SharedHttpConnector,
        public_url: &PublicUrl,
    ) -> Self {
        let redirect_uri = format!("{}{CALLBACK}", public_url.origin());
        ring_provider::install();
        Self {
            inner: Arc::new(Inner {
                settings,
                redirect_uri,
                http: Http(connector),
                discovered: RwLock::new(None),
                keys: RwLock::new(None),
            }),
        }
    }

    /// Where to send the browser.
    ///
    /// # Errors
    /// [`SignInError::IssuerUnavailable`].
    pub async fn authorization_url(
        &self,
        begun: &Begun<'_>,
        wanted: Wanted,
        email: Option<&str>,
        now: Timestamp,
    ) -> Result<String, SignInError> {
        let discovery = self.discovery(now).await?;
        let (endpoint, prompt) = match wanted {
            Wanted::SignInNow => (discovery.authorization_endpoint.clone(), Some("login")),
            Wanted::SignInWithin { .. } => (discovery.authorization_endpoint.clone(), None),
            Wanted::SignUp => discovery.sign_up(),
        };
        let challenge = digest::digest(&digest::SHA256, begun.verifier.as_bytes());
        let mut query = Serializer::new(String::new());
        query
            .append_pair("response_type", "code")
            .append_pair("client_id", &self.inner.settings.client_id)
            .append_pair("redirect_uri", &self.inner.redirect_uri)
            .append_pair("scope", "openid email profile")
            .append_pair("state", begun.state)
            .append_pair("nonce", begun.nonce)
            .append_pair("code_challenge", &URL_SAFE_NO_PAD.encode(challenge))
            .append_pair("code_challenge_method", "S256");
        if let Some(prompt) = prompt {
            query.append_pair("prompt", prompt);
        }
        match wanted {
            Wanted::SignInNow => {
                query.append_pair("max_age", "0");
            }
            Wanted::SignInWithin { max_age_s } => {
                query.append_pair("max_age", &max_age_s.to_string());
            }
            Wanted::SignUp => {}
        }
        if let Some(email) = email {
            query.append_pair("login_hint", email);
        }
        let separator = if endpoint.contains('?') { '&' } else { '?' };
        Ok(format!("{endpoint}{separator}{}", query.finish()))
    }

    /// The origin of the page on which people sign in, for `form-action`.
    ///
    /// # Errors
    /// [`SignInError::IssuerUnavailable`].
    pub async fn page_origin(&self, now: Timestamp) -> Result<String, SignInError> {
        let discovery = self.discovery(now).await?;
        origin(&discovery.authorization_endpoint)
            .map(str::to_owned)
            .ok_or_else(|| SignInError::IssuerUnavailable {
                reason: "its authorization endpoint is not a URL".to_owned(),
            })
    }

    /// Redeems the code that came back and verifies the token it stands for.
    ///
    /// # Errors
    /// [`SignInError`].
    pub async fn finish(
        &self,
        code: &str,
        begun: &Begun<'_>,
        now: Timestamp,
    ) -> Result<Identity, SignInError> {
        let discovery = self.discovery(now).await?;
        let settings = &self.inner.settings;
        let form = Serializer::new(String::new())
            .append_pair("grant_type", "authorization_code")
            .append_pair("code", code)
            .append_pair("redirect_uri", &self.inner.redirect_uri)
            .append_pair("client_id", &settings.client_id)
            .append_pair("code_verifier", begun.verifier)
            .finish();
        let credentials = format!(
            "{}:{}",
            settings.client_id,
            settings.client_secret.expose_secret()
        );
        let authorization = format!("Basic {}", STANDARD.encode(credentials));
        let (status, body) = self
            .inner
            .http
            .post_form(&discovery.token_endpoint, &authorization, form)
            .await?;
        if status.is_server_error() {
            return Err(SignInError::IssuerUnavailable {
                reason: format!("its token endpoint answered {status}"),
            });
        }
        if !status.is_success() {
            let refusal = serde_json::from_slice::<TokenRefusal>(&body);
            return Err(SignInError::Refused {
                reason: refusal.map_or_else(|_| status.to_string(), |refusal| refusal.error),
            });
        }
        let answer: TokenAnswer = serde_json::from_slice(&body)
            .map_err(|_| SignInError::InvalidToken("the answer holds no ID token"))?;
        let keys = self.keys_for(&answer.id_token, &discovery, now).await?;
        let expected = token::Expected {
            issuer: &settings.issuer,
            client_id: &settings.client_id,
            nonce: begun.nonce,
            rule: &settings.credentials,
            support: &settings.support,
            now,
        };
        token::verify(&answer.id_token, &keys, &expected)
    }

    async fn discovery(&self, now: Timestamp) -> Result<Arc<Discovery>, SignInError> {
        let inner = &self.inner;
        if let Some(fresh) = fresh(&inner.discovered, now, DISCOVERY_LIFETIME) {
            return Ok(fresh);
        }
        let issuer = &inner.settings.issuer;
        let url = format!("{issuer}/.well-known/openid-configuration");
        let discovery: Discovery = inner.http.get(&url).await?;
        if discovery.issuer != *issuer {
            return Err(SignInError::IssuerUnavailable {
                reason: "its discovery document names another issuer".to_owned(),
            });
        }
        Ok(remember(&inner.discovered, discovery, now))
    }

    /// The keys that should verify the token: fetched again if none has its
    /// key's id, unless they were fetched within the last minute.
    async fn keys_for(
        &self,
        id_token: &str,
        discovery: &Discovery,
        now: Timestamp,
    ) -> Result<Arc<JwkSet>, SignInError> {
        let inner = &self.inner;
        let key_id = token::key_id(id_token)?;
        let known = fresh(&inner.keys, now, KEYS_LIFETIME);
        let recent = fresh(&inner.keys, now, KEYS_INTERVAL).is_some();
        if let Some(keys) = known {
            let named = key_id.is_none_or(|id| keys.find(&id).is_some());
            if named || recent {
                return Ok(keys);
            }
        }
        let keys: JwkSet = inner.http.get(&discovery.jwks_uri).await?;
        Ok(remember(&inner.keys, keys, now))
    }
}

impl Discovery {
    /// Where somebody signs up, and the `prompt` for it. An issuer that says so
    /// takes `prompt=create` (OpenID Connect's "Initiating User Registration").
    /// Cognito does not, but has the page `/signup` beside its authorization
    /// endpoint, "with the same parameters as /oauth2/authorize" (its developer
    /// guide, "User-interactive managed login endpoints"). Elsewhere people sign
    /// up from the page on which they sign in.
    fn sign_up(&self) -> (String, Option<&'static str>) {
        let endpoint = &self.authorization_endpoint;
        if self
            .prompt_values_supported
            .iter()
            .any(|value| value == "create")
        {
            return (endpoint.clone(), Some("create"));
        }
        let is_cognito = self.issuer.starts_with("https://cognito-idp.");
        match endpoint.strip_suffix("/oauth2/authorize") {
            Some(domain) if is_cognito => (format!("{domain}/signup"), None),
            Some(_) | None => (endpoint.clone(), None),
        }
    }
}

/// What is known, if it was fetched less than `lifetime` ago. A clock that
/// went back makes it old, not eternal.
fn fresh<T>(
    cache: &RwLock<Option<Known<T>>>,
    now: Timestamp,
    lifetime: SignedDuration,
) -> Option<Arc<T>> {
    let cache = cache.read().unwrap_or_else(PoisonError::into_inner);
    let known = cache.as_ref()?;
    let age = now.duration_since(known.fetched_at);
    (age.abs() < lifetime).then(|| Arc::clone(&known.value))
}

fn remember<T>(cache: &RwLock<Option<Known<T>>>, value: T, now: Timestamp) -> Arc<T> {
    let value = Arc::new(value);
    *cache.write().unwrap_or_else(PoisonError::into_inner) = Some(Known {
        value: Arc::clone(&value),
        fetched_at: now,
    });
    value
}

/// Scheme, host and port of a URL.
fn origin(url: &str) -> Option<&str> {
    let host_at = url.find("://")? + 3;
    let end = url[host_at..].find(['/', '?', '#']).map(|at| host_at + at);
    Some(&url[..end.unwrap_or(url.len())])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sign_up_at(
        issuer: &str,
        endpoint: &str,
        prompts: &[&str],
    ) -> (String, Option<&'static str>) {
        Discovery {
            issuer: issuer.to_owned(),
            authorization_endpoint: endpoint.to_owned(),
            token_endpoint: String::new(),
            jwks_uri: String::new(),
            prompt_values_supported: prompts.iter().map(|text| (*text).to_owned()).collect(),
        }
        .sign_up()
    }

    #[test]
    fn people_sign_up_where_the_issuer_has_them_do_so() {
        let cognito = "https://cognito-idp.us-east-1.amazonaws.com/us-east-1_AbC";
        let domain = "https://protect.auth.us-east-1.amazoncognito.com";
        assert_eq!(
            sign_up_at(cognito, &format!("{domain}/oauth2/authorize"), &[]),
            (format!("{domain}/signup"), None)
        );
        let other = "https://issuer.example.com";
        let endpoint = format!("{other}/oauth2/authorize");
        assert_eq!(
            sign_up_at(other, &endpoint, &["login", "create"]),
            (endpoint.clone(), Some("create"))
        );
        assert_eq!(sign_up_at(other, &endpoint, &["login"]), (endpoint, None));
    }
}
