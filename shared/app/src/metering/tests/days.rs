//! Days that are summed up: their pages are the same as without.

use std::collections::BTreeMap;

use domain::hour::{HOURS_A_DAY, Hour};
use domain::ids::{AccountId, Dimension, ProductCode};
use domain::ledger::day::DaySummary;
use domain::ledger::record::Finding;
use domain::usage::Part;
use fake_aws::{Fault, FaultKind};
use jiff::{SignedDuration, Timestamp};
use ledger::Written;
use serde_json::json;

use super::{Customer, minutes};
use crate::month::Month;
use crate::testing::World;
use crate::usage_month::{MeteringStatus, UsageByDay, UsageLine, UsageMonth};
use crate::{App, SummedUp};

/// The months that the worlds here live in.
const MONTHS: [&str; 3] = ["2026-10", "2026-11", "2026-12"];

/// What a customer sees of some months, by hour and by day.
async fn seen(app: &App, account: &AccountId) -> Vec<(UsageMonth, UsageByDay)> {
    let mut seen = Vec::new();
    for month in MONTHS {
        let month = Month::parse(month).unwrap();
        let by_hour = app.usage_month(account, month).await.unwrap();
        let by_day = app.usage_by_day(account, month, None).await.unwrap();
        seen.push((by_hour, by_day));
    }
    seen
}

/// Lets time pass until every account has had its turn after the running day.
async fn sum_up(world: &World) -> SummedUp {
    let until = Hour::of(world.now())
        .first_of_day()
        .plus(2 * HOURS_A_DAY - 5);
    let mut done = SummedUp::default();
    while world.now() < until.start() {
        world.advance(SignedDuration::from_hours(1)).await;
        let some = world.app.sum_up_days(Timestamp::MAX).await.unwrap();
        done.days += some.days;
        done.left += some.left;
    }
    done
}

async fn is_summed_up(world: &World, account: &AccountId, hour: Hour) -> bool {
    let day = hour.first_of_day();
    let kept = world
        .app
        .store
        .days(account, Part(0), day, day.next())
        .await;
    kept.unwrap().iter().any(|day| day.summed_up.is_some())
}

/// Computer-hours by status, and by whether they are billed in another hour.
fn totals<'a>(
    lines: impl Iterator<Item = &'a UsageLine>,
) -> BTreeMap<(Dimension, MeteringStatus, Option<Hour>), u64> {
    let mut totals = BTreeMap::new();
    for line in lines {
        let kind = (line.dimension.clone(), line.status, line.billed_in);
        *totals.entry(kind).or_default() += u64::from(line.count);
    }
    totals
}

async fn switch_sending(world: &World, stopped: bool) {
    for product in world.app.settings.subscriptions.products.clone() {
        let product: ProductCode = product;
        world.app.switch_sending(&product, stopped).await.unwrap();
    }
}

/// Computers in two cloud accounts, one outside the clouds, and one of which
/// nothing is billed, for its agent was offline.
async fn report_all_kinds(world: &World, account: &AccountId, hour: Hour) {
    let in_cloud = |n: u8, cloud_account: &str, size: &str| {
        json!({"agent_id": format!("a-{n}"), "size": {"instance_type": size},
               "connector": {"kind": "aws", "cloud_account_id": cloud_account}})
    };
    let computers = [
        in_cloud(1, "123456789012", "m5.large"),
        in_cloud(2, "123456789012", "t3.small"),
        in_cloud(3, "210987654321", "m5.large"),
        json!({"agent_id": "a-4", "connector": null, "size": null}),
        json!({"agent_id": "a-5", "connector": null, "size": null, "offline": true}),
    ];
    let report = json!({"account": account, "hour": hour, "report_id": "all",
                        "computers": computers});
    let report = serde_json::from_value(report).unwrap();
    world.app.record_usage(&report).await.unwrap();
}

/// Usage in time on 30 November, and some that is carried into December.
async fn over_a_months_end(world: &World) -> (Customer, Hour) {
    let customer = world.customer(0).await;
    let first: Timestamp = "2026-11-30T20:00:00Z".parse().unwrap();
    world.advance_to(first).await;
    world.app.start_cursors().await.unwrap();
    let hour = Hour::of(first);
    report_all_kinds(world, &customer.account, hour).await;
    world.post_after(hour).await;
    world.submit().await;
    switch_sending(world, true).await;
    for later in [1, 2] {
        report_all_kinds(world, &customer.account, hour.plus(later)).await;
        world.post_after(hour.plus(later)).await;
    }
    let carried: Timestamp = "2026-12-01T05:50:00Z".parse().unwrap();
    world.advance_to(carried).await;
    world.submit().await;
    switch_sending(world, false).await;
    world.advance(minutes(125)).await;
    world.app.post_due(Timestamp::MAX).await.unwrap();
    world.submit().await;
    let running = Hour::of(world.now());
    report_all_kinds(world, &customer.account, running).await;
    world.post_after(running).await;
    world.submit().await;
    (customer, hour)
}

#[tokio::test]
async fn a_customer_sees_the_same_of_days_that_are_summed_up_line_by_line() {
    let world = World::new().await;
    let (Customer { account, .. }, hour) = over_a_months_end(&world).await;
    let before = seen(&world.app, &account).await;
    let (november, december) = (&before[1].0, &before[2].0);
    assert_eq!((november.hours.len(), december.carried_in.len()), (3, 2));

    let done = sum_up(&world).await;
    assert!(done.days > 0 && done.left == 0, "{done:?}");
    assert!(is_summed_up(&world, &account, hour).await);
    assert_eq!(seen(&world.app, &account).await, before);

    // By day it is the same, added up.
    for (by_hour, by_day) in &before {
        let lines = |usage: &UsageMonth| totals(usage.hours.iter().flat_map(|of| &of.lines));
        assert_eq!(lines(by_hour), lines(&by_day.month));
        assert_eq!(by_hour.carried_in, by_day.month.carried_in);
        assert_eq!(by_hour.hours, by_day.hours, "all of it is of one day");
        let billed = |usage: &UsageMonth| totals(usage.billed().map(|(_, line)| line));
        assert_eq!(billed(by_hour), billed(&by_day.month));
    }
    world.assert_conserved().await;
}

/// A day with an hour of 3 computers that AWS accepted, summed up.
async fn summed_up(world: &World) -> (AccountId, Hour) {
    let Customer { account, .. } = world.customer(0).await;
    world.app.start_cursors().await.unwrap();
    let hour = Hour::of(world.now());
    world.report(&account, hour, "r", 3).await;
    world.post_after(hour).await;
    world.submit().await;
    sum_up(world).await;
    assert!(is_summed_up(world, &account, hour).await);
    (account, hour)
}

#[tokio::test]
async fn a_late_report_takes_the_summary_back_and_its_day_is_summed_up_again() {
    let world = World::new().await;
    let (account, hour) = summed_up(&world).await;
    world.report(&account, hour, "late", 2).await;
    world.app.post_due(Timestamp::MAX).await.unwrap();
    assert!(!is_summed_up(&world, &account, hour).await);
    let counts = |lines: Vec<UsageLine>| {
        let lines = lines.into_iter();
        lines
            .map(|line| (line.count, line.status))
            .collect::<Vec<_>>()
    };
    let (accepted, open) = (MeteringStatus::Accepted, MeteringStatus::Open);
    let shown = counts(world.lines(&account, hour).await);
    assert_eq!(shown, [(3, accepted), (2, open)]);

    world.submit().await;
    let late = Hour::of(world.now());
    world.report(&account, late, "r", 1).await;
    world.post_after(late).await;
    world.submit().await;
    let before = seen(&world.app, &account).await;
    sum_up(&world).await;
    assert!(is_summed_up(&world, &account, hour).await);
    assert_eq!(seen(&world.app, &account).await, before);
    let shown = counts(world.lines(&account, hour).await);
    assert_eq!(shown, [(3, accepted), (2, accepted)]);
}

#[tokio::test]
async fn a_summary_of_what_was_there_before_a_posting_is_not_stored() {
    let world = World::new().await;
    let (account, hour) = summed_up(&world).await;
    let store = &world.app.store;
    let day = hour.first_of_day();
    world.report(&account, hour, "late", 2).await;
    world.app.post_due(Timestamp::MAX).await.unwrap();
    // Read, by somebody who sums up, before another late report is posted.
    let kept = store.days(&account, Part(0), day, day.next()).await;
    let version = kept.unwrap()[0].version;
    world.report(&account, hour, "later", 4).await;
    world.app.post_due(Timestamp::MAX).await.unwrap();
    let stale = DaySummary {
        account: account.clone(),
        part: Part(0),
        day,
        version: version + 1,
        hours: Vec::new(),
    };
    assert_eq!(store.put_day(&stale).await.unwrap(), Written::Lost);
    assert!(!is_summed_up(&world, &account, hour).await);
    // Nor one of a day of which nothing was kept when it was read.
    let first = DaySummary {
        version: 1,
        ..stale
    };
    assert_eq!(store.put_day(&first).await.unwrap(), Written::Lost);
}

#[tokio::test]
async fn a_day_of_which_aws_has_not_said_the_last_word_is_not_summed_up() {
    let world = World::new().await;
    let customer = world.customer(0).await;
    let (account, license) = (&customer.account, &customer.license);
    world.app.start_cursors().await.unwrap();
    let hour = Hour::of(world.now());
    world.report(account, hour, "r", 3).await;
    world.post_after(hour).await;
    let lost = Fault::new("BatchMeterUsage", FaultKind::LostAnswer, 1);
    world.aws.inject_fault(lost).unwrap();
    world.submit().await;
    assert_eq!(world.status(account, hour).await, MeteringStatus::Sent);
    let done = sum_up(&world).await;
    assert!(done.left > 0, "{done:?}");
    assert!(!is_summed_up(&world, account, hour).await);
    world.submit().await;
    assert_eq!(world.status(account, hour).await, MeteringStatus::Unknown);
    let next = Hour::of(world.now());
    world.report(account, next, "r", 1).await;
    world.post_after(next).await;
    world.submit().await;
    sum_up(&world).await;
    assert!(!is_summed_up(&world, account, hour).await);

    // An operator finds out, and the day is tried again.
    let record = (license.clone(), hour, Dimension::parse("large").unwrap());
    let finding = Finding::Accepted {
        metering_record_id: None,
    };
    world.app.resolve(&record, &finding).await.unwrap();
    let later = Hour::of(world.now());
    world.report(account, later, "r", 1).await;
    world.post_after(later).await;
    world.submit().await;
    sum_up(&world).await;
    assert!(is_summed_up(&world, account, hour).await);
    assert_eq!(world.status(account, hour).await, MeteringStatus::Accepted);
}
