//! What is said to AWS Marketplace's metering, and what it answers, in our words.
//!
//! The `marketplace` crate translates these to and from the SDK's types; the
//! ledger decides on them. A [`UsageRecord`] identifies the payer by license ARN
//! and AWS account id only: there is nowhere to put a customer identifier or a
//! product code, because a product code beside a license ARN "will result in
//! duplicate billing" (Metering API model).

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::ids::{AwsAccountId, CloudAccountId, Dimension, LicenseArn, LicenseId};
use crate::quantity::Quantity;

/// The most records of one BatchMeterUsage call (Metering API model).
pub const MAX_RECORDS_PER_CALL: usize = 25;

/// The most allocations of one record that AWS takes (Metering API model).
pub const MAX_ALLOCATIONS: usize = 2_500;

/// One usage record, with every field that is sent.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct UsageRecord {
    /// The AWS account that pays.
    pub buyer: AwsAccountId,
    /// The license that is charged.
    pub license: LicenseArn,
    /// What is charged.
    pub dimension: Dimension,
    /// The start of the hour, or the license's activation when that is later. Whole seconds.
    pub timestamp: Timestamp,
    /// Units of the dimension.
    pub quantity: Quantity,
    /// How the quantity divides over the customer's cloud accounts; empty, or adding up to it.
    pub allocations: Vec<Allocation>,
}

impl UsageRecord {
    /// What AWS echoes of the record and by which an answer finds it again.
    pub fn key(&self) -> RecordKey {
        RecordKey {
            license: self.license.id().clone(),
            dimension: self.dimension.clone(),
            timestamp: self.timestamp,
        }
    }
}

/// A share of a record's quantity.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Allocation {
    /// The tag `cloudAccountID`; `None` is the share without a tag.
    pub cloud_account: Option<CloudAccountId>,
    /// Units of the record's dimension.
    pub quantity: Quantity,
}

/// Identifies one record among those of a call. The order of AWS's results is
/// not documented, so an answer is matched by what it echoes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RecordKey {
    /// The license.
    pub license: LicenseId,
    /// The dimension.
    pub dimension: Dimension,
    /// The record's timestamp, whole seconds.
    pub timestamp: Timestamp,
}

/// AWS's verdict on one record of an answered call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Accepted.
    Success {
        /// AWS's metering record id, when it gave one.
        metering_record_id: Option<String>,
    },
    /// AWS holds another record for the same customer, dimension and hour.
    DuplicateRecord,
    /// The buyer has no active agreement, or their AWS account is suspended.
    CustomerNotSubscribed,
    /// Transient: not accepted, to be sent again (`UnprocessedRecords`).
    Unprocessed,
    /// A status unknown to us: not an answer that anything may be concluded from.
    Unrecognized(String),
}

/// An answered call: a verdict for each record that it echoed. Records that are
/// not named here were not answered.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CallAnswer {
    /// The verdicts, in AWS's order.
    pub verdicts: Vec<(RecordKey, Verdict)>,
}

/// A call that did not end in an answer for each record.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CallFailure {
    /// AWS answered 4xx: no record of the call was accepted.
    #[error("AWS Marketplace refused the call: {0}")]
    Refused(Refusal),
    /// 5xx, time-out, a broken connection or an answer not understood: any
    /// record of the call may have been accepted.
    #[error("no answer from AWS Marketplace: {0}")]
    NoAnswer(NoAnswer),
}

/// Why AWS refused a whole call.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// A timestamp is too old, or in the future.
    #[error("a timestamp is out of bounds")]
    TimestampOutOfBounds,
    /// The product has no such dimension.
    #[error("a dimension is not one of the product's")]
    InvalidUsageDimension,
    /// A license is unknown, not propagated yet, or does not cover the timestamp.
    #[error("a license is invalid")]
    InvalidLicense,
    /// An allocation's tag breaks a rule.
    #[error("an allocation tag is invalid")]
    InvalidTag,
    /// Allocations do not add up, or are too many.
    #[error("the usage allocations are invalid")]
    InvalidUsageAllocations,
    /// The AWS account id is wrong.
    #[error("a customer identifier is invalid")]
    InvalidCustomerIdentifier,
    /// The product code is wrong.
    #[error("the product code is invalid")]
    InvalidProductCode,
    /// Too many calls.
    #[error("throttled")]
    Throttled,
    /// The API is switched off for this product or Region.
    #[error("the API is disabled")]
    DisabledApi,
    /// The caller may not call it.
    #[error("access denied")]
    AccessDenied,
    /// A refusal unknown to us, by its code.
    #[error("unrecognized refusal {0}")]
    Unrecognized(String),
}

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoAnswer {
    /// AWS answered 5xx, whatever the error's name.
    #[error("HTTP status {0}")]
    ServerError(u16),
    /// No response within the time allowed.
    #[error("timed out")]
    TimedOut,
    /// The connection failed before or while answering.
    #[error("connection failed")]
    Connection,
    /// A response that could not be understood.
    #[error("the answer was not understood")]
    NotUnderstood,
}
