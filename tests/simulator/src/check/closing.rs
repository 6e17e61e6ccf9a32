//! Nothing is closed or written off for which there was time and a healthy AWS.

use domain::hour::{Hour, after, before};
use domain::ids::LicenseId;
use domain::ledger::account_hour::{AccountHour, Target, WriteOff};
use domain::ledger::deadline::{accepted_until, final_usage_until, last_hour};
use domain::ledger::record::{CloseReason, Record, RecordState};
use domain::ledger::slot::SlotState;
use domain::license::LicenseEnd;
use jiff::{SignedDuration, Timestamp};

use super::{Found, Settled, name_of};
use crate::aws::key_of;

/// After trouble it takes so long until everything that waited was tried again:
/// a record that AWS refused or failed on waits up to 15 minutes, one of a
/// license on hold another 15.
const RECOVERY: SignedDuration = SignedDuration::from_mins(40);

/// And so many runs: one may end a hold, and the next send what it held.
const RUNS_TO_RECOVER: usize = 3;

/// The functions run so often.
const EVERY: SignedDuration = SignedDuration::from_mins(1);

const CHECK: &str = "closed too early";

pub(super) fn check(settled: &Settled<'_>, found: &mut Found) {
    nothing_is_closed_before_its_deadline(settled, found);
    what_is_closed_is_excused(settled, found);
}

/// What can still be mended, or sent when a clock is right again, is not closed.
fn nothing_is_closed_before_its_deadline(settled: &Settled<'_>, found: &mut Found) {
    for closed in &settled.world.seen.closed {
        let end = settled.end_of(&closed.license);
        let deadline = accepted_until(closed.timestamp, end.as_ref());
        if closed.at < deadline && !settled.in_doubt(closed.slot) {
            found.fails(
                CHECK,
                format!(
                    "{} {} is closed at {}, its deadline is {deadline}",
                    closed.license, closed.slot, closed.at
                ),
            );
        }
    }
}

fn what_is_closed_is_excused(settled: &Settled<'_>, found: &mut Found) {
    for record in settled.records() {
        if let RecordState::Closed { reason, .. } = record.state
            && !settled.is_excused(record, reason)
        {
            found.fails(
                CHECK,
                format!(
                    "{} is closed as {reason:?} although AWS would have taken it",
                    name_of(record)
                ),
            );
        }
    }
    for head in settled.heads() {
        if let SlotState::Closed { at, reason } = head.state
            && !settled.may_be_written_off(&head.license, head.hour, reason, at)
        {
            found.fails(
                CHECK,
                format!(
                    "{} {} is written off as {reason:?} although there was time",
                    head.license, head.hour
                ),
            );
        }
    }
    for hour in settled.world.tables.account_hours() {
        for line in &hour.lines {
            if let Target::WrittenOff(reason) = line.target
                && !settled.line_may_be_written_off(hour, &line.license, reason)
            {
                found.fails(
                    CHECK,
                    format!(
                        "{} of {} {} is written off as {reason:?} although there was time",
                        line.count, hour.account, hour.hour
                    ),
                );
            }
        }
    }
}

impl Settled<'_> {
    /// Whether nothing better could become of a record: within its time there
    /// was no healthy run of submission that was well after the last trouble.
    fn is_excused(&self, record: &Record, reason: CloseReason) -> bool {
        let license = record.usage.license.id();
        let Some(frozen) = self.frozen_at(license, record.slot) else {
            return false;
        };
        if self.in_doubt(record.slot) {
            return reason == CloseReason::Unknown;
        }
        if self.world.aws.foreign.contains(&key_of(&record.usage)) {
            return reason == CloseReason::Conflict;
        }
        let end = self.end_of(license);
        if end.is_some_and(|end| record.slot > last_hour(&end)) {
            // Frozen before its end was known: AWS takes nothing stamped after it.
            return true;
        }
        let over = self
            .world
            .aws
            .ended
            .get(license)
            .map(|ended| after(*ended, SignedDuration::from_mins(60)));
        let deadline = accepted_until(record.usage.timestamp, end.as_ref());
        let deadline = over.map_or(deadline, |over| deadline.min(over));
        let from = after(frozen, SignedDuration::from_mins(1));
        // A clock that is ahead may have put it off, but not beyond its deadline.
        let put_off = self.world.seen.put_off.get(&key_of(&record.usage)).copied();
        let put_off = put_off.filter(|due| *due <= before(deadline, EVERY));
        !self.was_well_between(from.max(put_off.unwrap_or(from)), deadline)
    }

    /// Whether runs of submission ended well in an interval, and the last
    /// trouble before them was over long enough.
    fn was_well_between(&self, from: Timestamp, until: Timestamp) -> bool {
        let healthy = &self.world.healthy;
        let good = healthy.submits.iter().filter(|run| {
            let run = *run;
            let last_trouble = healthy.troubles.iter().rev().find(|at| *at <= run);
            from <= *run
                && *run < until
                && last_trouble.is_none_or(|at| after(*at, RECOVERY) <= *run)
        });
        good.count() >= RUNS_TO_RECOVER
    }

    fn may_be_written_off(
        &self,
        license: &LicenseId,
        slot: Hour,
        reason: WriteOff,
        at: Timestamp,
    ) -> bool {
        match reason {
            WriteOff::LicenseEnded => self.end_of(license).is_some_and(|end| {
                let used = self.used_since(license, slot);
                let freezable = after(end.ended_at, SignedDuration::from_mins(46))
                    .max(after(end.learned_at, SignedDuration::from_mins(9)))
                    .max(after(used, SignedDuration::from_mins(1)));
                let accepted = after(end.ended_at, SignedDuration::from_mins(60));
                at >= final_usage_until(&end)
                    && (slot > last_hour(&end) || !self.was_well_between(freezable, accepted))
            }),
            WriteOff::TooLate => self
                .entries_in(license, slot)
                .iter()
                .all(|entry| entry.hour.plus(self.schedule.setting.carry_hours) < Hour::of(at)),
            WriteOff::Restored => false,
        }
    }

    fn line_may_be_written_off(
        &self,
        hour: &AccountHour,
        license: &LicenseId,
        reason: WriteOff,
    ) -> bool {
        match reason {
            WriteOff::Restored => self.in_doubt(hour.hour),
            WriteOff::LicenseEnded => self.end_of(license).is_some_and(|end| {
                !was_running(hour, &end) || !self.was_in_time(hour, license, &end)
            }),
            WriteOff::TooLate => {
                let horizon = hour.hour.plus(self.schedule.setting.carry_hours);
                horizon < Hour::of(self.world.now())
            }
        }
    }

    /// Whether all reports of an ended license's last hour were there, and a
    /// run of posting ended well, before the hour could be frozen. A clock that is
    /// ahead, by less than the hour in which AWS takes final usage, freezes that
    /// hour as much too early: no clock can know that it is not 45 minutes after
    /// the end, and what is reported from then on has no slot any more. (Deployed,
    /// a clock is held to the dates of AWS's answers: `runtime::clock`.)
    fn was_in_time(&self, hour: &AccountHour, license: &LicenseId, end: &LicenseEnd) -> bool {
        let times = self.world.acknowledged.iter().filter_map(|(key, (at, _))| {
            ((&key.0, key.1) == (&hour.account, hour.hour)).then_some(*at)
        });
        let reports = self.world.tables.reports();
        let stored = reports.filter(|(at, (account, part, _), _)| {
            (account, *part, *at) == (&hour.account, hour.part, hour.hour)
        });
        let all = times.clone().count() == stored.count();
        let last = times.max().unwrap_or(Timestamp::MAX).max(end.learned_at);
        // The normal freeze comes when the hour is over and all of it is posted.
        let slot = (license.clone(), hour.hour);
        let by_wrong_clock = self.world.seen.frozen.get(&slot).copied();
        let normal = self
            .frozen_at(license, hour.hour)
            .map_or(Timestamp::MAX, |at| at.max(hour.hour.end()));
        let frozen = normal
            .min(after(end.ended_at, SignedDuration::from_mins(45)))
            .min(by_wrong_clock.unwrap_or(Timestamp::MAX));
        let posts = &self.world.healthy.posts;
        all && posts.iter().any(|run| last < *run && *run < frozen)
    }
}

/// Whether an hour is the one that ran when a license's end became known.
fn was_running(hour: &AccountHour, end: &LicenseEnd) -> bool {
    hour.hour == last_hour(end) && end.learned_at < hour.hour.end()
}
