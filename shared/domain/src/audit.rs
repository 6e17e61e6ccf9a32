//! Who did what to an account or a license, kept for at least one year.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::account::{AccountName, ExpiryCause};
use crate::ids::{AccountId, AgreementId, AwsAccountId, EventId, LicenseId, UserEmail};
use crate::member::Role;
use crate::support::{Grounds, SupportOrder};

/// Who acted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Actor {
    /// A member of the account.
    User {
        /// The member.
        email: UserEmail,
    },
    /// The seller's support.
    Support {
        /// Who of support.
        email: UserEmail,
        /// Why, and the ticket in which the customer asked.
        grounds: Grounds,
        /// Who of support approved it, where that is needed.
        approved_by: Option<UserEmail>,
    },
    /// AWS Marketplace, by an event.
    Aws {
        /// The event.
        event: EventId,
    },
    /// AWS Marketplace, by its answer when it was asked.
    Asked,
    /// Nobody: AWS Marketplace gave no answer for too long.
    Unanswered,
    /// A buyer, by coming with a registration token.
    Buyer,
    /// The seller's product, through its API.
    Product,
    /// Time went by.
    Clock,
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AuditAction {
    /// The account was opened with a trial.
    AccountOpened {
        /// When the trial ends.
        trial_ends_at: Timestamp,
    },
    /// The account was given another name.
    Renamed {
        /// The name before.
        from: AccountName,
        /// The name from now on.
        to: AccountName,
    },
    /// A member was added, or their role set.
    MemberSet {
        /// The member.
        user: UserEmail,
        /// Their role from now on.
        role: Role,
    },
    /// A member was removed.
    MemberRemoved {
        /// The former member.
        user: UserEmail,
    },
    /// A license was linked.
    Linked {
        /// The license.
        license: LicenseId,
        /// The AWS account that pays from now on.
        buyer: AwsAccountId,
        /// The agreement.
        agreement: Option<AgreementId>,
    },
    /// The payer changed: the license that paid before was unlinked.
    PayerChanged {
        /// The license that paid before.
        from_license: LicenseId,
        /// The AWS account that paid before.
        from: AwsAccountId,
        /// The AWS account that pays from now on.
        to: AwsAccountId,
    },
    /// The license was unlinked.
    Unlinked {
        /// The license.
        license: LicenseId,
        /// The AWS account that paid.
        buyer: AwsAccountId,
        /// Where it went, when it was linked to another account.
        moved: bool,
    },
    /// Grace began.
    GraceStarted {
        /// When it ends.
        ends_at: Timestamp,
        /// Which grace of the account this is, from 1.
        generation: u64,
        /// How many began within the last 30 days, this one included.
        within_30_days: usize,
    },
    /// Grace was refused, as the third within 30 days.
    GraceRefused {
        /// How many it would have been within the last 30 days.
        within_30_days: usize,
    },
    /// The account expired.
    Expired {
        /// Why.
        cause: ExpiryCause,
    },
    /// An annual subscription was activated.
    AnnualActivated {
        /// When it ends, if that is known.
        ends_at: Option<Timestamp>,
    },
    /// The account was deleted.
    Suspended {
        /// Until when it can be restored.
        restorable_until: Timestamp,
    },
    /// The account was restored.
    Restored,
    /// The time to restore the account ran out.
    Purged,
    /// Support asked a second person of theirs to approve something.
    SupportAsked {
        /// What is to be done.
        order: SupportOrder,
    },
    /// It was declined, or taken back.
    SupportDeclined {
        /// What was to be done.
        order: SupportOrder,
    },
    /// A license became known.
    LicenseKnown {
        /// The AWS account that bought it.
        buyer: AwsAccountId,
    },
    /// A license became active.
    LicenseActivated {
        /// From when.
        since: Timestamp,
    },
    /// Another agreement goes on in the place of a license's, by renewal or
    /// replacement, with the same license.
    Renewed {
        /// The license.
        license: LicenseId,
        /// The agreement before.
        from: AgreementId,
        /// The agreement from now on.
        to: AgreementId,
    },
    /// A license ended in AWS.
    LicenseEnded {
        /// When.
        ended_at: Timestamp,
    },
}

/// One entry of the audit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditEntry {
    /// When it took effect.
    pub at: Timestamp,
    /// Who acted.
    pub by: Actor,
    /// Whose audit it belongs to.
    pub subject: AuditSubject,
    /// What happened.
    pub action: AuditAction,
}

/// Whose audit an entry belongs to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AuditSubject {
    /// An account's.
    Account(AccountId),
    /// A license's.
    License(LicenseId),
}
