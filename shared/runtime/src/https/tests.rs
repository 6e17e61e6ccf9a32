use std::sync::atomic::{AtomicUsize, Ordering};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use sha2::{Digest as _, Sha256};
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

use super::*;

/// SHA-256 of each certificate, as Amazon Trust Services publishes it.
const PUBLISHED: [&str; 5] = [
    "8ecde6884f3d87b1125ba31ac3fcb13d7016de7f57cc904fe1cb97c6ae98196e",
    "1ba5b2aa8c65401a82960118f80bec4f62304d83cec4713a19c39c011ea46db4",
    "18ce6cfe7bf14e60b2e347b8dfe868cb31d02ebb3ada271569f50343b46db3a4",
    "e35d28419ed02025cfa69038cd623962458da5c695fbdea3c22b0bfb25897092",
    "568d6905a2c88708a4b3025190edcfedb1974a606a13c6e5290fcb2ae63edab5",
];

#[test]
fn the_roots_are_those_that_amazon_publishes() {
    let text = std::str::from_utf8(AMAZON_ROOTS).unwrap();
    let fingerprints: Vec<String> = text
        .split("-----BEGIN CERTIFICATE-----")
        .skip(1)
        .map(|part| {
            let (body, _) = part.split_once("-----END CERTIFICATE-----").unwrap();
            let der = STANDARD.decode(body.replace('\n', "")).unwrap();
            Sha256::digest(der)
                .iter()
                .map(|byte| format!("{byte:02x}"))
                .collect()
        })
        .collect();
    assert_eq!(fingerprints, PUBLISHED);
    // rustls takes them all: it would panic here.
    Https::trusting(Roots::Amazon);
}

#[test]
fn only_what_is_aws_is_held_to_amazon_s_roots() {
    for (issuer, roots) in [
        (
            "https://cognito-idp.us-east-1.amazonaws.com/us-east-1_AbC",
            Roots::Amazon,
        ),
        ("http://localhost:8080/issuer", Roots::Amazon),
        ("https://login.example.com/", Roots::System),
        ("https://example.com/.amazonaws.com", Roots::System),
        ("https://example.com?.amazonaws.com", Roots::System),
        (
            "https://cognito-idp.us-east-1.amazonaws.com.example.com/",
            Roots::System,
        ),
    ] {
        assert_eq!(Roots::of_issuer(issuer), roots, "{issuer}");
    }
    assert_eq!(Roots::of_aws(None), Roots::Amazon);
    assert_eq!(Roots::of_aws(Some("http://127.0.0.1:8090")), Roots::Amazon);
    assert_eq!(
        Roots::of_aws(Some("https://aws.example.com")),
        Roots::System
    );
}

/// A server whose certificate nobody trusts, and how often somebody came.
async fn untrusted() -> (String, Arc<AtomicUsize>, JoinSet<()>) {
    // Made for this test: nothing is protected by this key.
    let chain = CertificateDer::from_pem_slice(include_bytes!("untrusted.pem")).unwrap();
    let key = PrivateKeyDer::from_pem_slice(include_bytes!("untrusted-key.pem")).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![chain], key)
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!(
        "https://localhost:{}/",
        listener.local_addr().unwrap().port()
    );
    let came = Arc::<AtomicUsize>::default();
    let counted = Arc::clone(&came);
    let mut serving = JoinSet::new();
    serving.spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            counted.fetch_add(1, Ordering::SeqCst);
            // Whoever does not trust us goes.
            let _ = acceptor.accept(stream).await;
        }
    });
    (url, came, serving)
}

#[tokio::test]
async fn the_system_s_roots_are_asked_once_amazon_s_do_not_suffice_and_from_then_on() {
    let (url, came, _serving) = untrusted().await;
    let https = Https::to_aws(None);
    let call = async || {
        let request = HttpRequest::get(&url).unwrap();
        https.connector.call(request).await
    };
    for expected in [2, 3] {
        let error = call().await.unwrap_err();
        assert!(is_about_a_certificate(&error), "{error:?}");
        assert_eq!(came.load(Ordering::SeqCst), expected);
    }
}

#[tokio::test]
async fn who_goes_back_to_the_roots_that_are_given_is_trusted_at_once() {
    let (url, came, _serving) = untrusted().await;
    let own = TrustStore::empty().with_pem_certificate(include_bytes!("untrusted.pem").as_slice());
    let request = HttpRequest::get(url).unwrap();
    // The server says nothing once it was trusted.
    let error = connector(own).call(request).await.unwrap_err();
    assert!(!is_about_a_certificate(&error), "{error:?}");
    assert_eq!(came.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn nobody_is_asked_twice_where_no_certificate_is_in_the_way() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let connector = AmazonFirst {
        amazon: connector(TrustStore::empty().with_pem_certificate(AMAZON_ROOTS)),
        system: Arc::default(),
    };
    let request = HttpRequest::get(format!("http://{address}/")).unwrap();
    let error = connector.call(request).await.unwrap_err();
    assert!(!is_about_a_certificate(&error), "{error:?}");
    assert!(connector.system.get().is_none());
}
