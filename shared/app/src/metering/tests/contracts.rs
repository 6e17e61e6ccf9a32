//! The prepaid part of contracts with consumption.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use domain::catalog::Catalog;
use domain::hour::Hour;
use domain::ids::Dimension;
use fake_aws::{Amendment, Fault, FaultKind, OfferKind, Renewal, RenewalIntent, RenewedLicense};
use jiff::{SignedDuration, Timestamp};
use ledger::{Answer, Step, StepError, drive, submission};
use serde_json::json;

use super::{Customer, minutes};
use crate::Done;
use crate::month::Month;
use crate::testing::{Logged, World, license_of};
use crate::usage_month::MeteringStatus;

/// A contract that covers 4 computer-hours of the Large tier in a day.
async fn with_contract() -> (World, Customer, Hour) {
    let mut world = World::new().await;
    let mut catalog = serde_json::to_value(Catalog::workload_security()).unwrap();
    catalog["contracts"] = json!([{"contract": "large_hours", "metered": "large"}]);
    world.app.settings.rules.catalog = Arc::new(serde_json::from_value(catalog).unwrap());
    let customer = world.customer(0).await;
    // AWS is asked what the license is entitled to, which is nothing yet.
    world.advance(SignedDuration::from_mins(1)).await;
    world.app.expire_due(Timestamp::MAX).await.unwrap();
    world.app.start_cursors().await.unwrap();
    let hour = Hour::of(world.now());
    let period = (hour.start(), hour.start() + SignedDuration::from_hours(24));
    let large = Dimension::parse("large").unwrap();
    for done in [Done::Changed, Done::Already] {
        let grant = world
            .app
            .grant_included(&customer.license, &large, period, 4);
        assert_eq!(grant.await.unwrap(), done);
    }
    (world, customer, hour)
}

async fn used(world: &World, customer: &Customer) -> u64 {
    let periods = world.app.store.included(&customer.license).await.unwrap();
    assert_eq!(periods.len(), 1);
    periods[0].used
}

#[tokio::test]
async fn what_a_contract_covers_is_used_up_before_anything_is_metered() {
    let (world, customer, hour) = with_contract().await;
    for (n, computers) in [(0, 3), (1, 3), (2, 3)] {
        world
            .report(&customer.account, hour.plus(n), "r", computers)
            .await;
        world.post_after(hour.plus(n)).await;
        world.submit().await;
    }
    assert_eq!(used(&world, &customer).await, 4);
    let metered = [(hour.next(), 2), (hour.plus(2), 3)];
    assert_eq!(world.accepted(&customer.license), metered.into());
    let status = world.status(&customer.account, hour).await;
    assert_eq!(status, MeteringStatus::Included);
    // The customer sees of each hour what is covered and what AWS bills.
    let lines = world.lines(&customer.account, hour.next()).await;
    let seen: Vec<_> = lines.iter().map(|line| (line.status, line.count)).collect();
    let (accepted, included) = (MeteringStatus::Accepted, MeteringStatus::Included);
    assert_eq!(seen, [(accepted, 2), (included, 1)]);
    world.assert_conserved().await;
}

/// What the pages of a month tell of the contract's periods: granted and used.
async fn told(world: &World, customer: &Customer, month: Month) -> Vec<(u64, u64)> {
    let usage = world.app.usage_month(&customer.account, month).await;
    let periods = world
        .app
        .included_in(&customer.account, &usage.unwrap())
        .await
        .unwrap();
    let large = periods
        .iter()
        .filter(|one| one.dimension.as_str() == "large");
    large.map(|period| (period.granted, period.used)).collect()
}

#[tokio::test]
async fn usage_in_the_hour_of_a_renewal_uses_up_both_periods() {
    let (world, customer, first) = with_contract().await;
    let last = Month::of(world.now()).next().first_hour();
    world
        .advance(last.plus(-1).start().duration_since(world.now()))
        .await;
    world.app.start_cursors().await.unwrap();
    let renewed_at = last.start() + minutes(17);
    let large = Dimension::parse("large").unwrap();
    let grant = async |from, until, computer_hours| {
        let period = (from, until);
        let app = &world.app;
        let granted = app.grant_included(&customer.license, &large, period, computer_hours);
        granted.await.unwrap();
    };
    grant(first.start(), renewed_at, 4).await;
    grant(renewed_at, last.plus(48).start(), 6).await;
    for (n, computers) in [(-1, 1), (0, 8), (1, 3)] {
        let hour = last.plus(n);
        world.report(&customer.account, hour, "r", computers).await;
        world.post_after(hour).await;
        world.submit().await;
    }
    // Of the renewal's hour 3 are left of the period before, and the new one has 5 of the 8.
    assert_eq!(world.accepted(&customer.license), [(last.next(), 2)].into());
    let (november, december) = (Month::of(first.start()), Month::of(last.start()));
    assert_eq!(told(&world, &customer, november).await, [(4, 1)]);
    assert_eq!(told(&world, &customer, december).await, [(4, 4), (6, 6)]);
    world.assert_conserved().await;
}

#[tokio::test]
async fn a_freeze_that_loses_takes_nothing_from_the_contract() {
    let (world, customer, hour) = with_contract().await;
    world.report(&customer.account, hour, "r", 3).await;
    world.post_after(hour).await;
    let (app, rules) = (&world.app, &world.app.settings.rules);
    let first = AtomicBool::new(true);
    // Just before the freeze is stored, usage that came late is posted.
    let perform = async |step: Step| -> Result<Answer, StepError> {
        let freeze = matches!(step, Step::FreezeSlot { .. });
        if freeze && first.swap(false, Ordering::Relaxed) {
            world.report(&customer.account, hour, "late", 3).await;
            app.post_due(Timestamp::MAX).await?;
        }
        app.perform(step).await
    };
    let steps = app.steps();
    let run = submission::submit_due(&steps, rules, Timestamp::MAX);
    let run = drive(&steps, run, perform, drop).await.unwrap();
    assert_eq!((run.frozen, run.calls), (0, 0));
    assert_eq!(used(&world, &customer).await, 0);

    assert_eq!(world.submit().await.billed, 1);
    assert_eq!(used(&world, &customer).await, 4);
    assert_eq!(world.accepted(&customer.license), [(hour, 2)].into());
    world.assert_conserved().await;
}

#[tokio::test]
async fn two_submitters_take_the_included_part_once() {
    for _schedule in 0..8 {
        let (world, customer, hour) = with_contract().await;
        world.report(&customer.account, hour, "r", 6).await;
        world.post_after(hour).await;
        futures_util::future::join(world.submit(), world.submit()).await;
        assert_eq!(used(&world, &customer).await, 4);
        assert_eq!(world.accepted(&customer.license), [(hour, 2)].into());
    }
}

/// A buyer of a contract that covers 1,000 computer-hours of each tier, of which
/// AWS has said nothing yet, and whose API does not answer.
async fn with_unread_contract() -> (World, Customer, Hour) {
    let (mut world, _, _) = with_contract().await;
    let catalog = Catalog::workload_security().with_contracts_by_name();
    world.app.settings.rules.catalog = Arc::new(catalog.unwrap());
    let down = Fault::new("GetEntitlements", FaultKind::InternalError, 10_000);
    world.aws.inject_fault(down).unwrap();
    let bought = world
        .aws
        .create_agreement(OfferKind::Consumption, "999988887777")
        .await;
    let agreement = bought.unwrap();
    world.deliver().await;
    let session = world.begin(&agreement.registration_token).await;
    let account = world.account("account-1", &["ann"]).await;
    world.link(&session, "ann", &account).await;
    let customer = Customer {
        license: license_of(&agreement),
        agreement,
        account,
    };
    let hour = Hour::of(world.now());
    (world, customer, hour)
}

/// An hour goes by as with the schedules: AWS is asked, hours are posted and sent.
async fn an_hour_goes_by(world: &World, customer: &Customer, hour: Hour) {
    world.report(&customer.account, hour, "r", 3).await;
    world.post_after(hour).await;
    world.app.expire_due(Timestamp::MAX).await.unwrap();
    world.submit().await;
}

#[tokio::test]
async fn nothing_is_metered_until_aws_says_what_a_contract_covers() {
    let (world, customer, first) = with_unread_contract().await;
    for n in 0..5 {
        an_hour_goes_by(&world, &customer, first.plus(n)).await;
    }
    assert_eq!(world.accepted(&customer.license), [].into());
    for n in 0..5 {
        let status = world.status(&customer.account, first.plus(n)).await;
        assert_eq!(status, MeteringStatus::AwaitsCover, "hour {n}");
    }
    let logged = Logged::from_now_on();
    world.advance(minutes(20)).await;
    world.app.expire_due(Timestamp::MAX).await.unwrap();
    let alarm = logged.alarm("EntitlementsUnknown");
    assert_eq!(alarm["license.id"], customer.license.to_string());

    world.aws.clear_faults();
    world.advance(minutes(20)).await;
    world.app.expire_due(Timestamp::MAX).await.unwrap();
    // Each minute's run freezes at least one: all take from the same contract.
    for _minute in 0..5 {
        world.submit().await;
    }
    for n in 0..5 {
        let status = world.status(&customer.account, first.plus(n)).await;
        assert_eq!(status, MeteringStatus::Included, "hour {n}");
    }
    assert_eq!(world.accepted(&customer.license), [].into());
    world.assert_conserved().await;
}

#[tokio::test]
async fn a_renewal_with_the_same_license_covers_its_hour_though_aws_answers_hours_later() {
    let (world, customer, first) = with_unread_contract().await;
    world.aws.clear_faults();
    world.report(&customer.account, first, "r", 900).await;
    world.post_after(first).await;
    world.app.expire_due(Timestamp::MAX).await.unwrap();
    world.submit().await;

    let renewed_in = Hour::of(world.now());
    world.advance(minutes(7)).await;
    let down = Fault::new("GetEntitlements", FaultKind::InternalError, 10_000);
    world.aws.inject_fault(down).unwrap();
    renew(&world, &customer, renewal(RenewedLicense::Same, None)).await;
    world.deliver().await;
    for (n, computers) in [(0, 300), (1, 500), (2, 400)] {
        let hour = renewed_in.plus(n);
        world.report(&customer.account, hour, "r", computers).await;
        world.post_after(hour).await;
        world.app.expire_due(Timestamp::MAX).await.unwrap();
        world.submit().await;
    }
    assert_eq!(world.accepted(&customer.license), [].into());

    world.aws.clear_faults();
    world.advance(SignedDuration::from_hours(1)).await;
    world.app.expire_due(Timestamp::MAX).await.unwrap();
    for _minute in 0..3 {
        world.submit().await;
    }
    // 100 are left of the period before; of the 1,000 of the new one, 200 go into its
    // first hour. The two hours after it are frozen side by side, and share the rest.
    let metered = world.accepted(&customer.license);
    assert_eq!(metered.values().sum::<u64>(), 100, "{metered:?}");
    assert!(metered.keys().all(|hour| *hour > renewed_in), "{metered:?}");
    world.assert_conserved().await;
}

#[tokio::test]
async fn who_lost_a_license_does_not_see_what_another_account_uses_of_it() {
    let (world, customer, first) = with_unread_contract().await;
    world.aws.clear_faults();
    world.report(&customer.account, first, "r", 3).await;
    world.post_after(first).await;
    world.app.expire_due(Timestamp::MAX).await.unwrap();
    world.submit().await;
    let month = Month::of(first.start());
    assert!(!told(&world, &customer, month).await.is_empty());
    let token = world
        .aws
        .new_token(&customer.agreement.license_arn)
        .unwrap();
    let session = world.begin(&token).await;
    let other = world.account("account-9", &["ann"]).await;
    world.link(&session, "ann", &other).await;
    assert_eq!(told(&world, &customer, month).await, []);
}

/// A renewal at once.
fn renewal(license: RenewedLicense, offer: Option<OfferKind>) -> Renewal {
    Renewal {
        license,
        intent: RenewalIntent::Renew,
        offer,
        starts_at: None,
    }
}

async fn renew(world: &World, customer: &Customer, renewal: Renewal) {
    let id = &customer.agreement.agreement_id;
    world.aws.renew_agreement(id, renewal).await.unwrap();
}

/// How a contract becomes pay as you go, with the same license.
#[derive(Debug, Clone, Copy)]
enum Becomes {
    Amended,
    Followed(RenewalIntent),
}

#[tokio::test]
async fn a_contract_that_becomes_pay_as_you_go_covers_nothing_from_then_on() {
    for becomes in [
        Becomes::Amended,
        Becomes::Followed(RenewalIntent::Renew),
        Becomes::Followed(RenewalIntent::Replace),
    ] {
        let (world, customer, first) = with_unread_contract().await;
        world.aws.clear_faults();
        an_hour_goes_by(&world, &customer, first).await;
        match becomes {
            Becomes::Amended => {
                let amendment = Amendment {
                    offer: Some(OfferKind::Public),
                    ..Amendment::default()
                };
                let id = &customer.agreement.agreement_id;
                world.aws.amend_agreement(id, amendment).await.unwrap();
            }
            Becomes::Followed(intent) => {
                let renewal = Renewal {
                    intent,
                    ..renewal(RenewedLicense::Same, Some(OfferKind::Public))
                };
                renew(&world, &customer, renewal).await;
            }
        }
        world.deliver().await;
        world.advance(minutes(1)).await;
        world.app.expire_due(Timestamp::MAX).await.unwrap();
        // The hour in which it becomes so is the contract's too.
        let became_in = Hour::of(world.now());
        for n in 0..4 {
            an_hour_goes_by(&world, &customer, became_in.plus(n)).await;
        }
        let metered: Vec<_> = (1..4).map(|n| (became_in.plus(n), 3)).collect();
        let accepted = world.accepted(&customer.license);
        assert_eq!(accepted, metered.into_iter().collect(), "{becomes:?}");
        let periods = world.app.included(&customer.license).await.unwrap();
        let running = periods.iter().filter(|one| world.now() < one.until);
        assert_eq!(running.count(), 0, "{becomes:?}: {periods:?}");
        world.assert_conserved().await;
    }
}

#[tokio::test]
async fn an_answer_that_lags_behind_a_purchase_is_waited_for_and_people_are_told() {
    let (world, customer, first) = with_unread_contract().await;
    world.aws.clear_faults();
    let lags = Fault::new("GetEntitlements", FaultKind::Lag, 3);
    world.aws.inject_fault(lags).unwrap();
    let logged = Logged::from_now_on();
    an_hour_goes_by(&world, &customer, first).await;
    an_hour_goes_by(&world, &customer, first.next()).await;
    assert!(!logged.alarms().is_empty());
    assert!(
        logged
            .alarms()
            .iter()
            .all(|alarm| alarm["alarm"] == "EntitlementsUnknown")
    );
    drop(logged);
    an_hour_goes_by(&world, &customer, first.plus(2)).await;
    an_hour_goes_by(&world, &customer, first.plus(3)).await;
    for _minute in 0..4 {
        world.submit().await;
    }
    assert_eq!(world.accepted(&customer.license), [].into());
    let status = world.status(&customer.account, first).await;
    assert_eq!(status, MeteringStatus::Included);
    world.assert_conserved().await;
}

#[tokio::test]
async fn a_license_that_ends_before_aws_says_what_it_covers_is_metered_and_people_are_told() {
    let (world, customer, first) = with_unread_contract().await;
    an_hour_goes_by(&world, &customer, first).await;
    assert_eq!(world.accepted(&customer.license), [].into());
    let id = &customer.agreement.agreement_id;
    world.aws.cancel_agreement(id).await.unwrap();
    let logged = Logged::from_now_on();
    world.deliver().await;
    let alarm = logged.alarm("EntitlementsGivenUp");
    assert_eq!(alarm["license.id"], customer.license.to_string());
    drop(logged);
    world.advance(minutes(11)).await;
    world.app.expire_due(Timestamp::MAX).await.unwrap();
    world.app.post_due(Timestamp::MAX).await.unwrap();
    world.submit().await;
    assert_eq!(world.accepted(&customer.license), [(first, 3)].into());
    world.assert_conserved().await;
}

#[tokio::test]
async fn a_license_that_another_one_follows_before_aws_says_what_it_covers_tells_people_too() {
    let (world, customer, first) = with_unread_contract().await;
    an_hour_goes_by(&world, &customer, first).await;
    renew(&world, &customer, renewal(RenewedLicense::New, None)).await;
    let logged = Logged::from_now_on();
    world.deliver().await;
    let alarm = logged.alarm("EntitlementsGivenUp");
    assert_eq!(alarm["license.id"], customer.license.to_string());
}

#[tokio::test]
async fn a_contract_that_ends_at_its_time_calls_nobody() {
    let (world, customer, first) = with_unread_contract().await;
    world.aws.clear_faults();
    let ends_at = world.now() + SignedDuration::from_hours(3);
    let amendment = Amendment {
        ends_at: Some(ends_at),
        ..Amendment::default()
    };
    let id = &customer.agreement.agreement_id;
    world.aws.amend_agreement(id, amendment).await.unwrap();
    world.deliver().await;
    an_hour_goes_by(&world, &customer, first).await;
    let logged = Logged::from_now_on();
    world.advance(ends_at.duration_since(world.now())).await;
    world.deliver().await;
    let license = world.app.store.license(&customer.license).await.unwrap();
    assert!(license.unwrap().has_ended());
    world.app.expire_due(Timestamp::MAX).await.unwrap();
    assert_eq!(logged.alarms(), [] as [serde_json::Value; 0]);
}

#[tokio::test]
async fn usage_waits_a_day_at_most_for_what_a_contract_covers() {
    let (world, customer, first) = with_unread_contract().await;
    for n in 0..26 {
        an_hour_goes_by(&world, &customer, first.plus(n)).await;
    }
    let logged = Logged::from_now_on();
    world.advance(minutes(20)).await;
    world.app.expire_due(Timestamp::MAX).await.unwrap();
    world.submit().await;
    logged.alarm("EntitlementsGivenUp");
    let metered: u64 = world.accepted(&customer.license).values().sum();
    assert_eq!(metered, 26 * 3, "none of it is lost");
    world.assert_conserved().await;
}
