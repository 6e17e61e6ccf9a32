//! Calendar months, UTC.

use domain::hour::Hour;
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::Offset;

/// A calendar month, UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Month {
    first: Date,
}

impl Month {
    /// The month of an instant.
    pub fn of(instant: Timestamp) -> Self {
        Self {
            first: Offset::UTC.to_datetime(instant).date().first_of_month(),
        }
    }

    /// Reads `2026-11`.
    pub fn parse(text: &str) -> Option<Self> {
        let (year, month) = text.split_once('-')?;
        let well_formed = year.len() == 4 && month.len() == 2;
        let first = Date::new(year.parse().ok()?, month.parse().ok()?, 1).ok()?;
        well_formed.then_some(Self { first })
    }

    /// The month before.
    #[must_use]
    pub fn previous(self) -> Self {
        Self {
            first: self
                .first
                .yesterday()
                .unwrap_or(self.first)
                .first_of_month(),
        }
    }

    /// The month after.
    #[must_use]
    pub fn next(self) -> Self {
        Self {
            first: self.first.last_of_month().tomorrow().unwrap_or(self.first),
        }
    }

    /// How many days it has.
    pub fn days(self) -> u8 {
        self.first.last_of_month().day().unsigned_abs()
    }

    /// The first hour.
    pub fn first_hour(self) -> Hour {
        Offset::UTC
            .to_timestamp(self.first.at(0, 0, 0, 0))
            .map_or(Hour::from_number(0), Hour::of)
    }
}

impl std::fmt::Display for Month {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:04}-{:02}", self.first.year(), self.first.month())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_month_is_read_written_and_followed_by_the_next() {
        let december = Month::parse("2026-12").unwrap();
        assert_eq!(december.next().to_string(), "2027-01");
        assert_eq!(december.previous().to_string(), "2026-11");
        assert_eq!((december.days(), december.previous().days()), (31, 30));
        assert_eq!(december.first_hour().to_string(), "2026-12-01T00:00:00Z");
        assert_eq!(Month::of("2026-12-31T23:59:59Z".parse().unwrap()), december);
    }

    #[test]
    fn what_is_not_a_month_is_refused() {
        for text in ["", "2026", "2026-13", "2026-1", "26-01", "2026-00", "x-y"] {
            assert_eq!(Month::parse(text), None, "{text}");
        }
    }
}
