use domain::fact::{Fact, Told};
use domain::license::LicenseStatus;
use domain::marketplace_event::ResolvedLicense;
use jiff::SignedDuration;
use serde_json::json;

use super::*;
use crate::marketplace_events::EventOutcome;
use crate::testing::{Logged, World, license_of};

const CUSTOMER: &str = "CUST1a2b3c4d5e";

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(1_795_341_600 + seconds).unwrap()
}

fn message(world: &World, action: &str, seconds: i64) -> Notification {
    let product = world.app.settings.subscriptions.products.first().unwrap();
    let body = json!({
        "action": action, "customer-identifier": CUSTOMER, "product-code": product.as_str(),
        "offer-identifier": "offer-1", "isFreeTrialTermPresent": "true",
    });
    let queued = (format!("message-{seconds}"), at(seconds));
    let parsed = parse_notification(&body.to_string(), (&queued.0, queued.1));
    parsed.unwrap().unwrap()
}

#[test]
fn raw_and_enveloped_messages_are_read_and_others_are_none() {
    let raw = r#"{"action":"subscribe-success","customer-identifier":"CUST1","product-code":"p1"}"#;
    let read = parse_notification(raw, ("m-1", at(0))).unwrap().unwrap();
    assert_eq!((read.id.as_str(), read.at), ("m-1", at(0)));
    assert_eq!(read.action, NotifiedAction::SubscribeSuccess);
    assert_eq!(read.offer, None);
    let enveloped = json!({
        "Type": "Notification", "MessageId": "m-2", "Timestamp": "2026-11-22T09:23:22.000Z",
        "TopicArn": "arn:aws:sns:us-east-1:287250355862:t", "Message": raw,
    });
    let read = parse_notification(&enveloped.to_string(), ("m-1", at(0)));
    let read = read.unwrap().unwrap();
    assert_eq!(read.id.as_str(), "m-2");
    assert_eq!(read.at.to_string(), "2026-11-22T09:23:22Z");
    for other in [
        "{}",
        "[]",
        "not json",
        r#"{"detail-type":"License Updated - Manufacturer"}"#,
    ] {
        assert_eq!(parse_notification(other, ("m-1", at(0))), None, "{other}");
    }
}

#[test]
fn a_broken_message_is_refused_by_its_field() {
    for (body, field) in [
        (r#"{"customer-identifier":"C","product-code":"p"}"#, "."),
        (
            r#"{"action":"a","customer-identifier":"C#1","product-code":"p"}"#,
            "customer-identifier",
        ),
        (
            r#"{"action":"a","customer-identifier":"C","product-code":"p/q"}"#,
            "product-code",
        ),
    ] {
        let refused = parse_notification(body, ("m-1", at(0)))
            .unwrap()
            .unwrap_err();
        assert_eq!(refused.field, field, "{body}");
    }
}

/// What a buyer's token resolves to in an older listing: no event ever came.
async fn resolve(world: &World, license: &domain::ids::LicenseArn) {
    let product = world.app.settings.subscriptions.products.first().unwrap();
    let resolved = ResolvedLicense {
        license: license.clone(),
        buyer: domain::ids::AwsAccountId::parse("999988887777").unwrap(),
        product: product.clone(),
        agreement: None,
        customer: Some(CustomerIdentifier::parse(CUSTOMER).unwrap()),
    };
    let fact = Fact::learned(Told::Resolved(resolved), world.now());
    world.app.learn(fact, world.now()).await.unwrap();
}

async fn status(world: &World, license: &domain::ids::LicenseArn) -> Option<LicenseStatus> {
    let license = world.app.store.license(license.id()).await.unwrap();
    license.map(|license| license.status)
}

#[tokio::test]
async fn a_message_and_the_browser_join_whichever_comes_first() {
    for message_first in [true, false] {
        let world = World::new().await;
        let bought = world.subscribe("999988887777").await;
        let arn = domain::ids::LicenseArn::parse(bought.license_arn.clone()).unwrap();
        let success = message(&world, "subscribe-success", 10);
        if message_first {
            let outcome = world
                .app
                .record_notification(success.clone())
                .await
                .unwrap();
            assert!(matches!(outcome, EventOutcome::Regarded { licenses } if licenses.is_empty()));
            assert_eq!(status(&world, &arn).await, None);
            resolve(&world, &arn).await;
        } else {
            resolve(&world, &arn).await;
            assert_eq!(status(&world, &arn).await, Some(LicenseStatus::Pending));
        }
        world.app.record_notification(success).await.unwrap();
        assert_eq!(
            status(&world, &arn).await,
            Some(LicenseStatus::Active { since: at(10) })
        );
    }
}

#[tokio::test]
async fn unsubscribing_ends_it_and_subscribing_again_makes_it_active_in_any_order() {
    let world = World::new().await;
    let bought = world.subscribe("999988887777").await;
    let arn = domain::ids::LicenseArn::parse(bought.license_arn.clone()).unwrap();
    resolve(&world, &arn).await;
    for (action, seconds) in [
        ("unsubscribe-success", 160),
        ("subscribe-success", 10),
        ("unsubscribe-pending", 100),
        ("subscribe-fail", 120),
    ] {
        let told = message(&world, action, seconds);
        world.app.record_notification(told).await.unwrap();
    }
    let ended = status(&world, &arn).await.unwrap();
    let LicenseStatus::Ended { end, .. } = ended else {
        panic!("{ended:?}");
    };
    assert_eq!((end.ended_at, end.last_event_at), (at(100), at(160)));
    let final_usage = world.app.store.license(&license_of(&bought)).await.unwrap();
    assert!(final_usage.unwrap().has_ended());

    world.advance(SignedDuration::from_hours(24)).await;
    let again = message(&world, "subscribe-success", 90_000);
    world.app.record_notification(again).await.unwrap();
    let late = message(&world, "unsubscribe-success", 170);
    world.app.record_notification(late).await.unwrap();
    assert!(matches!(
        status(&world, &arn).await,
        Some(LicenseStatus::Active { .. })
    ));
}

#[tokio::test]
async fn another_products_message_and_an_unknown_action_change_nothing_and_say_so() {
    let world = World::new().await;
    let unknown = message(&world, "renamed", 10);
    let logged = Logged::from_now_on();
    let outcome = world.app.record_notification(unknown).await.unwrap();
    assert_eq!(outcome, EventOutcome::Unrecognized);
    logged.alarm("EventUnrecognized");
    let body = r#"{"action":"subscribe-success","customer-identifier":"C","product-code":"other"}"#;
    let other = parse_notification(body, ("m-1", at(0))).unwrap().unwrap();
    let outcome = world.app.record_notification(other).await.unwrap();
    assert!(
        matches!(outcome, EventOutcome::Disregarded(_)),
        "{outcome:?}"
    );
}
