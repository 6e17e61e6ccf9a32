//! What an operator decided for the whole ledger: products whose sending is
//! stopped, and what a restored table forgot.

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::hour::{Hour, before};
use crate::ids::ProductCode;
use crate::usage::report::MAX_AGE;

/// The operator's decisions: one item.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
pub struct Controls {
    /// Products of which nothing is frozen and nothing is sent.
    pub stopped: BTreeSet<ProductCode>,
    /// The intervals that restored tables forgot.
    pub forgotten: Vec<Forgotten>,
    /// Raised by every write; 0 is not stored yet.
    pub version: u64,
}

/// What a table that was restored to an earlier point does not know.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Forgotten {
    /// The point to which the table was restored.
    pub from: Timestamp,
    /// When nothing was sent any more by what worked on the lost table.
    pub until: Timestamp,
}

/// An interval that ends before it begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the interval must end after it begins")]
pub struct Backwards;

impl Forgotten {
    /// An interval.
    ///
    /// # Errors
    /// [`Backwards`] when `until` is not after `from`.
    pub fn new(from: Timestamp, until: Timestamp) -> Result<Self, Backwards> {
        if from < until {
            Ok(Self { from, until })
        } else {
            Err(Backwards)
        }
    }

    fn is_before_end(&self, hour: Hour) -> bool {
        hour.start() < self.until
    }
}

impl Controls {
    /// Whether a slot that is not terminal may have been sent all the same, or its
    /// usage carried and sent: one of any hour before a forgotten interval's end.
    /// What is put into a slot later than that enters one of a later hour.
    pub fn slot_in_doubt(&self, slot: Hour) -> bool {
        let mut forgotten = self.forgotten.iter();
        forgotten.any(|forgotten| forgotten.is_before_end(slot))
    }

    /// Whether usage of an hour that is posted now may have been posted and
    /// billed before: its report may be one that comes again.
    pub fn usage_in_doubt(&self, hour: Hour) -> bool {
        self.forgotten.iter().any(|forgotten| {
            before(forgotten.from, MAX_AGE) < hour.end() && forgotten.is_before_end(hour)
        })
    }

    /// The controls with a product's sending stopped, or going on; `None` when they are so.
    #[must_use]
    pub fn switched(&self, product: &ProductCode, stopped: bool) -> Option<Self> {
        let mut next = self.clone();
        let changed = if stopped {
            next.stopped.insert(product.clone())
        } else {
            next.stopped.remove(product)
        };
        next.version += 1;
        changed.then_some(next)
    }

    /// The controls with what a restored table forgot; `None` when it is known.
    #[must_use]
    pub fn forgetting(&self, forgotten: Forgotten) -> Option<Self> {
        let mut next = self.clone();
        next.forgotten.push(forgotten);
        next.version += 1;
        (!self.forgotten.contains(&forgotten)).then_some(next)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hour(text: &str) -> Hour {
        Hour::of(text.parse().unwrap())
    }

    #[test]
    fn what_may_have_been_sent_since_a_restored_point_is_in_doubt_and_nothing_later() {
        let from = "2026-11-22T10:00:00Z".parse().unwrap();
        let until = "2026-11-22T12:30:00Z".parse().unwrap();
        let forgotten = Forgotten::new(from, until).unwrap();
        let controls = Controls::default().forgetting(forgotten).unwrap();
        assert!(controls.slot_in_doubt(hour("2026-11-21T10:00:00Z")));
        assert!(controls.slot_in_doubt(hour("2026-11-01T06:00:00Z")));
        assert!(controls.slot_in_doubt(hour("2026-11-22T12:00:00Z")));
        assert!(!controls.slot_in_doubt(hour("2026-11-22T13:00:00Z")));
        assert!(controls.usage_in_doubt(hour("2026-11-20T11:00:00Z")));
        assert!(!controls.usage_in_doubt(hour("2026-11-22T13:00:00Z")));
        assert_eq!(controls.forgetting(forgotten), None);
        assert_eq!(Forgotten::new(until, from), Err(Backwards));
    }
}
