//! Wall time: the one place of the benchmarks that reads the machine's clock.

use std::time::{Duration, Instant};

/// Adds up the wall time between its starts and stops.
#[derive(Debug, Default)]
pub(crate) struct Stopwatch {
    total: Duration,
    started: Option<Instant>,
}

impl Stopwatch {
    /// Begins to count.
    #[expect(
        clippy::disallowed_methods,
        reason = "what is measured here is the machine's time"
    )]
    pub(crate) fn start(&mut self) {
        self.started = Some(Instant::now());
    }

    /// Adds what passed since the start.
    pub(crate) fn stop(&mut self) {
        self.total += self
            .started
            .take()
            .map_or(Duration::ZERO, |at| at.elapsed());
    }

    /// What was added so far.
    pub(crate) fn total(&self) -> Duration {
        self.total
    }
}

/// How many of these happen in a second, rounded down.
pub(crate) fn per_second(count: u64, time: Duration) -> u64 {
    let nanos = time.as_nanos().max(1);
    u64::try_from(u128::from(count) * 1_000_000_000 / nanos).unwrap_or(u64::MAX)
}
