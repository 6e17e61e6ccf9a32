//! Hours without usage, reported as 0 where the seller wants it.

use domain::hour::Hour;
use jiff::SignedDuration;
use ledger::ZeroRecords;

use super::{Customer, minutes};
use crate::testing::World;

/// A license whose first hour was used and sent, and whose next one is empty.
async fn an_empty_hour(zeros: ZeroRecords) -> (World, Customer, Hour) {
    let mut world = World::new().await;
    world.app.settings.rules.zeros = zeros;
    let customer = world.customer(0).await;
    world.app.start_cursors().await.unwrap();
    let hour = Hour::of(world.now());
    world.report(&customer.account, hour, "r", 3).await;
    world.post_after(hour).await;
    assert_eq!(world.submit().await.billed, 1);
    world.post_after(hour.next()).await;
    (world, customer, hour.next())
}

#[tokio::test]
async fn an_empty_hour_is_reported_as_0_when_late_usage_had_its_chance() {
    let (world, customer, empty) = an_empty_hour(ZeroRecords::Sent).await;
    assert_eq!(world.submit().await.frozen, 0);
    let due = empty.start() + SignedDuration::from_hours(22);
    world.advance_to(due - minutes(1)).await;
    assert_eq!(world.submit().await.frozen, 0);
    world.advance_to(due).await;
    world.submit().await;
    assert_eq!(world.accepted(&customer.license)[&empty], 0);
    // The hour after it has its own.
    world.advance(SignedDuration::from_hours(1)).await;
    world.submit().await;
    assert_eq!(world.accepted(&customer.license)[&empty.next()], 0);
    world.assert_conserved().await;
}

#[tokio::test]
async fn late_usage_of_an_empty_hour_still_finds_its_own_slot() {
    let (world, customer, empty) = an_empty_hour(ZeroRecords::Sent).await;
    world.advance(SignedDuration::from_hours(10)).await;
    world.report(&customer.account, empty, "late", 2).await;
    world.app.post_due(jiff::Timestamp::MAX).await.unwrap();
    world.submit().await;
    assert_eq!(world.accepted(&customer.license)[&empty], 2);
    world.assert_conserved().await;
}

#[tokio::test]
async fn an_empty_hour_is_not_reported_unless_the_seller_wants_it() {
    let (world, customer, empty) = an_empty_hour(ZeroRecords::Off).await;
    world
        .advance_to(empty.start() + SignedDuration::from_hours(22))
        .await;
    assert_eq!(world.submit().await.frozen, 0);
    assert_eq!(world.accepted(&customer.license).len(), 1);
}
