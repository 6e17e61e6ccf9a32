//! What a license is entitled to under each of its agreements, by AWS's answers,
//! and what the ledger is to use up first because of it.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::asks::{is_pay_as_you_go, was_pay_as_you_go};
use super::regarded;
use super::terms::{Term, Terms};
use crate::answers::Entitlements;
use crate::catalog::Catalog;
use crate::fact::Fact;
use crate::ids::{AgreementId, Dimension, LicenseId};
use crate::ledger::included::Included;

/// For an entitlement of an agreement that has no end.
const NO_END: Timestamp = Timestamp::constant(253_370_764_800, 0);

/// What a license is entitled to in one of a contract's dimensions, from an
/// agreement's start to the entitlement's end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Covered {
    /// The contract's dimension.
    pub dimension: Dimension,
    /// The agreement's start, or when AWS named it again after it had not.
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
                agreement: agreement.as_ref(),
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
    let mut covered = ByStart::new();
    for told in answers {
        let running = began.iter().rev().find(|began| began.at <= told.asked_at);
        // Where something is to be named, an answer that names nothing may lag.
        let believed = |running: &&Began<'_>| {
            !told.covers_nothing() || was_pay_as_you_go(running.agreement, told.asked_at, facts)
        };
        if let Some(running) = running.filter(believed) {
            let changed_at = changed_by(running.agreement, told.asked_at, facts);
            take(&mut covered, told, running, changed_at);
        }
    }
    for running in began.iter().filter(|began| !began.is_contract) {
        end_those_before(&mut covered, running.at);
    }
    covered.into_values().map(|known| known.covered).collect()
}

/// When AWS told last of an agreement before it was asked.
fn changed_by(
    agreement: Option<&AgreementId>,
    asked_at: Timestamp,
    facts: &[Fact],
) -> Option<Timestamp> {
    let of_it = regarded(facts).filter(|fact| fact.agreement() == agreement);
    let told_at = of_it.filter_map(|fact| fact.event().map(|event| event.at));
    told_at.filter(|at| *at <= asked_at).max()
}

/// An agreement that began.
struct Began<'a> {
    at: Timestamp,
    agreement: Option<&'a AgreementId>,
    term: &'a Term,
    /// Whether AWS is to name entitlements, as far as it told the terms.
    is_contract: bool,
}

/// What is covered, as far as the answers that were looked at say.
struct Known {
    covered: Covered,
    /// Whether an answer of the same agreement named it no more: what a later one
    /// names was bought anew.
    is_over: bool,
}

type ByStart = BTreeMap<(Timestamp, Dimension), Known>;

/// What earlier agreements cover ends where another one begins.
fn end_those_before(known: &mut ByStart, from: Timestamp) {
    for Known { covered, .. } in known.values_mut().filter(|of| of.covered.from < from) {
        covered.until = covered.until.min(from);
    }
}

fn take(
    known: &mut ByStart,
    told: &Entitlements,
    running: &Began<'_>,
    changed_at: Option<Timestamp>,
) {
    end_those_before(known, running.at);
    for of in open_of(known, running, told) {
        of.covered.until = of.covered.until.min(told.asked_at);
    }
    for grant in &told.grants {
        let until = grant.expires_at.or(running.term.ends_at).unwrap_or(NO_END);
        let Some(units) = grant.units.filter(|_| told.asked_at < until) else {
            continue;
        };
        let dimension = grant.dimension.clone();
        let from = begins(known, &dimension, running.at, told.asked_at, changed_at);
        let covered = Covered {
            dimension: dimension.clone(),
            from,
            until,
            units,
        };
        let is_over = false;
        known.insert((from, dimension), Known { covered, is_over });
    }
    for of in open_of(known, running, told) {
        let mut named = told.grants.iter().map(|grant| &grant.dimension);
        of.is_over = named.all(|named| *named != of.covered.dimension);
    }
}

/// What an agreement covers that no answer ended, where an answer says how much.
fn open_of<'a>(
    known: &'a mut ByStart,
    running: &Began<'_>,
    told: &Entitlements,
) -> impl Iterator<Item = &'a mut Known> {
    let of_it = known
        .values_mut()
        .filter(|of| of.covered.from >= running.at);
    of_it.filter(|of| !of.is_over && !is_unread(told, &of.covered.dimension))
}

/// From when on a dimension is covered that an answer names: the agreement's start, or,
/// after one of the same agreement that did not name it, when AWS told of the change.
fn begins(
    known: &ByStart,
    dimension: &Dimension,
    began_at: Timestamp,
    asked_at: Timestamp,
    changed_at: Option<Timestamp>,
) -> Timestamp {
    let mut of_it = known
        .values()
        .filter(|of| of.covered.from >= began_at && of.covered.dimension == *dimension);
    match of_it.next_back() {
        None => began_at,
        Some(last) if last.is_over => {
            let changed_since = changed_at.filter(|at| last.covered.until <= *at);
            changed_since.unwrap_or(asked_at)
        }
        Some(last) => last.covered.from,
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
