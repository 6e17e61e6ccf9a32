//! GetAgreementTerms: at which rates an agreement bills usage, and what it has its
//! buyer pay besides.

use std::collections::BTreeMap;

use aws_sdk_marketplaceagreement::types::{AcceptedTerm, ConfigurableUpfrontPricingTerm};
use domain::answers::{AcceptedTerms, BillingPeriod, Prepaid, Recurring};
use domain::ids::{AgreementId, Dimension};
use jiff::{Span, Timestamp};

use crate::Marketplace;
use crate::convert;
use crate::read_error::ReadError;

/// Terms in one answer.
const PAGE_SIZE: i32 = 50;

/// The most pages: an agreement has a term of each of some dozen kinds.
const MAX_PAGES: usize = 20;

impl Marketplace {
    /// The terms that the buyer of an agreement accepted, all pages, as far as
    /// they price usage. `asked_at` is when that is asked.
    ///
    /// # Errors
    /// See [`ReadError`]. A part of the terms is never returned, and none
    /// whose price cannot be read: [`ReadError::Incomplete`].
    pub async fn agreement_terms(
        &self,
        agreement: &AgreementId,
        asked_at: Timestamp,
    ) -> Result<AcceptedTerms, ReadError> {
        let mut terms = AcceptedTerms {
            agreement: agreement.clone(),
            currency: "USD".to_owned(),
            rates: BTreeMap::new(),
            prepaid: None,
            recurring: None,
            free_days: None,
            auto_renewal: None,
            asked_at,
        };
        let mut next = None;
        for _ in 0..MAX_PAGES {
            let output = self
                .agreement
                .get_agreement_terms()
                .agreement_id(agreement.as_str())
                .max_results(PAGE_SIZE)
                .set_next_token(next)
                .send()
                .await
                .map_err(|error| convert::failure(&error))?;
            for term in output.accepted_terms() {
                read(&mut terms, term).map_err(ReadError::Incomplete)?;
            }
            next = convert::next_page(output.next_token());
            if next.is_none() {
                return Ok(terms);
            }
        }
        Err(ReadError::TooManyPages(MAX_PAGES))
    }
}

/// Takes from a term what prices usage, or whether it renews; the others are for
/// lawyers.
fn read(terms: &mut AcceptedTerms, term: &AcceptedTerm) -> Result<(), &'static str> {
    match term {
        AcceptedTerm::UsageBasedPricingTerm(term) => {
            if let Some(currency) = term.currency_code() {
                currency.clone_into(&mut terms.currency);
            }
            for item in term.rate_cards().iter().flat_map(|card| card.rate_card()) {
                let dimension = item
                    .dimension_key()
                    .and_then(|key| Dimension::parse(key).ok());
                let dimension = dimension.ok_or("dimensionKey")?;
                let price = item.price().and_then(micros).ok_or("price")?;
                terms.rates.insert(dimension, price);
            }
        }
        AcceptedTerm::FreeTrialPricingTerm(term) => {
            terms.free_days = Some(term.duration().and_then(days).ok_or("duration")?);
        }
        AcceptedTerm::PaymentScheduleTerm(term) => {
            let amounts = term
                .schedule()
                .iter()
                .map(|item| item.charge_amount().and_then(micros));
            let amounts: Vec<u64> = amounts.collect::<Option<_>>().ok_or("chargeAmount")?;
            // It says in how many payments the upfront price is paid.
            terms.prepaid = Some(Prepaid {
                micros: amounts
                    .iter()
                    .fold(0, |sum, amount| sum.saturating_add(*amount)),
                payments: u32::try_from(amounts.len()).unwrap_or(u32::MAX),
            });
        }
        AcceptedTerm::FixedUpfrontPricingTerm(term) => {
            let micros = term.price().and_then(micros).ok_or("price")?;
            terms.prepaid.get_or_insert(Prepaid {
                micros,
                payments: 1,
            });
        }
        AcceptedTerm::ConfigurableUpfrontPricingTerm(term) => {
            let micros = upfront(term).ok_or("configuration")?;
            terms.prepaid.get_or_insert(Prepaid {
                micros,
                payments: 1,
            });
        }
        AcceptedTerm::RecurringPaymentTerm(term) => {
            if let Some(currency) = term.currency_code() {
                currency.clone_into(&mut terms.currency);
            }
            terms.recurring = Some(Recurring {
                micros: term.price().and_then(micros).ok_or("price")?,
                period: period(term.billing_period().ok_or("billingPeriod")?),
            });
        }
        AcceptedTerm::RenewalTerm(term) => {
            let configuration = term.configuration();
            terms.auto_renewal = configuration.map(|chosen| chosen.enable_auto_renew());
        }
        AcceptedTerm::ByolPricingTerm(_)
        | AcceptedTerm::LegalTerm(_)
        | AcceptedTerm::NetPaymentTerm(_)
        | AcceptedTerm::SupportTerm(_)
        | AcceptedTerm::ValidityTerm(_)
        | AcceptedTerm::VariablePaymentTerm(_)
        | _ => {}
    }
    Ok(())
}

/// How often AWS says that something is charged: a text such as `Monthly` (Discovery
/// API model; the Agreement API's says nothing of it).
fn period(text: &str) -> BillingPeriod {
    if text.eq_ignore_ascii_case("monthly") || text == "P1M" {
        BillingPeriod::Month
    } else {
        BillingPeriod::Unrecognized(text.to_owned())
    }
}

/// What a contract costs whose dimensions and length the buyer chose: the price of
/// each of that length, as many times as they took it. Nothing chosen costs nothing.
fn upfront(term: &ConfigurableUpfrontPricingTerm) -> Option<u64> {
    let Some(chosen) = term.configuration() else {
        return Some(0);
    };
    let cards = term.rate_cards().iter();
    let of_length = cards.filter(|card| {
        let selector = card.selector().and_then(|selector| selector.value());
        selector.is_none_or(|length| length == chosen.selector_value())
    });
    let rates: Vec<_> = of_length.flat_map(|card| card.rate_card()).collect();
    let costs = chosen.dimensions().iter().map(|dimension| {
        let key = Some(dimension.dimension_key());
        let rate = rates.iter().find(|rate| rate.dimension_key() == key)?;
        let units = u64::try_from(dimension.dimension_value()).ok()?;
        micros(rate.price()?)?.checked_mul(units)
    });
    costs.sum()
}

/// A price such as `0.0495` in millionths; digits beyond these round half up.
fn micros(price: &str) -> Option<u64> {
    let (whole, fraction) = price.split_once('.').unwrap_or((price, ""));
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || !digits(whole) || !digits(fraction) {
        return None;
    }
    let padded = format!("{fraction:0<7}");
    let (micros, rest) = padded.split_at(6);
    let round = u64::from(rest.as_bytes().first().is_some_and(|digit| *digit >= b'5'));
    let whole = whole.parse::<u64>().ok()?.checked_mul(1_000_000)?;
    whole.checked_add(micros.parse::<u64>().ok()? + round)
}

/// An ISO 8601 duration such as `P14D` in days.
fn days(duration: &str) -> Option<u16> {
    let span: Span = duration.parse().ok()?;
    let days = span.get_weeks() * 7 + span.get_days();
    let in_days = Span::new().weeks(span.get_weeks()).days(span.get_days());
    (span.fieldwise() == in_days.fieldwise()).then(|| u16::try_from(days).ok())?
}

#[cfg(test)]
mod tests;
