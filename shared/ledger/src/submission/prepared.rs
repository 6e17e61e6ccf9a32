//! What a call is made of.

use std::collections::{BTreeMap, VecDeque};

use domain::ids::{Dimension, ProductCode};
use domain::ledger::record::{Record, RecordState};
use domain::license::LicenseEnd;
use domain::metering::MAX_RECORDS_PER_CALL;
use domain::mutant;

use crate::step::RecordName;

/// A call's body stays well below AWS's 1 MB.
const MAX_CALL_BYTES: usize = 900_000;

/// Upper bounds of what a record and an allocation take in a call's JSON.
const RECORD_BYTES: usize = 600;
const ALLOCATION_BYTES: usize = 260;

/// How many full calls of other products may go before the record with the
/// earliest deadline: four seconds' worth, so that one product's backlog does
/// not hold up another's few records until the run is over.
const MOST_PASSED_OVER: usize = 40;

/// A record whose attempt is counted.
#[derive(Debug, Clone)]
pub(super) struct Ready {
    pub(super) record: Record,
    /// The end of its license, if it has ended.
    pub(super) end: Option<LicenseEnd>,
}

/// The records of one call to AWS, at most 25 of one product.
#[derive(Debug, Clone)]
pub(super) struct Call {
    pub(super) records: Vec<Ready>,
}

impl Ready {
    pub(super) fn is_alone(&self) -> bool {
        matches!(self.record.state, RecordState::Frozen { alone: true, .. })
    }

    fn bytes(&self) -> usize {
        RECORD_BYTES + ALLOCATION_BYTES * self.record.usage.allocations.len()
    }
}

/// A product's dimension.
pub(super) type ProductDimension = (ProductCode, Dimension);

/// Of which dimension a record is.
pub(super) fn dimension_of(ready: &Ready) -> ProductDimension {
    let record = &ready.record;
    (record.product.clone(), record.usage.dimension.clone())
}

/// How work and notices name a record.
pub(super) fn name_of(record: &Record) -> RecordName {
    (
        record.usage.license.id().clone(),
        record.slot,
        record.usage.dimension.clone(),
    )
}

/// How many more records there is room for until one product's ready records
/// fill a call.
pub(super) fn room_in_call(ready: &VecDeque<Ready>) -> usize {
    let most = if mutant!(CallsNotFilled) {
        ready.len()
    } else {
        by_product(ready).into_values().max().unwrap_or(0)
    };
    MAX_RECORDS_PER_CALL.saturating_sub(most)
}

/// Takes the next call's records, of one product: one alone if it must be,
/// else all that are ready, up to 25 within the size of a call.
///
/// The product is that of a license that is ending, if there is one; else one
/// whose records fill a call, so that n records take ceil(n/25) calls; else, or
/// when others were `passed_over` often enough for that, that of what is first.
pub(super) fn next_call(ready: &mut VecDeque<Ready>, passed_over: &mut usize) -> Option<Call> {
    let place = place_of_first(ready, *passed_over);
    *passed_over = if place == 0 { 0 } else { *passed_over + 1 };
    let first = ready.remove(place)?;
    let (product, mut bytes) = (first.record.product.clone(), first.bytes());
    let alone = first.is_alone();
    let mut records = vec![first];
    if alone {
        return Some(Call { records });
    }
    let mut left = VecDeque::with_capacity(ready.len());
    for next in ready.drain(..) {
        let fits = !next.is_alone()
            && (next.record.product == product || mutant!(TwoProductsInOneCall))
            && (records.len() < MAX_RECORDS_PER_CALL || mutant!(NoSplitAt25))
            && bytes + next.bytes() <= MAX_CALL_BYTES;
        if fits {
            bytes += next.bytes();
            records.push(next);
        } else {
            left.push_back(next);
        }
    }
    *ready = left;
    Some(Call { records })
}

/// Where the record is whose product's call is the next.
fn place_of_first(ready: &VecDeque<Ready>, passed_over: usize) -> usize {
    if let Some(ending) = ready.iter().position(|one| one.end.is_some()) {
        return ending;
    }
    if passed_over >= MOST_PASSED_OVER || mutant!(CallsNotFilled) {
        return 0;
    }
    let full: Vec<&ProductCode> = by_product(ready)
        .into_iter()
        .filter(|(_, records)| *records >= MAX_RECORDS_PER_CALL)
        .map(|(product, _)| product)
        .collect();
    let fills = |one: &Ready| !one.is_alone() && full.contains(&&one.record.product);
    ready.iter().position(fills).unwrap_or(0)
}

/// How many records are ready that may go in one call, by product.
fn by_product(ready: &VecDeque<Ready>) -> BTreeMap<&ProductCode, usize> {
    let mut records = BTreeMap::new();
    for one in ready.iter().filter(|one| !one.is_alone()) {
        *records.entry(&one.record.product).or_default() += 1;
    }
    records
}
