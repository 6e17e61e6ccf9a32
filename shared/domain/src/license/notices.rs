//! What AWS says of an agreement for people to know. It changes nothing by
//! itself: what ends an agreement is its end.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::{LicenseEnd, order};
use crate::fact::Fact;
use crate::hour::after;
use crate::ids::AgreementId;
use crate::marketplace_event::{AgreementEnding, CancellationRequest, EventKind, MarketplaceEvent};
use crate::outbound::AgreementNotice;

/// How long a buyer has to answer a request to cancel: without an answer it is
/// approved then (AWS Marketplace buyer guide, "Cancellation and billing
/// adjustment events").
pub const CANCELLATION_ANSWERED_WITHIN: SignedDuration = SignedDuration::from_hours(7 * 24);

/// What holds of the agreement that a license is under.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Notices {
    /// Since when AWS has an advisory on it, such as of an overdue payment.
    pub advisory_since: Option<Timestamp>,
    /// What AWS said last of its end.
    pub ending: Option<AgreementEnding>,
    /// Since when nobody can stop its renewal any more.
    pub renewal_certain_since: Option<Timestamp>,
    /// When the seller asked the buyer to agree to its cancellation, as far as no
    /// answer was told since ([`Notices::cancellation_open`]).
    pub cancellation_requested_at: Option<Timestamp>,
    /// Whether it renews by itself, if AWS said so.
    pub auto_renewal: Option<bool>,
    /// By when it had ended, where only AWS's answer says that it did, and not when.
    pub ended_by: Option<Timestamp>,
}

impl Notices {
    /// By all facts, in any order.
    pub(super) fn of(
        agreement: Option<&AgreementId>,
        end: Option<LicenseEnd>,
        facts: &[&Fact],
    ) -> Self {
        let mut facts: Vec<&Fact> = facts.to_vec();
        facts.retain(|fact| fact.agreement() == agreement);
        facts.sort_by_key(|fact| order(fact));
        let mut notices = Self::default();
        for fact in facts {
            if let Some(event) = fact.event() {
                notices.hear(event);
            }
            let described = fact.described().and_then(|told| told.auto_renewal);
            let agreed = fact.accepted_terms().and_then(|told| told.auto_renewal);
            // What was agreed on at the start may have been turned on or off since.
            notices.auto_renewal = described.or(notices.auto_renewal).or(agreed);
            if let (Some(end), Some(told)) = (end, fact.described())
                && told.ended.is_some()
                && !told.tells_end()
                && told.ended_at() == end.ended_at
            {
                notices.ended_by = Some(end.ended_at);
            }
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
                // One that nobody answered in time is over, whether or not AWS said so.
                let open = self.cancellation_open(event.at).map(|(since, _)| since);
                self.cancellation_requested_at = Some(open.unwrap_or(event.at));
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

    /// Since when and until when a request to cancel waits for the buyer's answer
    /// at an instant. After its time it is approved, and the agreement's end follows.
    pub fn cancellation_open(&self, now: Timestamp) -> Option<(Timestamp, Timestamp)> {
        let since = self.cancellation_requested_at?;
        let until = after(since, CANCELLATION_ANSWERED_WITHIN);
        (now < until).then_some((since, until))
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
