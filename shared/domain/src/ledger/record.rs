//! A frozen usage record: attempts, AWS's answers, and the verdict.
//!
//! `attempts` and `unanswered` are raised *before* a send and `unanswered` is
//! lowered when AWS answers, so that after a crash anywhere the record says
//! whether an attempt may have been accepted.

use std::fmt::Write as _;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::hour::{Hour, after, before};
use crate::ids::ProductCode;
use crate::ledger::deadline::{CLOSED_AFTER_DEADLINE, accepted_until, surely_past};
use crate::license::LicenseEnd;
use crate::metering::{CallFailure, Refusal, UsageRecord, Verdict};
use crate::mutant;

/// Time until a record is sent again after an answer that accepts nothing.
pub const RETRY_AFTER: SignedDuration = SignedDuration::from_mins(1);

/// Time until a record that AWS refuses for its own sake, or whose buyer it
/// does not know as subscribed, is tried again.
pub const SET_ASIDE_FOR: SignedDuration = SignedDuration::from_mins(15);

/// A record that AWS refuses for its own sake raises an alarm when it is set
/// aside, and at every so many attempts: each four hours.
const TRIES_PER_ALARM: u32 = 16;

/// One record of a slot.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Record {
    /// The product: a call holds the records of one. Not sent.
    pub product: ProductCode,
    /// The slot's hour.
    pub slot: Hour,
    /// What is sent, field by field, the same at every attempt.
    pub usage: UsageRecord,
    /// SHA-256 of what is sent, in hexadecimal.
    pub fingerprint: String,
    /// Until when AWS accepts it, as known when it was frozen.
    pub deadline: Timestamp,
    /// Raised by every write.
    pub version: u64,
    /// How often it was sent, or was about to be.
    pub attempts: u32,
    /// How many of those attempts have no answer.
    pub unanswered: u32,
    /// What became of it.
    pub state: RecordState,
}

/// What became of a record.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "snake_case")]
pub enum RecordState {
    /// To be sent, or sent without an explicit verdict.
    Frozen {
        /// When it is to be sent next.
        due: Timestamp,
        /// Sent in a call of its own: AWS refused a call for its sake.
        alone: bool,
    },
    /// Accepted by AWS.
    Billed {
        /// AWS's metering record id, when it gave one.
        metering_record_id: Option<String>,
        /// What says so.
        evidence: Evidence,
        /// When we learned of it.
        at: Timestamp,
    },
    /// Not to be sent again.
    Closed {
        /// Why.
        reason: CloseReason,
        /// Since when.
        at: Timestamp,
    },
}

/// What says that AWS accepted a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Evidence {
    /// AWS answered Success.
    Success,
    /// AWS answered DuplicateRecord while an earlier attempt had no answer. Should
    /// every attempt turn out to be refused, the record that AWS holds is not ours.
    Duplicate,
    /// An operator or AWS's own reports found it.
    Finding,
}

/// Why a record is not to be sent again although AWS did not accept it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CloseReason {
    /// Every attempt was answered with a refusal until the deadline passed.
    Refused,
    /// AWS holds another record for the hour that is not ours.
    Conflict,
    /// The deadline passed and an attempt has no answer, or a restored table
    /// forgot what happened: it may be billed.
    Unknown,
    /// It was unknown, and an operator or AWS's own reports found that AWS had
    /// not accepted it. It is too late to send it again.
    WrittenOff,
}

/// Whether a record's deadline has passed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TimeLeft {
    /// It lies ahead.
    Some,
    /// It has passed by this clock, which may be an hour ahead: the record is
    /// neither sent nor closed.
    PerhapsNone,
    /// It has passed: the record is closed.
    None,
}

/// What was found out about a record whose outcome was unknown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Finding {
    /// AWS had accepted it.
    Accepted {
        /// AWS's metering record id, when it is known.
        metering_record_id: Option<String>,
    },
    /// AWS had not.
    NotAccepted,
}

/// The record is not closed as unknown, so there is nothing to be found out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the record's outcome is not unknown")]
pub struct NotUnknown;

/// What one attempt brought.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// AWS named the record.
    Verdict(Verdict),
    /// The whole call failed.
    Failed {
        /// How.
        failure: CallFailure,
        /// Whether the record was the only one of the call.
        alone: bool,
    },
    /// The call was answered, without a word on this record.
    NotMentioned,
}

/// What a person must hear of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Alarm {
    /// AWS refuses the record for its own sake.
    Poison,
    /// AWS does not know the buyer of a live license as subscribed.
    NotSubscribed,
    /// AWS finds the timestamp out of bounds though the deadline lies ahead: a clock is wrong.
    Clock,
    /// AWS holds another record for the hour.
    Conflict,
    /// The deadline passed and it is not known whether AWS accepted it.
    Unknown,
    /// The deadline passed and AWS accepted nothing.
    Refused,
}

/// A record after an attempt, and what to tell.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub struct Settlement {
    /// The record to store.
    pub record: Record,
    /// What a person must hear of.
    pub alarm: Option<Alarm>,
}

impl Record {
    /// A record at its freeze: the first attempt is counted before it is made.
    pub fn frozen(
        product: ProductCode,
        slot: Hour,
        usage: UsageRecord,
        deadline: Timestamp,
        now: Timestamp,
    ) -> Self {
        Self {
            product,
            slot,
            fingerprint: fingerprint(&usage),
            usage,
            deadline,
            version: 1,
            attempts: 1,
            unanswered: 1,
            state: RecordState::Frozen {
                due: after(now, RETRY_AFTER),
                alone: false,
            },
        }
    }

    /// Closes a record of which a restored table forgot whether it was sent,
    /// and whether AWS accepted it.
    pub fn unknown(&self, now: Timestamp) -> Settlement {
        self.close(CloseReason::Unknown, Alarm::Unknown, now)
    }

    /// Whether what would be sent is what was frozen.
    pub fn is_intact(&self) -> bool {
        self.fingerprint == fingerprint(&self.usage)
    }

    /// The record with another attempt counted, due again should no answer
    /// ever be stored. `None` when it is not to be sent: billed, closed or not due.
    #[must_use]
    pub fn attempted(&self, now: Timestamp) -> Option<Self> {
        let counted = u32::from(!mutant!(AttemptNotCounted));
        match self.state {
            RecordState::Frozen { due, alone } if due <= now => Some(Self {
                version: self.version + 1,
                attempts: self.attempts + counted,
                unanswered: self.unanswered + counted,
                state: RecordState::Frozen {
                    due: self.due_after(RETRY_AFTER, now),
                    alone,
                },
                ..self.clone()
            }),
            RecordState::Frozen { .. }
            | RecordState::Billed { .. }
            | RecordState::Closed { .. } => None,
        }
    }

    /// The record again with one more attempt counted, whether due or not: for
    /// a send that follows at once on a refused call.
    #[must_use]
    pub fn attempted_again(&self, now: Timestamp) -> Option<Self> {
        match self.state {
            RecordState::Frozen { alone, .. } => Self {
                state: RecordState::Frozen { due: now, alone },
                ..self.clone()
            }
            .attempted(now),
            RecordState::Billed { .. } | RecordState::Closed { .. } => None,
        }
    }

    /// When the record is sent again after a delay: at every chance when its
    /// deadline is near, for a clock an hour ahead would else put it off beyond that.
    fn due_after(&self, delay: SignedDuration, now: Timestamp) -> Timestamp {
        let near = before(self.deadline, CLOSED_AFTER_DEADLINE);
        let due = after(now, delay);
        if mutant!(PutOffBeyondItsDeadline) {
            due
        } else {
            due.min(near)
        }
    }

    /// Whether AWS may still accept the record.
    pub fn time_left(&self, end: Option<&LicenseEnd>, now: Timestamp) -> TimeLeft {
        let deadline = accepted_until(self.usage.timestamp, end);
        if now < deadline {
            TimeLeft::Some
        } else if surely_past(deadline, now) {
            TimeLeft::None
        } else {
            TimeLeft::PerhapsNone
        }
    }

    /// Closes a record that is not to be sent again: refused when every attempt
    /// was answered so, else unknown. What is terminal stays.
    pub fn given_up(&self, now: Timestamp) -> Settlement {
        if self.unanswered == 0 || mutant!(UnansweredClosedAsRefused) {
            self.close(CloseReason::Refused, Alarm::Refused, now)
        } else {
            self.close(CloseReason::Unknown, Alarm::Unknown, now)
        }
    }

    /// What was found out about a record whose outcome is unknown: an operator
    /// or AWS's reports say whether AWS had accepted it. It is never sent again.
    ///
    /// # Errors
    /// [`NotUnknown`] when the record is in any other state.
    pub fn found(&self, finding: &Finding, now: Timestamp) -> Result<Self, NotUnknown> {
        let RecordState::Closed {
            reason: CloseReason::Unknown,
            ..
        } = self.state
        else {
            return Err(NotUnknown);
        };
        Ok(Self {
            version: self.version + 1,
            state: match finding {
                Finding::Accepted { metering_record_id } => RecordState::Billed {
                    metering_record_id: metering_record_id.clone(),
                    evidence: Evidence::Finding,
                    at: now,
                },
                Finding::NotAccepted => RecordState::Closed {
                    reason: CloseReason::WrittenOff,
                    at: now,
                },
            },
            ..self.clone()
        })
    }

    /// What an attempt's outcome makes of the record. The attempt was counted
    /// before it was made.
    ///
    /// `end` is the license's end in AWS, if it has ended.
    pub fn settle(
        &self,
        outcome: &Outcome,
        end: Option<&LicenseEnd>,
        now: Timestamp,
    ) -> Settlement {
        let settled = self.judged(outcome, end, now);
        match settled.record.state {
            RecordState::Billed {
                evidence: Evidence::Duplicate,
                ..
            } if settled.record.unanswered == 0 && !mutant!(DuplicateStaysBilled) => settled
                .record
                .closed(CloseReason::Conflict, Alarm::Conflict, now),
            RecordState::Frozen { .. }
            | RecordState::Billed { .. }
            | RecordState::Closed { .. } => settled,
        }
    }

    fn judged(&self, outcome: &Outcome, end: Option<&LicenseEnd>, now: Timestamp) -> Settlement {
        match outcome {
            Outcome::Verdict(Verdict::Success { metering_record_id }) => {
                self.answered()
                    .billed(metering_record_id.clone(), Evidence::Success, now)
            }
            Outcome::Verdict(Verdict::DuplicateRecord) => {
                let answered = self.answered();
                if let RecordState::Closed { .. } = answered.state {
                    return answered.unchanged();
                }
                if answered.unanswered > 0 {
                    answered.billed(None, Evidence::Duplicate, now)
                } else if mutant!(DuplicateIsBilled) {
                    answered.billed(None, Evidence::Success, now)
                } else {
                    answered.close(CloseReason::Conflict, Alarm::Conflict, now)
                }
            }
            Outcome::Verdict(Verdict::CustomerNotSubscribed) => {
                let answered = self.answered();
                if mutant!(NotSubscribedIsBilled) {
                    return answered.billed(None, Evidence::Success, now);
                }
                if mutant!(NotSubscribedCloses) {
                    return answered.close(CloseReason::Refused, Alarm::NotSubscribed, now);
                }
                if end.is_some() {
                    answered.retry(RETRY_AFTER, None, now)
                } else {
                    answered.retry(SET_ASIDE_FOR, Some(Alarm::NotSubscribed), now)
                }
            }
            Outcome::Verdict(Verdict::Unprocessed) => self.answered().retry(RETRY_AFTER, None, now),
            Outcome::Failed {
                failure: CallFailure::Refused(refusal),
                alone,
            } => self.refused(refusal, *alone, now),
            Outcome::Failed {
                failure: CallFailure::NoAnswer(_),
                alone,
            } => {
                if mutant!(LostAnswerIsSuccess) {
                    return self.answered().billed(None, Evidence::Success, now);
                }
                if mutant!(ServerErrorIsPoison) {
                    return self.close(CloseReason::Refused, Alarm::Poison, now);
                }
                let mut settled = self.clone().retry(self.backoff(), None, now);
                if mutant!(LostAnswerGoesToTheNextHour) {
                    settled.record.usage.timestamp = self.slot.next().start();
                    settled.record.fingerprint = fingerprint(&settled.record.usage);
                }
                settled.record.set_alone(*alone);
                settled
            }
            Outcome::Verdict(Verdict::Unrecognized(_)) | Outcome::NotMentioned => {
                self.clone().retry(self.backoff(), None, now)
            }
        }
    }

    /// A call refused whole: an answer, and nothing was accepted. It is the
    /// record's own fault only when it was alone in the call.
    fn refused(&self, refusal: &Refusal, alone: bool, now: Timestamp) -> Settlement {
        let answered = self.answered();
        let to_blame = alone || mutant!(OneBadRecordClosesItsBatch);
        match refusal {
            blamed if blames_a_record(blamed) && !to_blame => {
                answered.retry(RETRY_AFTER, None, now)
            }
            Refusal::InvalidUsageDimension
            | Refusal::InvalidLicense
            | Refusal::InvalidTag
            | Refusal::InvalidUsageAllocations
            | Refusal::InvalidCustomerIdentifier
            | Refusal::Unrecognized(_) => {
                if mutant!(FirstRefusalCloses) || mutant!(OneBadRecordClosesItsBatch) {
                    return answered.close(CloseReason::Refused, Alarm::Poison, now);
                }
                let known = self.is_alone() && !self.attempts.is_multiple_of(TRIES_PER_ALARM);
                let alarm = (!known).then_some(Alarm::Poison);
                let mut set_aside = answered.retry(SET_ASIDE_FOR, alarm, now);
                set_aside.record.set_alone(true);
                set_aside
            }
            Refusal::TimestampOutOfBounds if mutant!(ClockFaultIsPoison) => {
                answered.close(CloseReason::Refused, Alarm::Poison, now)
            }
            Refusal::TimestampOutOfBounds => {
                let mut waits = answered.retry(RETRY_AFTER, Some(Alarm::Clock), now);
                waits.record.set_alone(true);
                waits
            }
            Refusal::Throttled
            | Refusal::InvalidProductCode
            | Refusal::DisabledApi
            | Refusal::AccessDenied => answered.retry(RETRY_AFTER, None, now),
        }
    }

    /// The time until a record without an answer is sent again: a minute, from
    /// the third unanswered attempt on doubling up to 15 minutes.
    fn backoff(&self) -> SignedDuration {
        let doublings = self.unanswered.saturating_sub(2).min(4);
        SignedDuration::from_mins(1 << doublings).min(SET_ASIDE_FOR)
    }

    fn is_alone(&self) -> bool {
        matches!(self.state, RecordState::Frozen { alone: true, .. })
    }

    fn set_alone(&mut self, is_alone: bool) {
        if let RecordState::Frozen { alone, .. } = &mut self.state {
            *alone |= is_alone;
        }
    }

    fn answered(&self) -> Self {
        if mutant!(RefusedStaysUnanswered) {
            return self.clone();
        }
        Self {
            unanswered: self.unanswered.saturating_sub(1),
            ..self.clone()
        }
    }

    /// A Success also overrules what was billed on less.
    fn billed(
        mut self,
        metering_record_id: Option<String>,
        evidence: Evidence,
        now: Timestamp,
    ) -> Settlement {
        let (stays, at) = match self.state {
            RecordState::Frozen { .. } => (false, now),
            RecordState::Closed { .. } => (mutant!(LateSuccessIgnored), now),
            RecordState::Billed {
                evidence: known,
                at,
                ..
            } => (
                evidence != Evidence::Success || known == Evidence::Success,
                at,
            ),
        };
        if stays {
            return self.unchanged();
        }
        self.version += 1;
        self.state = RecordState::Billed {
            metering_record_id,
            evidence,
            at,
        };
        Settlement {
            record: self,
            alarm: None,
        }
    }

    fn close(&self, reason: CloseReason, alarm: Alarm, now: Timestamp) -> Settlement {
        if !matches!(self.state, RecordState::Frozen { .. }) {
            return self.clone().unchanged();
        }
        let mut record = self.clone();
        record.version += 1;
        record.closed(reason, alarm, now)
    }

    fn closed(mut self, reason: CloseReason, alarm: Alarm, now: Timestamp) -> Settlement {
        self.state = RecordState::Closed { reason, at: now };
        Settlement {
            record: self,
            alarm: Some(alarm),
        }
    }

    fn retry(self, delay: SignedDuration, alarm: Option<Alarm>, now: Timestamp) -> Settlement {
        let RecordState::Frozen { alone, .. } = self.state else {
            return self.unchanged();
        };
        Settlement {
            record: Self {
                version: self.version + 1,
                state: RecordState::Frozen {
                    due: self.due_after(delay, now),
                    alone,
                },
                ..self
            },
            alarm,
        }
    }

    /// Only the counters changed: the state was terminal before.
    fn unchanged(mut self) -> Settlement {
        self.version += 1;
        Settlement {
            record: self,
            alarm: None,
        }
    }
}

/// Whether a refusal of a whole call is for the sake of one of its records, so
/// that halving the call finds it.
pub fn blames_a_record(refusal: &Refusal) -> bool {
    match refusal {
        Refusal::InvalidUsageDimension
        | Refusal::InvalidLicense
        | Refusal::InvalidTag
        | Refusal::InvalidUsageAllocations
        | Refusal::InvalidCustomerIdentifier
        | Refusal::TimestampOutOfBounds
        | Refusal::Unrecognized(_) => true,
        Refusal::Throttled
        | Refusal::InvalidProductCode
        | Refusal::DisabledApi
        | Refusal::AccessDenied => false,
    }
}

/// SHA-256 over the record as JSON in one fixed form, in hexadecimal.
fn fingerprint(usage: &UsageRecord) -> String {
    let canonical = serde_json::to_vec(usage).unwrap_or_default();
    Sha256::digest(canonical)
        .iter()
        .fold(String::with_capacity(64), |mut hex, byte| {
            let _ = write!(hex, "{byte:02x}");
            hex
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::{AwsAccountId, Dimension, LicenseArn};
    use crate::metering::NoAnswer;
    use crate::quantity::Quantity;

    const FROZEN_AT: &str = "2026-11-22T11:11:00Z";
    const LATER: &str = "2026-11-22T11:13:00Z";

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn record() -> Record {
        let slot = Hour::of(at("2026-11-22T10:00:00Z"));
        let usage = UsageRecord {
            buyer: AwsAccountId::parse("210987654321").unwrap(),
            license: LicenseArn::parse(format!(
                "arn:aws:license-manager::123456789012:license:l-{:032x}",
                7
            ))
            .unwrap(),
            dimension: Dimension::parse("medium").unwrap(),
            timestamp: slot.start(),
            quantity: Quantity::new(3).unwrap(),
            allocations: Vec::new(),
        };
        Record::frozen(
            ProductCode::parse("product").unwrap(),
            slot,
            usage,
            at("2026-11-23T10:00:00Z"),
            at(FROZEN_AT),
        )
    }

    fn success() -> Outcome {
        Outcome::Verdict(Verdict::Success {
            metering_record_id: Some("m-1".into()),
        })
    }

    fn lost() -> Outcome {
        no_answer(NoAnswer::TimedOut, false)
    }

    fn no_answer(reason: NoAnswer, alone: bool) -> Outcome {
        Outcome::Failed {
            failure: CallFailure::NoAnswer(reason),
            alone,
        }
    }

    fn refused(refusal: Refusal) -> Outcome {
        Outcome::Failed {
            failure: CallFailure::Refused(refusal),
            alone: false,
        }
    }

    fn after_all(outcomes: &[Outcome]) -> Record {
        let mut record = record();
        for (n, outcome) in outcomes.iter().enumerate() {
            if n > 0 {
                record = record.attempted_again(at(LATER)).unwrap();
            }
            record = record.settle(outcome, None, at(LATER)).record;
        }
        record
    }

    #[test]
    fn a_success_is_billed_with_its_metering_record_id() {
        let record = after_all(&[success()]);
        assert_eq!(record.unanswered, 0);
        assert!(matches!(
            record.state,
            RecordState::Billed { metering_record_id: Some(id), .. } if id == "m-1"
        ));
    }

    #[test]
    fn a_duplicate_after_a_lost_answer_is_our_own_success() {
        let record = after_all(&[lost(), Outcome::Verdict(Verdict::DuplicateRecord)]);
        assert!(matches!(record.state, RecordState::Billed { .. }));
    }

    #[test]
    fn what_a_duplicate_billed_is_a_conflict_once_every_attempt_was_refused() {
        let twice = record().attempted_again(at(LATER)).unwrap();
        let duplicate = Outcome::Verdict(Verdict::DuplicateRecord);
        let billed = twice.settle(&duplicate, None, at(LATER)).record;
        assert!(matches!(
            billed.state,
            RecordState::Billed {
                evidence: Evidence::Duplicate,
                ..
            }
        ));
        for refusal in [duplicate.clone(), refused(Refusal::Throttled)] {
            let settled = billed.settle(&refusal, None, at(LATER));
            assert_eq!(settled.alarm, Some(Alarm::Conflict));
            assert!(matches!(
                settled.record.state,
                RecordState::Closed {
                    reason: CloseReason::Conflict,
                    ..
                }
            ));
        }
        let confirmed = billed.settle(&success(), None, at(LATER)).record;
        assert!(matches!(
            confirmed.state,
            RecordState::Billed { metering_record_id: Some(id), .. } if id == "m-1"
        ));
    }

    #[test]
    fn a_duplicate_on_the_only_attempt_is_a_conflict() {
        let record = after_all(&[Outcome::Verdict(Verdict::DuplicateRecord)]);
        assert!(matches!(
            record.state,
            RecordState::Closed {
                reason: CloseReason::Conflict,
                ..
            }
        ));
    }

    #[test]
    fn a_duplicate_after_attempts_that_were_all_refused_is_a_conflict() {
        let record = after_all(&[
            refused(Refusal::Throttled),
            Outcome::Verdict(Verdict::Unprocessed),
            Outcome::Verdict(Verdict::DuplicateRecord),
        ]);
        assert!(matches!(
            record.state,
            RecordState::Closed {
                reason: CloseReason::Conflict,
                ..
            }
        ));
    }

    #[test]
    fn a_server_error_is_neither_success_nor_poison() {
        let record = after_all(&[no_answer(NoAnswer::ServerError(500), false)]);
        assert_eq!(record.unanswered, 1);
        assert!(matches!(
            record.state,
            RecordState::Frozen { alone: false, .. }
        ));
    }

    #[test]
    fn a_record_that_fails_alone_waits_longer_each_time_and_in_no_ones_way() {
        let failed = no_answer(NoAnswer::ServerError(500), true);
        for (times, minutes) in [(1, 1), (2, 1), (3, 2), (4, 4), (6, 15), (9, 15)] {
            let record = after_all(&vec![failed.clone(); times]);
            assert_eq!(
                record.state,
                RecordState::Frozen {
                    due: after(at(LATER), SignedDuration::from_mins(minutes)),
                    alone: true
                },
                "{times}"
            );
        }
    }

    #[test]
    fn what_can_still_be_mended_is_set_aside_and_not_closed() {
        let in_company = record().settle(&refused(Refusal::InvalidLicense), None, at(LATER));
        assert_eq!(in_company.alarm, None, "another may be to blame");
        let alone = Outcome::Failed {
            failure: CallFailure::Refused(Refusal::InvalidLicense),
            alone: true,
        };
        let settled = record().settle(&alone, None, at(LATER));
        assert_eq!(settled.alarm, Some(Alarm::Poison));
        assert_eq!(
            settled.record.state,
            RecordState::Frozen {
                due: after(at(LATER), SET_ASIDE_FOR),
                alone: true
            }
        );
    }

    #[test]
    fn what_stays_refused_raises_an_alarm_at_first_and_every_four_hours() {
        let alone = Outcome::Failed {
            failure: CallFailure::Refused(Refusal::InvalidLicense),
            alone: true,
        };
        let mut record = record();
        let mut alarms = Vec::new();
        for attempt in 1..=40 {
            let settled = record.settle(&alone, None, at(LATER));
            alarms.extend(settled.alarm.map(|_| attempt));
            record = settled.record.attempted_again(at(LATER)).unwrap();
        }
        assert_eq!(alarms, [1, 16, 32]);
    }

    #[test]
    fn at_the_deadline_only_what_was_always_refused_is_called_not_billed() {
        let deadline = at("2026-11-23T10:00:00Z");
        let refused = after_all(&[refused(Refusal::InvalidTag)]);
        let unknown = after_all(&[lost(), Outcome::Verdict(Verdict::Unprocessed)]);
        for (record, reason) in [
            (refused, CloseReason::Refused),
            (unknown, CloseReason::Unknown),
        ] {
            assert_eq!(
                record.given_up(deadline).record.state,
                RecordState::Closed {
                    reason,
                    at: deadline
                }
            );
        }
    }

    #[test]
    fn a_record_is_put_off_by_no_clock_that_is_an_hour_ahead_until_after_its_deadline() {
        let due = |now| {
            let settled = record().settle(&lost(), None, at(now));
            match settled.record.state {
                RecordState::Frozen { due, .. } => due,
                RecordState::Billed { .. } | RecordState::Closed { .. } => Timestamp::MAX,
            }
        };
        assert_eq!(due("2026-11-23T08:40:00Z"), at("2026-11-23T08:41:00Z"));
        for near in ["2026-11-23T08:50:00Z", "2026-11-23T09:59:00Z"] {
            assert_eq!(due(near), at("2026-11-23T08:50:00Z"), "every run tries it");
        }
    }

    #[test]
    fn a_record_is_not_sent_after_its_deadline_and_not_closed_while_the_clock_may_be_an_hour_ahead()
    {
        let left = |now| record().time_left(None, at(now));
        assert_eq!(left("2026-11-23T09:59:59Z"), TimeLeft::Some);
        assert_eq!(left("2026-11-23T10:00:00Z"), TimeLeft::PerhapsNone);
        assert_eq!(left("2026-11-23T11:09:59Z"), TimeLeft::PerhapsNone);
        assert_eq!(left("2026-11-23T11:10:00Z"), TimeLeft::None);
    }

    #[test]
    fn a_late_success_overrules_a_close_and_nothing_overrules_success() {
        let deadline = at("2026-11-23T10:00:00Z");
        let unknown = after_all(&[lost()]).given_up(deadline).record;
        let billed = unknown.settle(&success(), None, deadline).record;
        assert!(matches!(billed.state, RecordState::Billed { .. }));
        for outcome in [
            Outcome::Verdict(Verdict::DuplicateRecord),
            Outcome::Verdict(Verdict::CustomerNotSubscribed),
            refused(Refusal::InvalidTag),
            lost(),
        ] {
            let still = billed.settle(&outcome, None, deadline).record;
            assert_eq!(still.state, billed.state, "{outcome:?}");
        }
    }

    #[test]
    fn only_an_unknown_outcome_is_found_out_and_then_it_is_final() {
        let deadline = at("2026-11-23T10:00:00Z");
        let unknown = after_all(&[lost()]).given_up(deadline).record;
        let accepted = Finding::Accepted {
            metering_record_id: Some("m-9".into()),
        };
        let billed = unknown.found(&accepted, deadline).unwrap();
        assert!(matches!(billed.state, RecordState::Billed { .. }));
        let written_off = unknown.found(&Finding::NotAccepted, deadline).unwrap();
        assert!(matches!(
            written_off.state,
            RecordState::Closed {
                reason: CloseReason::WrittenOff,
                ..
            }
        ));
        for other in [record(), billed, written_off] {
            assert_eq!(other.found(&accepted, deadline), Err(NotUnknown));
        }
    }

    #[test]
    fn an_attempt_changes_nothing_that_is_sent() {
        let record = record();
        let again = record.attempted(at(LATER)).unwrap();
        assert_eq!(again.usage, record.usage);
        assert_eq!((again.attempts, again.unanswered), (2, 2));
        assert!(again.is_intact());
        assert!(record.attempted(at(FROZEN_AT)).is_none(), "not due yet");
    }
}
