//! The pages as browsers meet them: a real Chromium for the whole path, and
//! plain HTTP for everything that a forger might send.

mod api;
mod chromium;
mod client;
mod forgery;
mod issuer;
mod registration;
mod sign_in;
mod webdriver;

use fake_aws::{NewAgreement, OfferKind};
use jiff::Timestamp;
use local::{Config, Local};

/// A stack whose clock stands still until it is moved.
async fn stack() -> Local {
    let start: Timestamp = "2026-11-22T10:15:00Z".parse().expect("an instant");
    Local::start(Config {
        start: Some(start),
        ..Config::default()
    })
    .await
    .expect("the stack starts")
}

/// A buyer accepts the public offer.
async fn subscribe(stack: &Local, buyer: &str) -> NewAgreement {
    stack
        .fake
        .create_agreement(OfferKind::Public, buyer)
        .await
        .expect("an agreement")
}

/// Moves the clock by whole seconds.
async fn wait(stack: &Local, seconds: i64) {
    stack
        .fake
        .advance_by(jiff::SignedDuration::from_secs(seconds))
        .await
        .expect("the clock moves");
}
