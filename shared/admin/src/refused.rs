//! Why a command was not carried out.

use app::catching_up::CatchUpError;
use app::{OperationError, StepError};
use domain::ids::{AccountId, AgreementId, AwsAccountId, Dimension, LicenseId, ProductCode};

/// Why a command was not carried out, and what to do next.
#[derive(Debug, thiserror::Error)]
pub enum Refused {
    /// The operator did not agree.
    #[error("the answer was not `yes`: nothing was changed")]
    Declined,
    /// There is no terminal, and no `--yes`.
    #[error(
        "there is no terminal to ask at: nothing was changed; give --yes to do it without being asked"
    )]
    NobodyToAsk,
    /// The tables are not as they must be.
    #[error("{0}: nothing was changed; make the tables as template.yaml describes them")]
    Tables(String),
    /// The product is not one of those sold here.
    #[error("{product} is not sold here: nothing was changed; PRODUCT_CODES names {sold}")]
    NotSold {
        /// What was asked for.
        product: ProductCode,
        /// What is sold.
        sold: String,
    },
    /// The instants cannot be what they should be.
    #[error("{0}: nothing was changed")]
    Instants(&'static str),
    /// A file could not be written.
    #[error(
        "{0} could not be written: nothing was sent to AWS, and the same command may be given again"
    )]
    NotWritten(String, #[source] std::io::Error),
    /// A product's sending is not stopped: what a restored table forgot could be sent again meanwhile.
    #[error(
        "the sending of {0} is not stopped in this table: nothing was changed; `admin stop {0}` first"
    )]
    NotStopped(ProductCode),
    /// AWS told of no such license.
    #[error("AWS told of no license {0}: look its id up by `admin agreement` or its account")]
    NoLicense(LicenseId),
    /// No event of AWS named the license or the agreement.
    #[error("AWS told nothing of {0}: an event that names no license is told by `admin told DAY`")]
    NothingTold(String),
    /// No event of AWS named a license with this agreement.
    #[error("AWS told of no license of agreement {0}")]
    NoAgreement(AgreementId),
    /// No license of this AWS account is known.
    #[error("AWS told of no license of AWS account {0}")]
    NoBuyer(AwsAccountId),
    /// There is no such account.
    #[error("there is no account {0}: its id is in the address of its pages, after /accounts/")]
    NoAccount(AccountId),
    /// The dimension is not metered.
    #[error("{dimension} is not metered: nothing was changed; the catalog's are {metered}")]
    NotMetered {
        /// What was asked for.
        dimension: Dimension,
        /// What is metered.
        metered: String,
    },
    /// The catalog maps no contract's dimension, so nothing would be taken from the period.
    #[error(
        "the catalog names no contract, so nothing would be covered: nothing was changed; add `contracts` to CATALOG, of the functions too"
    )]
    NoContracts,
    /// AWS says that the license entitles to nothing in advance.
    #[error(
        "{0} is pay as you go, AWS says: an agreement without an end and without entitlements. What was covered would be billed to nobody: nothing was changed"
    )]
    NoContract(LicenseId),
    /// Another period covers the same hours.
    #[error(
        "{0} overlaps: nothing was changed; give that period's --from to amend it, or a period beside it"
    )]
    Overlaps(String),
    /// The record's state does not allow it.
    #[error("{0}: nothing was changed; `admin unknown` lists what can be resolved")]
    State(String),
    /// There is no such record.
    #[error(
        "there is no such record: nothing was changed; compare license, slot and dimension with `admin unknown` or the billing page"
    )]
    NoRecord,
    /// SQS refused, or did not answer.
    #[error("nothing was moved: SQS said of the queue {queue}: {reason}")]
    Queue {
        /// The queue's name.
        queue: String,
        /// What was said, or why there was no answer.
        reason: String,
    },
    /// The local stack has no queues of dead letters.
    #[error(
        "the local stack keeps no dead letters: it delivers what failed until it is taken; nothing was moved"
    )]
    NoDeadLetters,
    /// AWS did not list its agreements.
    #[error("AWS's agreements could not be looked at to the end; give the command again")]
    NotListed(#[source] Box<CatchUpError>),
    /// The store failed before anything was written.
    #[error("the ledger could not be read: give the command again")]
    Unread(#[source] StepError),
    /// The store failed, perhaps after it wrote.
    #[error("it may or may not have been done: give the same command again, it says which")]
    Unanswered(#[source] StepError),
    /// The ledger refused.
    #[error("the ledger refused: nothing was changed; look again and give the command again")]
    Operation(#[source] OperationError),
}

impl From<StepError> for Refused {
    fn from(error: StepError) -> Self {
        Self::Unread(error)
    }
}

impl From<OperationError> for Refused {
    fn from(error: OperationError) -> Self {
        match error {
            OperationError::Store(error) => Self::Unanswered(error),
            OperationError::NoRecord => Self::NoRecord,
            OperationError::NoAccount
            | OperationError::NotUnknown(_)
            | OperationError::NotFrozen
            | OperationError::TooLarge(..)
            | OperationError::Contended => Self::Operation(error),
        }
    }
}
