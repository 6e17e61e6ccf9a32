//! What the seller chose that the procedures depend on.

use std::sync::Arc;

use domain::catalog::Catalog;
use domain::hour::Hour;
use domain::ids::Dimension;
use domain::ledger::deadline::CarryRules;
use domain::ledger::slot::{AllocationLimit, LicenseTerms};
use domain::usage::packed::CHUNK_BYTES;
use jiff::Timestamp;

/// What the seller chose. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Rules {
    /// What is sold, and how it is metered.
    pub catalog: Arc<Catalog>,
    /// How many allocations a usage record holds at most.
    pub allocations: AllocationLimit,
    /// How late usage may still go into which slot.
    pub carry: CarryRules,
    /// Whether a live license's hour without usage is reported as 0.
    pub zeros: ZeroRecords,
    /// How many calls to AWS may be under way at once.
    pub calls_at_once: usize,
    /// How many computers of an account one part holds before it gets more parts.
    pub computers_per_part: usize,
    /// How many bytes of a report one item holds at most.
    pub report_chunk_bytes: usize,
}

/// What is reported of an hour without usage.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ZeroRecords {
    /// Nothing.
    #[default]
    Off,
    /// One record of 0, two hours before the slot's deadline: AWS recommends
    /// records every hour, and one that is sent locks its hour.
    Sent,
}

impl Rules {
    /// The defaults over a catalog.
    pub fn new(catalog: Arc<Catalog>) -> Self {
        Self {
            catalog,
            allocations: AllocationLimit::default(),
            carry: CarryRules::default(),
            zeros: ZeroRecords::default(),
            calls_at_once: 4,
            computers_per_part: 25_000,
            report_chunk_bytes: CHUNK_BYTES,
        }
    }

    /// The dimension under which a 0 is reported, if it is.
    pub(crate) fn zero_dimension(&self) -> Option<&Dimension> {
        match self.zeros {
            ZeroRecords::Off => None,
            ZeroRecords::Sent => self.catalog.rates().first().map(|rate| &rate.dimension),
        }
    }

    /// Whether it is not known yet what of a license's usage is to be metered.
    pub fn awaits_cover(&self, terms: &LicenseTerms, hour: Hour, now: Timestamp) -> bool {
        self.catalog.has_contracts() && terms.awaits_cover(hour, now)
    }
}
