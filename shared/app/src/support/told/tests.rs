use fake_aws::{Amendment, OfferKind};
use jiff::SignedDuration;
use serde_json::{Value, json};

use super::*;
use crate::testing::{World, license_of};

/// The events of a purchase, the first changed before it is delivered.
async fn purchase(change: impl Fn(&mut Value)) -> (World, String, Vec<ToldFact>) {
    let world = World::new().await;
    let bought = world.subscribe("999988887777").await;
    for mut event in world.take_events() {
        change(&mut event);
        world.record(&event).await;
    }
    let subject = Subject::parse(&bought.agreement_id).unwrap();
    let told = world.app.told_of(&subject).await.unwrap();
    (world, license_of(&bought).to_string(), told)
}

#[tokio::test]
async fn support_sees_all_that_aws_told_of_an_agreement_and_of_its_license() {
    let (world, license, told) = purchase(|_| {}).await;
    let what: Vec<&str> = told.iter().map(|told| told.what.as_str()).collect();
    assert_eq!(what.len(), 2);
    assert!(
        what.contains(&"Purchase Agreement Created - Proposer"),
        "{what:?}"
    );
    assert!(told.iter().all(|told| told.without_effect.is_none()));
    let of_license = Subject::parse(&license).unwrap();
    assert_eq!(world.app.told_of(&of_license).await.unwrap(), told);
}

#[tokio::test]
async fn support_sees_what_was_kept_and_changes_nothing_with_the_reason() {
    for (member, value, why) in [
        (
            "/account",
            json!("000000000001"),
            Disregarded::AnotherSeller,
        ),
        ("/version", json!("1"), Disregarded::UnknownVersion),
    ] {
        let (_, _, told) =
            purchase(|event| *event.pointer_mut(member).unwrap() = value.clone()).await;
        assert!(!told.is_empty());
        assert!(
            told.iter()
                .all(|told| told.without_effect == Some(WithoutEffect::Disregarded(why))),
            "{told:?}"
        );
    }
    let other = |event: &mut Value| {
        if let Some(code) = event.pointer_mut("/detail/product/code") {
            *code = json!("another");
        }
    };
    let (_, _, told) = purchase(other).await;
    let passed_over = told.iter().filter_map(|told| told.without_effect.clone());
    assert_eq!(
        passed_over.collect::<Vec<_>>(),
        [WithoutEffect::Disregarded(Disregarded::AnotherProduct)]
    );
}

#[tokio::test]
async fn support_sees_that_an_event_of_an_unknown_kind_was_not_understood() {
    let celebrated = |event: &mut Value| {
        if event["detail-type"] == "License Updated - Manufacturer" {
            event["detail-type"] = json!("License Celebrated - Manufacturer");
        }
    };
    let (_, _, told) = purchase(celebrated).await;
    let told = told.iter().find(|told| told.what.contains("Celebrated"));
    assert_eq!(
        told.unwrap().without_effect,
        Some(WithoutEffect::NotUnderstood)
    );
}

#[tokio::test]
async fn support_sees_that_an_event_is_older_than_what_is_known_and_than_which() {
    let world = World::new().await;
    let bought = world
        .aws
        .create_agreement(OfferKind::Consumption, "999988887777");
    let bought = bought.await.unwrap();
    world.deliver().await;
    let mut amendments = Vec::new();
    for days in [30, 60] {
        world.advance(SignedDuration::from_mins(1)).await;
        let amendment = Amendment {
            ends_at: Some(world.now() + SignedDuration::from_hours(24 * days)),
            ..Amendment::default()
        };
        let amended = world.aws.amend_agreement(&bought.agreement_id, amendment);
        amended.await.unwrap();
        amendments.extend(world.take_events());
    }
    let subject = Subject::parse(&bought.agreement_id).unwrap();
    for event in amendments.iter().rev() {
        world.record(event).await;
    }
    let told = world.app.told_of(&subject).await.unwrap();
    let mut amended = told.iter().filter(|told| told.what.contains("Amended"));
    let (older, newer) = (amended.next().unwrap(), amended.next().unwrap());
    assert_eq!(newer.without_effect, None);
    assert_eq!(
        older.without_effect.as_ref().map(ToString::to_string),
        Some(format!(
            "it is older than what is known: {} of {}",
            newer.what, newer.at
        ))
    );
}

#[tokio::test]
async fn what_happened_in_one_second_is_told_in_an_order_that_makes_sense() {
    let world = World::new().await;
    let bought = world.subscribe("999988887777").await;
    let cancelled = world.aws.cancel_agreement(&bought.agreement_id).await;
    cancelled.unwrap();
    for event in world.take_events().iter().rev() {
        world.record(event).await;
    }
    let subject = Subject::parse(&license_of(&bought).to_string()).unwrap();
    let told = world.app.told_of(&subject).await.unwrap();
    let what: Vec<&str> = told
        .iter()
        .filter_map(|told| told.what.split(" - ").next())
        .collect();
    assert_eq!(
        what,
        [
            "Purchase Agreement Created",
            "License Updated",
            "Purchase Agreement Ended",
            "License Deprovisioned"
        ]
    );
    assert_eq!(told[2].details, ["cancelled by the buyer"]);
}

#[tokio::test]
async fn what_names_neither_is_found_by_its_day() {
    let world = World::new().await;
    world.subscribe("999988887777").await;
    for mut event in world.take_events() {
        event["detail"]["agreement"]["id"] = json!("");
        event["detail"]["license"] = json!({});
        world.record(&event).await;
    }
    let day = world.now().strftime("%Y-%m-%d").to_string();
    let told = world
        .app
        .told_of(&Subject::parse(&day).unwrap())
        .await
        .unwrap();
    assert!(!told.is_empty());
    assert!(told.iter().all(
        |told| told.without_effect == Some(WithoutEffect::Disregarded(Disregarded::WithoutIds))
    ));
    let next = world.now() + SignedDuration::from_hours(24);
    let next = Subject::parse(&next.strftime("%Y-%m-%d").to_string()).unwrap();
    assert_eq!(world.app.told_of(&next).await.unwrap(), []);
}
