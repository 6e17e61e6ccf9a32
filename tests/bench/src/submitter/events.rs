//! What is to happen, in the order of its time, and the clock that jumps to it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use jiff::Timestamp;
use ledger::{Answer, Clock, Step, Ticket};

/// What happens at an instant.
pub(super) enum Event {
    /// A minute begins: the schedule's event.
    Minute,
    /// A step is made, and answered.
    Performs(Ticket, Box<Step>),
    /// A step that was made is answered.
    Answers(Ticket, Box<Answer>),
}

/// The events to come.
pub(super) struct Events {
    pub(super) clock: Arc<EventClock>,
    /// By their time, and in the order in which they were made.
    to_come: BTreeMap<(Timestamp, u64), Event>,
    made: u64,
}

/// A clock that stands between two events.
#[derive(Debug)]
pub(super) struct EventClock {
    nanos: AtomicI64,
    drawn: AtomicU64,
}

impl Events {
    pub(super) fn from(start: Timestamp) -> Self {
        let clock = EventClock {
            nanos: AtomicI64::new(0),
            drawn: AtomicU64::new(1),
        };
        clock.set(start);
        Self {
            clock: Arc::new(clock),
            to_come: BTreeMap::new(),
            made: 0,
        }
    }

    /// Has an event happen at an instant.
    pub(super) fn at(&mut self, at: Timestamp, event: Event) {
        self.made += 1;
        self.to_come.insert((at, self.made), event);
    }

    /// The next event, if it happens before `end`; it is then its time.
    pub(super) fn next_before(&mut self, end: Timestamp) -> Option<Event> {
        let first = self.to_come.first_entry()?;
        let (at, _) = *first.key();
        if at >= end {
            return None;
        }
        self.clock.set(at);
        Some(first.remove())
    }
}

impl EventClock {
    fn set(&self, now: Timestamp) {
        let nanos = i64::try_from(now.as_nanosecond()).unwrap_or(i64::MAX);
        self.nanos.store(nanos, Ordering::Relaxed);
    }
}

impl Clock for EventClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_nanosecond(self.nanos.load(Ordering::Relaxed).into())
            .unwrap_or(Timestamp::MAX)
    }

    fn random(&self) -> u128 {
        self.drawn.fetch_add(1, Ordering::Relaxed).into()
    }
}
