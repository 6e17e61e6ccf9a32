//! Time: the one place of the benchmarks that reads the machine's clocks.

use std::iter::Sum;
use std::ops::{Add, AddAssign, Sub};
use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};

/// What passed on the wall, and how much of it this thread ran: the two differ
/// on a machine that others use as well.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Time {
    /// On the wall.
    pub(crate) wall: Duration,
    /// Of this thread, on a processor.
    pub(crate) cpu: Duration,
}

impl Add for Time {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            wall: self.wall.saturating_add(other.wall),
            cpu: self.cpu.saturating_add(other.cpu),
        }
    }
}

impl Sub for Time {
    type Output = Self;

    fn sub(self, other: Self) -> Self {
        Self {
            wall: self.wall.saturating_sub(other.wall),
            cpu: self.cpu.saturating_sub(other.cpu),
        }
    }
}

impl AddAssign for Time {
    fn add_assign(&mut self, other: Self) {
        *self = *self + other;
    }
}

impl Sum for Time {
    fn sum<I: Iterator<Item = Self>>(times: I) -> Self {
        times.fold(Self::default(), Add::add)
    }
}

/// Adds up the time between its starts and stops.
#[derive(Debug, Clone, Default)]
pub(crate) struct Stopwatch {
    total: Time,
    started: Option<(Instant, Duration)>,
}

impl Stopwatch {
    /// A watch that counts from now on.
    pub(crate) fn started() -> Self {
        let mut watch = Self::default();
        watch.start();
        watch
    }

    /// Counts from now on.
    pub(crate) fn start(&mut self) {
        self.started = Some((instant(), thread_time()));
    }

    /// Adds what passed since the start; all that was added so far.
    pub(crate) fn stop(&mut self) -> Time {
        if let Some((wall, cpu)) = self.started.take() {
            self.total += Time {
                wall: wall.elapsed(),
                cpu: thread_time().saturating_sub(cpu),
            };
        }
        self.total
    }
}

/// Now, by a clock that only goes forward.
#[expect(
    clippy::disallowed_methods,
    reason = "what is measured here is the machine's time"
)]
pub(crate) fn instant() -> Instant {
    Instant::now()
}

/// How long this thread has run.
fn thread_time() -> Duration {
    Duration::try_from(clock_gettime(ClockId::ThreadCPUTime)).unwrap_or_default()
}

/// How long all threads of this process have run.
pub(crate) fn process_time() -> Duration {
    Duration::try_from(clock_gettime(ClockId::ProcessCPUTime)).unwrap_or_default()
}

/// How many of these happen in a second, rounded down.
pub(crate) fn per_second(count: u64, time: Duration) -> u64 {
    let nanos = time.as_nanos().max(1);
    u64::try_from(u128::from(count) * 1_000_000_000 / nanos).unwrap_or(u64::MAX)
}
