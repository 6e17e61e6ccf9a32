//! Our cookies: three secrets, each HttpOnly, SameSite=Lax and for the whole
//! site, with the prefix `__Host-` wherever the pages are served by https.

use app::SessionSecret;
use axum::http::{HeaderMap, HeaderName, HeaderValue, header};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use domain::policy::PENDING_SIGN_IN_FOR;
use jiff::SignedDuration;
use ring::digest;

use crate::site::PublicUrl;

/// A cookie of ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cookie {
    /// The registration session, begun by AWS Marketplace's POST.
    Registration,
    /// The sign-in session.
    Session,
    /// Ties a sign-in under way to the browser in which it began.
    SignIn,
}

impl Cookie {
    fn name(self, url: &PublicUrl) -> String {
        let name = match self {
            Self::Registration => "registration",
            Self::Session => "session",
            Self::SignIn => "sign-in",
        };
        if url.is_secure() {
            format!("__Host-{name}")
        } else {
            name.to_owned()
        }
    }

    fn lifetime(self) -> SignedDuration {
        match self {
            Self::Registration => SignedDuration::from_hours(4),
            Self::Session => SignedDuration::from_hours(12),
            Self::SignIn => PENDING_SIGN_IN_FOR,
        }
    }

    /// The header that sets the cookie.
    pub(crate) fn set(
        self,
        url: &PublicUrl,
        secret: &SessionSecret,
    ) -> [(HeaderName, HeaderValue); 1] {
        self.header(url, secret.expose(), self.lifetime().as_secs())
    }

    /// The header that removes the cookie.
    pub(crate) fn clear(self, url: &PublicUrl) -> [(HeaderName, HeaderValue); 1] {
        self.header(url, "", 0)
    }

    fn header(
        self,
        url: &PublicUrl,
        value: &str,
        max_age_s: i64,
    ) -> [(HeaderName, HeaderValue); 1] {
        let name = self.name(url);
        let secure = if url.is_secure() { "; Secure" } else { "" };
        let text =
            format!("{name}={value}; Path=/; Max-Age={max_age_s}; HttpOnly; SameSite=Lax{secure}");
        // Our secrets are hexadecimal digits, so the text is always a header value; were
        // it not, no cookie is the safe answer.
        let mut header = HeaderValue::from_str(&text).unwrap_or(HeaderValue::from_static(""));
        header.set_sensitive(true);
        [(header::SET_COOKIE, header)]
    }

    /// The cookie's secret in a request, if it has the form of one.
    pub(crate) fn get(self, url: &PublicUrl, headers: &HeaderMap) -> Option<SessionSecret> {
        let name = self.name(url);
        headers
            .get_all(header::COOKIE)
            .iter()
            .filter_map(|value| value.to_str().ok())
            .flat_map(|cookies| cookies.split(';'))
            .filter_map(|cookie| cookie.trim().split_once('='))
            .find(|(found, _)| *found == name)
            .and_then(|(_, value)| SessionSecret::parse(value).ok())
    }
}

/// SHA-256 over texts, each with its length before it, as text.
pub(crate) fn hash(texts: &[&str]) -> String {
    let mut context = digest::Context::new(&digest::SHA256);
    for text in texts {
        context.update(&text.len().to_be_bytes());
        context.update(text.as_bytes());
    }
    URL_SAFE_NO_PAD.encode(context.finish())
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

    fn secret() -> SessionSecret {
        SessionSecret::parse(SECRET).unwrap()
    }

    fn header_of(set: &[(HeaderName, HeaderValue); 1]) -> &str {
        set[0].1.to_str().unwrap()
    }

    #[test]
    fn over_https_a_cookie_belongs_to_the_host_alone() {
        let url = PublicUrl::parse("https://protect.example.com").unwrap();
        assert_eq!(
            header_of(&Cookie::Registration.set(&url, &secret())),
            format!(
                "__Host-registration={SECRET}; Path=/; Max-Age=14400; HttpOnly; SameSite=Lax; Secure"
            )
        );
    }

    #[test]
    fn on_localhost_a_cookie_is_plain() {
        let url = PublicUrl::parse("http://localhost:8080").unwrap();
        assert_eq!(
            header_of(&Cookie::Session.set(&url, &secret())),
            format!("session={SECRET}; Path=/; Max-Age=43200; HttpOnly; SameSite=Lax")
        );
    }

    #[test]
    fn a_cookie_of_another_form_is_no_cookie() {
        let url = PublicUrl::parse("http://localhost:8080").unwrap();
        let read = |text: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::COOKIE, HeaderValue::from_str(text).unwrap());
            let found = Cookie::Session.get(&url, &headers);
            found.map(|secret| secret.expose().to_owned())
        };
        assert_eq!(
            read(&format!("a=b; session={SECRET}")).as_deref(),
            Some(SECRET)
        );
        assert_eq!(read("session=short"), None);
        assert_eq!(read(&format!("session={SECRET}%0d%0a")), None);
        assert_eq!(read(&format!("xsession={SECRET}")), None);
    }

    #[test]
    fn hashed_texts_cannot_run_into_each_other() {
        assert_ne!(hash(&["ab", "c"]), hash(&["a", "bc"]));
    }
}
