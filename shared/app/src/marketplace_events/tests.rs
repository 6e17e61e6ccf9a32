use std::collections::BTreeSet;

use domain::account::{AccountState, ExpiryCause};
use domain::hour::Hour;
use domain::ids::AgreementId;
use domain::license::{License, LicenseStatus};
use fake_aws::{OfferKind, Renewal, RenewalIntent, RenewedLicense};
use jiff::SignedDuration;
use ledger::Written;
use serde_json::{Value, json};

use super::*;
use crate::testing::{Logged, World, license_of};

mod orders;

const BUYER: &str = "999988887777";

/// The fields that follow from the facts alone.
fn derived(license: License) -> (LicenseStatus, Option<AgreementId>, BTreeSet<AgreementId>) {
    (license.status, license.agreement, license.agreements)
}

/// The four events of a purchase and its cancellation, 30 s apart.
async fn purchase_and_cancellation(world: &World) -> (LicenseId, Vec<Value>) {
    let agreement = world.subscribe(BUYER).await;
    world.advance(SignedDuration::from_secs(30)).await;
    world
        .aws
        .cancel_agreement(&agreement.agreement_id)
        .await
        .unwrap();
    let events = world.take_events();
    assert_eq!(events.len(), 4, "{events:#?}");
    (license_of(&agreement), events)
}

fn permutations(events: &[Value]) -> Vec<Vec<Value>> {
    if events.len() <= 1 {
        return vec![events.to_vec()];
    }
    let mut all = Vec::new();
    for index in 0..events.len() {
        let mut rest = events.to_vec();
        let first = rest.remove(index);
        for mut tail in permutations(&rest) {
            tail.insert(0, first.clone());
            all.push(tail);
        }
    }
    all
}

#[tokio::test]
async fn every_order_of_the_events_twice_over_ends_in_the_same_license() {
    let world = World::new().await;
    let (license, events) = purchase_and_cancellation(&world).await;
    let mut seen = Vec::new();
    for permutation in permutations(&events) {
        let world = World::new().await;
        world.advance(SignedDuration::from_secs(30)).await;
        for event in permutation.iter().chain(&permutation) {
            world.record(event).await;
        }
        let stored = world.app.store.license(&license).await.unwrap().unwrap();
        seen.push(derived(stored));
    }
    assert_eq!(seen.len(), 24);
    assert!(
        matches!(seen[0].0, LicenseStatus::Ended { .. }),
        "{:?}",
        seen[0]
    );
    assert!(seen.iter().all(|one| *one == seen[0]), "{seen:#?}");
}

#[tokio::test]
async fn events_delivered_at_once_end_in_the_same_license_as_one_by_one() {
    let mut seen = Vec::new();
    for seed in 0..8 {
        let world = World::seeded(seed).await;
        let (license, events) = purchase_and_cancellation(&world).await;
        futures_util::future::join_all(events.iter().map(|event| world.record(event))).await;
        let stored = world.app.store.license(&license).await.unwrap().unwrap();
        seen.push(derived(stored).0);
    }
    assert!(seen.iter().all(|one| *one == seen[0]), "{seen:#?}");
}

#[tokio::test]
async fn a_crash_between_keeping_an_event_and_deriving_the_license_is_mended_by_redelivery() {
    let world = World::new().await;
    let agreement = world.subscribe(BUYER).await;
    let events = world.take_events();
    for event in &events {
        let event = parse_event(event.to_string().as_bytes()).unwrap();
        let fact = event.into_fact(&world.app.settings.subscriptions, world.now());
        world.app.store.put_fact(&fact).await.unwrap();
    }
    let license = license_of(&agreement);
    assert_eq!(world.app.store.license(&license).await.unwrap(), None);
    for event in &events {
        world.record(event).await;
    }
    let stored = world.app.store.license(&license).await.unwrap().unwrap();
    assert!(stored.is_active(world.now()));
}

#[tokio::test]
async fn the_end_of_the_agreement_expires_the_account_at_once_whichever_event_comes() {
    for taken in [0, 1] {
        let world = World::new().await;
        let account = world.account("north", &["ada"]).await;
        let agreement = world.subscribe(BUYER).await;
        world.deliver().await;
        let session = world.begin(&agreement.registration_token).await;
        world.link(&session, "ada", &account).await;
        world.advance(SignedDuration::from_hours(1)).await;
        let ended_at = world.now();
        world
            .aws
            .cancel_agreement(&agreement.agreement_id)
            .await
            .unwrap();
        let events = world.take_events();
        world.advance(SignedDuration::from_mins(5)).await;
        world.record(&events[taken]).await;
        let stored = world.app.store.account(&account).await.unwrap().unwrap();
        let license = license_of(&agreement);
        let expired = AccountState::Expired {
            since: ended_at,
            cause: ExpiryCause::AgreementEnded {
                license: license.clone(),
            },
        };
        assert_eq!(stored.state, expired);
        world.record(&events[1 - taken]).await;
        world.check(&[account], &[license]).await;
    }
}

#[tokio::test]
async fn an_event_of_another_product_or_seller_is_kept_with_the_reason_and_changes_nothing() {
    let world = World::new().await;
    let (license, _) = world.register(BUYER).await;
    let before = world.app.store.license(&license).await.unwrap();
    let agreement = before.clone().unwrap().agreement.unwrap();
    world
        .aws
        .cancel_agreement(agreement.as_str())
        .await
        .unwrap();
    let ours = world.take_events().pop().unwrap();
    let altered = |id: &str, pointer: &str, value: Value| {
        let mut event = ours.clone();
        event["id"] = json!(id);
        *event.pointer_mut(pointer).unwrap() = value;
        event
    };
    let cases = [
        (
            altered("e-1", "/detail/product/code", json!("another")),
            Disregarded::AnotherProduct,
        ),
        (
            altered("e-2", "/account", json!("000000000001")),
            Disregarded::AnotherSeller,
        ),
        (
            altered("e-3", "/version", json!("7")),
            Disregarded::UnknownVersion,
        ),
        (
            altered("e-4", "/detail/license/arn", Value::Null),
            Disregarded::WithoutIds,
        ),
    ];
    for (event, reason) in cases {
        assert_eq!(
            world.record(&event).await,
            EventOutcome::Disregarded(reason)
        );
        assert_eq!(
            world.record(&event).await,
            EventOutcome::Disregarded(reason)
        );
    }
    let mut nameless = altered("e-5", "/detail/license/arn", Value::Null);
    nameless["detail"]["agreement"] = json!({});
    let outcome = world.record(&nameless).await;
    assert_eq!(outcome, EventOutcome::Disregarded(Disregarded::WithoutIds));
    assert_eq!(world.app.store.license(&license).await.unwrap(), before);
    let kept = world
        .app
        .store
        .facts_of_agreement(&agreement)
        .await
        .unwrap();
    assert_eq!(
        kept.iter()
            .filter(|fact| fact.disregarded.is_some())
            .count(),
        4
    );
    let unjoined = world.app.store.unjoined_facts(world.now()).await.unwrap();
    assert_eq!(unjoined.len(), 1);
}

#[tokio::test]
async fn an_unknown_detail_type_is_kept_and_people_are_told() {
    let world = World::new().await;
    let (license, _) = world.register(BUYER).await;
    let before = world.app.store.license(&license).await.unwrap().unwrap();
    let agreement = before.agreement.clone().unwrap();
    let event = json!({
        "version": "0", "id": "e-9", "detail-type": "Purchase Agreement Paused - Proposer",
        "source": "aws.agreement-marketplace", "account": world.app.settings.subscriptions.seller.as_str(),
        "time": "2026-11-22T10:00:00Z", "region": "us-east-1", "resources": [],
        "detail": {"agreement": {"id": agreement.as_str()}},
    });
    // A new family may name what it is about in another way, or nothing.
    let mut without_ids = event.clone();
    (without_ids["id"], without_ids["detail"]) = (json!("e-8"), json!({"deal": "d-1"}));
    let logged = Logged::from_now_on();
    assert_eq!(world.record(&without_ids).await, EventOutcome::Unrecognized);
    assert_eq!(logged.alarm("EventUnrecognized")["event.id"], "e-8");

    let logged = Logged::from_now_on();
    assert_eq!(world.record(&event).await, EventOutcome::Unrecognized);
    let alarm = logged.alarm("EventUnrecognized");
    assert_eq!(alarm["event.id"], "e-9");
    let facts = world
        .app
        .store
        .facts_of_agreement(&agreement)
        .await
        .unwrap();
    assert!(facts.iter().any(|fact| fact.key() == "e-9"));
    let after = world.app.store.license(&license).await.unwrap().unwrap();
    assert_eq!(after, before);
}

#[test]
fn what_is_said_of_a_malformed_event_is_one_line_whatever_its_fields_are_called() {
    let strange = [
        &br#"{"versio\n":"#[..],
        br#"{"version\u0085": 1}"#,
        br#"{"detail": {"x\ny": [1"#,
    ];
    for event in strange {
        let said = parse_event(event).unwrap_err().to_string();
        assert!(!said.chars().any(char::is_control), "{said:?}");
    }
}

fn captured() -> Value {
    json!({
        "version": "0", "id": "6b1e0f6e-0000-4000-8000-000000000001",
        "detail-type": "Purchase Agreement Created - Proposer",
        "source": "aws.agreement-marketplace", "account": "111122223333",
        "time": "2026-08-20T14:23:22Z", "region": "us-east-1",
        "resources": ["arn:aws:aws-marketplace::aws:agreement:agmt-1"],
        "detail": {
            "requestId": "r", "catalog": "AWSMarketplace",
            "agreement": {"id": "agmt-1", "intent": "NEW", "status": "ACTIVE",
                "acceptanceTime": "2026-08-20T14:23:20Z", "startTime": "2026-08-20T14:23:21Z",
                "endTime": "9999-01-01T00:00:00Z"},
            "resaleAuthorization": {"id": null}, "acceptor": {"accountId": BUYER},
            "proposer": {"accountId": "111122223333"}, "offer": {"id": "offer-1"},
        },
    })
}

#[test]
fn the_captured_shape_is_understood() {
    let event = parse_event(captured().to_string().as_bytes()).unwrap();
    assert_eq!(event.agreement.unwrap().as_str(), "agmt-1");
    assert_eq!(event.offer.unwrap().as_str(), "offer-1");
    let EventKind::AgreementCreated(terms) = event.kind else {
        panic!("{:?}", event.kind);
    };
    assert_eq!(terms.ends_at, None, "the year 9999 is no end");
    assert!(terms.starts_at.is_some());
}

#[test]
fn both_suffixes_are_the_same_event() {
    let mut event = captured();
    event["detail-type"] = json!("Purchase Agreement Ended - Manufacturer");
    event["detail"]["agreement"]["status"] = json!("TERMINATED");
    let manufacturer = parse_event(event.to_string().as_bytes()).unwrap();
    event["detail-type"] = json!("Purchase Agreement Ended - Proposer");
    let proposer = parse_event(event.to_string().as_bytes()).unwrap();
    assert_eq!(manufacturer.kind, proposer.kind);
}

#[test]
fn an_unknown_version_or_detail_type_is_read_whatever_its_shape() {
    let strange = json!({"agreement": ["agmt-1"], "license": 7});
    let mut unknown_type = captured();
    unknown_type["detail-type"] = json!("Purchase Agreement Paused - Proposer");
    let mut unknown_version = captured();
    unknown_version["version"] = json!("1");
    for mut event in [unknown_type, unknown_version] {
        let read = parse_event(event.to_string().as_bytes()).unwrap();
        assert_eq!(read.kind, EventKind::Unrecognized);
        assert_eq!(read.agreement.unwrap().as_str(), "agmt-1");
        event["detail"] = strange.clone();
        let read = parse_event(event.to_string().as_bytes()).unwrap();
        assert_eq!((read.agreement, read.license), (None, None));
    }
    let mut known = captured();
    known["detail"] = strange;
    let error = parse_event(known.to_string().as_bytes()).unwrap_err();
    assert_eq!(error.field, "detail.agreement");
}

#[test]
fn a_malformed_event_names_the_field_and_never_repeats_it() {
    let altered = |pointer: &str, value: Value| {
        let mut event = captured();
        *event.pointer_mut(pointer).unwrap() = value;
        parse_event(event.to_string().as_bytes()).unwrap_err()
    };
    let secret = "se/cret#value";
    for (pointer, field) in [
        ("/id", "id"),
        ("/time", "time"),
        ("/account", "account"),
        ("/source", "source"),
        ("/detail/agreement/id", "detail.agreement.id"),
        ("/detail/agreement/endTime", "detail.agreement.endTime"),
        ("/detail/acceptor/accountId", "detail.acceptor.accountId"),
        ("/detail/offer/id", "detail.offer.id"),
    ] {
        let error = altered(pointer, json!(secret));
        assert_eq!(error.field, field);
        assert!(!error.to_string().contains("cret"), "{error}");
        let error = altered(pointer, json!({"a": secret}));
        assert_eq!(error.field, field);
        assert!(!error.to_string().contains("cret"), "{error}");
    }
    for text in ["", "[]", "{", "{}", "null", "{} {}"] {
        assert!(parse_event(text.as_bytes()).is_err(), "{text}");
    }
    let two = format!("{}{}", captured(), captured());
    assert_eq!(parse_event(two.as_bytes()).unwrap_err().field, "the event");
}

#[tokio::test]
async fn a_chain_that_is_too_long_to_follow_is_an_alarm_that_names_where_it_stops() {
    let world = World::new().await;
    world.subscribe(BUYER).await;
    let events = world.take_events();
    let created = &events[0];
    let renewal = |n: usize| {
        let mut event = created.clone();
        event["id"] = json!(format!("renewal-{n}"));
        let agreement = &mut event["detail"]["agreement"];
        agreement["id"] = json!(format!("agmt-{n:03}"));
        agreement["intent"] = json!("RENEW");
        agreement["previousAgreementId"] = json!(format!("agmt-{:03}", n - 1));
        parse_event(event.to_string().as_bytes()).unwrap()
    };
    for n in 1..=LONGEST_CHAIN {
        let fact = renewal(n).into_fact(&world.app.settings.subscriptions, world.now());
        world.app.store.put_fact(&fact).await.unwrap();
    }
    let logged = Logged::from_now_on();
    let last = renewal(LONGEST_CHAIN + 1);
    world.app.record_marketplace_event(last).await.unwrap();
    let told = logged.alarm("ChainTooLong");
    let stopped_at = told["agreement.id"].as_str().unwrap();
    assert!(stopped_at.starts_with("agmt-0"), "{told}");
}

/// A license that was renewed by another one three hours ago, which we learn now:
/// the process is killed right after the hand-over is committed.
async fn crashed_after_a_late_hand_over(world: &World) -> (LicenseId, LicenseId) {
    let bought = world
        .aws
        .create_agreement(OfferKind::PrivateYearly, BUYER)
        .await;
    let bought = bought.unwrap();
    world.deliver().await;
    let session = world.begin(&bought.registration_token).await;
    let account = world.account("north", &["ada"]).await;
    world.link(&session, "ada", &account).await;
    world.advance(SignedDuration::from_mins(90)).await;
    let renewal = Renewal {
        license: RenewedLicense::New,
        intent: RenewalIntent::Renew,
        offer: None,
        starts_at: None,
    };
    let renewed = world.aws.renew_agreement(&bought.agreement_id, renewal);
    let renewed = renewed.await.unwrap();
    let events = world.take_events();
    world.advance(SignedDuration::from_hours(3)).await;

    let (app, now) = (&world.app, world.now());
    let (old, heir) = (license_of(&bought), license_of(&renewed));
    for event in &events {
        let event = parse_event(event.to_string().as_bytes()).unwrap();
        let fact = event.into_fact(&app.settings.subscriptions, now);
        app.store.put_fact(&fact).await.unwrap();
        let learned = app.bring_up_to_date(&heir, Some(&fact), &Actor::Clock, now);
        learned.await.unwrap();
    }
    let known = app.store.license(&old).await.unwrap();
    let facts = app.facts_about(&old, known.as_ref(), None).await.unwrap();
    let account = app.store.account(&account).await.unwrap();
    let stored = app.store.license(&heir).await.unwrap();
    let situation = Situation {
        known: known.as_ref(),
        account: account.as_ref(),
        heir: stored.as_ref(),
    };
    let derived = derive(&old, &facts).unwrap();
    let decided = decide_license(&old, situation, derived, &Actor::Clock, now);
    let Ok(Decision::Commit(change)) = decided else {
        panic!("{decided:?}");
    };
    let committed = app.store.commit(&change).await.unwrap();
    assert_eq!(committed, CommitOutcome::Committed);
    (old, heir)
}

#[tokio::test]
async fn a_crash_right_after_a_late_hand_over_leaves_its_hours_to_be_posted_again() {
    let world = World::new().await;
    let (old, heir) = crashed_after_a_late_hand_over(&world).await;
    let store = &world.app.store;
    let to_be_posted = async || {
        let markers = store.markers().await.unwrap().items;
        let hours: BTreeSet<Hour> = markers.into_iter().map(|marker| marker.hour).collect();
        hours.into_iter().collect::<Vec<_>>()
    };
    assert_eq!(to_be_posted().await, []);
    let run = world.app.expire_due(Timestamp::MAX).await.unwrap();
    assert_eq!(run.failed, 0);
    let running = Hour::of(world.now());
    let since = [3, 2, 1].map(|back| running.plus(-back));
    assert_eq!(to_be_posted().await, since);
    let ending = store.final_usage().await.unwrap().items;
    assert!(ending.iter().any(|ending| ending.license == old));
    // Once it is done it is not done again.
    for marker in store.markers().await.unwrap().items {
        let _gone = store.delete_marker(&marker).await.unwrap();
    }
    world.advance(SignedDuration::from_mins(1)).await;
    world.app.expire_due(Timestamp::MAX).await.unwrap();
    assert_eq!(to_be_posted().await, []);
    let linked = store.license(&heir).await.unwrap().unwrap();
    assert!(linked.linked.is_some() && linked.linked_late.is_none());
}

#[tokio::test]
async fn final_usage_that_is_looked_after_anew_is_not_over_for_a_run_that_began_before() {
    let world = World::new().await;
    let (license, events) = purchase_and_cancellation(&world).await;
    for event in &events[..3] {
        world.record(event).await;
    }
    let store = &world.app.store;
    let seen = store.final_usage().await.unwrap().items;
    let [seen] = &seen[..] else {
        panic!("{seen:?}");
    };
    assert_eq!(seen.license, license);
    world.record(&events[3]).await;
    let ended = store.end_final_usage(seen).await.unwrap();
    assert_eq!(ended, Written::Lost);
    let still = store.final_usage().await.unwrap().items;
    let [still] = &still[..] else {
        panic!("{still:?}");
    };
    let ended = store.end_final_usage(still).await.unwrap();
    assert_eq!(ended, Written::Committed);
    assert!(store.final_usage().await.unwrap().items.is_empty());
}
