//! The fake's clock: the wall clock plus what was advanced, or, for tests, an
//! instant that only moves when told.
//!
//! Invariant: no reading is ever before an earlier reading, whatever the
//! machine's clock does and across restarts with a data directory.

use std::sync::Mutex;

use jiff::{SignedDuration, Timestamp};

use crate::lock;

/// Why the clock was not moved (or not all the way).
#[derive(Debug, thiserror::Error)]
pub enum ClockError {
    /// Time never moves back.
    #[error("the clock stands at {now} and never moves back to {asked}")]
    Backwards {
        /// What the clock read.
        now: Timestamp,
        /// What was asked for.
        asked: Timestamp,
    },
    /// The instant lies beyond what a timestamp can express.
    #[error("the clock cannot be moved that far")]
    OutOfRange,
    /// A schedule says it is due again and again without the clock moving.
    #[error("the schedule {schedule:?} ran {runs} times at {at} and is still due")]
    Stuck {
        /// The schedule's name.
        schedule: String,
        /// How often it ran at this one instant.
        runs: u32,
        /// The instant at which the clock was left.
        at: Timestamp,
    },
    /// A schedule broke off, and the move with it.
    #[error("the move of the clock broke off at {at}")]
    BrokeOff {
        /// The instant at which the clock was left.
        at: Timestamp,
    },
    /// The new reading could not be kept; the clock was left where it was.
    #[error("the clock's position could not be kept")]
    Storage(#[source] std::io::Error),
}

/// Where readings come from.
#[derive(Debug, Clone, Copy)]
enum Source {
    /// Only [`Clock::set`] moves it.
    Frozen,
    /// The machine's clock plus an offset.
    Wall { offset: SignedDuration },
    /// A clock that follows the machine's, stopped while it is being moved so
    /// that what runs on the way sees exactly the instant it was due at.
    Held,
}

#[derive(Debug)]
struct Reading {
    source: Source,
    last: Timestamp,
}

/// See the module's text.
#[derive(Debug)]
pub(crate) struct Clock {
    reading: Mutex<Reading>,
}

impl Clock {
    /// A clock that stands at `at` until it is set.
    pub(crate) fn frozen(at: Timestamp) -> Clock {
        Clock::new(Source::Frozen, at)
    }

    /// A clock that runs `offset` ahead of the machine's and never reads
    /// earlier than `not_before`.
    pub(crate) fn following(offset: SignedDuration, not_before: Timestamp) -> Clock {
        Clock::new(Source::Wall { offset }, not_before)
    }

    fn new(source: Source, last: Timestamp) -> Clock {
        Clock {
            reading: Mutex::new(Reading { source, last }),
        }
    }

    /// The present instant.
    pub(crate) fn now(&self) -> Timestamp {
        let mut reading = lock(&self.reading);
        if let Source::Wall { offset } = reading.source {
            let now = ahead_of_wall(offset);
            reading.last = reading.last.max(now);
        }
        reading.last
    }

    /// Moves to `at`; an instant already passed changes nothing.
    pub(crate) fn set(&self, at: Timestamp) {
        let mut reading = lock(&self.reading);
        reading.last = reading.last.max(at);
        if let Source::Wall { offset } = &mut reading.source {
            *offset = at.duration_since(wall()).max(*offset);
        }
    }

    /// How far this clock runs ahead of the machine's: what a restart needs.
    pub(crate) fn offset(&self) -> SignedDuration {
        let reading = lock(&self.reading);
        match reading.source {
            Source::Wall { offset } => offset,
            Source::Frozen | Source::Held => reading.last.duration_since(wall()),
        }
    }

    /// Whether time passes by itself at this moment.
    pub(crate) fn flows(&self) -> bool {
        match lock(&self.reading).source {
            Source::Wall { .. } => true,
            Source::Frozen | Source::Held => false,
        }
    }

    /// Stops a flowing clock until the guard is dropped; it then flows on from
    /// where it was left, also when the move was abandoned half way.
    pub(crate) fn hold(&self) -> Held<'_> {
        self.now();
        let mut reading = lock(&self.reading);
        let flowed = matches!(reading.source, Source::Wall { .. });
        if flowed {
            reading.source = Source::Held;
        }
        Held {
            clock: self,
            flowed,
        }
    }
}

/// Keeps a clock still; see [`Clock::hold`].
pub(crate) struct Held<'a> {
    clock: &'a Clock,
    flowed: bool,
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        if self.flowed {
            let mut reading = lock(&self.clock.reading);
            reading.source = Source::Wall {
                offset: reading.last.duration_since(wall()),
            };
        }
    }
}

fn ahead_of_wall(offset: SignedDuration) -> Timestamp {
    wall().checked_add(offset).unwrap_or(Timestamp::MAX)
}

/// The machine's clock: the one place in this crate that reads it.
#[expect(
    clippy::disallowed_methods,
    reason = "the fake's clock is the machine's plus what was advanced"
)]
pub(crate) fn wall() -> Timestamp {
    Timestamp::now()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn a_frozen_clock_moves_only_when_set_and_never_back() {
        let clock = Clock::frozen(at("2026-11-22T10:00:00Z"));
        assert_eq!(clock.now(), at("2026-11-22T10:00:00Z"));
        clock.set(at("2026-11-22T11:00:00Z"));
        clock.set(at("2026-11-22T09:00:00Z"));
        assert_eq!(clock.now(), at("2026-11-22T11:00:00Z"));
        assert!(!clock.flows());
    }

    #[test]
    fn a_flowing_clock_stands_still_while_held_and_flows_on_from_there() {
        let clock = Clock::following(SignedDuration::from_hours(48), Timestamp::UNIX_EPOCH);
        let before = clock.now();
        let target = before.checked_add(SignedDuration::from_hours(1)).unwrap();
        {
            let _held = clock.hold();
            assert!(!clock.flows());
            clock.set(target);
            assert_eq!(clock.now(), target);
            assert_eq!(clock.now(), target);
        }
        assert!(clock.flows());
        assert!(clock.now() >= target);
        assert!(clock.offset() > SignedDuration::from_mins(49 * 60 - 1));
    }

    #[test]
    fn a_flowing_clock_never_reads_earlier_than_what_was_kept() {
        let kept = at("2099-01-01T00:00:00Z");
        let clock = Clock::following(SignedDuration::ZERO, kept);
        assert_eq!(clock.now(), kept);
    }
}
