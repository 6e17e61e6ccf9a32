use domain::account::Standing;
use domain::ids::{AccountId, Dimension};
use domain::money::Usd;
use fake_aws::{Amendment, Fault, FaultKind, NewAgreement, OfferKind};

use super::*;
use crate::testing::{World, license_of};

const BUYER: &str = "999988887777";

/// The APIs that are asked about a license.
const ASKED: [&str; 4] = [
    "DescribeAgreement",
    "SearchAgreements",
    "GetAgreementTerms",
    "GetEntitlements",
];

/// A world that sells contracts with consumption too, and an account to which a
/// purchase of an offer is linked.
async fn customer(offer: OfferKind) -> (World, AccountId, NewAgreement) {
    let world = selling_contracts().await;
    let bought = world.aws.create_agreement(offer, BUYER).await.unwrap();
    world.deliver().await;
    let account = world.account("north", &["ada"]).await;
    let session = world.begin(&bought.registration_token).await;
    world.link(&session, "ada", &account).await;
    // The next minute's run is the first to ask.
    world.advance(SignedDuration::from_mins(1)).await;
    (world, account, bought)
}

/// A world that sells contracts with consumption too.
async fn selling_contracts() -> World {
    let mut world = World::new().await;
    let catalog = domain::catalog::Catalog::workload_security();
    let covered = |rate: &domain::catalog::Rate| domain::catalog::ContractDimension {
        contract: Dimension::parse(format!("{}_hours", rate.dimension)).unwrap(),
        metered: rate.dimension.clone(),
    };
    let contracts = catalog.rates().iter().map(covered).collect();
    world.app.settings.rules.catalog =
        std::sync::Arc::new(catalog.with_contracts(contracts).unwrap());
    world
}

async fn known(world: &World, bought: &NewAgreement) -> License {
    let license = world.app.store.license(&license_of(bought)).await.unwrap();
    license.unwrap()
}

async fn standing(world: &World, account: &AccountId) -> Standing {
    let account = world.app.store.account(account).await.unwrap().unwrap();
    account.standing_at(world.now())
}

async fn ask(world: &World) {
    let run = world.app.expire_due(Timestamp::MAX).await.unwrap();
    assert_eq!(run.failed, 0);
}

fn fail(world: &World, operations: &[&str], kind: FaultKind) {
    for operation in operations {
        let fault = Fault {
            operation: (*operation).to_owned(),
            fault: kind,
            times: 1_000,
            license_arn: None,
            records: None,
            delay_ms: None,
        };
        world.aws.inject_fault(fault).unwrap();
    }
}

/// An agreement is amended, and the next minute's run asks.
async fn amend(world: &World, bought: &NewAgreement, amendment: Amendment) {
    let amended = world.aws.amend_agreement(&bought.agreement_id, amendment);
    amended.await.unwrap();
    world.deliver().await;
    world.advance(SignedDuration::from_mins(1)).await;
    ask(world).await;
}

fn large() -> Dimension {
    Dimension::parse("large").unwrap()
}

#[tokio::test]
async fn a_private_offers_rates_are_asked_for_and_follow_an_amendment() {
    let (world, _, bought) = customer(OfferKind::PrivateYearly).await;
    ask(&world).await;
    let license = known(&world, &bought).await;
    let [pricing] = &license.pricing[..] else {
        panic!("{:?}", license.pricing);
    };
    // 80% of the list price of 0.032 dollars.
    assert_eq!(
        pricing.rate(&large(), world.now()),
        Some(Usd::from_micros(25_600))
    );
    let prepaid = pricing.terms.prepaid.unwrap();
    assert_eq!((prepaid.micros, prepaid.payments), (9_600_000_000, 1));

    world.advance(SignedDuration::from_hours(5)).await;
    let amendment = Amendment {
        offer: Some(OfferKind::PrivateMonthly),
        ..Amendment::default()
    };
    amend(&world, &bought, amendment).await;
    let license = known(&world, &bought).await;
    let [_, amended] = &license.pricing[..] else {
        panic!("{:?}", license.pricing);
    };
    assert_eq!(
        amended.rate(&large(), world.now()),
        Some(Usd::from_micros(27_200))
    );
    assert_eq!(amended.terms.prepaid.unwrap().payments, 12);
}

#[tokio::test]
async fn hours_used_before_the_agreements_beginning_was_known_stay_used() {
    let world = selling_contracts().await;
    let bought = world.aws.create_agreement(OfferKind::Consumption, BUYER);
    let license = license_of(&bought.await.unwrap());
    let [mut created, updated] = <[_; 2]>::try_from(world.take_events()).unwrap();
    world.record(&updated).await;
    world.advance(SignedDuration::from_mins(1)).await;
    ask(&world).await;
    let of_large = async || {
        let periods = world.app.included(&license).await.unwrap().into_iter();
        let periods = periods.filter(|period| period.dimension == large());
        periods.collect::<Vec<_>>()
    };
    let [granted] = <[_; 1]>::try_from(of_large().await).unwrap();
    let (used, taken) = granted.taken(7);
    assert_eq!(taken, 7);
    let _alone = world.app.store.put_included(&used).await.unwrap();

    // The agreement began a minute before its license was activated.
    let began_at = granted.from - SignedDuration::from_secs(61);
    created["detail"]["agreement"]["startTime"] = serde_json::json!(began_at);
    world.record(&created).await;
    ask(&world).await;
    let mut periods = of_large().await;
    periods.retain(|period| period.from < period.until);
    let [period] = <[_; 1]>::try_from(periods).unwrap();
    assert_eq!((period.from, period.until), (began_at, granted.until));
    assert_eq!((period.granted, period.used), (1_000, 7));
}

#[tokio::test]
async fn a_free_trial_costs_nothing_for_its_days() {
    let (world, _, bought) = customer(OfferKind::FreeTrial).await;
    ask(&world).await;
    let license = known(&world, &bought).await;
    let [pricing] = &license.pricing[..] else {
        panic!("{:?}", license.pricing);
    };
    let day = |days: i64| after(world.now(), SignedDuration::from_hours(24 * days));
    assert_eq!(pricing.rate(&large(), day(13)), Some(Usd::ZERO));
    assert_eq!(
        pricing.rate(&large(), day(15)),
        Some(Usd::from_micros(32_000))
    );
}

#[tokio::test]
async fn what_a_license_is_entitled_to_is_used_up_first_and_follows_amendments() {
    let (world, _, bought) = customer(OfferKind::Consumption).await;
    ask(&world).await;
    let license = license_of(&bought);
    let granted = async || {
        let periods = world.app.included(&license).await.unwrap();
        let of_large = periods
            .into_iter()
            .filter(|period| period.dimension == large());
        of_large.map(|period| period.granted).collect::<Vec<_>>()
    };
    assert_eq!(granted().await, [1_000]);
    let amendment = Amendment {
        hours: Some(2_500),
        ..Amendment::default()
    };
    amend(&world, &bought, amendment).await;
    assert_eq!(granted().await, [2_500]);
}

#[tokio::test]
async fn an_answer_that_fails_overwrites_nothing_that_is_stored() {
    let (world, _, bought) = customer(OfferKind::Consumption).await;
    ask(&world).await;
    let before = known(&world, &bought).await;
    for kind in [
        FaultKind::Throttle,
        FaultKind::InternalError,
        FaultKind::LostAnswer,
    ] {
        world.advance(SignedDuration::from_hours(25)).await;
        fail(&world, &ASKED, kind);
        ask(&world).await;
        world.aws.clear_faults();
        let after = known(&world, &bought).await;
        assert_eq!(after.entitlements, before.entitlements);
        assert_eq!(after.pricing, before.pricing);
        let periods = world.app.included(&before.id).await.unwrap();
        assert!(periods.iter().all(|period| period.granted == 1_000));
    }
    // Asked again once a day, and nothing new is stored when nothing changed.
    world.advance(SignedDuration::from_hours(25)).await;
    ask(&world).await;
    assert_eq!(known(&world, &bought).await.version, before.version);
}

#[tokio::test]
async fn a_question_without_an_answer_is_asked_again_within_limits() {
    let (world, _, _) = customer(OfferKind::Public).await;
    fail(&world, &ASKED, FaultKind::InternalError);
    let before = world.aws.calls().len();
    for _minute in 0..120 {
        ask(&world).await;
        world.advance(SignedDuration::from_mins(1)).await;
    }
    let asked = world.aws.calls().len() - before;
    // Terms and entitlements: often at first, then every quarter of an hour.
    assert!((20..=60).contains(&asked), "{asked}");
    world.aws.clear_faults();
    world.advance(SignedDuration::from_mins(15)).await;
    ask(&world).await;
    let asks = known_asks(&world).await;
    assert_eq!(asks.terms, None);
}

async fn known_asks(world: &World) -> domain::license::Asks {
    let arn = &world.aws.licenses()[0].license_arn;
    let license = domain::ids::LicenseArn::parse(arn.clone()).unwrap();
    let known = world.app.store.license(license.id()).await.unwrap();
    known.unwrap().asks
}

#[tokio::test]
async fn an_end_that_passes_while_aws_is_silent_ends_nothing_for_24_hours() {
    let (world, account, bought) = customer(OfferKind::PrivateYearly).await;
    ask(&world).await;
    let ends_at = known(&world, &bought).await.agreement_ends_at.unwrap();
    fail(&world, &ASKED, FaultKind::InternalError);
    world.aws.advance_to(ends_at).await.unwrap();
    assert!(!world.take_events().is_empty(), "events that nobody gets");
    for _hour in 0..23 {
        ask(&world).await;
        world.advance(SignedDuration::from_hours(1)).await;
    }
    assert_eq!(standing(&world, &account).await, Standing::Subscribed);
    world.advance(SignedDuration::from_hours(1)).await;
    ask(&world).await;
    assert_eq!(standing(&world, &account).await, Standing::Expired);
}

#[tokio::test]
async fn an_end_that_passes_and_that_aws_confirms_is_the_end_when_it_was() {
    let (world, account, bought) = customer(OfferKind::PrivateYearly).await;
    ask(&world).await;
    let ends_at = known(&world, &bought).await.agreement_ends_at.unwrap();
    world.aws.advance_to(ends_at).await.unwrap();
    world.take_events();
    world.advance(SignedDuration::from_mins(1)).await;
    ask(&world).await;
    assert_eq!(standing(&world, &account).await, Standing::Expired);
    let links = world
        .app
        .store
        .links_of_account(&account, Timestamp::MIN, Timestamp::MAX);
    assert_eq!(links.await.unwrap()[0].until, Some(ends_at));
}

#[tokio::test]
async fn a_buyer_whose_license_event_was_lost_waits_two_minutes_not_for_ever() {
    let world = World::new().await;
    let bought = world.subscribe(BUYER).await;
    world.take_events();
    world.begin(&bought.registration_token).await;
    assert!(!known(&world, &bought).await.is_active(world.now()));
    world.advance(SignedDuration::from_mins(2)).await;
    ask(&world).await;
    assert!(known(&world, &bought).await.is_active(world.now()));
}
