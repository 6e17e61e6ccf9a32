//! Which agreement and which license go on in another one's place: renewals
//! and replacements, as AWS tells them by the agreement before
//! (`previousAgreementId` of an event) or by the first of their chain
//! (`initialAgreementId` of an answer).

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::terms::{Term, Terms, terms};
use super::{LicenseEnd, names, order, regarded};
use crate::answers::DescribedAgreement;
use crate::fact::Fact;
use crate::ids::{AgreementId, LicenseId};
use crate::marketplace_event::Intent;

/// The most agreements of a chain that are followed: monthly renewals for five years.
pub const LONGEST_CHAIN: usize = 64;

/// Another license that goes on in a license's place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Succession {
    /// The license that goes on: the next one of the chain.
    pub license: LicenseId,
    /// From when, which may lie ahead.
    pub at: Timestamp,
    /// When we learned of it.
    pub learned_at: Timestamp,
}

/// From when on another agreement of the same license goes on in an agreement's
/// place, without a gap.
pub(super) fn passed_on(
    agreement: Option<&AgreementId>,
    terms: &Terms,
    facts: &[Fact],
) -> Option<Timestamp> {
    let agreement = agreement?;
    let term = terms.get(&Some(agreement.clone()))?;
    let joins = |next: &Term| {
        let in_time = |end: LicenseEnd| next.since() <= Some(end.ended_at);
        next.takes_over() && (term.superseded.is_some() || term.end.is_none_or(in_time))
    };
    let next = next_agreements(agreement, facts).into_iter();
    let mut named = next.filter_map(|next| terms.get(&Some(next)));
    if let Some(next) = named.find(|next| joins(next)) {
        return next.since();
    }
    // One that says of itself that it continues another, without naming it.
    term.superseded?;
    let later = terms.iter().filter(|(other, next)| {
        let another = other.as_ref().filter(|other| *other != agreement);
        another.is_some_and(|other| is_continuation(other, facts))
            && joins(next)
            && term.since() < next.since()
    });
    later.filter_map(|(_, next)| next.since()).min()
}

fn is_continuation(agreement: &AgreementId, facts: &[Fact]) -> bool {
    let of_it = regarded(facts).filter(|fact| fact.agreement() == Some(agreement));
    let mut terms = of_it.filter_map(Fact::agreement_terms);
    terms.any(|terms| matches!(terms.intent, Intent::Renew | Intent::Replace))
}

/// The license that goes on in the place of one that is under an agreement,
/// when AWS says that its agreement does: the next one, in whose place another
/// one may go on.
pub(super) fn succession(
    license: &LicenseId,
    agreement: Option<&AgreementId>,
    facts: &[Fact],
) -> Option<Succession> {
    let mut agreement = agreement?.clone();
    let mut visited = BTreeSet::from([agreement.clone()]);
    for _ in 0..LONGEST_CHAIN {
        let takes_over = |next: &&AgreementId| {
            let mut granted = licenses_under(next, facts).into_iter();
            granted.any(|heir| under(&heir, next, facts).is_some_and(|term| term.takes_over()))
        };
        let candidates = next_agreements(&agreement, facts);
        let next = candidates.iter().find(takes_over)?.clone();
        if !visited.insert(next.clone()) {
            return None;
        }
        let granted = licenses_under(&next, facts);
        if !granted.contains(license) {
            let taking_over = granted.into_iter().filter_map(|heir| {
                let term = under(&heir, &next, facts)?;
                term.takes_over().then_some((term.since()?, heir))
            });
            let (since, heir) = taking_over.min()?;
            let superseded = under(license, &agreement, facts).and_then(|term| term.superseded);
            let superseded = superseded.and_then(|superseded| superseded.since);
            return Some(Succession {
                at: superseded.map_or(since, |superseded| superseded.max(since)),
                learned_at: learned_at(&heir, &next, facts),
                license: heir,
            });
        }
        agreement = next;
    }
    None
}

/// The agreements that go on, one after the other, in an agreement's place, and
/// those in whose place it goes on, itself among them.
pub(super) fn chain(agreement: &AgreementId, facts: &[Fact]) -> BTreeSet<AgreementId> {
    let mut chain = BTreeSet::from([agreement.clone()]);
    let named: BTreeSet<&AgreementId> = regarded(facts).filter_map(Fact::agreement).collect();
    for _ in 0..LONGEST_CHAIN {
        let before = named.iter().find(|other| {
            !chain.contains(**other)
                && next_agreements(other, facts)
                    .iter()
                    .any(|next| chain.contains(next))
        });
        let Some(before) = before else {
            break;
        };
        chain.insert((*before).clone());
    }
    chain
}

/// The agreements that may go on in the place of another one: those that name it
/// as the one before, the latest first, then those after it in its chain.
fn next_agreements(agreement: &AgreementId, facts: &[Fact]) -> Vec<AgreementId> {
    let follows = |fact: &&Fact| {
        let terms = fact.agreement_terms();
        terms.is_some_and(|terms| terms.previous.as_ref() == Some(agreement))
    };
    let mut named: Vec<&Fact> = regarded(facts).filter(follows).collect();
    named.sort_by_key(|fact| order(fact));
    let mut next: Vec<AgreementId> = named
        .into_iter()
        .rev()
        .filter_map(|fact| fact.agreement().cloned())
        .collect();
    let described = || regarded(facts).filter_map(Fact::described);
    let own: Option<&DescribedAgreement> = described()
        .filter(|told| told.agreement == *agreement)
        .max_by_key(|told| told.asked_at);
    let initial = own
        .and_then(|told| told.initial.as_ref())
        .unwrap_or(agreement);
    let began_at = own.map(DescribedAgreement::began_at);
    let mut of_chain: Vec<&DescribedAgreement> = described()
        .filter(|told| told.initial.as_ref() == Some(initial))
        .filter(|told| began_at < Some(told.began_at()))
        .collect();
    of_chain.sort_by_key(|told| (told.began_at(), told.agreement.clone()));
    next.extend(of_chain.into_iter().map(|told| told.agreement.clone()));
    next.retain(|next| next != agreement);
    next.dedup();
    next
}

/// What is known of a license under an agreement.
fn under(license: &LicenseId, agreement: &AgreementId, facts: &[Fact]) -> Option<Term> {
    terms(license, facts).remove(&Some(agreement.clone()))
}

fn licenses_under(agreement: &AgreementId, facts: &[Fact]) -> BTreeSet<LicenseId> {
    regarded(facts)
        .filter(|fact| fact.agreement() == Some(agreement))
        .flat_map(|fact| fact.license_ids().filter(|id| names(fact, id)).cloned())
        .collect()
}

/// When it was learned that a license goes on under an agreement.
fn learned_at(heir: &LicenseId, agreement: &AgreementId, facts: &[Fact]) -> Timestamp {
    let of_agreement = || regarded(facts).filter(|fact| fact.agreement() == Some(agreement));
    let granted = of_agreement().filter(|fact| names(fact, heir));
    let followed = of_agreement().filter(|fact| fact.follows().is_some());
    let earliest = |learned: Option<Timestamp>| learned.unwrap_or(Timestamp::MIN);
    earliest(granted.map(|fact| fact.learned_at).min())
        .max(earliest(followed.map(|fact| fact.learned_at).min()))
}
