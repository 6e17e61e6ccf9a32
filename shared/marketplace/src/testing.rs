//! AWS at the HTTP boundary: the real SDK clients over a connector that gives
//! prepared answers and keeps what was sent.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use aws_smithy_runtime_api::client::behavior_version::BehaviorVersion;
use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::retry::RetryConfig;

use crate::{DataFeeds, Invoices, Marketplace};

/// A client of one of AWS's SDKs, without retries and signatures.
macro_rules! client {
    ($sdk:ident, $http:expr) => {
        $sdk::Client::from_conf(
            $sdk::Config::builder()
                .behavior_version(BehaviorVersion::v2026_01_12())
                .region($sdk::config::Region::new("us-east-1"))
                .http_client($http.clone())
                .retry_config(RetryConfig::disabled())
                .allow_no_auth()
                .build(),
        )
    };
}

/// An answer of the pretended AWS.
#[derive(Debug)]
pub(crate) enum Answer {
    /// A status and a body.
    Http(u16, Vec<u8>),
    /// The connection breaks.
    Broken,
    /// Nothing comes in time.
    Late,
}

/// An answer with a JSON body.
pub(crate) fn json(status: u16, body: &str) -> Answer {
    Answer::Http(status, body.as_bytes().to_vec())
}

/// CBOR, as AWS answers some clients: a map of text keys to prepared values.
pub(crate) fn map(entries: &[(&str, Vec<u8>)]) -> Vec<u8> {
    let mut bytes = vec![0xa0 | u8::try_from(entries.len()).unwrap()];
    for (key, value) in entries {
        bytes.extend(text(key));
        bytes.extend(value);
    }
    bytes
}

/// A text in CBOR.
pub(crate) fn text(text: &str) -> Vec<u8> {
    let mut bytes = vec![0x78, u8::try_from(text.len()).unwrap()];
    bytes.extend(text.as_bytes());
    bytes
}

/// A list in CBOR.
pub(crate) fn list(items: &[Vec<u8>]) -> Vec<u8> {
    let mut bytes = vec![0x80 | u8::try_from(items.len()).unwrap()];
    bytes.extend(items.concat());
    bytes
}

/// A request as it would have left the machine.
#[derive(Debug, Clone)]
pub(crate) struct Sent {
    /// Path and query.
    pub(crate) path: String,
    /// The header `x-amz-target`.
    pub(crate) target: Option<String>,
    /// The header `content-length`.
    pub(crate) content_length: Option<String>,
    /// The body.
    pub(crate) body: Vec<u8>,
}

impl Sent {
    /// The body as JSON.
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).expect("a JSON body")
    }
}

/// The pretended AWS.
#[derive(Debug, Clone, Default)]
pub(crate) struct Aws {
    answers: Arc<Mutex<VecDeque<Answer>>>,
    sent: Arc<Mutex<Vec<Sent>>>,
}

impl Aws {
    /// One that gives these answers, in this order.
    pub(crate) fn answering(answers: impl IntoIterator<Item = Answer>) -> Self {
        Self {
            answers: Arc::new(Mutex::new(answers.into_iter().collect())),
            sent: Arc::default(),
        }
    }

    /// Our clients, pointed at it.
    pub(crate) fn marketplace(&self) -> Marketplace {
        Marketplace::new(
            client!(aws_sdk_marketplacemetering, self),
            client!(aws_sdk_marketplaceentitlement, self),
            client!(aws_sdk_marketplaceagreement, self),
        )
    }

    /// The agreement API, pointed at it.
    pub(crate) fn invoices(&self) -> Invoices {
        Invoices::new(client!(aws_sdk_marketplaceagreement, self))
    }

    /// The data feeds in the bucket `feeds`, pointed at it.
    pub(crate) fn data_feeds(&self) -> DataFeeds {
        let config = aws_sdk_s3::Config::builder()
            .behavior_version(BehaviorVersion::v2026_01_12())
            .region(aws_sdk_s3::config::Region::new("us-east-1"))
            .http_client(self.clone())
            .retry_config(RetryConfig::disabled())
            .force_path_style(true)
            .allow_no_auth()
            .build();
        DataFeeds::new(aws_sdk_s3::Client::from_conf(config), "feeds".to_owned())
    }

    /// What was sent so far.
    pub(crate) fn sent(&self) -> Vec<Sent> {
        self.sent.lock().unwrap().clone()
    }
}

impl HttpConnector for Aws {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let header = |name: &str| request.headers().get(name).map(ToOwned::to_owned);
        let uri: http::Uri = request.uri().parse().unwrap();
        self.sent.lock().unwrap().push(Sent {
            path: uri.path().to_owned(),
            target: header("x-amz-target"),
            content_length: header("content-length"),
            body: request.body().bytes().unwrap_or_default().to_vec(),
        });
        let answer = self.answers.lock().unwrap().pop_front();
        HttpConnectorFuture::ready(
            match answer.expect("no answer was prepared for this call") {
                Answer::Http(status, body) => Ok(HttpResponse::new(
                    status.try_into().unwrap(),
                    SdkBody::from(body),
                )),
                Answer::Broken => Err(ConnectorError::io("connection reset".into())),
                Answer::Late => Err(ConnectorError::timeout("no answer in time".into())),
            },
        )
    }
}

impl HttpClient for Aws {
    fn http_connector(
        &self,
        _: &HttpConnectorSettings,
        _: &RuntimeComponents,
    ) -> SharedHttpConnector {
        SharedHttpConnector::new(self.clone())
    }
}
