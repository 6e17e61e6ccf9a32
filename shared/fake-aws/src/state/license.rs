//! A license: what usage is metered to.

use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

use crate::config::FinalHour;

/// A license: what usage is metered to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct License {
    /// `arn:aws:license-manager::…:license:l-…`.
    pub license_arn: String,
    /// The agreement that grants it: of several one after the other, the one
    /// that began last.
    pub agreement_id: String,
    /// The buyer's AWS account.
    pub buyer_account: String,
    /// Usage before this instant is refused.
    pub activated_at: Timestamp,
    /// Whether it is live; in JSON its members stand beside the others.
    #[serde(flatten)]
    pub state: LicenseState,
}

/// Whether a license is live.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case", tag = "state")]
pub enum LicenseState {
    /// Its agreement begins later.
    Scheduled,
    /// Its agreement goes on.
    Active,
    /// Its agreement ended.
    Ended {
        /// When the agreement ended.
        ended_at: Timestamp,
        /// When the license is deprovisioned; usage is accepted for a while
        /// after (see [`Readings::final_hour`](crate::Readings::final_hour)).
        deprovisioned_at: Timestamp,
    },
}

impl License {
    /// Whether usage sent at `now` is accepted.
    pub(crate) fn accepts_usage(&self, now: Timestamp, reading: FinalHour) -> bool {
        match (self.state, reading) {
            (LicenseState::Scheduled, _) => false,
            (LicenseState::Active, _) => true,
            (
                LicenseState::Ended {
                    deprovisioned_at, ..
                },
                FinalHour::FromDeprovisioned,
            ) => {
                now < deprovisioned_at
                    .saturating_add(SignedDuration::from_hours(1))
                    .unwrap_or(now)
            }
            (
                LicenseState::Ended {
                    deprovisioned_at, ..
                },
                FinalHour::UntilDeprovisioned,
            ) => now < deprovisioned_at,
        }
    }
}
