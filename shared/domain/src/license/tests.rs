use jiff::SignedDuration;
use proptest::prelude::*;

use std::collections::BTreeMap;

use super::*;
use crate::answers::DescribedAgreement;
use crate::audit::Actor;
use crate::change::Decision;
use crate::fact::Disregarded;
use crate::hour::after;
use crate::ids::CustomerIdentifier;
use crate::marketplace_event::{
    AgreementEnding, AgreementTerms, CancellationRequest, EndedStatus, EventKind, Intent,
    MarketplaceEvent, Notification, NotifiedAction, ResolvedLicense,
};
use crate::outbound::{AgreementNotice, OutboundEvent};
use crate::policy::SubscriptionPolicy;

mod cover;
mod idle;
mod orders;
mod renewals;

fn start() -> Timestamp {
    "2026-08-20T14:23:22Z".parse().unwrap()
}

fn policy() -> SubscriptionPolicy {
    SubscriptionPolicy::new(
        AwsAccountId::parse("111122223333").unwrap(),
        [ProductCode::parse("product").unwrap()],
    )
}

fn license(n: u8) -> LicenseId {
    LicenseId::parse(format!("l-{n:032x}")).unwrap()
}

fn arn(n: u8) -> LicenseArn {
    LicenseArn::parse(format!(
        "arn:aws:license-manager::111122223333:license:{}",
        license(n)
    ))
    .unwrap()
}

fn agreement(n: u8) -> AgreementId {
    AgreementId::parse(format!("agmt-{n}")).unwrap()
}

/// An event of an agreement, `seconds` after the start.
fn event(of: u8, seconds: i64, license: Option<u8>, kind: EventKind) -> MarketplaceEvent {
    let at = after(start(), SignedDuration::from_secs(seconds));
    MarketplaceEvent {
        id: EventId::parse(format!("event-{of}-{seconds}")).unwrap(),
        at,
        version: "0".to_owned(),
        seller: policy().seller,
        detail_type: "test".to_owned(),
        agreement: Some(agreement(of)),
        buyer: Some(AwsAccountId::parse("999988887777").unwrap()),
        offer: None,
        product: license.map(|_| ProductCode::parse("product").unwrap()),
        license: license.map(arn),
        kind,
    }
}

fn fact(event: MarketplaceEvent) -> Fact {
    let at = event.at;
    event.into_fact(&policy(), at)
}

fn created(of: u8, seconds: i64, intent: Intent) -> Fact {
    let terms = AgreementTerms {
        intent,
        starts_at: None,
        ends_at: None,
        previous: None,
        auto_renewal: None,
    };
    fact(event(of, seconds, None, EventKind::AgreementCreated(terms)))
}

fn updated(of: u8, seconds: i64) -> Fact {
    fact(event(of, seconds, Some(0), EventKind::LicenseUpdated))
}

fn ended(of: u8, seconds: i64, status: EndedStatus) -> Fact {
    fact(event(
        of,
        seconds,
        None,
        EventKind::AgreementEnded { status },
    ))
}

fn deprovisioned(of: u8, seconds: i64) -> Fact {
    fact(event(of, seconds, Some(0), EventKind::LicenseDeprovisioned))
}

fn resolved(of: Option<u8>, seconds: i64) -> Fact {
    resolved_to(0, of, None, seconds)
}

/// A token's answer that also names the buyer as an older listing's messages do.
fn resolved_to(n: u8, of: Option<u8>, customer: Option<&str>, seconds: i64) -> Fact {
    let resolved = ResolvedLicense {
        license: arn(n),
        buyer: AwsAccountId::parse("999988887777").unwrap(),
        product: ProductCode::parse("product").unwrap(),
        agreement: of.map(agreement),
        customer: customer.map(|text| CustomerIdentifier::parse(text).unwrap()),
    };
    Fact::learned(
        Told::Resolved(resolved),
        after(start(), SignedDuration::from_secs(seconds)),
    )
}

fn status_of(facts: &[Fact]) -> Option<LicenseStatus> {
    derive(&license(0), facts).map(|derived| derived.status)
}

fn seconds(n: i64) -> Timestamp {
    after(start(), SignedDuration::from_secs(n))
}

#[test]
fn a_license_is_pending_until_license_updated() {
    let facts = [created(1, 0, Intent::New), resolved(Some(1), 80)];
    assert_eq!(status_of(&facts), Some(LicenseStatus::Pending));
    let facts = [facts[0].clone(), facts[1].clone(), updated(1, 62)];
    assert_eq!(
        status_of(&facts),
        Some(LicenseStatus::Active { since: seconds(62) })
    );
}

#[test]
fn nothing_is_known_of_a_license_by_agreement_events_alone() {
    assert_eq!(derive(&license(0), &[created(1, 0, Intent::New)]), None);
}

#[test]
fn the_end_has_both_events_instants_whichever_came_first() {
    let end = |facts: &[Fact]| match status_of(facts) {
        Some(LicenseStatus::Ended { end, active_since }) => (end, active_since),
        other => panic!("{other:?}"),
    };
    let both = [
        updated(1, 62),
        deprovisioned(1, 126),
        ended(1, 95, EndedStatus::Cancelled),
    ];
    let (of_both, active_since) = end(&both);
    assert_eq!(active_since, Some(seconds(62)));
    assert_eq!(of_both.ended_at, seconds(95));
    assert_eq!(of_both.last_event_at, seconds(126));
    assert_eq!(of_both.learned_at, seconds(95));
    let (of_one, _) = end(&both[..2]);
    assert_eq!(of_one.ended_at, seconds(126));
}

#[test]
fn a_late_license_updated_revives_nothing() {
    let facts = [ended(1, 95, EndedStatus::Cancelled), updated(1, 200)];
    assert!(matches!(
        status_of(&facts),
        Some(LicenseStatus::Ended { .. })
    ));
}

#[test]
fn renewed_and_replaced_end_nothing_by_themselves() {
    for status in [
        EndedStatus::Renewed,
        EndedStatus::Replaced,
        EndedStatus::Unrecognized("PAUSED".to_owned()),
    ] {
        let facts = [updated(1, 62), ended(1, 95, status)];
        assert_eq!(
            status_of(&facts),
            Some(LicenseStatus::Active { since: seconds(62) })
        );
    }
}

#[test]
fn a_license_renewed_under_another_agreement_stays_active_without_a_gap() {
    let facts = [
        updated(1, 62),
        ended(1, 95, EndedStatus::Renewed),
        created(2, 94, Intent::Renew),
        updated(2, 96),
        deprovisioned(1, 97),
    ];
    let derived = derive(&license(0), &facts).unwrap();
    assert_eq!(derived.status, LicenseStatus::Active { since: seconds(62) });
    assert_eq!(derived.agreement, Some(agreement(2)));
    let without_deprovisioning = derive(&license(0), &facts[..4]).unwrap();
    assert_eq!(
        without_deprovisioning.status,
        LicenseStatus::Active { since: seconds(62) }
    );
}

#[test]
fn an_agreement_that_starts_later_activates_its_license_later() {
    let starts_at = seconds(86_400);
    let terms = AgreementTerms {
        intent: Intent::New,
        starts_at: Some(starts_at),
        ends_at: Some(seconds(90_000)),
        previous: None,
        auto_renewal: None,
    };
    let facts = [
        updated(1, 62),
        fact(event(1, 0, None, EventKind::AgreementCreated(terms))),
    ];
    let derived = derive(&license(0), &facts).unwrap();
    assert_eq!(derived.status, LicenseStatus::Active { since: starts_at });
    assert_eq!(derived.agreement_ends_at, Some(seconds(90_000)));
}

#[test]
fn a_token_without_an_agreement_joins_the_license_of_the_events() {
    let facts = [
        resolved(None, 80),
        updated(1, 62),
        created(1, 0, Intent::New),
    ];
    let derived = derive(&license(0), &facts).unwrap();
    assert_eq!(derived.status, LicenseStatus::Active { since: seconds(62) });
    assert_eq!(derived.agreement, Some(agreement(1)));
}

#[test]
fn a_license_of_an_older_listing_stays_ended_when_its_buyer_has_another_one() {
    use NotifiedAction::{SubscribeSuccess, UnsubscribeSuccess};
    let facts = [
        notified(10, SubscribeSuccess),
        resolved_to(0, None, Some("CUST1"), 20),
        notified(100, UnsubscribeSuccess),
        notified(200, SubscribeSuccess),
        resolved_to(1, None, Some("CUST1"), 220),
    ];
    let status = |n| derive(&license(n), &facts).unwrap().status;
    assert!(matches!(status(0), LicenseStatus::Ended { .. }));
    assert_eq!(
        status(1),
        LicenseStatus::Active {
            since: seconds(200)
        }
    );
    let later = [&facts[..], &[notified(300, UnsubscribeSuccess)]].concat();
    let LicenseStatus::Ended { end, .. } = derive(&license(0), &later).unwrap().status else {
        panic!("it goes on");
    };
    assert_eq!(end.last_event_at, seconds(100));
    let second = derive(&license(1), &later).unwrap().status;
    assert!(matches!(second, LicenseStatus::Ended { .. }));
}

#[test]
fn a_license_of_an_older_listing_that_is_subscribed_again_is_active_from_then_on() {
    use NotifiedAction::{SubscribeSuccess, UnsubscribePending, UnsubscribeSuccess};
    let facts = [
        resolved_to(0, None, Some("CUST1"), 20),
        notified(10, SubscribeSuccess),
        notified(100, UnsubscribePending),
        notified(160, UnsubscribeSuccess),
        notified(200, SubscribeSuccess),
    ];
    assert_eq!(
        status_of(&facts),
        Some(LicenseStatus::Active {
            since: seconds(200)
        })
    );
    let agreement_ended = [
        &facts[..],
        &[
            resolved_to(0, Some(1), Some("CUST1"), 30),
            ended(1, 150, EndedStatus::Cancelled),
        ],
    ]
    .concat();
    assert!(matches!(
        status_of(&agreement_ended),
        Some(LicenseStatus::Ended { .. })
    ));
}

#[test]
fn an_advisory_holds_until_it_is_resolved_and_is_told_once_each() {
    let mut facts = vec![created(1, 0, Intent::New), updated(1, 10)];
    let mut told = Vec::new();
    let mut known: Option<License> = None;
    let news = [
        EventKind::AdvisoryIssued,
        EventKind::CancellationRequest(CancellationRequest::Pending),
        EventKind::AdvisoryResolved,
        EventKind::CancellationRequest(CancellationRequest::Withdrawn),
    ];
    for (n, kind) in (0..).zip(news) {
        facts.push(said(1, 100 + n, kind));
        let derived = derive(&license(0), &facts).unwrap();
        let situation = Situation {
            known: known.as_ref(),
            ..Situation::default()
        };
        let decision = decide_license(&license(0), situation, derived, &Actor::Clock, seconds(200));
        let Ok(Decision::Commit(change)) = decision else {
            panic!("{decision:?}");
        };
        told.extend(change.outbound.into_iter().filter_map(|event| {
            if let OutboundEvent::AgreementNoticed { notice, .. } = event {
                Some(notice)
            } else {
                None
            }
        }));
        let next = change.licenses.into_iter().next().unwrap();
        known = Some(License { version: 1, ..next });
    }
    assert_eq!(
        told,
        [
            AgreementNotice::AdvisoryIssued,
            AgreementNotice::CancellationRequested,
            AgreementNotice::AdvisoryResolved,
            AgreementNotice::CancellationRequestSettled,
        ]
    );
    assert_eq!(known.unwrap().notices, Notices::default());
}

#[test]
fn a_request_to_cancel_waits_for_7_days_and_another_one_after_that_again() {
    let day = 86_400;
    let asked = |at| {
        said(
            1,
            at,
            EventKind::CancellationRequest(CancellationRequest::Pending),
        )
    };
    let mut facts = vec![created(1, 0, Intent::New), updated(1, 10), asked(100)];
    let open = |facts: &[Fact], at| {
        let notices = derive(&license(0), facts).unwrap().notices;
        notices.cancellation_open(seconds(at))
    };
    let first = (seconds(100), seconds(100 + 7 * day));
    assert_eq!(open(&facts, 99 + 7 * day), Some(first));
    assert_eq!(open(&facts, 100 + 7 * day), None);
    facts.push(asked(100 + 6 * day));
    assert_eq!(open(&facts, 100 + 6 * day), Some(first));
    facts.push(asked(100 + 8 * day));
    let second = (seconds(100 + 8 * day), seconds(100 + 15 * day));
    assert_eq!(open(&facts, 100 + 8 * day), Some(second));
}

#[test]
fn whether_an_agreement_renews_is_known_by_aws_answer_too() {
    let renews = |auto_renewal, at| {
        renewals::answer(DescribedAgreement {
            auto_renewal,
            ends_at: Some(seconds(90_000)),
            ..renewals::described(1, 0, at, None)
        })
    };
    let mut facts = vec![updated(1, 10), renews(Some(true), 100)];
    let known = |facts: &[Fact]| derive(&license(0), facts).unwrap().notices.auto_renewal;
    assert_eq!(known(&facts), Some(true));
    facts.push(renews(None, 200));
    assert_eq!(known(&facts), Some(true));
    let without = derive(&license(0), &facts).unwrap();
    facts.push(renews(Some(false), 300));
    let with = derive(&license(0), &facts).unwrap();
    let news = Difference::AutoRenewal(Some(true), Some(false));
    assert_eq!(without.differences(&with), [news]);
}

#[test]
fn other_terms_make_an_end_that_came_near_void() {
    let ending = EventKind::AgreementEnding(AgreementEnding {
        ends_at: Some(seconds(9_000)),
        days: Some(30),
        auto_renewal: Some(false),
    });
    let mut facts = vec![
        created(1, 0, Intent::New),
        updated(1, 10),
        said(1, 100, ending),
    ];
    let notices = derive(&license(0), &facts).unwrap().notices;
    assert_eq!(notices.ending.unwrap().days, Some(30));
    assert_eq!(notices.auto_renewal, Some(false));
    let amended = EventKind::AgreementAmended(AgreementTerms {
        intent: Intent::Amend,
        starts_at: None,
        ends_at: Some(seconds(90_000)),
        previous: None,
        auto_renewal: Some(true),
    });
    facts.push(said(1, 101, amended));
    let notices = derive(&license(0), &facts).unwrap().notices;
    assert_eq!(notices.ending, None);
    assert_eq!(notices.auto_renewal, Some(true));
}

#[test]
fn another_license_of_the_same_agreement_changes_nothing() {
    let other = fact(event(1, 70, Some(1), EventKind::LicenseDeprovisioned));
    assert_eq!(
        status_of(&[updated(1, 62), other]),
        Some(LicenseStatus::Active { since: seconds(62) })
    );
}

#[test]
fn events_that_are_not_ours_to_act_on_say_why_and_change_nothing() {
    let ours = event(1, 95, Some(0), EventKind::LicenseDeprovisioned);
    let cases = [
        (
            MarketplaceEvent {
                version: "1".to_owned(),
                ..ours.clone()
            },
            Disregarded::UnknownVersion,
        ),
        (
            MarketplaceEvent {
                seller: AwsAccountId::parse("000000000001").unwrap(),
                ..ours.clone()
            },
            Disregarded::AnotherSeller,
        ),
        (
            MarketplaceEvent {
                product: Some(ProductCode::parse("other").unwrap()),
                ..ours.clone()
            },
            Disregarded::AnotherProduct,
        ),
        (
            MarketplaceEvent {
                license: None,
                ..ours.clone()
            },
            Disregarded::WithoutIds,
        ),
        (
            MarketplaceEvent {
                product: None,
                ..ours.clone()
            },
            Disregarded::WithoutIds,
        ),
        (
            MarketplaceEvent {
                agreement: None,
                kind: EventKind::AgreementEnded {
                    status: EndedStatus::Cancelled,
                },
                ..ours.clone()
            },
            Disregarded::WithoutIds,
        ),
    ];
    for (event, reason) in cases {
        assert_eq!(event.disregarded(&policy()), Some(reason));
        assert_eq!(
            status_of(&[updated(1, 62), fact(event)]),
            Some(LicenseStatus::Active { since: seconds(62) }),
            "{reason}"
        );
    }
    assert_eq!(ours.disregarded(&policy()), None);
}

#[test]
fn an_event_that_is_not_understood_is_about_no_license() {
    let unknown = fact(event(2, 70, Some(0), EventKind::Unrecognized));
    assert_eq!(derive(&license(0), std::slice::from_ref(&unknown)), None);
    let alone = derive(&license(0), &[updated(1, 62)]);
    assert_eq!(derive(&license(0), &[updated(1, 62), unknown]), alone);
}

#[test]
fn the_arn_with_its_prefix_is_preferred_whatever_came_first() {
    let bare = LicenseArn::parse(arn(0).as_str().trim_start_matches("arn:").to_owned()).unwrap();
    let without = fact(MarketplaceEvent {
        license: Some(bare),
        ..event(1, 62, Some(0), EventKind::LicenseUpdated)
    });
    for facts in [
        [without.clone(), resolved(Some(1), 80)],
        [resolved(Some(1), 80), without],
    ] {
        assert_eq!(derive(&license(0), &facts).unwrap().arn, arn(0));
    }
}

/// Something that AWS says of an agreement.
fn said(of: u8, at: i64, kind: EventKind) -> Fact {
    fact(event(of, at, None, kind))
}

/// A message of an older listing about its one buyer.
fn notified(seconds: i64, action: NotifiedAction) -> Fact {
    let at = after(start(), SignedDuration::from_secs(seconds));
    let notification = Notification {
        id: EventId::parse(format!("message-{seconds}")).unwrap(),
        at,
        customer: CustomerIdentifier::parse("CUST1").unwrap(),
        product: ProductCode::parse("product").unwrap(),
        offer: None,
        action,
    };
    notification.into_fact(&policy(), at)
}

fn any_action() -> impl Strategy<Value = NotifiedAction> {
    prop_oneof![
        Just(NotifiedAction::SubscribeSuccess),
        Just(NotifiedAction::SubscribeFail),
        Just(NotifiedAction::UnsubscribePending),
        Just(NotifiedAction::UnsubscribeSuccess),
    ]
}

fn any_notice() -> impl Strategy<Value = EventKind> {
    let ending = |days| {
        EventKind::AgreementEnding(AgreementEnding {
            ends_at: Some(seconds(9_000)),
            days: Some(days),
            auto_renewal: Some(true),
        })
    };
    prop_oneof![
        Just(EventKind::AdvisoryIssued),
        Just(EventKind::AdvisoryResolved),
        Just(ending(60)),
        Just(ending(30)),
        Just(EventKind::RenewalUpcoming),
        Just(EventKind::CancellationRequest(CancellationRequest::Pending)),
        Just(EventKind::CancellationRequest(
            CancellationRequest::Rejected
        )),
        Just(EventKind::BillingAdjustment),
    ]
}

fn any_status() -> impl Strategy<Value = EndedStatus> {
    prop_oneof![
        Just(EndedStatus::Cancelled),
        Just(EndedStatus::Expired),
        Just(EndedStatus::Terminated),
        Just(EndedStatus::Renewed),
        Just(EndedStatus::Replaced),
    ]
}

/// One fact of a small world of two agreements and two licenses.
fn any_fact() -> impl Strategy<Value = Fact> {
    let intent = prop_oneof![Just(Intent::New), Just(Intent::Renew)];
    let of = 1..3_u8;
    let second = 0..1_000_i64;
    prop_oneof![
        (of.clone(), second.clone(), intent).prop_map(|(of, s, i)| created(of, s, i)),
        (of.clone(), second.clone()).prop_map(|(of, s)| updated(of, s)),
        (of.clone(), second.clone(), any_status()).prop_map(|(of, s, status)| ended(of, s, status)),
        (of.clone(), second.clone()).prop_map(|(of, s)| deprovisioned(of, s)),
        (of.clone(), second.clone(), any_notice()).prop_map(|(of, s, kind)| said(of, s, kind)),
        (second.clone(), any_action()).prop_map(|(s, action)| notified(s, action)),
        (0..2_u8, prop::option::of(of.clone()), second.clone()).prop_map(|(n, of, s)| resolved_to(
            n,
            of,
            Some("CUST1"),
            s
        )),
        (prop::option::of(of.clone()), second.clone()).prop_map(|(of, s)| resolved(of, s)),
        second.clone().prop_map(|s| renewals::renewed(2, 1, s)),
        (of.clone(), second.clone()).prop_map(|(of, s)| renewals::updated_of(1, of, s)),
        (
            of.clone(),
            0..2_u8,
            second.clone(),
            prop::option::of(any_status())
        )
            .prop_map(|(of, n, s, status)| renewals::answer(renewals::described(of, n, s, status))),
        (of, second).prop_map(|(of, s)| renewals::unanswered(of, s)),
    ]
}

/// Distinct by key, as the store keeps them.
fn any_facts(max: usize) -> impl Strategy<Value = Vec<Fact>> {
    prop::collection::vec(any_fact(), 1..=max).prop_map(|facts| {
        let distinct: BTreeMap<(Option<AgreementId>, String), Fact> = facts
            .into_iter()
            .map(|fact| ((fact.agreement().cloned(), fact.key()), fact))
            .collect();
        distinct.into_values().collect()
    })
}

fn permutations(facts: &[Fact]) -> Vec<Vec<Fact>> {
    if facts.len() <= 1 {
        return vec![facts.to_vec()];
    }
    let mut all = Vec::new();
    for index in 0..facts.len() {
        let mut rest = facts.to_vec();
        let first = rest.remove(index);
        for mut tail in permutations(&rest) {
            tail.insert(0, first.clone());
            all.push(tail);
        }
    }
    all
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn every_permutation_and_duplication_of_up_to_6_facts_gives_the_same_license(
        facts in any_facts(6),
        twice in any::<prop::sample::Index>(),
    ) {
        let expected = derive(&license(0), &facts);
        for permutation in permutations(&facts) {
            prop_assert_eq!(&derive(&license(0), &permutation), &expected);
            let mut duplicated = permutation;
            duplicated.push(duplicated[twice.index(duplicated.len())].clone());
            prop_assert_eq!(&derive(&license(0), &duplicated), &expected);
        }
    }

    /// Told one by one in any order, the license ends in the state of all facts at once.
    #[test]
    fn a_license_told_fact_by_fact_ends_where_all_facts_at_once_lead(
        facts in any_facts(12).prop_shuffle(),
    ) {
        let mut known: Option<License> = None;
        for count in 1..=facts.len() {
            let Some(derived) = derive(&license(0), &facts[..count]) else {
                continue;
            };
            let situation = Situation {
                known: known.as_ref(),
                ..Situation::default()
            };
            let decision =
                decide_license(&license(0), situation, derived, &Actor::Clock, seconds(5_000));
            if let Decision::Commit(mut change) = decision.unwrap() {
                let mut next = change.licenses.remove(0);
                next.version += 1;
                known = Some(next);
            }
        }
        let at_once = derive(&license(0), &facts).map(|derived| {
            let decision = decide_license(
                &license(0), Situation::default(), derived, &Actor::Clock, seconds(5_000),
            );
            let Ok(Decision::Commit(mut change)) = decision else {
                panic!("{decision:?}");
            };
            change.licenses.remove(0)
        });
        let what_counts = |known: License| License { version: 0, ..known };
        let (told, at_once) = (known.map(what_counts), at_once.map(what_counts));
        prop_assert_eq!(told, at_once);
    }
}
