//! Licenses whose buyer AWS does not know as subscribed.

use domain::hour::Hour;
use serde_json::{Value, json};

use super::{Customer, buyer, minutes};
use crate::Done;
use crate::testing::World;
use crate::usage_month::MeteringStatus;

/// A license whose first hour AWS refused for its buyer's sake, just now.
async fn on_hold(world: &World) -> (Customer, Hour) {
    let customer = world.customer(0).await;
    world.app.start_cursors().await.unwrap();
    let hour = Hour::of(world.now());
    world.report(&customer.account, hour, "r", 3).await;
    world.post_after(hour).await;
    world.aws.suspend_buyer(&buyer(0)).await.unwrap();
    let run = world.submit().await;
    assert_eq!((run.frozen, run.calls, run.billed), (1, 1, 0));
    assert!(is_held(world, &customer).await);
    (customer, hour)
}

async fn is_held(world: &World, customer: &Customer) -> bool {
    let hold = world.app.store.hold(&customer.license).await.unwrap();
    hold.is_some()
}

/// The next hour's usage, posted and ready to be frozen.
async fn next_hour(world: &World, customer: &Customer, hour: Hour) {
    let next = hour.next();
    world.report(&customer.account, next, "r", 2).await;
    world.post_after(next).await;
}

#[tokio::test]
async fn one_record_of_a_held_license_is_tried_every_15_minutes_and_nothing_else_is_frozen() {
    let world = World::new().await;
    let (held, hour) = on_hold(&world).await;
    let other = world.customer(1).await;
    for minute in 1..=31 {
        world.advance(minutes(1)).await;
        let run = world.submit().await;
        let tried = usize::from(minute % 15 == 0);
        assert_eq!((run.calls, run.frozen), (tried, 0), "minute {minute}");
    }
    world.report(&other.account, hour.next(), "r", 1).await;
    next_hour(&world, &held, hour).await;
    let run = world.submit().await;
    assert_eq!((run.frozen, run.billed), (1, 1), "the other license's");
    assert_eq!(
        world.status(&held.account, hour).await,
        MeteringStatus::Held
    );
    assert_eq!(
        world.status(&held.account, hour.next()).await,
        MeteringStatus::Held
    );
    world.assert_conserved().await;
}

#[tokio::test]
async fn a_hold_ends_when_aws_accepts_a_record() {
    let world = World::new().await;
    let (customer, hour) = on_hold(&world).await;
    next_hour(&world, &customer, hour).await;
    world.aws.restore_buyer(&buyer(0)).await.unwrap();
    let run = world.submit().await;
    assert_eq!((run.calls, run.billed), (1, 1));
    assert!(!is_held(&world, &customer).await);
    world.advance(minutes(15)).await;
    assert_eq!(world.submit().await.billed, 1);
    let accepted = [(hour, 3), (hour.next(), 2)];
    assert_eq!(world.accepted(&customer.license), accepted.into());
}

#[tokio::test]
async fn a_hold_ends_when_aws_says_that_the_advisory_is_resolved() {
    let world = World::new().await;
    let (customer, _) = on_hold(&world).await;
    let template = include_str!("../../../../../events/marketplace-events/advisory-resolved.json");
    let batch: Value = serde_json::from_str(template).unwrap();
    let mut event: Value =
        serde_json::from_str(batch["Records"][0]["body"].as_str().unwrap()).unwrap();
    let seller = world.app.settings.subscriptions.seller.clone();
    event["account"] = json!(seller);
    event["detail"]["proposer"]["accountId"] = json!(seller);
    event["detail"]["acceptor"]["accountId"] = json!(buyer(0));
    event["detail"]["agreement"]["id"] = json!(customer.agreement.agreement_id);
    for _delivery in 0..2 {
        world.record(&event).await;
        assert!(!is_held(&world, &customer).await);
    }
    world.aws.restore_buyer(&buyer(0)).await.unwrap();
    world.advance(minutes(15)).await;
    assert_eq!(world.submit().await.billed, 1);
}

#[tokio::test]
async fn an_operator_ends_a_hold_and_it_begins_again_if_aws_still_refuses() {
    let world = World::new().await;
    let (customer, _) = on_hold(&world).await;
    let end = || world.app.end_hold(&customer.license);
    assert_eq!(end().await.unwrap(), Done::Changed);
    assert_eq!(end().await.unwrap(), Done::Already);
    world.advance(minutes(15)).await;
    assert_eq!(world.submit().await.calls, 1);
    assert!(is_held(&world, &customer).await);
}

#[tokio::test]
async fn a_held_license_without_a_frozen_record_has_one_slot_frozen_to_be_tried_with() {
    let world = World::new().await;
    let (customer, hour) = on_hold(&world).await;
    let record = world.slot(&customer.license, hour).await.records.remove(0);
    let name = (customer.license.clone(), hour, record.usage.dimension);
    world.app.give_up(&name).await.unwrap();
    assert_eq!(
        world.status(&customer.account, hour).await,
        MeteringStatus::Refused
    );
    next_hour(&world, &customer, hour).await;
    world.report(&customer.account, hour, "late", 1).await;
    world.app.post_due(jiff::Timestamp::MAX).await.unwrap();
    let run = world.submit().await;
    assert_eq!((run.frozen, run.calls, run.billed), (1, 1, 0));
    world.assert_conserved().await;
}

#[tokio::test]
async fn the_open_slots_of_a_held_license_are_carried_until_aws_takes_them() {
    let world = World::new().await;
    let (customer, hour) = on_hold(&world).await;
    next_hour(&world, &customer, hour).await;
    let deadline = hour.next().start() + jiff::SignedDuration::from_hours(24);
    world.advance_to(deadline - minutes(10)).await;
    let run = world.submit().await;
    assert_eq!((run.carried, run.frozen), (1, 0));
    let line = world.lines(&customer.account, hour.next()).await.remove(0);
    assert_eq!(line.status, MeteringStatus::Held);
    assert_eq!(line.billed_in, Some(hour.plus(2)));
    world.assert_conserved().await;
}
