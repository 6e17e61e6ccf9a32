//! `GetAgreementTerms`: what an agreement's terms are to AWS, those it is
//! under now.
//!
//! Metered dimensions are priced by use. A contract of which the buyer chose
//! the quantities is priced by the unit, any other as a whole; in instalments,
//! its own price is nothing and the schedule has what is paid.

use serde_json::Value;
use sha2::{Digest, Sha256};

use super::{Members, OfAgreement, find, page, paged, read};
use crate::Inner;
use crate::events::LOCKOUT_DAYS;
use crate::faults::CallFault;
use crate::ids::hex;
use crate::lock;
use crate::offers::{MicroUsd, decimal};
use crate::state::Agreement;
use crate::terms::Contract;
use crate::wire::{AwsError, Wire};

impl Inner {
    /// `GetAgreementTerms`.
    pub(crate) fn get_agreement_terms(
        &self,
        request: Value,
        fault: Option<CallFault>,
    ) -> Result<Wire, AwsError> {
        let request: OfAgreement = read(request)?;
        let page = page(request.max_results, request.next_token.as_deref())?;
        let kept = lock(&self.kept);
        let agreement = find(&kept.state, &request.agreement_id)?;
        Ok(paged("acceptedTerms", page.cut(accepted(agreement), fault)))
    }
}

fn is_paid_by_schedule(agreement: &Agreement, contract: &Contract) -> bool {
    contract.instalments > 1 || agreement.terms.payments.is_some()
}

fn accepted(agreement: &Agreement) -> Vec<Wire> {
    let mut all = vec![legal(agreement), usage_based(agreement)];
    all.extend(validity(agreement));
    if let Some(contract) = &agreement.terms.terms.contract {
        all.push(if contract.by_unit {
            configurable_upfront(agreement, contract)
        } else {
            fixed_upfront(agreement, contract)
        });
        if is_paid_by_schedule(agreement, contract) {
            all.push(payment_schedule(agreement));
        }
        all.push(renewal(agreement));
    }
    all.extend(free_trial(agreement));
    all
}

/// The union's one member: `name` in camel case is the type with a capital.
fn term(agreement: &Agreement, name: &'static str, kind: &'static str, members: Members) -> Wire {
    let seed = format!(
        "{}/{kind}/{}",
        agreement.agreement_id, agreement.terms.since
    );
    let id = format!("term-{:.26}", hex(&Sha256::digest(seed)));
    let mut all = vec![("type", Wire::text(kind)), ("id", Wire::text(id))];
    all.extend(members);
    Wire::Struct(vec![(name, Wire::Struct(all))])
}

fn usd() -> (&'static str, Wire) {
    ("currencyCode", Wire::text("USD"))
}

fn legal(agreement: &Agreement) -> Wire {
    let document = Wire::Struct(vec![
        ("type", Wire::text("StandardEula")),
        ("version", Wire::text("2022-07-14")),
    ]);
    let documents = vec![("documents", Wire::List(vec![document]))];
    term(agreement, "legalTerm", "LegalTerm", documents)
}

fn rate_card<'a>(prices: impl Iterator<Item = (&'a str, MicroUsd)>) -> (&'static str, Wire) {
    let items = prices.map(|(dimension, micro_usd)| {
        Wire::Struct(vec![
            ("dimensionKey", Wire::text(dimension)),
            ("price", Wire::text(decimal(micro_usd))),
        ])
    });
    ("rateCard", Wire::List(items.collect()))
}

fn usage_based(agreement: &Agreement) -> Wire {
    let rates = agreement.terms.terms.rates.iter();
    let card = rate_card(rates.map(|rate| (rate.dimension.as_str(), rate.micro_usd)));
    let cards = Wire::List(vec![Wire::Struct(vec![card])]);
    term(
        agreement,
        "usageBasedPricingTerm",
        "UsageBasedPricingTerm",
        vec![usd(), ("rateCards", cards)],
    )
}

/// When the agreement starts and ends, if either was agreed on.
fn validity(agreement: &Agreement) -> Option<Wire> {
    let starts_later = agreement.starts_at > agreement.accepted_at;
    let mut members = Vec::new();
    if let Some(contract) = &agreement.terms.terms.contract {
        members.push(("agreementDuration", duration(contract)));
    }
    if starts_later {
        members.push(("agreementStartDate", Wire::Time(agreement.starts_at)));
    }
    let ends_at = agreement.ends_at;
    members.extend(ends_at.map(|at| ("agreementEndDate", Wire::Time(at))));
    (!members.is_empty()).then(|| term(agreement, "validityTerm", "ValidityTerm", members))
}

fn duration(contract: &Contract) -> Wire {
    Wire::text(format!("P{}M", contract.months))
}

fn configurable_upfront(agreement: &Agreement, contract: &Contract) -> Wire {
    let entitled = contract.entitlements.iter();
    let price = contract.unit_price();
    let card = rate_card(entitled.clone().map(|of| (of.dimension.as_str(), price)));
    let selector = Wire::Struct(vec![
        ("type", Wire::text("Duration")),
        ("value", duration(contract)),
    ]);
    let constraints = Wire::Struct(vec![
        ("multipleDimensionSelection", Wire::text("Allowed")),
        ("quantityConfiguration", Wire::text("Allowed")),
    ]);
    let cards = Wire::List(vec![Wire::Struct(vec![
        ("selector", selector),
        ("constraints", constraints),
        card,
    ])]);
    let dimensions = entitled.map(|of| {
        Wire::Struct(vec![
            ("dimensionKey", Wire::text(&of.dimension)),
            ("dimensionValue", Wire::Integer(of.value)),
        ])
    });
    let configuration = Wire::Struct(vec![
        ("selectorValue", duration(contract)),
        ("dimensions", Wire::List(dimensions.collect())),
    ]);
    term(
        agreement,
        "configurableUpfrontPricingTerm",
        "ConfigurableUpfrontPricingTerm",
        vec![
            usd(),
            ("rateCards", cards),
            ("configuration", configuration),
        ],
    )
}

fn grants<'a>(granted: impl Iterator<Item = (&'a str, Option<i64>)>) -> (&'static str, Wire) {
    let items = granted.map(|(dimension, quantity)| {
        let mut grant = vec![("dimensionKey", Wire::text(dimension))];
        grant.extend(quantity.map(|most| ("maxQuantity", Wire::Integer(most))));
        Wire::Struct(grant)
    });
    ("grants", Wire::List(items.collect()))
}

fn fixed_upfront(agreement: &Agreement, contract: &Contract) -> Wire {
    let price = if is_paid_by_schedule(agreement, contract) {
        0
    } else {
        contract.instalment_micro_usd
    };
    let entitled = contract.entitlements.iter();
    let members = vec![
        usd(),
        ("duration", duration(contract)),
        ("price", Wire::text(decimal(price))),
        grants(entitled.map(|of| (of.dimension.as_str(), Some(of.value)))),
    ];
    term(
        agreement,
        "fixedUpfrontPricingTerm",
        "FixedUpfrontPricingTerm",
        members,
    )
}

fn payment_schedule(agreement: &Agreement) -> Wire {
    let schedule = agreement.terms.instalments().map(|(at, micro_usd)| {
        Wire::Struct(vec![
            ("chargeDate", Wire::Time(at)),
            ("chargeAmount", Wire::text(decimal(micro_usd))),
        ])
    });
    let schedule = ("schedule", Wire::List(schedule.collect()));
    term(
        agreement,
        "paymentScheduleTerm",
        "PaymentScheduleTerm",
        vec![usd(), schedule],
    )
}

fn renewal(agreement: &Agreement) -> Wire {
    let configuration = Wire::Struct(vec![(
        "enableAutoRenew",
        Wire::Json(agreement.auto_renewal.into()),
    )]);
    let members = vec![
        ("configuration", configuration),
        ("lockoutPeriod", Wire::text(format!("P{LOCKOUT_DAYS}D"))),
    ];
    term(agreement, "renewalTerm", "RenewalTerm", members)
}

fn free_trial(agreement: &Agreement) -> Option<Wire> {
    let terms = &agreement.terms.terms;
    let days = Some(terms.free_days).filter(|days| *days > 0)?;
    let members = vec![
        ("duration", Wire::text(format!("P{days}D"))),
        grants(
            terms
                .rates
                .iter()
                .map(|rate| (rate.dimension.as_str(), None)),
        ),
    ];
    Some(term(
        agreement,
        "freeTrialPricingTerm",
        "FreeTrialPricingTerm",
        members,
    ))
}
