//! Items that cannot be read: told by their key, and in nobody's way.

use std::collections::BTreeSet;

use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::AttributeValue;
use domain::hour::Hour;
use domain::usage::{Part, Shard};
use jiff::Timestamp;
use ledger::step::Unreadable;
use ledger::{Notice, StepError};

use super::{Customer, buyer, minutes, posted};
use crate::testing::{World, dynamodb_of};

/// Two accounts with usage of the running hour; the first one's second report
/// has this attribute changed.
async fn with_changed_report(
    name: &str,
    value: AttributeValue,
) -> (World, [Customer; 2], Hour, String) {
    let world = World::new().await;
    let customers = [world.customer(0).await, world.customer(1).await];
    world.app.start_cursors().await.unwrap();
    let hour = Hour::of(world.now());
    for customer in &customers {
        world.report(&customer.account, hour, "good", 3).await;
    }
    world.report(&customers[0].account, hour, "bad", 2).await;
    let key = change(&world, "#0#bad#00000", name, value).await;
    (world, customers, hour, key)
}

/// Changes an attribute of the item whose key ends so; its key.
async fn change(world: &World, end: &str, name: &str, value: AttributeValue) -> String {
    let items = world.ledger_items().await;
    let named = items
        .into_iter()
        .map(|((pk, sk), item)| (format!("{pk} | {sk}"), item));
    let (key, mut item) = named
        .into_iter()
        .find(|(key, _)| key.ends_with(end))
        .unwrap();
    item.insert(name.to_owned(), value);
    let client = dynamodb_of(world);
    let put = client.put_item().table_name("Usage").set_item(Some(item));
    put.send().await.unwrap();
    key
}

/// The keys of the items that were told as unreadable.
fn unreadable(told: &[Notice]) -> BTreeSet<&str> {
    let mut keys = BTreeSet::new();
    for notice in told {
        if let Notice::ItemUnreadable(Unreadable { key, .. }) = notice {
            keys.insert(key.as_str());
        }
    }
    keys
}

fn newer() -> AttributeValue {
    AttributeValue::N("2".to_owned())
}

#[tokio::test]
async fn a_report_that_cannot_be_read_is_told_by_its_key_and_the_rest_of_the_hour_is_billed() {
    let garbage = AttributeValue::B(Blob::new(b"\x01garbage".to_vec()));
    for (name, value) in [("computers", garbage), ("format", newer())] {
        let (world, customers, hour, bad) = with_changed_report(name, value).await;
        world.advance_to(hour.end() + minutes(11)).await;
        let (run, told) = world.told().await;
        assert_eq!(unreadable(&told), [bad.as_str()].into(), "{told:?}");
        assert_eq!(run.billed, 1, "the other account's hour does not wait");
        world.advance_to(hour.end() + minutes(45)).await;
        assert_eq!(world.submit().await.billed, 1);
        for customer in &customers {
            assert_eq!(world.accepted(&customer.license), [(hour, 3)].into());
        }
    }
}

#[tokio::test]
async fn a_slot_of_a_newer_format_is_told_by_its_key_every_15_minutes() {
    let (world, customer, hour) = posted().await;
    let key = change(&world, "#head", "format", newer()).await;
    let head = world.app.store.slot_head(&customer.license, hour).await;
    let error = StepError::from(head.unwrap_err());
    assert!(matches!(&error, StepError::Corrupt(of) if of.key == key));
    for (minutes_later, is_told) in [(0, true), (1, false), (14, true)] {
        world.advance(minutes(minutes_later)).await;
        let (_, told) = world.told().await;
        let failed = |notice: &Notice| matches!(notice, Notice::SlotFailed { reason, .. } if reason.contains(&key));
        assert_eq!(told.iter().any(failed), is_told, "{told:?}");
    }
}

/// Two accounts in different shards, with usage of the running hour.
async fn in_two_shards() -> (World, [Customer; 2], Hour) {
    let world = World::new().await;
    let customers = [world.customer(0).await, world.customer(1).await];
    let shard = |of: &Customer| Shard::of(&of.account, Part(0));
    assert_ne!(shard(&customers[0]), shard(&customers[1]));
    world.app.start_cursors().await.unwrap();
    let hour = Hour::of(world.now());
    (world, customers, hour)
}

#[tokio::test]
async fn a_cursor_that_cannot_be_read_holds_up_no_shard_and_its_own_is_posted_by_markers() {
    let (world, customers, hour) = in_two_shards().await;
    let end = format!(
        "shard#{:02} | cursor",
        Shard::of(&customers[0].account, Part(0)).number()
    );
    let key = change(&world, &end, "format", newer()).await;
    for customer in &customers {
        world.report(&customer.account, hour, "r", 3).await;
    }
    world.advance_to(hour.end() + minutes(45)).await;
    let run = world.app.post_due(Timestamp::MAX).await.unwrap();
    assert_eq!((run.account_hours, run.failed), (2, 1));
    let (_, told) = world.told().await;
    assert!(unreadable(&told).contains(key.as_str()), "{told:?}");
    for customer in &customers {
        assert_eq!(world.accepted(&customer.license), [(hour, 3)].into());
    }
}

#[tokio::test]
async fn a_late_marker_that_cannot_be_read_is_told_and_the_others_are_posted() {
    let (world, customers, hour) = in_two_shards().await;
    world.post_after(hour).await;
    for customer in &customers {
        world.report(&customer.account, hour, "late", 3).await;
    }
    let end = format!("{}#0#{hour}", customers[0].account);
    let key = change(&world, &end, "format", newer()).await;
    let (_, told) = world.told().await;
    assert_eq!(unreadable(&told), [key.as_str()].into());
    world.advance_to(hour.end() + minutes(46)).await;
    world.told().await;
    assert_eq!(world.accepted(&customers[1].license), [(hour, 3)].into());
    assert_eq!(world.accepted(&customers[0].license), [].into());
}

#[tokio::test]
async fn an_entry_of_the_work_index_that_names_nothing_is_told_and_the_rest_goes_on() {
    for list in ["slot#0", "record#0", "final#0", "hold#0", "unknown#0"] {
        let world = World::new().await;
        let customer = world.customer(0).await;
        world.app.start_cursors().await.unwrap();
        let hour = Hour::of(world.now());
        world.report(&customer.account, hour, "r", 3).await;
        put_entry(&world, list).await;
        world.post_after(hour).await;
        let (run, told) = world.told().await;
        assert_eq!(run.billed, 1, "{list}: {told:?}");
        let unknown = world.app.unknown().await.unwrap();
        if list == "unknown#0" {
            assert_eq!(unknown.unreadable[0].key, "newer | thing");
        } else {
            assert_eq!(unreadable(&told), ["newer | thing"].into(), "{list}");
        }
    }
}

/// An item of a kind that this version does not know, listed as due.
async fn put_entry(world: &World, list: &str) {
    let attributes = [
        ("pk", "newer"),
        ("sk", "thing"),
        ("work_shard", list),
        ("work_due", "2026-01-01T00:00:00Z"),
    ];
    let item =
        attributes.map(|(name, value)| (name.to_owned(), AttributeValue::S(value.to_owned())));
    let put = dynamodb_of(world).put_item().table_name("Usage");
    put.set_item(Some(item.into())).send().await.unwrap();
}

#[tokio::test]
async fn a_key_that_is_no_reports_is_told_and_every_report_is_posted() {
    let (world, customers, hour) = in_two_shards().await;
    for customer in &customers {
        world.report(&customer.account, hour, "r", 3).await;
    }
    let items = world.ledger_items().await;
    let ((pk, _), item) = items
        .into_iter()
        .find(|((_, sk), _)| sk.starts_with(customers[0].account.as_str()))
        .unwrap();
    let mut newer = item.clone();
    newer.insert("sk".to_owned(), AttributeValue::S("newer".to_owned()));
    let put = dynamodb_of(&world).put_item().table_name("Usage");
    put.set_item(Some(newer)).send().await.unwrap();
    world.advance_to(hour.end() + minutes(46)).await;
    let (run, told) = world.told().await;
    assert!(
        unreadable(&told).contains(format!("{pk} | newer").as_str()),
        "{told:?}"
    );
    assert_eq!(run.billed, 2);
}

/// The license of a customer ends two minutes into an hour, in which four
/// computers were reported; 47 minutes later all is sent.
async fn end_within_the_next(world: &World, customer: &Customer, hour: Hour) -> Hour {
    let last = hour.next();
    world.advance_to(last.start() + minutes(11)).await;
    world.report(&customer.account, last, "last", 4).await;
    world.cancel(customer).await;
    for minutes_later in [1, 46] {
        world.advance(minutes(minutes_later)).await;
        world.told().await;
    }
    last
}

#[tokio::test]
async fn a_license_s_last_hour_is_billed_beside_a_report_that_cannot_be_read() {
    let (world, customers, hour, _) = with_changed_report("format", newer()).await;
    let last = end_within_the_next(&world, &customers[0], hour).await;
    let accepted = world.accepted(&customers[0].license);
    assert_eq!(accepted, [(hour, 3), (last, 4)].into());
}

#[tokio::test]
async fn a_license_s_last_hour_is_billed_beside_a_slot_that_cannot_be_read() {
    let (world, customer, hour) = posted().await;
    change(&world, "#head", "format", newer()).await;
    let last = end_within_the_next(&world, &customer, hour).await;
    assert_eq!(world.accepted(&customer.license), [(last, 4)].into());
}

#[tokio::test]
async fn a_hold_ends_beside_a_slot_that_cannot_be_read() {
    let (world, customer, hour) = posted().await;
    world.aws.suspend_buyer(&buyer(0)).await.unwrap();
    world.submit().await;
    world.report(&customer.account, hour.next(), "r", 2).await;
    world.post_after(hour.next()).await;
    let slot = format!("{hour}#head");
    change(&world, &slot, "format", newer()).await;
    world.aws.restore_buyer(&buyer(0)).await.unwrap();
    world.advance(minutes(15)).await;
    world.told().await;
    let hold = world.app.store.hold(&customer.license).await.unwrap();
    assert_eq!(hold, None);
    assert!(world.accepted(&customer.license).contains_key(&hour.next()));
}
