//! The system's clock and randomness.

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use app::Clock;
use jiff::Timestamp;
use uuid::Uuid;

/// Time and randomness as the operating system gives them.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(
        clippy::disallowed_methods,
        reason = "this is where the time that is an argument everywhere else comes from"
    )]
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }

    #[expect(
        clippy::disallowed_methods,
        reason = "this is where the randomness that is an argument everywhere else comes from"
    )]
    fn random(&self) -> u128 {
        // A version 4 UUID fixes six bits near its middle: only its ends are used.
        let ends = || {
            let drawn = Uuid::new_v4().as_u128();
            ((drawn >> 96) << 32) | (drawn & u128::from(u32::MAX))
        };
        (ends() << 64) | ends()
    }

    #[expect(
        clippy::disallowed_methods,
        reason = "calls to AWS are a tenth of a second apart, and nothing else tells when that is over"
    )]
    fn wait(&self, until: Timestamp) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        let left = Duration::try_from(until.duration_since(self.now())).unwrap_or_default();
        Box::pin(tokio::time::sleep(left))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_instant_is_waited_for_and_one_that_has_passed_is_not() {
        let until = SystemClock.now() + Duration::from_millis(20);
        SystemClock.wait(until).await;
        assert!(SystemClock.now() >= until);
        SystemClock.wait(Timestamp::MIN).await;
    }

    #[test]
    fn every_bit_of_a_random_number_varies() {
        let drawn: Vec<u128> = (0..256).map(|_| SystemClock.random()).collect();
        let ever_set = drawn.iter().fold(0, |bits, number| bits | number);
        let ever_clear = drawn.iter().fold(0, |bits, number| bits | !number);
        assert_eq!(ever_set, u128::MAX);
        assert_eq!(ever_clear, u128::MAX);
    }
}
