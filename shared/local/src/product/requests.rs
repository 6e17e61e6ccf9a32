//! The product's answer to `usage requested`: it reports the hours that are asked
//! for at once, the running one among them.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use app::App;
use domain::hour::{Hour, before};
use domain::ids::{AccountId, LicenseId};
use domain::outbound::OutboundEvent;
use jiff::{SignedDuration, Timestamp};

use super::Silence;
use super::fleet::{ACCOUNTS, report};
use crate::functions::Functions;

/// The age beyond which a report is no longer taken.
const TAKEN_FOR: SignedDuration = SignedDuration::from_hours(48);

/// Which requests were answered: a license's event by its version. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Requests {
    answered: Arc<Mutex<BTreeSet<(LicenseId, u64)>>>,
    silence: Silence,
}

impl Requests {
    /// None answered yet; none is once there is silence.
    pub(crate) fn until(silence: Silence) -> Self {
        Self {
            answered: Arc::default(),
            silence,
        }
    }

    /// Reports what was newly asked for of every account, as the bus would have
    /// the product do. What is not taken is reported again the next time.
    pub(crate) async fn answer(&self, app: &App, functions: &Functions) {
        if self.silence.has_fallen() {
            return;
        }
        let oldest = before(app.clock.now(), TAKEN_FOR);
        for account in ACCOUNTS {
            for (request, hours) in self.new_of(app, account, oldest).await {
                let mut all_taken = true;
                for hour in hours {
                    if let Err(error) = functions.usage_report(&report(account, hour)).await {
                        all_taken = false;
                        tracing::warn!(account.id = account, usage.hour = %hour, error, "a requested usage report was not taken");
                    }
                }
                if all_taken {
                    self.lock().insert(request);
                }
            }
        }
    }

    /// What was asked for of an account and not answered: which hours, as far as
    /// they are still taken.
    async fn new_of(
        &self,
        app: &App,
        account: &str,
        oldest: Timestamp,
    ) -> Vec<((LicenseId, u64), Vec<Hour>)> {
        let Ok(id) = AccountId::parse(account) else {
            return Vec::new();
        };
        let events = match app.events_of(&id).await {
            Ok(events) => events.unwrap_or_default(),
            Err(error) => {
                tracing::warn!(
                    account.id = account,
                    error = %app::Chain(&error),
                    "what the product was asked for could not be read"
                );
                return Vec::new();
            }
        };
        let answered = self.lock();
        let asked = events.into_iter().filter_map(|event| match event {
            OutboundEvent::UsageRequested {
                license,
                version,
                account,
                mut hours,
            } if account == id => {
                hours.retain(|hour| oldest < hour.start());
                Some(((license, version), hours))
            }
            OutboundEvent::UsageRequested { .. }
            | OutboundEvent::AccountAccessChanged { .. }
            | OutboundEvent::GraceStarted { .. }
            | OutboundEvent::TrialEnding { .. }
            | OutboundEvent::GraceEnding { .. }
            | OutboundEvent::GraceRepeated { .. }
            | OutboundEvent::PayerChanged { .. }
            | OutboundEvent::ChangedBySupport { .. }
            | OutboundEvent::LicenseUnlinked { .. }
            | OutboundEvent::AgreementNoticed { .. } => None,
        });
        let new = |(request, hours): &((LicenseId, u64), Vec<Hour>)| {
            !hours.is_empty() && !answered.contains(request)
        };
        asked.filter(new).collect()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeSet<(LicenseId, u64)>> {
        self.answered.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
