//! Items that cannot be read: told by their key, and in nobody's way.

use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::AttributeValue;
use domain::hour::Hour;
use jiff::Timestamp;
use ledger::{Notice, StepError};

use super::{Customer, minutes};
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
    let key = change(&world, "#0#bad", name, value).await;
    (world, customers, hour, key)
}

/// Changes an attribute of the item whose sort key ends so; its key.
async fn change(world: &World, end: &str, name: &str, value: AttributeValue) -> String {
    let items = world.ledger_items().await;
    let ((pk, sk), mut item) = items
        .into_iter()
        .find(|((_, sk), _)| sk.ends_with(end))
        .unwrap();
    item.insert(name.to_owned(), value);
    let client = dynamodb_of(world);
    let put = client.put_item().table_name("Usage").set_item(Some(item));
    put.send().await.unwrap();
    format!("{pk} | {sk}")
}

#[tokio::test]
async fn a_report_that_cannot_be_read_is_told_by_its_key_and_the_rest_of_the_hour_is_billed() {
    let garbage = AttributeValue::B(Blob::new(b"\x01garbage".to_vec()));
    let newer = AttributeValue::N("2".to_owned());
    for (name, value) in [("computers", garbage), ("format", newer)] {
        let (world, customers, hour, bad) = with_changed_report(name, value).await;
        world.advance_to(hour.end() + minutes(11)).await;
        let (run, told) = world.told().await;
        let mut keys = Vec::new();
        for notice in &told {
            if let Notice::ReportUnreadable { key, .. } = notice {
                keys.push(key);
            }
        }
        assert!(!keys.is_empty(), "{told:?}");
        assert!(keys.iter().all(|key| **key == bad), "{told:?}");
        assert_eq!(run.billed, 1, "the other account's hour does not wait");
        world.advance_to(hour.end() + minutes(45)).await;
        assert_eq!(world.submit().await.billed, 1);
        for customer in &customers {
            assert_eq!(world.accepted(&customer.license), [(hour, 3)].into());
        }
    }
}

#[tokio::test]
async fn an_item_of_a_newer_format_is_an_error_that_names_its_key() {
    let world = World::new().await;
    let customer = world.customer(0).await;
    world.app.start_cursors().await.unwrap();
    let hour = Hour::of(world.now());
    world.report(&customer.account, hour, "r", 3).await;
    world.post_after(hour).await;
    let newer = || AttributeValue::N("2".to_owned());
    let key = change(&world, "#head", "format", newer()).await;
    let head = world.app.store.slot_head(&customer.license, hour).await;
    let error = StepError::from(head.unwrap_err());
    assert!(matches!(&error, StepError::Corrupt { key: named, .. } if *named == key));
    let (_, told) = world.told().await;
    let failed = told.iter().find(
        |notice| matches!(notice, Notice::SlotFailed { reason, .. } if reason.contains(&key)),
    );
    assert!(failed.is_some(), "{told:?}");

    let key = change(&world, "cursor", "format", newer()).await;
    let error = world.app.post_due(Timestamp::MAX).await.unwrap_err();
    assert!(matches!(&error, StepError::Corrupt { key: named, .. } if *named == key));
}
