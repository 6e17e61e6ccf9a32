//! The prepaid part of a contract with consumption: computer-hours of a
//! dimension that a period's entitlement covers, used up before anything is
//! metered (Seller guide: the included part comes from the entitlement, meter
//! only the excess).

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::ids::{Dimension, LicenseId};

/// What a license's entitlement covers of one metered dimension in one period.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Included {
    /// The license.
    pub license: LicenseId,
    /// The metered dimension.
    pub dimension: Dimension,
    /// The period's first instant.
    pub from: Timestamp,
    /// The first instant after the period.
    pub until: Timestamp,
    /// Computer-hours that the period covers.
    pub granted: u64,
    /// Computer-hours that freezes took from it.
    pub used: u64,
    /// Raised by every write; 0 is not stored yet.
    pub version: u64,
}

/// What a period covers of a slot's usage.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct IncludedUsage {
    /// The metered dimension.
    pub dimension: Dimension,
    /// The first instant of the period, as it was when the slot was frozen.
    pub period_from: Timestamp,
    /// Computer-hours; not 0.
    pub computer_hours: u32,
}

impl Included {
    /// A period of which nothing is used yet.
    pub fn new(
        license: LicenseId,
        dimension: Dimension,
        from: Timestamp,
        until: Timestamp,
        granted: u64,
    ) -> Self {
        Self {
            license,
            dimension,
            from,
            until,
            granted,
            used: 0,
            version: 0,
        }
    }

    /// Whether usage is covered of which the time from one instant until another
    /// is all that is known: an hour, from the license's activation on. So the hour
    /// in which one period follows another belongs to both.
    pub fn covers(&self, from: Timestamp, until: Timestamp) -> bool {
        self.from < until && from < self.until
    }

    /// Computer-hours that are left. An amendment to less than was used leaves none.
    pub const fn left(&self) -> u64 {
        self.granted.saturating_sub(self.used)
    }

    /// The same with up to `wanted` computer-hours taken, and how many were.
    #[must_use]
    pub fn taken(&self, wanted: u32) -> (Self, u32) {
        let taken = u32::try_from(self.left()).unwrap_or(u32::MAX).min(wanted);
        let after = Self {
            used: self.used + u64::from(taken),
            version: self.version + 1,
            ..self.clone()
        };
        (after, taken)
    }

    /// What is left under the period's key when it begins at another instant,
    /// nothing, and the period with that beginning.
    #[must_use]
    pub fn moved(&self, from: Timestamp) -> (Self, Self) {
        let left = Self {
            until: self.from,
            granted: 0,
            used: 0,
            version: self.version + 1,
            ..self.clone()
        };
        let moved = Self {
            from,
            version: 1,
            ..self.clone()
        };
        (left, moved)
    }

    /// The same with another grant, as an amendment of the agreement brings it;
    /// what was used stays used. `None` when it is granted already.
    #[must_use]
    pub fn regranted(&self, until: Timestamp, granted: u64) -> Option<Self> {
        (self.granted != granted || self.until != until || self.version == 0).then(|| Self {
            until,
            granted,
            version: self.version + 1,
            ..self.clone()
        })
    }
}

#[cfg(test)]
mod tests {
    use jiff::SignedDuration;

    use super::*;

    fn ten() -> Included {
        Included::new(
            LicenseId::parse(format!("l-{:032x}", 1)).unwrap(),
            Dimension::parse("medium").unwrap(),
            "2026-11-01T00:00:00Z".parse().unwrap(),
            "2026-12-01T00:00:00Z".parse().unwrap(),
            10,
        )
    }

    #[test]
    fn the_included_part_is_used_up_before_anything_is_left_to_meter() {
        let (after, taken) = ten().taken(7);
        assert_eq!((taken, after.left()), (7, 3));
        let (after, taken) = after.taken(7);
        assert_eq!((taken, after.left()), (3, 0));
        assert_eq!(after.taken(7).1, 0);
    }

    #[test]
    fn an_amendment_keeps_what_was_used() {
        let (used, _) = ten().taken(7);
        assert_eq!(used.regranted(used.until, 12).unwrap().left(), 5);
        assert_eq!(used.regranted(used.until, 5).unwrap().left(), 0);
        assert_eq!(used.regranted(used.until, 10), None);
    }

    #[test]
    fn a_period_that_begins_at_another_instant_keeps_what_was_used() {
        let (used, _) = ten().taken(7);
        let from = "2026-10-31T23:58:59Z".parse().unwrap();
        let (left, moved) = used.moved(from);
        assert_eq!((moved.from, moved.used, moved.left()), (from, 7, 3));
        assert_eq!((left.left(), left.used), (0, 0));
        assert!(left.from >= left.until, "it is over before it begins");
        assert_eq!(left.version, used.version + 1);
    }

    #[test]
    fn usage_of_an_hour_belongs_to_every_period_that_the_hour_touches() {
        let covered = |period: &Included, hour: &str| {
            let from: Timestamp = hour.parse().unwrap();
            period.covers(from, from + SignedDuration::from_hours(1))
        };
        assert!(covered(&ten(), "2026-11-01T00:00:00Z"));
        assert!(covered(&ten(), "2026-11-30T23:00:00Z"));
        assert!(!covered(&ten(), "2026-12-01T00:00:00Z"));
        assert!(!covered(&ten(), "2026-10-31T23:00:00Z"));
        let late = Included {
            from: "2026-11-01T10:17:00Z".parse().unwrap(),
            ..ten()
        };
        assert!(covered(&late, "2026-11-01T10:00:00Z"));
        assert!(!covered(&late, "2026-11-01T09:00:00Z"));
    }
}
