//! The fake's clock, as the use cases see it.

use std::future::{Future, ready};
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};

use app::Clock;
use domain::hour::after;
use fake_aws::FakeAws;
use jiff::{SignedDuration, Timestamp};
use runtime::clock::SystemClock;
use sha2::{Digest, Sha256};

/// The longest that a function waits.
const LONGEST_WAIT: SignedDuration = SignedDuration::from_secs(1);

/// Time from the fake. Random numbers are the machine's, or, where a run must
/// repeat, the hashes of a counter.
pub(crate) struct LocalClock {
    fake: FakeAws,
    draws: Option<AtomicU64>,
    system: SystemClock,
}

impl LocalClock {
    /// A clock over the fake's; `repeatable` for runs that must repeat.
    pub(crate) fn new(fake: FakeAws, repeatable: bool) -> Self {
        Self {
            fake,
            draws: repeatable.then(AtomicU64::default),
            system: SystemClock::default(),
        }
    }
}

impl Clock for LocalClock {
    fn now(&self) -> Timestamp {
        self.fake.now()
    }

    fn random(&self) -> u128 {
        let Some(draws) = &self.draws else {
            return self.system.random();
        };
        let draw = draws.fetch_add(1, Ordering::Relaxed);
        Sha256::digest(draw.to_be_bytes())
            .iter()
            .take(16)
            .fold(0, |bits, byte| bits << 8 | u128::from(*byte))
    }

    fn wait(&self, until: Timestamp) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        if !self.fake.clock_flows() {
            return Box::pin(ready(()));
        }
        // The functions run one after another here: what one waits for, nobody does.
        let left = until.duration_since(self.fake.now()).min(LONGEST_WAIT);
        self.system.wait(after(self.system.now(), left))
    }
}
