//! Hours without usage.

use domain::hour::before;
use jiff::SignedDuration;

use super::{Found, Settled};

/// A zero is sent only when its hour's usage had its chance.
pub(super) fn check(settled: &Settled<'_>, found: &mut Found) {
    for record in settled.records() {
        if record.usage.quantity.get() > 0 {
            continue;
        }
        let license = record.usage.license.id();
        let early = before(record.deadline, SignedDuration::from_mins(125));
        if let Some(at) = settled.frozen_at(license, record.slot)
            && at < early
        {
            found.fails("early zero", format!("{license} {} at {at}", record.slot));
        }
    }
}
