//! EventBridge: the events of a purchase in the captured shapes and order,
//! and their delivery to the rule's targets, at least once.
//!
//! An event is queued in the same commit as what it tells of. It leaves the
//! queue when every target took it, or a day after it was first due, as
//! EventBridge gives up then. Before the first target is added events wait,
//! the latest [`WAITING_WITHOUT_TARGET`] of them, since the fake may be called
//! before its host has connected one; their day begins when one is.

use std::sync::Arc;

use futures_util::future::BoxFuture;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use crate::faults::EventFault;
use crate::lock;
use crate::notices::Notice;
use crate::notifications;
use crate::state::{Agreement, Change, Marketplace, QueuedEvent};
use crate::{FakeAws, Inner};

/// A target: takes one EventBridge event, or one SNS message in its envelope, as
/// its JSON. An error is retried on the fake's clock.
pub type Deliver = Arc<dyn Fn(Value) -> BoxFuture<'static, Result<(), String>> + Send + Sync>;

/// Source of every AWS Marketplace agreement and license event.
const SOURCE: &str = "aws.agreement-marketplace";

/// How long before an agreement's end its renewal can no longer be turned off.
const LOCKOUT: SignedDuration = SignedDuration::from_hours(24 * LOCKOUT_DAYS);

/// The same in days.
pub(crate) const LOCKOUT_DAYS: i64 = 30;

/// How long EventBridge goes on trying.
const GIVE_UP_AFTER: SignedDuration = SignedDuration::from_hours(24);

/// How many events are kept while there is no target to deliver them to.
const WAITING_WITHOUT_TARGET: usize = 1_000;

/// The longest pause between two tries.
const LONGEST_PAUSE_SECONDS: i64 = 900;

/// The rule's targets. None is ever removed.
#[derive(Default)]
pub(crate) struct Targets {
    deliver: Vec<Deliver>,
    /// When the first one was added.
    since: Option<Timestamp>,
}

/// The event families that are emitted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Family {
    /// A buyer accepted an offer.
    AgreementCreated,
    /// An agreement goes on under other terms.
    AgreementAmended,
    /// An agreement ended.
    AgreementEnded,
    /// A license became active or changed.
    LicenseUpdated,
    /// A license is no longer.
    LicenseDeprovisioned,
}

impl Family {
    /// Every family.
    pub(crate) const ALL: [Family; 5] = [
        Family::AgreementCreated,
        Family::AgreementAmended,
        Family::AgreementEnded,
        Family::LicenseUpdated,
        Family::LicenseDeprovisioned,
    ];

    /// The event's `detail-type`.
    pub(crate) fn detail_type(self) -> &'static str {
        match self {
            Family::AgreementCreated => "Purchase Agreement Created - Proposer",
            Family::AgreementAmended => "Purchase Agreement Amended - Proposer",
            Family::AgreementEnded => "Purchase Agreement Ended - Proposer",
            Family::LicenseUpdated => "License Updated - Manufacturer",
            Family::LicenseDeprovisioned => "License Deprovisioned - Manufacturer",
        }
    }
}

/// The `detail-type` of every event that is emitted, and the action of every message.
pub(crate) fn detail_types() -> impl Iterator<Item = &'static str> {
    let notices = Notice::ALL.into_iter().map(Notice::detail_type);
    Family::ALL
        .into_iter()
        .map(Family::detail_type)
        .chain(notices)
        .chain(notifications::kinds())
}

/// `2026-08-20T14:23:22Z`: events carry whole seconds.
pub(crate) fn whole_seconds(at: Timestamp) -> Timestamp {
    Timestamp::from_second(at.as_second()).unwrap_or(at)
}

impl Inner {
    /// The event of `family` about `agreement`, at `at`.
    pub(crate) fn event(&self, family: Family, agreement: &Agreement, at: Timestamp) -> Value {
        let offer = json!({"id": self.offer(agreement.offer).offer_id});
        let mut detail = json!({
            "requestId": self.ids.uuid(),
            "catalog": "AWSMarketplace",
            "agreement": {"id": agreement.agreement_id},
            "acceptor": {"accountId": agreement.buyer_account},
            "proposer": {"accountId": self.config.seller_account},
        });
        let mut resources = vec![format!(
            "arn:aws:aws-marketplace::aws:agreement:{}",
            agreement.agreement_id
        )];
        match family {
            Family::AgreementCreated => {
                detail["agreement"] = described(agreement, agreement.intent.aws());
                if let Some(previous) = &agreement.previous_agreement_id {
                    detail["agreement"]["previousAgreementId"] = json!(previous);
                    detail["product"] = json!({"id": self.config.product_id});
                } else {
                    detail["resaleAuthorization"] = json!({"id": null});
                }
                detail["offer"] = offer;
            }
            Family::AgreementAmended => {
                detail["agreement"] = described(agreement, "AMEND");
                detail["agreement"]["autoRenewalEnabled"] = json!(agreement.auto_renewal);
                detail["renewalSummary"] = renewal_decision(agreement);
                detail["product"] = json!({"id": self.config.product_id});
                detail["resaleAuthorization"] = json!({"id": null});
                detail["offer"] = offer;
            }
            Family::AgreementEnded => {
                detail["agreement"]["status"] = json!(agreement.status.aws());
            }
            Family::LicenseUpdated | Family::LicenseDeprovisioned => {
                detail["product"] =
                    json!({"id": self.config.product_id, "code": self.config.product_code});
                detail["license"] = json!({"arn": agreement.license_arn});
                detail["offer"] = offer;
                resources = vec![agreement.license_arn.clone()];
            }
        }
        self.envelope(family.detail_type(), at, &resources, detail)
    }

    pub(crate) fn envelope(
        &self,
        detail_type: &str,
        at: Timestamp,
        resources: &[String],
        detail: Value,
    ) -> Value {
        json!({
            "version": "0",
            "id": self.ids.uuid(),
            "detail-type": detail_type,
            "source": SOURCE,
            "account": self.config.seller_account,
            "time": whole_seconds(at).to_string(),
            "region": "us-east-1",
            "resources": resources,
            "detail": detail,
        })
    }

    /// The commit that sends `events` (each with its instant), after what the
    /// event faults make of them.
    pub(crate) fn queue(&self, events: Vec<(Timestamp, Value)>) -> Change {
        let mut queued = Vec::new();
        for (due, event) in events {
            let kind = notifications::kind(&event);
            let waiting = |due| QueuedEvent {
                due,
                since: due,
                attempts: 0,
                event: event.clone(),
                in_flight: false,
            };
            match self.faults.take_for_event(&kind) {
                None => queued.push(waiting(due)),
                Some(EventFault::Drop) => {}
                Some(EventFault::Duplicate) => {
                    queued.push(waiting(due));
                    queued.push(waiting(due));
                }
                Some(EventFault::Delay(by)) => {
                    queued.push(waiting(due.checked_add(by).unwrap_or(due)));
                }
            }
        }
        if self.faults.take_reorder() {
            queued.reverse();
        }
        Change::EventsQueued { events: queued }
    }
}

/// An agreement's dates in the event of its acceptance or amendment.
fn described(agreement: &Agreement, intent: &str) -> Value {
    let ends_at = agreement.ends_at.map(|at| at.to_string());
    json!({
        "id": agreement.agreement_id,
        "intent": intent,
        "status": "ACTIVE",
        "acceptanceTime": agreement.accepted_at.to_string(),
        "startTime": agreement.starts_at.to_string(),
        "endTime": ends_at.unwrap_or_else(|| "9999-01-01T00:00:00Z".to_owned()),
    })
}

/// Until when its parties may decide whether an agreement renews itself, and
/// who decided against it.
pub(crate) fn renewal_decision(agreement: &Agreement) -> Value {
    let ends_at = agreement.ends_at;
    let lockout = ends_at.and_then(|end| end.checked_sub(LOCKOUT).ok());
    let declined = ends_at.is_some() && !agreement.auto_renewal;
    json!({
        "lockoutStartTime": lockout.map(|at| at.to_string()),
        "disabledBy": declined.then_some("ACCEPTOR"),
    })
}

/// Settles the oldest events that would wait beyond the limit, once `changes`
/// have queued theirs.
pub(crate) fn forget_oldest(state: &Marketplace, changes: &[Change]) -> Vec<Change> {
    let queued: usize = changes
        .iter()
        .map(|change| {
            if let Change::EventsQueued { events } = change {
                events.len()
            } else {
                0
            }
        })
        .sum();
    let beyond = (state.events_waiting() + queued).saturating_sub(WAITING_WITHOUT_TARGET);
    let oldest = state.oldest_events().take(beyond);
    oldest
        .map(|sequence| Change::EventSettled { sequence })
        .collect()
}

impl FakeAws {
    /// Adds a target to the rule that matches every AWS Marketplace event.
    ///
    /// Until there is a first target events wait, the latest 1,000 of them
    /// (with a data directory, across restarts too); those that are due are
    /// delivered to it by the next [`tick`](FakeAws::tick) or move of the
    /// clock. A target added later gets of the earlier events only those that
    /// failed and are tried again.
    pub fn on_event(&self, deliver: Deliver) {
        let now = self.now();
        let mut targets = lock(&self.inner.targets);
        targets.since.get_or_insert(now);
        targets.deliver.push(deliver);
    }

    /// Whether events can be delivered.
    pub(crate) fn has_target(&self) -> bool {
        !lock(&self.inner.targets).deliver.is_empty()
    }

    /// Delivers what is due now, in order, of the events from `first` on; the
    /// rest, and everything while there is no target, is left to the clock.
    pub(crate) async fn deliver_due_from(&self, first: u64) {
        while self.has_target() {
            let now = self.now();
            let due = lock(&self.inner.kept).state.next_event_from(first, now);
            match due {
                Some(sequence) => self.deliver(sequence).await,
                None => return,
            }
        }
    }

    /// Delivers one event to every target; unless it is being delivered.
    pub(crate) async fn deliver(&self, sequence: u64) {
        let (targets, since) = {
            let targets = lock(&self.inner.targets);
            (targets.deliver.clone(), targets.since)
        };
        let Some(since) = since else {
            return;
        };
        let Some((event, _in_flight)) = self.take_off(sequence) else {
            return;
        };
        let mut failed = None;
        for target in targets {
            if let Err(reason) = target(event.clone()).await {
                failed = Some(reason);
            }
        }
        self.settle(sequence, failed.as_deref(), since);
    }

    fn take_off(&self, sequence: u64) -> Option<(Value, InFlight)> {
        let mut kept = lock(&self.inner.kept);
        let event = kept.state.event_mut(sequence)?;
        if event.in_flight {
            return None;
        }
        event.in_flight = true;
        let in_flight = InFlight {
            fake: self.clone(),
            sequence,
        };
        Some((event.event.clone(), in_flight))
    }

    /// Keeps what came of a delivery; there have been targets since
    /// `targets_since`.
    fn settle(&self, sequence: u64, failed: Option<&str>, targets_since: Timestamp) {
        let now = self.now();
        let mut kept = lock(&self.inner.kept);
        let Some(event) = kept.state.event_mut(sequence) else {
            return;
        };
        let given_up = now.duration_since(event.since.max(targets_since)) >= GIVE_UP_AFTER;
        let change = match failed {
            Some(reason) if !given_up => {
                tracing::debug!(
                    event.reason = reason,
                    "an event's target failed; it is tried again"
                );
                let pause = 1_i64
                    .checked_shl(event.attempts)
                    .unwrap_or(LONGEST_PAUSE_SECONDS)
                    .clamp(1, LONGEST_PAUSE_SECONDS);
                let due = now.checked_add(SignedDuration::from_secs(pause));
                Change::EventPostponed {
                    sequence,
                    due: due.unwrap_or(now),
                }
            }
            Some(reason) => {
                tracing::warn!(
                    event.reason = reason,
                    "an event was given up after 24 hours"
                );
                Change::EventSettled { sequence }
            }
            None => Change::EventSettled { sequence },
        };
        if let Err(error) = kept.commit(vec![change]) {
            // Not kept: it is delivered again, which a target must bear.
            tracing::error!(error = %error, "an event's delivery could not be kept");
            if let Some(event) = kept.state.event_mut(sequence) {
                event.due = now.checked_add(SignedDuration::from_secs(1)).unwrap_or(now);
            }
        }
    }
}

/// Marks an event as on its way; dropping it (also when the delivery is
/// abandoned half way) lets it be delivered again if it still waits.
struct InFlight {
    fake: FakeAws,
    sequence: u64,
}

impl Drop for InFlight {
    fn drop(&mut self) {
        if let Some(event) = lock(&self.fake.inner.kept).state.event_mut(self.sequence) {
            event.in_flight = false;
        }
    }
}
