//! The token endpoint: an authorization code for an ID token.

use axum::Json;
use axum::extract::{Form, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use jiff::SignedDuration;
use ring::digest;
use serde::Deserialize;
use serde_json::{Value, json};

use super::authorize::Grant;
use super::kept::lock;
use super::{Issuer, IssuerConfig, Method, keys};

/// How long an ID token is valid.
const TOKEN_LIFETIME: SignedDuration = SignedDuration::from_hours(1);

/// What the token endpoint is sent (RFC 6749 section 4.1.3, RFC 7636 section 4.5).
#[derive(Deserialize)]
pub(super) struct TokenRequest {
    grant_type: String,
    code: String,
    redirect_uri: String,
    code_verifier: String,
    client_id: Option<String>,
    client_secret: Option<String>,
}

/// Redeems a code.
pub(super) async fn token(
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
    let Some(grant) = issuer.inner.grants.take(&request.code, issuer.now()) else {
        return refused(StatusCode::BAD_REQUEST, "invalid_grant");
    };
    let challenge = digest::digest(&digest::SHA256, request.code_verifier.as_bytes());
    if URL_SAFE_NO_PAD.encode(challenge) != grant.code_challenge
        || grant.redirect_uri != request.redirect_uri
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

impl Issuer {
    /// The claims about a user, in Cognito's shape.
    fn claims(&self, grant: &Grant) -> Value {
        let now = self.now();
        let user = &grant.user;
        let mut claims = json!({
            "iss": self.inner.config.url,
            "aud": self.inner.config.client_id,
            "sub": user.subject,
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
        if !user.groups.is_empty() {
            claims["cognito:groups"] = json!(user.groups);
        }
        match &user.method {
            Method::Password(_) | Method::HashedPassword(_) => claims["amr"] = json!(["pwd"]),
            Method::PasswordAndCode { .. } => claims["amr"] = json!(["pwd", "otp", "mfa"]),
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
