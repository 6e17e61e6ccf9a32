//! AWS's side: it accepts everything within its limit, and counts.

use std::collections::{HashSet, VecDeque};

use domain::hour::after;
use domain::ids::Dimension;
use domain::metering::{
    CallAnswer, CallFailure, MAX_RECORDS_PER_CALL, Refusal, UsageRecord, Verdict,
};
use jiff::{SignedDuration, Timestamp};

use super::backlog::number_of;

/// Calls that AWS takes in any second.
const CALLS_A_SECOND: usize = 10;

#[derive(Default)]
pub(super) struct Aws {
    /// When the latest calls came, as many as a second holds.
    latest: VecDeque<Timestamp>,
    calls: u64,
    accepted: HashSet<(u64, Dimension)>,
    sent_twice: u64,
    beyond_limit: u64,
    too_large: u64,
}

impl Aws {
    /// Takes a call that comes now.
    pub(super) fn take(
        &mut self,
        records: &[UsageRecord],
        now: Timestamp,
    ) -> Result<CallAnswer, CallFailure> {
        self.calls += 1;
        self.too_large += u64::from(records.len() > MAX_RECORDS_PER_CALL);
        self.latest.push_back(now);
        if self.latest.len() > CALLS_A_SECOND
            && let Some(tenth_before) = self.latest.pop_front()
            && now < after(tenth_before, SignedDuration::from_secs(1))
        {
            self.beyond_limit += 1;
            return Err(CallFailure::Refused(Refusal::Throttled));
        }
        let verdicts = records.iter().map(|record| {
            let key = (number_of(record.license.id()), record.dimension.clone());
            self.sent_twice += u64::from(!self.accepted.insert(key));
            let success = Verdict::Success {
                metering_record_id: Some(format!("m-{}", self.accepted.len())),
            };
            (record.key(), success)
        });
        Ok(CallAnswer {
            verdicts: verdicts.collect(),
        })
    }

    pub(super) fn calls(&self) -> u64 {
        self.calls
    }

    pub(super) fn accepted(&self) -> u64 {
        self.accepted.len() as u64
    }

    /// Whether the promises held.
    pub(super) fn check(&self) -> anyhow::Result<()> {
        anyhow::ensure!(
            self.beyond_limit == 0 && self.sent_twice == 0 && self.too_large == 0,
            "{} calls beyond ten in a second, {} records sent twice, {} calls of over 25 records",
            self.beyond_limit,
            self.sent_twice,
            self.too_large
        );
        Ok(())
    }
}
