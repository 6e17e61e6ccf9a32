//! What the messages of an older listing say of a license. They name only the
//! buyer; which license they are about follows from the registration tokens
//! that resolved to that buyer, the latest of which is the one that goes on.

use jiff::Timestamp;

use super::terms::{Term, Terms, earliest, joined};
use super::{names, regarded};
use crate::fact::Fact;
use crate::ids::{AgreementId, LicenseId};
use crate::marketplace_event::{Notification, NotifiedAction};

/// When a buyer's token resolved to a license first, and when to the next one.
struct Turn {
    agreement: Option<AgreementId>,
    /// When it resolved to the license before; its messages are not this one's.
    after: Option<Timestamp>,
    /// When it resolved to the next license, which what follows is about.
    until: Option<Timestamp>,
}

/// Adds what a license's buyer was said to do to its terms.
pub(super) fn hear(license: &LicenseId, facts: &[Fact], terms: &mut Terms) {
    let resolved = regarded(facts).filter(|fact| names(fact, license));
    let own = resolved.filter(|fact| fact.customer().is_some());
    let Some(own) = own.max_by_key(|fact| (fact.learned_at, fact.agreement().cloned())) else {
        return;
    };
    let turn = turn(license, own, facts);
    let Some(term) = terms.get_mut(&turn.agreement) else {
        return;
    };
    let mut heard: Vec<(&Fact, &Notification)> = regarded(facts)
        .filter(|fact| fact.customer() == own.customer())
        .filter_map(|fact| Some((fact, fact.notification()?)))
        .filter(|(_, told)| turn.after.is_none_or(|after| after < told.at))
        .filter(|(_, told)| turn.until.is_none_or(|until| told.at < until))
        .collect();
    heard.sort_by_key(|(_, told)| (told.at, told.id.clone()));
    heard.dedup_by_key(|(_, told)| told.id.clone());
    let mut said = Term::default();
    for (fact, told) in heard {
        match &told.action {
            // Whoever subscribes again after an end has the license again, unless
            // their token leads to another one since.
            NotifiedAction::SubscribeSuccess => match said.end {
                Some(end) if turn.until.is_none() => {
                    said.interruptions.push((end.ended_at, told.at));
                    said = Term {
                        updated_at: Some(told.at),
                        interruptions: said.interruptions,
                        ..Term::default()
                    };
                }
                Some(_) => {}
                None => said.updated_at = earliest(said.updated_at, Some(told.at)),
            },
            NotifiedAction::UnsubscribePending | NotifiedAction::UnsubscribeSuccess => {
                said.ends(fact);
            }
            NotifiedAction::SubscribeFail
            | NotifiedAction::EntitlementUpdated
            | NotifiedAction::Unrecognized(_) => {}
        }
    }
    // What events say of the agreement stands beside it.
    term.updated_at = earliest(term.updated_at, said.updated_at);
    term.interruptions = said.interruptions;
    if let Some(end) = said.end {
        term.end = Some(joined(term.end, end));
    }
}

/// When the messages of a buyer are about the license that `own` resolved to.
fn turn(license: &LicenseId, own: &Fact, facts: &[Fact]) -> Turn {
    let resolved = || {
        regarded(facts)
            .filter(|fact| fact.customer() == own.customer())
            .filter_map(|fact| Some((fact.learned_at, fact.license_ids().next()?)))
    };
    let first = resolved().filter(|(_, of)| *of == license).min();
    let others = || resolved().filter(|(_, of)| *of != license);
    Turn {
        agreement: own.agreement().cloned(),
        after: others()
            .filter(|other| Some(*other) < first)
            .map(|(at, _)| at)
            .max(),
        until: others()
            .filter(|other| Some(*other) > first)
            .map(|(at, _)| at)
            .min(),
    }
}
