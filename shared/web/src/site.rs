//! What the pages need to know about where they are served and by whom.

use std::sync::Arc;

use secrecy::SecretString;

use crate::sign_in::SignIn;

/// The state of every route. Cheap to clone.
#[derive(Clone)]
pub struct State {
    /// The use cases.
    pub app: app::App,
    /// The client of the OpenID Connect issuer.
    pub sign_in: SignIn,
    /// Where and by whom the pages are served.
    pub site: Arc<Site>,
}

/// Where and by whom the pages are served.
#[derive(Debug, Clone)]
pub struct Site {
    /// The address under which customers reach the pages.
    pub public_url: PublicUrl,
    /// The seller's product, as customers know it.
    pub product_name: String,
    /// The e-mail address that customers may ask for help.
    pub support_email: String,
    /// Who may call what is under `/api/`.
    pub api_access: ApiAccess,
}

/// Who may call what is under `/api/`.
#[derive(Debug, Clone)]
pub enum ApiAccess {
    /// Whoever gives this key as a bearer token.
    Key(SecretString),
    /// Whoever gets here: the gateway before us has authenticated them (IAM).
    Gateway,
}

/// The origin under which customers reach the pages: `https://host[:port]`, or
/// `http://` on a loopback name only, so that a cookie never travels in clear.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicUrl {
    origin: String,
    secure: bool,
}

/// The text is not an origin that the pages may be served under.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the public URL must be https://host[:port], or http:// on localhost, without a path")]
pub struct InvalidPublicUrl;

impl PublicUrl {
    /// Parses an origin; one final slash is dropped.
    ///
    /// # Errors
    /// [`InvalidPublicUrl`].
    pub fn parse(text: &str) -> Result<Self, InvalidPublicUrl> {
        let origin = text.strip_suffix('/').unwrap_or(text).to_ascii_lowercase();
        let uri: http::Uri = origin.parse().map_err(|_| InvalidPublicUrl)?;
        let (Some(scheme), Some(authority)) = (uri.scheme_str(), uri.authority()) else {
            return Err(InvalidPublicUrl);
        };
        let bare =
            authority.as_str().find('@').is_none() && origin == format!("{scheme}://{authority}");
        let loopback = matches!(uri.host(), Some("localhost" | "127.0.0.1" | "[::1]"));
        match scheme {
            "https" if bare => Ok(Self {
                origin,
                secure: true,
            }),
            "http" if bare && loopback => Ok(Self {
                origin,
                secure: false,
            }),
            _ => Err(InvalidPublicUrl),
        }
    }

    /// Scheme, host and port, without a final slash.
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// Whether cookies are marked `Secure` and carry the prefix `__Host-`.
    pub fn is_secure(&self) -> bool {
        self.secure
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_http_is_for_loopback_only() {
        assert!(
            !PublicUrl::parse("http://localhost:8080/")
                .unwrap()
                .is_secure()
        );
        assert!(
            !PublicUrl::parse("http://127.0.0.1:8080")
                .unwrap()
                .is_secure()
        );
        assert!(
            PublicUrl::parse("https://protect.example.com")
                .unwrap()
                .is_secure()
        );
        for text in [
            "http://protect.example.com",
            "http://localhost.example.com",
            "https://user@example.com",
            "https://example.com/path",
            "ftp://localhost",
            "localhost:8080",
            "",
        ] {
            assert_eq!(PublicUrl::parse(text), Err(InvalidPublicUrl), "{text}");
        }
    }
}
