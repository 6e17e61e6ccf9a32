use domain::ids::ProductCode;
use domain::policy::SubscriptionPolicy;
use fake_aws::{Fault, FaultKind};
use jiff::SignedDuration;
use std::sync::Arc;

use super::*;
use crate::testing::{World, dynamodb_of, license_of};

const BUYER: &str = "999988887777";

#[tokio::test]
async fn a_browser_that_comes_after_the_events_can_link_at_once() {
    let world = World::new().await;
    let (license, session) = world.register(BUYER).await;
    let view = world.app.registration(&session).await.unwrap();
    assert_eq!(view.license, license);
    assert_eq!(view.buyer, "••••••••7777");
    assert_eq!(view.status, RegistrationStatus::Ready { linked: false });
}

#[tokio::test]
async fn a_browser_that_comes_before_the_events_waits_for_the_license() {
    let world = World::new().await;
    let agreement = world.subscribe(BUYER).await;
    let session = world.begin(&agreement.registration_token).await;
    let status = |view: RegistrationView| view.status;
    let before = world.app.registration(&session).await.map(status);
    assert_eq!(
        before.unwrap(),
        RegistrationStatus::Pending { begins_at: None }
    );
    world.deliver().await;
    let after = world.app.registration(&session).await.map(status);
    assert_eq!(after.unwrap(), RegistrationStatus::Ready { linked: false });
}

#[tokio::test]
async fn a_token_redeemed_twice_gives_two_sessions_of_one_license() {
    let world = World::new().await;
    let agreement = world.subscribe(BUYER).await;
    world.deliver().await;
    let first = world.begin(&agreement.registration_token).await;
    let version = world.app.store.license(&license_of(&agreement)).await;
    let version = version.unwrap().unwrap().version;
    let second = world.begin(&agreement.registration_token).await;
    assert_ne!(first.expose(), second.expose());
    let license = world.app.store.license(&license_of(&agreement)).await;
    let license = license.unwrap().unwrap();
    assert_eq!(license.version, version, "nothing new was learned");
    assert!(world.app.registration(&first).await.is_ok());
    assert!(world.app.registration(&second).await.is_ok());
}

#[tokio::test]
async fn a_session_ends_after_four_hours_by_our_clock() {
    let world = World::new().await;
    let (_, session) = world.register(BUYER).await;
    world.advance(SignedDuration::from_secs(4 * 3600 - 1)).await;
    assert!(world.app.registration(&session).await.is_ok());
    world.advance(SignedDuration::from_secs(1)).await;
    let ended = world.app.registration(&session).await;
    assert!(matches!(ended, Err(SessionError::Unknown)));
}

#[tokio::test]
async fn a_token_that_expired_or_was_made_up_is_refused() {
    let world = World::new().await;
    let agreement = world.subscribe(BUYER).await;
    let begin = |token: &str| world.app.begin_registration(token.to_owned().into(), false);
    let made_up = begin("made-up-token").await;
    assert!(
        matches!(made_up, Err(BeginError::InvalidToken)),
        "{made_up:?}"
    );
    world.advance(SignedDuration::from_hours(5)).await;
    let expired = begin(&agreement.registration_token).await;
    assert!(
        matches!(expired, Err(BeginError::ExpiredToken)),
        "{expired:?}"
    );
}

#[tokio::test]
async fn a_throttled_or_failing_aws_asks_to_try_again_and_the_token_still_works() {
    let world = World::new().await;
    let agreement = world.subscribe(BUYER).await;
    for fault in [
        FaultKind::Throttle,
        FaultKind::InternalError,
        FaultKind::LostAnswer,
    ] {
        let fault = Fault::new("ResolveCustomer", fault, 1);
        world.aws.inject_fault(fault).unwrap();
        let token = agreement.registration_token.clone().into();
        let busy = world.app.begin_registration(token, false).await;
        assert!(matches!(busy, Err(BeginError::Busy(_))), "{busy:?}");
    }
    world.begin(&agreement.registration_token).await;
}

#[tokio::test]
async fn a_token_of_another_product_is_refused_and_leaves_no_license() {
    let mut world = World::new().await;
    let seller = world.app.settings.subscriptions.seller.clone();
    let other = ProductCode::parse("another").unwrap();
    world.app.settings.subscriptions = Arc::new(SubscriptionPolicy::new(seller, [other]));
    let agreement = world.subscribe(BUYER).await;
    let token = agreement.registration_token.clone().into();
    let refused = world.app.begin_registration(token, false).await;
    assert!(
        matches!(refused, Err(BeginError::AnotherProduct)),
        "{refused:?}"
    );
    let license = world.app.store.license(&license_of(&agreement)).await;
    assert_eq!(license.unwrap(), None);
}

#[tokio::test]
async fn neither_the_token_nor_the_session_secret_is_stored() {
    let world = World::new().await;
    let agreement = world.subscribe(BUYER).await;
    world.deliver().await;
    let session = world.begin(&agreement.registration_token).await;
    let scan = dynamodb_of(&world)
        .scan()
        .table_name("Subscriptions")
        .consistent_read(true)
        .send()
        .await
        .unwrap();
    let stored = format!("{:?}", scan.items());
    assert!(stored.contains("registration#"), "the session is there");
    assert!(!stored.contains(&agreement.registration_token));
    assert!(!stored.contains(session.expose()));
}
