//! What the outside is told, after the commit that made it true.
//!
//! Delivered at least once, in any order: each event of an account carries the
//! account's version, so that a consumer keeps the highest.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::account::Standing;
use crate::hour::Hour;
use crate::ids::{AccountId, AwsAccountId, LicenseId};
use crate::support::Ticket;

/// An event for the seller's bus.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum OutboundEvent {
    /// What an account may do changed, or who pays for it.
    AccountAccessChanged {
        /// The account.
        account: AccountId,
        /// The account's version from this change on.
        version: u64,
        /// Its standing from now on.
        standing: Standing,
        /// When this standing ends by the clock alone.
        until: Option<Timestamp>,
        /// When it took effect.
        at: Timestamp,
    },
    /// An account lost its license and has 48 hours; its administrators are to be told.
    GraceStarted {
        /// The account.
        account: AccountId,
        /// The account's version from this change on.
        version: u64,
        /// When it began.
        at: Timestamp,
        /// When it ends.
        until: Timestamp,
    },
    /// A trial ends in 7 days, or in one: the customer is to be told.
    TrialEnding {
        /// The account.
        account: AccountId,
        /// The account's version from this change on.
        version: u64,
        /// When the trial ends.
        ends_at: Timestamp,
        /// When this was due, or made up for.
        at: Timestamp,
    },
    /// A grace ends in 24 hours, or in 4: its administrators are to be told.
    GraceEnding {
        /// The account.
        account: AccountId,
        /// The account's version from this change on.
        version: u64,
        /// When the grace ends.
        ends_at: Timestamp,
        /// When this was due, or made up for.
        at: Timestamp,
    },
    /// The third grace of an account within 30 days, granted or refused: an
    /// alarm, for a license going back and forth makes usage free.
    GraceRepeated {
        /// The account.
        account: AccountId,
        /// The account's version from this change on.
        version: u64,
        /// How many within 30 days, this one included.
        within_30_days: usize,
        /// Whether it was granted.
        granted: bool,
    },
    /// Another AWS account pays from now on.
    PayerChanged {
        /// The account.
        account: AccountId,
        /// The account's version from this change on.
        version: u64,
        /// Who paid before, and still shows as subscribed in AWS until cancelled there.
        from: AwsAccountId,
        /// Who pays now.
        to: AwsAccountId,
        /// From when.
        at: Timestamp,
    },
    /// Support unlinked or transferred the account's license as the customer had
    /// asked: its administrators are to be told.
    ChangedBySupport {
        /// The account.
        account: AccountId,
        /// The account's version from this change on.
        version: u64,
        /// The ticket in which the customer asked.
        ticket: Ticket,
        /// What they are to be told, in English: what was done and why, and what follows.
        text: String,
        /// When it took effect.
        at: Timestamp,
    },
    /// A license is active but linked to no account: its buyer is to be reminded.
    LicenseUnlinked {
        /// The license.
        license: LicenseId,
        /// The license's version from this change on.
        version: u64,
        /// Since when.
        at: Timestamp,
    },
    /// AWS says something of the agreement that a license is under, for people to know.
    AgreementNoticed {
        /// The license.
        license: LicenseId,
        /// The license's version from this change on.
        version: u64,
        /// The account that it is linked to.
        account: Option<AccountId>,
        /// What.
        #[serde(flatten)]
        notice: AgreementNotice,
        /// When we learned of it.
        at: Timestamp,
    },
    /// A license ended: the product is to report the usage of these hours now.
    UsageRequested {
        /// The license.
        license: LicenseId,
        /// The license's version from this change on.
        version: u64,
        /// The account that it was last linked to.
        account: AccountId,
        /// The hours that can still be charged to it, the running one last.
        hours: Vec<Hour>,
    },
}

/// What AWS says of an agreement.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "notice", rename_all = "snake_case")]
pub enum AgreementNotice {
    /// There is an advisory, such as of an overdue payment: AWS may soon take
    /// no usage of its buyer.
    AdvisoryIssued,
    /// The advisory is resolved.
    AdvisoryResolved,
    /// It ends in 180, 120, 90, 60 or 30 days.
    Ending {
        /// When, if AWS said so.
        ends_at: Option<Timestamp>,
        /// Whether it renews by itself, if AWS said so.
        auto_renewal: Option<bool>,
    },
    /// It will renew: nobody can stop that any more.
    RenewalUpcoming,
    /// The seller asked the buyer to agree to a cancellation: 7 days, then
    /// silence approves it.
    CancellationRequested,
    /// That request was approved, rejected or withdrawn.
    CancellationRequestSettled,
}

impl OutboundEvent {
    /// The name under which it goes out.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::AccountAccessChanged { .. } => "account access changed",
            Self::GraceStarted { .. } => "grace started",
            Self::TrialEnding { .. } => "trial ending",
            Self::GraceEnding { .. } => "grace ending",
            Self::GraceRepeated { .. } => "grace repeated",
            Self::PayerChanged { .. } => "payer changed",
            Self::ChangedBySupport { .. } => "changed by support",
            Self::LicenseUnlinked { .. } => "license unlinked",
            Self::AgreementNoticed { .. } => "agreement notice",
            Self::UsageRequested { .. } => "usage requested",
        }
    }
}
