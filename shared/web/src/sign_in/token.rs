//! The ID token: its signature, its claims and who they say signed in.

use jiff::{SignedDuration, Timestamp};
use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::jwk::JwkSet;
use jsonwebtoken::{Algorithm, DecodingKey, Header, Validation};
use serde::Deserialize;
use serde_json::Value;

use super::{CredentialRule, Identity, SignInError, SupportRule};

/// Clocks may differ by this much.
const LEEWAY: SignedDuration = SignedDuration::from_secs(60);

/// What a valid token must say.
pub(super) struct Expected<'a> {
    pub(super) issuer: &'a str,
    pub(super) client_id: &'a str,
    pub(super) nonce: &'a str,
    pub(super) rule: &'a CredentialRule,
    pub(super) support: &'a SupportRule,
    pub(super) now: Timestamp,
}

/// The claims we read. Others are ignored, as OpenID Connect asks.
#[derive(Deserialize)]
struct Claims {
    sub: String,
    exp: i64,
    iat: i64,
    nbf: Option<i64>,
    auth_time: Option<i64>,
    nonce: Option<String>,
    aud: Value,
    azp: Option<String>,
    token_use: Option<String>,
    email: Option<String>,
    #[serde(default)]
    email_verified: Value,
    #[serde(default)]
    identities: Value,
    #[serde(default)]
    amr: Vec<String>,
}

/// A token whose claims are not there, or not of their types.
const UNREADABLE: &str = "it lacks a claim or cannot be read";

/// A token whose header cannot be read.
const INVALID_FORM: SignInError = SignInError::InvalidToken("it is not a signed JWT");

/// The header, if it is readable and names an algorithm that we accept.
fn header(token: &str) -> Result<Header, SignInError> {
    let header = jsonwebtoken::decode_header(token).map_err(|_| INVALID_FORM)?;
    if [Algorithm::RS256, Algorithm::ES256].contains(&header.alg) {
        Ok(header)
    } else {
        Err(SignInError::InvalidToken(
            "it is signed by an algorithm other than RS256 and ES256",
        ))
    }
}

/// The id of the key that signed the token.
pub(super) fn key_id(token: &str) -> Result<Option<String>, SignInError> {
    Ok(header(token)?.kid)
}

/// Verifies the token by these keys and reads who signed in.
pub(super) fn verify(
    token: &str,
    keys: &JwkSet,
    expected: &Expected<'_>,
) -> Result<Identity, SignInError> {
    let header = header(token)?;
    let key = match &header.kid {
        Some(id) => keys.find(id),
        // Without a name only a set of one key leaves no doubt.
        None => keys.keys.first().filter(|_| keys.keys.len() == 1),
    };
    let key = key.ok_or(SignInError::InvalidToken("its key is not the issuer's"))?;
    let key = DecodingKey::from_jwk(key)
        .map_err(|_| SignInError::InvalidToken("its key cannot be read"))?;
    let mut validation = Validation::new(header.alg);
    validation.set_issuer(&[expected.issuer]);
    validation.set_audience(&[expected.client_id]);
    validation.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
    // The expiry is checked below, by the caller's clock.
    validation.validate_exp = false;
    let all = jsonwebtoken::decode::<Value>(token, &key, &validation)
        .map_err(|error| SignInError::InvalidToken(reason(error.kind())))?
        .claims;
    let claims = Claims::deserialize(&all).map_err(|_| SignInError::InvalidToken(UNREADABLE))?;
    check(&claims, expected)?;
    identity(claims, expected.rule, is_support(&all, expected.support))
}

fn check(claims: &Claims, expected: &Expected<'_>) -> Result<(), SignInError> {
    let invalid = |reason| Err(SignInError::InvalidToken(reason));
    let now = expected.now.as_second();
    let leeway = LEEWAY.as_secs();
    if claims.exp <= now.saturating_sub(leeway) {
        return invalid("it has expired");
    }
    if claims.iat > now.saturating_add(leeway) {
        return invalid("it was issued in the future");
    }
    if claims
        .nbf
        .is_some_and(|from| from > now.saturating_add(leeway))
    {
        return invalid("it does not count yet");
    }
    if claims.nonce.as_deref() != Some(expected.nonce) {
        return invalid("its nonce is not the one sent");
    }
    if claims.token_use.as_deref().is_some_and(|kind| kind != "id") {
        return invalid("it is not an ID token");
    }
    let several = claims.aud.as_array().is_some_and(|list| list.len() > 1);
    if several && claims.azp.is_none()
        || claims
            .azp
            .as_deref()
            .is_some_and(|azp| azp != expected.client_id)
    {
        return invalid("it was issued to another client");
    }
    if claims
        .auth_time
        .is_some_and(|at| at > now.saturating_add(leeway))
    {
        return invalid("its sign-in lies in the future");
    }
    Ok(())
}

fn identity(claims: Claims, rule: &CredentialRule, support: bool) -> Result<Identity, SignInError> {
    let signed_in_at = claims
        .auth_time
        .and_then(|at| Timestamp::from_second(at).ok())
        .ok_or(SignInError::InvalidToken(
            "it does not say when the sign-in was (auth_time)",
        ))?;
    let federated = federation(&claims, rule);
    let email = claims.email.ok_or(SignInError::NoEmail)?;
    Ok(Identity {
        subject: claims.sub,
        email: email.trim().to_lowercase(),
        // Cognito writes it as a text where a user was imported.
        email_verified: claims.email_verified == Value::Bool(true)
            || claims.email_verified == Value::String("true".to_owned()),
        signed_in_at,
        federated,
        support,
    })
}

/// Whether the claim of groups, a list of texts or one text, names support's.
fn is_support(claims: &Value, rule: &SupportRule) -> bool {
    let names = |value: &Value| value.as_str() == Some(&rule.group);
    claims
        .get(&rule.claim)
        .is_some_and(|groups| match groups.as_array() {
            Some(list) => list.iter().any(names),
            None => names(groups),
        })
}

/// The identity provider that a federated user came from; `None` for somebody
/// who gave credentials to the issuer itself.
fn federation(claims: &Claims, rule: &CredentialRule) -> Option<String> {
    match rule {
        CredentialRule::Identities => {
            // A list, or the same as JSON text, as Cognito's attribute holds it.
            let parsed;
            let identities = match &claims.identities {
                Value::Null => return None,
                Value::String(text) => {
                    parsed = serde_json::from_str(text).unwrap_or(Value::Null);
                    &parsed
                }
                list @ (Value::Array(_) | Value::Object(_) | Value::Bool(_) | Value::Number(_)) => {
                    list
                }
            };
            if identities.as_array().is_some_and(Vec::is_empty) {
                return None;
            }
            let first = identities.get(0).unwrap_or(&Value::Null);
            let name = first.get("providerName").and_then(Value::as_str);
            Some(name.unwrap_or("another identity provider").to_owned())
        }
        CredentialRule::Amr(methods) => {
            let by_credentials = claims.amr.iter().any(|method| methods.contains(method));
            (!by_credentials).then(|| "another identity provider".to_owned())
        }
    }
}

fn reason(kind: &ErrorKind) -> &'static str {
    let known = [
        (ErrorKind::InvalidSignature, "its signature is wrong"),
        (ErrorKind::InvalidIssuer, "it is from another issuer"),
        (
            ErrorKind::InvalidAudience,
            "it was issued to another client",
        ),
    ];
    known
        .into_iter()
        .find(|(known, _)| known == kind)
        .map_or(UNREADABLE, |(_, reason)| reason)
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    use ring::rand::SystemRandom;
    use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};
    use serde_json::json;

    use super::*;

    const ISSUER: &str = "https://issuer.example.com";
    const NOW: &str = "2026-11-22T10:00:00Z";

    struct Key {
        id: &'static str,
        pair: EcdsaKeyPair,
    }

    impl Key {
        fn new(id: &'static str) -> Self {
            super::super::ring_provider::install();
            let (random, algorithm) = (SystemRandom::new(), &ECDSA_P256_SHA256_FIXED_SIGNING);
            let document = EcdsaKeyPair::generate_pkcs8(algorithm, &random).unwrap();
            let pair = EcdsaKeyPair::from_pkcs8(algorithm, document.as_ref(), &random).unwrap();
            Self { id, pair }
        }

        fn set(&self) -> JwkSet {
            let (x, y) = self.pair.public_key().as_ref()[1..].split_at(32);
            let encode = |bytes| URL_SAFE_NO_PAD.encode(bytes);
            let keys = json!({ "keys": [{ "kty": "EC", "crv": "P-256", "alg": "ES256",
                "use": "sig", "kid": self.id, "x": encode(x), "y": encode(y) }] });
            serde_json::from_value(keys).unwrap()
        }

        fn sign(&self, header: &Value, claims: &Value) -> String {
            let encode = |text: String| URL_SAFE_NO_PAD.encode(text);
            let message = format!(
                "{}.{}",
                encode(header.to_string()),
                encode(claims.to_string())
            );
            let signature = self
                .pair
                .sign(&SystemRandom::new(), message.as_bytes())
                .unwrap();
            format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature))
        }

        fn token(&self, claims: &Value) -> String {
            self.sign(&json!({ "alg": "ES256", "kid": self.id }), claims)
        }
    }

    fn now() -> Timestamp {
        NOW.parse().unwrap()
    }

    fn claims() -> Value {
        let now = now().as_second();
        json!({
            "iss": ISSUER, "aud": "client", "sub": "subject-1", "nonce": "nonce-1",
            "iat": now, "exp": now + 3600, "auth_time": now - 5, "token_use": "id",
            "email": "Ada@Example.com", "email_verified": true,
        })
    }

    fn with(name: &str, value: Value) -> Value {
        let mut claims = claims();
        claims[name] = value;
        claims
    }

    fn verify_by(
        token: &str,
        keys: &JwkSet,
        rule: &CredentialRule,
    ) -> Result<Identity, SignInError> {
        let expected = Expected {
            issuer: ISSUER,
            client_id: "client",
            nonce: "nonce-1",
            rule,
            support: &SupportRule::default(),
            now: now(),
        };
        verify(token, keys, &expected)
    }

    fn check_refused(token: &str, keys: &JwkSet, reason: &'static str) {
        assert_eq!(
            verify_by(token, keys, &CredentialRule::Identities),
            Err(SignInError::InvalidToken(reason))
        );
    }

    #[test]
    fn a_valid_token_says_who_signed_in_and_when() {
        let key = Key::new("k");
        let identity = verify_by(
            &key.token(&claims()),
            &key.set(),
            &CredentialRule::Identities,
        )
        .unwrap();
        assert_eq!(identity.email, "ada@example.com");
        assert_eq!(identity.signed_in_at.to_string(), "2026-11-22T09:59:55Z");
        assert_eq!(identity.federated, None);
        assert!(identity.email_verified);
        assert!(!identity.support);
    }

    #[test]
    fn support_is_whoever_is_in_its_group_by_the_claim_of_the_setting() {
        let key = Key::new("k");
        let is_support = |claims: &Value, rule: &SupportRule| {
            let expected = Expected {
                issuer: ISSUER,
                client_id: "client",
                nonce: "nonce-1",
                rule: &CredentialRule::Identities,
                support: rule,
                now: now(),
            };
            let identity = verify(&key.token(claims), &key.set(), &expected).unwrap();
            identity.support
        };
        for (claim, groups, support) in [
            ("cognito:groups", json!(["sales", "support"]), true),
            ("cognito:groups", json!("support"), true),
            ("cognito:groups", json!([]), false),
            ("cognito:groups", json!(["Support", "support "]), false),
            ("cognito:groups", json!("sales,support"), false),
            ("cognito:groups", json!([["support"], 7, null]), false),
            ("cognito:groups", json!({ "support": true }), false),
            ("cognito:groups", Value::Null, false),
            ("groups", json!(["support"]), false),
        ] {
            let claims = with(claim, groups);
            assert_eq!(
                is_support(&claims, &SupportRule::default()),
                support,
                "{claims}"
            );
        }
        let rule = SupportRule {
            claim: "roles".to_owned(),
            group: "marketplace desk".to_owned(),
        };
        assert!(is_support(
            &with("roles", json!(["marketplace desk"])),
            &rule
        ));
        assert!(!is_support(
            &with("cognito:groups", json!(["support"])),
            &rule
        ));
    }

    #[test]
    fn a_token_that_is_not_for_this_sign_in_is_refused() {
        let key = Key::new("k");
        let at = |seconds: i64| json!(now().as_second() + seconds);
        for (claim, value, reason) in [
            (
                "iss",
                json!("https://other.example.com"),
                "it is from another issuer",
            ),
            ("aud", json!("other"), "it was issued to another client"),
            (
                "aud",
                json!(["client", "other"]),
                "it was issued to another client",
            ),
            ("azp", json!("other"), "it was issued to another client"),
            ("nonce", json!("nonce-2"), "its nonce is not the one sent"),
            ("nonce", Value::Null, "its nonce is not the one sent"),
            ("exp", at(-60), "it has expired"),
            ("iat", at(61), "it was issued in the future"),
            ("nbf", at(61), "it does not count yet"),
            ("auth_time", at(61), "its sign-in lies in the future"),
            ("token_use", json!("access"), "it is not an ID token"),
            (
                "auth_time",
                Value::Null,
                "it does not say when the sign-in was (auth_time)",
            ),
        ] {
            check_refused(&key.token(&with(claim, value)), &key.set(), reason);
        }
    }

    #[test]
    fn a_token_that_the_issuer_did_not_sign_is_refused() {
        let (key, other) = (Key::new("k"), Key::new("k"));
        check_refused(
            &other.token(&claims()),
            &key.set(),
            "its signature is wrong",
        );
        let unknown = Key::new("unknown");
        check_refused(
            &unknown.token(&claims()),
            &key.set(),
            "its key is not the issuer's",
        );
        let token = key.token(&claims());
        let (message, _) = token.rsplit_once('.').unwrap();
        check_refused(&format!("{message}."), &key.set(), "its signature is wrong");
        check_refused("a.b.c", &key.set(), "it is not a signed JWT");
    }

    #[test]
    fn a_token_of_another_algorithm_is_refused() {
        let key = Key::new("k");
        let other = "it is signed by an algorithm other than RS256 and ES256";
        for (algorithm, reason) in [
            ("none", "it is not a signed JWT"),
            ("HS256", other),
            ("ES384", other),
            ("PS256", other),
        ] {
            let token = key.sign(&json!({ "alg": algorithm, "kid": "k" }), &claims());
            check_refused(&token, &key.set(), reason);
        }
    }

    /// RFC 7515 appendix A.2: a signature by RS256 that others made.
    #[test]
    fn the_signature_of_the_standards_example_verifies_by_rs256() {
        super::super::ring_provider::install();
        let n = "ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ";
        let message = "eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ";
        let signature = "cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W2Fp5jujGbds9uJdbF9CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L07Qe7K0GarZRmB_eSN9383LcOLn6_dO--xi12jzDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQGe77Rw";
        let key = DecodingKey::from_rsa_components(n, "AQAB").unwrap();
        let verified = |message: &str| {
            jsonwebtoken::crypto::verify(signature, message.as_bytes(), &key, Algorithm::RS256)
        };
        assert_eq!(verified(message), Ok(true));
        assert_eq!(verified(&message.replacen('e', "f", 1)), Ok(false));
    }

    #[test]
    fn a_federated_user_is_known_by_cognitos_identities() {
        let key = Key::new("k");
        let list = json!([{ "providerName": "corporate", "providerType": "SAML" }]);
        for identities in [
            list.clone(),
            json!(list.to_string()),
            json!("unreadable"),
            json!(true),
        ] {
            let token = key.token(&with("identities", identities));
            let identity = verify_by(&token, &key.set(), &CredentialRule::Identities).unwrap();
            assert!(identity.federated.is_some());
        }
        let token = key.token(&with("identities", list));
        let identity = verify_by(&token, &key.set(), &CredentialRule::Identities).unwrap();
        assert_eq!(identity.federated.as_deref(), Some("corporate"));
    }

    #[test]
    fn by_amr_only_the_methods_of_the_setting_are_credentials() {
        let key = Key::new("k");
        let rule = CredentialRule::Amr(vec!["pwd".to_owned(), "mfa".to_owned()]);
        for (amr, federated) in [
            (json!(["pwd"]), false),
            (json!(["pwd", "otp", "mfa"]), false),
            (json!(["mfa"]), false),
            (json!(["fed"]), true),
            (json!(["PWD"]), true),
            (json!([]), true),
        ] {
            let token = key.token(&with("amr", amr));
            let identity = verify_by(&token, &key.set(), &rule).unwrap();
            assert_eq!(identity.federated.is_some(), federated);
        }
    }
}
