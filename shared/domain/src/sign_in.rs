//! Who somebody is, and how they showed it.

use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::ids::{InvalidId, UserEmail};
use crate::policy::SIGN_IN_FRESH_FOR;

/// A user's identifier at the issuer, the `sub` claim: 1 to 255 printable
/// ASCII characters (OpenID Connect Core, section 2).
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Subject(String);

impl Subject {
    /// Parses a `sub` claim.
    ///
    /// # Errors
    /// [`InvalidId`] when it is empty, longer than 255, or not printable ASCII.
    pub fn parse(text: impl Into<String>) -> Result<Self, InvalidId> {
        let text = text.into();
        if (1..=255).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic()) {
            Ok(Self(text))
        } else {
            Err(InvalidId {
                kind: "subject",
                rule: "1 to 255 printable ASCII characters",
            })
        }
    }

    /// The claim as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for Subject {
    type Error = InvalidId;
    fn try_from(text: String) -> Result<Self, InvalidId> {
        Self::parse(text)
    }
}

impl From<Subject> for String {
    fn from(subject: Subject) -> String {
        subject.0
    }
}

/// How a user signed in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SignInMethod {
    /// With credentials of the issuer itself: the only one that registration takes.
    Credentials,
    /// Through another identity provider (SAML or another OpenID Connect issuer).
    Federated {
        /// The provider's name.
        provider: String,
    },
}

/// A user who signed in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SignedIn {
    /// Their e-mail address.
    pub email: UserEmail,
    /// Their identifier at the issuer.
    pub subject: Subject,
    /// How.
    pub method: SignInMethod,
    /// When they showed who they are, the `auth_time` claim.
    pub at: Timestamp,
    /// Whether the issuer verified the e-mail address.
    pub email_verified: bool,
    /// Whether the issuer says that they are the seller's support.
    pub support: bool,
}

/// Why a sign-in does not do for linking or unlinking.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SignInRefusal {
    /// Signed in by a federated method (`credentials_required`; FAQ, statement 8).
    #[error("registration takes a sign-in with credentials, not through another provider")]
    CredentialsRequired {
        /// The provider's name.
        provider: String,
    },
    /// The issuer has not verified the e-mail address.
    #[error("the e-mail address is not verified")]
    EmailNotVerified,
    /// The sign-in is more than 15 minutes old.
    #[error("the sign-in is more than 15 minutes old")]
    SignInTooOld {
        /// When it was.
        at: Timestamp,
    },
}

impl SignedIn {
    /// Whether this sign-in does for what changes who pays.
    ///
    /// # Errors
    /// [`SignInRefusal`] for a federated, unverified or old sign-in, in this order.
    pub fn may_change_payer(&self, now: Timestamp) -> Result<(), SignInRefusal> {
        match &self.method {
            SignInMethod::Credentials => {}
            SignInMethod::Federated { provider } => {
                return Err(SignInRefusal::CredentialsRequired {
                    provider: provider.clone(),
                });
            }
        }
        if !self.email_verified {
            return Err(SignInRefusal::EmailNotVerified);
        }
        if now.duration_since(self.at) > SIGN_IN_FRESH_FOR {
            return Err(SignInRefusal::SignInTooOld { at: self.at });
        }
        Ok(())
    }
}

/// A sign-in under way at the issuer, consumed once when the browser comes back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PendingSignIn {
    /// The nonce that the ID token must carry.
    pub nonce: String,
    /// The PKCE verifier.
    pub pkce_verifier: String,
    /// The path on this site to go to afterwards.
    pub return_to: String,
    /// After this instant it is refused.
    pub expires_at: Timestamp,
}

/// The SHA-256 of a secret, which is all that is stored of it. Written as 64
/// hexadecimal digits.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct SecretHash(String);

impl SecretHash {
    /// The hash of a secret's text.
    pub fn of(secret: &str) -> Self {
        Self(hex(&Sha256::digest(secret.as_bytes())))
    }

    /// The 64 hexadecimal digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for SecretHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SecretHash({}…)", &self.0[..8])
    }
}

/// Lower-case hexadecimal digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    use fmt::Write as _;
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _written = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn signed_in(method: SignInMethod, email_verified: bool) -> SignedIn {
        SignedIn {
            email: UserEmail::parse("ada@example.com").unwrap(),
            subject: Subject::parse("sub-1").unwrap(),
            method,
            at: "2026-11-22T10:00:00Z".parse().unwrap(),
            email_verified,
            support: false,
        }
    }

    #[test]
    fn a_sign_in_is_fresh_for_exactly_15_minutes() {
        let user = signed_in(SignInMethod::Credentials, true);
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        assert_eq!(user.may_change_payer(at("2026-11-22T10:15:00Z")), Ok(()));
        assert_eq!(
            user.may_change_payer(at("2026-11-22T10:15:00.000000001Z")),
            Err(SignInRefusal::SignInTooOld { at: user.at })
        );
    }

    #[test]
    fn a_federated_sign_in_is_told_that_credentials_are_required_even_when_it_is_old() {
        let saml = SignInMethod::Federated {
            provider: "corporate".to_owned(),
        };
        let refusal =
            signed_in(saml, false).may_change_payer("2026-11-23T10:00:00Z".parse().unwrap());
        assert_eq!(
            refusal,
            Err(SignInRefusal::CredentialsRequired {
                provider: "corporate".to_owned()
            })
        );
    }

    #[test]
    fn an_unverified_e_mail_address_is_refused() {
        let user = signed_in(SignInMethod::Credentials, false);
        assert_eq!(
            user.may_change_payer(user.at),
            Err(SignInRefusal::EmailNotVerified)
        );
    }

    #[test]
    fn the_hash_of_a_secret_is_its_sha_256() {
        assert_eq!(
            SecretHash::of("abc").as_str(),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        );
    }
}
