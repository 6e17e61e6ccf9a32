//! Licenses, whose state is a function of the set of facts that AWS told.
//!
//! Agreement events carry no license and license events come in any order, so
//! facts are kept by agreement, and after each the licenses of the agreement
//! are derived again from all of them. The order and the number of deliveries
//! cannot matter, because a set has neither.

mod notices;
mod notifications;

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::account::{Account, AccountState, ExpiryCause, Payer};
use crate::audit::{Actor, AuditAction};
use crate::change::{Change, Decision};
use crate::hour::Hour;
use crate::ids::{
    AccountId, AgreementId, AwsAccountId, EventId, LicenseArn, LicenseId, OfferId, ProductCode,
};
use crate::linking::{Torn, UnlinkCause, close_link};
use crate::marketplace_event::{AgreementTerms, EndedStatus, EventKind, Fact, Told};
use crate::mutant;
use crate::outbound::OutboundEvent;

pub use notices::Notices;

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
    /// When the agreement ends, if it has an end. Ends nothing by itself: AWS is asked.
    pub agreement_ends_at: Option<Timestamp>,
    /// Whether it is active.
    pub status: LicenseStatus,
    /// What AWS says of the agreement for people to know.
    #[serde(default)]
    pub notices: Notices,
    /// How many changes were committed; 0 when it is not stored yet.
    #[serde(skip)]
    pub version: u64,
    /// The account that it is linked to.
    pub linked: Option<AccountId>,
    /// The account that it was linked to last, when it is linked to none.
    pub former: Option<FormerLink>,
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
    agreement_ends_at: Option<Timestamp>,
    status: LicenseStatus,
    notices: Notices,
}

impl Derived {
    /// Whether the license is active.
    pub const fn status(&self) -> &LicenseStatus {
        &self.status
    }
}

/// What the facts say about a license under one of its agreements.
#[derive(Debug, Clone, Copy, Default)]
struct Term {
    updated_at: Option<Timestamp>,
    starts_at: Option<Timestamp>,
    end: Option<LicenseEnd>,
}

impl Term {
    fn since(&self) -> Option<Timestamp> {
        self.updated_at
            .map(|at| at.max(self.starts_at.unwrap_or(at)))
    }

    fn ends(&mut self, fact: &Fact) {
        let at = fact.at();
        let end = self.end.get_or_insert(LicenseEnd {
            ended_at: at,
            last_event_at: at,
            learned_at: fact.learned_at,
        });
        end.ended_at = end.ended_at.min(at);
        end.last_event_at = end.last_event_at.max(at);
        end.learned_at = end.learned_at.min(fact.learned_at);
    }
}

/// The agreements under which a license is, or was, as the facts name them.
pub fn agreements_of(license: &LicenseId, facts: &[Fact]) -> BTreeSet<AgreementId> {
    regarded(facts)
        .filter(|fact| named(fact) == Some(license))
        .filter_map(|fact| fact.agreement().cloned())
        .collect()
}

/// The licenses that the facts name.
pub fn licenses_of(facts: &[Fact]) -> BTreeSet<LicenseId> {
    regarded(facts)
        .filter_map(|fact| named(fact).cloned())
        .collect()
}

/// The state of a license by the facts of all its agreements and its own, in
/// any order. `None` when no fact that counts says whose it is.
///
/// A license is active under an agreement from License Updated on, until the
/// agreement ends (cancelled, expired, terminated) or the license is
/// deprovisioned; that end is final for the agreement, whatever comes late. It
/// is active while it is so under any agreement.
pub fn derive(license: &LicenseId, facts: &[Fact]) -> Option<Derived> {
    let mut own: Vec<&Fact> = regarded(facts)
        .filter(|fact| named(fact) == Some(license))
        .collect();
    own.sort_by_key(|fact| order(fact));
    let terms = terms(license, facts);
    let (agreement, status) = status(&terms);
    let under_agreement = |fact: &&Fact| fact.agreement() == agreement.as_ref();
    let mut of_agreement: Vec<&Fact> = regarded(facts).filter(under_agreement).collect();
    of_agreement.sort_by_key(|fact| order(fact));
    Some(Derived {
        arn: own
            .iter()
            .filter_map(|fact| fact.license())
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
        agreement_ends_at: of_agreement
            .iter()
            .rev()
            .find_map(|fact| agreement_terms(fact))
            .and_then(|terms| terms.ends_at),
        notices: Notices::of(agreement.as_ref(), &of_agreement),
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

/// The license that a fact is about. An event that is not understood is about none.
fn named(fact: &Fact) -> Option<&LicenseId> {
    let told_of_it = match &fact.told {
        Told::Resolved(_) => true,
        Told::Notified(_) => false,
        Told::Event(event) => match event.kind {
            EventKind::LicenseUpdated | EventKind::LicenseDeprovisioned => true,
            EventKind::AgreementCreated(_)
            | EventKind::AgreementAmended(_)
            | EventKind::AgreementEnded { .. }
            | EventKind::AdvisoryIssued
            | EventKind::AdvisoryResolved
            | EventKind::AgreementEnding(_)
            | EventKind::RenewalTermsFinalized
            | EventKind::RenewalUpcoming
            | EventKind::CancellationRequest(_)
            | EventKind::BillingAdjustment
            | EventKind::Unrecognized => false,
        },
    };
    fact.license_id().filter(|_| told_of_it)
}

fn regarded(facts: &[Fact]) -> impl Iterator<Item = &Fact> {
    facts.iter().filter(|fact| fact.disregarded.is_none())
}

/// An order of facts that does not depend on their delivery: events by AWS's
/// clock, and what a token resolved to before them, for it is the buyer's own.
fn order(fact: &Fact) -> (Timestamp, Option<&EventId>) {
    match &fact.told {
        Told::Resolved(_) => (Timestamp::MIN, None),
        Told::Event(event) => (event.at, Some(&event.id)),
        Told::Notified(told) => (told.at, Some(&told.id)),
    }
}

fn terms(license: &LicenseId, facts: &[Fact]) -> BTreeMap<Option<AgreementId>, Term> {
    let mut terms: BTreeMap<Option<AgreementId>, Term> = regarded(facts)
        .filter(|fact| named(fact) == Some(license))
        .map(|fact| (fact.agreement().cloned(), Term::default()))
        .collect();
    for fact in regarded(facts) {
        let Told::Event(event) = &fact.told else {
            continue;
        };
        let Some(term) = terms.get_mut(&event.agreement) else {
            continue;
        };
        let names_it = named(fact) == Some(license);
        match &event.kind {
            EventKind::AgreementCreated(created) => {
                term.starts_at = earliest(term.starts_at, created.starts_at);
            }
            EventKind::AgreementEnded { status } if ends_license(status) => term.ends(fact),
            EventKind::LicenseUpdated if names_it => {
                term.updated_at = earliest(term.updated_at, Some(event.at));
            }
            EventKind::LicenseDeprovisioned if names_it => term.ends(fact),
            EventKind::AgreementEnded { .. }
            | EventKind::AgreementAmended(_)
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
    notifications::hear(license, facts, &mut terms);
    terms
}

fn ends_license(status: &EndedStatus) -> bool {
    status.ends_license() || mutant!(RenewedEnds) && *status == EndedStatus::Renewed
}

fn earliest(a: Option<Timestamp>, b: Option<Timestamp>) -> Option<Timestamp> {
    a.into_iter().chain(b).min()
}

fn status(terms: &BTreeMap<Option<AgreementId>, Term>) -> (Option<AgreementId>, LicenseStatus) {
    let live = terms
        .iter()
        .filter(|(_, term)| term.end.is_none())
        .filter_map(|(agreement, term)| Some((term.since()?, agreement)));
    if let Some(since) = live.clone().map(|(since, _)| since).min() {
        let current = live.max().and_then(|(_, agreement)| agreement.clone());
        return (current, LicenseStatus::Active { since });
    }
    let ended = terms
        .iter()
        .filter_map(|(agreement, term)| Some((term.end?, term.since(), agreement)))
        .max_by_key(|(end, _, agreement)| (end.ended_at, (*agreement).clone()));
    if let Some((end, active_since, agreement)) = ended {
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
    }
}

fn buyer(fact: &Fact) -> Option<&AwsAccountId> {
    match &fact.told {
        Told::Resolved(resolved) => Some(&resolved.buyer),
        Told::Event(event) => event.buyer.as_ref(),
        Told::Notified(_) => None,
    }
}

fn offer(fact: &Fact) -> Option<&OfferId> {
    match &fact.told {
        Told::Resolved(_) => None,
        Told::Event(event) => event.offer.as_ref(),
        Told::Notified(told) => told.offer.as_ref(),
    }
}

fn agreement_terms(fact: &Fact) -> Option<&AgreementTerms> {
    match &fact.told {
        Told::Event(event) => match &event.kind {
            EventKind::AgreementCreated(terms) | EventKind::AgreementAmended(terms) => Some(terms),
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
            | EventKind::Unrecognized => None,
        },
        Told::Resolved(_) | Told::Notified(_) => None,
    }
}

/// Brings a license to what the facts say, and its account with it: when the
/// license ended, the account that it paid for expires. `known` is the stored
/// snapshot; `account` the account that it is linked to.
///
/// The link ends when the license ended, not when we learned of it: nothing
/// after that instant can be charged to it.
///
/// # Errors
/// [`Torn`] when the license is linked but `account` is not so linked to it.
pub fn decide_license(
    license: &LicenseId,
    known: Option<&License>,
    derived: Derived,
    account: Option<&Account>,
    by: &Actor,
    now: Timestamp,
) -> Result<Decision<Change>, Torn> {
    let next = License {
        id: license.clone(),
        arn: derived.arn,
        product: derived.product,
        buyer: derived.buyer,
        agreement: derived.agreement,
        agreements: derived.agreements,
        offer: derived.offer,
        agreement_ends_at: derived.agreement_ends_at,
        status: derived.status,
        notices: derived.notices,
        version: known.map_or(0, |known| known.version),
        linked: known.and_then(|known| known.linked.clone()),
        former: known.and_then(|known| known.former.clone()),
    };
    if known == Some(&next) {
        return Ok(Decision::AlreadyCommitted);
    }
    let mut change = Change::default();
    audit_license(&mut change, known, &next, by, now);
    tell_notices(&mut change, known, &next, now);
    let LicenseStatus::Ended { end, .. } = next.status else {
        change.licenses.push(next);
        return Ok(Decision::Commit(change));
    };
    let newly_ended = known.is_none_or(|known| !known.has_ended());
    let last_account = next
        .linked
        .as_ref()
        .or(next.former.as_ref().map(|former| &former.account));
    if let Some(account) = last_account.filter(|_| newly_ended) {
        change.outbound.push(OutboundEvent::UsageRequested {
            license: license.clone(),
            version: next.version.saturating_add(1),
            account: account.clone(),
            hours: final_hours(end.ended_at),
        });
    }
    match (&next.linked, account) {
        (None, _) => change.licenses.push(next),
        (Some(linked), Some(account)) if *linked == account.id => {
            expire(&mut change, account, &next, end, by, now)?;
        }
        (Some(_), _) => return Err(Torn),
    }
    Ok(Decision::Commit(change))
}

/// What AWS newly says of the agreement that goes on, for the outside.
fn tell_notices(change: &mut Change, known: Option<&License>, next: &License, now: Timestamp) {
    if next.has_ended() {
        return;
    }
    // What was said of another agreement is not taken back: that one is over.
    let same = known.filter(|known| known.agreement == next.agreement);
    let before = same.map(|known| known.notices).unwrap_or_default();
    for notice in next.notices.news_since(&before) {
        change.outbound.push(OutboundEvent::AgreementNoticed {
            license: next.id.clone(),
            version: next.version.saturating_add(1),
            account: next.linked.clone(),
            notice,
            at: now,
        });
    }
}

/// The hours whose usage can still be charged when a license ends: those whose
/// reports may not have come yet, the running one last.
fn final_hours(ended_at: Timestamp) -> Vec<Hour> {
    let running = Hour::of(ended_at);
    vec![running.previous(), running]
}

fn audit_license(
    change: &mut Change,
    known: Option<&License>,
    next: &License,
    by: &Actor,
    now: Timestamp,
) {
    if known.is_none() {
        let buyer = next.buyer.clone();
        change.audit_license(&next.id, by, now, AuditAction::LicenseKnown { buyer });
    }
    if known.map(|known| &known.status) == Some(&next.status) {
        return;
    }
    match next.status {
        LicenseStatus::Pending => {}
        LicenseStatus::Active { since } => {
            change.audit_license(&next.id, by, now, AuditAction::LicenseActivated { since });
        }
        LicenseStatus::Ended { end, .. } => {
            let ended_at = end.ended_at;
            change.audit_license(&next.id, by, now, AuditAction::LicenseEnded { ended_at });
        }
    }
}

fn expire(
    change: &mut Change,
    account: &Account,
    license: &License,
    end: LicenseEnd,
    by: &Actor,
    now: Timestamp,
) -> Result<(), Torn> {
    let AccountState::Subscribed(Payer::Marketplace { link, buyer }) = &account.state else {
        return Err(Torn);
    };
    if link.license != license.id {
        return Err(Torn);
    }
    let at = account.not_before(end.ended_at.min(now));
    let cause = ExpiryCause::AgreementEnded {
        license: license.id.clone(),
    };
    change.audit_account(
        &account.id,
        by,
        at,
        AuditAction::Expired {
            cause: cause.clone(),
        },
    );
    let expired = AccountState::Expired { since: at, cause };
    change.put_account(account.moved(expired, at), at);
    close_link(
        change,
        account,
        link,
        buyer,
        license,
        by,
        at,
        UnlinkCause::AgreementEnded,
    );
    Ok(())
}

impl License {
    /// Whether usage from this instant on may be charged to it, as far as AWS told.
    pub fn is_active(&self, now: Timestamp) -> bool {
        match self.status {
            LicenseStatus::Active { since } => since <= now,
            LicenseStatus::Pending | LicenseStatus::Ended { .. } => false,
        }
    }

    /// Whether it ended in AWS.
    pub const fn has_ended(&self) -> bool {
        match self.status {
            LicenseStatus::Ended { .. } => true,
            LicenseStatus::Pending | LicenseStatus::Active { .. } => false,
        }
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
