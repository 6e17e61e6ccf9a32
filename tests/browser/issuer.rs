//! Our client of an OpenID Connect issuer against the local stack's issuer,
//! which shares no code with it.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use local::issuer::{Issuer, IssuerConfig, Method, User, subject_of};
use runtime::https::Https;
use secrecy::SecretString;
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use web::{
    Begun, CredentialRule, Identity, PublicUrl, SignIn, SignInError, SignInSettings, SupportRule,
    Wanted,
};

use super::client::Client;

const BEGUN: Begun<'_> = Begun {
    state: "state-1",
    nonce: "nonce-1",
    verifier: "a-verifier-of-at-least-43-characters-0123456789",
};

/// An issuer on a port of its own, and our client of it.
struct Playground {
    issuer: Issuer,
    sign_in: SignIn,
    url: String,
    _server: JoinSet<()>,
}

fn now() -> Timestamp {
    "2026-11-22T10:15:00Z".parse().expect("an instant")
}

fn seconds(count: i64) -> SignedDuration {
    SignedDuration::from_secs(count)
}

fn client_of(url: &str, secret: &str) -> SignIn {
    let settings = SignInSettings {
        issuer: url.to_owned(),
        client_id: "client".to_owned(),
        client_secret: SecretString::from(secret),
        credentials: CredentialRule::Identities,
        support: SupportRule::default(),
    };
    let public_url = PublicUrl::parse("https://protect.example.com").expect("an origin");
    let issuer = Https::to_aws(None).to_issuer(&settings.issuer);
    SignIn::new(settings, issuer, &public_url)
}

async fn playground() -> Playground {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a port");
    let port = listener.local_addr().expect("an address").port();
    let url = format!("http://localhost:{port}/issuer");
    let issuer = Issuer::new(IssuerConfig {
        url: url.clone(),
        client_id: "client".to_owned(),
        client_secret: "secret".to_owned(),
        redirect_uris: vec!["https://protect.example.com/sign-in/callback".to_owned()],
        users: vec![
            User {
                email: "ada@example.com".to_owned(),
                name: "Ada".to_owned(),
                subject: subject_of("ada@example.com"),
                email_verified: false,
                method: Method::Password("pw".to_owned()),
                groups: vec!["sales".to_owned(), "support".to_owned()],
            },
            User {
                email: "sam@example.com".to_owned(),
                name: "Sam".to_owned(),
                subject: subject_of("sam@example.com"),
                email_verified: true,
                method: Method::Saml {
                    provider: "corporate".to_owned(),
                },
                groups: Vec::new(),
            },
        ],
        users_file: None,
        now: Arc::new(now),
    })
    .expect("an issuer");
    let router = issuer.router();
    let mut server = JoinSet::new();
    server.spawn(async move {
        axum::serve(listener, router).await.expect("it serves");
    });
    Playground {
        issuer,
        sign_in: client_of(&url, "secret"),
        url,
        _server: server,
    }
}

impl Playground {
    /// Signs in at the issuer; the code that it gives.
    async fn code(&self, form: &[(&str, &str)]) -> String {
        let url = self
            .sign_in
            .authorization_url(&BEGUN, Wanted::SignInNow, None, now())
            .await
            .expect("an address");
        let answer = Client::new(&self.url).post(&url, form).await;
        let back = answer.location().expect("the way back");
        let (_, rest) = back.split_once("code=").expect("a code");
        rest.split('&').next().unwrap_or_default().to_owned()
    }

    async fn sign_in_at(&self, at: Timestamp) -> Result<Identity, SignInError> {
        let code = self
            .code(&[("email", "ada@example.com"), ("password", "pw")])
            .await;
        self.sign_in.finish(&code, &BEGUN, at).await
    }
}

#[tokio::test]
async fn a_user_with_credentials_and_one_of_saml_are_told_apart() {
    let playground = playground().await;
    let ada = playground.sign_in_at(now()).await.expect("Ada");
    assert_eq!(ada.email, "ada@example.com");
    assert_eq!(ada.signed_in_at, now());
    assert_eq!(ada.federated, None);
    assert!(!ada.email_verified);
    assert!(ada.support);
    let code = playground.code(&[("email", "sam@example.com")]).await;
    let sam = playground
        .sign_in
        .finish(&code, &BEGUN, now())
        .await
        .expect("Sam");
    assert_eq!(sam.federated.as_deref(), Some("corporate"));
    assert!(!sam.support);
}

#[tokio::test]
async fn a_rotated_key_is_fetched_without_a_restart_but_once_a_minute_at_most() {
    let playground = playground().await;
    playground.sign_in_at(now()).await.expect("the first key");
    playground.issuer.rotate_key().expect("another key");
    assert_eq!(
        playground.sign_in_at(now() + seconds(59)).await,
        Err(SignInError::InvalidToken("its key is not the issuer's"))
    );
    playground
        .sign_in_at(now() + seconds(60))
        .await
        .expect("the second key");
}

#[tokio::test]
async fn what_the_issuer_gave_counts_once_for_its_client_and_its_sign_in() {
    let playground = playground().await;
    let refused = Err(SignInError::Refused {
        reason: "invalid_grant".to_owned(),
    });
    let form = [("email", "ada@example.com"), ("password", "pw")];
    let code = playground.code(&form).await;
    assert!(
        playground
            .sign_in
            .finish(&code, &BEGUN, now())
            .await
            .is_ok()
    );
    assert_eq!(
        playground.sign_in.finish(&code, &BEGUN, now()).await,
        refused
    );

    let code = playground.code(&form).await;
    let other_verifier = Begun {
        verifier: "another-verifier-of-at-least-43-characters-01234",
        ..BEGUN
    };
    assert_eq!(
        playground
            .sign_in
            .finish(&code, &other_verifier, now())
            .await,
        refused
    );

    let code = playground.code(&form).await;
    let other_nonce = Begun {
        nonce: "nonce-2",
        ..BEGUN
    };
    assert_eq!(
        playground.sign_in.finish(&code, &other_nonce, now()).await,
        Err(SignInError::InvalidToken("its nonce is not the one sent"))
    );

    let code = playground.code(&form).await;
    let stranger = client_of(&playground.url, "wrong secret");
    assert_eq!(
        stranger.finish(&code, &BEGUN, now()).await,
        Err(SignInError::Refused {
            reason: "invalid_client".to_owned()
        })
    );
}

#[tokio::test]
async fn a_token_expires_by_our_clock() {
    let playground = playground().await;
    let hour = 3600;
    assert_eq!(
        playground.sign_in_at(now() + seconds(hour + 60)).await,
        Err(SignInError::InvalidToken("it has expired"))
    );
}

#[tokio::test]
async fn an_issuer_that_is_not_there_or_names_another_is_unavailable() {
    let playground = playground().await;
    let nobody = client_of("http://localhost:1/issuer", "secret");
    // The same discovery document, reached under another name.
    let renamed = client_of(&playground.url.replace("localhost", "127.0.0.1"), "secret");
    for sign_in in [nobody, renamed] {
        let answer = sign_in
            .authorization_url(&BEGUN, Wanted::SignInNow, None, now())
            .await;
        assert!(
            matches!(answer, Err(SignInError::IssuerUnavailable { .. })),
            "{answer:?}"
        );
    }
}
