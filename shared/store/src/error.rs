//! What can go wrong between us and DynamoDB.

use aws_sdk_dynamodb::error::{ProvideErrorMetadata, SdkError};
use ledger::StepError;
use ledger::step::Unreadable;

use crate::TableFault;

/// A request to the store that did not end in an answer.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// DynamoDB refused for its load, or a transaction met another: try again.
    #[error("DynamoDB asked to slow down")]
    Throttled,
    /// No answer: a write may or may not have happened.
    #[error("DynamoDB did not answer: {0}")]
    Unavailable(String),
    /// DynamoDB refused the request for what it is: a mistake in this program
    /// or its set-up, such as a missing table or permission.
    #[error("DynamoDB refused the request: {0}")]
    Refused(String),
    /// The table is not as this program needs it: nothing was written.
    #[error("nothing was written: {0}")]
    Unusable(TableFault),
    /// A stored item is not of the form this version writes.
    #[error(transparent)]
    Corrupt(#[from] Unreadable),
}

impl StoreError {
    /// An unreadable item.
    pub(crate) fn corrupt(key: impl Into<String>, reason: impl ToString) -> Self {
        Self::Corrupt(Unreadable {
            key: key.into(),
            reason: reason.to_string(),
        })
    }
}

impl<E> From<SdkError<E>> for StoreError
where
    E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
{
    fn from(error: SdkError<E>) -> Self {
        let code = error
            .as_service_error()
            .and_then(ProvideErrorMetadata::code);
        match code {
            Some(
                "ThrottlingException"
                | "ProvisionedThroughputExceededException"
                | "RequestLimitExceeded"
                | "TransactionConflictException"
                | "TransactionInProgressException"
                | "TransactionCanceledException",
            ) => Self::Throttled,
            Some("InternalServerError") | None => Self::Unavailable(told(&error)),
            Some(_) => Self::Refused(told(&error)),
        }
    }
}

/// What DynamoDB said, or what kept it from saying anything.
fn told<E>(error: &SdkError<E>) -> String
where
    E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
{
    if let Some(said) = error.as_service_error() {
        let code = said.code().unwrap_or("an error without a code");
        return format!("{code}: {}", said.message().unwrap_or("no message"));
    }
    let mut text = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}

impl From<StoreError> for StepError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Throttled => Self::Throttled,
            StoreError::Unavailable(why) => Self::Unavailable(why),
            StoreError::Refused(why) => Self::Refused(why),
            StoreError::Unusable(fault) => Self::Refused(fault.to_string()),
            StoreError::Corrupt(unreadable) => Self::Corrupt(unreadable),
        }
    }
}
