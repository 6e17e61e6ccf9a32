//! Why nothing was read from AWS: the same for every list and description.

use domain::metering::NoAnswer;

use crate::convert::{self, Failure};

/// Why something was not read. None of these says anything about what was asked
/// for: what is stored stays.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReadError {
    /// Too many calls.
    #[error("AWS Marketplace asks to slow down")]
    Throttled,
    /// No answer, or none that is understood.
    #[error("AWS Marketplace did not answer: {0}")]
    Unavailable(NoAnswer),
    /// AWS knows no such agreement, or does not show it to this account.
    #[error("AWS Marketplace knows no such agreement")]
    Unknown,
    /// The request was refused, by its code: a wrong product code, or a fault of our set-up.
    #[error("AWS Marketplace refused the request: {0}")]
    Refused(String),
    /// The pages did not end within the bound.
    #[error("AWS Marketplace's list did not end within {0} pages")]
    TooManyPages(usize),
    /// The answer lacks what identifies something in it; this names it.
    #[error("AWS Marketplace's answer has no usable {0}")]
    Incomplete(&'static str),
}

impl ReadError {
    /// A request that the SDK could not build, so it surely was not sent.
    pub(crate) fn not_built() -> Self {
        Self::Refused("RequestNotBuilt".to_owned())
    }
}

impl From<Failure> for ReadError {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Refused { status, code } => match code {
                code if convert::is_throttling(status, code.as_deref()) => Self::Throttled,
                Some(code) if code == "ResourceNotFoundException" => Self::Unknown,
                code => Self::Refused(code.unwrap_or_else(|| format!("HTTP status {status}"))),
            },
            Failure::NoAnswer(why) => Self::Unavailable(why),
            Failure::NotSent => Self::not_built(),
        }
    }
}
