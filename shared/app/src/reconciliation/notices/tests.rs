use domain::ids::{AgreementId, Dimension, LicenseId};
use domain::money::Usd;
use domain::reconciliation::Units;
use domain::reconciliation::adjustments::Proposals;
use domain::reconciliation::amounts::AmountFinding;
use domain::reconciliation::prices::{Price, PricedBy};

use super::*;
use crate::month::Month;
use crate::testing::logged;

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

/// The alarms that findings of delivered days raise, by line.
fn alarms(findings: Vec<Finding>, now: &str) -> Vec<String> {
    let days = findings.iter().map(|of| (of.day, FeedOfDay::Delivered));
    let found = Reconciled {
        days: days.collect(),
        findings,
        ..Reconciled::default()
    };
    let logged = logged(|| super::days(&found, at(now)));
    logged.lines().map(ToOwned::to_owned).collect()
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
    let told: Vec<(bool, String)> = alarms
        .iter()
        .map(|line| {
            let is_alarm = line.contains("ERROR") && line.contains("alarm=\"UsageNotCompared\"");
            let (_, fields) = line.split_once("usage.day=").unwrap();
            (is_alarm, fields.to_owned())
        })
        .collect();
    let expected = [
        format!("{DAY} reconciliation.obstacle=\"no_agreement\" reconciliation.findings=1"),
        format!("{DAY} reconciliation.obstacle=\"rows_disagree\" reconciliation.findings=2"),
        format!("{next} reconciliation.obstacle=\"conflict\" reconciliation.findings=1"),
        format!("{next} reconciliation.obstacle=\"rows_disagree\" reconciliation.findings=1"),
        format!(
            "{next} reconciliation.obstacle=\"rows_without_agreement\" reconciliation.findings=1"
        ),
        format!("{next} reconciliation.obstacle=\"under_another\" reconciliation.findings=1"),
    ];
    assert_eq!(told, expected.map(|fields| (true, fields)));
}

#[test]
fn an_unknown_outcome_is_an_alarm_when_nothing_can_be_sent_again() {
    let unknown = || vec![not_compared(DAY, Obstacle::OutcomeUnknown)];
    assert!(alarms(unknown(), "2026-11-24T23:59:59Z").is_empty());
    let told = alarms(unknown(), "2026-11-25T00:00:00Z");
    assert!(told[0].contains("outcome_unknown"), "{told:?}");
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
    assert!(told.contains("alarm=\"UsageOverAtAws\""), "{told}");
    assert!(told.contains("usage.difference_microusd=40000"), "{told}");
}

#[test]
fn a_run_is_an_alarm_when_a_days_runs_did_not_suffice() {
    let run = Run::begun(at("2026-11-23T02:00:00Z"), (day(DAY), day(DAY)));
    let told = |now| logged(|| unfinished(&run, 7, at(now)));
    let same_day = told("2026-11-23T09:15:00Z");
    assert!(same_day.contains("WARN") && !same_day.contains("alarm"));
    let next_day = told("2026-11-24T02:15:00Z");
    assert!(
        next_day.contains("alarm=\"LicensesNotCompared\""),
        "{next_day}"
    );
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
    };
    let told = logged(|| month(&found));
    assert_eq!(told.lines().count(), 1, "{told}");
    assert!(told.contains("alarm=\"AmountsNotCompared\""), "{told}");
    assert!(
        told.contains("obstacle=\"invoices_unread\" reconciliation.findings=2"),
        "{told}"
    );
}
