//! Account-hours of thousands of cloud accounts, reports of many items, and
//! thousands of reports of one hour: each computer-hour billed once.

use domain::account::Parts;
use domain::ledger::account_hour::MOST_NAMED_BYTES;
use domain::ledger::packed::postings;
use domain::usage::{Part, UsageReport};
use ledger::step::{Chunk, PutReport, ReportPart};

use super::*;
use crate::{RecordError, Recorded};

/// A report of computers of the Large tier, each in a cloud account of its own.
fn in_accounts(account: &AccountId, hour: Hour, id: &str, of: std::ops::Range<u32>) -> UsageReport {
    let computers = of.map(|n| {
        json!({"agent_id": format!("a-{n}"), "instance_id": format!("i-{n}"),
               "connector": {"kind": "aws", "cloud_account_id": format!("{n:012}")},
               "size": {"instance_type": "m5.large"}})
    });
    report_of(account, hour, id, computers.collect())
}

fn report_of(account: &AccountId, hour: Hour, id: &str, computers: Vec<Value>) -> UsageReport {
    let report = json!({"account": account, "hour": hour, "report_id": id, "computers": computers});
    serde_json::from_value(report).unwrap()
}

impl World {
    async fn record_all(&self, reports: impl IntoIterator<Item = UsageReport>) {
        for report in reports {
            self.app.record_usage(&report).await.unwrap();
        }
    }

    /// The number of an account's parts over time.
    async fn parts(&self, account: &AccountId) -> Parts {
        let account = self.app.store.account(account).await.unwrap();
        account.unwrap().parts
    }

    /// How many of an hour's computers are counted by cloud account, and in all.
    async fn named(&self, account: &AccountId, hour: Hour) -> (u32, u32) {
        let lines = self.lines(account, hour).await;
        let named = lines.iter().filter(|line| line.cloud_account.is_some());
        let named = named.map(|line| line.count).sum();
        (named, lines.iter().map(|line| line.count).sum())
    }
}

#[tokio::test]
async fn five_thousand_cloud_accounts_of_one_report_are_billed_each_by_name() {
    let world = World::new().await;
    let customer = world.customer(0).await;
    world.app.start_cursors().await.unwrap();
    let hour = Hour::of(world.now());
    world
        .record_all([in_accounts(&customer.account, hour, "r", 0..5_000)])
        .await;
    world.post_after(hour).await;
    assert_eq!(world.named(&customer.account, hour).await, (5_000, 5_000));
    assert_eq!(world.submit().await.billed, 1);
    assert_eq!(world.accepted(&customer.license), [(hour, 5_000)].into());
    let slot = world.slot(&customer.license, hour).await;
    let allocations = &slot.records[0].usage.allocations;
    assert_eq!(allocations.len(), 500);
    let sum: u32 = allocations.iter().map(|a| a.quantity.get()).sum();
    assert_eq!(sum, 5_000);
    world.assert_conserved().await;
}

#[tokio::test]
async fn an_account_of_twenty_thousand_cloud_accounts_is_billed_from_its_first_hour_and_divides() {
    let world = World::new().await;
    let customer = world.customer(0).await;
    let account = &customer.account;
    world.app.start_cursors().await.unwrap();
    let first = Hour::of(world.now());
    let reports_of = |hour: Hour| {
        let reports = (0..4).map(move |n| (format!("r-{n}"), n * 5_000..(n + 1) * 5_000));
        reports.map(move |(id, of)| in_accounts(account, hour, &id, of))
    };
    world.record_all(reports_of(first)).await;
    world.post_after(first).await;
    let room = u32::try_from(MOST_NAMED_BYTES / 8).unwrap();
    assert_eq!(world.named(account, first).await, (room, 20_000));
    world.submit().await;

    let parts = world.parts(account).await;
    let divided = (1..).map(|later| first.plus(later));
    let divided = { divided }.find(|hour| parts.count_at(*hour).get() > 1);
    let divided = divided.unwrap();
    assert_eq!(parts.count_at(divided).get(), 8);
    assert!(divided.start() >= world.now() + SignedDuration::from_hours(2));
    world.advance_to(divided.start() + minutes(5)).await;
    world.record_all(reports_of(divided)).await;
    world.post_after(divided).await;
    assert_eq!(world.named(account, divided).await, (20_000, 20_000));
    world.submit().await;
    assert_eq!(
        world.accepted(&customer.license),
        [(first, 20_000), (divided, 20_000)].into()
    );
    world.assert_conserved().await;
}

/// A computer whose report takes as much as one can: 60 intervals, and the
/// longest cloud account.
fn largest(hour: Hour, number: u32) -> Value {
    let at = |second| hour.start() + SignedDuration::from_secs(second);
    let intervals: Vec<_> = (0..60).map(|n| (at(n * 60), at(n * 60 + 59))).collect();
    json!({"agent_id": format!("a-{number}"), "instance_id": format!("i-{number}"),
           "connector": {"kind": "gcp", "cloud_account_id": format!("{number:0128}")},
           "size": {"vcpus": 8}, "protected": intervals})
}

#[tokio::test]
async fn the_largest_report_that_is_valid_is_recorded_in_several_items_and_billed() {
    let world = World::new().await;
    let customer = world.customer(0).await;
    world.app.start_cursors().await.unwrap();
    let hour = Hour::of(world.now());
    let computers = (0..5_000).map(|n| largest(hour, n)).collect();
    let report = report_of(&customer.account, hour, "r", computers);
    let first = world.app.record_usage(&report).await.unwrap();
    let again = world.app.record_usage(&report).await.unwrap();
    assert_eq!((first, again), (Recorded::New, Recorded::Again));
    world.post_after(hour).await;
    world.submit().await;
    assert_eq!(world.accepted(&customer.license), [(hour, 5_000)].into());
    world.assert_conserved().await;
}

#[tokio::test]
async fn a_report_of_which_an_item_is_missing_is_not_posted_until_it_comes_again() {
    let world = World::new().await;
    let customer = world.customer(0).await;
    let account = &customer.account;
    world.app.start_cursors().await.unwrap();
    let hour = Hour::of(world.now());
    let report = report_of(
        account,
        hour,
        "r",
        (0..500).map(|n| largest(hour, n)).collect(),
    );
    let rules = &world.app.settings.rules;
    let accepted = report.accept(
        std::num::NonZeroU16::MIN,
        rules.report_chunk_bytes,
        world.now(),
    );
    let accepted = accepted.unwrap();
    let chunks = &accepted.parts[&Part(0)];
    assert_eq!(chunks.len(), 2);
    // As a recorder leaves it that crashed after the first item.
    let begun = ReportPart {
        account: account.clone(),
        hour,
        part: Part(0),
        id: accepted.id.clone(),
        chunk: Chunk { number: 0, of: 2 },
        fingerprint: accepted.fingerprint,
        observations: chunks[0].clone(),
    };
    let put = world.app.store.put_report(&begun).await.unwrap();
    assert_eq!(put, PutReport::Stored);
    world.report(account, hour, "other", 3).await;
    world.post_after(hour).await;
    assert_eq!(world.named(account, hour).await.1, 3, "nothing of the half");
    world.assert_conserved().await;

    let mut other = report.clone();
    other.computers.truncate(499);
    let conflict = world.app.record_usage(&other).await.unwrap_err();
    assert!(matches!(conflict, RecordError::Conflict));
    assert_eq!(
        world.app.record_usage(&report).await.unwrap(),
        Recorded::New
    );
    world.app.post_due(Timestamp::MAX).await.unwrap();
    let by_name = u32::try_from(MOST_NAMED_BYTES / 131).unwrap();
    assert_eq!(world.named(account, hour).await, (by_name, 503));
    world.submit().await;
    assert_eq!(world.accepted(&customer.license), [(hour, 503)].into());
    world.assert_conserved().await;
}

#[tokio::test]
async fn late_reports_of_one_hour_each_posted_by_itself_are_billed_once() {
    // With the longest ids, so many that the postings outgrow one item.
    let count = 300_u32;
    let world = World::new().await;
    let customer = world.customer(0).await;
    let account = &customer.account;
    world.app.start_cursors().await.unwrap();
    let hour = Hour::of(world.now());
    world.advance_to(hour.end() + minutes(11)).await;
    for n in 0..count {
        let report = in_accounts(account, hour, &format!("{n:064}"), n..n + 1);
        world.record_all([report]).await;
        world.app.post_due(Timestamp::MAX).await.unwrap();
    }
    let stored = world.app.store.account_hour(account, Part(0), hour).await;
    let posted = usize::try_from(count).unwrap();
    assert_eq!(stored.unwrap().postings.len(), posted);
    let items = world.ledger_items().await;
    let pieces = items.keys().filter(|(pk, _)| pk.starts_with("postings#"));
    let cut_at = postings::CUT_AT_BYTES / 67 + 1;
    assert_eq!(pieces.count(), posted / cut_at);
    assert_eq!(world.named(account, hour).await, (count, count));
    world.advance_to(hour.end() + minutes(45)).await;
    world.submit().await;
    assert_eq!(
        world.accepted(&customer.license),
        [(hour, count.into())].into()
    );
    world.assert_conserved().await;
}
