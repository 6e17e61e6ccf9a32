//! Keeping within AWS's limits of calls: so far apart, and again when AWS refuses a
//! call as one too many or does not answer, a few times, ever later.
//!
//! A limit is an account's and an operation's (Service quotas for the Agreement
//! API: 5 calls a second of SearchAgreements and DescribeAgreement; 20 of
//! GetEntitlements), and functions run at the same time: each takes less than half.

use domain::hour::after;
use jiff::{SignedDuration, Timestamp};
use marketplace::ReadError;

use crate::Clock;

/// How often in a row a call is repeated.
const REPEATS: u32 = 4;

/// How long after a failure it is repeated first; then twice as long each time.
const REPEATED_AFTER: SignedDuration = SignedDuration::from_secs(1);

/// When the calls of a run are made.
#[derive(Debug)]
pub(crate) struct Pace {
    apart: SignedDuration,
    next: Timestamp,
    failed: u32,
}

impl Pace {
    /// Two a second.
    pub(crate) const TWO_A_SECOND: Self = Self::of(SignedDuration::from_millis(500));

    /// Four a second.
    pub(crate) const FOUR_A_SECOND: Self = Self::of(SignedDuration::from_millis(250));

    const fn of(apart: SignedDuration) -> Self {
        Self {
            apart,
            next: Timestamp::MIN,
            failed: 0,
        }
    }

    /// Waits until the next call may be made.
    pub(crate) async fn turn(&mut self, clock: &dyn Clock) {
        if clock.now() < self.next {
            clock.wait(self.next).await;
        }
        self.next = after(clock.now().max(self.next), self.apart);
    }

    /// What a call's answer is, unless the call is to be repeated in its turn.
    pub(crate) fn settled<T>(
        &mut self,
        answer: Result<T, ReadError>,
        now: Timestamp,
    ) -> Option<Result<T, ReadError>> {
        let may_pass = match &answer {
            Err(ReadError::Throttled | ReadError::Unavailable(_)) => true,
            Err(
                ReadError::Unknown
                | ReadError::Refused(_)
                | ReadError::TooManyPages(_)
                | ReadError::Incomplete(_),
            )
            | Ok(_) => false,
        };
        if may_pass && self.failed < REPEATS {
            self.next = after(now, REPEATED_AFTER * (1 << self.failed));
            self.failed += 1;
            return None;
        }
        // While AWS stays silent, the next calls are made once each.
        if !may_pass {
            self.failed = 0;
        }
        Some(answer)
    }
}
