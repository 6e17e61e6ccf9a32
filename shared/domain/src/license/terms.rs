//! What the facts say of a license under each of its agreements.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::{ANSWER_AWAITED_FOR, LicenseEnd, names, notifications, order, regarded};
use crate::answers::DescribedAgreement;
use crate::fact::Fact;
use crate::hour::after;
use crate::ids::{AgreementId, LicenseId};
use crate::marketplace_event::{EndedStatus, EventKind, MarketplaceEvent};
use crate::mutant;

/// A license's terms by agreement, and what is known of the agreements besides.
pub(super) type Terms = BTreeMap<Option<AgreementId>, Term>;

/// What the facts say about a license under one of its agreements.
#[derive(Debug, Clone, Default)]
pub(super) struct Term {
    /// License Updated, the first of them.
    pub(super) updated_at: Option<Timestamp>,
    /// When the agreement began, by an answer of AWS's that names the license.
    pub(super) granted_at: Option<Timestamp>,
    /// When the agreement starts, if that was said.
    pub(super) starts_at: Option<Timestamp>,
    /// When the agreement ends by itself, as told last.
    pub(super) ends_at: Option<Timestamp>,
    /// Its end, by events and messages, else by AWS's answers or their lack.
    pub(super) end: Option<LicenseEnd>,
    /// Whether it ended only because AWS did not answer.
    pub(super) given_up: bool,
    /// That another agreement goes on in its place.
    pub(super) superseded: Option<Superseded>,
    /// When AWS answered last that the agreement goes on.
    pub(super) confirmed_at: Option<Timestamp>,
    /// When AWS answered last at all.
    pub(super) answered_at: Option<Timestamp>,
    /// When the buyer of an older listing ended it who subscribed again, and when
    /// they did: nobody continued anything then.
    pub(super) interruptions: Vec<(Timestamp, Timestamp)>,
}

/// That another agreement goes on in an agreement's place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Superseded {
    /// By when it was so: since then, or when AWS answered that it is.
    pub(super) at: Timestamp,
    /// Since when, if that was said: an answer about pay as you go names no end.
    pub(super) since: Option<Timestamp>,
    /// When we learned it.
    pub(super) learned_at: Timestamp,
}

impl Term {
    /// From when on the license is active under the agreement.
    pub(super) fn since(&self) -> Option<Timestamp> {
        let activated = self.updated_at.or(self.granted_at);
        activated.map(|at| at.max(self.starts_at.unwrap_or(at)))
    }

    /// When the agreement began for the license: a period of what it is entitled
    /// to begins with it.
    pub(super) fn began_at(&self) -> Option<Timestamp> {
        self.starts_at.or_else(|| self.since())
    }

    /// Whether the license goes on under the agreement at all: one that was
    /// ended before it began never did.
    pub(super) fn takes_over(&self) -> bool {
        let begins = |since| self.end.is_none_or(|end| since < end.ended_at);
        self.since().is_some_and(begins)
    }

    /// Since when it is unknown whether the agreement goes on, if it is: since
    /// another one is in its place, or since its end passed, and AWS has not said
    /// since that it goes on.
    pub(super) fn unsure_since(&self) -> Option<Timestamp> {
        let superseded = self.superseded.map(|one| one.at.max(one.learned_at));
        let since = superseded.or(self.ends_at)?;
        let confirmed = self.confirmed_at.is_some_and(|at| since <= at);
        (!confirmed).then_some(since)
    }

    pub(super) fn ends(&mut self, fact: &Fact) {
        self.end = Some(joined(self.end, end_at(fact.at(), fact.learned_at)));
    }

    fn superseded(&mut self, told: Superseded) {
        let known = self.superseded.unwrap_or(told);
        self.superseded = Some(Superseded {
            at: known.at.min(told.at),
            since: earliest(known.since, told.since),
            learned_at: known.learned_at.min(told.learned_at),
        });
    }
}

/// One end, told by two events.
pub(super) fn joined(known: Option<LicenseEnd>, told: LicenseEnd) -> LicenseEnd {
    let known = known.unwrap_or(told);
    LicenseEnd {
        ended_at: known.ended_at.min(told.ended_at),
        last_event_at: known.last_event_at.max(told.last_event_at),
        learned_at: known.learned_at.min(told.learned_at),
    }
}

pub(super) const fn end_at(at: Timestamp, learned_at: Timestamp) -> LicenseEnd {
    LicenseEnd {
        ended_at: at,
        last_event_at: at,
        learned_at,
    }
}

/// The terms of a license under every agreement that the facts name it under.
pub(super) fn terms(license: &LicenseId, facts: &[Fact]) -> Terms {
    let mut terms: Terms = regarded(facts)
        .filter(|fact| names(fact, license))
        .map(|fact| (fact.agreement().cloned(), Term::default()))
        .collect();
    for fact in in_order(facts) {
        let Some(term) = terms.get_mut(&fact.agreement().cloned()) else {
            continue;
        };
        if let Some(event) = fact.event() {
            hear(term, fact, event, names(fact, license));
        }
        if let Some(told) = fact.described() {
            read(term, fact, told, license);
        }
    }
    hear_deprovisioned(license, facts, &mut terms);
    notifications::hear(license, facts, &mut terms);
    for (agreement, term) in &mut terms {
        if term.end.is_none() {
            term.end = end_by_answers(agreement.as_ref(), facts);
        }
        if term.end.is_none() {
            term.end = end_by_silence(agreement.as_ref(), term, facts);
            term.given_up = term.end.is_some();
        }
    }
    terms
}

/// That a license was deprovisioned ends it, but not one that was renewed or
/// replaced: until AWS says what goes on in its place, it is as if it did.
fn hear_deprovisioned(license: &LicenseId, facts: &[Fact], terms: &mut Terms) {
    let is_it = |fact: &&Fact| {
        let event = fact.event().filter(|_| names(fact, license));
        event.is_some_and(|event| event.kind == EventKind::LicenseDeprovisioned)
    };
    for fact in in_order(facts).into_iter().filter(is_it) {
        if let Some(term) = terms.get_mut(&fact.agreement().cloned())
            && (term.superseded.is_none() || term.end.is_some())
        {
            term.ends(fact);
        }
    }
}

/// The facts that count, in the order in which they happened.
fn in_order(facts: &[Fact]) -> Vec<&Fact> {
    let mut ordered: Vec<&Fact> = regarded(facts).collect();
    ordered.sort_by_key(|fact| order(fact));
    ordered
}

fn hear(term: &mut Term, fact: &Fact, event: &MarketplaceEvent, names_it: bool) {
    match &event.kind {
        EventKind::AgreementCreated(told) => {
            term.starts_at = earliest(term.starts_at, told.starts_at);
            term.ends_at = told.ends_at;
        }
        EventKind::AgreementAmended(told) => term.ends_at = told.ends_at,
        EventKind::AgreementEnded { status } if ends_license(status) => term.ends(fact),
        EventKind::AgreementEnded { status } if status.has_successor() => {
            term.superseded(Superseded {
                at: event.at,
                since: Some(event.at),
                learned_at: fact.learned_at,
            });
        }
        EventKind::LicenseUpdated if names_it => {
            term.updated_at = earliest(term.updated_at, Some(event.at));
        }
        EventKind::AgreementEnded { .. }
        | EventKind::LicenseUpdated
        | EventKind::LicenseDeprovisioned
        | EventKind::AdvisoryIssued
        | EventKind::AdvisoryResolved
        | EventKind::AgreementEnding(_)
        | EventKind::RenewalTermsFinalized
        | EventKind::RenewalUpcoming
        | EventKind::CancellationRequest(_)
        | EventKind::BillingAdjustment
        | EventKind::Unrecognized => {}
    }
}

fn read(term: &mut Term, fact: &Fact, told: &DescribedAgreement, license: &LicenseId) {
    term.answered_at = term.answered_at.max(Some(told.asked_at));
    term.starts_at = earliest(term.starts_at, told.starts_at);
    if told.licenses.iter().any(|arn| arn.id() == license) {
        term.granted_at = earliest(term.granted_at, Some(told.began_at()));
    }
    match &told.ended {
        None => {
            term.ends_at = told.ends_at;
            term.confirmed_at = term.confirmed_at.max(Some(told.asked_at));
        }
        Some(status) if status.has_successor() => {
            term.superseded(Superseded {
                at: told.ended_at(),
                since: told.ends_at.filter(|_| told.tells_end()),
                learned_at: fact.learned_at,
            });
        }
        Some(_) => {}
    }
}

/// The end that AWS's answers tell when no event does.
fn end_by_answers(agreement: Option<&AgreementId>, facts: &[Fact]) -> Option<LicenseEnd> {
    let of_agreement = regarded(facts).filter(|fact| fact.agreement() == agreement);
    let said = of_agreement.filter_map(|fact| {
        let told = fact.described()?;
        let ended = told.ended.as_ref().is_some_and(EndedStatus::ends_license);
        ended.then(|| end_at(told.ended_at(), fact.learned_at))
    });
    said.min_by_key(|end| (end.ended_at, end.learned_at))
}

/// The end of an agreement of which AWS says nothing for too long.
fn end_by_silence(
    agreement: Option<&AgreementId>,
    term: &Term,
    facts: &[Fact],
) -> Option<LicenseEnd> {
    let since = term.unsure_since()?;
    let of_agreement = regarded(facts).filter(|fact| fact.agreement() == agreement);
    of_agreement
        .filter_map(|fact| Some(end_at(fact.unanswered()?.at, fact.learned_at)))
        .filter(|end| since < end.ended_at)
        .min_by_key(|end| (end.ended_at, end.learned_at))
}

fn ends_license(status: &EndedStatus) -> bool {
    status.ends_license() || mutant!(RenewedEnds) && *status == EndedStatus::Renewed
}

pub(super) fn earliest(a: Option<Timestamp>, b: Option<Timestamp>) -> Option<Timestamp> {
    a.into_iter().chain(b).min()
}

/// Until when an answer is waited for that was needed from an instant on.
pub(super) fn awaited_until(since: Timestamp) -> Timestamp {
    after(since, ANSWER_AWAITED_FOR)
}
