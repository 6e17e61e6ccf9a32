//! UTC clock hours, the grain of metering.

use std::fmt;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

/// A UTC clock hour, counted from 1970-01-01T00:00:00Z.
///
/// Written as the RFC 3339 instant at which it starts, `2026-11-22T10:00:00Z`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "Timestamp", into = "Timestamp")]
pub struct Hour(i32);

/// An instant that is not the start of a UTC clock hour.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be the start of a UTC hour, such as 2026-11-22T10:00:00Z")]
pub struct NotAnHour;

/// How many hours a UTC day has.
pub const HOURS_A_DAY: i32 = 24;

impl Hour {
    /// The hour in which an instant lies.
    pub fn of(instant: Timestamp) -> Self {
        let hours = instant.as_second().div_euclid(3600);
        Self(i32::try_from(hours).unwrap_or(i32::MAX))
    }

    /// The hour that starts at this instant.
    ///
    /// # Errors
    /// [`NotAnHour`] when no UTC hour starts there.
    pub fn starting_at(instant: Timestamp) -> Result<Self, NotAnHour> {
        let hour = Self::of(instant);
        if hour.start() == instant {
            Ok(hour)
        } else {
            Err(NotAnHour)
        }
    }

    /// The number of whole hours since 1970-01-01T00:00:00Z.
    pub const fn number(self) -> i32 {
        self.0
    }

    /// The hour with this number, as given by [`Hour::number`].
    pub const fn from_number(number: i32) -> Self {
        Self(number)
    }

    /// The first instant of the hour.
    pub fn start(self) -> Timestamp {
        Timestamp::from_second(i64::from(self.0) * 3600).unwrap_or(Timestamp::MAX)
    }

    /// The first instant after the hour.
    pub fn end(self) -> Timestamp {
        self.next().start()
    }

    /// The following hour.
    #[must_use]
    pub const fn next(self) -> Self {
        self.plus(1)
    }

    /// The hour before.
    #[must_use]
    pub const fn previous(self) -> Self {
        self.plus(-1)
    }

    /// The first hour of its UTC day.
    #[must_use]
    pub const fn first_of_day(self) -> Self {
        Self(self.0.saturating_sub(self.0.rem_euclid(HOURS_A_DAY)))
    }

    /// This many hours later, or earlier when negative.
    #[must_use]
    pub const fn plus(self, hours: i32) -> Self {
        Self(self.0.saturating_add(hours))
    }

    /// How many hours this one lies after `other`; negative when before.
    pub const fn since(self, other: Self) -> i32 {
        self.0.saturating_sub(other.0)
    }
}

impl fmt::Display for Hour {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.start())
    }
}

impl From<Hour> for Timestamp {
    fn from(hour: Hour) -> Timestamp {
        hour.start()
    }
}

impl TryFrom<Timestamp> for Hour {
    type Error = NotAnHour;
    fn try_from(instant: Timestamp) -> Result<Self, NotAnHour> {
        Self::starting_at(instant)
    }
}

/// `instant` moved by a duration, saturating at the ends of time.
pub fn after(instant: Timestamp, duration: SignedDuration) -> Timestamp {
    instant.saturating_add(duration).unwrap_or(Timestamp::MAX)
}

/// `instant` moved back by a duration, saturating at the ends of time.
pub fn before(instant: Timestamp, duration: SignedDuration) -> Timestamp {
    instant.saturating_sub(duration).unwrap_or(Timestamp::MIN)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_hour_is_written_as_the_instant_at_which_it_starts() {
        let hour = Hour::of("2026-11-22T10:59:59Z".parse().unwrap());
        assert_eq!(hour.to_string(), "2026-11-22T10:00:00Z");
        assert_eq!(hour.end().to_string(), "2026-11-22T11:00:00Z");
    }

    #[test]
    fn a_day_begins_at_midnight_before_1970_as_well() {
        let first = |text: &str| Hour::of(text.parse().unwrap()).first_of_day().to_string();
        assert_eq!(first("2026-11-22T23:59:59Z"), "2026-11-22T00:00:00Z");
        assert_eq!(first("2026-11-23T00:00:00Z"), "2026-11-23T00:00:00Z");
        assert_eq!(first("1969-12-31T00:00:00Z"), "1969-12-31T00:00:00Z");
    }

    #[test]
    fn only_the_start_of_an_hour_names_it() {
        assert!(Hour::starting_at("2026-11-22T10:00:00Z".parse().unwrap()).is_ok());
        assert!(Hour::starting_at("2026-11-22T10:00:01Z".parse().unwrap()).is_err());
        assert!(Hour::starting_at("2026-11-22T10:00:00.5Z".parse().unwrap()).is_err());
    }
}
