//! The calls to the issuer, over the HTTP client that the AWS SDK brings: one
//! HTTP and one TLS stack.

use std::time::Duration;

use aws_smithy_runtime_api::client::http::{HttpConnector as _, SharedHttpConnector};
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_types::body::SdkBody;
use http_body_util::{BodyExt as _, Limited};
use serde::de::DeserializeOwned;

use super::SignInError;

/// How long the issuer may take for one answer.
const TIMEOUT: Duration = Duration::from_secs(8);
/// An answer of the issuer may be this long.
const MAX_ANSWER_BYTES: usize = 256 * 1024;

/// An HTTP client.
#[derive(Debug)]
pub(super) struct Http(pub(super) SharedHttpConnector);

impl Http {
    /// Gets a JSON document.
    pub(super) async fn get<T: DeserializeOwned>(&self, url: &str) -> Result<T, SignInError> {
        let request = http::Request::get(url)
            .header(http::header::ACCEPT, "application/json")
            .body(SdkBody::empty());
        let (status, body) = self.send(request).await?;
        if status != http::StatusCode::OK {
            return Err(unavailable(format!("it answered {status}")));
        }
        serde_json::from_slice(&body).map_err(|error| unavailable(error.to_string()))
    }

    /// Posts a form with HTTP Basic authentication; the status and the body.
    pub(super) async fn post_form(
        &self,
        url: &str,
        authorization: &str,
        form: String,
    ) -> Result<(http::StatusCode, Vec<u8>), SignInError> {
        let request = http::Request::post(url)
            .header(http::header::ACCEPT, "application/json")
            .header(http::header::AUTHORIZATION, authorization)
            .header(
                http::header::CONTENT_TYPE,
                "application/x-www-form-urlencoded",
            )
            .body(SdkBody::from(form));
        self.send(request).await
    }

    async fn send(
        &self,
        request: http::Result<http::Request<SdkBody>>,
    ) -> Result<(http::StatusCode, Vec<u8>), SignInError> {
        let request = request.map_err(|error| unavailable(error.to_string()))?;
        let request =
            HttpRequest::try_from(request).map_err(|error| unavailable(error.to_string()))?;
        let exchange = async {
            let answer = self
                .0
                .call(request)
                .await
                .map_err(|error| unavailable(format!("{error:?}")))?;
            let status = http::StatusCode::from_u16(answer.status().as_u16())
                .map_err(|error| unavailable(error.to_string()))?;
            let body = Limited::new(answer.into_body(), MAX_ANSWER_BYTES)
                .collect()
                .await
                .map_err(|error| unavailable(error.to_string()))?;
            Ok((status, body.to_bytes().to_vec()))
        };
        tokio::time::timeout(TIMEOUT, exchange)
            .await
            .map_err(|_| unavailable("it did not answer in time".to_owned()))?
    }
}

fn unavailable(reason: String) -> SignInError {
    SignInError::IssuerUnavailable { reason }
}
