//! The issuer's own pages: plain, and visibly not the product's.

use jiff::Timestamp;
use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::{IssuerConfig, Method, User, one_time_code};

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
";

/// The form that asks who somebody is. It posts to its own address, whose
/// query carries the request.
pub(super) fn sign_in(users: &[User], email: Option<&str>, refused: bool) -> Markup {
    page(
        "Sign in",
        &html! {
            h1 { "Local sign-in" }
            p { "This page stands for your identity provider (Amazon Cognito on AWS)." }
            @if refused {
                p.problem role="alert" { "That e-mail address and password do not belong together. Nothing was changed; try again." }
            }
            form.by-password method="post" {
                label for="email" { "E-mail address" }
                input #email name="email" type="email" required autocomplete="username" value=[email];
                label for="password" { "Password" }
                input #password name="password" type="password" required autocomplete="current-password";
                button type="submit" { "Sign in" }
            }
            div.others {
                @for user in users {
                    @if let Method::Saml { provider } = &user.method {
                        form method="post" {
                            input type="hidden" name="email" value=(user.email);
                            button type="submit" { "Single sign-on (SAML) by " (provider) ": " (user.name) }
                        }
                    }
                }
                p.note { "People of this local stack:" }
                dl {
                    @for user in users { (known(user)) }
                }
            }
        },
    )
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
            Method::Saml { .. } => {}
        }
    }
}

/// The form that asks for a one-time code after the password.
pub(super) fn one_time_code(issuer: &IssuerConfig, ticket: &str, refused: bool) -> Markup {
    page(
        "One-time code",
        &html! {
            h1 { "One-time code" }
            p { "Your password is right. This user also gives a code of six digits from an authenticator app." }
            @if refused {
                p.problem role="alert" { "That code is wrong, too old, or was used before. Take the next one." }
            }
            form.by-password method="post" action={ (issuer.path()) "/second-factor" } {
                input type="hidden" name="ticket" value=(ticket);
                label for="code" { "Code" }
                input #code name="code" required autocomplete="one-time-code" inputmode="numeric" maxlength="6";
                button type="submit" { "Go on" }
            }
            p.note { "You need no phone here: " a href={ (issuer.path()) "/authenticator" } target="_blank" { "the authenticator of this local stack" } " shows the code." }
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
