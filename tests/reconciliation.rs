//! The local stack compares each day with AWS's data feeds, and each month with its
//! invoices, by itself.

use domain::ids::AgreementId;
use domain::money::Usd;
use domain::reconciliation::amounts::{AmountObstacle, AmountVerdict};
use domain::reconciliation::kept::{Counts, ReconciledDay};
use domain::reconciliation::prices::Price;
use domain::reconciliation::{Units, Verdict, Whose};
use fake_aws::{OfferKind, UsageCorrection};
use jiff::civil::Date;
use local::product::ACME_PRODUCTION;
use local::{Config, Local};

use crate::linking::link;
use crate::logs::Stack;

const DAY: &str = "2026-11-22";

/// A stack with a buyer since the morning of a day.
async fn bought(offer: OfferKind, day: &str) -> (Stack, AgreementId) {
    let stack = Stack::start(Config {
        start: Some(format!("{day}T09:00:00Z").parse().unwrap()),
        ..Config::default()
    });
    let stack = stack.await.unwrap();
    let made = stack.fake.create_agreement(offer, "777788889999").await;
    let made = made.unwrap();
    let token = &made.registration_token;
    link(&stack.seller_url, token, ACME_PRODUCTION).await;
    (stack, AgreementId::parse(made.agreement_id).unwrap())
}

/// What is kept of the day after the run of two o'clock on another.
async fn kept_after(stack: &Local, run: &str) -> ReconciledDay {
    let after = format!("{run}T02:30:00Z").parse().unwrap();
    stack.fake.advance_to(after).await.unwrap();
    let day: Date = DAY.parse().unwrap();
    let kept = stack.app.store.reconciled_day(day).await.unwrap();
    kept.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn each_day_is_compared_until_aws_has_all_of_it_and_a_wrong_figure_is_found() {
    let (stack, agreement) = bought(OfferKind::Public, DAY).await;
    // The last hours of the day were accepted after midnight, and come with the
    // feed of the day after.
    let first = kept_after(&stack, "2026-11-23").await;
    assert!(first.counts.late > 0, "{first:?}");
    assert_eq!((first.counts.missing, first.counts.over), (0, 0));
    let complete = kept_after(&stack, "2026-11-24").await;
    let Counts { equal, .. } = complete.counts;
    assert!(equal > 0, "{complete:?}");
    let all_equal = Counts {
        equal,
        ..Counts::default()
    };
    assert_eq!(complete.counts, all_equal);

    let large: u64 = stack
        .fake
        .accepted_records()
        .iter()
        .filter(|record| &*record.dimension == "large")
        .filter(|record| record.hour.to_string().starts_with(DAY))
        .map(|record| record.quantity)
        .sum();
    stack
        .fake
        .correct_usage(UsageCorrection {
            usage_date: DAY.parse().unwrap(),
            agreement_id: agreement.to_string(),
            dimension: "large".to_owned(),
            quantity: large + 7,
        })
        .unwrap();
    let wrong = kept_after(&stack, "2026-11-25").await;
    let [finding] = wrong.findings.as_slice() else {
        panic!("{wrong:?}");
    };
    assert_eq!(finding.whose, Whose::Agreement(agreement.clone()));
    let (units, explained) = (Units::whole(7), Units::default());
    assert_eq!(finding.verdict, Verdict::Over { units, explained });
    // What AWS takes back of a day's figure it takes back whole, also what it had
    // said of it on another day.
    stack
        .fake
        .correct_usage(UsageCorrection {
            usage_date: DAY.parse().unwrap(),
            agreement_id: agreement.to_string(),
            dimension: "large".to_owned(),
            quantity: 0,
        })
        .unwrap();
    let gone = kept_after(&stack, "2026-11-26").await;
    let [finding] = gone.findings.as_slice() else {
        panic!("{gone:?}");
    };
    let units = Units::whole(large);
    assert_eq!(finding.verdict, Verdict::Missing { units });
    // Nothing was sent for it.
    let asked = stack.fake.calls();
    assert!(
        asked
            .iter()
            .all(|call| !call.operation.contains("Adjustment"))
    );
    stack.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_aws_meters_of_a_prepaid_contract_is_over_at_the_agreed_rate_and_kept_with_its_month()
{
    // The contract covers all hours: nothing is metered.
    let (stack, agreement) = bought(OfferKind::PrivateMonthly, "2026-11-28").await;
    let day: Date = "2026-11-28".parse().unwrap();
    let until = async |instant: &str| stack.fake.advance_to(instant.parse().unwrap()).await;
    until("2026-11-29T02:30:00Z").await.unwrap();
    let kept = async || stack.app.store.reconciled_day(day).await.unwrap().unwrap();
    assert_eq!(kept().await.counts, Counts::default());
    stack
        .fake
        .correct_usage(UsageCorrection {
            usage_date: day,
            agreement_id: agreement.to_string(),
            dimension: "large".to_owned(),
            quantity: 7,
        })
        .unwrap();
    until("2026-12-03T02:30:00Z").await.unwrap();
    let wrong = kept().await;
    let [finding] = wrong.findings.as_slice() else {
        panic!("{wrong:?}");
    };
    let (units, explained) = (Units::whole(7), Units::default());
    assert_eq!(finding.verdict, Verdict::Over { units, explained });
    // 85% of the list price, by the terms of the private offer.
    let price = Price::Agreed(Usd::from_micros(27_200));
    assert_eq!(finding.price, price);

    let month = stack.app.store.reconciled_amounts(day).await;
    let month = month.unwrap().unwrap();
    let [amount] = month.amounts.as_slice() else {
        panic!("{month:?}");
    };
    // The instalment is in the invoice as well: how much is over, the days say.
    let obstacle = AmountObstacle::FixedPayments;
    assert_eq!(amount.verdict, AmountVerdict::NotComparable { obstacle });
    assert_eq!(amount.invoiced_microusd, 850_190_000);
    let [proposed] = month.proposed.as_slice() else {
        panic!("{month:?}");
    };
    assert_eq!(proposed.agreement, agreement);
    assert_eq!(proposed.amount, "0.1904");
    stack.stop().await;
}
