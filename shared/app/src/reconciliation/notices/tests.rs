use domain::ids::{AgreementId, Dimension, LicenseId};
use domain::money::Usd;
use domain::reconciliation::adjustments::Proposals;
use domain::reconciliation::amounts::AmountFinding;
use domain::reconciliation::prices::{Price, PricedBy};
use domain::reconciliation::{Units, Whose};
use serde_json::Value;

use super::*;
use crate::month::Month;
use crate::testing::Logged;

const DAY: &str = "2026-11-22";

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn day(text: &str) -> Date {
    text.parse().unwrap()
}

fn agreement() -> AgreementId {
    AgreementId::parse("agmt-1").unwrap()
}

fn finding(day: &str, whose: Whose, verdict: Verdict) -> Finding {
    Finding {
        day: self::day(day),
        whose,
        dimension: Dimension::parse("large").unwrap(),
        ours: Units::whole(3),
        unknown: Units::default(),
        aws: Units::whole(5),
        price: Price::Agreed(Usd::from_micros(20_000)),
        verdict,
    }
}

fn not_compared(day: &str, obstacle: Obstacle) -> Finding {
    let whose = if obstacle == Obstacle::NoAgreement {
        Whose::License(LicenseId::parse(format!("l-{:032x}", 7)).unwrap())
    } else {
        Whose::Agreement(agreement())
    };
    finding(day, whose, Verdict::NotComparable { obstacle })
}

/// The alarms that findings of delivered days raise.
fn alarms(findings: Vec<Finding>, now: &str) -> Vec<Value> {
    let days = findings.iter().map(|of| (of.day, FeedOfDay::Delivered));
    let found = Reconciled {
        days: days.collect(),
        findings,
        ..Reconciled::default()
    };
    let logged = Logged::from_now_on();
    super::days(&found, at(now));
    logged.alarms()
}

#[test]
fn what_was_not_compared_is_an_alarm_for_each_day_and_kind_with_its_count() {
    let next = "2026-11-23";
    let findings = vec![
        not_compared(DAY, Obstacle::RowsDisagree),
        not_compared(DAY, Obstacle::RowsDisagree),
        not_compared(DAY, Obstacle::NoAgreement),
        not_compared(next, Obstacle::RowsDisagree),
        not_compared(next, Obstacle::RowsWithoutAgreement),
        not_compared(next, Obstacle::Conflict),
        not_compared(
            next,
            Obstacle::UnderAnother {
                agreement: agreement(),
            },
        ),
    ];
    let alarms = alarms(findings, "2026-11-24T02:00:00Z");
    let told = alarms.iter().map(|alarm| {
        assert_eq!(
            (&alarm["alarm"], &alarm["level"]),
            (&"UsageNotCompared".into(), &"ERROR".into())
        );
        let text = |field: &str| alarm[field].as_str().unwrap().to_owned();
        let findings = alarm["reconciliation.findings"].as_u64().unwrap();
        (text("usage.day"), text("reconciliation.obstacle"), findings)
    });
    let expected = [
        (DAY, "no_agreement", 1),
        (DAY, "rows_disagree", 2),
        (next, "conflict", 1),
        (next, "rows_disagree", 1),
        (next, "rows_without_agreement", 1),
        (next, "under_another", 1),
    ];
    let expected = expected.map(|(day, obstacle, n)| (day.to_owned(), obstacle.to_owned(), n));
    assert_eq!(told.collect::<Vec<_>>(), expected);
}

#[test]
fn an_unknown_outcome_is_an_alarm_when_nothing_can_be_sent_again() {
    let unknown = || vec![not_compared(DAY, Obstacle::OutcomeUnknown)];
    assert!(alarms(unknown(), "2026-11-24T23:59:59Z").is_empty());
    let told = alarms(unknown(), "2026-11-25T00:00:00Z");
    assert_eq!(told[0]["reconciliation.obstacle"], "outcome_unknown");
}

#[test]
fn what_is_told_of_the_whole_run_is_not_told_of_each_day_again() {
    let findings = vec![
        not_compared(DAY, Obstacle::NotEnrolled),
        not_compared(DAY, Obstacle::FeedUnread),
        not_compared(DAY, Obstacle::FeedNotDelivered),
        not_compared(DAY, Obstacle::LicensesUnseen),
    ];
    assert!(alarms(findings, "2026-11-30T00:00:00Z").is_empty());
}

#[test]
fn a_difference_is_an_alarm_that_says_what_it_costs() {
    let over = Verdict::Over {
        units: Units::whole(2),
        explained: Units::default(),
    };
    let told = alarms(
        vec![finding(DAY, Whose::Agreement(agreement()), over)],
        "2026-11-24T00:00:00Z",
    );
    let [told] = &told[..] else {
        panic!("{told:?}");
    };
    assert_eq!(told["alarm"], "UsageOverAtAws");
    assert_eq!(told["usage.difference_microusd"], 40_000);
}

#[test]
fn a_run_is_an_alarm_when_a_days_runs_did_not_suffice() {
    let run = Run::begun(at("2026-11-23T02:00:00Z"), (day(DAY), day(DAY)), None);
    let told = |now| {
        let logged = Logged::from_now_on();
        unfinished(&run, 7, at(now));
        logged
    };
    let same_day = told("2026-11-23T09:15:00Z");
    assert!(same_day.text().contains("WARN") && same_day.alarms().is_empty());
    drop(same_day);
    told("2026-11-24T02:15:00Z").alarm("LicensesNotCompared");
}

#[test]
fn amounts_that_were_not_compared_are_an_alarm_for_each_kind_but_for_contracts_payments() {
    let amount = |obstacle| AmountFinding {
        agreement: agreement(),
        billed_microusd: 1,
        invoiced_microusd: 2,
        credited_microusd: 0,
        priced_by: [PricedBy::Terms].into(),
        verdict: AmountVerdict::NotComparable { obstacle },
    };
    let unread = || AmountObstacle::InvoicesUnread {
        reason: "throttled".to_owned(),
    };
    let found = ReconciledMonth {
        month: Month::parse("2026-11").unwrap(),
        days: Reconciled::default(),
        amounts: vec![
            amount(unread()),
            amount(AmountObstacle::FixedPayments),
            amount(unread()),
        ],
        proposals: Proposals::default(),
        unasked: BTreeSet::new(),
        asked_last: None,
    };
    let logged = Logged::from_now_on();
    month(&found);
    assert_eq!(logged.text().lines().count(), 1, "{}", logged.text());
    let told = logged.alarm("AmountsNotCompared");
    assert_eq!(told["reconciliation.obstacle"], "invoices_unread");
    assert_eq!(told["reconciliation.findings"], 2);
}
