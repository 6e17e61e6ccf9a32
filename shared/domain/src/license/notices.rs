//! What AWS says of an agreement for people to know. It changes nothing by
//! itself: what ends an agreement is its end.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::order;
use crate::fact::Fact;
use crate::ids::AgreementId;
use crate::marketplace_event::{AgreementEnding, CancellationRequest, EventKind, MarketplaceEvent};
use crate::outbound::AgreementNotice;

/// What holds of the agreement that a license is under.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Notices {
    /// Since when AWS has an advisory on it, such as of an overdue payment.
    pub advisory_since: Option<Timestamp>,
    /// What AWS said last of its end.
    pub ending: Option<AgreementEnding>,
    /// Since when nobody can stop its renewal any more.
    pub renewal_certain_since: Option<Timestamp>,
    /// Since when the seller's request to cancel it waits for the buyer.
    pub cancellation_requested_at: Option<Timestamp>,
    /// Whether it renews by itself, if AWS said so.
    pub auto_renewal: Option<bool>,
}

impl Notices {
    /// By all facts, in any order.
    pub(super) fn of(agreement: Option<&AgreementId>, facts: &[&Fact]) -> Self {
        let mut events: Vec<(&Fact, &MarketplaceEvent)> = facts
            .iter()
            .filter_map(|fact| Some((*fact, fact.event()?)))
            .filter(|(_, event)| event.agreement.as_ref() == agreement)
            .collect();
        events.sort_by_key(|(fact, _)| order(fact));
        let mut notices = Self::default();
        for (_, event) in events {
            notices.hear(event);
        }
        notices
    }

    fn hear(&mut self, event: &MarketplaceEvent) {
        match &event.kind {
            EventKind::AgreementCreated(terms) => {
                self.auto_renewal = terms.auto_renewal.or(self.auto_renewal);
            }
            // Other terms have another end, and the renewal is open again.
            EventKind::AgreementAmended(terms) => {
                self.auto_renewal = terms.auto_renewal.or(self.auto_renewal);
                self.ending = None;
                self.renewal_certain_since = None;
            }
            EventKind::AgreementEnding(ending) => {
                self.auto_renewal = ending.auto_renewal.or(self.auto_renewal);
                // Another term's end is near: its renewal is open again.
                let before = self.ending.and_then(|before| before.ends_at);
                if before != ending.ends_at {
                    self.renewal_certain_since = None;
                }
                self.ending = Some(*ending);
            }
            EventKind::RenewalUpcoming => self.renewal_certain_since = Some(event.at),
            EventKind::AdvisoryIssued => {
                self.advisory_since.get_or_insert(event.at);
            }
            EventKind::AdvisoryResolved => self.advisory_since = None,
            EventKind::CancellationRequest(CancellationRequest::Pending) => {
                self.cancellation_requested_at.get_or_insert(event.at);
            }
            EventKind::CancellationRequest(
                CancellationRequest::Approved
                | CancellationRequest::Rejected
                | CancellationRequest::Withdrawn
                | CancellationRequest::Invalid,
            ) => self.cancellation_requested_at = None,
            EventKind::AgreementEnded { .. }
            | EventKind::LicenseUpdated
            | EventKind::LicenseDeprovisioned
            | EventKind::RenewalTermsFinalized
            | EventKind::BillingAdjustment
            | EventKind::Unrecognized => {}
        }
    }

    /// What is to be told when these follow on others.
    pub(super) fn news_since(&self, before: &Self) -> Vec<AgreementNotice> {
        let mut news = Vec::new();
        match (before.advisory_since, self.advisory_since) {
            (None, Some(_)) => news.push(AgreementNotice::AdvisoryIssued),
            (Some(_), None) => news.push(AgreementNotice::AdvisoryResolved),
            (None, None) | (Some(_), Some(_)) => {}
        }
        match self.ending {
            Some(ending) if before.ending != Some(ending) => news.push(AgreementNotice::Ending {
                ends_at: ending.ends_at,
                auto_renewal: self.auto_renewal,
            }),
            Some(_) | None => {}
        }
        if before.renewal_certain_since.is_none() && self.renewal_certain_since.is_some() {
            news.push(AgreementNotice::RenewalUpcoming);
        }
        match (
            before.cancellation_requested_at,
            self.cancellation_requested_at,
        ) {
            (None, Some(_)) => news.push(AgreementNotice::CancellationRequested),
            (Some(_), None) => news.push(AgreementNotice::CancellationRequestSettled),
            (None, None) | (Some(_), Some(_)) => {}
        }
        news
    }
}
