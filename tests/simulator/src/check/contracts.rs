//! Contracts with consumption.

use std::collections::BTreeMap;

use domain::hour::{Hour, after};
use domain::ledger::included::Included;
use domain::ledger::record::Record;
use domain::ledger::slot::SlotState;
use domain::license::ANSWER_AWAITED_FOR;

use super::{Found, Settled, name_of};

const CHECK: &str = "included";
const AWAITED: &str = "cover awaited";
const RENEWED: &str = "contract renewed";

/// What freezes took of a contract is what it says is used, and no more than it covers.
pub(super) fn check(settled: &Settled<'_>, found: &mut Found) {
    let mut taken: BTreeMap<_, u64> = BTreeMap::new();
    for head in settled.heads() {
        if let SlotState::Frozen { included, .. } = &head.state {
            for one in included {
                let period = (&head.license, &one.dimension, one.period_from);
                *taken.entry(period).or_default() += u64::from(one.computer_hours);
            }
        }
    }
    let periods = || settled.world.tables.included();
    if settled.story.forgotten.is_empty() {
        for period in periods() {
            let name = (&period.license, &period.dimension, period.from);
            let (used, taken) = (period.used, taken.remove(&name).unwrap_or_default());
            if used != taken {
                found.fails(CHECK, format!("{used} used of {name:?}, {taken} taken"));
            }
        }
        for (name, taken) in taken {
            found.fails(
                CHECK,
                format!("{taken} taken of {name:?}, which is not there"),
            );
        }
    }
    for period in periods().filter(|period| period.used > period.granted) {
        found.fails(CHECK, format!("{} used of {}", period.used, period.granted));
    }
    nothing_metered_that_is_covered(settled, found);
    nothing_metered_that_a_renewal_covers(settled, found);
}

/// What AWS said in time to be covered was used up before anything was metered:
/// nothing was while it was not known.
fn nothing_metered_that_is_covered(settled: &Settled<'_>, found: &mut Found) {
    let Some(cover) = settled.world.aws.cover else {
        return;
    };
    let since = cover.unknown.since;
    let in_time = |at| at < after(since, ANSWER_AWAITED_FOR);
    let mut periods = settled.world.tables.included();
    let unused = periods
        .find(|period| period.from == cover.unknown.of_usage_from && period.used < period.granted);
    let Some(unused) = unused else {
        return;
    };
    if !cover.known_at.is_some_and(in_time) {
        return;
    }
    let first = Hour::of(since);
    for record in metered_within(settled, unused).filter(|record| first <= record.slot) {
        found.fails(
            AWAITED,
            format!("{} is metered, and covered", name_of(record)),
        );
    }
}

/// Where one period followed another within an hour, that hour's usage was metered
/// only once both were used up; and later usage once the new one was.
fn nothing_metered_that_a_renewal_covers(settled: &Settled<'_>, found: &mut Found) {
    for renewed_at in &settled.world.aws.renewed {
        let periods = settled.world.tables.included();
        let unused = periods.filter(|period| period.used < period.granted);
        for period in unused {
            let (ends, begins) = (period.until == *renewed_at, period.from == *renewed_at);
            let metered = metered_within(settled, period)
                .filter(|record| begins || ends && record.slot == Hour::of(*renewed_at));
            for record in metered {
                let name = name_of(record);
                found.fails(RENEWED, format!("{name} is metered, and covered"));
            }
        }
    }
}

/// What was metered of the first license in hours that a period touches.
fn metered_within<'a>(
    settled: &'a Settled<'_>,
    period: &'a Included,
) -> impl Iterator<Item = &'a Record> {
    settled.records().filter(move |record| {
        record.usage.license.id() == &period.license
            && record.usage.dimension == period.dimension
            && record.usage.quantity.get() > 0
            && period.from < record.slot.end()
            && record.usage.timestamp < period.until
    })
}
