//! Metering that is broken, told apart from usage that there is not.

use jiff::SignedDuration;

use super::*;

#[tokio::test]
async fn an_account_that_is_not_reported_any_more_is_found_and_one_without_usage_is_not() {
    let world = World::new().await;
    let (broken, unused) = (world.customer(0).await, world.customer(1).await);
    let trying = world.account("trying", &["ann"]).await;
    world.app.start_cursors().await.unwrap();
    let hour = Hour::of(world.now());
    for account in [&broken.account, &unused.account, &trying] {
        world.report(account, hour, "r", 3).await;
    }
    world.advance_to(hour.plus(2).start()).await;
    world.report(&unused.account, hour.plus(2), "none", 0).await;
    let half_past = |hours: i32| hour.plus(hours).start() + SignedDuration::from_mins(30);
    for (hours, silent) in [(3, vec![]), (4, vec![broken.account.clone()]), (5, vec![])] {
        world.advance_to(half_past(hours)).await;
        assert_eq!(
            world.app.silent_accounts().await.unwrap(),
            silent,
            "{hours}"
        );
    }
}

#[tokio::test]
async fn a_report_without_computers_is_posted_and_bills_nothing() {
    let world = World::new().await;
    let customer = world.customer(0).await;
    world.app.start_cursors().await.unwrap();
    let hour = Hour::of(world.now());
    world.report(&customer.account, hour, "none", 0).await;
    world.report(&customer.account, hour, "none", 0).await;
    world.post_after(hour).await;
    assert_eq!(world.submit().await.billed, 0);
    assert!(world.lines(&customer.account, hour).await.is_empty());
    // What comes in late for the hour is billed all the same.
    world.report(&customer.account, hour, "late", 2).await;
    world.app.post_due(Timestamp::MAX).await.unwrap();
    assert_eq!(world.lines(&customer.account, hour).await.len(), 1);
    world.assert_conserved().await;
}
