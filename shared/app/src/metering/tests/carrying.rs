//! Usage that missed its own slot.

use std::num::NonZeroU16;
use std::sync::atomic::{AtomicUsize, Ordering};

use domain::account::Account;
use domain::change::Change;
use domain::hour::Hour;
use domain::ids::ProductCode;
use domain::ledger::account_hour::WriteOff;
use domain::ledger::slot::SlotState;
use jiff::{SignedDuration, Timestamp};
use ledger::step::Carry;
use ledger::{Answer, Step, StepError, Written, drive, submission};
use store::subscriptions::CommitOutcome;

use super::{Customer, minutes, posted};
use crate::testing::World;
use crate::usage_month::MeteringStatus;

/// Until when usage of an hour waits in its own slot: 10 minutes before its deadline.
fn carried_at(hour: Hour) -> Timestamp {
    hour.start() + SignedDuration::from_hours(24) - minutes(10)
}

/// Stops, or lets go on, the sending of everything.
async fn stop(world: &World, stopped: bool) {
    for product in world.app.settings.subscriptions.products.clone() {
        let product: ProductCode = product;
        world.app.switch_sending(&product, stopped).await.unwrap();
    }
}

/// An account of 64 parts, with 640 computers in an hour that is carried soon:
/// more entries than one transaction moves.
async fn large_slot(world: &World) -> (Customer, Hour) {
    let customer = world.customer(0).await;
    world.app.start_cursors().await.unwrap();
    let account = world.app.store.account(&customer.account).await.unwrap();
    let account = account.unwrap();
    let hour = Hour::of(world.now()).plus(3);
    let parts = NonZeroU16::new(64).unwrap();
    let parts = account.parts.changed(hour, parts, world.now()).unwrap();
    let change = Change {
        accounts: vec![Account { parts, ..account }],
        ..Change::default()
    };
    let outcome = world.app.store.commit(&change).await.unwrap();
    assert_eq!(outcome, CommitOutcome::Committed);
    stop(world, true).await;
    world.advance_to(hour.start()).await;
    world.report(&customer.account, hour, "r", 640).await;
    world.post_after(hour).await;
    let entries = world.slot(&customer.license, hour).await.entries.len();
    assert!(entries > 49, "{entries}");
    world.advance_to(carried_at(hour)).await;
    (customer, hour)
}

#[tokio::test]
async fn a_slot_that_was_not_sent_is_carried_and_billed_in_a_later_hour() {
    let world = World::new().await;
    let Customer {
        license, account, ..
    } = world.customer(0).await;
    world.app.start_cursors().await.unwrap();
    stop(&world, true).await;
    let hour = Hour::of(world.now());
    world.report(&account, hour, "r1", 3).await;
    world.advance_to(hour.end()).await;
    world.report(&account, hour.next(), "r2", 2).await;
    world.post_after(hour.next()).await;

    world.advance_to(carried_at(hour) - minutes(1)).await;
    assert_eq!(world.submit().await.carried, 0);
    assert_eq!(world.status(&account, hour).await, MeteringStatus::Open);
    world.advance_to(carried_at(hour)).await;
    assert_eq!(world.submit().await.carried, 1);
    let carried = world.slot(&license, hour).await;
    assert_eq!(carried.entries, []);
    assert!(matches!(carried.head.state, SlotState::Carried { .. }));
    // Beside the next hour's own entry, under the slot that it first entered.
    let mut origins: Vec<Hour> = Vec::new();
    for entry in world.slot(&license, hour.next()).await.entries {
        origins.push(entry.origin);
    }
    assert_eq!(origins, [hour, hour.next()]);
    world.assert_conserved().await;

    stop(&world, false).await;
    assert_eq!(world.submit().await.billed, 1);
    assert_eq!(world.accepted(&license), [(hour.next(), 5)].into());
    let lines = world.lines(&account, hour).await;
    assert_eq!(lines[0].status, MeteringStatus::Accepted);
    assert_eq!(lines[0].billed_in, Some(hour.next()));
    world.assert_conserved().await;
}

#[tokio::test]
async fn a_slot_to_which_usage_came_since_it_was_read_is_not_carried() {
    let (world, customer, hour) = posted().await;
    let read = world.slot(&customer.license, hour).await;
    world.report(&customer.account, hour, "late", 2).await;
    world.app.post_due(Timestamp::MAX).await.unwrap();
    let carry = Carry {
        head: read.head,
        moved: read.entries,
        into: Some(hour.next()),
        then: SlotState::Carried { at: world.now() },
    };
    let carried = world.app.store.carry(&carry).await.unwrap();
    assert_eq!(carried, Written::Lost);
    let slot = world.slot(&customer.license, hour).await;
    assert_eq!((slot.head.state, slot.entries.len()), (SlotState::Open, 1));
    world.assert_conserved().await;
}

/// All 640 computer-hours of a large slot are there, and sent within 15 minutes
/// once nothing stops them.
async fn assert_all_is_sent(world: &World, customer: &Customer) {
    world.assert_conserved().await;
    stop(world, false).await;
    world.advance(minutes(15)).await;
    world.submit().await;
    assert_eq!(world.accepted(&customer.license).values().sum::<u64>(), 640);
}

#[tokio::test]
async fn more_entries_than_one_transaction_takes_are_carried_in_several() {
    let world = World::new().await;
    let (customer, hour) = large_slot(&world).await;
    assert_eq!(world.submit().await.carried, 1);
    assert_eq!(world.slot(&customer.license, hour).await.entries, []);
    assert_all_is_sent(&world, &customer).await;
}

#[tokio::test]
async fn a_carry_that_crashed_between_two_transactions_is_carried_on() {
    let world = World::new().await;
    let (customer, hour) = large_slot(&world).await;
    crash_before_carry(&world, 1).await;
    let half = world.slot(&customer.license, hour).await;
    assert!(matches!(half.head.state, SlotState::Carrying { .. }));
    let into = world.slot(&customer.license, hour.next()).await;
    assert_eq!(into.entries.len(), 49);
    assert!(!half.entries.is_empty());
    world.assert_conserved().await;
    // What is on its way is shown as what it will be.
    let lines = world.lines(&customer.account, hour).await;
    assert!(lines.iter().all(|line| line.status == MeteringStatus::Open));

    assert_eq!(world.submit().await.carried, 1);
    assert_all_is_sent(&world, &customer).await;
}

#[tokio::test]
async fn what_was_on_its_way_when_the_license_ended_is_written_off_for_that() {
    let world = World::new().await;
    let (customer, hour) = large_slot(&world).await;
    crash_before_carry(&world, 1).await;
    world.cancel(&customer).await;
    world.advance(minutes(61)).await;
    world.submit().await;
    let slot = world.slot(&customer.license, hour).await;
    let may_be_ahead = "the clock that says so may be an hour ahead";
    assert!(
        matches!(slot.head.state, SlotState::Carrying { .. }),
        "{may_be_ahead}"
    );
    world.advance(minutes(70)).await;
    world.submit().await;
    let slot = world.slot(&customer.license, hour).await;
    let SlotState::Closed { reason, .. } = slot.head.state else {
        panic!("{:?}", slot.head);
    };
    assert_eq!(reason, WriteOff::LicenseEnded);
    world.assert_conserved().await;
}

#[tokio::test]
async fn two_submitters_carry_a_slot_once() {
    for seed in 0..3 {
        let world = World::seeded(seed).await;
        let (customer, hour) = large_slot(&world).await;
        futures_util::future::join(world.submit(), world.submit()).await;
        assert_eq!(world.slot(&customer.license, hour).await.entries, []);
        world.assert_conserved().await;
    }
}

#[tokio::test]
async fn usage_past_its_carry_horizon_is_written_off_and_says_so() {
    let mut world = World::new().await;
    world.app.settings.rules.carry.hours = 0;
    let Customer {
        license, account, ..
    } = world.customer(0).await;
    world.app.start_cursors().await.unwrap();
    stop(&world, true).await;
    let hour = Hour::of(world.now());
    world.report(&account, hour, "r", 3).await;
    world.post_after(hour).await;
    world.advance_to(carried_at(hour)).await;
    world.submit().await;
    let slot = world.slot(&license, hour).await;
    let SlotState::Closed { reason, .. } = slot.head.state else {
        panic!("{slot:?}");
    };
    assert_eq!(reason, WriteOff::TooLate);
    assert_eq!(
        world.status(&account, hour).await,
        MeteringStatus::WrittenOff(WriteOff::TooLate)
    );
    world.assert_conserved().await;
}

/// A submitter that dies before its carry of this number, counted from 0.
async fn crash_before_carry(world: &World, number: usize) {
    let (app, rules) = (&world.app, &world.app.settings.rules);
    let carries = AtomicUsize::new(0);
    let perform = async |step: Step| -> Result<Answer, StepError> {
        let carry = matches!(step, Step::CarrySlot { .. });
        if carry && carries.fetch_add(1, Ordering::Relaxed) == number {
            std::future::pending::<()>().await;
        }
        app.perform(step).await
    };
    let steps = app.steps();
    let run = submission::submit_due(&steps, rules, Timestamp::MAX);
    tokio::select! {
        biased;
        run = drive(&steps, run, perform, drop) => panic!("it did not crash: {run:?}"),
        () = reached(&carries, number + 1) => {}
    }
}

async fn reached(count: &AtomicUsize, wanted: usize) {
    while count.load(Ordering::Relaxed) < wanted {
        tokio::task::yield_now().await;
    }
}
