//! Until when AWS accepts an hour's usage, and when it is frozen.

use jiff::tz::Offset;
use jiff::{SignedDuration, Timestamp, ToSpan};

use crate::hour::{Hour, after};
use crate::license::LicenseEnd;

/// Usage is accepted for 24 h after its timestamp (Metering API model).
pub const ACCEPTED_FOR: SignedDuration = SignedDuration::from_hours(24);

/// The previous month is accepted until 06:00 UTC on the 1st (Metering API model).
pub const MONTH_CUT_OFF: SignedDuration = SignedDuration::from_hours(6);

/// An hour is closed and posted this long after its end.
pub const CLOSED_AFTER: SignedDuration = SignedDuration::from_mins(10);

/// A slot is frozen at the latest this long after its hour's end, posted or not.
pub const FROZEN_AFTER: SignedDuration = SignedDuration::from_mins(45);

/// The least time a slot's deadline must lie ahead for usage to go into it.
pub const ROOM_BEFORE_DEADLINE: SignedDuration = SignedDuration::from_mins(30);

/// After the later of Agreement Ended and License Deprovisioned, AWS accepts
/// final usage for this long (Seller guide).
pub const FINAL_USAGE: SignedDuration = SignedDuration::from_mins(60);

/// The least time for final usage after we learned of an end.
pub const FINAL_USAGE_AFTER_LEARNING: SignedDuration = SignedDuration::from_mins(15);

/// Hours that were over when a license's end became known are frozen this long
/// after that at the latest, so that they are sent within 10 minutes.
pub const FROZEN_AFTER_LEARNING: SignedDuration = SignedDuration::from_mins(8);

/// The last hour of an ended license of which usage can be billed.
pub fn last_hour(end: &LicenseEnd) -> Hour {
    Hour::of(end.ended_at)
}

/// Until when final usage of an ended license is tried.
pub fn final_usage_until(end: &LicenseEnd) -> Timestamp {
    after(end.last_event_at, FINAL_USAGE).max(after(end.learned_at, FINAL_USAGE_AFTER_LEARNING))
}

/// The instant from which AWS no longer accepts usage with this timestamp.
pub fn accepted_until(timestamp: Timestamp, end: Option<&LicenseEnd>) -> Timestamp {
    let deadline = after(timestamp, ACCEPTED_FOR).min(month_cut_off(timestamp));
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
    slot.start().max(activation).min(before_end(slot))
}

/// The last whole second of the hour.
fn before_end(slot: Hour) -> Timestamp {
    crate::hour::before(slot.end(), SignedDuration::from_secs(1))
}

/// Whether usage may still be put into an open slot.
pub fn takes_usage(
    slot: Hour,
    active_since: Timestamp,
    end: Option<&LicenseEnd>,
    now: Timestamp,
) -> bool {
    let deadline = accepted_until(record_timestamp(slot, active_since), end);
    match end {
        Some(end) => slot <= last_hour(end) && now < deadline,
        None => after(now, ROOM_BEFORE_DEADLINE) <= deadline,
    }
}

/// Whether a slot may be frozen: everything that can belong to it is posted, or
/// it has been waited for long enough. A license that has ended is waited for
/// less: for hours that were over when the end became known, 8 minutes from
/// then; for the hour in which it ended, 45 minutes from the end.
pub fn may_freeze(
    slot: Hour,
    everything_posted: bool,
    end: Option<&LicenseEnd>,
    now: Timestamp,
) -> bool {
    let waited = after(slot.end(), FROZEN_AFTER);
    let latest = match end {
        Some(end) if slot.end() <= end.learned_at => {
            waited.min(after(end.learned_at, FROZEN_AFTER_LEARNING))
        }
        Some(end) => waited.min(after(end.ended_at, FROZEN_AFTER)),
        None => waited,
    };
    now >= latest || (everything_posted && now >= slot.end())
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
        assert!(takes_usage(hour, since, None, at("2026-11-23T09:30:00Z")));
        assert!(!takes_usage(hour, since, None, at("2026-11-23T09:30:01Z")));
    }

    #[test]
    fn an_ended_licenses_hours_are_frozen_8_minutes_after_learning_and_the_running_one_after_45() {
        let end = LicenseEnd {
            ended_at: at("2026-11-22T11:05:00Z"),
            last_event_at: at("2026-11-22T11:06:00Z"),
            learned_at: at("2026-11-22T11:05:10Z"),
        };
        let over = Hour::of(at("2026-11-22T10:00:00Z"));
        assert!(!may_freeze(
            over,
            false,
            Some(&end),
            at("2026-11-22T11:13:09Z")
        ));
        assert!(may_freeze(
            over,
            false,
            Some(&end),
            at("2026-11-22T11:13:10Z")
        ));
        let running = over.next();
        assert!(!may_freeze(
            running,
            true,
            Some(&end),
            at("2026-11-22T11:49:59Z")
        ));
        assert!(may_freeze(
            running,
            false,
            Some(&end),
            at("2026-11-22T11:50:00Z")
        ));
    }

    #[test]
    fn a_slot_is_frozen_when_all_is_posted_or_after_45_minutes() {
        let hour = Hour::of(at("2026-11-22T10:00:00Z"));
        assert!(!may_freeze(hour, true, None, at("2026-11-22T10:59:59Z")));
        assert!(may_freeze(hour, true, None, at("2026-11-22T11:00:00Z")));
        assert!(!may_freeze(hour, false, None, at("2026-11-22T11:44:59Z")));
        assert!(may_freeze(hour, false, None, at("2026-11-22T11:45:00Z")));
    }
}
