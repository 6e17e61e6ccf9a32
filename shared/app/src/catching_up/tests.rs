use domain::account::Standing;
use domain::ids::{AccountId, LicenseId};
use domain::license::License;
use fake_aws::{
    Amendment, Fault, FaultKind, NewAgreement, OfferKind, Purchase, Renewal, RenewalIntent,
    RenewedLicense, ToldBy,
};

use super::*;
use crate::testing::{Logged, World, license_of};

const BUYER: &str = "999988887777";

/// An account to which a purchase of an offer is linked.
async fn customer(world: &World, name: &str, offer: OfferKind) -> (AccountId, NewAgreement) {
    let bought = world
        .aws
        .accept_offer(Purchase {
            offer,
            buyer_account: BUYER.to_owned(),
            starts_at: None,
            auto_renewal: false,
            told_by: ToldBy::EventBridge,
        })
        .await
        .unwrap();
    world.deliver().await;
    let account = world.account(name, &["ada"]).await;
    let session = world.begin(&bought.registration_token).await;
    world.link(&session, "ada", &account).await;
    (account, bought)
}

async fn license(world: &World, id: &LicenseId) -> Option<License> {
    world.app.store.license(id).await.unwrap()
}

async fn standing(world: &World, account: &AccountId) -> Standing {
    let account = world.app.store.account(account).await.unwrap().unwrap();
    account.standing_at(world.now())
}

async fn renew_with_another_license(world: &World, agreement: &str) -> NewAgreement {
    let renewal = Renewal {
        license: RenewedLicense::New,
        intent: RenewalIntent::Renew,
        offer: None,
        starts_at: None,
    };
    world.aws.renew_agreement(agreement, renewal).await.unwrap()
}

fn fault(operation: &str, fault: FaultKind, times: u32) -> Fault {
    Fault {
        operation: operation.to_owned(),
        fault,
        times,
        license_arn: None,
        records: None,
        delay_ms: None,
    }
}

/// A run over all agreements, which learns what it finds.
async fn look_at_all(world: &World) -> CatchingUp {
    let run = world
        .app
        .catch_up(Scope::All, Found::Learned, Timestamp::MAX);
    run.await.unwrap()
}

#[tokio::test]
async fn after_three_days_without_events_the_state_is_right_within_one_run() {
    let world = World::new().await;
    let (renewed_account, renewed) = customer(&world, "north", OfferKind::PrivateYearly).await;
    let (cancelled_account, cancelled) = customer(&world, "south", OfferKind::Public).await;
    let (amended_account, amended) = customer(&world, "east", OfferKind::Consumption).await;
    let (kept_account, _) = customer(&world, "west", OfferKind::Public).await;
    let first = look_at_all(&world).await;
    assert_eq!((first.listed, first.repaired.len()), (4, 0));

    world.advance(SignedDuration::from_hours(24)).await;
    let heir = renew_with_another_license(&world, &renewed.agreement_id).await;
    let created = world.subscribe("111111111111").await;
    world.advance(SignedDuration::from_hours(24)).await;
    world
        .aws
        .cancel_agreement(&cancelled.agreement_id)
        .await
        .unwrap();
    let ends_at = world.now() + SignedDuration::from_hours(24 * 700);
    let ends_at = Timestamp::from_second(ends_at.as_second()).unwrap();
    let amendment = Amendment {
        ends_at: Some(ends_at),
        ..Amendment::default()
    };
    world
        .aws
        .amend_agreement(&amended.agreement_id, amendment)
        .await
        .unwrap();
    world.advance(SignedDuration::from_hours(24)).await;
    assert!(!world.take_events().is_empty(), "events that nobody gets");

    let run = world
        .app
        .catch_up(Scope::Scheduled, Found::Learned, Timestamp::MAX)
        .await
        .unwrap();
    assert_eq!((run.failed, run.unreadable, run.finished), (0, 0, true));
    let renewed_to = license(&world, &license_of(&heir)).await.unwrap();
    assert_eq!(renewed_to.linked, Some(renewed_account.clone()));
    assert!(
        license(&world, &license_of(&renewed))
            .await
            .unwrap()
            .has_ended()
    );
    let created = license(&world, &license_of(&created)).await.unwrap();
    assert!(created.is_active(world.now()));
    assert_eq!(
        standing(&world, &cancelled_account).await,
        Standing::Expired
    );
    let amended = license(&world, &license_of(&amended)).await.unwrap();
    assert_eq!(amended.agreement_ends_at, Some(ends_at));
    for account in [&renewed_account, &amended_account, &kept_account] {
        assert_eq!(standing(&world, account).await, Standing::Subscribed);
    }
    // No gap: the account was never anything but subscribed.
    let links = world
        .app
        .store
        .links_of_account(&renewed_account, Timestamp::MIN, Timestamp::MAX);
    let links = links.await.unwrap();
    let [old, new] = &links[..] else {
        panic!("{links:?}");
    };
    assert_eq!(old.until, Some(new.from));

    let again = look_at_all(&world).await;
    assert_eq!(again.repaired.len(), 0);
}

#[tokio::test]
async fn a_change_of_the_last_minutes_is_left_to_its_event_unless_all_is_asked_for() {
    let world = World::new().await;
    let bought = world.subscribe(BUYER).await;
    let scheduled = world
        .app
        .catch_up(Scope::Scheduled, Found::Learned, Timestamp::MAX)
        .await
        .unwrap();
    assert_eq!(scheduled.repaired.len(), 0);
    assert_eq!(license(&world, &license_of(&bought)).await, None);
    world.advance(SignedDuration::from_mins(11)).await;
    let scheduled = world
        .app
        .catch_up(Scope::Scheduled, Found::Learned, Timestamp::MAX)
        .await
        .unwrap();
    assert_eq!(scheduled.repaired.len(), 1);
    // The event that comes after all changes nothing that matters.
    world.deliver().await;
    assert!(
        license(&world, &license_of(&bought))
            .await
            .unwrap()
            .is_active(world.now())
    );

    let another = world.subscribe("111111111111").await;
    let looked = world
        .app
        .catch_up(Scope::All, Found::Told, Timestamp::MAX)
        .await
        .unwrap();
    assert_eq!(looked.repaired.len(), 1);
    assert!(license(&world, &license_of(&another)).await.is_none());
    let all = look_at_all(&world).await;
    assert_eq!(all.repaired.len(), 1);
    assert!(license(&world, &license_of(&another)).await.is_some());
}

#[tokio::test]
async fn agreements_of_products_that_are_not_sold_here_are_none_of_ours() {
    let mut world = World::new().await;
    let mut policy = (*world.app.settings.subscriptions).clone();
    policy.product_ids.clear();
    world.app.settings.subscriptions = std::sync::Arc::new(policy);
    let bought = world.subscribe(BUYER).await;
    let logged = Logged::from_now_on();
    let run = look_at_all(&world).await;
    assert_eq!((run.listed, run.repaired.len()), (0, 0));
    assert_eq!(logged.alarm("AgreementsUnchecked")["run.others"], 1);
    assert_eq!(license(&world, &license_of(&bought)).await, None);
}

#[tokio::test]
async fn a_run_that_aws_does_not_answer_changes_nothing_and_the_next_one_is_right() {
    let world = World::new().await;
    let bought = world.subscribe(BUYER).await;
    for kind in [
        FaultKind::Throttle,
        FaultKind::InternalError,
        FaultKind::LostAnswer,
    ] {
        world
            .aws
            .inject_fault(fault("SearchAgreements", kind, 100))
            .unwrap();
        let before = world.aws.calls().len();
        let run = world
            .app
            .catch_up(Scope::All, Found::Learned, Timestamp::MAX)
            .await;
        assert!(run.is_err(), "{run:?}");
        // Once, and 4 times again.
        assert_eq!(world.aws.calls().len() - before, 5);
        assert_eq!(license(&world, &license_of(&bought)).await, None);
        world.aws.clear_faults();
    }
    world.silent.lock().unwrap().insert("SearchAgreements");
    let run = world
        .app
        .catch_up(Scope::All, Found::Learned, Timestamp::MAX)
        .await;
    assert!(run.is_err(), "{run:?}");
    world.silent.lock().unwrap().clear();
    // An empty page that carries a token is not the end.
    world
        .aws
        .inject_fault(fault("SearchAgreements", FaultKind::EmptyPage, 1))
        .unwrap();
    let run = look_at_all(&world).await;
    assert_eq!((run.listed, run.repaired.len()), (1, 1));
}

#[tokio::test]
async fn a_lost_end_is_found_by_the_next_run_however_young_it_is() {
    let world = World::new().await;
    let (account, bought) = customer(&world, "north", OfferKind::Public).await;
    look_at_all(&world).await;
    world.advance(SignedDuration::from_mins(20)).await;
    world
        .aws
        .cancel_agreement(&bought.agreement_id)
        .await
        .unwrap();
    let cancelled_at = world.now();
    world.take_events();
    world.advance(SignedDuration::from_mins(9)).await;
    world
        .app
        .catch_up(Scope::Scheduled, Found::Learned, Timestamp::MAX)
        .await
        .unwrap();
    assert_eq!(standing(&world, &account).await, Standing::Expired);
    let links = world
        .app
        .store
        .links_of_account(&account, Timestamp::MIN, Timestamp::MAX);
    let until = links.await.unwrap()[0].until.unwrap();
    // Pay as you go has no end that AWS would tell: it ended when AWS said so at the latest.
    assert!(cancelled_at <= until && until <= world.now());
}

/// The most calls of an operation that AWS was made within one second.
fn most_in_a_second(world: &World, operation: &str) -> usize {
    let calls = world.aws.calls().into_iter();
    let calls = calls.filter(|call| call.operation == operation);
    let at: Vec<Timestamp> = calls.map(|call| call.at).collect();
    let within = |from: &Timestamp| {
        let second = SignedDuration::from_secs(1);
        let in_it = at
            .iter()
            .filter(|at| *from <= **at && at.duration_since(*from) < second);
        in_it.count()
    };
    at.iter().map(within).max().unwrap_or_default()
}

fn calls(world: &World, operation: &str) -> usize {
    let calls = world.aws.calls().into_iter();
    calls.filter(|call| call.operation == operation).count()
}

#[tokio::test]
async fn two_hundred_agreements_take_no_more_calls_than_pages_and_questions() {
    let world = World::limited().await;
    for n in 0..200 {
        world
            .subscribe(&format!("{:012}", 100_000_000_000_u64 + n))
            .await;
    }
    world.take_events();
    // AWS refuses some as too many, for others call it too.
    world
        .aws
        .inject_fault(fault("SearchAgreements", FaultKind::Throttle, 3))
        .unwrap();
    let run = look_at_all(&world).await;
    assert_eq!((run.listed, run.repaired.len(), run.failed), (200, 200, 0));
    assert!(run.finished);
    // Pages of 50, and those that were refused.
    assert_eq!(calls(&world, "SearchAgreements"), 4 + 3);

    // Then rates and entitlements are asked for, of each license once.
    let mut runs = 0;
    loop {
        world.advance(SignedDuration::from_mins(1)).await;
        let deadline = world.now() + SignedDuration::from_secs(50);
        let run = world.app.expire_due(deadline).await.unwrap();
        assert_eq!(run.failed, 0);
        runs += 1;
        if run.looked_at == 0 {
            break;
        }
        assert!(run.looked_at <= 100, "{run:?}");
    }
    assert_eq!(runs, 3);
    for operation in ["GetAgreementTerms", "GetEntitlements"] {
        assert_eq!(calls(&world, operation), 200, "{operation}");
        assert!(most_in_a_second(&world, operation) <= 2, "{operation}");
    }
    assert!(most_in_a_second(&world, "SearchAgreements") <= 2);
    assert_eq!(calls(&world, "DescribeAgreement"), 0);
    for id in world.app.store.every_license().await.unwrap() {
        let license = license(&world, &id).await.unwrap();
        assert!(license.is_active(world.now()));
        assert_eq!((license.pricing.len(), license.asks.terms), (1, None));
    }
}

#[tokio::test]
async fn a_list_that_never_ends_ends_with_the_time_and_is_begun_again() {
    let world = World::limited().await;
    let bought = world.subscribe(BUYER).await;
    world
        .aws
        .inject_fault(fault("SearchAgreements", FaultKind::EmptyPage, 100_000))
        .unwrap();
    let deadline = world.now() + SignedDuration::from_secs(50);
    let run = world.app.catch_up(Scope::All, Found::Learned, deadline);
    assert!(!run.await.unwrap().finished);
    // Two a second.
    assert_eq!(calls(&world, "SearchAgreements"), 100);
    world.aws.clear_faults();
    let run = world
        .app
        .catch_up(Scope::All, Found::Learned, Timestamp::MAX);
    assert!(run.await.unwrap().finished);
    assert!(license(&world, &license_of(&bought)).await.is_some());
}

#[tokio::test]
async fn an_agreement_that_cannot_be_compared_is_an_alarm_and_hides_no_other() {
    let world = World::new().await;
    let first = world.subscribe(BUYER).await;
    let second = world.subscribe("111111111111").await;
    world
        .aws
        .inject_fault(fault("Query", FaultKind::InternalError, 1))
        .unwrap();
    let logged = Logged::from_now_on();
    let run = look_at_all(&world).await;
    assert_eq!((run.repaired.len(), run.failed), (1, 1));
    let told = logged.alarm("AgreementUnchecked");
    let named = told["agreement.id"].as_str().unwrap();
    let failed = [&first, &second].map(|bought| bought.agreement_id.as_str());
    assert!(failed.contains(&named), "{told}");
    assert!(
        !run.repaired
            .iter()
            .any(|repaired| repaired.0.as_str() == named)
    );
    assert!(told["error"].as_str().unwrap().contains("the store failed"));
}

#[test]
fn an_agreement_without_what_identifies_it_is_an_alarm_that_says_what_is_missing() {
    let logged = Logged::from_now_on();
    report_unreadable(&["acceptor.accountId"]);
    let told = logged.alarm("AgreementUnchecked");
    let message = told["message"].as_str().unwrap();
    assert!(message.contains("no usable acceptor.accountId"), "{told}");
}
