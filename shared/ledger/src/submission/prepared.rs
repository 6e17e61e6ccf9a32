//! What a call is made of.

use domain::ledger::record::{Record, RecordState};
use domain::license::LicenseEnd;
use domain::metering::MAX_RECORDS_PER_CALL;
use domain::mutant;
use std::collections::VecDeque;

use crate::step::RecordName;

/// A call's body stays well below AWS's 1 MB.
const MAX_CALL_BYTES: usize = 900_000;

/// Upper bounds of what a record and an allocation take in a call's JSON.
const RECORD_BYTES: usize = 600;
const ALLOCATION_BYTES: usize = 260;

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
    fn is_alone(&self) -> bool {
        matches!(self.record.state, RecordState::Frozen { alone: true, .. })
    }
}

/// How work and notices name a record.
pub(super) fn name_of(record: &Record) -> RecordName {
    (
        record.usage.license.id().clone(),
        record.slot,
        record.usage.dimension.clone(),
    )
}

/// Takes the next call's records, of one product: one alone if it must be,
/// else up to 25 within the size of a call.
pub(super) fn next_call(ready: &mut VecDeque<Ready>) -> Option<Call> {
    let mut records: Vec<Ready> = Vec::new();
    let mut bytes = 0;
    while let Some(next) = ready.front() {
        bytes += RECORD_BYTES + ALLOCATION_BYTES * next.record.usage.allocations.len();
        let alone = next.is_alone();
        let fits = records.first().is_none_or(|first| {
            !alone
                && (first.record.product == next.record.product || mutant!(TwoProductsInOneCall))
                && (records.len() < MAX_RECORDS_PER_CALL || mutant!(NoSplitAt25))
                && bytes <= MAX_CALL_BYTES
        });
        if !fits {
            break;
        }
        records.extend(ready.pop_front());
        if alone {
            break;
        }
    }
    (!records.is_empty()).then_some(Call { records })
}
