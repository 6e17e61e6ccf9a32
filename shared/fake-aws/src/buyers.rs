//! AWS suspends buyers' accounts and restores them.

use crate::FakeAws;
use crate::control::ControlError;
use crate::lifecycle::check_account;
use crate::notices::Notice;
use crate::state::Change;

impl FakeAws {
    /// AWS suspends a buyer's account: usage of all its licenses is answered
    /// `CustomerNotSubscribed` until [`restore_buyer`](Self::restore_buyer).
    /// An advisory is issued on each of its agreements that go on, delivered
    /// before this returns, unless a fault says otherwise. Twice is once.
    ///
    /// # Errors
    /// [`ControlError::Field`], [`ControlError::NotFound`] for an AWS account that
    /// never bought anything, [`ControlError::Storage`].
    pub async fn suspend_buyer(&self, buyer_account: &str) -> Result<(), ControlError> {
        self.set_standing(buyer_account, true).await
    }

    /// Ends a suspension, which resolves the advisories.
    ///
    /// # Errors
    /// As there.
    pub async fn restore_buyer(&self, buyer_account: &str) -> Result<(), ControlError> {
        self.set_standing(buyer_account, false).await
    }

    async fn set_standing(&self, account: &str, suspended: bool) -> Result<(), ControlError> {
        check_account(account)?;
        let now = self.now();
        let first = self.commit(|state| {
            if !state.is_buyer(account) {
                return Err(ControlError::NotFound {
                    what: "buyer",
                    id: account.to_owned(),
                });
            }
            if state.is_suspended(account) == suspended {
                return Ok(Vec::new());
            }
            let buyer_account = account.to_owned();
            let (change, notice) = if suspended {
                (
                    Change::BuyerSuspended { buyer_account },
                    Notice::AdvisoryIssued,
                )
            } else {
                (
                    Change::BuyerRestored { buyer_account },
                    Notice::AdvisoryResolved,
                )
            };
            let agreements = state.agreements().iter();
            let theirs = agreements
                .filter(|agreement| agreement.goes_on() && agreement.buyer_account == account);
            let events = theirs
                .filter_map(|agreement| self.inner.notice_event(notice, agreement, now))
                .map(|event| (now, event))
                .collect();
            Ok(vec![change, self.inner.queue(events)])
        })?;
        self.deliver_due_from(first).await;
        Ok(())
    }
}
