use domain::account::Standing;
use domain::catalog::Catalog;
use domain::ids::{AccountId, Dimension};
use domain::money::Usd;
use fake_aws::{Amendment, Fault, FaultKind, NewAgreement, OfferKind};

use super::*;
use crate::testing::{Logged, World, license_of};

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
    let catalog = Catalog::workload_security().with_contracts_by_name();
    world.app.settings.rules.catalog = std::sync::Arc::new(catalog.unwrap());
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
    let names_it = |told: &serde_json::Value| {
        assert_eq!(told["license.id"], license_of(&bought).to_string());
        assert_eq!(told["agreement.id"], bought.agreement_id);
        assert_eq!(told["agreement.unknown_since"], ends_at.to_string());
    };
    for _hour in 0..23 {
        let logged = Logged::from_now_on();
        ask(&world).await;
        let told = logged.alarm("AgreementUnknown");
        names_it(&told);
        let until = after(ends_at, SignedDuration::from_hours(24)).to_string();
        assert_eq!(told["agreement.ends_unless_told_by"], until);
        world.advance(SignedDuration::from_hours(1)).await;
    }
    assert_eq!(standing(&world, &account).await, Standing::Subscribed);
    world.advance(SignedDuration::from_hours(1)).await;
    let logged = Logged::from_now_on();
    ask(&world).await;
    names_it(&logged.alarm("AgreementGivenUp"));
    assert_eq!(standing(&world, &account).await, Standing::Expired);
}

/// How an API fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Failing {
    Down,
    Throttled,
    /// It answers after the time-out.
    Slow,
    /// Its first page is empty, and has a token.
    EmptyPage,
    /// Every page is empty, and has a token.
    TokenLoop,
}

const EVERY_FAILURE: [Failing; 5] = [
    Failing::Down,
    Failing::Throttled,
    Failing::Slow,
    Failing::EmptyPage,
    Failing::TokenLoop,
];

impl Failing {
    fn begins(self, world: &World, operation: &'static str) {
        let kind = match self {
            Self::Slow => {
                world.silent.lock().unwrap().insert(operation);
                return;
            }
            Self::Down => FaultKind::InternalError,
            Self::Throttled => FaultKind::Throttle,
            Self::EmptyPage | Self::TokenLoop => FaultKind::EmptyPage,
        };
        let times = if self == Self::EmptyPage { 1 } else { 100_000 };
        let fault = Fault::new(operation, kind, times);
        world.aws.inject_fault(fault).unwrap();
    }

    fn ends(world: &World) {
        world.aws.clear_faults();
        world.silent.lock().unwrap().clear();
    }

    /// Whether the answer comes all the same.
    fn is_harmless(self) -> bool {
        self == Self::EmptyPage
    }
}

/// How often an operation was called, or tried to be.
fn calls(world: &World, operation: &str) -> usize {
    let calls = world.aws.calls().into_iter();
    calls.filter(|call| call.operation == operation).count()
}

/// An end passes of which no event tells, and one of the APIs that tell it fails.
async fn an_end_is_told_late(operation: &'static str, failing: Failing) {
    let (world, account, bought) = customer(OfferKind::PrivateYearly).await;
    ask(&world).await;
    let ends_at = known(&world, &bought).await.agreement_ends_at.unwrap();
    world.aws.advance_to(ends_at).await.unwrap();
    world.take_events();
    world.advance(SignedDuration::from_mins(1)).await;
    failing.begins(&world, operation);
    let before = calls(&world, operation);
    for _minute in 0..40 {
        ask(&world).await;
        let expected = if failing.is_harmless() {
            Standing::Expired
        } else {
            Standing::Subscribed
        };
        assert_eq!(standing(&world, &account).await, expected);
        world.advance(SignedDuration::from_mins(1)).await;
    }
    // At first every minute, then every quarter of an hour, of 8 pages at most.
    let asked = calls(&world, operation) - before;
    assert!(asked <= 30 * 8, "{asked}");
    Failing::ends(&world);
    world.advance(SignedDuration::from_mins(15)).await;
    ask(&world).await;
    assert_eq!(standing(&world, &account).await, Standing::Expired);
    let store = &world.app.store;
    let links = store.links_of_account(&account, Timestamp::MIN, Timestamp::MAX);
    assert_eq!(links.await.unwrap()[0].until, Some(ends_at));
}

/// A contract is amended, and one of the APIs that tell its prices and hours fails.
async fn an_amendment_is_told_late(operation: &'static str, failing: Failing) {
    let (world, account, bought) = customer(OfferKind::Consumption).await;
    ask(&world).await;
    let before = known(&world, &bought).await;
    world.advance(SignedDuration::from_hours(2)).await;
    failing.begins(&world, operation);
    let asked_before = calls(&world, operation);
    let amendment = Amendment {
        offer: Some(OfferKind::PrivateMonthly),
        hours: Some(2_500),
        ..Amendment::default()
    };
    amend(&world, &bought, amendment).await;
    for _minute in 0..40 {
        ask(&world).await;
        let license = known(&world, &bought).await;
        let (pricing, grants) = (license.pricing.len(), license.entitlements.unwrap().grants);
        if !failing.is_harmless() && operation == "GetAgreementTerms" {
            assert_eq!(pricing, before.pricing.len());
        }
        if !failing.is_harmless() && operation == "GetEntitlements" {
            assert_eq!(grants, before.entitlements.as_ref().unwrap().grants);
        }
        assert_eq!(standing(&world, &account).await, Standing::Subscribed);
        world.advance(SignedDuration::from_mins(1)).await;
    }
    // At first every minute, then every quarter of an hour, of 40 pages at most.
    let asked = calls(&world, operation) - asked_before;
    assert!(asked <= 30 * 40, "{asked}");
    Failing::ends(&world);
    world.advance(SignedDuration::from_mins(15)).await;
    ask(&world).await;
    let license = known(&world, &bought).await;
    assert_eq!(license.pricing.len(), before.pricing.len() + 1);
    let included = world.app.included(&license.id).await.unwrap();
    let of_large = included.iter().find(|period| period.dimension == large());
    assert_eq!(of_large.unwrap().granted, 2_500);
}

#[tokio::test]
async fn the_list_of_a_chain_may_fail_in_every_way_without_a_wrong_end() {
    for failing in EVERY_FAILURE {
        an_end_is_told_late("SearchAgreements", failing).await;
    }
}

#[tokio::test]
async fn the_description_of_an_agreement_may_fail_in_every_way_without_a_wrong_end() {
    // It has no pages.
    for failing in [Failing::Down, Failing::Throttled, Failing::Slow] {
        an_end_is_told_late("DescribeAgreement", failing).await;
    }
}

#[tokio::test]
async fn the_terms_of_an_agreement_may_fail_in_every_way_without_a_wrong_price() {
    for failing in EVERY_FAILURE {
        an_amendment_is_told_late("GetAgreementTerms", failing).await;
    }
}

#[tokio::test]
async fn entitlements_may_fail_in_every_way_without_wrong_hours() {
    for failing in EVERY_FAILURE {
        an_amendment_is_told_late("GetEntitlements", failing).await;
    }
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
