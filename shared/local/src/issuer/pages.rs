//! The issuer's own pages: plain, and visibly not the product's.

use jiff::Timestamp;
use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::mailbox::Mail;
use super::sign_up::{CODE_LIFETIME, MIN_PASSWORD_CHARS, Mistakes, SignUpForm};
use super::{Method, User, one_time_code};

const STYLE: &str = "
:root{color-scheme:light dark}
body{font:16px/1.5 system-ui,sans-serif;margin:0;display:grid;place-items:center;min-height:100vh;background:Canvas;color:CanvasText}
main{box-sizing:border-box;width:min(26rem,100%);padding:1.5rem}
h1{font-size:1.35rem;margin:0 0 .25rem}
p{margin:.5rem 0}
.note,.problem{border-inline-start:4px solid #8a8f98;padding:.25rem .75rem;font-size:.9rem}
.problem{border-color:#c62828}
form{margin:0}
.by-password{margin:1.25rem 0}
label{display:block;font-weight:600;margin-top:.75rem}
input,button{font:inherit;box-sizing:border-box;width:100%;min-height:2.75rem;padding:.5rem .75rem;border:1px solid #8a8f98;border-radius:.4rem}
button{margin-top:.75rem;cursor:pointer}
.by-password button{background:#30363f;color:#fff;border-color:#30363f}
.others{border-top:1px solid #8a8f9866;padding-top:.75rem}
dl{font-size:.9rem;display:grid;grid-template-columns:auto 1fr;gap:.15rem .75rem;margin:.5rem 0}
dd{margin:0}
h2{font-size:1rem;margin:0}
.mail{border:1px solid #8a8f9866;border-radius:.4rem;padding:.75rem;margin:.75rem 0}
.code{font:700 1.5rem/1.2 ui-monospace,monospace;letter-spacing:.15em}
";

/// The page that asks who somebody is.
pub(super) struct SignIn<'a> {
    /// The issuer's path, before every link.
    pub(super) path: &'a str,
    /// The request, for the page on which one signs up.
    pub(super) query: &'a str,
    /// Those whose passwords are no secret.
    pub(super) users: &'a [User],
    pub(super) email: Option<&'a str>,
    /// The password was wrong.
    pub(super) refused: bool,
}

impl SignIn<'_> {
    /// The page. Its form posts to its own address, whose query carries the request.
    pub(super) fn show(&self) -> Markup {
        page(
            "Sign in",
            &html! {
                h1 { "Local sign-in" }
                p { "This page stands for your identity provider (Amazon Cognito on AWS)." }
                @if self.refused {
                    p.problem role="alert" { "That e-mail address and password do not belong together. Nothing was changed; try again." }
                }
                form.by-password method="post" {
                    label for="email" { "E-mail address" }
                    input #email name="email" type="email" required autocomplete="username" value=[self.email];
                    label for="password" { "Password" }
                    input #password name="password" type="password" required autocomplete="current-password";
                    button type="submit" { "Sign in" }
                }
                p { "No user yet? " a #sign-up href={ (self.path) "/sign-up?" (self.query) } { "Create a user" } }
                (self.others())
            },
        )
    }

    /// Who signs in otherwise, and whose passwords are known.
    fn others(&self) -> Markup {
        html! {
            div.others {
                @for user in self.users {
                    @if let Method::Saml { provider } = &user.method {
                        form method="post" {
                            input type="hidden" name="email" value=(user.email);
                            button type="submit" { "Single sign-on (SAML) by " (provider) ": " (user.name) }
                        }
                    }
                }
                p.note { "People of this local stack:" }
                dl {
                    @for user in self.users { (known(user)) }
                }
            }
        }
    }
}

/// How somebody of the local stack signs in.
fn known(user: &User) -> Markup {
    html! {
        @match &user.method {
            Method::Password(password) => {
                dt { (user.email) }
                dd { "password " code { (password) } }
            }
            Method::PasswordAndCode { password, .. } => {
                dt { (user.email) }
                dd { "password " code { (password) } ", then a one-time code" }
            }
            Method::HashedPassword(_) | Method::Saml { .. } => {}
        }
    }
}

/// The form with which somebody signs up: what they typed, and what is wrong with it.
pub(super) fn sign_up(path: &str, query: &str, typed: &SignUpForm, wrong: &Mistakes) -> Markup {
    page(
        "Create a user",
        &html! {
            h1 { "Create a user" }
            p { "This page stands for your identity provider (Amazon Cognito on AWS)." }
            @if *wrong != Mistakes::default() {
                p.problem role="alert" { "Nothing was created yet: see what is marked below." }
            }
            form.by-password method="post" action={ (path) "/sign-up?" (query) } {
                label for="name" { "Name" }
                input #name name="name" required maxlength="100" autocomplete="name" value=(typed.name)
                    aria-invalid=[wrong.name.map(|_| "true")] aria-describedby=[wrong.name.map(|_| "name-wrong")];
                (mistake("name-wrong", wrong.name))
                label for="email" { "E-mail address" }
                input #email name="email" type="email" required maxlength="254" autocomplete="email" value=(typed.email)
                    aria-invalid=[wrong.email.map(|_| "true")] aria-describedby=[wrong.email.map(|_| "email-wrong")];
                (mistake("email-wrong", wrong.email))
                label for="password" { "Password" }
                input #password name="password" type="password" required minlength=(MIN_PASSWORD_CHARS) maxlength="128" autocomplete="new-password"
                    aria-invalid=[wrong.password.map(|_| "true")] aria-describedby=[wrong.password.map_or(Some("password-hint"), |_| Some("password-wrong"))];
                @if wrong.password.is_none() { p.note #password-hint { "10 characters or more." } }
                (mistake("password-wrong", wrong.password))
                button type="submit" { "Send me a code" }
            }
            p { "You have a user? " a href={ (path) "/authorize?" (query) } { "Sign in" } }
        },
    )
}

fn mistake(id: &str, what: Option<&str>) -> Markup {
    html! {
        @if let Some(what) = what { p.problem id=(id) { (what) } }
    }
}

/// The form that asks for the code of a verification mail. It says the same of
/// an address that belongs to a user.
pub(super) fn verification(path: &str, ticket: &str, email: &str, refused: bool) -> Markup {
    page(
        "Verify your e-mail address",
        &html! {
            h1 { "Verify your e-mail address" }
            p { "We sent a mail to " strong { (email) } ". Type the code of six digits that it holds, within " (CODE_LIFETIME.as_mins()) " minutes." }
            @if refused {
                p.problem role="alert" { "That is not the code of the mail. After five wrong ones you have to begin again." }
            }
            (code_form(&format!("{path}/verification"), ticket, "Create the user and go on"))
            p.note { "No mail leaves this machine: " a #mailbox href={ (path) "/mailbox" } target="_blank" { "the mailbox of this local stack" } " shows them all." }
        },
    )
}

/// Asks for a code of six digits.
fn code_form(action: &str, ticket: &str, button: &str) -> Markup {
    html! {
        form.by-password method="post" action=(action) {
            input type="hidden" name="ticket" value=(ticket);
            label for="code" { "Code" }
            input #code name="code" required autocomplete="one-time-code" inputmode="numeric" maxlength="6";
            button type="submit" { (button) }
        }
    }
}

/// Every mail.
pub(super) fn mailbox(mails: &[Mail]) -> Markup {
    page(
        "Mailbox",
        &html! {
            h1 { "Local mailbox" }
            p { "The mails that the identity provider sent to anybody, the latest first. They go nowhere else." }
            @if mails.is_empty() { p.note { "There is none yet." } }
            @for mail in mails {
                article.mail data-to=(mail.to) {
                    h2 { (mail.subject) }
                    p { "To " strong { (mail.to) } ", " (mail.at.strftime("%-d %b %Y, %H:%M:%S UTC")) }
                    p { (mail.text) }
                    @if let Some(code) = &mail.code { p.code { (code) } }
                }
            }
            p.note { a href="" { "Look again" } }
        },
    )
}

/// The form that asks for a one-time code after the password.
pub(super) fn one_time_code(path: &str, ticket: &str, refused: bool) -> Markup {
    page(
        "One-time code",
        &html! {
            h1 { "One-time code" }
            p { "Your password is right. This user also gives a code of six digits from an authenticator app." }
            @if refused {
                p.problem role="alert" { "That code is wrong, too old, or was used before. Take the next one." }
            }
            (code_form(&format!("{path}/second-factor"), ticket, "Go on"))
            p.note { "You need no phone here: " a href={ (path) "/authenticator" } target="_blank" { "the authenticator of this local stack" } " shows the code." }
        },
    )
}

/// What the phones of those who need one-time codes show.
pub(super) fn authenticator(users: &[User], now: Timestamp) -> Markup {
    page(
        "Authenticator",
        &html! {
            h1 { "Local authenticator" }
            p { "This page stands for an authenticator app. Each code counts once, by the clock of the local stack; these are shown until " (one_time_code::shown_until(now).strftime("%H:%M:%S")) " UTC." }
            dl {
                @for user in users {
                    @if let Method::PasswordAndCode { secret, .. } = &user.method {
                        dt { (user.email) }
                        dd { code { (one_time_code::code_at(secret, now)) } }
                    }
                }
            }
            p.note { a href="" { "Show the next ones" } }
        },
    )
}

/// Why the request cannot be answered.
pub(super) fn problem(problem: &str) -> Markup {
    page(
        "Sign-in is not possible",
        &html! {
            h1 { "Sign-in is not possible" }
            p.problem { (problem) }
            p { "Nothing was changed. Go back to the page that sent you here." }
        },
    )
}

fn page(title: &str, body: &Markup) -> Markup {
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                title { (title) " - local issuer" }
                style { (PreEscaped(STYLE)) }
            }
            body { main { (body) } }
        }
    }
}
