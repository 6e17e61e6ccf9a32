//! What a fake is started with.

use std::path::PathBuf;

use jiff::{SignedDuration, Timestamp};

use crate::dynamodb::TableError;
use crate::journal::JournalError;
use crate::template::TemplateError;

/// Everything a [`FakeAws`](crate::FakeAws) is started with.
#[derive(Debug, Clone)]
pub struct Config {
    /// Text of a CloudFormation or SAM template in YAML. Every
    /// `AWS::DynamoDB::Table` in it is created, under its `TableName` if that
    /// is a plain string, else under its logical id. Empty: no tables.
    pub template: String,
    /// Where state is kept. `None`: in memory, gone with the process.
    pub data_dir: Option<PathBuf>,
    /// Where "Set up your account" posts the registration token.
    pub fulfillment_url: String,
    /// The seller's AWS account, 12 digits.
    pub seller_account: String,
    /// The product's code, 25 letters and digits.
    pub product_code: String,
    /// The product's id, `prod-…`.
    pub product_id: String,
    /// The dimensions that can be metered, by API name.
    pub dimensions: Vec<String>,
    /// The text of every secret in Secrets Manager, whatever its name.
    pub secret: String,
    /// `None`: the clock follows the machine's. `Some`: it stands at this
    /// instant, moves only when told, and ids repeat from run to run.
    pub start: Option<Timestamp>,
    /// How many of the latest calls are kept for
    /// [`FakeAws::calls`](crate::FakeAws::calls); DynamoDB calls are only
    /// counted.
    pub calls_kept: usize,
    /// How the points are read that AWS's documents leave open.
    pub readings: Readings,
}

impl Default for Config {
    fn default() -> Config {
        Config {
            template: String::new(),
            data_dir: None,
            fulfillment_url: "http://localhost:8080/register".to_owned(),
            seller_account: "111122223333".to_owned(),
            product_code: "8k2m4n6p7q9r1s3t5v7w9x0yz".to_owned(),
            product_id: "prod-fakeprotect7xq4".to_owned(),
            dimensions: ["medium", "large", "xlarge", "datacenter"]
                .map(str::to_owned)
                .to_vec(),
            secret: "local-client-secret".to_owned(),
            start: None,
            calls_kept: 2_000,
            readings: Readings::default(),
        }
    }
}

/// Points on which AWS's documents are silent or contradict each other; each
/// default is the reading that the newest document, or an observation, backs.
#[derive(Debug, Clone, Copy)]
pub struct Readings {
    /// What an identical retry of an accepted record is answered. Default:
    /// `Success` with the first answer's id (the API model).
    pub identical_retry: IdenticalRetry,
    /// What a timestamp before the license's activation does. Default: refuses
    /// the whole call with `InvalidLicenseException` (the API model).
    pub before_activation: BeforeActivation,
    /// How long a registration token resolves. Default: 4 hours (the seller
    /// guide; the same page also says about 1 hour).
    pub token_lifetime: SignedDuration,
    /// How long after `Purchase Agreement Ended` the license is deprovisioned.
    /// Default: at once (31 seconds were observed).
    pub deprovision_lag: SignedDuration,
    /// Until when usage of an ended license is accepted. Default: one hour
    /// from deprovisioning (the current page).
    pub final_hour: FinalHour,
    /// Whether AWS's limits of calls a second are enforced, by operation.
    /// Default: while the clock flows.
    pub rate_limit: RateLimit,
}

impl Default for Readings {
    fn default() -> Readings {
        Readings {
            identical_retry: IdenticalRetry::Success,
            before_activation: BeforeActivation::RefuseCall,
            token_lifetime: SignedDuration::from_hours(4),
            deprovision_lag: SignedDuration::ZERO,
            final_hour: FinalHour::FromDeprovisioned,
            rate_limit: RateLimit::WhileClockFlows,
        }
    }
}

/// See [`Readings::identical_retry`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IdenticalRetry {
    /// `Success`, with the metering record id of the first answer.
    Success,
    /// `DuplicateRecord`.
    DuplicateRecord,
}

/// See [`Readings::before_activation`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BeforeActivation {
    /// The whole call is refused with `InvalidLicenseException`.
    RefuseCall,
    /// The record is judged like any other.
    Accept,
}

/// See [`Readings::final_hour`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FinalHour {
    /// Accepted until one hour after deprovisioning.
    FromDeprovisioned,
    /// Accepted from the end until deprovisioning closes it (older pages);
    /// give [`Readings::deprovision_lag`] an hour with it.
    UntilDeprovisioned,
}

/// See [`Readings::rate_limit`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RateLimit {
    /// Enforced while the clock flows by itself; not on a clock that stands
    /// still, where every call falls into one second.
    WhileClockFlows,
    /// Always enforced, on the fake's clock.
    Always,
    /// Never enforced.
    Never,
}

/// Why a fake did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// A field of [`Config`] is unusable.
    #[error("{field}: {reason}")]
    Config {
        /// The field's name.
        field: &'static str,
        /// What it should look like.
        reason: String,
    },
    /// The template's tables cannot be read.
    #[error("the template cannot be used")]
    Template(#[source] TemplateError),
    /// The embedded DynamoDB refused a table, or its file is unusable.
    #[error("the tables cannot be created")]
    Tables(#[source] TableError),
    /// The data directory is unusable.
    #[error("the data directory {} cannot be used", path.display())]
    DataDir {
        /// The directory.
        path: PathBuf,
        /// What is wrong with it.
        #[source]
        source: JournalError,
    },
}

impl Config {
    /// Checks what the type cannot: account digits, names, a URL.
    pub(crate) fn check(&self) -> Result<(), StartError> {
        let refuse = |field, reason: &str| {
            Err(StartError::Config {
                field,
                reason: reason.to_owned(),
            })
        };
        if !is_aws_account(&self.seller_account) {
            return refuse("seller_account", "must be 12 digits");
        }
        if self.product_code.is_empty() {
            return refuse("product_code", "must not be empty");
        }
        if !self.product_id.starts_with("prod-") {
            return refuse("product_id", "must start with prod-");
        }
        if self.dimensions.is_empty() {
            return refuse("dimensions", "must name at least one dimension");
        }
        if origin(&self.fulfillment_url).is_none() {
            return refuse("fulfillment_url", "must be an http or https URL");
        }
        Ok(())
    }
}

/// Whether `text` is a 12-digit AWS account id.
pub(crate) fn is_aws_account(text: &str) -> bool {
    text.len() == 12 && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// Scheme and host of an http or https URL.
pub(crate) fn origin(url: &str) -> Option<String> {
    let uri: http::Uri = url.parse().ok()?;
    let scheme = uri
        .scheme_str()
        .filter(|s| matches!(*s, "http" | "https"))?;
    Some(format!("{scheme}://{}", uri.authority()?))
}
