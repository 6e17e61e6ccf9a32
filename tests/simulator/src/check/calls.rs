//! Calls are made as AWS takes them.

use jiff::SignedDuration;

use super::{Found, Settled};

pub(super) fn check(settled: &Settled<'_>, found: &mut Found) {
    if settled.world.aws.malformed > 0 {
        found.fails("malformed call", "too many records, or of two products");
    }
    let calls = &settled.world.aws.calls;
    let second = SignedDuration::from_secs(1);
    let fast = calls
        .windows(11)
        .find(|eleven| eleven[10].0.duration_since(eleven[0].0) < second);
    if settled.schedule.is_of_one_submitter() && fast.is_some() {
        found.fails("too many calls", "eleven within a second");
    }
}
