//! What AWS is to be asked about a license, and from when on.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::terms::{Term, Terms, awaited_until, earliest};
use super::{LicenseStatus, names, regarded};
use crate::answers::{AcceptedTerms, Entitlements};
use crate::fact::Fact;
use crate::hour::after;
use crate::ids::{AgreementId, LicenseId};
use crate::marketplace_event::{EventKind, NotifiedAction};

/// How long a license is taken to go on while AWS does not say whether it does: 24 hours.
pub const ANSWER_AWAITED_FOR: SignedDuration = SignedDuration::from_hours(24);

/// How long License Updated is waited for after the buyer came, before AWS is
/// asked: events have been seen to take a minute.
const EVENTS_AWAITED_FOR: SignedDuration = SignedDuration::from_mins(2);

/// How long after an answer that settled nothing AWS is asked again.
const ASKED_AGAIN_AFTER: SignedDuration = SignedDuration::from_hours(1);

/// How often AWS is asked to what a license is entitled when nothing was told: daily.
pub const ENTITLEMENTS_LOOKED_AT_EVERY: SignedDuration = SignedDuration::from_hours(24);

/// What AWS is to be asked about a license; an instant may lie ahead.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Asks {
    /// Whether the agreement goes on.
    pub agreement: Option<Ask>,
    /// At which rates, from this instant on.
    pub terms: Option<Timestamp>,
    /// To what the license is entitled, from this instant on.
    pub entitlements: Option<Timestamp>,
}

/// That AWS is to be asked whether an agreement goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ask {
    /// From when on that is not known.
    pub since: Timestamp,
    /// When it is to be asked next.
    pub next: Timestamp,
    /// When the license counts as ended if there is no answer; `None` when that
    /// ends nothing.
    pub gives_up_at: Option<Timestamp>,
}

impl Asks {
    /// When the first of them is due.
    pub fn due_at(&self) -> Option<Timestamp> {
        let agreement = self.agreement.map(|ask| ask.next);
        [agreement, self.terms, self.entitlements]
            .into_iter()
            .flatten()
            .min()
    }
}

/// AWS's answers about the price of an agreement.
pub(super) fn accepted_terms<'a>(
    agreement: Option<&'a AgreementId>,
    facts: &'a [Fact],
) -> impl Iterator<Item = &'a AcceptedTerms> {
    let answers = regarded(facts).filter_map(Fact::accepted_terms);
    answers.filter(move |told| Some(&told.agreement) == agreement)
}

/// AWS's newest answer about what a license is entitled to.
pub(super) fn entitlements<'a>(license: &LicenseId, facts: &'a [Fact]) -> Option<&'a Entitlements> {
    let answers = regarded(facts).filter_map(Fact::entitlements);
    let own = answers.filter(|told| told.license.id() == license);
    own.max_by_key(|told| told.asked_at)
}

/// What is to be asked about a license that has not ended.
pub(super) fn asks(
    license: &LicenseId,
    status: &LicenseStatus,
    agreement: Option<&AgreementId>,
    terms: &Terms,
    has_heir: bool,
    facts: &[Fact],
) -> Asks {
    let term = agreement.and_then(|agreement| terms.get(&Some(agreement.clone())));
    match status {
        LicenseStatus::Ended { .. } => Asks::default(),
        LicenseStatus::Pending => Asks {
            agreement: term.and_then(|term| about_activation(license, term, facts)),
            ..Asks::default()
        },
        LicenseStatus::Active { .. } => Asks {
            agreement: term.filter(|_| !has_heir).and_then(about_end),
            terms: agreement.and_then(|agreement| about_terms(agreement, facts)),
            entitlements: about_entitlements(license, facts),
        },
    }
}

fn about_activation(license: &LicenseId, term: &Term, facts: &[Fact]) -> Option<Ask> {
    let learned = regarded(facts).filter(|fact| names(fact, license));
    let learned_at = learned.map(|fact| fact.learned_at).min()?;
    Some(ask(after(learned_at, EVENTS_AWAITED_FOR), term, None))
}

/// An end that passes, or another agreement in its place of which nothing is
/// known, ends nothing: AWS is asked.
fn about_end(term: &Term) -> Option<Ask> {
    if let Some(superseded) = term.superseded {
        let since = superseded.at.max(superseded.learned_at);
        return Some(ask(since, term, Some(awaited_until(since))));
    }
    let since = term.ends_at?;
    let confirmed = term.confirmed_at.is_some_and(|at| since <= at);
    let gives_up_at = (!confirmed).then(|| awaited_until(since));
    Some(ask(since, term, gives_up_at))
}

fn ask(since: Timestamp, term: &Term, gives_up_at: Option<Timestamp>) -> Ask {
    let answered = term.answered_at.filter(|at| since <= *at);
    Ask {
        since,
        next: answered.map_or(since, |at| after(at, ASKED_AGAIN_AFTER)),
        gives_up_at,
    }
}

fn about_terms(agreement: &AgreementId, facts: &[Fact]) -> Option<Timestamp> {
    let of_agreement = || regarded(facts).filter(|fact| fact.agreement() == Some(agreement));
    let changed = of_agreement()
        .filter(|fact| fact.agreement_terms().is_some() || fact.described().is_some());
    let changed_at = changed.map(|fact| fact.learned_at).max();
    let known_at = || of_agreement().map(|fact| fact.learned_at).min();
    let since = changed_at.or_else(known_at)?;
    let asked_at = accepted_terms(Some(agreement), facts).map(|told| told.asked_at);
    asked_at.max().is_none_or(|at| at <= since).then_some(since)
}

fn about_entitlements(license: &LicenseId, facts: &[Fact]) -> Option<Timestamp> {
    let updated = |fact: &Fact| match fact.event() {
        Some(event) => event.kind == EventKind::LicenseUpdated,
        None => fact.described().is_some(),
    };
    let notified = |fact: &Fact| {
        let action = fact.notification().map(|told| &told.action);
        matches!(
            action,
            Some(NotifiedAction::EntitlementUpdated | NotifiedAction::SubscribeSuccess)
        )
    };
    let changed =
        regarded(facts).filter(|fact| names(fact, license) && updated(fact) || notified(fact));
    let since = changed.map(|fact| fact.learned_at).max()?;
    match entitlements(license, facts) {
        Some(known) if since < known.asked_at => {
            let daily = after(known.asked_at, ENTITLEMENTS_LOOKED_AT_EVERY);
            earliest(Some(daily), known.next_expiry())
        }
        Some(_) | None => Some(since),
    }
}
