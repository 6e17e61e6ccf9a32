//! What a license is entitled to under each of its agreements, by AWS's answers,
//! and what the ledger is to use up first because of it.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::asks::is_pay_as_you_go;
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
    /// The entitlement's end, when AWS named it no more, or the start of the agreement
    /// that follows.
    pub until: Timestamp,
    /// How many units.
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
    let mut began: Vec<Began<'_>> = terms
        .iter()
        .filter(|(_, term)| term.takes_over())
        .filter_map(|(agreement, term)| {
            Some(Began {
                at: term.began_at()?,
                term,
                is_contract: !is_pay_as_you_go(agreement.as_ref(), facts),
            })
        })
        .collect();
    began.sort_by_key(|began| began.at);
    let answers = regarded(facts).filter_map(Fact::entitlements);
    let mut answers: Vec<&Entitlements> = answers
        .filter(|told| told.license.id() == license)
        .collect();
    answers.sort_by_key(|told| told.asked_at);
    let mut covered = BTreeMap::new();
    for told in answers {
        let running = began.iter().rev().find(|began| began.at <= told.asked_at);
        // Where something is to be named, an answer that names nothing may lag.
        let believed = |running: &&Began<'_>| !running.is_contract || !told.covers_nothing();
        if let Some(running) = running.filter(believed) {
            take(&mut covered, told, running);
        }
    }
    for running in began.iter().filter(|began| !began.is_contract) {
        end_those_before(&mut covered, running.at);
    }
    covered.into_values().collect()
}

/// An agreement that began.
struct Began<'a> {
    at: Timestamp,
    term: &'a Term,
    /// Whether AWS is to name entitlements, as far as it told the terms.
    is_contract: bool,
}

type ByStart = BTreeMap<(Timestamp, Dimension), Covered>;

/// What earlier agreements cover ends where another one begins.
fn end_those_before(covered: &mut ByStart, from: Timestamp) {
    for known in covered.values_mut().filter(|known| known.from < from) {
        known.until = known.until.min(from);
    }
}

fn take(covered: &mut ByStart, told: &Entitlements, running: &Began<'_>) {
    let from = running.at;
    end_those_before(covered, from);
    let of_it = covered.values_mut().filter(|known| known.from >= from);
    for known in of_it.filter(|known| !is_unread(told, &known.dimension)) {
        known.until = known.until.min(told.asked_at);
    }
    for grant in &told.grants {
        let until = grant.expires_at.or(running.term.ends_at).unwrap_or(NO_END);
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
