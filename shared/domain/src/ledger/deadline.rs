//! Until when AWS accepts an hour's usage, and when it is frozen.

use jiff::tz::Offset;
use jiff::{SignedDuration, Timestamp, ToSpan};

use crate::hour::{Hour, after, before};
use crate::ledger::account_hour::WriteOff;
use crate::license::LicenseEnd;
use crate::mutant;

/// Usage is accepted for 24 h after its timestamp (Metering API model).
pub const ACCEPTED_FOR: SignedDuration = SignedDuration::from_hours(24);

/// The previous month is accepted until 06:00 UTC on the 1st (Metering API model).
pub const MONTH_CUT_OFF: SignedDuration = SignedDuration::from_hours(6);

/// An hour is closed and posted this long after its end.
pub const CLOSED_AFTER: SignedDuration = SignedDuration::from_mins(10);

/// A slot is frozen at the latest this long after its hour's end, posted or not.
pub const FROZEN_AFTER: SignedDuration = SignedDuration::from_mins(45);

/// The least time a slot's deadline must lie ahead for usage to go into it,
/// unless set otherwise.
pub const ROOM_BEFORE_DEADLINE: SignedDuration = SignedDuration::from_mins(30);

/// An open slot of a live license is carried this long before its deadline,
/// and nothing of it is frozen from then on: what is sent in its last minutes
/// may be answered after them.
pub const CARRIED_BEFORE_DEADLINE: SignedDuration = SignedDuration::from_mins(10);

/// A zero is reported this long before the deadline: until then late usage of
/// the hour still finds its own slot open.
pub const ZERO_BEFORE_DEADLINE: SignedDuration = SignedDuration::from_hours(2);

/// For how many hours after the hour of use it may be billed in a later one,
/// unless set otherwise: reports may come for 48 h, and then wait for a hold
/// or an outage to end.
pub const CARRY_HOURS: i32 = 96;

/// After the later of Agreement Ended and License Deprovisioned, AWS accepts
/// final usage for this long (Seller guide).
pub const FINAL_USAGE: SignedDuration = SignedDuration::from_mins(60);

/// The least time for final usage after we learned of an end.
pub const FINAL_USAGE_AFTER_LEARNING: SignedDuration = SignedDuration::from_mins(15);

/// What missed its deadline is no longer sent, but closed or written off only so
/// much later: the clock that says so may be an hour ahead, and what is closed
/// is never sent again.
pub const CLOSED_AFTER_DEADLINE: SignedDuration = SignedDuration::from_mins(70);

/// Hours that were over when a license's end became known are frozen this long
/// after that at the latest, so that they are sent within 10 minutes.
pub const FROZEN_AFTER_LEARNING: SignedDuration = SignedDuration::from_mins(8);

/// The last hour of an ended license of which usage can be billed.
pub fn last_hour(end: &LicenseEnd) -> Hour {
    Hour::of(end.ended_at)
}

/// Until when final usage of an ended license is tried.
pub fn final_usage_until(end: &LicenseEnd) -> Timestamp {
    if mutant!(SendingStopsAtTheEnd) {
        return end.learned_at;
    }
    let until = after(end.last_event_at, FINAL_USAGE)
        .max(after(end.learned_at, FINAL_USAGE_AFTER_LEARNING));
    if mutant!(SendingGoesOnAfterTheEnd) {
        return after(until, FINAL_USAGE);
    }
    until
}

/// When what missed a deadline is closed.
pub fn closed_at(deadline: Timestamp) -> Timestamp {
    if mutant!(ClosedAtTheDeadline) {
        return deadline;
    }
    after(deadline, CLOSED_AFTER_DEADLINE)
}

/// Whether a deadline has passed even if this clock is an hour ahead.
pub fn surely_past(deadline: Timestamp, now: Timestamp) -> bool {
    now >= closed_at(deadline)
}

/// The instant from which AWS no longer accepts usage with this timestamp.
pub fn accepted_until(timestamp: Timestamp, end: Option<&LicenseEnd>) -> Timestamp {
    let mut deadline = after(timestamp, ACCEPTED_FOR);
    if !mutant!(MonthCutOffIgnored) {
        deadline = deadline.min(month_cut_off(timestamp));
    }
    match end {
        Some(end) => deadline.min(final_usage_until(end)),
        None => deadline,
    }
}

/// 06:00 UTC on the first day of the month after the one in which an instant lies.
fn month_cut_off(instant: Timestamp) -> Timestamp {
    let month = Offset::UTC.to_datetime(instant).date().first_of_month();
    month
        .checked_add(1.month())
        .ok()
        .and_then(|first| Offset::UTC.to_timestamp(first.at(0, 0, 0, 0)).ok())
        .map_or(Timestamp::MAX, |first| after(first, MONTH_CUT_OFF))
}

/// An hour's timestamp in its records: its start, or the license's activation
/// when that is later ("usage is within the license activation period").
pub fn record_timestamp(slot: Hour, active_since: Timestamp) -> Timestamp {
    let activation = Timestamp::from_second(active_since.as_second()).unwrap_or(active_since);
    let activation = if activation < active_since {
        after(activation, SignedDuration::from_secs(1))
    } else {
        activation
    };
    if mutant!(TimestampBeforeActivation) {
        return slot.start();
    }
    slot.start().max(activation).min(before_end(slot))
}

/// The last whole second of the hour.
fn before_end(slot: Hour) -> Timestamp {
    before(slot.end(), SignedDuration::from_secs(1))
}

/// A slot's deadline: until when AWS accepts its records.
pub fn slot_deadline(slot: Hour, active_since: Timestamp, end: Option<&LicenseEnd>) -> Timestamp {
    accepted_until(record_timestamp(slot, active_since), end)
}

/// How long before a slot's deadline usage no longer goes into it, and for how
/// many hours after its own usage may be billed at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CarryRules {
    /// The least time a slot's deadline must lie ahead for usage to go into it.
    pub room: SignedDuration,
    /// The last slot that takes usage lies this many hours after the hour of use.
    pub hours: i32,
}

impl Default for CarryRules {
    fn default() -> Self {
        Self {
            room: ROOM_BEFORE_DEADLINE,
            hours: CARRY_HOURS,
        }
    }
}

/// Until when slots come that may take an hour's usage.
pub fn carry_until(hour: Hour, rules: CarryRules) -> Timestamp {
    hour.plus(rules.hours).end()
}

/// Whether an open slot of a license takes usage.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TakesUsage {
    /// It does.
    Yes,
    /// It does not by this clock, which may be ahead; the license has ended, and
    /// no later slot will.
    Perhaps,
    /// It does not.
    No,
}

/// Whether usage may still be put into an open slot.
pub fn takes_usage(
    slot: Hour,
    active_since: Timestamp,
    end: Option<&LicenseEnd>,
    room: SignedDuration,
    now: Timestamp,
) -> TakesUsage {
    let deadline = slot_deadline(slot, active_since, end);
    let in_time = match end {
        Some(end) if slot > last_hour(end) && !mutant!(SlotAfterLastHour) => return TakesUsage::No,
        Some(_) => now < deadline,
        None => after(now, room) <= deadline || mutant!(TargetDeadlineIgnored),
    };
    if in_time {
        TakesUsage::Yes
    } else if end.is_some() && !surely_past(deadline, now) {
        TakesUsage::Perhaps
    } else {
        TakesUsage::No
    }
}

/// What is to be done with an open slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OpenSlot {
    /// It waits for its usage, or for its license.
    Wait,
    /// Its deadline has passed by this clock, which may be ahead: it is neither
    /// frozen nor closed.
    PastDeadline,
    /// It may be frozen, if everything that can belong to it is posted.
    FreezeIfPosted,
    /// It may be frozen.
    Freeze,
    /// Its entries go into a later slot.
    Carry,
    /// Nothing of it can be billed any more.
    Close(WriteOff),
}

/// What is to be done with an open slot of a license, on hold or not.
///
/// A license that has ended is waited for less: for hours that were over when
/// the end became known, 8 minutes from then; for the hour in which it ended,
/// 45 minutes from the end. Past its deadline it is closed [`CLOSED_AFTER_DEADLINE`].
pub fn open_slot(
    slot: Hour,
    active_since: Timestamp,
    end: Option<&LicenseEnd>,
    held: bool,
    now: Timestamp,
) -> OpenSlot {
    let deadline = slot_deadline(slot, active_since, end);
    let over = if mutant!(CarriedAtTheDeadline) {
        deadline
    } else {
        before(deadline, CARRIED_BEFORE_DEADLINE)
    };
    match end {
        Some(_) if surely_past(deadline, now) => return OpenSlot::Close(WriteOff::LicenseEnded),
        Some(_) if now >= deadline => return OpenSlot::PastDeadline,
        None if now >= over => return OpenSlot::Carry,
        Some(_) | None => {}
    }
    if held && !mutant!(FreezeOnHold) {
        return OpenSlot::Wait;
    }
    let waited = after(slot.end(), FROZEN_AFTER);
    let latest = match end {
        Some(end) if slot.end() <= end.learned_at && mutant!(FinalHoursFrozenLate) => {
            waited.min(after(end.learned_at, SignedDuration::from_mins(20)))
        }
        Some(end) if mutant!(RunningHourFrozenLate) && slot.end() > end.learned_at => {
            waited.min(after(end.ended_at, SignedDuration::from_mins(58)))
        }
        Some(end) if slot.end() <= end.learned_at => {
            waited.min(after(end.learned_at, FROZEN_AFTER_LEARNING))
        }
        Some(end) if mutant!(RunningHourFrozenAtOnce) => waited.min(end.learned_at),
        Some(end) => waited.min(after(end.ended_at, FROZEN_AFTER)),
        None => waited,
    };
    if now >= latest || mutant!(FreezeWithoutGate) && now >= slot.end() {
        OpenSlot::Freeze
    } else if now >= slot.end() {
        OpenSlot::FreezeIfPosted
    } else {
        OpenSlot::Wait
    }
}

/// When a zero may be reported for a slot that stayed empty.
pub fn zero_due(slot: Hour, active_since: Timestamp) -> Timestamp {
    if mutant!(ZeroAtOnce) {
        return slot.end();
    }
    let deadline = slot_deadline(slot, active_since, None);
    before(deadline, ZERO_BEFORE_DEADLINE).max(after(slot.end(), FROZEN_AFTER))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn usage_is_accepted_for_24_hours_but_last_months_only_until_6_on_the_1st() {
        assert_eq!(
            accepted_until(at("2026-11-22T10:00:00Z"), None),
            at("2026-11-23T10:00:00Z")
        );
        assert_eq!(
            accepted_until(at("2026-11-30T23:00:00Z"), None),
            at("2026-12-01T06:00:00Z")
        );
        assert_eq!(
            accepted_until(at("2026-12-31T06:00:00Z"), None),
            at("2027-01-01T06:00:00Z")
        );
        assert_eq!(
            accepted_until(at("2026-12-01T00:00:00Z"), None),
            at("2026-12-02T00:00:00Z")
        );
    }

    #[test]
    fn final_usage_is_tried_for_an_hour_after_the_later_event_and_15_minutes_after_learning() {
        let end = LicenseEnd {
            ended_at: at("2026-11-22T10:20:00Z"),
            last_event_at: at("2026-11-22T10:21:00Z"),
            learned_at: at("2026-11-22T10:22:00Z"),
        };
        assert_eq!(final_usage_until(&end), at("2026-11-22T11:21:00Z"));
        let late = LicenseEnd {
            learned_at: at("2026-11-23T10:22:00Z"),
            ..end
        };
        assert_eq!(final_usage_until(&late), at("2026-11-23T10:37:00Z"));
    }

    #[test]
    fn a_records_timestamp_never_lies_before_the_licenses_activation() {
        let hour = Hour::of(at("2026-11-22T10:00:00Z"));
        assert_eq!(
            record_timestamp(hour, at("2026-11-22T09:00:00Z")),
            at("2026-11-22T10:00:00Z")
        );
        assert_eq!(
            record_timestamp(hour, at("2026-11-22T10:30:00.5Z")),
            at("2026-11-22T10:30:01Z")
        );
    }

    #[test]
    fn no_usage_goes_into_a_slot_whose_deadline_is_near() {
        let hour = Hour::of(at("2026-11-22T10:00:00Z"));
        let since = at("2026-11-01T00:00:00Z");
        let room = ROOM_BEFORE_DEADLINE;
        let takes = |now| takes_usage(hour, since, None, room, at(now));
        assert_eq!(takes("2026-11-23T09:30:00Z"), TakesUsage::Yes);
        assert_eq!(takes("2026-11-23T09:30:01Z"), TakesUsage::No);
    }

    #[test]
    fn an_ended_licenses_slot_is_not_given_up_while_a_clock_may_be_an_hour_ahead() {
        let hour = Hour::of(at("2026-11-22T10:00:00Z"));
        let since = at("2026-11-01T00:00:00Z");
        let end = LicenseEnd {
            ended_at: at("2026-11-22T10:20:00Z"),
            last_event_at: at("2026-11-22T10:21:00Z"),
            learned_at: at("2026-11-22T10:22:00Z"),
        };
        let room = ROOM_BEFORE_DEADLINE;
        let takes = |hour, now| takes_usage(hour, since, Some(&end), room, at(now));
        assert_eq!(takes(hour, "2026-11-22T11:20:59Z"), TakesUsage::Yes);
        assert_eq!(takes(hour, "2026-11-22T11:21:00Z"), TakesUsage::Perhaps);
        assert_eq!(takes(hour, "2026-11-22T12:30:59Z"), TakesUsage::Perhaps);
        assert_eq!(takes(hour, "2026-11-22T12:31:00Z"), TakesUsage::No);
        assert_eq!(takes(hour.next(), "2026-11-22T11:00:00Z"), TakesUsage::No);
    }

    #[test]
    fn an_ended_licenses_hours_are_frozen_8_minutes_after_learning_and_the_running_one_after_45() {
        let end = LicenseEnd {
            ended_at: at("2026-11-22T11:05:00Z"),
            last_event_at: at("2026-11-22T11:06:00Z"),
            learned_at: at("2026-11-22T11:05:10Z"),
        };
        let over = Hour::of(at("2026-11-22T10:00:00Z"));
        let since = at("2026-11-01T00:00:00Z");
        let slot = |hour, now| open_slot(hour, since, Some(&end), false, at(now));
        assert_eq!(slot(over, "2026-11-22T11:13:09Z"), OpenSlot::FreezeIfPosted);
        assert_eq!(slot(over, "2026-11-22T11:13:10Z"), OpenSlot::Freeze);
        let running = over.next();
        assert_eq!(slot(running, "2026-11-22T11:49:59Z"), OpenSlot::Wait);
        assert_eq!(slot(running, "2026-11-22T11:50:00Z"), OpenSlot::Freeze);
        let ended = OpenSlot::Close(WriteOff::LicenseEnded);
        assert_eq!(slot(running, "2026-11-22T12:05:59Z"), OpenSlot::Freeze);
        let past = OpenSlot::PastDeadline;
        assert_eq!(slot(running, "2026-11-22T12:06:00Z"), past);
        assert_eq!(slot(running, "2026-11-22T13:15:59Z"), past);
        assert_eq!(slot(running, "2026-11-22T13:16:00Z"), ended);
    }

    #[test]
    fn a_slot_is_frozen_when_all_is_posted_or_after_45_minutes_and_carried_before_its_deadline() {
        let hour = Hour::of(at("2026-11-22T10:00:00Z"));
        let since = at("2026-11-01T00:00:00Z");
        let slot = |held, now| open_slot(hour, since, None, held, at(now));
        assert_eq!(slot(false, "2026-11-22T10:59:59Z"), OpenSlot::Wait);
        assert_eq!(
            slot(false, "2026-11-22T11:00:00Z"),
            OpenSlot::FreezeIfPosted
        );
        assert_eq!(
            slot(false, "2026-11-22T11:44:59Z"),
            OpenSlot::FreezeIfPosted
        );
        assert_eq!(slot(false, "2026-11-22T11:45:00Z"), OpenSlot::Freeze);
        assert_eq!(slot(true, "2026-11-22T11:45:00Z"), OpenSlot::Wait);
        for held in [false, true] {
            assert_ne!(slot(held, "2026-11-23T09:49:59Z"), OpenSlot::Carry);
            assert_eq!(slot(held, "2026-11-23T09:50:00Z"), OpenSlot::Carry);
        }
    }

    #[test]
    fn a_zero_is_reported_when_late_usage_had_its_chance_and_before_the_months_cut_off() {
        let since = at("2026-11-01T00:00:00Z");
        let hour = |text| Hour::of(at(text));
        assert_eq!(
            zero_due(hour("2026-11-22T10:00:00Z"), since),
            at("2026-11-23T08:00:00Z")
        );
        assert_eq!(
            zero_due(hour("2026-11-30T23:00:00Z"), since),
            at("2026-12-01T04:00:00Z")
        );
    }
}
