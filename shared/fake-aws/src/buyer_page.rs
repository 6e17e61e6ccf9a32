//! The page a person plays the buyer on: choose an offer, subscribe, set up
//! the account, renew, amend, move the clock, see what is billed; and AWS,
//! where it acts by itself.
//!
//! Drawn on the server, works without script. "Set up your account" is a real
//! form that posts the registration token to the seller, as AWS's does.

pub(crate) mod actions;
mod records;
mod subscription;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};
use jiff::{SignedDuration, Timestamp};
use maud::{DOCTYPE, Markup, html};

use self::records::records;
use self::subscription::Subscriptions;
use crate::FakeAws;
use crate::control::ControlError;
use crate::lock;
use crate::notifications::ToldBy;
use crate::offers::{Catalog, Offer, amount, rate};

/// Buyers to choose from.
const EXAMPLE_BUYERS: [(&str, &str); 3] = [
    ("444455556666", "Example Corp, production"),
    ("777788889999", "Example Corp, a second account"),
    ("123412341234", "Another buyer"),
];

/// Forms go to this page, to the seller's fulfillment URL, and wherever the
/// seller's sign-in redirects from there: any http or https address.
const POLICY: &str = "default-src 'none'; style-src 'self'; form-action 'self' http: https:; \
                      base-uri 'none'; frame-ancestors 'none'";

/// `GET /`.
pub(crate) async fn page(State(fake): State<FakeAws>) -> Response {
    match Subscriptions::read(&fake) {
        Ok(subscriptions) => shown(StatusCode::OK, &document(&fake, &subscriptions)),
        Err(error) => problem(&error),
    }
}

/// `GET /_fake/style.css`.
pub(crate) async fn style() -> Response {
    let content_type = (header::CONTENT_TYPE, "text/css; charset=utf-8");
    let cache = (header::CACHE_CONTROL, "max-age=300");
    ([content_type, cache], include_str!("style.css")).into_response()
}

fn shown(status: StatusCode, page: &Markup) -> Response {
    let mut response = (status, page.clone()).into_response();
    let headers = response.headers_mut();
    headers.insert(
        header::CONTENT_SECURITY_POLICY,
        HeaderValue::from_static(POLICY),
    );
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(
        header::REFERRER_POLICY,
        HeaderValue::from_static("no-referrer"),
    );
    headers.insert(
        header::X_CONTENT_TYPE_OPTIONS,
        HeaderValue::from_static("nosniff"),
    );
    response
}

fn problem(error: &ControlError) -> Response {
    let status = match error {
        ControlError::Field { .. } => StatusCode::BAD_REQUEST,
        ControlError::NotFound { .. } => StatusCode::NOT_FOUND,
        ControlError::Ended { .. } | ControlError::NotNow { .. } => StatusCode::CONFLICT,
        ControlError::Storage(_) => StatusCode::INTERNAL_SERVER_ERROR,
    };
    let page = frame(html! {
        section.card.problem {
            h1 { "That did not work" }
            p { (error) "." }
            p { "Nothing was changed." }
            p { a.button href="/" { "Back to AWS Marketplace" } }
        }
    });
    shown(status, &page)
}

fn frame(content: Markup) -> Markup {
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { "AWS Marketplace (fake)" }
                link rel="stylesheet" href="/_fake/style.css";
            }
            body {
                header.bar {
                    a href="/" { "AWS Marketplace" }
                    span.tag { "a fake, for trying things out" }
                }
                main { (content) }
                footer { "Not AWS: nothing here costs anything. Times are UTC." }
            }
        }
    }
}

fn document(fake: &FakeAws, subscriptions: &Subscriptions) -> Markup {
    let inner = &fake.inner;
    frame(html! {
        h1 { "Buy, set up, and watch the bill" }
        p.lead {
            "You are the buyer here. Subscribe to the product with one of your AWS accounts, "
            "set up your account with the seller, let time pass, and see what AWS was told to bill."
        }
        (clock_box(fake.now()))
        (product(&inner.offers, &inner.config.product_id, fake.now()))
        (subscriptions.draw(fake))
        (records(&lock(&inner.kept).state))
    })
}

fn clock_box(now: Timestamp) -> Markup {
    html! {
        section.card.clock #clock {
            h2 { "Clock" }
            p.now { time datetime=(now) { (minute(now)) } " UTC" }
            p.hint {
                "Moving the clock runs everything that would have happened meanwhile: "
                "usage is reported, hours close, records are sent, deadlines pass."
            }
            div.row {
                form method="post" action="/buyer/clock" {
                    button name="hours" value="1" { "+1 hour" }
                    button name="hours" value="48" { "+48 hours" }
                }
                form.row method="post" action="/buyer/clock" {
                    label for="hours" { "Hours" }
                    input #hours name="hours" type="number" min="0" max="8784" step="1" value="24" required;
                    button { "Move" }
                }
            }
        }
    }
}

fn product(offers: &Catalog, product_id: &str, now: Timestamp) -> Markup {
    html! {
        section.card {
            h2 { "1. Choose an offer" }
            p.hint { "Product " code { (product_id) } ", software as a service, billed by the hour through AWS." }
            form method="post" action="/buyer/subscribe" {
                fieldset.offers {
                    legend { "Offer" }
                    @for (index, offer) in offers.iter().enumerate() {
                        (offer_choice(offer, index == 0))
                    }
                }
                fieldset {
                    legend { "Buy with AWS account" }
                    div.row {
                        label for="buyer_account" { "Account" }
                        select #buyer_account name="buyer_account" {
                            @for (account, name) in EXAMPLE_BUYERS {
                                option value=(account) { (account) " - " (name) }
                            }
                        }
                        label for="other_account" { "or another" }
                        input #other_account name="other_account" inputmode="numeric" pattern="[0-9]{12}"
                            title="12 digits" placeholder="12 digits" autocomplete="off";
                    }
                }
                fieldset.row {
                    (date_field("Starts on (empty: now)", "starts_on", now))
                    label { input type="checkbox" name="auto_renewal" value="yes"; " Renews itself (a contract)" }
                    label { "The seller is told by " (told_by()) }
                }
                button.primary { "Subscribe" }
            }
        }
    }
}

fn told_by() -> Markup {
    html! {
        select name="told_by" {
            @for told_by in ToldBy::ALL {
                option value=(told_by.name()) {
                    (match told_by {
                        ToldBy::EventBridge => "events",
                        ToldBy::Sns => "SNS (older listing)",
                        ToldBy::Both => "events and SNS",
                    })
                }
            }
        }
    }
}

fn offer_choice(offer: &Offer, chosen: bool) -> Markup {
    let id = format!("offer-{}", offer.kind.name());
    html! {
        div.offer {
            input type="radio" id=(id) name="offer" value=(offer.kind.name()) checked[chosen];
            label for=(id) {
                strong { (offer.title) }
                span { (offer.summary) }
                @if let Some(contract) = &offer.terms.contract {
                    span.price {
                        (amount(contract.instalment_micro_usd))
                        (match contract.months_apart() { _ if contract.instalments == 1 => " in advance", 1 => " a month", _ => " a year" })
                    }
                }
                span.rates {
                    @for price in &offer.terms.rates {
                        span { (price.dimension) " " (rate(price.micro_usd)) "/h" }
                    }
                }
            }
        }
    }
}

/// A date ahead that may be left empty.
fn date_field(label: &str, name: &str, now: Timestamp) -> Markup {
    let tomorrow = now.saturating_add(SignedDuration::from_hours(24));
    let earliest = tomorrow.unwrap_or(now).strftime("%Y-%m-%d").to_string();
    html! {
        label { (label) " " input type="date" name=(name) min=(earliest); }
    }
}

/// An offer, or none.
fn offer_options(fake: &FakeAws, none: &str) -> Markup {
    html! {
        select name="offer" {
            option value="" { (none) }
            @for offer in fake.inner.offers.iter() {
                option value=(offer.kind.name()) { (offer.title) }
            }
        }
    }
}

/// `2026-11-22 10:00`.
fn minute(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d %H:%M").to_string()
}
