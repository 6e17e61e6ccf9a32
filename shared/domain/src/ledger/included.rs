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

    /// Whether usage is covered whose record has this timestamp: its hour's start,
    /// or the license's activation in that hour. So the hour in which a license
    /// became active belongs to its first period, and the hour in which one period
    /// follows another to the earlier one.
    pub fn covers(&self, timestamp: Timestamp) -> bool {
        self.from <= timestamp && timestamp < self.until
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
        assert!(!left.covers(used.from) && left.left() == 0 && left.used == 0);
        assert_eq!(left.version, used.version + 1);
    }

    #[test]
    fn usage_belongs_to_the_period_in_which_its_record_is_stamped() {
        let covered = |text: &str| ten().covers(text.parse().unwrap());
        assert!(covered("2026-11-01T00:00:00Z"));
        assert!(covered("2026-11-30T23:00:00Z"));
        assert!(!covered("2026-12-01T00:00:00Z"));
        assert!(!covered("2026-10-31T23:00:00Z"));
    }
}
