//! Since when it is not known what a contract covers, and of which usage: that waits.

use super::*;
use crate::answers::{AcceptedTerms, Entitlements, Grant, Prepaid};
use crate::ids::Dimension;

const HOUR: i64 = 3_600;

/// A contract of 30 days.
fn contract() -> Vec<Fact> {
    let terms = AgreementTerms {
        intent: Intent::New,
        starts_at: Some(seconds(0)),
        ends_at: Some(seconds(30 * 24 * HOUR)),
        previous: None,
        auto_renewal: None,
    };
    let created = event(1, 0, None, EventKind::AgreementCreated(terms));
    vec![fact(created), updated(1, 1)]
}

/// What AWS answers that the license is entitled to, until a second.
fn answered(at: i64, until: Option<i64>) -> Fact {
    let grants = until.map(|until| Grant {
        dimension: Dimension::parse("prepaid").unwrap(),
        units: Some(100),
        expires_at: Some(seconds(until)),
    });
    let told = Entitlements {
        license: arn(0),
        grants: grants.into_iter().collect(),
        asked_at: seconds(at),
    };
    Fact::learned(Told::Entitled(Box::new(told)), seconds(at))
}

fn unknown(facts: &[Fact]) -> Option<UnknownCover> {
    derive(&license(0), facts).unwrap().asks.unknown_cover
}

/// Whether usage of a second waits at another one.
fn waits(facts: &[Fact], used_at: i64, now: i64) -> bool {
    unknown(facts).is_some_and(|unknown| unknown.is_awaited(seconds(used_at), seconds(now)))
}

#[test]
fn usage_of_a_contract_waits_until_aws_answers_and_a_day_at_most() {
    let mut facts = contract();
    assert!(waits(&facts, 10, 2 * HOUR));
    assert!(
        waits(&facts, 10, 24 * HOUR),
        "a second before its day is over"
    );
    assert!(!waits(&facts, 10, 24 * HOUR + 1));
    facts.push(answered(2 * HOUR, Some(30 * 24 * HOUR)));
    assert!(!waits(&facts, 10, 2 * HOUR + 1));
}

#[test]
fn pay_as_you_go_waits_for_nothing() {
    assert_eq!(unknown(&[created(1, 0, Intent::New), updated(1, 1)]), None);
}

#[test]
fn usage_priced_offers_with_an_end_wait_until_their_terms_are_known() {
    let mut facts = contract();
    facts.push(answered(60, None));
    assert!(waits(&facts, 10, HOUR));
    let rates = [(Dimension::parse("large").unwrap(), 50_000)];
    let terms = AcceptedTerms {
        agreement: agreement(1),
        currency: "USD".to_owned(),
        rates: rates.into(),
        prepaid: None,
        recurring: None,
        free_days: None,
        auto_renewal: None,
        asked_at: seconds(70),
    };
    facts.push(Fact::learned(
        Told::Terms(Box::new(terms.clone())),
        seconds(70),
    ));
    assert!(!waits(&facts, 10, HOUR));
    let prepaid = AcceptedTerms {
        prepaid: Some(Prepaid {
            micros: 1,
            payments: 1,
        }),
        asked_at: seconds(80),
        ..terms
    };
    facts.push(Fact::learned(Told::Terms(Box::new(prepaid)), seconds(80)));
    assert!(waits(&facts, 10, HOUR));
}

#[test]
fn an_answer_that_lags_behind_an_older_listings_message_is_doubted_without_a_known_end() {
    let facts = [
        resolved_to(0, Some(1), Some("CUST1"), 0),
        notified(1, NotifiedAction::SubscribeSuccess),
        notified(2, NotifiedAction::EntitlementUpdated),
        answered(60, None),
    ];
    assert!(waits(&facts, 10, HOUR));
}

#[test]
fn a_license_that_ended_waits_for_nothing() {
    let mut facts = contract();
    facts.push(ended(1, HOUR, EndedStatus::Cancelled));
    assert_eq!(unknown(&facts), None);
}

#[test]
fn an_amendment_has_usage_wait_again_from_when_it_was_told() {
    let mut facts = contract();
    facts.push(answered(HOUR, Some(30 * 24 * HOUR)));
    facts.push(updated(1, 100 * HOUR));
    assert!(!waits(&facts, 10, 99 * HOUR));
    assert!(waits(&facts, 10, 101 * HOUR));
    assert!(!waits(&facts, 10, 125 * HOUR));
    facts.push(answered(102 * HOUR, Some(30 * 24 * HOUR)));
    assert!(!waits(&facts, 10, 103 * HOUR));
}

#[test]
fn after_an_entitlements_end_only_usage_since_then_waits() {
    let mut facts = contract();
    facts.push(answered(HOUR, Some(50 * HOUR)));
    let later = 51 * HOUR;
    assert!(!waits(&facts, 49 * HOUR, later));
    assert!(waits(&facts, 50 * HOUR, later));
    assert!(!waits(&facts, 50 * HOUR, 49 * HOUR), "not before it ends");
    assert!(!waits(&facts, 50 * HOUR, 75 * HOUR));
}

#[test]
fn usage_of_the_hour_in_which_entitlements_end_waits_too() {
    let mut facts = contract();
    let ends_at = 50 * HOUR + 17 * 60;
    facts.push(answered(HOUR, Some(ends_at)));
    assert!(!waits(&facts, 49 * HOUR, 51 * HOUR));
    assert!(waits(&facts, 50 * HOUR, 51 * HOUR));
    facts.push(answered(51 * HOUR, Some(80 * HOUR)));
    assert!(!waits(&facts, 50 * HOUR, 51 * HOUR + 1));
}

#[test]
fn an_answer_without_entitlements_so_soon_after_a_change_may_lag_behind_it() {
    let mut facts = contract();
    facts.push(answered(60, None));
    assert!(waits(&facts, 10, HOUR));
    // Hours later it is believed.
    facts.push(answered(7 * HOUR, None));
    assert!(!waits(&facts, 10, 8 * HOUR));
}

#[test]
fn an_answer_after_entitlements_ended_does_not_lag() {
    let mut facts = contract();
    facts.push(updated(1, 46 * HOUR));
    facts.push(answered(46 * HOUR + 60, Some(50 * HOUR)));
    facts.push(answered(50 * HOUR + 60, None));
    assert!(!waits(&facts, 49 * HOUR, 51 * HOUR));
}

#[test]
fn changes_while_answers_lag_do_not_prolong_the_day() {
    let mut facts = contract();
    for n in 0..10 {
        let changed_at = 4 * HOUR * n + 2;
        facts.push(updated(1, changed_at));
        facts.push(answered(changed_at + 60, None));
    }
    assert!(waits(&facts, 10, 23 * HOUR));
    assert!(!waits(&facts, 10, 25 * HOUR));
}

#[test]
fn an_answer_that_names_hours_ends_the_doubt_of_those_before_it() {
    let mut facts = contract();
    facts.push(answered(60, None));
    facts.push(answered(HOUR, Some(30 * 24 * HOUR)));
    assert!(!waits(&facts, 10, HOUR + 1));
    // Another change is waited for anew.
    facts.push(updated(1, 40 * HOUR));
    facts.push(answered(40 * HOUR + 60, None));
    assert!(waits(&facts, 10, 63 * HOUR));
    assert!(!waits(&facts, 10, 65 * HOUR));
}

/// The agreement is amended.
fn amended(at: i64) -> Fact {
    let terms = AgreementTerms {
        intent: Intent::Amend,
        starts_at: Some(seconds(0)),
        ends_at: Some(seconds(30 * 24 * HOUR)),
        previous: None,
        auto_renewal: None,
    };
    fact(event(1, at, None, EventKind::AgreementAmended(terms)))
}

/// The terms that AWS tells when it is asked.
fn told_terms(at: i64, is_contract: bool) -> Fact {
    let prepaid = Prepaid {
        micros: 1,
        payments: 1,
    };
    let terms = AcceptedTerms {
        agreement: agreement(1),
        currency: "USD".to_owned(),
        rates: [(Dimension::parse("large").unwrap(), 50_000)].into(),
        prepaid: is_contract.then_some(prepaid),
        recurring: None,
        free_days: None,
        auto_renewal: None,
        asked_at: seconds(at),
    };
    Fact::learned(Told::Terms(Box::new(terms)), seconds(at))
}

#[test]
fn what_is_bought_after_a_stretch_of_pay_as_you_go_is_a_period_of_its_own() {
    let end = 30 * 24 * HOUR;
    let periods = |facts: &[Fact]| -> Vec<(Timestamp, Timestamp)> {
        let derived = derive(&license(0), facts).unwrap();
        let covered = derived.covered().iter();
        covered.map(|one| (one.from, one.until)).collect()
    };
    let mut facts = contract();
    facts.extend([answered(60, Some(end)), told_terms(61, true)]);
    facts.extend([amended(2 * HOUR), answered(2 * HOUR + 60, None)]);
    facts.push(told_terms(2 * HOUR + 61, false));
    let used_up = (seconds(0), seconds(2 * HOUR + 60));
    assert_eq!(periods(&facts), [used_up]);
    facts.extend([amended(5 * HOUR), answered(5 * HOUR + 60, Some(end))]);
    facts.push(told_terms(5 * HOUR + 61, true));
    let anew = (seconds(5 * HOUR), seconds(end));
    assert_eq!(periods(&facts), [used_up, anew]);
    // It stays as it is when AWS is asked again, and is amended.
    facts.push(answered(9 * HOUR, Some(end)));
    facts.extend([
        amended(20 * HOUR),
        answered(20 * HOUR + 60, Some(end - HOUR)),
    ]);
    let shorter = (seconds(5 * HOUR), seconds(end - HOUR));
    assert_eq!(periods(&facts), [used_up, shorter]);
}
