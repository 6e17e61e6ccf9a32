//! Why an event changes nothing, for people who ask.

use super::{derive, licenses_of, order};
use crate::fact::{Fact, Told};
use crate::ids::LicenseId;
use crate::marketplace_event::{EndedStatus, EventKind, MarketplaceEvent, NotifiedAction};

/// Why an event or a message that counts changes no license.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Idle<'f> {
    /// It is older than what is known: this one, of what happened later in the same
    /// matter, says how it stands.
    Older {
        /// The later one.
        than: &'f Fact,
    },
    /// Another one says the same.
    Known,
    /// It is for people to know.
    ForPeople,
    /// What it tells is of a kind, or a status, that this program does not know.
    NotUnderstood,
}

/// Why an event or a message is without effect: every license of these facts is
/// as it would be without it. `None` when it has an effect, or had one until AWS
/// was asked; when no license is known yet that it might have one on; and of what
/// AWS only answered.
///
/// Facts are those of the chains of agreements that it may concern. It derives
/// each license once for each of them at most.
pub fn idle<'f>(fact: &Fact, facts: &'f [Fact]) -> Option<Idle<'f>> {
    match &fact.told {
        Told::Event(event) => {
            if let Some(idle) = by_kind(event) {
                return Some(idle);
            }
        }
        Told::Notified(told) => {
            if let NotifiedAction::Unrecognized(_) = told.action {
                return Some(Idle::NotUnderstood);
            }
        }
        Told::Resolved(_)
        | Told::Described(_)
        | Told::Unanswered(_)
        | Told::Terms(_)
        | Told::Entitled(_) => return None,
    }
    let licenses: Vec<LicenseId> = licenses_of(facts).into_iter().collect();
    let others = without(facts, fact);
    if licenses.is_empty() || differ(&licenses, facts, &others) {
        return None;
    }
    let same_matter = others_in_matter(fact, facts);
    let mut later: Vec<&Fact> = same_matter.clone();
    later.retain(|other| order(fact) < order(other));
    later.sort_by_key(|other| order(other));
    let decides = |other: &&&Fact| {
        let before_it = without(facts, other);
        differ(&licenses, &before_it, &without(&before_it, fact))
    };
    if let Some(than) = later.iter().rev().find(decides) {
        return Some(Idle::Older { than });
    }
    let says_it = |other: &&Fact| says(other) == says(fact);
    same_matter.iter().any(says_it).then_some(Idle::Known)
}

/// What an event or a message says, whenever that was.
fn says(fact: &Fact) -> (Option<&EventKind>, Option<&NotifiedAction>) {
    let event = fact.event().map(|event| &event.kind);
    (event, fact.notification().map(|told| &told.action))
}

/// Of what an event speaks: those of one matter can overtake each other.
#[derive(PartialEq, Eq)]
enum Matter {
    Terms,
    Activation,
    End,
    Advisory,
    Renewal,
    Cancellation,
    Message,
    Nothing,
}

fn matter(fact: &Fact) -> Matter {
    let Some(event) = fact.event() else {
        return fact
            .notification()
            .map_or(Matter::Nothing, |_| Matter::Message);
    };
    match event.kind {
        EventKind::AgreementCreated(_) | EventKind::AgreementAmended(_) => Matter::Terms,
        EventKind::LicenseUpdated => Matter::Activation,
        EventKind::AgreementEnded { .. } | EventKind::LicenseDeprovisioned => Matter::End,
        EventKind::AdvisoryIssued | EventKind::AdvisoryResolved => Matter::Advisory,
        EventKind::AgreementEnding(_) | EventKind::RenewalUpcoming => Matter::Renewal,
        EventKind::CancellationRequest(_) => Matter::Cancellation,
        EventKind::RenewalTermsFinalized
        | EventKind::BillingAdjustment
        | EventKind::Unrecognized => Matter::Nothing,
    }
}

/// What else was told of the same matter of the same agreement.
fn others_in_matter<'f>(fact: &Fact, facts: &'f [Fact]) -> Vec<&'f Fact> {
    let same = |other: &&Fact| {
        other.key() != fact.key()
            && other.disregarded.is_none()
            && other.agreement() == fact.agreement()
            && matter(other) == matter(fact)
    };
    facts.iter().filter(same).collect()
}

fn by_kind<'f>(event: &MarketplaceEvent) -> Option<Idle<'f>> {
    match &event.kind {
        EventKind::Unrecognized
        | EventKind::AgreementEnded {
            status: EndedStatus::Unrecognized(_),
        } => Some(Idle::NotUnderstood),
        EventKind::RenewalTermsFinalized | EventKind::BillingAdjustment => Some(Idle::ForPeople),
        EventKind::AgreementCreated(_)
        | EventKind::AgreementAmended(_)
        | EventKind::AgreementEnded { .. }
        | EventKind::LicenseUpdated
        | EventKind::LicenseDeprovisioned
        | EventKind::AdvisoryIssued
        | EventKind::AdvisoryResolved
        | EventKind::AgreementEnding(_)
        | EventKind::RenewalUpcoming
        | EventKind::CancellationRequest(_) => None,
    }
}

fn without(facts: &[Fact], fact: &Fact) -> Vec<Fact> {
    let others = facts.iter().filter(|other| other.key() != fact.key());
    others.cloned().collect()
}

fn differ(licenses: &[LicenseId], facts: &[Fact], others: &[Fact]) -> bool {
    licenses
        .iter()
        .any(|license| derive(license, facts) != derive(license, others))
}
