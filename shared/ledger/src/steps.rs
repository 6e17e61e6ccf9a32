//! Between a procedure and whoever performs its steps.

use std::collections::VecDeque;
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use futures_util::stream::{FuturesUnordered, StreamExt};
use jiff::Timestamp;

use crate::clock::Clock;
use crate::notice::Notice;
use crate::step::{Answer, Step, StepError, Unreadable};

/// Where a procedure asks for its steps. Cheap to clone.
///
/// Asking does nothing by itself: the step waits until the driver takes it and
/// brings its answer. A procedure that is dropped in between has crashed.
#[derive(Clone)]
pub struct Steps {
    clock: Arc<dyn Clock>,
    asked: Arc<Mutex<Asked>>,
}

/// Tells a step from the others that are under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ticket(u64);

#[derive(Default)]
struct Asked {
    // Boxed: steps and answers are large, and are handed on a few times.
    new: Vec<(Ticket, Box<Step>)>,
    /// The ticket of the first that is waiting; the others' follow.
    first: u64,
    waiting: VecDeque<Waiting>,
    notices: Vec<Notice>,
}

enum Waiting {
    For(Option<Waker>),
    Answered(Box<Result<Answer, StepError>>),
    Over,
}

impl Asked {
    fn ask(&mut self, step: Step) -> Ticket {
        let ticket = Ticket(self.first + self.waiting.len() as u64);
        self.new.push((ticket, Box::new(step)));
        self.waiting.push_back(Waiting::For(None));
        ticket
    }

    /// What a ticket waits for; `None` when that is over.
    fn of(&mut self, ticket: Ticket) -> Option<&mut Waiting> {
        let place = ticket.0.checked_sub(self.first)?;
        self.waiting.get_mut(usize::try_from(place).ok()?)
    }

    fn forget_those_over(&mut self) {
        while let Some(Waiting::Over) = self.waiting.front() {
            self.waiting.pop_front();
            self.first += 1;
        }
    }
}

impl Steps {
    /// Steps whose time and randomness come from this clock.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self {
            clock,
            asked: Arc::default(),
        }
    }

    /// The current instant.
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// A text that was never used before.
    pub fn nonce(&self) -> String {
        format!("{:032x}", self.clock.random())
    }

    /// Tells what a person or a log must hear of.
    pub fn tell(&self, notice: Notice) {
        self.lock().notices.push(notice);
    }

    /// Tells of items that cannot be read; how many.
    pub(crate) fn tell_unreadable(&self, unreadable: Vec<Unreadable>) -> usize {
        let count = unreadable.len();
        let notices = unreadable.into_iter().map(Notice::ItemUnreadable);
        self.lock().notices.extend(notices);
        count
    }

    /// Takes what was told since the last time.
    pub fn take_notices(&self) -> Vec<Notice> {
        std::mem::take(&mut self.lock().notices)
    }

    /// Adds to `steps` those that were asked for since the last time.
    pub fn take(&self, steps: &mut Vec<(Ticket, Box<Step>)>) {
        steps.append(&mut self.lock().new);
    }

    /// Brings the answer to a step.
    pub fn answer(&self, ticket: Ticket, answer: Result<Answer, StepError>) {
        let answered = Waiting::Answered(Box::new(answer));
        let before = self
            .lock()
            .of(ticket)
            .map(|waiting| std::mem::replace(waiting, answered));
        if let Some(Waiting::For(Some(waker))) = before {
            waker.wake();
        }
    }

    /// Asks for a step and waits for its answer.
    pub(crate) fn ask(&self, step: Step) -> impl Future<Output = Result<Answer, StepError>> {
        Pending {
            steps: self,
            ticket: self.lock().ask(step),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Asked> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A step that was asked for.
struct Pending<'a> {
    steps: &'a Steps,
    ticket: Ticket,
}

impl Future for Pending<'_> {
    type Output = Result<Answer, StepError>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let mut asked = self.steps.lock();
        let Some(waiting) = asked.of(self.ticket) else {
            return Poll::Pending;
        };
        if let Waiting::For(waker) = waiting {
            *waker = Some(context.waker().clone());
            return Poll::Pending;
        }
        let answer = std::mem::replace(waiting, Waiting::Over);
        asked.forget_those_over();
        match answer {
            Waiting::Answered(answer) => Poll::Ready(*answer),
            Waiting::For(_) | Waiting::Over => Poll::Pending,
        }
    }
}

/// Runs a procedure to its end, performing its steps as they come, those that
/// it asks for together at once; hands on what it tells.
pub async fn drive<T, F>(
    steps: &Steps,
    procedure: impl Future<Output = T>,
    perform: impl Fn(Step) -> F,
    mut tell: impl FnMut(Notice),
) -> T
where
    F: Future<Output = Result<Answer, StepError>>,
{
    let mut procedure = pin!(procedure);
    let mut performing = FuturesUnordered::new();
    let mut asked = Vec::new();
    std::future::poll_fn(|context| {
        loop {
            let done = procedure.as_mut().poll(context);
            steps.take_notices().into_iter().for_each(&mut tell);
            if let Poll::Ready(done) = done {
                return Poll::Ready(done);
            }
            steps.take(&mut asked);
            for (ticket, step) in asked.drain(..) {
                let performed = perform(*step);
                performing.push(async move { (ticket, performed.await) });
            }
            match performing.poll_next_unpin(context) {
                Poll::Ready(Some((ticket, answer))) => steps.answer(ticket, answer),
                Poll::Ready(None) | Poll::Pending => return Poll::Pending,
            }
        }
    })
    .await
}
