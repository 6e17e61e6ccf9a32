//! The AWS clients, built once.

use std::sync::Arc;
use std::time::Duration;

use aws_config::environment::EnvironmentVariableCredentialsProvider;
use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_types::sdk_config::{SharedCredentialsProvider, SharedHttpClient};
use marketplace::{Lazy, Marketplace};
use secrecy::SecretString;

use crate::clock::{Dated, SystemClock};
use crate::https::{CONNECT_TIMEOUT, Https};
use crate::settings::{AwsSettings, SignInSettings, Signing};

/// A client's configuration, without signatures where none are wanted.
macro_rules! unsigned_if {
    ($signing:expr, $builder:expr) => {
        match $signing {
            Signing::FromEnvironment => $builder.build(),
            Signing::None => $builder.allow_no_auth().build(),
        }
    };
}
/// Where AWS Marketplace's APIs are called, whatever the
/// function's own Region: entitlements and agreements exist nowhere else, and metering
/// deduplicates per Region, so a second one would bill twice.
pub const MARKETPLACE_REGION: &str = "us-east-1";

/// The clients of every AWS service that is called. All but DynamoDB's are built when
/// they are first called. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Clients {
    /// DynamoDB, with the SDK's retries.
    pub dynamodb: aws_sdk_dynamodb::Client,
    /// Metering, without retries.
    pub metering: Lazy<aws_sdk_marketplacemetering::Client>,
    /// Entitlements, with the SDK's retries.
    pub entitlement: Lazy<aws_sdk_marketplaceentitlement::Client>,
    /// Agreements, with the SDK's retries.
    pub agreement: Lazy<aws_sdk_marketplaceagreement::Client>,
    /// Secrets Manager, with the SDK's retries.
    pub secrets: Lazy<aws_sdk_secretsmanager::Client>,
}

/// Why a secret could not be read.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// Secrets Manager refused or did not answer; names its error code.
    #[error("Secrets Manager did not give the secret {arn}: {reason}")]
    NotGiven {
        /// The secret's ARN.
        arn: String,
        /// AWS's error code, or what kept the answer.
        reason: String,
    },
    /// The secret holds bytes, not a text.
    #[error("the secret {arn} must be a text, not bytes")]
    NotText {
        /// The secret's ARN.
        arn: String,
    },
}

impl Clients {
    /// The clients for these settings. Calls nobody.
    pub fn new(settings: &AwsSettings) -> Self {
        Self::over(
            Https::to_aws(settings.endpoint_url.as_deref()).client(),
            settings,
        )
    }

    /// The clients for these settings over another HTTP client, such as one
    /// that reaches a fake of AWS in the same process. Calls nobody.
    pub fn over(http_client: SharedHttpClient, settings: &AwsSettings) -> Self {
        Self::built(shared(http_client, settings), settings, |dynamodb| dynamodb)
    }

    /// The same, a clock being held to the dates of DynamoDB's answers.
    pub fn dating(clock: &SystemClock, https: &Https, settings: &AwsSettings) -> Self {
        let dated = Dated(clock.clone());
        Self::built(shared(https.client(), settings), settings, |dynamodb| {
            dynamodb.interceptor(dated)
        })
    }

    fn built(
        config: SdkConfig,
        settings: &AwsSettings,
        prepare: impl FnOnce(aws_sdk_dynamodb::config::Builder) -> aws_sdk_dynamodb::config::Builder,
    ) -> Self {
        let signing = settings.signing;
        let dynamodb = prepare(aws_sdk_dynamodb::config::Builder::from(&config));
        let config = Arc::new(config);
        let of_marketplace = {
            let config = Arc::clone(&config);
            move || {
                let marketplace = config.to_builder();
                let marketplace = marketplace.region(Region::from_static(MARKETPLACE_REGION));
                marketplace.build()
            }
        };
        let (metering, entitlement, agreement) = (
            of_marketplace.clone(),
            of_marketplace.clone(),
            of_marketplace,
        );
        Self {
            dynamodb: aws_sdk_dynamodb::Client::from_conf(unsigned_if!(signing, dynamodb)),
            metering: Lazy::new(move || {
                let config = aws_sdk_marketplacemetering::config::Builder::from(&metering())
                    // Whether a record is sent again is the ledger's decision:
                    // it counts an attempt before it makes it.
                    .retry_config(RetryConfig::disabled())
                    .timeout_config(time_outs(Duration::from_secs(20), Duration::from_secs(20)));
                aws_sdk_marketplacemetering::Client::from_conf(unsigned_if!(signing, config))
            }),
            entitlement: Lazy::new(move || {
                let config = aws_sdk_marketplaceentitlement::config::Builder::from(&entitlement());
                aws_sdk_marketplaceentitlement::Client::from_conf(unsigned_if!(signing, config))
            }),
            agreement: Lazy::new(move || {
                let config = aws_sdk_marketplaceagreement::config::Builder::from(&agreement());
                aws_sdk_marketplaceagreement::Client::from_conf(unsigned_if!(signing, config))
            }),
            secrets: Lazy::new(move || {
                let config = aws_sdk_secretsmanager::config::Builder::from(&*config);
                aws_sdk_secretsmanager::Client::from_conf(unsigned_if!(signing, config))
            }),
        }
    }

    /// AWS Marketplace through these clients.
    pub fn marketplace(&self) -> Marketplace {
        Marketplace::new(
            self.metering.clone(),
            self.entitlement.clone(),
            self.agreement.clone(),
        )
    }

    /// The secret by which CloudFront is known, where it stands before the pages.
    ///
    /// # Errors
    /// See [`SecretError`].
    pub async fn origin_secret(
        &self,
        settings: &SignInSettings,
    ) -> Result<Option<SecretString>, SecretError> {
        match &settings.origin_secret_arn {
            Some(arn) => self.secret(arn).await.map(Some),
            None => Ok(None),
        }
    }

    /// The text of a secret.
    ///
    /// # Errors
    /// See [`SecretError`]; none holds any of the secret.
    pub async fn secret(&self, arn: &str) -> Result<SecretString, SecretError> {
        let answer = self
            .secrets
            .get_secret_value()
            .secret_id(arn)
            .send()
            .await
            .map_err(|error| SecretError::NotGiven {
                arn: arn.to_owned(),
                reason: aws_sdk_secretsmanager::error::ProvideErrorMetadata::code(&error)
                    .map_or_else(|| error.to_string(), ToOwned::to_owned),
            })?;
        answer
            .secret_string
            .map(SecretString::from)
            .ok_or_else(|| SecretError::NotText {
                arn: arn.to_owned(),
            })
    }
}

/// What the clients share. Only the environment is asked for credentials: Lambda
/// puts them there, and no other source is tried that would delay a start.
pub fn shared(http_client: SharedHttpClient, settings: &AwsSettings) -> SdkConfig {
    let mut config = SdkConfig::builder()
        .behavior_version(BehaviorVersion::v2026_01_12())
        .region(Region::new(settings.region.clone()))
        .http_client(http_client)
        .retry_config(RetryConfig::standard())
        .timeout_config(time_outs(Duration::from_secs(5), Duration::from_secs(15)));
    match settings.signing {
        Signing::FromEnvironment => {
            config = config.credentials_provider(SharedCredentialsProvider::new(
                EnvironmentVariableCredentialsProvider::new(),
            ));
        }
        Signing::None => {}
    }
    if let Some(url) = &settings.endpoint_url {
        config = config.endpoint_url(url);
    }
    config.build()
}

fn time_outs(attempt: Duration, operation: Duration) -> TimeoutConfig {
    TimeoutConfig::builder()
        .connect_timeout(CONNECT_TIMEOUT)
        .operation_attempt_timeout(attempt)
        .operation_timeout(operation)
        .build()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn usage_is_metered_in_one_region_wherever_the_functions_run() {
        for region in ["us-east-1", "eu-central-1"] {
            let clients = Clients::new(&AwsSettings {
                region: region.to_owned(),
                endpoint_url: None,
                signing: Signing::None,
            });
            let metering = clients.metering.config().region().map(Region::as_ref);
            assert_eq!(metering, Some("us-east-1"));
            let tables = clients.dynamodb.config().region().map(Region::as_ref);
            assert_eq!(tables, Some(region));
        }
    }
}
