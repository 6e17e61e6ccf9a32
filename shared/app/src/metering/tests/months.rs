//! A month as its customer sees it: what is billed in it is what AWS accepted.

use domain::hour::Hour;
use domain::ids::{AccountId, ProductCode};
use jiff::{SignedDuration, Timestamp};

use super::{Customer, minutes};
use crate::month::Month;
use crate::testing::World;
use crate::usage_month::{MeteringStatus, UsageLine, UsageMonth};

async fn month(world: &World, account: &AccountId, month: &str) -> UsageMonth {
    let month = Month::parse(month).unwrap();
    world.app.usage_month(account, month).await.unwrap()
}

fn count<'a>(lines: impl Iterator<Item = (Hour, &'a UsageLine)>) -> u64 {
    lines.map(|(_, line)| u64::from(line.count)).sum()
}

/// Computer-hours billed in the month that AWS accepted, as the customer sees it.
fn accepted(usage: &UsageMonth) -> u64 {
    count(
        usage
            .billed()
            .filter(|(_, line)| line.status == MeteringStatus::Accepted),
    )
}

/// Computer-hours of the records that AWS accepted for hours of the month.
fn accepted_by_aws(world: &World, usage: &UsageMonth) -> u64 {
    let (from, until) = (usage.month.first_hour(), usage.month.next().first_hour());
    let records = world.aws.accepted_records().into_iter();
    records
        .filter(|record| (from.start()..until.start()).contains(&record.timestamp))
        .map(|record| record.quantity)
        .sum()
}

#[tokio::test]
async fn what_misses_its_month_is_in_the_next_months_total_and_in_no_other() {
    let world = World::new().await;
    let Customer { account, .. } = world.customer(0).await;
    let first: Timestamp = "2026-11-30T21:00:00Z".parse().unwrap();
    world.advance_to(first).await;
    world.app.start_cursors().await.unwrap();
    let hour = Hour::of(first);
    world.report(&account, hour, "in-time", 2).await;
    world.post_after(hour).await;
    world.submit().await;

    // Sending stops until November can no longer be billed in November.
    for product in world.app.settings.subscriptions.products.clone() {
        let product: ProductCode = product;
        world.app.switch_sending(&product, true).await.unwrap();
    }
    world.report(&account, hour.next(), "late", 5).await;
    world.post_after(hour.next()).await;
    let december_first: Timestamp = "2026-12-01T05:50:00Z".parse().unwrap();
    world.advance_to(december_first).await;
    world.submit().await;
    for product in world.app.settings.subscriptions.products.clone() {
        world.app.switch_sending(&product, false).await.unwrap();
    }
    world
        .advance_to(december_first + SignedDuration::from_hours(2) + minutes(5))
        .await;
    world.app.post_due(Timestamp::MAX).await.unwrap();
    world.submit().await;

    let november = month(&world, &account, "2026-11").await;
    assert_eq!(count(november.used()), 7);
    assert_eq!(count(november.carried_out()), 5);
    assert_eq!(count(november.billed()), 2);
    assert_eq!(accepted(&november), accepted_by_aws(&world, &november));
    let (used, line) = november.carried_out().next().unwrap();
    assert_eq!(used, hour.next());
    assert!(line.billed_in.unwrap() >= november.month.next().first_hour());

    let december = month(&world, &account, "2026-12").await;
    assert_eq!(count(december.used()), 0);
    let carried: Vec<_> = december.carried_in().collect();
    assert_eq!(carried, november.carried_out().collect::<Vec<_>>());
    assert_eq!(accepted(&december), 5);
    assert_eq!(accepted(&december), accepted_by_aws(&world, &december));
    world.assert_conserved().await;
}

#[tokio::test]
async fn two_accounts_that_a_license_paid_for_in_one_hour_each_see_their_share_of_the_record() {
    let world = World::new().await;
    let customer = world.customer(0).await;
    let other = world.account("other", &["ann"]).await;
    world.app.start_cursors().await.unwrap();
    let hour = Hour::of(world.now());
    world.report(&customer.account, hour, "r", 3).await;
    world.report(&other, hour, "o", 4).await;
    world.advance_to(hour.start() + minutes(40)).await;
    let token = world
        .aws
        .new_token(&customer.agreement.license_arn)
        .unwrap();
    let session = world.begin(&token).await;
    world.link(&session, "ann", &other).await;
    world.post_after(hour).await;
    world.submit().await;

    let from = month(&world, &customer.account, "2026-11").await;
    let to = month(&world, &other, "2026-11").await;
    assert_eq!((accepted(&from), accepted(&to)), (3, 4));
    assert_eq!(accepted_by_aws(&world, &from), 7);
    assert_eq!(from.payers, to.payers);
    assert_eq!(from.payers[&customer.license].as_str(), super::buyer(0));
}
