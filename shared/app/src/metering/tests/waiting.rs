//! What waits is not in the way of what need not.

use domain::hour::Hour;

use super::minutes;
use crate::testing::World;

/// More than the work list gives of one partition at once.
const MANY: i32 = 2_100;

#[tokio::test]
async fn however_many_slots_wait_what_is_due_behind_them_is_sent_in_the_same_run() {
    let world = World::new().await;
    let customer = world.customer(0).await;
    world.app.start_cursors().await.unwrap();
    let hour = Hour::of(world.now());
    for later in 1..=MANY {
        let store = &world.app.store;
        let slot = hour.plus(100 + later);
        let opened = store.open_slot(&customer.license, slot, hour.start());
        assert_eq!(opened.await.unwrap(), ledger::Written::Committed);
    }
    world.report(&customer.account, hour, "r", 3).await;
    world.post_after(hour).await;
    assert_eq!(world.submit().await.billed, 1);
    assert_eq!(world.accepted(&customer.license), [(hour, 3)].into());
}

#[tokio::test]
async fn what_a_stopped_product_keeps_is_looked_at_every_15_minutes_and_not_in_every_run() {
    let world = World::new().await;
    let customer = world.customer(0).await;
    world.app.start_cursors().await.unwrap();
    let product = world.app.settings.subscriptions.products.first().unwrap();
    world.app.switch_sending(product, true).await.unwrap();
    let first = Hour::of(world.now());
    for hour in [first, first.next(), first.next().next()] {
        world.report(&customer.account, hour, "r", 3).await;
        world.post_after(hour).await;
        world.submit().await;
    }
    let requests = || world.aws.dynamodb_calls().values().sum::<u64>();
    let mut looks = 0;
    let before = requests();
    world.submit().await;
    let idle = requests() - before;
    for _ in 0..15 {
        world.advance(minutes(1)).await;
        let before = requests();
        world.submit().await;
        looks += u64::from(requests() - before > idle);
    }
    assert!(looks <= 1, "looked at in {looks} of 15 runs");
    world.advance(minutes(60)).await;
    world.app.switch_sending(product, false).await.unwrap();
    assert_eq!(world.submit().await.billed, 3);
}
