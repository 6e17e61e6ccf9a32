//! What AWS says of an agreement that goes on: advisories, an end that comes near,
//! renewals, requests to cancel, refunds. Of these only a request to cancel that
//! is approved, or not answered for 7 days, changes anything. Shapes of the
//! events: AWS Marketplace seller guide, "Amazon EventBridge events".

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use crate::control::ControlError;
use crate::events::{LOCKOUT_DAYS, renewal_decision, whole_seconds};
use crate::lifecycle::going_on;
use crate::offers::{MicroUsd, decimal};
use crate::state::{Agreement, Change, Ending, Marketplace};
use crate::{FakeAws, Inner};

/// How long a buyer has to answer a request to cancel; then it counts as approved
/// (AWS Marketplace buyer guide, "Cancellation and billing adjustment events").
pub(crate) const CANCELLATION_ANSWERED_WITHIN: SignedDuration = SignedDuration::from_hours(7 * 24);

/// How many days before an agreement's end AWS says so.
pub(crate) const ENDING_DAYS: [u16; 5] = [180, 120, 90, 60, 30];

/// Something that AWS says of an agreement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Notice {
    /// There is an advisory on it.
    AdvisoryIssued,
    /// The advisory is resolved.
    AdvisoryResolved,
    /// It ends in so many days.
    Ending(u16),
    /// At which price it will renew is settled.
    RenewalTermsFinalized,
    /// It will renew; nobody can turn that off any more.
    RenewalUpcoming,
    /// The seller asked to cancel it. Without an answer it is approved after 7 days.
    CancellationPending,
    /// The seller asked to cancel it, and AWS found that it cannot be cancelled so.
    CancellationInvalid,
    /// The buyer approved that, or said nothing for 7 days: the agreement ends.
    CancellationApproved,
    /// The buyer rejected it.
    CancellationRejected,
    /// The seller withdrew it.
    CancellationWithdrawn,
    /// A refund was made.
    BillingAdjustmentCompleted,
    /// A refund could not be made.
    BillingAdjustmentFailed,
}

impl Notice {
    /// Every notice that can be played.
    pub(crate) const ALL: [Notice; 16] = [
        Notice::AdvisoryIssued,
        Notice::AdvisoryResolved,
        Notice::Ending(180),
        Notice::Ending(120),
        Notice::Ending(90),
        Notice::Ending(60),
        Notice::Ending(30),
        Notice::RenewalTermsFinalized,
        Notice::RenewalUpcoming,
        Notice::CancellationPending,
        Notice::CancellationInvalid,
        Notice::CancellationApproved,
        Notice::CancellationRejected,
        Notice::CancellationWithdrawn,
        Notice::BillingAdjustmentCompleted,
        Notice::BillingAdjustmentFailed,
    ];

    /// What the buyer's page calls it.
    pub(crate) fn choice(self) -> String {
        if let Notice::Ending(days) = self {
            format!("ending_in_{days}_days")
        } else {
            self.name().to_owned()
        }
    }

    /// The one that the buyer's page calls so, or an error that lists them.
    pub(crate) fn chosen(choice: &str) -> Result<Notice, ControlError> {
        let known = Notice::ALL.into_iter().find(|one| one.choice() == choice);
        known.ok_or_else(|| unknown(Notice::ALL.map(Notice::choice).to_vec()))
    }

    /// What the control API calls it.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Notice::AdvisoryIssued => "advisory_issued",
            Notice::AdvisoryResolved => "advisory_resolved",
            Notice::Ending(_) => "ending",
            Notice::RenewalTermsFinalized => "renewal_terms_finalized",
            Notice::RenewalUpcoming => "renewal_upcoming",
            Notice::CancellationPending => "cancellation_pending",
            Notice::CancellationInvalid => "cancellation_invalid",
            Notice::CancellationApproved => "cancellation_approved",
            Notice::CancellationRejected => "cancellation_rejected",
            Notice::CancellationWithdrawn => "cancellation_withdrawn",
            Notice::BillingAdjustmentCompleted => "billing_adjustment_completed",
            Notice::BillingAdjustmentFailed => "billing_adjustment_failed",
        }
    }

    /// The one of that name, or an error that lists them.
    pub(crate) fn named(name: &str) -> Result<Notice, ControlError> {
        let known = Notice::ALL.into_iter().find(|notice| notice.name() == name);
        known.ok_or_else(|| {
            let mut names = Notice::ALL.map(Notice::name).to_vec();
            names.dedup();
            unknown(names)
        })
    }

    /// The event's `detail-type`.
    pub(crate) const fn detail_type(self) -> &'static str {
        match self {
            Notice::AdvisoryIssued => "Purchase Agreement Advisory Issued - Manufacturer",
            Notice::AdvisoryResolved => "Purchase Agreement Advisory Resolved - Manufacturer",
            Notice::Ending(_) => "Purchase Agreement Ending - Proposer",
            Notice::RenewalTermsFinalized => {
                "Purchase Agreement Renewal Terms Finalized - Proposer"
            }
            Notice::RenewalUpcoming => "Purchase Agreement Renewal Upcoming - Proposer",
            Notice::CancellationPending => {
                "Agreement Cancellation Request Pending Approval - Proposer"
            }
            Notice::CancellationInvalid => {
                "Agreement Cancellation Request Validation Failed - Proposer"
            }
            Notice::CancellationApproved => "Agreement Cancellation Request Approved - Proposer",
            Notice::CancellationRejected => "Agreement Cancellation Request Rejected - Proposer",
            Notice::CancellationWithdrawn => "Agreement Cancellation Request Cancelled - Proposer",
            Notice::BillingAdjustmentCompleted => {
                "Purchase Agreement Billing Adjustment Completed - Proposer"
            }
            Notice::BillingAdjustmentFailed => {
                "Purchase Agreement Billing Adjustment Failed - Proposer"
            }
        }
    }

    /// Whether it needs a request to cancel that waits.
    const fn answers_cancellation(self) -> bool {
        match self {
            Notice::CancellationApproved
            | Notice::CancellationRejected
            | Notice::CancellationWithdrawn => true,
            Notice::CancellationPending
            | Notice::CancellationInvalid
            | Notice::AdvisoryIssued
            | Notice::AdvisoryResolved
            | Notice::Ending(_)
            | Notice::RenewalTermsFinalized
            | Notice::RenewalUpcoming
            | Notice::BillingAdjustmentCompleted
            | Notice::BillingAdjustmentFailed => false,
        }
    }

    /// The `statusCode` of a request to cancel.
    const fn cancellation(self) -> Option<&'static str> {
        match self {
            Notice::CancellationPending => Some("PENDING_APPROVAL"),
            Notice::CancellationInvalid => Some("VALIDATION_FAILED"),
            Notice::CancellationApproved => Some("APPROVED"),
            Notice::CancellationRejected => Some("REJECTED"),
            Notice::CancellationWithdrawn => Some("CANCELLED"),
            Notice::AdvisoryIssued
            | Notice::AdvisoryResolved
            | Notice::Ending(_)
            | Notice::RenewalTermsFinalized
            | Notice::RenewalUpcoming
            | Notice::BillingAdjustmentCompleted
            | Notice::BillingAdjustmentFailed => None,
        }
    }
}

fn unknown<S: AsRef<str>>(known: Vec<S>) -> ControlError {
    let known: Vec<&str> = known.iter().map(AsRef::as_ref).collect();
    ControlError::Field {
        field: "notice".to_owned(),
        reason: format!("must be one of {}", known.join(", ")),
    }
}

/// The instants at which AWS says that an agreement ends, and in how many days.
pub(crate) fn endings(agreement: &Agreement) -> impl Iterator<Item = (Timestamp, u16)> + use<> {
    let ends_at = agreement.ends_at;
    let since = agreement.starts_at.max(agreement.updated_at);
    let told = move |days| {
        let before = SignedDuration::from_hours(24 * i64::from(days));
        ends_at?.checked_sub(before).ok().map(|at| (at, days))
    };
    let told = ENDING_DAYS.into_iter().filter_map(told);
    told.filter(move |(at, _)| *at > since)
}

impl FakeAws {
    /// AWS says something of an agreement that goes on. The event is delivered
    /// before this returns, unless a fault says otherwise.
    ///
    /// # Errors
    /// [`ControlError::NotFound`], [`ControlError::Ended`], [`ControlError::Field`]
    /// for the answer to a request to cancel that there is not,
    /// [`ControlError::Storage`].
    pub async fn notice(&self, agreement_id: &str, notice: Notice) -> Result<(), ControlError> {
        let first = self.queue_notice(agreement_id, notice)?;
        self.deliver_due_from(first).await;
        Ok(())
    }

    fn queue_notice(&self, id: &str, notice: Notice) -> Result<u64, ControlError> {
        let now = self.now();
        self.commit(|state| {
            let agreement = going_on(state, id)?;
            if notice.answers_cancellation() && !state.is_cancellation_asked(id) {
                let reason = "answers a request to cancel, and there is none: have \
                    cancellation_pending said first";
                return Err(ControlError::field("notice", reason));
            }
            let event = self.inner.notice_event(notice, agreement, now);
            let events = event.into_iter().map(|event| (now, event)).collect();
            let mut changes = vec![self.inner.queue(events)];
            changes.extend(self.inner.following(state, agreement, notice, now));
            Ok(changes)
        })
    }

    /// Nobody answered a request to cancel in time. Queues the events; the number
    /// of the first.
    pub(crate) fn approve_cancellation(&self, id: &str) -> Result<u64, ControlError> {
        self.queue_notice(id, Notice::CancellationApproved)
    }

    /// AWS says by itself that an agreement ends in so many days and, once
    /// nobody can turn its renewal off any more, that it will renew. Queues
    /// the events; the number of the first.
    pub(crate) fn tell_ending(&self, id: &str, days: u16) -> Result<u64, ControlError> {
        let now = self.now();
        self.commit(|state| {
            let agreement = going_on(state, id)?;
            let mut notices = vec![Notice::Ending(days)];
            if agreement.auto_renewal && i64::from(days) == LOCKOUT_DAYS {
                notices.push(Notice::RenewalUpcoming);
            }
            let events = notices
                .into_iter()
                .filter_map(|notice| self.inner.notice_event(notice, agreement, now))
                .map(|event| (now, event));
            Ok(vec![self.inner.queue(events.collect()), told(id, days)])
        })
    }
}

fn told(id: &str, days: u16) -> Change {
    Change::EndingTold {
        agreement_id: id.to_owned(),
        days,
    }
}

impl Inner {
    /// What a notice brings about besides its event.
    fn following(
        &self,
        state: &Marketplace,
        agreement: &Agreement,
        notice: Notice,
        now: Timestamp,
    ) -> Vec<Change> {
        let agreement_id = agreement.agreement_id.clone();
        match notice {
            Notice::Ending(days) => vec![told(&agreement_id, days)],
            Notice::CancellationPending => vec![Change::CancellationAsked {
                agreement_id,
                at: now,
            }],
            Notice::CancellationApproved => self.ended(state, agreement, Ending::Cancelled, now),
            Notice::CancellationInvalid
            | Notice::CancellationRejected
            | Notice::CancellationWithdrawn => {
                vec![Change::CancellationSettled { agreement_id }]
            }
            Notice::AdvisoryIssued
            | Notice::AdvisoryResolved
            | Notice::RenewalTermsFinalized
            | Notice::RenewalUpcoming
            | Notice::BillingAdjustmentCompleted
            | Notice::BillingAdjustmentFailed => Vec::new(),
        }
    }

    /// The event of `notice` about `agreement`, at `at`; `None` where AWS tells it by no
    /// event.
    pub(crate) fn notice_event(
        &self,
        notice: Notice,
        agreement: &Agreement,
        at: Timestamp,
    ) -> Option<Value> {
        if !agreement.told_by.has_events() {
            return None;
        }
        let at = whole_seconds(at);
        let offer = &self.offer(agreement.offer).offer_id;
        let mut detail = json!({
            "requestId": self.ids.uuid(),
            "catalog": "AWSMarketplace",
            "agreement": {"id": agreement.agreement_id},
        });
        let mut resources = Vec::new();
        if let Some(status) = notice.cancellation() {
            detail["agreement"]["acceptorId"] = json!(agreement.buyer_account);
            detail["agreement"]["productId"] = json!(self.config.product_id);
            detail["agreement"]["offerId"] = json!(offer);
            detail["agreementCancellationRequest"] = json!({
                "id": "acr-fake",
                "reasonCode": "OTHER",
                "reasonMessage": "",
                "statusCode": status,
                "statusMessage": "",
                "createdAt": at.to_string(),
                "updatedAt": at.to_string(),
            });
        } else if matches!(
            notice,
            Notice::BillingAdjustmentCompleted | Notice::BillingAdjustmentFailed
        ) {
            detail["billingAdjustmentRequest"] = json!({
                "id": "ba-fake",
                "adjustmentAmount": "-10.00",
                "currencyCode": "USD",
                "adjustmentReasonCode": "OTHER",
            });
        } else {
            self.describe(notice, agreement, at, &mut detail);
            resources.push(format!(
                "arn:aws:aws-marketplace::aws:agreement:{}",
                agreement.agreement_id
            ));
        }
        Some(self.envelope(notice.detail_type(), at, &resources, detail))
    }

    /// The parties and terms, which advisories, ends and renewals name.
    fn describe(&self, notice: Notice, agreement: &Agreement, at: Timestamp, detail: &mut Value) {
        detail["product"] = json!({"id": self.config.product_id});
        detail["acceptor"] = json!({"accountId": agreement.buyer_account});
        detail["proposer"] = json!({"accountId": self.config.seller_account});
        detail["offer"] = json!({"id": self.offer(agreement.offer).offer_id});
        if let Some(ends_at) = agreement.ends_at {
            detail["agreement"]["startTime"] = json!(agreement.starts_at.to_string());
            detail["agreement"]["endTime"] = json!(ends_at.to_string());
        }
        match notice {
            Notice::AdvisoryIssued => detail["advisory"] = json!({"issuedAt": at.to_string()}),
            Notice::AdvisoryResolved => detail["advisory"] = json!({"resolvedAt": at.to_string()}),
            Notice::Ending(days) => {
                detail["agreement"]["status"] = json!("ACTIVE");
                detail["agreement"]["daysBeforeEndTime"] = json!(days);
                detail["agreement"]["autoRenewalEnabled"] = json!(agreement.auto_renewal);
                detail["renewalSummary"] = renewal_decision(agreement);
            }
            Notice::RenewalTermsFinalized | Notice::RenewalUpcoming => {
                let instalments = agreement.terms.instalments();
                let total: MicroUsd = instalments.map(|(_, micro_usd)| micro_usd).sum();
                detail["renewalSummary"] = json!({
                    "lockoutReached": notice == Notice::RenewalUpcoming,
                    "tcv": decimal(total),
                    "currency": "USD",
                });
            }
            Notice::CancellationPending
            | Notice::CancellationInvalid
            | Notice::CancellationApproved
            | Notice::CancellationRejected
            | Notice::CancellationWithdrawn
            | Notice::BillingAdjustmentCompleted
            | Notice::BillingAdjustmentFailed => {}
        }
    }
}
