//! AWS's limits of calls a second, by operation; DynamoDB has none here.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Mutex;

use jiff::{SignedDuration, Timestamp};

use crate::Inner;
use crate::config::RateLimit;
use crate::lock;

/// How many calls of an operation AWS takes a second, where it says so. For
/// `GetAgreementTerms` its two pages of quotas say 5 and 10: the smaller.
const CALLS_A_SECOND: [(&str, usize); 7] = [
    ("BatchMeterUsage", 10),
    ("GetEntitlements", 20),
    ("DescribeAgreement", 5),
    ("SearchAgreements", 5),
    ("GetAgreementTerms", 5),
    ("GetAgreementEntitlements", 10),
    ("ListAgreementInvoiceLineItems", 10),
];

/// Instants of the latest calls that were taken, by operation.
#[derive(Debug, Default)]
pub(crate) struct RecentCalls(Mutex<BTreeMap<&'static str, VecDeque<Timestamp>>>);

impl RecentCalls {
    /// Whether a call at `now` keeps within the limit; if so, it counts.
    fn admit(&self, operation: &'static str, limit: usize, now: Timestamp) -> bool {
        let mut all = lock(&self.0);
        let calls = all.entry(operation).or_default();
        let second = SignedDuration::from_secs(1);
        while calls
            .front()
            .is_some_and(|at| now.duration_since(*at) >= second)
        {
            calls.pop_front();
        }
        let admitted = calls.len() < limit;
        if admitted {
            calls.push_back(now);
        }
        admitted
    }
}

impl Inner {
    /// Whether a call is one too many in its second.
    pub(crate) fn is_too_many(&self, operation: &'static str, now: Timestamp) -> bool {
        let is_limited = match self.config.readings.rate_limit {
            RateLimit::WhileClockFlows => self.clock.flows(),
            RateLimit::Always => true,
            RateLimit::Never => false,
        };
        let mut limits = CALLS_A_SECOND.iter();
        let limit = limits.find(|(name, _)| *name == operation);
        limit.is_some_and(|(_, limit)| {
            is_limited && !self.recent_calls.admit(operation, *limit, now)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_many_calls_of_an_operation_as_the_limit_fit_into_any_second() {
        let calls = RecentCalls::default();
        let at = |millis| Timestamp::from_millisecond(millis).unwrap();
        for call in 0..10 {
            assert!(calls.admit("BatchMeterUsage", 10, at(call * 10)));
        }
        assert!(!calls.admit("BatchMeterUsage", 10, at(999)));
        assert!(calls.admit("SearchAgreements", 5, at(999)));
        assert!(calls.admit("BatchMeterUsage", 10, at(1_000)));
        assert!(!calls.admit("BatchMeterUsage", 10, at(1_009)));
    }
}
