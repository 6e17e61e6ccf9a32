//! Faults that are asked for: each hits the next calls or events it matches,
//! a given number of times, and is then spent.

use std::collections::VecDeque;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use jiff::SignedDuration;
use serde::Serialize;

use crate::dynamodb;
use crate::events::detail_types;
use crate::lock;

/// What goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum FaultKind {
    /// The call is refused as too many; nothing happens.
    Throttle,
    /// AWS fails with HTTP 500 and its error body; nothing happens.
    InternalError,
    /// What was asked for happens, then HTTP 500 with an empty body.
    LostAnswer,
    /// `BatchMeterUsage` leaves records unprocessed.
    Unprocessed,
    /// A call is answered late, an event is delivered late.
    Delay,
    /// A call that gives pages answers an empty one with a token to go on.
    EmptyPage,
    /// `GetEntitlements` answers as before anything was bought: with none.
    Lag,
    /// An event is delivered twice.
    DuplicateEvent,
    /// The events of one occasion arrive in the opposite order.
    ReorderEvents,
    /// An event is never delivered.
    DropEvent,
}

impl FaultKind {
    /// Every kind.
    pub const ALL: [FaultKind; 10] = [
        FaultKind::Throttle,
        FaultKind::InternalError,
        FaultKind::LostAnswer,
        FaultKind::Unprocessed,
        FaultKind::Delay,
        FaultKind::EmptyPage,
        FaultKind::Lag,
        FaultKind::DuplicateEvent,
        FaultKind::ReorderEvents,
        FaultKind::DropEvent,
    ];

    /// Its name in the control API.
    pub fn name(self) -> &'static str {
        match self {
            FaultKind::Throttle => "throttle",
            FaultKind::InternalError => "internal_error",
            FaultKind::LostAnswer => "lost_answer",
            FaultKind::Unprocessed => "unprocessed",
            FaultKind::Delay => "delay",
            FaultKind::EmptyPage => "empty_page",
            FaultKind::Lag => "lag",
            FaultKind::DuplicateEvent => "duplicate_event",
            FaultKind::ReorderEvents => "reorder_events",
            FaultKind::DropEvent => "drop_event",
        }
    }

    /// Whether it befalls events and nothing else.
    pub(crate) fn is_of_events(self) -> bool {
        match self {
            FaultKind::DuplicateEvent | FaultKind::ReorderEvents | FaultKind::DropEvent => true,
            FaultKind::Throttle
            | FaultKind::InternalError
            | FaultKind::LostAnswer
            | FaultKind::Unprocessed
            | FaultKind::Delay
            | FaultKind::EmptyPage
            | FaultKind::Lag => false,
        }
    }
}

/// Stands for every event in [`Fault::operation`].
pub const EVENTS: &str = "events";

/// Stands for every operation that is served, in [`Fault::operation`].
pub const ANY_OPERATION: &str = "*";

/// Operations that are served besides DynamoDB's.
pub(crate) const OPERATIONS: [&str; 11] = [
    "ResolveCustomer",
    "BatchMeterUsage",
    "GetEntitlements",
    "DescribeAgreement",
    "SearchAgreements",
    "GetAgreementTerms",
    "GetAgreementEntitlements",
    "GetSecretValue",
    "ListAgreementInvoiceLineItems",
    "ListObjectsV2",
    "GetObject",
];

/// Those of them that give pages.
const PAGED: [&str; 6] = [
    "GetEntitlements",
    "SearchAgreements",
    "GetAgreementTerms",
    "GetAgreementEntitlements",
    "ListAgreementInvoiceLineItems",
    "ListObjectsV2",
];

/// A fault to come.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Fault {
    /// An API operation or `*`; for events an event's `detail-type`, with or
    /// without ` - Proposer`, `events`, or `*`.
    pub operation: String,
    /// What goes wrong.
    pub fault: FaultKind,
    /// How many calls or events it hits; at least 1.
    pub times: u32,
    /// Only calls whose body names this license are hit.
    pub license_arn: Option<String>,
    /// For [`FaultKind::Unprocessed`]: how many of the call's records, counted
    /// from the last; `None`: all.
    pub records: Option<usize>,
    /// For [`FaultKind::Delay`], which needs it: milliseconds of real time for a
    /// call, of the fake's clock for an event.
    pub delay_ms: Option<u32>,
}

impl Fault {
    /// A fault that hits every matching call or event, `times` times; one of
    /// [`FaultKind::Delay`] still needs its [`Fault::delay_ms`].
    pub fn new(operation: impl Into<String>, fault: FaultKind, times: u32) -> Fault {
        Fault {
            operation: operation.into(),
            fault,
            times,
            license_arn: None,
            records: None,
            delay_ms: None,
        }
    }

    /// Whether an event of this `detail-type` is meant; the part after the
    /// dash may be left out.
    fn names_event(&self, detail_type: &str) -> bool {
        let family = detail_type.split(" - ").next().unwrap_or(detail_type);
        self.operation == EVENTS
            || self.operation == detail_type
            || self.operation == family
            || (self.operation == ANY_OPERATION && self.fault.is_of_events())
    }

    /// Whether operation, kind and number go together: `Err` names the field.
    pub(crate) fn check(&self) -> Result<(), (&'static str, String)> {
        if self.times == 0 {
            return Err(("times", "must be at least 1".to_owned()));
        }
        if self.fault == FaultKind::Delay && self.delay_ms.is_none() {
            return Err(("delay_ms", "is needed for this fault".to_owned()));
        }
        let of_events = detail_types().any(|detail_type| self.names_event(detail_type));
        let of_calls = self.operation == ANY_OPERATION
            || OPERATIONS.contains(&self.operation.as_str())
            || dynamodb::Operation::named(&self.operation).is_some();
        if !of_events && !of_calls {
            return Err(("operation", unknown_operation()));
        }
        let only = |operation: &str| {
            (self.operation != operation)
                .then(|| format!("{} goes with operation {operation} only", self.fault.name()))
        };
        let wrong = match self.fault {
            kind if kind.is_of_events() && !of_events => Some(format!(
                "{} goes with {EVENTS} or a detail-type",
                kind.name()
            )),
            FaultKind::ReorderEvents if self.operation == ANY_OPERATION => None,
            FaultKind::ReorderEvents => only(EVENTS),
            FaultKind::Unprocessed => only("BatchMeterUsage"),
            FaultKind::Lag => only("GetEntitlements"),
            FaultKind::EmptyPage => (!PAGED.contains(&self.operation.as_str()))
                .then(|| format!("empty_page goes with {} only", PAGED.join(", "))),
            FaultKind::Throttle | FaultKind::InternalError | FaultKind::LostAnswer => {
                of_events.then(|| format!("{} goes with an API operation", self.fault.name()))
            }
            FaultKind::Delay | FaultKind::DuplicateEvent | FaultKind::DropEvent => None,
        };
        wrong.map_or(Ok(()), |reason| Err(("operation", reason)))
    }
}

fn unknown_operation() -> String {
    let families: Vec<&str> = detail_types().collect();
    format!(
        "must be one of {}, a DynamoDB operation such as GetItem, {ANY_OPERATION}, {EVENTS}, {}",
        OPERATIONS.join(", "),
        families.join(", ")
    )
}

/// What a fault makes of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CallFault {
    /// Refuse it as too many.
    Throttle,
    /// Fail it.
    InternalError,
    /// Do it, then answer HTTP 500 with an empty body.
    LostAnswer,
    /// Leave this many records unprocessed, or all.
    Unprocessed(Option<usize>),
    /// Answer late.
    Delay(Duration),
    /// Answer an empty page.
    EmptyPage,
    /// Answer as before anything was bought.
    Lag,
}

/// What a fault makes of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum EventFault {
    /// It never arrives.
    Drop,
    /// It arrives twice.
    Duplicate,
    /// It arrives later.
    Delay(SignedDuration),
}

/// The faults to come, in the order they were asked for.
#[derive(Debug, Default)]
pub(crate) struct Faults {
    waiting: Mutex<VecDeque<Fault>>,
    // Kept beside the queue so that a call without faults takes no lock.
    count: AtomicUsize,
}

impl Faults {
    /// Adds one. It was checked.
    pub(crate) fn add(&self, fault: Fault) {
        let mut waiting = lock(&self.waiting);
        waiting.push_back(fault);
        self.count.store(waiting.len(), Ordering::Release);
    }

    /// Forgets all that are still to come.
    pub(crate) fn clear(&self) {
        lock(&self.waiting).clear();
        self.count.store(0, Ordering::Release);
    }

    /// Those still to come.
    pub(crate) fn waiting(&self) -> Vec<Fault> {
        lock(&self.waiting).iter().cloned().collect()
    }

    /// The fault that hits this call, if any.
    pub(crate) fn take_for_call(&self, operation: &str, body: &[u8]) -> Option<CallFault> {
        let fault = self.take(|fault| {
            let matches = fault.operation == operation || fault.operation == ANY_OPERATION;
            matches
                && !fault.fault.is_of_events()
                && fault
                    .license_arn
                    .as_ref()
                    .is_none_or(|arn| names(body, arn))
        })?;
        Some(match fault.fault {
            FaultKind::Throttle => CallFault::Throttle,
            FaultKind::InternalError => CallFault::InternalError,
            FaultKind::LostAnswer => CallFault::LostAnswer,
            FaultKind::Unprocessed => CallFault::Unprocessed(fault.records),
            FaultKind::EmptyPage => CallFault::EmptyPage,
            FaultKind::Lag => CallFault::Lag,
            FaultKind::Delay => {
                CallFault::Delay(Duration::from_millis(fault.delay_ms.unwrap_or(0).into()))
            }
            FaultKind::DuplicateEvent | FaultKind::ReorderEvents | FaultKind::DropEvent => {
                return None;
            }
        })
    }

    /// The fault that hits an event of this `detail-type`, if any.
    pub(crate) fn take_for_event(&self, detail_type: &str) -> Option<EventFault> {
        let fault = self.take(|fault| {
            fault.names_event(detail_type) && fault.fault != FaultKind::ReorderEvents
        })?;
        Some(match fault.fault {
            FaultKind::DuplicateEvent => EventFault::Duplicate,
            FaultKind::DropEvent => EventFault::Drop,
            FaultKind::Delay => EventFault::Delay(SignedDuration::from_millis(
                fault.delay_ms.unwrap_or(0).into(),
            )),
            FaultKind::Throttle
            | FaultKind::InternalError
            | FaultKind::LostAnswer
            | FaultKind::Unprocessed
            | FaultKind::EmptyPage
            | FaultKind::Lag
            | FaultKind::ReorderEvents => return None,
        })
    }

    /// Whether the events of this occasion arrive in the opposite order.
    pub(crate) fn take_reorder(&self) -> bool {
        self.take(|fault| fault.fault == FaultKind::ReorderEvents)
            .is_some()
    }

    fn take(&self, matches: impl Fn(&Fault) -> bool) -> Option<Fault> {
        if self.count.load(Ordering::Acquire) == 0 {
            return None;
        }
        let mut waiting = lock(&self.waiting);
        let at = waiting.iter().position(matches)?;
        let fault = waiting.get_mut(at)?;
        fault.times -= 1;
        let taken = fault.clone();
        if taken.times == 0 {
            waiting.remove(at);
            self.count.store(waiting.len(), Ordering::Release);
        }
        Some(taken)
    }
}

fn names(body: &[u8], text: &str) -> bool {
    body.windows(text.len().max(1))
        .any(|window| window == text.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_hits_as_often_as_asked_and_only_what_it_matches() {
        let faults = Faults::default();
        faults.add(Fault::new("BatchMeterUsage", FaultKind::Throttle, 2));
        assert_eq!(faults.take_for_call("GetItem", b""), None);
        for _ in 0..2 {
            let taken = faults.take_for_call("BatchMeterUsage", b"");
            assert_eq!(taken, Some(CallFault::Throttle));
        }
        assert_eq!(faults.take_for_call("BatchMeterUsage", b""), None);
        assert_eq!(faults.waiting(), []);
    }

    #[test]
    fn a_fault_can_be_kept_for_calls_that_name_a_license() {
        let faults = Faults::default();
        let mut poison = Fault::new("BatchMeterUsage", FaultKind::InternalError, 9);
        poison.license_arn = Some("license:l-7".to_owned());
        faults.add(poison);
        assert_eq!(
            faults.take_for_call("BatchMeterUsage", b"{license:l-8}"),
            None
        );
        let hit = faults.take_for_call("BatchMeterUsage", b"{license:l-7}");
        assert_eq!(hit, Some(CallFault::InternalError));
    }

    #[test]
    fn faults_that_cannot_happen_are_refused_by_field() {
        let refused = |operation: &str, kind, times| {
            Fault::new(operation, kind, times).check().unwrap_err().0
        };
        assert_eq!(refused("Nonsense", FaultKind::Throttle, 1), "operation");
        assert_eq!(refused("GetItem", FaultKind::Throttle, 0), "times");
        assert_eq!(refused("GetItem", FaultKind::Unprocessed, 1), "operation");
        assert_eq!(refused("GetItem", FaultKind::DropEvent, 1), "operation");
        assert_eq!(refused(EVENTS, FaultKind::LostAnswer, 1), "operation");
        assert_eq!(
            Fault::new("License Updated", FaultKind::DropEvent, 1).check(),
            Ok(())
        );
        assert_eq!(
            Fault::new(ANY_OPERATION, FaultKind::ReorderEvents, 1).check(),
            Ok(())
        );
        for kind in [FaultKind::DropEvent, FaultKind::ReorderEvents] {
            assert_eq!(Fault::new(EVENTS, kind, 1).check(), Ok(()));
        }
        assert_eq!(refused(EVENTS, FaultKind::Delay, 1), "delay_ms");
        let mut delay = Fault::new(EVENTS, FaultKind::Delay, 1);
        delay.delay_ms = Some(1);
        assert_eq!(delay.check(), Ok(()));
    }
}
