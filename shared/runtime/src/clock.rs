//! The system's clock and randomness.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use app::Clock;
use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::interceptors::context::BeforeDeserializationInterceptorContextRef;
use aws_smithy_runtime_api::client::interceptors::{Intercept, dyn_dispatch_hint};
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::config_bag::ConfigBag;
use domain::hour::after;
use jiff::fmt::rfc2822;
use jiff::{SignedDuration, Timestamp};
use uuid::Uuid;

/// By how much the system's clock may differ from AWS's and still be believed.
/// A `Date` names whole seconds, and an answer is some time under way.
const BELIEVED_WITHIN: SignedDuration = SignedDuration::from_secs(20);

/// Time and randomness as the operating system gives them; time as AWS has it
/// where the two differ by more than 20 seconds.
///
/// Whoever judges a deadline by a wrong clock loses usage: that of the hour in
/// which a license ended has no other slot once that one is frozen, 45 minutes
/// after the end. Each of DynamoDB's answers says what time it is there, and a run
/// of posting or submission asks something before it judges anything.
#[derive(Debug, Clone, Default)]
pub struct SystemClock {
    /// How many seconds AWS's clock is ahead of the system's.
    aws_ahead: Arc<AtomicI64>,
}

impl SystemClock {
    /// Follows AWS's clock from now on if it differs too much from the system's.
    pub fn told(&self, aws: Timestamp) {
        let ahead = aws.duration_since(system_time());
        let ahead = if ahead.abs() > BELIEVED_WITHIN {
            ahead.as_secs()
        } else {
            0
        };
        let before = self.aws_ahead.swap(ahead, Ordering::Relaxed);
        if before == 0 && ahead != 0 {
            tracing::error!(
                aws_ahead_seconds = ahead,
                "the system's clock is wrong: AWS's is followed"
            );
        }
    }
}

/// Tells a clock the date of every answer of AWS.
#[derive(Debug)]
pub(crate) struct Dated(pub(crate) SystemClock);

#[dyn_dispatch_hint]
impl Intercept for Dated {
    fn name(&self) -> &'static str {
        "Dated"
    }

    fn read_after_transmit(
        &self,
        context: &BeforeDeserializationInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let date = context.response().headers().get("date");
        if let Some(aws) = date.and_then(|date| rfc2822::parse(date).ok()) {
            self.0.told(aws.timestamp());
        }
        Ok(())
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "this is where the time that is an argument everywhere else comes from"
)]
pub(crate) fn system_time() -> Timestamp {
    Timestamp::now()
}

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        let ahead = self.aws_ahead.load(Ordering::Relaxed);
        after(system_time(), SignedDuration::from_secs(ahead))
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
        let clock = SystemClock::default();
        let until = clock.now() + Duration::from_millis(20);
        clock.wait(until).await;
        assert!(clock.now() >= until);
        clock.wait(Timestamp::MIN).await;
    }

    #[test]
    fn a_clock_that_differs_from_aws_s_follows_it_and_one_that_does_not_stays() {
        let clock = SystemClock::default();
        let minutes = SignedDuration::from_mins;
        for (told, followed) in [
            (minutes(-50), minutes(-50)),
            (SignedDuration::from_secs(5), SignedDuration::ZERO),
            (minutes(50), minutes(50)),
            (SignedDuration::from_secs(-5), SignedDuration::ZERO),
        ] {
            clock.told(after(system_time(), told));
            let ahead = clock.now().duration_since(system_time());
            assert!(
                (ahead - followed).abs() < SignedDuration::from_secs(3),
                "{told} {ahead}"
            );
        }
    }

    #[test]
    fn every_bit_of_a_random_number_varies() {
        let drawn: Vec<u128> = (0..256).map(|_| SystemClock::default().random()).collect();
        let ever_set = drawn.iter().fold(0, |bits, number| bits | number);
        let ever_clear = drawn.iter().fold(0, |bits, number| bits | !number);
        assert_eq!(ever_set, u128::MAX);
        assert_eq!(ever_clear, u128::MAX);
    }
}
