//! Signing up: name, e-mail address and password, then the code of a mail,
//! which shows that the address is theirs. Only then there is a user.
//!
//! The form answers alike whether or not the address belongs to a user: only
//! whoever reads its mails learns that.

use axum::extract::{Form, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;

use super::authorize::{self, AuthorizationRequest};
use super::mailbox::Mail;
use super::users::{Added, PasswordHash, UsersError};
use super::{Issuer, NoRandomness, keys, pages};

/// How long the code of a verification mail counts.
pub(super) const CODE_LIFETIME: SignedDuration = SignedDuration::from_mins(30);
/// Wrong codes after which one has to sign up anew.
const MAX_WRONG_CODES: u32 = 5;
/// The shortest password, in characters.
pub(super) const MIN_PASSWORD_CHARS: usize = 10;

/// What the form sends besides the request, which stays in the query.
#[derive(Deserialize)]
pub(super) struct SignUpForm {
    pub(super) name: String,
    pub(super) email: String,
    pub(super) password: String,
}

/// What is wrong with what somebody typed, each beside its field.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Mistakes {
    pub(super) name: Option<&'static str>,
    pub(super) email: Option<&'static str>,
    pub(super) password: Option<&'static str>,
}

/// What the form for the code sends.
#[derive(Deserialize)]
pub(super) struct VerificationForm {
    ticket: String,
    code: String,
}

/// Somebody who is to show that the e-mail address is theirs.
pub(super) struct SignUp {
    request: AuthorizationRequest,
    name: String,
    email: String,
    password: PasswordHash,
    /// What the mail says; `None` when the address belongs to a user, to whom
    /// the mail says that instead.
    code: Option<String>,
    wrong: u32,
}

/// Shows the form.
pub(super) async fn ask(
    State(issuer): State<Issuer>,
    Query(request): Query<AuthorizationRequest>,
) -> Response {
    match authorize::check(&issuer, &request) {
        Ok(()) => form(&issuer, &request),
        Err(problem) => authorize::refused(problem),
    }
}

/// The empty form, with the address that the client suggests.
pub(super) fn form(issuer: &Issuer, request: &AuthorizationRequest) -> Response {
    let empty = SignUpForm {
        name: String::new(),
        email: request.login_hint.clone().unwrap_or_default(),
        password: String::new(),
    };
    let path = issuer.inner.config.path();
    pages::sign_up(path, &request.query(), &empty, &Mistakes::default()).into_response()
}

/// Answers the form: sends the mail.
pub(super) async fn sign_up(
    State(issuer): State<Issuer>,
    Query(request): Query<AuthorizationRequest>,
    Form(form): Form<SignUpForm>,
) -> Response {
    if let Err(problem) = authorize::check(&issuer, &request) {
        return authorize::refused(problem);
    }
    let path = issuer.inner.config.path();
    let mistakes = form.mistakes();
    if mistakes != Mistakes::default() {
        let page = pages::sign_up(path, &request.query(), &form, &mistakes);
        return (StatusCode::UNPROCESSABLE_ENTITY, page).into_response();
    }
    let email = form.email();
    match issuer.begin_sign_up(form, request) {
        Ok(ticket) => pages::verification(path, &ticket, &email, false).into_response(),
        Err(NoRandomness) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

/// Answers the form for the code: signs the new user in.
pub(super) async fn verify(
    State(issuer): State<Issuer>,
    Form(form): Form<VerificationForm>,
) -> Response {
    let (sign_ups, now) = (&issuer.inner.sign_ups, issuer.now());
    let checked = sign_ups.with(&form.ticket, now, |sign_up| {
        let right = sign_up.code.as_deref() == Some(form.code.trim());
        sign_up.wrong += u32::from(!right);
        (right, sign_up.wrong, sign_up.email.clone())
    });
    match checked {
        Some((true, ..)) => match sign_ups.take(&form.ticket, now) {
            Some(verified) => finish(&issuer, verified),
            None => begin_again(),
        },
        Some((false, wrong, email)) if wrong < MAX_WRONG_CODES => {
            let page = pages::verification(issuer.inner.config.path(), &form.ticket, &email, true);
            (StatusCode::UNAUTHORIZED, page).into_response()
        }
        Some((false, ..)) => {
            sign_ups.take(&form.ticket, now);
            begin_again()
        }
        None => begin_again(),
    }
}

fn finish(issuer: &Issuer, verified: SignUp) -> Response {
    let users = &issuer.inner.users;
    match users.add(&verified.email, &verified.name, &verified.password) {
        // Taken: somebody with the same mailbox was faster in another window.
        Ok(Added::Taken) => begin_again(),
        Ok(Added::Yes) => match users.find(&verified.email) {
            Some(user) => authorize::answer(issuer, user, verified.request),
            None => begin_again(),
        },
        Err(error) => not_kept(&error),
    }
}

fn begin_again() -> Response {
    authorize::refused(
        "The code was sent too long ago, was used before, or too many codes were wrong. Sign up once more for another one.",
    )
}

fn not_kept(error: &UsersError) -> Response {
    tracing::error!(error = %app::Chain(error), "a user could not be kept");
    StatusCode::INTERNAL_SERVER_ERROR.into_response()
}

impl Issuer {
    /// Sends the mail and keeps what was typed until its code comes.
    fn begin_sign_up(
        &self,
        form: SignUpForm,
        request: AuthorizationRequest,
    ) -> Result<String, NoRandomness> {
        let (now, email) = (self.now(), form.email());
        let code = match self.inner.users.find(&email) {
            None => Some(keys::random_digits()?),
            Some(_) => None,
        };
        let sign_up = SignUp {
            request,
            name: form.name.trim().to_owned(),
            email: email.clone(),
            password: PasswordHash::of(&form.password)?,
            code: code.clone(),
            wrong: 0,
        };
        let ticket = self.inner.sign_ups.put(sign_up, now)?;
        self.inner.mailbox.put(mail(email, code, now));
        Ok(ticket)
    }
}

fn mail(to: String, code: Option<String>, at: Timestamp) -> Mail {
    match code {
        Some(code) => Mail {
            to,
            at,
            subject: "Verify your e-mail address",
            text: format!(
                "Type this code on the page on which you signed up, within {} minutes.",
                CODE_LIFETIME.as_mins()
            ),
            code: Some(code),
        },
        None => Mail {
            to,
            at,
            subject: "You have a user already",
            text: "Somebody tried to sign up with this address. If it was you, sign in with the password that you have. Nothing was changed.".to_owned(),
            code: None,
        },
    }
}

impl SignUpForm {
    fn email(&self) -> String {
        self.email.trim().to_ascii_lowercase()
    }

    fn mistakes(&self) -> Mistakes {
        let name = self.name.trim();
        let named = (1..=100).contains(&name.chars().count()) && !name.contains(char::is_control);
        let chars = self.password.chars().count();
        Mistakes {
            name: (!named).then_some("Your name, 1 to 100 characters on one line."),
            email: (!is_address(&self.email()))
                .then_some("An e-mail address, such as ada@example.com."),
            password: if !(MIN_PASSWORD_CHARS..=128).contains(&chars) {
                Some("A password of 10 to 128 characters.")
            } else if self.password.to_ascii_lowercase().contains(&self.email()) {
                Some("A password that does not contain your e-mail address.")
            } else {
                None
            },
        }
    }
}

/// Whether a text may be an e-mail address: letters, digits and a few signs
/// around one @. Addresses with quotes and comments are not served.
fn is_address(text: &str) -> bool {
    let Some((name, host)) = text.split_once('@') else {
        return false;
    };
    let plain = |text: &str, signs: &str| {
        !text.is_empty()
            && text
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || signs.contains(c))
    };
    text.len() <= 254
        && plain(name, ".!#$%&*+-/=?^_{|}~'")
        && plain(host, ".-")
        && host.contains('.')
        && !host.starts_with('.')
        && !host.ends_with('.')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mistakes(name: &str, email: &str, password: &str) -> Mistakes {
        SignUpForm {
            name: name.to_owned(),
            email: email.to_owned(),
            password: password.to_owned(),
        }
        .mistakes()
    }

    #[test]
    fn every_mistake_is_told_at_once_and_beside_its_field() {
        let all = mistakes(" ", "ada", "short");
        assert!(all.name.is_some() && all.email.is_some() && all.password.is_some());
        let good = mistakes("Ada", " Ada@Example.com ", "correct horse");
        assert_eq!(good, Mistakes::default());
        let same = mistakes("Ada", "ada@example.com", "x-ADA@example.com");
        assert_eq!(
            same.password,
            Some("A password that does not contain your e-mail address.")
        );
    }

    #[test]
    fn an_address_has_one_name_and_one_host() {
        for address in ["ada+aws@example.com", "a.b@c-d.example", "o'hara@x.org"] {
            assert!(is_address(address), "{address}");
        }
        for text in [
            "",
            "@",
            "ada",
            "ada@",
            "@example.com",
            "ada@example",
            "ada@.com",
            "ada@example.com.",
            "a@b@example.com",
            "ada@example.com\r\nBcc: x@example.com",
            "\"ada\"@example.com",
            "<ada@example.com>",
        ] {
            assert!(!is_address(text), "{text}");
        }
    }
}
