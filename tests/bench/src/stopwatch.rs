//! Wall time: the one place of the benchmarks that reads the machine's clock.

use std::time::{Duration, Instant};

/// Adds up the wall time of what it is held over.
#[derive(Debug, Default)]
pub(crate) struct Stopwatch {
    total: Duration,
}

impl Stopwatch {
    /// Runs, and adds what it took.
    pub(crate) fn time<T>(&mut self, run: impl FnOnce() -> T) -> T {
        let began = now();
        let result = run();
        self.total += began.elapsed();
        result
    }

    /// What was added so far.
    pub(crate) fn total(&self) -> Duration {
        self.total
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "what is measured here is the machine's time"
)]
fn now() -> Instant {
    Instant::now()
}

/// How many of these happen in a second, rounded down.
pub(crate) fn per_second(count: u64, time: Duration) -> u64 {
    let nanos = time.as_nanos().max(1);
    u64::try_from(u128::from(count) * 1_000_000_000 / nanos).unwrap_or(u64::MAX)
}
