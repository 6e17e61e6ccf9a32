use domain::answers::AcceptedTerms;
use domain::ids::AgreementId;
use jiff::Timestamp;

use super::*;

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn pricing(from: &str, micros: u64, free_until: Option<&str>, currency: &str) -> Pricing {
    Pricing {
        from: at(from),
        free_until: free_until.map(at),
        terms: AcceptedTerms {
            agreement: AgreementId::parse("agmt-1").unwrap(),
            currency: currency.to_owned(),
            rates: [(Dimension::parse("medium").unwrap(), micros)].into(),
            prepaid: None,
            recurring: None,
            free_days: None,
            auto_renewal: None,
            asked_at: at(from),
        },
    }
}

/// The price of a Medium computer-hour, in millionths of a dollar.
fn price(agreed: Vec<Pricing>, hour: &str) -> Usd {
    let license = LicenseId::parse(format!("l-{:032x}", 1)).unwrap();
    let agreed = [(license.clone(), agreed)].into();
    let catalog = Catalog::workload_security();
    let prices = Prices::new(&catalog, &agreed);
    let medium = Dimension::parse("medium").unwrap();
    prices
        .unit_price(&license, &medium, Hour::of(at(hour)))
        .unwrap()
}

#[test]
fn usage_costs_what_was_agreed_on_when_it_is_billed() {
    let agreed = || {
        vec![
            pricing("2026-11-01T10:20:00Z", 9_000, None, "USD"),
            pricing("2026-11-20T12:00:00Z", 8_000, None, "USD"),
        ]
    };
    // The hour in which the agreement began is billed by it.
    assert_eq!(
        price(agreed(), "2026-11-01T10:00:00Z"),
        Usd::from_micros(9_000)
    );
    assert_eq!(
        price(agreed(), "2026-11-20T11:00:00Z"),
        Usd::from_micros(9_000)
    );
    assert_eq!(
        price(agreed(), "2026-11-20T12:00:00Z"),
        Usd::from_micros(8_000)
    );
}

#[test]
fn a_free_trial_costs_nothing_until_its_end() {
    let agreed = || {
        vec![pricing(
            "2026-11-01T10:20:00Z",
            9_000,
            Some("2026-11-15T10:20:00Z"),
            "USD",
        )]
    };
    assert_eq!(price(agreed(), "2026-11-15T10:00:00Z"), Usd::ZERO);
    assert_eq!(
        price(agreed(), "2026-11-15T11:00:00Z"),
        Usd::from_micros(9_000)
    );
}

#[test]
fn without_a_rate_in_dollars_the_list_price_is_the_estimate() {
    assert_eq!(
        price(Vec::new(), "2026-11-01T10:00:00Z"),
        Usd::from_micros(11_000)
    );
    let euros = vec![pricing("2026-11-01T10:00:00Z", 9_000, None, "EUR")];
    assert_eq!(
        price(euros, "2026-11-01T10:00:00Z"),
        Usd::from_micros(11_000)
    );
}
