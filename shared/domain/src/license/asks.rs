//! What AWS is to be asked about a license, and from when on.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::terms::{Term, Terms, awaited_until, earliest};
use super::{LicenseStatus, names, regarded};
use crate::answers::{AcceptedTerms, Entitlements};
use crate::fact::Fact;
use crate::hour::{Hour, after};
use crate::ids::{AgreementId, LicenseId};
use crate::marketplace_event::{EventKind, NotifiedAction};

/// How long a license is taken to go on while AWS does not say whether it does: 24 hours.
pub const ANSWER_AWAITED_FOR: SignedDuration = SignedDuration::from_hours(24);

/// How long License Updated is waited for after the buyer came, before AWS is
/// asked: events have been seen to take a minute.
const EVENTS_AWAITED_FOR: SignedDuration = SignedDuration::from_mins(2);

/// How long after an answer that settled nothing AWS is asked again at the earliest.
const ASKED_AGAIN_AFTER: SignedDuration = SignedDuration::from_hours(1);

/// How often AWS is asked to what a license is entitled when nothing was told: daily.
pub const ENTITLEMENTS_LOOKED_AT_EVERY: SignedDuration = SignedDuration::from_hours(24);

/// For how long after a change an answer without entitlements is doubted: 6 hours.
const ENTITLEMENTS_MAY_LAG_FOR: SignedDuration = SignedDuration::from_hours(6);

/// What AWS is to be asked about a license; an instant may lie ahead.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Asks {
    /// Whether the agreement goes on.
    pub agreement: Option<Ask>,
    /// At which rates, from this instant on.
    pub terms: Option<Timestamp>,
    /// To what the license is entitled, from this instant on.
    pub entitlements: Option<Timestamp>,
    /// Whether that is not known: AWS has not answered since it told of a change,
    /// or what it answered last has run out.
    pub unknown_cover: Option<UnknownCover>,
}

/// That it is not known what a contract covers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct UnknownCover {
    /// Since when, or from when on.
    pub since: Timestamp,
    /// Of usage from this instant on, and in the hour in which it lies.
    pub of_usage_from: Timestamp,
}

impl UnknownCover {
    /// Whether AWS may still say what of the usage of an instant's hour is covered: for
    /// [`ANSWER_AWAITED_FOR`].
    pub fn is_awaited(&self, used_at: Timestamp, now: Timestamp) -> bool {
        self.of_usage_from < Hour::of(used_at).end()
            && self.since <= now
            && now < after(self.since, ANSWER_AWAITED_FOR)
    }
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
    answers(license, facts).max_by_key(|told| told.asked_at)
}

/// AWS's answers about what a license is entitled to.
fn answers<'a>(license: &LicenseId, facts: &'a [Fact]) -> impl Iterator<Item = &'a Entitlements> {
    let answers = regarded(facts).filter_map(Fact::entitlements);
    answers.filter(move |told| told.license.id() == license)
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
        LicenseStatus::Active { .. } => {
            let (entitlements, unknown_cover) =
                about_entitlements(license, (agreement, term), facts);
            Asks {
                agreement: term.filter(|_| !has_heir).and_then(|term| {
                    about_end(term).or_else(|| about_untold(license, agreement, term, facts))
                }),
                terms: agreement.and_then(|agreement| about_terms(agreement, facts)),
                entitlements,
                unknown_cover,
            }
        }
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
    if let Some(since) = term.unsure_since() {
        return Some(ask(since, term, Some(awaited_until(since))));
    }
    Some(ask(term.ends_at?, term, None))
}

/// An agreement of which nothing was told but that it is there: the messages of an
/// older listing say no more, and an event may be lost.
fn about_untold(
    license: &LicenseId,
    agreement: Option<&AgreementId>,
    term: &Term,
    facts: &[Fact],
) -> Option<Ask> {
    let mut of_agreement = regarded(facts).filter(|fact| fact.agreement() == agreement);
    let told =
        of_agreement.any(|fact| fact.agreement_terms().is_some() || fact.described().is_some());
    agreement.filter(|_| !told)?;
    about_activation(license, term, facts)
}

fn ask(since: Timestamp, term: &Term, gives_up_at: Option<Timestamp>) -> Ask {
    // An answer that settled nothing: the longer so the less often, at last daily.
    let again = |at: Timestamp| {
        let open_for = at.duration_since(since);
        after(at, open_for.clamp(ASKED_AGAIN_AFTER, ANSWER_AWAITED_FOR))
    };
    let answered = term.answered_at.filter(|at| since <= *at);
    let next = answered.map_or(since, again);
    Ask {
        since,
        next: gives_up_at.map_or(next, |at| next.min(at.max(since))),
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

/// When AWS is to be asked to what a license is entitled, and whether that is not known.
fn about_entitlements(
    license: &LicenseId,
    (agreement, term): (Option<&AgreementId>, Option<&Term>),
    facts: &[Fact],
) -> (Option<Timestamp>, Option<UnknownCover>) {
    // What was answered before the agreement's start is of the one before it.
    let began_at = term.and_then(Term::began_at);
    let not_before = |at: Timestamp| at.max(began_at.unwrap_or(at));
    let changes = || changes_of_entitlements(license, facts);
    let last_change_by = |at: Timestamp| changes().filter(|told| *told < at).max().map(not_before);
    let Some(since) = changes().max().map(not_before) else {
        return (None, None);
    };
    // A contract has entitlements: AWS's answer may lag behind its event, unless one has
    // named them since.
    let has_entitlements = has_entitlements(agreement, term, facts);
    let lags = |answer: &Entitlements| {
        let young = |since| answer.asked_at.duration_since(since) < ENTITLEMENTS_MAY_LAG_FOR;
        let changed_at = last_change_by(answer.asked_at).filter(|since| young(*since));
        let named_since = |since| {
            let mut named = answers(license, facts).filter(|one| !one.covers_nothing());
            named.any(|one| since < one.asked_at && one.asked_at < answer.asked_at)
        };
        has_entitlements
            && answer.covers_nothing()
            && changed_at.is_some_and(|since| !named_since(since))
    };
    let settled = answers(license, facts).filter(|answer| !lags(answer));
    let settled_at = settled.map(|answer| answer.asked_at).max();
    let unsettled = changes().filter(|told| settled_at.is_none_or(|settled| settled <= *told));
    let unknown = UnknownCover {
        since: unsettled.min().map_or(since, not_before),
        of_usage_from: began_at.unwrap_or(Timestamp::MIN),
    };
    let known = entitlements(license, facts);
    let named = known.is_some_and(|known| !known.grants.is_empty());
    let is_contract = has_entitlements || named;
    let Some(known) = known.filter(|known| since < known.asked_at) else {
        return (Some(since), is_contract.then_some(unknown));
    };
    let daily = after(known.asked_at, ENTITLEMENTS_LOOKED_AT_EVERY);
    let soon = lags(known).then(|| after(known.asked_at, ASKED_AGAIN_AFTER));
    let expiry = known.next_expiry();
    let expires = expiry.map(|at| UnknownCover {
        since: at,
        of_usage_from: at,
    });
    (
        earliest(earliest(Some(daily), soon), expiry),
        soon.map(|_| unknown).or(expires),
    )
}

/// Whether a license is to have entitlements: its agreement has an end, which pay as
/// you go has not, or a message of an older listing told of entitlements; and something
/// is paid for besides usage, as far as its terms are known.
fn has_entitlements(agreement: Option<&AgreementId>, term: Option<&Term>, facts: &[Fact]) -> bool {
    let told = |fact: &Fact| {
        let action = fact.notification().map(|told| &told.action);
        matches!(action, Some(NotifiedAction::EntitlementUpdated))
    };
    let has_end = term.is_some_and(|term| term.ends_at.is_some());
    !is_pay_as_you_go(agreement, facts) && (has_end || regarded(facts).any(told))
}

/// Whether AWS told of an agreement's terms that nothing is paid for but usage.
pub(super) fn is_pay_as_you_go(agreement: Option<&AgreementId>, facts: &[Fact]) -> bool {
    let terms = accepted_terms(agreement, facts).max_by_key(|told| told.asked_at);
    terms.is_some_and(pays_only_usage)
}

/// Whether AWS told so of the terms that an agreement had at an instant: those that were
/// asked for before it changed next.
pub(super) fn was_pay_as_you_go(
    agreement: Option<&AgreementId>,
    at: Timestamp,
    facts: &[Fact],
) -> bool {
    let of_it = regarded(facts).filter(|fact| fact.agreement() == agreement);
    let changes = of_it.filter_map(|fact| fact.event().map(|event| event.at));
    let next = changes.filter(|change| at < *change).min();
    let terms = accepted_terms(agreement, facts);
    let terms = terms.filter(|told| next.is_none_or(|next| told.asked_at < next));
    let terms = terms.max_by_key(|told| told.asked_at);
    terms.is_some_and(pays_only_usage)
}

fn pays_only_usage(terms: &AcceptedTerms) -> bool {
    terms.prepaid.is_none() && terms.recurring.is_none() && !terms.rates.is_empty()
}

/// When we learned of what may have changed to what a license is entitled.
fn changes_of_entitlements<'a>(
    license: &'a LicenseId,
    facts: &'a [Fact],
) -> impl Iterator<Item = Timestamp> + 'a {
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
    regarded(facts)
        .filter(move |fact| names(fact, license) && updated(fact) || notified(fact))
        .map(|fact| fact.learned_at)
}
