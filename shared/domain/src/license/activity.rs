//! When a license was active: its terms, joined where one goes on in another's place.

use std::collections::BTreeSet;

use jiff::Timestamp;

use super::succession::passed_on;
use super::terms::{Term, Terms, earliest};
use crate::fact::Fact;
use crate::ids::AgreementId;

/// When a license was active.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Activity {
    /// Without a break each, ascending.
    periods: Vec<Period>,
    /// See [`Term::interruptions`].
    interruptions: Vec<(Timestamp, Timestamp)>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Period {
    from: Timestamp,
    /// Its end; `None` while it goes on.
    until: Option<Timestamp>,
    agreements: Vec<Option<AgreementId>>,
    /// The latest of them that goes on, if one does.
    going_on: Option<Option<AgreementId>>,
}

impl Activity {
    pub(super) fn of(terms: &Terms, facts: &[Fact]) -> Self {
        let begun = terms.iter().filter(|(_, term)| term.takes_over());
        let mut periods: Vec<Period> = begun
            .filter_map(|(agreement, term)| {
                let until = until(agreement.as_ref(), term, terms, facts);
                Some(Period {
                    from: term.since()?,
                    until,
                    agreements: vec![agreement.clone()],
                    going_on: until.is_none().then(|| agreement.clone()),
                })
            })
            .collect();
        periods.sort_by(|a, b| (a.from, &a.agreements).cmp(&(b.from, &b.agreements)));
        let mut joined: Vec<Period> = Vec::new();
        for period in periods {
            match joined.last_mut() {
                Some(last) if last.until.is_none_or(|until| period.from <= until) => {
                    last.join(period);
                }
                Some(_) | None => joined.push(period),
            }
        }
        let interruptions = terms.values().flat_map(|term| &term.interruptions);
        Self {
            periods: joined,
            interruptions: interruptions.copied().collect(),
        }
    }

    /// The agreement under which the license goes on, and since when it is
    /// active without a break.
    pub(super) fn going_on(&self) -> Option<(&Option<AgreementId>, Timestamp)> {
        let last = self.periods.last()?;
        Some((last.going_on.as_ref()?, last.from))
    }

    /// When the period began in which an instant is.
    pub(super) fn began_at(&self, instant: Timestamp) -> Timestamp {
        self.around(instant)
            .and_then(|index| self.periods.get(index))
            .map_or(instant, |period| period.from.min(instant))
    }

    /// Whether what stopped at an instant goes on now, as AWS says: there was
    /// no break since, or none but between agreements of one chain.
    pub(super) fn resumes(&self, stopped_at: Timestamp, chain: &BTreeSet<AgreementId>) -> bool {
        let mut interruptions = self.interruptions.iter();
        let interrupted = interruptions.any(|(_, again_at)| stopped_at < *again_at);
        let Some(index) = self.around(stopped_at).filter(|_| !interrupted) else {
            return false;
        };
        let mut before_breaks = self.periods.iter().skip(index).rev().skip(1);
        before_breaks.all(|period| period.is_of(chain))
    }

    /// When what began at an instant broke off for good: another agreement of the
    /// license is no continuation of it.
    pub(super) fn broke_off(
        &self,
        began_at: Timestamp,
        chain: &BTreeSet<AgreementId>,
    ) -> Option<Timestamp> {
        let index = self.around(began_at).unwrap_or(0);
        let mut before_breaks = self.periods.iter().skip(index).rev().skip(1).rev();
        let broke = before_breaks.find(|period| !period.is_of(chain));
        let interruptions = self.interruptions.iter().map(|(ended_at, _)| *ended_at);
        let interrupted = interruptions.filter(|ended_at| began_at <= *ended_at).min();
        earliest(broke.and_then(|period| period.until), interrupted)
    }

    /// The last period that began by an instant.
    fn around(&self, instant: Timestamp) -> Option<usize> {
        self.periods
            .iter()
            .rposition(|period| period.from <= instant)
    }
}

impl Period {
    fn join(&mut self, next: Self) {
        self.until = match (self.until, next.until) {
            (Some(until), Some(of_next)) => Some(until.max(of_next)),
            (None, _) | (_, None) => None,
        };
        self.agreements.extend(next.agreements);
        self.going_on = next.going_on.or(self.going_on.take());
    }

    fn is_of(&self, chain: &BTreeSet<AgreementId>) -> bool {
        let mut named = self.agreements.iter().flatten();
        named.any(|agreement| chain.contains(agreement))
    }
}

/// Until when a license is active under an agreement: until it ended, or until
/// another one goes on in its place.
fn until(
    agreement: Option<&AgreementId>,
    term: &Term,
    terms: &Terms,
    facts: &[Fact],
) -> Option<Timestamp> {
    passed_on(agreement, terms, facts).or(term.end.map(|end| end.ended_at))
}
