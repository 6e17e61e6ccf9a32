//! What an operator decides.

use domain::hour::Hour;
use domain::ledger::account_hour::WriteOff;
use domain::ledger::controls::Forgotten;
use domain::ledger::record::{CloseReason, Finding, RecordState};
use fake_aws::{Fault, FaultKind};
use jiff::{SignedDuration, Timestamp};
use ledger::Notice;

use super::{Customer, minutes, posted};
use crate::testing::World;
use crate::usage_month::MeteringStatus;
use crate::{Done, OperationError};

#[tokio::test]
async fn a_stopped_product_is_posted_and_not_sent_and_a_person_hears_6_hours_ahead() {
    let world = World::new().await;
    let customer = world.customer(0).await;
    world.app.start_cursors().await.unwrap();
    let product = world.app.settings.subscriptions.products.first().unwrap();
    let switch = |stopped| world.app.switch_sending(product, stopped);
    assert_eq!(switch(true).await.unwrap(), Done::Changed);
    assert_eq!(switch(true).await.unwrap(), Done::Already);
    let hour = Hour::of(world.now());
    world.report(&customer.account, hour, "r", 3).await;
    world.post_after(hour).await;
    let warns = |told: &[Notice]| {
        told.iter()
            .any(|notice| matches!(notice, Notice::StoppedBeforeDeadline { .. }))
    };
    let (run, told) = world.told().await;
    assert_eq!((run.frozen, run.calls), (0, 0));
    assert!(!warns(&told), "{told:?}");
    assert_eq!(world.slot(&customer.license, hour).await.entries.len(), 1);
    let deadline = hour.start() + SignedDuration::from_hours(24);
    world
        .advance_to(deadline - SignedDuration::from_hours(6))
        .await;
    let (run, told) = world.told().await;
    assert_eq!((run.frozen, run.calls), (0, 0));
    assert!(warns(&told), "{told:?}");

    assert_eq!(switch(false).await.unwrap(), Done::Changed);
    world.advance(minutes(15)).await;
    assert_eq!(world.submit().await.billed, 1);
    assert_eq!(world.accepted(&customer.license), [(hour, 3)].into());
}

#[tokio::test]
async fn a_frozen_record_of_a_stopped_product_is_not_sent_again() {
    let (world, customer, hour) = posted().await;
    let lost = Fault::new("BatchMeterUsage", FaultKind::LostAnswer, 1);
    world.aws.inject_fault(lost).unwrap();
    world.submit().await;
    let product = world.app.settings.subscriptions.products.first().unwrap();
    world.app.switch_sending(product, true).await.unwrap();
    world.advance(minutes(10)).await;
    assert_eq!(world.submit().await.calls, 0);
    world.app.switch_sending(product, false).await.unwrap();
    world.advance(minutes(15)).await;
    assert_eq!(world.submit().await.billed, 1);
    assert_eq!(world.accepted(&customer.license), [(hour, 3)].into());
}

#[tokio::test]
async fn a_dry_run_shows_what_would_be_sent_and_writes_nothing() {
    let (world, customer, hour) = posted().await;
    let before = world.ledger_items().await;
    let shown = world.app.dry_run().await.unwrap();
    assert_eq!(world.ledger_items().await, before);
    assert_eq!(world.aws.accepted_records(), []);
    let shown: Vec<_> = shown.into_iter().map(|record| record.usage).collect();
    world.submit().await;
    let sent = world.slot(&customer.license, hour).await.records;
    let sent: Vec<_> = sent.into_iter().map(|record| record.usage).collect();
    assert_eq!(shown, sent);
}

/// A table as it is after it was restored: an hour that was sent, without the
/// answer; the next one open; and what was reported since, reported again.
async fn restored_table(world: &World) -> (Customer, Hour) {
    let customer = world.customer(0).await;
    world.app.start_cursors().await.unwrap();
    let hour = Hour::of(world.now());
    world.report(&customer.account, hour, "r", 3).await;
    world.post_after(hour).await;
    let lost = Fault::new("BatchMeterUsage", FaultKind::LostAnswer, 1);
    world.aws.inject_fault(lost).unwrap();
    world.submit().await;
    world.report(&customer.account, hour.next(), "r", 2).await;
    world.post_after(hour.next()).await;
    let from = world.now();
    world.advance(SignedDuration::from_hours(2)).await;
    let forgotten = Forgotten::new(from, world.now()).unwrap();
    assert_eq!(world.app.restored(forgotten).await.unwrap(), Done::Changed);
    assert_eq!(world.app.restored(forgotten).await.unwrap(), Done::Already);
    (customer, hour)
}

#[tokio::test]
async fn what_a_restored_table_forgot_is_unknown_and_never_sent_again() {
    let world = World::new().await;
    let (customer, hour) = restored_table(&world).await;
    let Customer {
        license, account, ..
    } = &customer;
    let calls = world.aws.calls().len();
    // Reports of the interval come again: of an hour posted before, and of one after.
    world.report(account, hour.next(), "again", 1).await;
    world.report(account, hour.plus(2), "again", 4).await;
    world.app.post_due(Timestamp::MAX).await.unwrap();
    let run = world.submit().await;
    assert_eq!((run.calls, run.closed), (0, 2));
    assert_eq!(world.aws.calls().len(), calls);
    let restored = MeteringStatus::WrittenOff(WriteOff::Restored);
    assert_eq!(world.status(account, hour).await, MeteringStatus::Unknown);
    assert_eq!(world.status(account, hour.plus(2)).await, restored);
    let lines = world.lines(account, hour.next()).await;
    let statuses: Vec<_> = lines.iter().map(|line| line.status).collect();
    assert_eq!(statuses, [MeteringStatus::Unknown, restored]);
    world.assert_conserved().await;

    // What comes after the interval is billed as ever.
    let later = Hour::of(world.now()).next();
    world.advance_to(later.start()).await;
    world.report(account, later, "r", 5).await;
    world.post_after(later).await;
    assert_eq!(world.submit().await.billed, 1);
    assert_eq!(world.accepted(license)[&later], 5);
}

#[tokio::test]
async fn unknown_outcomes_are_listed_until_they_are_found_out() {
    let world = World::new().await;
    let (customer, hour) = restored_table(&world).await;
    world.submit().await;
    let unknown = world.app.unknown().await.unwrap();
    assert_eq!(unknown.items.len(), 2, "{unknown:?}");
    let name = |hour| {
        let dimension = unknown.items[0].usage.dimension.clone();
        (customer.license.clone(), hour, dimension)
    };
    let accepted = Finding::Accepted {
        metering_record_id: Some("found-in-cloudtrail".to_owned()),
    };
    let found = world.app.resolve(&name(hour), &accepted).await.unwrap();
    assert!(matches!(found.state, RecordState::Billed { .. }));
    let next = name(hour.next());
    let found = world.app.resolve(&next, &Finding::NotAccepted).await;
    let RecordState::Closed { reason, .. } = found.unwrap().state else {
        panic!("it is closed");
    };
    assert_eq!(reason, CloseReason::WrittenOff);
    assert_eq!(world.app.unknown().await.unwrap().items, []);
    let again = world.app.resolve(&next, &accepted).await;
    assert!(matches!(again, Err(OperationError::NotUnknown(_))));
    let status = world.status(&customer.account, hour.next()).await;
    assert_eq!(status, MeteringStatus::NotAccepted);
    world.advance(SignedDuration::from_hours(1)).await;
    assert_eq!(world.submit().await.calls, 0);
}

#[tokio::test]
async fn a_slot_that_a_restored_table_shows_as_being_carried_is_carried_no_further() {
    let (world, customer, hour) = posted().await;
    let head = world.slot(&customer.license, hour).await.head;
    let carry = ledger::step::Carry {
        head,
        moved: Vec::new(),
        into: None,
        then: domain::ledger::slot::SlotState::Carrying { since: world.now() },
    };
    let written = world.app.store.carry(&carry).await.unwrap();
    assert_eq!(written, ledger::Written::Committed);
    let from = world.now();
    world.advance(SignedDuration::from_hours(1)).await;
    let forgotten = Forgotten::new(from, world.now()).unwrap();
    world.app.restored(forgotten).await.unwrap();
    let run = world.submit().await;
    assert_eq!((run.carried, run.calls, run.closed), (0, 0, 1));
    assert_eq!(
        world.status(&customer.account, hour).await,
        MeteringStatus::WrittenOff(WriteOff::Restored)
    );
    world.assert_conserved().await;
}
