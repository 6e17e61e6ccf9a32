//! Licenses that ended, and their final usage.
//!
//! Promised is that final usage is sent within 10 minutes of learning of the
//! end, that of the hour which runs then by 45 minutes after the end, and that
//! what AWS does not take yet is sent again each minute until the deadline.
//! "Sent" is in a call, whatever becomes of it. So it is held to every run of
//! submission that began in the minute before the time was up and
//!
//! - ended, without the store failing in it: what crashed or failed was not running;
//! - ran on a clock that was right: one that is wrong sends earlier or later,
//!   and the next right one in time;
//! - was not held up until after that time;
//! - found sending not stopped by an operator;
//! - did not have a call of 25 records fail before: AWS then takes no more;
//! - found the usage posted before it began: what nobody posts is nobody's to send.

use domain::hour::{Hour, after, before};
use domain::ids::LicenseId;
use domain::ledger::deadline::{accepted_until, last_hour, slot_deadline};
use domain::ledger::slot::{LicenseTerms, SlotState};
use domain::license::LicenseEnd;
use domain::metering::MAX_RECORDS_PER_CALL;
use jiff::{SignedDuration, Timestamp};

use super::{Found, Settled, Slot, name_of};
use crate::aws::{Attempt, key_of};
use crate::world::Submitted;

/// Hours that were over when the end became known are sent so soon after that.
const SENT_AFTER_LEARNING: SignedDuration = SignedDuration::from_mins(10);

/// The hour that ran then is sent so soon after the end.
const SENT_AFTER_END: SignedDuration = SignedDuration::from_mins(46);

/// AWS takes usage of an ended license so long after the later of the two events,
/// and it is tried for at least so long after we learned of the end.
const TAKEN_AFTER_END: SignedDuration = SignedDuration::from_mins(60);
const TAKEN_AFTER_LEARNING: SignedDuration = SignedDuration::from_mins(15);

/// The functions run so often.
const EVERY: SignedDuration = SignedDuration::from_mins(1);

pub(super) fn check(settled: &Settled<'_>, found: &mut Found) {
    if settled.world.aws.ended.is_empty() {
        return;
    }
    ended_licenses_keep_to_their_hours(settled, found);
    let running = Running::of(settled);
    for license in settled.world.aws.ended.keys() {
        let terms = settled
            .world
            .tables
            .license(license)
            .and_then(LicenseTerms::of);
        let Some((terms, end)) = terms.and_then(|terms| Some((terms.active_since, terms.end?)))
        else {
            continue;
        };
        // A run may not have known of the second event, which moves the deadline.
        let last = end;
        let end = LicenseEnd {
            last_event_at: end.ended_at,
            ..end
        };
        let slots = settled
            .slots
            .range((license, Hour::from_number(i32::MIN))..=(license, last_hour(&end)));
        for ((_, hour), slot) in slots {
            if settled.in_doubt(*hour) {
                continue;
            }
            let deadline = slot_deadline(*hour, terms, Some(&end));
            if let Some(late) = running.late(settled, (license, *hour), slot, &end, deadline) {
                found.fails("final usage late", late);
            }
            running.not_retried(settled, slot, &end, found);
            sent_after_its_time(settled, slot, &last, found);
        }
    }
}

/// No usage of an ended license went into a slot after its last hour once the
/// end was known; by a clock that was ahead it may have gone there before.
fn ended_licenses_keep_to_their_hours(settled: &Settled<'_>, found: &mut Found) {
    let ahead = &settled.world.seen.posted_ahead;
    for hour in settled.world.tables.account_hours() {
        for line in &hour.lines {
            let (Some(slot), Some(end)) = (line.target.lies_in(), settled.end_of(&line.license))
            else {
                continue;
            };
            let known = slot > last_hour(&end) && slot.start() > end.learned_at;
            if known && !ahead.contains(&(hour.account.clone(), hour.part, hour.hour)) {
                found.fails(
                    "after the end",
                    format!("{} {slot} after its end", line.license),
                );
            }
        }
    }
}

/// No run that began when AWS took no more of an ended license sent any of it.
fn sent_after_its_time(
    settled: &Settled<'_>,
    slot: &Slot<'_>,
    end: &LicenseEnd,
    found: &mut Found,
) {
    let until =
        after(end.last_event_at, TAKEN_AFTER_END).max(after(end.learned_at, TAKEN_AFTER_LEARNING));
    for record in &slot.records {
        let sent = settled.world.aws.sent.get(&key_of(&record.usage));
        for attempt in sent.map_or(&[][..], |sent| &sent.attempts) {
            let late = attempt
                .by
                .is_some_and(|by| by.ahead.is_zero() && by.began >= until);
            if late {
                let what = format!("{} at {}, after {until}", name_of(record), attempt.at);
                found.fails("sent after the end", what);
            }
        }
    }
}

/// The runs of submission to which the promises of final usage are held.
struct Running<'a>(Vec<&'a Submitted>);

impl<'a> Running<'a> {
    fn of(settled: &Settled<'a>) -> Self {
        let calls = &settled.world.aws.calls;
        let is_full = |run: &Submitted| {
            calls.iter().any(|call| {
                call.records == MAX_RECORDS_PER_CALL
                    && call.by.is_some_and(|by| by.number == run.by.number)
            })
        };
        let counts = |run: &&Submitted| {
            let well = run.run.is_some_and(|run| run.failed == 0);
            let stopped = run.run.is_some_and(|run| run.stopped);
            let is_right = run.by.ahead.is_zero();
            well && is_right && !run.switched_off && !(stopped && is_full(run))
        };
        Self(settled.world.submitted.iter().filter(counts).collect())
    }

    /// A run that began and ended between two instants.
    fn between(&self, from: Timestamp, until: Timestamp) -> Option<&'a Submitted> {
        let mut runs = self.0.iter();
        runs.find(|run| from <= run.by.began && run.ended <= until)
            .copied()
    }

    /// What of a slot was not sent although there was a run to do it in time.
    fn late(
        &self,
        settled: &Settled<'a>,
        (license, hour): (&LicenseId, Hour),
        slot: &Slot<'a>,
        end: &LicenseEnd,
        deadline: Timestamp,
    ) -> Option<String> {
        let used = after(
            settled.used_since(license, hour),
            SignedDuration::from_secs(1),
        );
        let until = if hour.end() <= end.learned_at {
            after(end.learned_at, SENT_AFTER_LEARNING)
        } else {
            after(end.ended_at, SENT_AFTER_END).max(after(end.learned_at, EVERY))
        };
        let until = until.max(after(used, EVERY));
        let from = before(until, EVERY).max(used);
        let run = self
            .between(from, until)
            .filter(|run| run.ended < deadline)?;
        let late = |what: &str| {
            Some(format!(
                "{license} {hour} is {what} at {}, after a run at {}",
                until, run.by.began
            ))
        };
        let is_used = slot.entries.iter().any(|entry| !entry.amounts.is_empty());
        match slot.head.map(|head| &head.state) {
            Some(SlotState::Frozen { .. }) => {}
            Some(SlotState::Open | SlotState::Carrying { .. } | SlotState::Closed { .. })
                if is_used =>
            {
                return late("not frozen");
            }
            Some(
                SlotState::Open
                | SlotState::Carrying { .. }
                | SlotState::Closed { .. }
                | SlotState::Carried { .. },
            )
            | None => return None,
        }
        let unsent = slot.records.iter().any(|record| {
            let sent = settled.world.aws.sent.get(&key_of(&record.usage));
            let first = sent.and_then(|sent| sent.attempts.first());
            first.is_none_or(|first| first.at > until)
        });
        if unsent { late("not sent") } else { None }
    }

    /// What AWS did not take and was not sent again, although there were runs.
    fn not_retried(
        &self,
        settled: &Settled<'a>,
        slot: &Slot<'a>,
        end: &LicenseEnd,
        found: &mut Found,
    ) {
        for record in &slot.records {
            let sent = settled.world.aws.sent.get(&key_of(&record.usage));
            let attempts = sent.map_or(&[][..], |sent| &sent.attempts);
            let deadline = accepted_until(record.usage.timestamp, Some(end));
            for (place, attempt) in attempts.iter().enumerate() {
                let next = attempts.get(place + 1).map_or(deadline, |next| next.at);
                if !attempt.not_subscribed {
                    continue;
                }
                if let Some(at) = self.missed(attempt, end, next.min(deadline)) {
                    let what = format!("{} is not sent again in a run at {at}", name_of(record));
                    found.fails("final usage late", what);
                }
            }
        }
    }

    /// When a run should have sent a record again and did not. A record that was
    /// put off before the end was known, or by a clock that was wrong, may be due
    /// within a minute of a run: then it is the next one's.
    fn missed(&self, attempt: &Attempt, end: &LicenseEnd, next: Timestamp) -> Option<Timestamp> {
        let is_right = attempt.by.is_none_or(|by| by.ahead.is_zero());
        let due = after(attempt.at, EVERY).max(end.learned_at);
        let mut missed = self
            .0
            .iter()
            .filter(|run| due <= run.by.began && run.ended < next)
            .map(|run| run.by.began);
        let first = missed.next()?;
        if is_right && attempt.at >= end.learned_at {
            return Some(first);
        }
        missed.find(|second| after(first, EVERY) <= *second)
    }
}
