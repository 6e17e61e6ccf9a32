//! Licenses, whose state is a function of the set of facts that AWS told.
//!
//! Agreement events carry no license and license events come in any order, so
//! facts are kept by agreement, and after each the licenses of the agreement
//! are derived again from all of them. The order and the number of deliveries
//! cannot matter, because a set has neither.
//!
//! What is not told is asked for, never assumed: an end date that passes, or a
//! renewal of which nothing else is known, ends nothing until AWS says so, or
//! has said nothing for [`ANSWER_AWAITED_FOR`].

mod activity;
mod asks;
mod covering;
mod decide;
mod differences;
mod idle;
mod notices;
mod notifications;
mod pricing;
mod succession;
mod terms;

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::answers::Entitlements;
use crate::fact::{Fact, Told};
use crate::hour::after;
use crate::ids::{
    AccountId, AgreementId, AwsAccountId, Dimension, EventId, LicenseArn, LicenseId, OfferId,
    ProductCode,
};
use crate::money::Usd;
use activity::ActivePeriods;
use terms::{Term, Terms, end_at, terms};

pub use asks::{ANSWER_AWAITED_FOR, Ask, Asks, ENTITLEMENTS_LOOKED_AT_EVERY, UnknownCover};
pub use covering::{Covered, Granted, grants, misdated};
pub use decide::{Situation, decide_license};
pub use differences::{Activity, Difference};
pub use idle::{Idle, idle};
pub use notices::{CANCELLATION_ANSWERED_WITHIN, Notices};
pub use pricing::{Pricing, pricing_at};
pub use succession::{LONGEST_CHAIN, Succession};

/// A snapshot of a license.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct License {
    /// Its id, by which licenses are compared.
    pub id: LicenseId,
    /// Its ARN, which is sent back when usage is metered.
    pub arn: LicenseArn,
    /// The product.
    pub product: ProductCode,
    /// The AWS account that pays.
    pub buyer: AwsAccountId,
    /// The agreement that it is under now, or was last.
    pub agreement: Option<AgreementId>,
    /// Every agreement that it was ever under, as far as known.
    pub agreements: BTreeSet<AgreementId>,
    /// The offer of the agreement.
    pub offer: Option<OfferId>,
    /// When the license began to be under the agreement: a period of what it
    /// is entitled to begins with it.
    pub agreement_since: Option<Timestamp>,
    /// When the agreement ends, if it has an end. Ends nothing by itself: AWS is asked.
    pub agreement_ends_at: Option<Timestamp>,
    /// Whether it is active.
    pub status: LicenseStatus,
    /// The license that goes on in its place, once AWS told of one.
    pub succession: Option<Succession>,
    /// What AWS says of the agreement for people to know.
    pub notices: Notices,
    /// At which rates its usage is billed, as far as AWS told, ascending.
    pub pricing: Vec<Pricing>,
    /// To what it is entitled, as AWS answered last.
    pub entitlements: Option<Entitlements>,
    /// What AWS is to be asked.
    pub asks: Asks,
    /// When it is to be looked at again, whatever is told until then.
    pub due_at: Option<Timestamp>,
    /// How many changes were committed; 0 when it is not stored yet.
    #[serde(skip)]
    pub version: u64,
    /// The account that it is linked to.
    pub linked: Option<AccountId>,
    /// The account that it was linked to last, when it is linked to none.
    pub former: Option<FormerLink>,
    /// A link of it that became known late, until the hours are posted again in
    /// which it already was.
    pub linked_late: Option<LinkedLate>,
}

/// A link that began before it was made: hours were posted without it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LinkedLate {
    /// The account.
    pub account: AccountId,
    /// When the link began.
    pub from: Timestamp,
    /// The license that was linked before, of whose usage AWS may have refused some.
    pub follows: LicenseId,
    /// When the link was made.
    pub made_at: Timestamp,
}

/// The last link of a license that is linked to no account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FormerLink {
    /// The account.
    pub account: AccountId,
    /// When the link ended.
    pub until: Timestamp,
}

/// Whether a license is active.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LicenseStatus {
    /// AWS has not activated it yet.
    Pending,
    /// Active; not before `since`, which may lie ahead.
    Active {
        /// Its activation.
        since: Timestamp,
    },
    /// Ended.
    Ended {
        /// Its activation, if it ever was active.
        active_since: Option<Timestamp>,
        /// Its end.
        end: LicenseEnd,
    },
}

/// The end of a license, told by up to two events, Purchase Agreement Ended
/// and License Deprovisioned.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct LicenseEnd {
    /// The earlier of the events.
    pub ended_at: Timestamp,
    /// The latest of the events known.
    pub last_event_at: Timestamp,
    /// When we learned of the end first.
    pub learned_at: Timestamp,
}

/// What follows for a license from the facts alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Derived {
    arn: LicenseArn,
    product: ProductCode,
    buyer: AwsAccountId,
    agreement: Option<AgreementId>,
    agreements: BTreeSet<AgreementId>,
    offer: Option<OfferId>,
    agreement_since: Option<Timestamp>,
    agreement_ends_at: Option<Timestamp>,
    status: LicenseStatus,
    succession: Option<Succession>,
    chain: BTreeSet<AgreementId>,
    active: ActivePeriods,
    covered: Vec<Covered>,
    /// Whether it ended only because AWS did not answer about the agreement.
    given_up: bool,
    notices: Notices,
    pricing: Vec<Pricing>,
    entitlements: Option<Entitlements>,
    asks: Asks,
}

impl Derived {
    /// The license that goes on in its place, if AWS told of one.
    pub fn heir(&self) -> Option<&LicenseId> {
        self.succession
            .as_ref()
            .map(|succession| &succession.license)
    }

    /// Whether the license ended in AWS.
    pub const fn has_ended(&self) -> bool {
        match self.status {
            LicenseStatus::Ended { .. } => true,
            LicenseStatus::Pending | LicenseStatus::Active { .. } => false,
        }
    }

    /// What it is entitled to under each of its agreements.
    pub fn covered(&self) -> &[Covered] {
        &self.covered
    }
}

/// The agreements under which a license is, or was, as the facts name them.
pub fn agreements_of(license: &LicenseId, facts: &[Fact]) -> BTreeSet<AgreementId> {
    regarded(facts)
        .filter(|fact| names(fact, license))
        .filter_map(|fact| fact.agreement().cloned())
        .collect()
}

/// The licenses that the facts name.
pub fn licenses_of(facts: &[Fact]) -> BTreeSet<LicenseId> {
    regarded(facts)
        .flat_map(|fact| fact.license_ids().filter(|id| names(fact, id)).cloned())
        .collect()
}

/// The state of a license by the facts of all its agreements and its own, in
/// any order. `None` when no fact that counts says whose it is.
///
/// A license is active under an agreement from License Updated on, or from the
/// agreement's start when AWS answered that it goes on, until the agreement ends
/// (cancelled, expired, terminated) or the license is deprovisioned; that end is
/// final for the agreement, whatever comes late. It is active while it is so
/// under any agreement. One that is renewed or replaced stays active, under the
/// agreement that goes on in its place, or until the license that does so takes over.
pub fn derive(license: &LicenseId, facts: &[Fact]) -> Option<Derived> {
    let mut own: Vec<&Fact> = regarded(facts)
        .filter(|fact| names(fact, license))
        .collect();
    own.sort_by_key(|fact| order(fact));
    let terms = terms(license, facts);
    let active = ActivePeriods::of(&terms, facts);
    let (agreement, status) = status(&terms, &active);
    let current = terms.get(&agreement);
    let under_agreement = |fact: &&Fact| fact.agreement() == agreement.as_ref();
    let mut of_agreement: Vec<&Fact> = regarded(facts).filter(under_agreement).collect();
    of_agreement.sort_by_key(|fact| order(fact));
    let succession = succession::succession(license, agreement.as_ref(), facts);
    let has_heir = succession.is_some();
    Some(Derived {
        arn: own
            .iter()
            .flat_map(|fact| fact.licenses())
            .filter(|arn| arn.id() == license)
            .max_by_key(|arn| (arn.as_str().starts_with("arn:"), arn.as_str()))?
            .clone(),
        product: own.iter().find_map(|fact| product(fact))?.clone(),
        buyer: own.iter().find_map(|fact| buyer(fact))?.clone(),
        agreements: own.iter().filter_map(|f| f.agreement().cloned()).collect(),
        offer: of_agreement
            .iter()
            .rev()
            .find_map(|fact| offer(fact))
            .cloned(),
        agreement_since: current.and_then(Term::began_at),
        agreement_ends_at: current.and_then(|term| term.ends_at),
        notices: Notices::of(
            agreement.as_ref(),
            current.and_then(|term| term.end),
            &of_agreement,
        ),
        chain: agreement
            .as_ref()
            .map(|agreement| succession::chain(agreement, facts))
            .unwrap_or_default(),
        covered: covering::covered(license, &terms, facts),
        active,
        given_up: current.is_some_and(|term| term.given_up),
        pricing: pricing::pricing(&terms, facts),
        entitlements: asks::entitlements(license, facts).cloned(),
        asks: asks::asks(
            license,
            &status,
            agreement.as_ref(),
            &terms,
            has_heir,
            facts,
        ),
        succession,
        agreement,
        status,
    })
}

/// The agreement that a license was under at an instant, by the facts.
pub fn agreement_at(license: &LicenseId, facts: &[Fact], at: Timestamp) -> Option<AgreementId> {
    let terms = terms(license, facts);
    let then = terms.iter().filter(|(_, term)| {
        let begun = term.since().is_some_and(|since| since <= at);
        begun && term.end.is_none_or(|end| at < end.ended_at)
    });
    let latest = then.max_by_key(|(agreement, term)| (term.since(), (*agreement).clone()));
    latest.and_then(|(agreement, _)| agreement.clone())
}

/// Whether a fact is about a license that it names. An event that is not
/// understood is about none, and what a license is entitled to is not whose it is.
fn names(fact: &Fact, license: &LicenseId) -> bool {
    let about_it = match &fact.told {
        Told::Resolved(_) | Told::Described(_) => true,
        Told::Event(event) => event.kind.is_about_license(),
        Told::Notified(_) | Told::Unanswered(_) | Told::Terms(_) | Told::Entitled(_) => false,
    };
    about_it && fact.license_ids().any(|id| id == license)
}

fn regarded(facts: &[Fact]) -> impl Iterator<Item = &Fact> {
    facts.iter().filter(|fact| fact.disregarded.is_none())
}

/// An order of facts that does not depend on their delivery: events by AWS's
/// clock, whose times are whole seconds, and those of one second as one follows
/// from the other; answers by when it was asked, and what a token resolved to
/// before them, for it is the buyer's own.
fn order(fact: &Fact) -> (Timestamp, u8, Option<&EventId>) {
    match &fact.told {
        Told::Resolved(_) => (Timestamp::MIN, 0, None),
        Told::Event(event) => (event.at, event.kind.place_in_second(), Some(&event.id)),
        Told::Notified(told) => (told.at, 0, Some(&told.id)),
        Told::Described(_) | Told::Unanswered(_) | Told::Terms(_) | Told::Entitled(_) => {
            (fact.at(), 0, None)
        }
    }
}

fn status(terms: &Terms, active: &ActivePeriods) -> (Option<AgreementId>, LicenseStatus) {
    if let Some((agreement, since)) = active.going_on() {
        return (agreement.clone(), LicenseStatus::Active { since });
    }
    let ended = terms
        .iter()
        .filter_map(|(agreement, term)| Some((term.end?, term, agreement)))
        .max_by_key(|(end, term, agreement)| {
            (term.takes_over(), end.ended_at, (*agreement).clone())
        });
    if let Some((end, term, agreement)) = ended {
        let active_since = term.since().map(|since| active.began_at(since));
        let status = LicenseStatus::Ended { active_since, end };
        return (agreement.clone(), status);
    }
    let pending = terms.keys().next_back().cloned().flatten();
    (pending, LicenseStatus::Pending)
}

fn product(fact: &Fact) -> Option<&ProductCode> {
    match &fact.told {
        Told::Resolved(resolved) => Some(&resolved.product),
        Told::Event(event) => event.product.as_ref(),
        Told::Notified(told) => Some(&told.product),
        Told::Described(told) => Some(&told.product),
        Told::Unanswered(_) | Told::Terms(_) | Told::Entitled(_) => None,
    }
}

fn buyer(fact: &Fact) -> Option<&AwsAccountId> {
    match &fact.told {
        Told::Resolved(resolved) => Some(&resolved.buyer),
        Told::Event(event) => event.buyer.as_ref(),
        Told::Described(told) => Some(&told.buyer),
        Told::Notified(_) | Told::Unanswered(_) | Told::Terms(_) | Told::Entitled(_) => None,
    }
}

fn offer(fact: &Fact) -> Option<&OfferId> {
    match &fact.told {
        Told::Event(event) => event.offer.as_ref(),
        Told::Notified(told) => told.offer.as_ref(),
        Told::Described(told) => told.offer.as_ref(),
        Told::Resolved(_) | Told::Unanswered(_) | Told::Terms(_) | Told::Entitled(_) => None,
    }
}

impl License {
    /// The account that it is linked to, or was last.
    pub fn last_account(self) -> Option<AccountId> {
        let former = self.former.map(|former| former.account);
        self.linked.or(former)
    }

    /// Whether usage from this instant on may be charged to it, as far as AWS told.
    pub fn is_active(&self, now: Timestamp) -> bool {
        match self.status {
            LicenseStatus::Active { since } => since <= now,
            LicenseStatus::Pending | LicenseStatus::Ended { .. } => false,
        }
    }

    /// Whether it ended in AWS.
    pub const fn has_ended(&self) -> bool {
        self.end().is_some()
    }

    /// The license that goes on in its place, if AWS told of one.
    pub fn heir(&self) -> Option<&LicenseId> {
        let succession = self.succession.as_ref();
        succession.map(|succession| &succession.license)
    }

    /// Its end in AWS, once AWS told of it.
    pub const fn end(&self) -> Option<LicenseEnd> {
        match self.status {
            LicenseStatus::Ended { end, .. } => Some(end),
            LicenseStatus::Pending | LicenseStatus::Active { .. } => None,
        }
    }

    /// Whether AWS told of a change of what it is entitled to, or an entitlement
    /// ended, since AWS was asked last.
    pub fn entitlements_changed(&self) -> bool {
        let Some(known) = &self.entitlements else {
            return true;
        };
        let daily = after(known.asked_at, ENTITLEMENTS_LOOKED_AT_EVERY);
        self.asks.entitlements.is_some_and(|since| since != daily)
    }

    /// Whether anything is to be asked by an instant, beside the daily look at
    /// what it is entitled to.
    pub fn has_open_questions(&self, now: Timestamp) -> bool {
        let due = |at: Timestamp| at <= now;
        self.linked_late.is_some()
            || self.asks.agreement.is_some_and(|ask| due(ask.next))
            || self.asks.terms.is_some_and(due)
            || self.asks.entitlements.is_some_and(due) && self.entitlements_changed()
    }

    /// When it is due after an instant, once all that is due by then was asked.
    pub fn next_due_after(&self, now: Timestamp) -> Timestamp {
        let Asks {
            agreement,
            terms,
            entitlements,
            unknown_cover: _,
        } = self.asks;
        let succession = self.succession.as_ref().map(|succession| succession.at);
        let expiry = self
            .entitlements
            .as_ref()
            .and_then(Entitlements::next_expiry);
        let instants = [
            agreement.map(|ask| ask.next),
            terms,
            entitlements,
            succession,
            expiry,
        ];
        let later = instants.into_iter().flatten().filter(|at| now < *at);
        later
            .chain([after(now, ENTITLEMENTS_LOOKED_AT_EVERY)])
            .min()
            .unwrap_or(now)
    }

    /// What a unit of a dimension that is used at an instant costs by the terms of one
    /// of its agreements, if AWS told them.
    pub fn agreed_rate(
        &self,
        agreement: &AgreementId,
        dimension: &Dimension,
        at: Timestamp,
    ) -> Option<Usd> {
        let of_agreement = self.pricing.iter().rev();
        let mut of_agreement = of_agreement.filter(|one| one.terms.agreement == *agreement);
        let in_force = of_agreement.find(|one| one.from <= at)?;
        in_force.rate(dimension, at)
    }

    /// Its activation, if it ever was active: no usage before it can be charged.
    pub const fn active_since(&self) -> Option<Timestamp> {
        match self.status {
            LicenseStatus::Active { since } => Some(since),
            LicenseStatus::Ended { active_since, .. } => active_since,
            LicenseStatus::Pending => None,
        }
    }
}

#[cfg(test)]
mod tests;
