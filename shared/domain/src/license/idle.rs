//! Why an event changes nothing, for people who ask.

use super::{Asks, Derived, derive, licenses_of, order};
use crate::fact::{Fact, Told};
use crate::ids::LicenseId;
use crate::marketplace_event::{EndedStatus, EventKind, MarketplaceEvent, NotifiedAction};

/// Why an event or a message that counts changes no license.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Idle<'f> {
    /// It is older than what is known: what happened later in the same matter says
    /// how it stands, this one last.
    Older {
        /// The latest one.
        than: &'f Fact,
    },
    /// Another one of the same instant says the same, and was learned first.
    Known,
    /// It is for people to know.
    ForPeople,
    /// What it tells is of a kind, or a status, that this program does not know.
    NotUnderstood,
}

/// Why an event or a message was without effect when it was learned: by what was known
/// then every license of these facts was as it would have been without it. `None` when
/// it had an effect, whatever came later; when no license was known yet that it might
/// have one on; and of what AWS only answered.
///
/// Facts are those of the chains of agreements that it may concern. Each license is
/// derived from them four times at most.
pub fn idle<'f>(fact: &Fact, facts: &'f [Fact]) -> Option<Idle<'f>> {
    match &fact.told {
        Told::Event(event) => {
            if let Some(idle) = by_kind(event) {
                return Some(idle);
            }
        }
        Told::Notified(told) => {
            if let Some(idle) = by_action(&told.action) {
                return Some(idle);
            }
        }
        Told::Resolved(_)
        | Told::Described(_)
        | Told::Unanswered(_)
        | Told::Terms(_)
        | Told::Entitled(_) => return None,
    }
    let was_known = |other: &&Fact| other.learned_at <= fact.learned_at;
    let known: Vec<Fact> = facts.iter().filter(was_known).cloned().collect();
    let licenses: Vec<LicenseId> = licenses_of(&known).into_iter().collect();
    let others = without(&known, fact);
    if licenses.is_empty() || differ(&licenses, &known, &others) {
        return None;
    }
    let same_matter = |other: &&Fact| was_known(other) && is_same_matter(fact, other);
    let same_matter: Vec<&Fact> = facts.iter().filter(same_matter).collect();
    let is_later = |other: &Fact| fact.at() < other.at();
    let later = same_matter.iter().copied().filter(|other| is_later(other));
    if let Some(than) = later.max_by_key(|other| order(other)) {
        let overtakes = |other: &Fact| is_later(other) && is_same_matter(fact, other);
        let before: Vec<Fact> = known.iter().filter(|o| !overtakes(o)).cloned().collect();
        if differ(&licenses, &before, &without(&before, fact)) {
            return Some(Idle::Older { than });
        }
    }
    let was_first = |other: &Fact| (other.learned_at, other.key()) < (fact.learned_at, fact.key());
    let says_it =
        |other: &&Fact| other.at() == fact.at() && says(other) == says(fact) && was_first(other);
    same_matter.iter().any(says_it).then_some(Idle::Known)
}

/// What an event or a message says.
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

/// Whether two facts are of the same matter of the same agreement.
fn is_same_matter(fact: &Fact, other: &Fact) -> bool {
    other.key() != fact.key()
        && other.disregarded.is_none()
        && other.agreement() == fact.agreement()
        && matter(other) == matter(fact)
}

fn by_action<'f>(action: &NotifiedAction) -> Option<Idle<'f>> {
    match action {
        NotifiedAction::Unrecognized(_) => Some(Idle::NotUnderstood),
        NotifiedAction::SubscribeFail => Some(Idle::ForPeople),
        NotifiedAction::SubscribeSuccess
        | NotifiedAction::UnsubscribePending
        | NotifiedAction::UnsubscribeSuccess
        | NotifiedAction::EntitlementUpdated => None,
    }
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

/// Whether a license is another by these facts than by others. What AWS is to be asked
/// is not how it is: whatever is learned has AWS asked.
fn differ(licenses: &[LicenseId], facts: &[Fact], others: &[Fact]) -> bool {
    let state = |license: &LicenseId, facts: &[Fact]| {
        let derived = derive(license, facts);
        derived.map(|derived| Derived {
            asks: Asks::default(),
            ..derived
        })
    };
    let mut licenses = licenses.iter();
    licenses.any(|license| state(license, facts) != state(license, others))
}
