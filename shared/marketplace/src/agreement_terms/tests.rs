use domain::money::Usd;

use super::*;
use crate::testing::{Answer, Aws, list, map, text};

/// `true` in CBOR.
const TRUE: [u8; 1] = [0xf5];

fn rate(dimension: &str, price: &str) -> Vec<u8> {
    map(&[("dimensionKey", text(dimension)), ("price", text(price))])
}

fn usage_based(currency: &str, rates: &[Vec<u8>]) -> Vec<u8> {
    let card = map(&[("rateCard", list(rates))]);
    let term = map(&[
        ("currencyCode", text(currency)),
        ("rateCards", list(&[card])),
    ]);
    map(&[("usageBasedPricingTerm", term)])
}

fn page(terms: &[Vec<u8>], next: Option<&str>) -> Answer {
    let mut entries = vec![("acceptedTerms", list(terms))];
    if let Some(token) = next {
        entries.push(("nextToken", text(token)));
    }
    Answer::Http(200, map(&entries))
}

async fn ask(aws: &Aws) -> Result<AcceptedTerms, ReadError> {
    let agreement = AgreementId::parse("agmt-1").unwrap();
    aws.marketplace()
        .agreement_terms(&agreement, "2026-11-22T10:00:00Z".parse().unwrap())
        .await
}

#[tokio::test]
async fn a_private_offers_rates_schedule_and_trial_are_read_from_all_pages() {
    let installment = |amount| map(&[("chargeAmount", text(amount))]);
    let schedule = map(&[(
        "schedule",
        list(&[installment("850.00"), installment("850.00")]),
    )]);
    let trial = map(&[("duration", text("P14D"))]);
    let renewal = map(&[("configuration", map(&[("enableAutoRenew", TRUE.to_vec())]))]);
    let aws = Aws::answering([
        page(
            &[usage_based("USD", &[rate("medium", "0.0088")])],
            Some("a"),
        ),
        page(&[], Some("b")),
        page(
            &[
                map(&[("paymentScheduleTerm", schedule)]),
                map(&[("freeTrialPricingTerm", trial)]),
                map(&[("renewalTerm", renewal)]),
                map(&[("legalTerm", map(&[]))]),
            ],
            None,
        ),
    ]);
    let terms = ask(&aws).await.unwrap();
    assert_eq!(terms.auto_renewal, Some(true));
    let medium = Dimension::parse("medium").unwrap();
    assert_eq!(terms.rate(&medium), Some(Usd::from_micros(8_800)));
    assert_eq!(
        terms.prepaid,
        Some(Prepaid {
            micros: 1_700_000_000,
            payments: 2
        })
    );
    assert_eq!(terms.free_days, Some(14));
}

#[tokio::test]
async fn what_is_paid_every_period_is_read_with_its_period() {
    let recurring = |period, price| {
        let term = map(&[
            ("currencyCode", text("USD")),
            ("billingPeriod", text(period)),
            ("price", text(price)),
        ]);
        Aws::answering([page(&[map(&[("recurringPaymentTerm", term)])], None)])
    };
    let terms = ask(&recurring("Monthly", "850.00")).await.unwrap();
    assert!(terms.has_fixed_payments());
    assert_eq!(
        terms.recurring,
        Some(Recurring {
            micros: 850_000_000,
            period: BillingPeriod::Month,
        })
    );
    let terms = ask(&recurring("Fortnightly", "1.50")).await.unwrap();
    let period = terms.recurring.unwrap().period;
    assert_eq!(
        period,
        BillingPeriod::Unrecognized("Fortnightly".to_owned())
    );
    assert_eq!(
        ask(&recurring("Monthly", "negotiable")).await,
        Err(ReadError::Incomplete("price"))
    );
}

#[tokio::test]
async fn rates_in_another_currency_are_no_rates_in_dollars() {
    let aws = Aws::answering([page(&[usage_based("EUR", &[rate("medium", "0.01")])], None)]);
    let terms = ask(&aws).await.unwrap();
    assert_eq!(terms.rate(&Dimension::parse("medium").unwrap()), None);
    assert_eq!(terms.currency, "EUR");
}

#[tokio::test]
async fn a_price_that_cannot_be_read_is_never_taken_for_none() {
    for price in ["", "1,000", "-1", "free", "1.2.3"] {
        let aws = Aws::answering([page(&[usage_based("USD", &[rate("medium", price)])], None)]);
        assert_eq!(
            ask(&aws).await,
            Err(ReadError::Incomplete("price")),
            "{price:?}"
        );
    }
}

#[test]
fn prices_are_exact_to_the_millionth() {
    assert_eq!(micros("12"), Some(12_000_000));
    assert_eq!(micros("0.011"), Some(11_000));
    assert_eq!(micros("0.0000005"), Some(1));
    assert_eq!(micros("0.00000049"), Some(0));
}

#[test]
fn a_trials_length_is_in_days_or_weeks() {
    assert_eq!(days("P14D"), Some(14));
    assert_eq!(days("P2W"), Some(14));
    assert_eq!(days("P1M"), None);
    assert_eq!(days("soon"), None);
}

#[tokio::test]
async fn a_contract_whose_length_and_amounts_the_buyer_chose_costs_what_they_chose() {
    let card = |length, price| {
        map(&[
            ("selector", map(&[("value", text(length))])),
            ("rateCard", list(&[rate("medium_hours", price)])),
        ])
    };
    let chosen = map(&[
        ("dimensionKey", text("medium_hours")),
        ("dimensionValue", vec![0x19, 0x03, 0xe8]),
    ]);
    let configuration = map(&[
        ("selectorValue", text("P12M")),
        ("dimensions", list(&[chosen])),
    ]);
    let term = map(&[
        (
            "rateCards",
            list(&[card("P1M", "0.02"), card("P12M", "0.01")]),
        ),
        ("configuration", configuration),
    ]);
    let term = map(&[("configurableUpfrontPricingTerm", term)]);
    let aws = Aws::answering([page(&[term], None)]);
    let prepaid = ask(&aws).await.unwrap().prepaid.unwrap();
    // 1,000 units at a cent.
    assert_eq!((prepaid.micros, prepaid.payments), (10_000_000, 1));
}
