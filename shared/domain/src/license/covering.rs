//! What a license is entitled to under each of its agreements, by AWS's answers,
//! and what the ledger is to use up first because of it.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::regarded;
use super::terms::{Term, Terms};
use crate::answers::Entitlements;
use crate::catalog::Catalog;
use crate::fact::Fact;
use crate::ids::{Dimension, LicenseId};
use crate::ledger::included::Included;

/// For an entitlement of an agreement that has no end.
const NO_END: Timestamp = Timestamp::constant(253_370_764_800, 0);

/// What a license is entitled to in one of a contract's dimensions, from an
/// agreement's start to the entitlement's end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Covered {
    /// The contract's dimension.
    pub dimension: Dimension,
    /// The agreement's start.
    pub from: Timestamp,
    /// The entitlement's end, or the start of the agreement that follows.
    pub until: Timestamp,
    /// How many units; 0 when AWS names it no more.
    pub units: u32,
}

/// What the ledger is to use up before anything is metered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Granted {
    /// The metered dimension.
    pub dimension: Dimension,
    /// The period's first instant.
    pub from: Timestamp,
    /// The first instant after the period.
    pub until: Timestamp,
    /// Computer-hours that are covered.
    pub computer_hours: u64,
}

/// By all answers, each of the agreement that ran when AWS was asked; a later
/// one of the same agreement is in an earlier one's place.
pub(super) fn covered(license: &LicenseId, terms: &Terms, facts: &[Fact]) -> Vec<Covered> {
    let mut began: Vec<(Timestamp, &Term)> = terms
        .values()
        .filter(|term| term.takes_over())
        .filter_map(|term| Some((term.began_at()?, term)))
        .collect();
    began.sort_by_key(|(at, _)| *at);
    let answers = regarded(facts).filter_map(Fact::entitlements);
    let mut answers: Vec<&Entitlements> = answers
        .filter(|told| told.license.id() == license && !told.covers_nothing())
        .collect();
    answers.sort_by_key(|told| told.asked_at);
    let mut covered = BTreeMap::new();
    for told in answers {
        let running = began.iter().rev().find(|(at, _)| *at <= told.asked_at);
        if let Some((from, term)) = running {
            take(&mut covered, told, *from, term);
        }
    }
    covered.into_values().collect()
}

fn take(
    covered: &mut BTreeMap<(Timestamp, Dimension), Covered>,
    told: &Entitlements,
    from: Timestamp,
    term: &Term,
) {
    for known in covered.values_mut() {
        if known.from < from {
            known.until = known.until.min(from);
        } else if told.asked_at < known.until && !is_unread(told, &known.dimension) {
            known.units = 0;
        }
    }
    for grant in &told.grants {
        let until = grant.expires_at.or(term.ends_at).unwrap_or(NO_END);
        let Some(units) = grant.units.filter(|_| told.asked_at < until) else {
            continue;
        };
        let dimension = grant.dimension.clone();
        let grant = Covered {
            dimension: dimension.clone(),
            from,
            until,
            units,
        };
        covered.insert((from, dimension), grant);
    }
}

/// A period that the ledger has from another instant on than is known now, and
/// that instant: an agreement's start that became known later, or by an event
/// that came later. What was used of it stays used.
pub fn misdated<'a>(
    covered: &[Covered],
    catalog: &Catalog,
    stored: &'a [Included],
) -> Option<(&'a Included, Timestamp)> {
    let metered: Vec<Granted> = metered(covered, catalog).collect();
    let is_stored = |one: &Granted| stored.iter().any(|period| is_of(period, one));
    stored.iter().find_map(|period| {
        let mut named = metered.iter().filter(|one| is_of(period, one));
        let known = named.next().is_some();
        let mut of_it = metered.iter().filter(|one| overlaps(period, one));
        let meant = of_it.find(|one| !known && !is_stored(one))?;
        Some((period, meant.from))
    })
}

/// Whether AWS names a dimension with a value that is no number of units.
fn is_unread(told: &Entitlements, dimension: &Dimension) -> bool {
    let mut grants = told.grants.iter();
    grants.any(|grant| grant.dimension == *dimension && grant.units.is_none())
}

/// What a license's contract covers of the metered dimensions, given the periods
/// that the ledger has. A period that began at another instant than is known now,
/// and cannot be moved there, covers nothing any more; what was used of it stays used.
pub fn grants(covered: &[Covered], catalog: &Catalog, stored: &[Included]) -> Vec<Granted> {
    let mut grants: Vec<Granted> = metered(covered, catalog).collect();
    let replaced = stored.iter().filter(|period| {
        let named = grants.iter().any(|one| is_of(period, one));
        !named && grants.iter().any(|one| overlaps(period, one))
    });
    let replaced: Vec<Granted> = replaced
        .map(|period| Granted {
            dimension: period.dimension.clone(),
            from: period.from,
            until: period.until,
            computer_hours: 0,
        })
        .collect();
    grants.extend(replaced);
    grants
}

fn metered<'a>(covered: &'a [Covered], catalog: &'a Catalog) -> impl Iterator<Item = Granted> + 'a {
    covered.iter().filter_map(|one| {
        Some(Granted {
            dimension: catalog.covered_by(&one.dimension)?.clone(),
            from: one.from,
            until: one.until,
            computer_hours: one.units.into(),
        })
    })
}

fn is_of(period: &Included, granted: &Granted) -> bool {
    period.dimension == granted.dimension && period.from == granted.from
}

fn overlaps(period: &Included, granted: &Granted) -> bool {
    period.dimension == granted.dimension
        && granted.from < period.until
        && period.from < granted.until
}
