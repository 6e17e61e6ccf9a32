//! Moving the clock: whatever falls due on the way runs, in order, at the
//! instant it was due.
//!
//! Six things fall due: events waiting for delivery, what AWS says before an
//! agreement's end, requests to cancel that nobody answered, starts of
//! agreements, ends of their terms, and the schedules that were added. At one instant they run in that order, schedules
//! in the order they were added. What has nothing due costs nothing: the clock
//! jumps from instant to instant. Events do not fall due while there is no
//! target to deliver them to.

use std::sync::Arc;

use futures_util::future::BoxFuture;
use jiff::{SignedDuration, Timestamp};

use crate::clock::ClockError;
use crate::lock;
use crate::state::Change;
use crate::{ControlError, FakeAws};

/// How often one schedule may run without the clock moving.
const RUNS_AT_ONE_INSTANT: u32 = 10_000;

/// Something that runs as the clock moves, like a rule with a schedule.
#[derive(Clone)]
pub struct Schedule {
    /// Its name, for errors.
    pub name: String,
    /// Given the present, the earliest instant at which there is something to
    /// do; an instant not after the present means now, `None` never.
    pub next: Arc<dyn Fn(Timestamp) -> Option<Timestamp> + Send + Sync>,
    /// Does it. Must not move the clock.
    pub run: Arc<dyn Fn(Timestamp) -> BoxFuture<'static, ()> + Send + Sync>,
}

impl std::fmt::Debug for Schedule {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Schedule")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

/// What falls due. The order of the variants is the order at one instant.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Due {
    Event(u64),
    Ending(String, u16),
    Approval(String),
    Start(String),
    End(String),
    Schedule(usize),
}

/// How often each schedule ran since the clock last moved.
struct Budget(Vec<u32>);

impl Budget {
    /// `Err` holds the number of runs once it is used up.
    fn spend(&mut self, index: usize) -> Result<(), u32> {
        if self.0.len() <= index {
            self.0.resize(index + 1, 0);
        }
        match self.0.get_mut(index) {
            Some(runs) if *runs >= RUNS_AT_ONE_INSTANT => Err(*runs),
            Some(runs) => {
                *runs += 1;
                Ok(())
            }
            None => Ok(()),
        }
    }
}

/// What became of something about an agreement that fell due: only what could
/// not be kept stops the clock.
fn settled(done: Result<u64, ControlError>) -> Result<(), ClockError> {
    match done {
        Err(ControlError::Storage(source)) => Err(ClockError::Storage(source)),
        Ok(_)
        | Err(
            ControlError::NotFound { .. }
            | ControlError::Ended { .. }
            | ControlError::NotNow { .. }
            | ControlError::Field { .. },
        ) => Ok(()),
    }
}

/// How far the clock is moved.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Move {
    /// To an instant.
    To(Timestamp),
    /// By so much.
    By(SignedDuration),
}

impl FakeAws {
    /// Adds a schedule; see [`Schedule`].
    pub fn add_schedule(&self, schedule: Schedule) {
        let mut schedules = lock(&self.inner.schedules);
        let mut more = Vec::clone(&schedules);
        more.push(schedule);
        *schedules = Arc::new(more);
    }

    /// Moves the clock to `t`, running whatever falls due on the way and at
    /// `t` itself, each at its instant. Moves are made one after another;
    /// requests are served meanwhile.
    ///
    /// # Errors
    /// [`ClockError::Backwards`] for an earlier instant than now;
    /// [`ClockError::Stuck`] when a schedule never gets done;
    /// [`ClockError::Storage`] when the new position cannot be kept.
    pub async fn advance_to(&self, t: Timestamp) -> Result<(), ClockError> {
        let _one_at_a_time = self.inner.moves.lock().await;
        let _held = self.inner.clock.hold();
        self.move_to(t).await
    }

    /// Moves the clock by `duration`; see [`advance_to`](Self::advance_to).
    ///
    /// # Errors
    /// As there, and [`ClockError::OutOfRange`].
    pub async fn advance_by(&self, duration: SignedDuration) -> Result<(), ClockError> {
        let _one_at_a_time = self.inner.moves.lock().await;
        let _held = self.inner.clock.hold();
        let target = self.now().checked_add(duration);
        self.move_to(target.map_err(|_| ClockError::OutOfRange)?)
            .await
    }

    /// The same for somebody who may go away meanwhile, as a connection does that is
    /// cut: the clock is moved to the end all the same, and the next move waits for it.
    ///
    /// # Errors
    /// As there, and [`ClockError::BrokeOff`].
    #[expect(
        clippy::disallowed_methods,
        reason = "a future that is dropped half way would leave the clock there, and nobody is told"
    )]
    pub(crate) async fn move_to_the_end(&self, ahead: Move) -> Result<(), ClockError> {
        let fake = self.clone();
        let moved = tokio::spawn(async move {
            match ahead {
                Move::To(instant) => fake.advance_to(instant).await,
                Move::By(duration) => fake.advance_by(duration).await,
            }
        });
        let broke_off = |_| Err(ClockError::BrokeOff { at: self.now() });
        moved.await.unwrap_or_else(broke_off)
    }

    /// Runs whatever is due now. For a clock that flows: call it every second.
    pub async fn tick(&self) {
        let _one_at_a_time = self.inner.moves.lock().await;
        let mut budget = Budget(Vec::new());
        loop {
            let now = self.now();
            let Some((_, due)) = self.earliest_due(now, now) else {
                return;
            };
            if let Err(error) = self.run_due(due, &mut budget).await {
                tracing::error!(error = %error, "a schedule does not get done");
                return;
            }
        }
    }

    async fn move_to(&self, t: Timestamp) -> Result<(), ClockError> {
        let now = self.now();
        if t < now {
            return Err(ClockError::Backwards { now, asked: t });
        }
        let mut budget = Budget(Vec::new());
        while let Some((at, due)) = self.earliest_due(self.now(), t) {
            if at > self.now() {
                self.set_clock(at)?;
                budget = Budget(Vec::new());
            }
            self.run_due(due, &mut budget).await?;
        }
        if t > self.now() {
            self.set_clock(t)?;
        }
        Ok(())
    }

    fn set_clock(&self, at: Timestamp) -> Result<(), ClockError> {
        let clock = &self.inner.clock;
        let ahead = clock.offset() + at.duration_since(clock.now());
        let moved = Change::ClockMoved {
            now: at,
            offset_ms: i64::try_from(ahead.as_millis()).unwrap_or(0),
        };
        let kept = lock(&self.inner.kept).commit(vec![moved]);
        kept.map_err(ClockError::Storage)?;
        clock.set(at);
        Ok(())
    }

    /// What falls due first, not after `until`; what was due before `now`
    /// counts as due at `now`. The clock is not read here: where it flows, a
    /// second reading would lie after `until`, and nothing would ever be due.
    fn earliest_due(&self, now: Timestamp, until: Timestamp) -> Option<(Timestamp, Due)> {
        let schedules = Arc::clone(&lock(&self.inner.schedules));
        let has_target = self.has_target();
        let (event, ending, approval, start, end) = {
            let kept = lock(&self.inner.kept);
            let event = has_target.then(|| kept.state.next_event()).flatten();
            let start = kept.state.next_start();
            let end = kept.state.next_expiry();
            let ending = kept.state.next_ending();
            let approval = kept.state.next_approval();
            (
                event.map(|(sequence, at)| (at, Due::Event(sequence))),
                ending.map(|(at, agreement, days)| {
                    (at, Due::Ending(agreement.agreement_id.clone(), days))
                }),
                approval.map(|(at, agreement)| (at, Due::Approval(agreement.agreement_id.clone()))),
                start.map(|(at, agreement)| (at, Due::Start(agreement.agreement_id.clone()))),
                end.map(|(at, agreement)| (at, Due::End(agreement.agreement_id.clone()))),
            )
        };
        let scheduled = schedules
            .iter()
            .enumerate()
            .filter_map(|(index, schedule)| Some(((schedule.next)(now)?, Due::Schedule(index))));
        event
            .into_iter()
            .chain(ending)
            .chain(approval)
            .chain(start)
            .chain(end)
            .chain(scheduled)
            .map(|(at, due)| (at.max(now), due))
            .filter(|(at, _)| *at <= until)
            .min()
    }

    async fn run_due(&self, due: Due, budget: &mut Budget) -> Result<(), ClockError> {
        match due {
            Due::Event(sequence) => self.deliver(sequence).await,
            Due::Ending(id, days) => settled(self.tell_ending(&id, days))?,
            Due::Approval(id) => settled(self.approve_cancellation(&id))?,
            Due::Start(id) => settled(self.begin(&id))?,
            Due::End(id) => settled(self.reach_end(&id))?,
            Due::Schedule(index) => {
                let schedules = Arc::clone(&lock(&self.inner.schedules));
                let Some(schedule) = schedules.get(index) else {
                    return Ok(());
                };
                let at = self.now();
                budget.spend(index).map_err(|runs| ClockError::Stuck {
                    schedule: schedule.name.clone(),
                    runs,
                    at,
                })?;
                (schedule.run)(at).await;
            }
        }
        Ok(())
    }
}
