//! The pages as browsers meet them: a real Chromium for the whole path, and
//! plain HTTP for everything that a forger might send.

mod account;
mod agreed;
mod api;
mod chromium;
mod client;
mod exports;
mod forgery;
mod hand_over;
mod issuer;
mod lifecycle;
mod looks;
mod registration;
mod rogue;
mod sign_in;
mod sign_up;
mod support;
mod tokens;
mod webdriver;
mod weight;

use fake_aws::{NewAgreement, OfferKind};
use jiff::Timestamp;
use local::{Config, Local};

use crate::logs::Stack;

/// A stack whose clock stands still until it is moved.
async fn stack() -> Stack {
    stack_at("2026-11-22T10:15:00Z").await
}

/// The same, at another instant.
async fn stack_at(start: &str) -> Stack {
    let start: Timestamp = start.parse().expect("an instant");
    Stack::start(Config {
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

/// Moves the clock to an instant.
async fn until(stack: &Local, instant: &str) {
    let instant = instant.parse().expect("an instant");
    stack
        .fake
        .advance_to(instant)
        .await
        .expect("the clock moves");
}

/// Stops, or lets go on, the sending of all usage, as an operator does.
async fn stop_sending(stack: &Local, stopped: bool) {
    for product in &stack.app.settings.subscriptions.products {
        let switched = stack.app.switch_sending(product, stopped).await;
        switched.expect("the switch is turned");
    }
}
