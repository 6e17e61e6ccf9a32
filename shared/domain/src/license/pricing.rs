//! At which rates a license's usage is billed, by the terms of its agreements.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::asks::accepted_terms;
use super::regarded;
use super::terms::{Term, Terms};
use crate::answers::AcceptedTerms;
use crate::fact::Fact;
use crate::hour::after;
use crate::ids::{AgreementId, Dimension};
use crate::marketplace_event::EventKind;
use crate::money::Usd;

/// The terms that a license's usage is billed at from an instant on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pricing {
    /// From when on: the agreement's start, or its amendment.
    pub from: Timestamp,
    /// Until when usage costs nothing, in a free trial.
    pub free_until: Option<Timestamp>,
    /// The terms.
    pub terms: AcceptedTerms,
}

impl Pricing {
    /// What a unit of a dimension that is used at an instant costs.
    pub fn rate(&self, dimension: &Dimension, at: Timestamp) -> Option<Usd> {
        if self.free_until.is_some_and(|until| at < until) {
            return Some(Usd::ZERO);
        }
        self.terms.rate(dimension)
    }
}

/// The pricing in force at an instant, of those that a license had, ascending.
pub fn pricing_at(pricing: &[Pricing], at: Timestamp) -> Option<&Pricing> {
    pricing.iter().rev().find(|pricing| pricing.from <= at)
}

/// All that is known of a license's prices, ascending by when they began.
pub(super) fn pricing(terms: &Terms, facts: &[Fact]) -> Vec<Pricing> {
    let mut by_start: BTreeMap<Timestamp, Pricing> = BTreeMap::new();
    for (agreement, term) in terms {
        let mut answers: Vec<_> = accepted_terms(agreement.as_ref(), facts).collect();
        answers.sort_by_key(|told| told.asked_at);
        for told in answers {
            let Some(from) = in_force_from(agreement.as_ref(), term, told, facts) else {
                continue;
            };
            // Other rates than were answered before, by an amendment that nothing
            // told of: what is past was billed at the earlier ones.
            let other = by_start
                .get(&from)
                .is_some_and(|one| !one.terms.prices_as(told));
            let from = if other { told.asked_at.max(from) } else { from };
            let pricing = Pricing {
                from,
                free_until: free_until(term, told),
                terms: told.clone(),
            };
            by_start.insert(from, pricing);
        }
    }
    by_start.into_values().collect()
}

/// Since when terms hold: since the last amendment before AWS was asked for them,
/// but not before the agreement's start.
fn in_force_from(
    agreement: Option<&AgreementId>,
    term: &Term,
    told: &AcceptedTerms,
    facts: &[Fact],
) -> Option<Timestamp> {
    let events = regarded(facts).filter(|fact| fact.agreement() == agreement);
    let amended = events.filter_map(Fact::event).filter_map(|event| {
        let is_amendment = matches!(event.kind, EventKind::AgreementAmended(_));
        (is_amendment && event.at <= told.asked_at).then_some(event.at)
    });
    amended.max().max(term.began_at())
}

/// Until when usage is free: so many days from the agreement's start.
fn free_until(term: &Term, told: &AcceptedTerms) -> Option<Timestamp> {
    let started = term.began_at()?;
    let days = i64::from(told.free_days?);
    Some(after(started, SignedDuration::from_hours(24 * days)))
}
