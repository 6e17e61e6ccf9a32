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
        } else if told.asked_at < known.until {
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

/// What a license's contract covers of the metered dimensions, given the periods
/// that the ledger has. A period that began at another instant than is known now
/// covers nothing any more; what was used of it stays used.
pub fn grants(covered: &[Covered], catalog: &Catalog, stored: &[Included]) -> Vec<Granted> {
    let metered = covered.iter().filter_map(|one| {
        Some(Granted {
            dimension: catalog.covered_by(&one.dimension)?.clone(),
            from: one.from,
            until: one.until,
            computer_hours: one.units.into(),
        })
    });
    let mut grants: Vec<Granted> = metered.collect();
    let replaced = stored.iter().filter(|period| {
        let mut of_it = grants
            .iter()
            .filter(|one| one.dimension == period.dimension);
        let named = of_it.clone().any(|one| one.from == period.from);
        !named && of_it.any(|one| one.from < period.until && period.from < one.until)
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
