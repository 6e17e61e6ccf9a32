//! A buyer's browser between AWS Marketplace and the account.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::hour::after;
use crate::ids::LicenseId;
use crate::policy::REGISTRATION_FOR;

/// What a registration token stood for, kept under a secret of ours. The token
/// itself is redeemed at once and kept nowhere.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RegistrationSession {
    /// The license that the buyer came with.
    pub license: LicenseId,
    /// Whether AWS sent the buyer with a free trial's offer.
    pub free_trial: bool,
    /// When it began.
    pub began_at: Timestamp,
    /// From this instant on it is refused: 4 hours after it began.
    pub expires_at: Timestamp,
}

impl RegistrationSession {
    /// A session that begins now.
    pub fn begin(license: LicenseId, free_trial: bool, now: Timestamp) -> Self {
        Self {
            license,
            free_trial,
            began_at: now,
            expires_at: after(now, REGISTRATION_FOR),
        }
    }

    /// The same registration for somebody else to go on with: it has 4 hours again.
    #[must_use]
    pub fn handed_over(&self, now: Timestamp) -> Self {
        Self::begin(self.license.clone(), self.free_trial, now)
    }

    /// Whether it may still be used.
    pub fn is_live(&self, now: Timestamp) -> bool {
        now < self.expires_at
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_registration_session_lives_four_hours_by_our_clock() {
        let license = LicenseId::parse("l-0123456789abcdef0123456789abcdef").unwrap();
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        let session = RegistrationSession::begin(license, false, at("2026-11-22T10:00:00Z"));
        assert!(session.is_live(at("2026-11-22T13:59:59Z")));
        assert!(!session.is_live(at("2026-11-22T14:00:00Z")));
    }
}
