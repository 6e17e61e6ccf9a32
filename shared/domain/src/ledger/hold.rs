//! A license on hold: AWS does not know the buyer of a live license as
//! subscribed, which is what it answers for an AWS account that it suspended.
//!
//! Nothing more of the license is frozen, for what is frozen can no longer be
//! carried; its open slots go on from one to the next. One record is tried
//! every 15 minutes. A success, AWS's own word (Advisory Resolved) or an
//! operator ends the hold.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::hour::after;
use crate::ids::LicenseId;
use crate::ledger::record::SET_ASIDE_FOR;

/// A hold on a license.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Hold {
    /// The license.
    pub license: LicenseId,
    /// Since when.
    pub since: Timestamp,
    /// When one of its records is tried next.
    pub next_try: Timestamp,
    /// Raised by every write.
    pub version: u64,
}

impl Hold {
    /// A hold that begins now, with the answer that caused it.
    pub fn begin(license: LicenseId, now: Timestamp) -> Self {
        Self {
            license,
            since: now,
            next_try: after(now, SET_ASIDE_FOR),
            version: 1,
        }
    }

    /// The hold with a try made now; `None` when none is due. One that is due
    /// later than any try puts the next was put off by a clock that was ahead.
    #[must_use]
    pub fn tried(&self, now: Timestamp) -> Option<Self> {
        let next_try = after(now, SET_ASIDE_FOR);
        let is_due = self.next_try <= now || self.next_try > next_try;
        is_due.then(|| Self {
            next_try,
            version: self.version + 1,
            ..self.clone()
        })
    }
}

#[cfg(test)]
mod tests {
    use jiff::SignedDuration;

    use super::*;

    #[test]
    fn one_try_is_due_every_15_minutes() {
        let now: Timestamp = "2026-11-22T10:00:00Z".parse().unwrap();
        let license = LicenseId::parse(format!("l-{:032x}", 1)).unwrap();
        let hold = Hold::begin(license, now);
        let minutes = |n| after(now, SignedDuration::from_mins(n));
        assert_eq!(hold.tried(minutes(14)), None);
        let tried = hold.tried(minutes(15)).unwrap();
        assert_eq!(tried.tried(minutes(29)), None);
        assert!(tried.tried(minutes(30)).is_some());
    }

    #[test]
    fn a_clock_that_is_ahead_puts_off_no_try_of_the_others() {
        let now: Timestamp = "2026-11-22T10:00:00Z".parse().unwrap();
        let license = LicenseId::parse(format!("l-{:032x}", 1)).unwrap();
        let ahead = after(now, SignedDuration::from_mins(60));
        let hold = Hold::begin(license, now).tried(ahead).unwrap();
        let tried = hold.tried(now).unwrap();
        assert_eq!(tried.next_try, after(now, SET_ASIDE_FOR));
    }
}
