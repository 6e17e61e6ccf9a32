//! HTTPS, and whose certificates are trusted.
//!
//! AWS's endpoints, Cognito's among them, have certificates of Amazon Trust Services,
//! whose five roots are in the program: to read the 140 roots of the system would be
//! four fifths of what a function does before its first poll. Amazon may have other
//! roots some day, and what cannot be sent is not billed: once a certificate does not
//! go back to those five, the system's roots are read, and are what counts from then on.
//! Whoever is not AWS is held to the system's roots at once: an issuer elsewhere, or
//! another endpoint that the settings name.

use std::error::Error;
use std::io;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use aws_smithy_http_client::Connector;
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
use aws_smithy_http_client::tls::{Provider, TlsContext, TrustStore};
use aws_smithy_runtime_api::client::http::{
    HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector, http_client_fn,
};
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_types::sdk_config::SharedHttpClient;

/// How long a connection may take to be made.
pub(crate) const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);

/// The roots that <https://www.amazontrust.com/repository/> asks to be trusted, all five.
const AMAZON_ROOTS: &[u8] = include_bytes!("amazon-roots.pem");

/// The connections of a function, and its TLS configuration, built once. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Https {
    connector: SharedHttpConnector,
    roots: Roots,
}

/// Whose certificates are trusted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Roots {
    /// Amazon Trust Services, and the system's once those do not suffice.
    Amazon,
    /// Whoever the system trusts.
    System,
}

impl Https {
    /// For calls of AWS, at its own endpoints or at this one. Calls nobody.
    pub fn to_aws(endpoint_url: Option<&str>) -> Self {
        Self::trusting(Roots::of_aws(endpoint_url))
    }

    /// For calls of an issuer of identity tokens, by its URL: by the same connections
    /// when the same roots are trusted. Calls nobody.
    #[must_use]
    pub fn to_issuer(&self, issuer: &str) -> SharedHttpConnector {
        let roots = Roots::of_issuer(issuer);
        if roots == self.roots {
            return self.connector.clone();
        }
        Self::trusting(roots).connector
    }

    /// As the AWS clients take it. The SDK's own would read the roots again for each
    /// of the clients, to throw them away, and a last time in the first invocation.
    pub fn client(&self) -> SharedHttpClient {
        let connector = self.connector.clone();
        http_client_fn(move |_, _| connector.clone())
    }

    fn trusting(roots: Roots) -> Self {
        let connector = match roots {
            Roots::Amazon => SharedHttpConnector::new(AmazonFirst {
                amazon: connector(TrustStore::empty().with_pem_certificate(AMAZON_ROOTS)),
                system: Arc::default(),
            }),
            Roots::System => connector(TrustStore::default()),
        };
        Self { connector, roots }
    }
}

fn connector(trusted: TrustStore) -> SharedHttpConnector {
    let connecting = HttpConnectorSettings::builder()
        .connect_timeout(CONNECT_TIMEOUT)
        .build();
    let mut connector = Connector::builder()
        .connector_settings(connecting)
        .tls_provider(Provider::Rustls(CryptoMode::Ring));
    // Only other TLS stacks refuse a context; what this one takes is held by a test.
    if let Ok(context) = TlsContext::builder().with_trust_store(trusted).build() {
        connector = connector.tls_context(context);
    }
    SharedHttpConnector::new(connector.build())
}

/// Connections by Amazon's roots, until a certificate does not go back to them.
#[derive(Debug, Clone)]
struct AmazonFirst {
    amazon: SharedHttpConnector,
    system: Arc<OnceLock<SharedHttpConnector>>,
}

impl HttpConnector for AmazonFirst {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        if let Some(system) = self.system.get() {
            return system.call(request);
        }
        let Some(again) = request.try_clone() else {
            return self.amazon.call(request);
        };
        let this = self.clone();
        HttpConnectorFuture::new(async move {
            match this.amazon.call(request).await {
                // Nothing of the request has left: this is no second sending.
                Err(error) if is_about_a_certificate(&error) => {
                    tracing::warn!(
                        "a certificate goes back to none of Amazon's five roots; the system's are asked from now on"
                    );
                    let system = this.system.get_or_init(|| connector(TrustStore::default()));
                    system.call(again).await
                }
                answered => answered,
            }
        })
    }
}

/// Whether a connection was given up for the certificate that was shown.
fn is_about_a_certificate(error: &(dyn Error + 'static)) -> bool {
    // What a stream's error holds is not among its sources.
    let held = error.downcast_ref::<io::Error>();
    if let Some(held) = held.and_then(io::Error::get_ref) {
        return is_about_a_certificate(held);
    }
    let tls = error.downcast_ref::<rustls::Error>();
    matches!(tls, Some(rustls::Error::InvalidCertificate(_)))
        || error.source().is_some_and(is_about_a_certificate)
}

impl Roots {
    /// A name without TLS needs no roots: then it is as on AWS.
    fn of_aws(endpoint_url: Option<&str>) -> Self {
        match endpoint_url {
            Some(url) if url.starts_with("https:") => Self::System,
            Some(_) | None => Self::Amazon,
        }
    }

    /// Cognito's issuer is AWS; the page on which people sign in, also under a name of the
    /// seller's, has a certificate of AWS Certificate Manager's.
    fn of_issuer(issuer: &str) -> Self {
        let Some(rest) = issuer.strip_prefix("https://") else {
            return Self::Amazon;
        };
        let host = rest.split(['/', ':', '?', '#']).next().unwrap_or_default();
        if host.ends_with(".amazonaws.com") {
            Self::Amazon
        } else {
            Self::System
        }
    }
}

#[cfg(test)]
mod tests;
