//! What the product is offered for: seven offers over the same dimensions.
//!
//! A contract's own dimensions are named after the metered ones with
//! `_hours` added (in AWS a dimension is either entitled or metered, never
//! both); their value counts hours of use per agreement term.

use serde::{Deserialize, Serialize};

use crate::terms::{Contract, Entitled, Rate, Terms};

/// Millionths of a US dollar.
pub(crate) type MicroUsd = u64;

const MICROS_PER_USD: MicroUsd = 1_000_000;

const MICROS_PER_CENT: MicroUsd = MICROS_PER_USD / 100;

/// Added to a metered dimension's name to name the contract's.
pub(crate) const CONTRACT_SUFFIX: &str = "_hours";

/// How the product is bought.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OfferKind {
    /// The public listing: pay as you go at list price, no end.
    Public,
    /// A private offer: pay as you go at reduced rates, no end.
    PrivateUsage,
    /// A private offer: twelve months prepaid at once.
    PrivateYearly,
    /// A private offer: twelve months in monthly instalments.
    PrivateMonthly,
    /// A private offer: thirty-six months in yearly instalments.
    PrivateMultiYear,
    /// A private offer: a small contract, and consumption beyond it.
    Consumption,
    /// Fourteen days free, then pay as you go at list price.
    FreeTrial,
}

impl OfferKind {
    /// Every offer.
    pub const ALL: [OfferKind; 7] = [
        OfferKind::Public,
        OfferKind::PrivateUsage,
        OfferKind::PrivateYearly,
        OfferKind::PrivateMonthly,
        OfferKind::PrivateMultiYear,
        OfferKind::Consumption,
        OfferKind::FreeTrial,
    ];

    /// Its name in the control API.
    pub fn name(self) -> &'static str {
        match self {
            OfferKind::Public => "public",
            OfferKind::PrivateUsage => "private-usage",
            OfferKind::PrivateYearly => "private-yearly",
            OfferKind::PrivateMonthly => "private-monthly",
            OfferKind::PrivateMultiYear => "private-multi-year",
            OfferKind::Consumption => "consumption",
            OfferKind::FreeTrial => "free-trial",
        }
    }

    /// The offer of that name.
    pub fn named(name: &str) -> Option<OfferKind> {
        OfferKind::ALL.into_iter().find(|kind| kind.name() == name)
    }
}

/// An offer and its terms.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Offer {
    /// Name in the control API.
    #[serde(rename = "offer")]
    pub(crate) kind: OfferKind,
    /// AWS's id, `offer-…`.
    pub(crate) offer_id: &'static str,
    /// For a person.
    pub(crate) title: &'static str,
    /// For a person.
    pub(crate) summary: &'static str,
    /// What it proposes.
    #[serde(flatten)]
    pub(crate) terms: Terms,
}

/// The seven offers, in the order they are shown.
#[derive(Debug, Serialize)]
pub(crate) struct Catalog([Offer; 7]);

impl Catalog {
    /// The terms of an offer.
    pub(crate) fn get(&self, kind: OfferKind) -> &Offer {
        match kind {
            OfferKind::Public => &self.0[0],
            OfferKind::FreeTrial => &self.0[1],
            OfferKind::PrivateUsage => &self.0[2],
            OfferKind::PrivateYearly => &self.0[3],
            OfferKind::PrivateMonthly => &self.0[4],
            OfferKind::PrivateMultiYear => &self.0[5],
            OfferKind::Consumption => &self.0[6],
        }
    }

    /// All of them.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Offer> {
        self.0.iter()
    }
}

/// The offers for a product with these dimensions.
pub(crate) fn catalog(dimensions: &[String]) -> Catalog {
    let rates = |percent: u64| -> Vec<Rate> {
        dimensions
            .iter()
            .map(|dimension| Rate {
                dimension: dimension.clone(),
                micro_usd: list_price(dimension) * percent / 100,
            })
            .collect()
    };
    let contract = |months: i32, hours: i64, instalments: u32, dollars: u64| {
        Some(Contract {
            months,
            entitlements: dimensions
                .iter()
                .map(|dimension| Entitled {
                    dimension: format!("{dimension}{CONTRACT_SUFFIX}"),
                    value: hours,
                })
                .collect(),
            instalments,
            instalment_micro_usd: dollars * MICROS_PER_USD,
            by_unit: false,
        })
    };
    let offer = |kind, offer_id, title, summary, rates, contract, free_days| Offer {
        kind,
        offer_id,
        title,
        summary,
        terms: Terms {
            rates,
            contract,
            free_days,
        },
    };
    Catalog([
        offer(
            OfferKind::Public,
            "offer-pub7q2xk5wd4n",
            "Pay as you go",
            "No commitment. Every hour of use is billed at list price.",
            rates(100),
            None,
            0,
        ),
        offer(
            OfferKind::FreeTrial,
            "offer-try3m8vj6ch2t",
            "Free trial",
            "14 days free, then pay as you go at list price.",
            rates(100),
            None,
            14,
        ),
        offer(
            OfferKind::PrivateUsage,
            "offer-pvu3d7sm5hx9c",
            "Private offer, pay as you go",
            "No commitment. Every hour of use is billed at a reduced rate.",
            rates(70),
            None,
            0,
        ),
        offer(
            OfferKind::PrivateYearly,
            "offer-pvy5r9zt4bg7k",
            "Private offer, prepaid yearly",
            "12 months paid at once; use beyond the contract at a reduced rate.",
            rates(80),
            contract(12, 87_600, 1, 9_600),
            0,
        ),
        offer(
            OfferKind::PrivateMonthly,
            "offer-pvm6s1lu8fh3p",
            "Private offer, prepaid monthly",
            "12 months in monthly instalments; use beyond the contract at a reduced rate.",
            rates(85),
            contract(12, 87_600, 12, 850),
            0,
        ),
        offer(
            OfferKind::PrivateMultiYear,
            "offer-pvt8k4wq2dn6x",
            "Private offer, three years prepaid yearly",
            "36 months in yearly instalments; use beyond the contract at a reduced rate.",
            rates(75),
            contract(36, 262_800, 3, 9_000),
            0,
        ),
        offer(
            OfferKind::Consumption,
            "offer-cwc2y4na9ej6r",
            "Contract with consumption",
            "A small 12-month contract; use beyond it is metered.",
            rates(90),
            contract(12, 1_000, 1, 120).map(|contract| Contract {
                by_unit: true,
                ..contract
            }),
            0,
        ),
    ])
}

/// List price of one hour, in millionths of a US dollar.
fn list_price(dimension: &str) -> MicroUsd {
    match dimension {
        "medium" => 11_000,
        "large" => 32_000,
        "xlarge" => 47_000,
        "datacenter" => 60_000,
        _ => 10_000,
    }
}

/// A price as AWS writes it: `0.011`, `9600.00`.
pub(crate) fn decimal(micro_usd: MicroUsd) -> String {
    let whole = micro_usd / MICROS_PER_USD;
    format!("{whole}.{}", cents_and_fractions(micro_usd))
}

/// A price as it is: `$0.011`, `$9,600.00`; fractions of a cent are shown
/// where there are any.
pub(crate) fn rate(micro_usd: MicroUsd) -> String {
    let dollars = whole_dollars(micro_usd / MICROS_PER_USD);
    format!("{dollars}.{}", cents_and_fractions(micro_usd))
}

/// At least two digits, more where there are any.
fn cents_and_fractions(micro_usd: MicroUsd) -> String {
    let micros = format!("{:06}", micro_usd % MICROS_PER_USD);
    format!("{:0<2}", micros.trim_end_matches('0'))
}

/// A sum to pay, to the cent, half a cent rounded up: `$1,234.56`.
pub(crate) fn amount(micro_usd: MicroUsd) -> String {
    let cents = cents(micro_usd);
    format!("{}.{:02}", whole_dollars(cents / 100), cents % 100)
}

/// Whole cents, half a cent rounded up.
pub(crate) fn cents(micro_usd: MicroUsd) -> u64 {
    micro_usd / MICROS_PER_CENT + u64::from(micro_usd % MICROS_PER_CENT >= MICROS_PER_CENT / 2)
}

fn whole_dollars(dollars: u64) -> String {
    let digits = dollars.to_string();
    let mut grouped = String::from("$");
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

#[cfg(test)]
mod tests {
    use super::*;

    fn offer(kind: OfferKind) -> Offer {
        let dimensions = ["medium", "datacenter"].map(str::to_owned);
        catalog(&dimensions).get(kind).clone()
    }

    #[test]
    fn every_kind_is_offered_under_its_name() {
        for kind in OfferKind::ALL {
            assert_eq!(OfferKind::named(kind.name()), Some(kind));
            assert_eq!(offer(kind).kind, kind);
        }
        assert_eq!(OfferKind::named("gold"), None);
    }

    #[test]
    fn a_price_is_shown_to_the_last_fraction_it_has() {
        assert_eq!(rate(0), "$0.00");
        assert_eq!(rate(11_000), "$0.011");
        assert_eq!(rate(9_350), "$0.00935");
        assert_eq!(rate(9_600_000_000), "$9,600.00");
        assert_eq!(decimal(9_600_000_000), "9600.00");
        assert_eq!(decimal(9_350), "0.00935");
    }

    #[test]
    fn a_sum_is_shown_to_the_cent_with_half_a_cent_rounded_up() {
        assert_eq!(amount(0), "$0.00");
        assert_eq!(amount(4_999), "$0.00");
        assert_eq!(amount(5_000), "$0.01");
        assert_eq!(amount(853_001_350), "$853.00");
        assert_eq!(amount(999_995_000), "$1,000.00");
        assert_eq!(amount(1_234_567_504_999), "$1,234,567.50");
        assert_eq!(amount(u64::MAX), "$18,446,744,073,709.55");
    }
}
