//! The secrets that name a session in a cookie.

use std::fmt;

use domain::sign_in::SecretHash;
use secrecy::{ExposeSecret, SecretString};

use crate::Clock;

/// A random secret of 256 bits, written as 64 lower-case hexadecimal digits.
/// Only its SHA-256 is stored. Never shown by `Debug`.
#[derive(Clone)]
pub struct SessionSecret(SecretString);

/// A text that is not a session's secret. Does not repeat it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a session's secret: 64 lower-case hexadecimal digits")]
pub struct InvalidSecret;

impl SessionSecret {
    /// Parses the value of a cookie.
    ///
    /// # Errors
    /// [`InvalidSecret`] when it is not 64 lower-case hexadecimal digits.
    pub fn parse(text: &str) -> Result<Self, InvalidSecret> {
        let is_digit = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
        if text.len() == 64 && text.bytes().all(is_digit) {
            Ok(Self(text.into()))
        } else {
            Err(InvalidSecret)
        }
    }

    /// A fresh one.
    pub fn draw(clock: &dyn Clock) -> Self {
        Self(format!("{:032x}{:032x}", clock.random(), clock.random()).into())
    }

    /// The value for the cookie.
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }

    /// What is stored of it.
    pub fn hash(&self) -> SecretHash {
        SecretHash::of(self.expose())
    }
}

impl fmt::Debug for SessionSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SessionSecret(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_64_digits_and_is_never_shown() {
        let text = "0123456789abcdef".repeat(4);
        let secret = SessionSecret::parse(&text).unwrap();
        assert_eq!(secret.expose(), text);
        assert!(!format!("{secret:?}").contains("0123"));
        for bad in [
            "",
            "0123",
            &"g".repeat(64),
            &"A".repeat(64),
            &"0".repeat(65),
        ] {
            assert!(SessionSecret::parse(bad).is_err(), "{bad}");
        }
    }
}
