//! AWS Marketplace's metering as the simulator plays it, written from
//! `aws-marketplace.md` alone. It remembers every call and the one record that
//! it accepted for each license, dimension and hour.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use domain::hour::{Hour, after};
use domain::ids::{AwsAccountId, Dimension, LicenseArn, LicenseId};
use domain::ledger::record::blames_a_record;
use domain::license::UnknownCover;
use domain::metering::{
    CallAnswer, CallFailure, MAX_RECORDS_PER_CALL, NoAnswer, Refusal, UsageRecord, Verdict,
};
use domain::quantity::Quantity;
use jiff::tz::Offset;
use jiff::{SignedDuration, Timestamp, ToSpan};

use crate::world::Caller;

/// For how long AWS may go on taking usage of a license that was renewed by
/// another one: nothing is said of it, so both is played.
const OVERLAP: SignedDuration = SignedDuration::from_mins(90);

/// What AWS tells one usage from another by.
pub type DedupKey = (LicenseId, Dimension, Hour);

/// AWS's side.
#[derive(Debug, Clone, Default)]
pub struct Aws {
    /// What it accepted, the first for ever.
    pub accepted: BTreeMap<DedupKey, UsageRecord>,
    /// Every call.
    pub calls: Vec<CallMade>,
    /// What was sent under each key, accepted or not.
    pub sent: BTreeMap<DedupKey, Sent>,
    /// Sends that were not what was sent first under their key.
    pub changed: Vec<UsageRecord>,
    /// Calls that no seller may make: too many records, or of two products.
    pub malformed: usize,
    /// Faults to come, one a call.
    pub faults: VecDeque<CallFault>,
    /// Every call fails with 500 until this instant.
    pub down_until: Option<Timestamp>,
    /// When each license became active.
    pub active_since: BTreeMap<LicenseId, Timestamp>,
    /// When each license that ended was deprovisioned.
    pub ended: BTreeMap<LicenseId, Timestamp>,
    /// The licenses that were renewed by others, and whether their usage is
    /// taken for a while after their end.
    pub overlaps: BTreeMap<LicenseId, bool>,
    /// Licenses whose buyer's account is suspended.
    pub suspended: BTreeSet<LicenseId>,
    /// Licenses of another product.
    pub second_product: BTreeSet<LicenseId>,
    /// Dimensions that do not exist yet.
    pub missing: BTreeSet<Dimension>,
    /// Licenses that it has not propagated yet.
    pub unpropagated: BTreeSet<LicenseId>,
    /// A license whose records make every call fail with 500.
    pub always_fails: BTreeSet<LicenseId>,
    /// Single records that it refuses or fails on, whatever call they are in.
    pub poison: BTreeMap<DedupKey, Poison>,
    /// Whether it no longer does.
    pub poison_is_mended: bool,
    /// What a call held that was not answered.
    pub unanswered: BTreeSet<DedupKey>,
    /// What was answered as accepted, and in whose call last.
    pub answered: BTreeMap<DedupKey, Option<usize>>,
    /// What somebody else metered.
    pub foreign: BTreeSet<DedupKey>,
    /// When it did not say what the first license's contract covers, if ever.
    pub cover: Option<Cover>,
    /// When one period of the first license's contract followed another.
    pub renewed: BTreeSet<Timestamp>,
    /// Whether an identical retry answers DuplicateRecord instead of Success.
    pub retry_is_duplicate: bool,
}

/// That it is not known, or was not, what a contract covers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cover {
    /// Since when, and of which usage.
    pub unknown: UnknownCover,
    /// When AWS answered.
    pub known_at: Option<Timestamp>,
}

/// What AWS does with a call for one record's sake.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Poison {
    /// It refuses it.
    Refused,
    /// It fails with 500.
    Failed,
}

/// One call.
#[derive(Debug, Clone, Copy)]
pub struct CallMade {
    /// When it came.
    pub at: Timestamp,
    /// Who made it, where that is known.
    pub by: Option<Caller>,
    /// How many records it held.
    pub records: usize,
    /// Whether they are the second product's.
    pub second_product: bool,
    /// Whether it held one of a license of which the ledger knew that it had ended.
    pub ending: bool,
    /// Why it was made.
    pub cause: Cause,
    /// How many of its records AWS refuses, or fails on, for their own sake.
    pub poison: usize,
    /// How it ended.
    pub end: CallEnd,
}

/// Why a call was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    /// Its records are due.
    Due,
    /// Every one of its records was in a call of the same run before.
    Again,
    /// Its only record had made an earlier run's call of its own fail.
    KnownToFail,
}

/// How a call ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CallEnd {
    /// Answered, record by record.
    Answered,
    /// Refused whole, or failed.
    Failed {
        /// Whether one of its records is to blame as far as a caller can tell:
        /// it was refused, or it is not the first that failed with one of them.
        blames: bool,
    },
}

/// What was sent under a key.
#[derive(Debug, Clone)]
pub struct Sent {
    /// What came first; all others should equal it.
    pub first: UsageRecord,
    /// Each time that it came.
    pub attempts: Vec<Attempt>,
    /// When, and in whose call, it was accepted.
    pub accepted: Option<(Timestamp, Option<usize>)>,
    /// Whether a call of it alone failed.
    failed_alone: bool,
}

/// A record's being in a call.
#[derive(Debug, Clone, Copy)]
pub struct Attempt {
    /// When.
    pub at: Timestamp,
    /// In whose call, where that is known.
    pub by: Option<Caller>,
    /// Whether it was answered that the buyer is not subscribed.
    pub not_subscribed: bool,
}

/// A fault of one call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CallFault {
    /// Refused as too many.
    Throttle,
    /// Failed before anything was done.
    ServerError,
    /// Done, and the answer lost.
    LostAnswer,
    /// So many records, from the last, are left unprocessed.
    Unprocessed(u8),
    /// Refused with a code that nobody knows.
    UnknownRefusal,
    /// Access denied.
    AccessDenied,
}

impl Aws {
    /// Answers a call. `ending` says whether it holds a record of a license of
    /// which the ledger knows that it has ended.
    ///
    /// # Errors
    /// [`CallFailure`] as AWS fails it.
    pub fn send(
        &mut self,
        records: &[UsageRecord],
        now: Timestamp,
        by: Option<Caller>,
        ending: bool,
    ) -> Result<CallAnswer, CallFailure> {
        let keys: Vec<DedupKey> = records.iter().map(key_of).collect();
        let cause = self.cause(&keys, by);
        let failed_before = keys.iter().any(|key| self.unanswered.contains(key));
        self.remember(records, &keys, now, by);
        let poison = records.iter().filter(|r| self.is_poison(r)).count();
        let answer = self.answer(records, now, by);
        let end = match &answer {
            Ok(_) => CallEnd::Answered,
            Err(failure) => CallEnd::Failed {
                blames: match failure {
                    CallFailure::Refused(refusal) => blames_a_record(refusal),
                    CallFailure::NoAnswer(NoAnswer::ServerError(_)) => failed_before,
                    CallFailure::NoAnswer(
                        NoAnswer::TimedOut | NoAnswer::Connection | NoAnswer::NotUnderstood,
                    ) => false,
                },
            },
        };
        self.calls.push(CallMade {
            at: now,
            by,
            records: records.len(),
            second_product: records.iter().any(|r| self.is_second_product(r)),
            ending,
            cause,
            poison,
            end,
        });
        if let (CallEnd::Failed { .. }, [alone]) = (end, keys.as_slice())
            && let Some(sent) = self.sent.get_mut(alone)
        {
            sent.failed_alone = true;
        }
        if let Err(CallFailure::NoAnswer(_)) = answer {
            self.unanswered.extend(keys);
        }
        answer
    }

    fn cause(&self, keys: &[DedupKey], by: Option<Caller>) -> Cause {
        let run = by.map(|by| by.number);
        let before = |key: &DedupKey| {
            let sent = self.sent.get(key).filter(|_| run.is_some());
            sent.is_some_and(|sent| sent.attempts.iter().any(|attempt| attempt.run() == run))
        };
        match keys {
            [alone] if self.sent.get(alone).is_some_and(|sent| sent.failed_alone) => {
                Cause::KnownToFail
            }
            keys if keys.iter().all(before) => Cause::Again,
            _ => Cause::Due,
        }
    }

    fn is_second_product(&self, record: &UsageRecord) -> bool {
        self.second_product.contains(record.license.id())
    }

    /// Whether AWS refuses a call, or fails on it, for this record's sake.
    pub fn is_poison(&self, record: &UsageRecord) -> bool {
        let license = record.license.id();
        self.missing.contains(&record.dimension)
            || self.unpropagated.contains(license)
            || self.always_fails.contains(license)
            || self.poison_of(record).is_some()
    }

    fn poison_of(&self, record: &UsageRecord) -> Option<Poison> {
        if self.poison.is_empty() || self.poison_is_mended {
            return None;
        }
        self.poison.get(&key_of(record)).copied()
    }

    /// What was refused, or failed on, for records' own sake no longer is.
    pub fn mend(&mut self) {
        self.missing.clear();
        self.unpropagated.clear();
        self.always_fails.clear();
        self.poison_is_mended = true;
    }

    fn answer(
        &mut self,
        records: &[UsageRecord],
        now: Timestamp,
        by: Option<Caller>,
    ) -> Result<CallAnswer, CallFailure> {
        let second = records.iter().filter(|r| self.is_second_product(r)).count();
        let mixed = second > 0 && second < records.len();
        if records.len() > MAX_RECORDS_PER_CALL || mixed || records.is_empty() {
            self.malformed += 1;
            return Err(CallFailure::Refused(Refusal::Unrecognized(
                "ValidationException".to_owned(),
            )));
        }
        if self.down_until.is_some_and(|until| now < until) {
            return Err(CallFailure::NoAnswer(NoAnswer::ServerError(500)));
        }
        let fault = self.faults.pop_front();
        match fault {
            Some(CallFault::Throttle) => return Err(CallFailure::Refused(Refusal::Throttled)),
            Some(CallFault::ServerError) => {
                return Err(CallFailure::NoAnswer(NoAnswer::ServerError(500)));
            }
            Some(CallFault::AccessDenied) => {
                return Err(CallFailure::Refused(Refusal::AccessDenied));
            }
            Some(CallFault::UnknownRefusal) => {
                return Err(CallFailure::Refused(Refusal::Unrecognized(
                    "NewException".to_owned(),
                )));
            }
            Some(CallFault::LostAnswer | CallFault::Unprocessed(_)) | None => {}
        }
        self.check(records, now)?;
        let left = match fault {
            Some(CallFault::Unprocessed(left)) => usize::from(left),
            Some(
                CallFault::Throttle
                | CallFault::ServerError
                | CallFault::LostAnswer
                | CallFault::UnknownRefusal
                | CallFault::AccessDenied,
            )
            | None => 0,
        };
        let processed = records.len().saturating_sub(left);
        let mut verdicts = Vec::with_capacity(records.len());
        for (place, record) in records.iter().enumerate() {
            let verdict = if place < processed {
                self.judge(record, now)
            } else {
                Verdict::Unprocessed
            };
            verdicts.push((record.key(), verdict));
        }
        if fault == Some(CallFault::LostAnswer) {
            return Err(CallFailure::NoAnswer(NoAnswer::TimedOut));
        }
        let accepted = records.iter().zip(&verdicts);
        let accepted =
            accepted.filter(|(_, (_, verdict))| matches!(verdict, Verdict::Success { .. }));
        let run = by.map(|by| by.number);
        self.answered
            .extend(accepted.map(|(record, _)| (key_of(record), run)));
        // The order of results is not documented.
        verdicts.reverse();
        Ok(CallAnswer { verdicts })
    }

    /// Somebody else meters an hour of a license.
    pub fn meter_elsewhere(&mut self, license: LicenseArn, dimension: Dimension, now: Timestamp) {
        let hour = Hour::of(now);
        let key = (license.id().clone(), dimension.clone(), hour);
        let (Ok(buyer), Ok(quantity)) = (AwsAccountId::parse("000000000042"), Quantity::new(7_777))
        else {
            return;
        };
        if !self.accepted.contains_key(&key) {
            self.foreign.insert(key.clone());
            let record = UsageRecord {
                buyer,
                license,
                dimension,
                timestamp: hour.start(),
                quantity,
                allocations: Vec::new(),
            };
            self.accepted.insert(key, record);
        }
    }

    fn remember(
        &mut self,
        records: &[UsageRecord],
        keys: &[DedupKey],
        now: Timestamp,
        by: Option<Caller>,
    ) {
        for (record, key) in records.iter().zip(keys) {
            let attempt = Attempt {
                at: now,
                by,
                not_subscribed: false,
            };
            if let Some(sent) = self.sent.get_mut(key) {
                if sent.first != *record {
                    self.changed.push(record.clone());
                }
                sent.attempts.push(attempt);
            } else {
                let sent = Sent {
                    first: record.clone(),
                    attempts: vec![attempt],
                    accepted: None,
                    failed_alone: false,
                };
                self.sent.insert(key.clone(), sent);
            }
        }
    }

    /// What refuses, or fails, a whole call.
    fn check(&self, records: &[UsageRecord], now: Timestamp) -> Result<(), CallFailure> {
        for record in records {
            let license = record.license.id();
            let poison = self.poison_of(record);
            if self.always_fails.contains(license) || poison == Some(Poison::Failed) {
                return Err(CallFailure::NoAnswer(NoAnswer::ServerError(500)));
            }
            let early = self
                .active_since
                .get(license)
                .is_none_or(|since| record.timestamp < *since);
            let refusal = if self.missing.contains(&record.dimension) {
                Refusal::InvalidUsageDimension
            } else if early || self.unpropagated.contains(license) {
                Refusal::InvalidLicense
            } else if record.timestamp > now || too_old(record.timestamp, now) {
                Refusal::TimestampOutOfBounds
            } else if poison == Some(Poison::Refused) {
                Refusal::InvalidTag
            } else if !adds_up(record) {
                Refusal::InvalidUsageAllocations
            } else {
                continue;
            };
            return Err(CallFailure::Refused(refusal));
        }
        Ok(())
    }

    fn judge(&mut self, record: &UsageRecord, now: Timestamp) -> Verdict {
        let key = key_of(record);
        if let Some(accepted) = self.accepted.get(&key) {
            return if accepted == record && !self.retry_is_duplicate {
                success(record)
            } else {
                Verdict::DuplicateRecord
            };
        }
        let over = self.ended.get(record.license.id()).is_some_and(|ended| {
            let overlaps = self.overlaps.get(record.license.id()) == Some(&true);
            let ended = after(
                *ended,
                if overlaps {
                    OVERLAP
                } else {
                    SignedDuration::ZERO
                },
            );
            now >= after(ended, SignedDuration::from_mins(60)) || record.timestamp > ended
        });
        let refused = over || self.suspended.contains(record.license.id());
        if let Some(sent) = self.sent.get_mut(&key)
            && let Some(attempt) = sent.attempts.last_mut()
        {
            attempt.not_subscribed = refused;
            sent.accepted = (!refused).then_some((now, attempt.run()));
        }
        if refused {
            return Verdict::CustomerNotSubscribed;
        }
        self.accepted.insert(key, record.clone());
        success(record)
    }
}

impl Attempt {
    fn run(&self) -> Option<usize> {
        self.by.map(|by| by.number)
    }
}

fn success(record: &UsageRecord) -> Verdict {
    Verdict::Success {
        metering_record_id: Some(format!("m-{}", record.timestamp)),
    }
}

/// What AWS tells one usage from another by.
pub fn key_of(record: &UsageRecord) -> DedupKey {
    (
        record.license.id().clone(),
        record.dimension.clone(),
        Hour::of(record.timestamp),
    )
}

/// Older than 24 hours, or of last month after 06:00 on the 1st.
fn too_old(timestamp: Timestamp, now: Timestamp) -> bool {
    let day = now.duration_since(timestamp) >= SignedDuration::from_hours(24);
    let month = |instant| Offset::UTC.to_datetime(instant).date().first_of_month();
    let next = month(timestamp).checked_add(1.month());
    let cut_off = next.map(|first| first.at(6, 0, 0, 0));
    day || cut_off.is_ok_and(|cut_off| Offset::UTC.to_datetime(now) >= cut_off)
}

/// Whether the allocations are none, or as many as the quantity, at most 2,500.
fn adds_up(record: &UsageRecord) -> bool {
    let sum: u64 = record
        .allocations
        .iter()
        .map(|allocation| u64::from(allocation.quantity.get()))
        .sum();
    record.allocations.is_empty()
        || (record.allocations.len() <= 2_500 && sum == u64::from(record.quantity.get()))
}
