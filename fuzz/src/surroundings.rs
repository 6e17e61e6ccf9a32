//! AWS as an HTTP client that answers what it is given.

use std::sync::Arc;

use app::{App, Clock, Settings};
use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::body::SdkBody;
use domain::catalog::Catalog;
use domain::ids::{AwsAccountId, ProductCode};
use domain::policy::SubscriptionPolicy;
use jiff::Timestamp;
use ledger::Rules;
use marketplace::{DataFeeds, Marketplace};
use store::{Store, Tables};

/// The product that is sold.
pub(crate) const PRODUCT: &str = "8k2m4n6p7q9r1s3t5v7w9x0yz";

/// What is answered to a request's address; `None` is no answer.
type Answers = dyn Fn(&str) -> Option<Vec<u8>> + Send + Sync;

/// Answers each request by its address.
#[derive(Clone)]
pub(crate) struct Answering(pub(crate) Arc<Answers>);

impl std::fmt::Debug for Answering {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Answering")
    }
}

impl HttpConnector for Answering {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let answer = (self.0)(request.uri());
        HttpConnectorFuture::ready(match answer {
            None => Err(ConnectorError::timeout("no answer".into())),
            Some(body) => Ok(HttpResponse::new(
                200.try_into().unwrap(),
                SdkBody::from(body),
            )),
        })
    }
}

impl HttpClient for Answering {
    fn http_connector(
        &self,
        _settings: &HttpConnectorSettings,
        _components: &RuntimeComponents,
    ) -> SharedHttpConnector {
        SharedHttpConnector::new(self.clone())
    }
}

macro_rules! client {
    ($sdk:ident, $http:expr) => {
        $sdk::Client::from_conf(
            $sdk::Config::builder()
                .behavior_version($sdk::config::BehaviorVersion::v2026_01_12())
                .region($sdk::config::Region::new("us-east-1"))
                .http_client($http.clone())
                .retry_config($sdk::config::retry::RetryConfig::disabled())
                .allow_no_auth()
                .build(),
        )
    };
}

/// The seller's data feeds, in a bucket that answers this.
pub(crate) fn data_feeds(http: &Answering) -> DataFeeds {
    let s3 = aws_sdk_s3::Client::from_conf(
        client!(aws_sdk_s3, http)
            .config()
            .to_builder()
            .force_path_style(true)
            .build(),
    );
    DataFeeds::new(s3, "feeds".to_owned())
}

/// A clock that stands, and draws the same again and again.
struct Standing;

impl Clock for Standing {
    fn now(&self) -> Timestamp {
        now()
    }

    fn random(&self) -> u128 {
        7
    }
}

/// When all of this happens.
pub(crate) fn now() -> Timestamp {
    "2026-11-22T10:20:00Z".parse().unwrap()
}

/// The use cases, over an AWS that does not answer.
pub(crate) fn app() -> App {
    let http = Answering(Arc::new(|_| None));
    let tables = Tables {
        subscriptions: "Subscriptions".to_owned(),
        usage: "Usage".to_owned(),
    };
    let seller = AwsAccountId::parse("111122223333").unwrap();
    let product = ProductCode::parse(PRODUCT).unwrap();
    App {
        store: Store::new(client!(aws_sdk_dynamodb, http), tables),
        marketplace: Marketplace::new(
            client!(aws_sdk_marketplacemetering, http),
            client!(aws_sdk_marketplaceentitlement, http),
            client!(aws_sdk_marketplaceagreement, http),
        ),
        clock: Arc::new(Standing),
        settings: Settings {
            subscriptions: Arc::new(SubscriptionPolicy::new(seller, [product])),
            rules: Rules::new(Arc::new(Catalog::workload_security())),
        },
    }
}

/// Runs something to its end.
pub(crate) fn run<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap()
        .block_on(future)
}
