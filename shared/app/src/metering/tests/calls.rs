//! Calls that fail for the sake of one record, against the fake.

use std::sync::Arc;

use domain::catalog::Catalog;
use domain::hour::Hour;
use domain::ids::AccountId;
use fake_aws::{Fault, FaultKind};
use jiff::{SignedDuration, Timestamp};
use serde_json::json;

use crate::testing::World;

const LICENSES: usize = 25;

/// 25 licenses with an account each, and the usage of the running hour
/// reported and posted: one record each, all in one call.
async fn one_call(world: &World, tier_of: impl Fn(usize) -> &'static str) -> Vec<String> {
    let mut arns = Vec::new();
    world.app.start_cursors().await.unwrap();
    let hour = Hour::of(world.now());
    for n in 0..LICENSES {
        let customer = world.customer(n as u64).await;
        report(world, &customer.account, hour, tier_of(n)).await;
        arns.push(customer.agreement.license_arn);
    }
    world.post_after(hour).await;
    arns
}

async fn report(world: &World, account: &AccountId, hour: Hour, instance_type: &str) {
    let report = serde_json::from_value(json!({
        "account": account, "hour": hour, "report_id": "r",
        "computers": [{"agent_id": "a", "connector": {"kind": "aws"},
                       "size": {"instance_type": instance_type}}],
    }))
    .unwrap();
    world.app.record_usage(&report).await.unwrap();
}

#[tokio::test]
async fn a_record_that_aws_always_fails_on_costs_its_neighbours_ten_calls_at_most() {
    let world = World::new().await;
    let arns = one_call(&world, |_| "m5.large").await;
    let poisoned = Fault::new("BatchMeterUsage", FaultKind::InternalError, 1_000);
    world
        .aws
        .inject_fault(Fault {
            license_arn: Some(arns[7].clone()),
            ..poisoned
        })
        .unwrap();

    let first = world.submit().await;
    assert_eq!((first.calls, first.billed, first.stopped), (1, 0, true));
    world.advance(SignedDuration::from_mins(1)).await;
    let second = world.submit().await;
    assert_eq!(second.billed, LICENSES - 1);
    assert!(second.calls <= 1 + 10, "{second:?}");
    assert!(!second.stopped, "what fails alone blocks nobody");

    // AWS recovers: the record was never given up.
    world.aws.clear_faults();
    world.advance(SignedDuration::from_mins(20)).await;
    assert_eq!(world.submit().await.billed, 1);
    assert_eq!(world.aws.accepted_records().len(), LICENSES);
}

#[tokio::test]
async fn a_poison_record_is_found_in_ten_extra_calls_and_set_aside_not_closed() {
    let mut world = World::new().await;
    let mut catalog = serde_json::to_value(Catalog::workload_security()).unwrap();
    catalog["rates"][2]["dimension"] = json!("not-a-dimension");
    world.app.settings.rules.catalog = Arc::new(serde_json::from_value(catalog).unwrap());
    one_call(&world, |n| if n == 11 { "m5.xlarge" } else { "m5.large" }).await;

    let run = world.submit().await;
    assert_eq!((run.billed, run.closed), (LICENSES - 1, 0));
    assert!(run.calls <= 1 + 10, "{run:?}");
    assert!(!run.stopped);

    // It is tried again, alone, every 15 minutes.
    world.advance(SignedDuration::from_mins(14)).await;
    assert_eq!(world.submit().await.calls, 0);
    world.advance(SignedDuration::from_mins(1)).await;
    let again = world.submit().await;
    assert_eq!((again.calls, again.closed, again.stopped), (1, 0, false));
}

#[tokio::test]
async fn more_than_25_records_go_in_several_calls() {
    let world = World::new().await;
    one_call(&world, |_| "m5.large").await;
    let account = AccountId::parse("account-0").unwrap();
    let hour = Hour::of(world.now()).previous();
    // A second dimension for one license: 26 records.
    let more = serde_json::from_value(json!({
        "account": account, "hour": hour, "report_id": "more",
        "computers": [{"agent_id": "b", "connector": null}],
    }))
    .unwrap();
    world.app.record_usage(&more).await.unwrap();
    world.app.post_due(Timestamp::MAX).await.unwrap();
    world.waited.lock().unwrap().clear();
    let run = world.submit().await;
    assert_eq!((run.calls, run.billed), (2, LICENSES + 1));
    // AWS takes ten calls a second.
    let waited = world.waited.lock().unwrap().clone();
    assert_eq!(waited, [world.now() + SignedDuration::from_millis(100)]);
}

#[tokio::test]
async fn a_run_that_stops_leaves_no_attempt_counted_that_was_not_made() {
    let world = World::new().await;
    one_call(&world, |_| "m5.large").await;
    world
        .aws
        .inject_fault(Fault::new("BatchMeterUsage", FaultKind::Throttle, 1))
        .unwrap();
    let run = world.submit().await;
    assert!(run.stopped);
    let hour = Hour::of(world.now()).previous();
    for license in world.aws.licenses() {
        let id = domain::ids::LicenseArn::parse(license.license_arn.to_string()).unwrap();
        let slot = world.app.store.slot(id.id(), hour).await.unwrap().unwrap();
        for record in slot.records {
            assert_eq!(record.unanswered, 0, "{record:?}");
        }
    }
}
