//! Our pages before an issuer that answers with whatever token it is told to.

use std::sync::{Arc, Mutex};

use axum::extract::State as Extract;
use axum::routing::{get, post};
use axum::{Json, Router};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use local::Local;
use ring::hmac;
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};
use runtime::https::Https;
use secrecy::SecretString;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use web::{ApiAccess, CredentialRule, PublicUrl, SignIn, SignInSettings, Site, State, SupportRule};

use super::client::{Answer, Client};
use super::stack;
use crate::logs::Stack;

const CLIENT_ID: &str = "our-client";

/// A key of the issuer's, or one that somebody else calls so.
pub(super) struct Key {
    id: &'static str,
    pair: EcdsaKeyPair,
}

/// What the issuer answers, and what it was asked.
#[derive(Default)]
struct Answers {
    url: String,
    id_token: String,
    keys: Value,
    keys_asked: u32,
}

/// Our pages and the issuer that they believe.
pub(super) struct Rogue {
    pub(super) stack: Stack,
    pub(super) seller_url: String,
    answers: Arc<Mutex<Answers>>,
    _servers: JoinSet<()>,
}

/// A sign-in that a browser began.
pub(super) struct Begun {
    pub(super) state: String,
    pub(super) nonce: String,
}

impl Key {
    pub(super) fn new(id: &'static str) -> Self {
        let (random, algorithm) = (SystemRandom::new(), &ECDSA_P256_SHA256_FIXED_SIGNING);
        let document = EcdsaKeyPair::generate_pkcs8(algorithm, &random).expect("a key");
        let pair = EcdsaKeyPair::from_pkcs8(algorithm, document.as_ref(), &random).expect("a key");
        Self { id, pair }
    }

    /// The public key as the JWKS writes it.
    fn public(&self) -> Value {
        let (x, y) = self.pair.public_key().as_ref()[1..].split_at(32);
        let encode = |bytes| URL_SAFE_NO_PAD.encode(bytes);
        json!({ "kty": "EC", "crv": "P-256", "alg": "ES256", "use": "sig", "kid": self.id,
                "x": encode(x), "y": encode(y) })
    }

    /// The token as an issuer signs it.
    pub(super) fn sign(&self, claims: &Value) -> String {
        let message = self.message("ES256", claims);
        let signature = self.pair.sign(&SystemRandom::new(), message.as_bytes());
        let signature = signature.expect("a signature");
        format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature))
    }

    /// The token with no signature, and a header that says so.
    pub(super) fn unsigned(&self, claims: &Value) -> String {
        format!("{}.", self.message("none", claims))
    }

    /// The token signed by what everybody knows, in the hope that the public
    /// key is taken for a shared secret: as bytes, and as the JWKS writes it.
    pub(super) fn signed_by_what_is_public(&self, claims: &Value) -> [String; 2] {
        let message = self.message("HS256", claims);
        let secrets = [
            self.pair.public_key().as_ref().to_vec(),
            self.public().to_string().into_bytes(),
        ];
        secrets.map(|secret| {
            let key = hmac::Key::new(hmac::HMAC_SHA256, &secret);
            let tag = hmac::sign(&key, message.as_bytes());
            format!("{message}.{}", URL_SAFE_NO_PAD.encode(tag))
        })
    }

    fn message(&self, algorithm: &str, claims: &Value) -> String {
        let header = json!({ "alg": algorithm, "kid": self.id });
        let encode = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        format!("{}.{}", encode(&header), encode(claims))
    }
}

impl Rogue {
    /// Serves both; the issuer publishes these keys, and Cognito's rule tells
    /// credentials from single sign-on.
    pub(super) async fn start(keys: &[&Key]) -> Self {
        Self::start_by(keys, CredentialRule::Identities).await
    }

    /// The same, by another rule.
    pub(super) async fn start_by(keys: &[&Key], rule: CredentialRule) -> Self {
        let stack = stack().await;
        let mut servers = JoinSet::new();
        let (listener, issuer_url) = bind().await;
        let answers = Arc::new(Mutex::new(Answers {
            url: issuer_url.clone(),
            ..Answers::default()
        }));
        serve(&mut servers, listener, issuer(answers.clone()));
        let (listener, seller_url) = bind().await;
        serve(
            &mut servers,
            listener,
            pages(&stack, &seller_url, &issuer_url, rule),
        );
        let rogue = Self {
            stack,
            seller_url,
            answers,
            _servers: servers,
        };
        rogue.publish(keys);
        rogue
    }

    /// From now on the issuer publishes these keys and no others.
    pub(super) fn publish(&self, keys: &[&Key]) {
        let keys: Vec<Value> = keys.iter().map(|key| key.public()).collect();
        self.answers.lock().expect("answers").keys = json!({ "keys": keys });
    }

    /// How often the keys were fetched.
    pub(super) fn keys_asked(&self) -> u32 {
        self.answers.lock().expect("answers").keys_asked
    }

    /// What a good token says for a sign-in that was begun.
    pub(super) fn claims(&self, begun: &Begun) -> Value {
        let now = self.stack.app.clock.now().as_second();
        json!({
            "iss": self.answers.lock().expect("answers").url,
            "aud": CLIENT_ID, "sub": "sub-carol", "nonce": begun.nonce,
            "iat": now, "exp": now + 3600, "auth_time": now, "token_use": "id",
            "email": "carol@example.com", "email_verified": true,
        })
    }

    /// A browser begins to sign in for a page of ours.
    pub(super) async fn begin(&self, browser: &mut Client, to: &str) -> Begun {
        let begun = browser.post("/sign-in", &[("to", to)]).await;
        let issuer = begun.location().expect("the issuer's page");
        let (_, query) = issuer.split_once('?').expect("a query");
        let find = |wanted: &str| {
            let mut pairs = form_urlencoded::parse(query.as_bytes());
            let found = pairs.find(|(name, _)| name == wanted);
            found.expect("a parameter").1.into_owned()
        };
        Begun {
            state: find("state"),
            nonce: find("nonce"),
        }
    }

    /// The browser comes back, and the issuer gives this token for the code.
    pub(super) async fn finish(
        &self,
        browser: &mut Client,
        begun: &Begun,
        id_token: &str,
    ) -> Answer {
        self.answers.lock().expect("answers").id_token = id_token.to_owned();
        let path = format!("/sign-in/callback?code=any&state={}", begun.state);
        browser.get(&path).await
    }
}

async fn bind() -> (TcpListener, String) {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a port");
    let port = listener.local_addr().expect("an address").port();
    (listener, format!("http://localhost:{port}"))
}

fn serve(servers: &mut JoinSet<()>, listener: TcpListener, router: Router) {
    servers.spawn(async move {
        axum::serve(listener, router).await.expect("it serves");
    });
}

/// The real router over the stack's use cases.
fn pages(stack: &Local, seller_url: &str, issuer_url: &str, rule: CredentialRule) -> Router {
    let public_url = PublicUrl::parse(seller_url).expect("an origin");
    let settings = SignInSettings {
        issuer: issuer_url.to_owned(),
        client_id: CLIENT_ID.to_owned(),
        client_secret: SecretString::from("secret"),
        credentials: rule,
        support: SupportRule::default(),
    };
    let issuer = Https::to_aws(None).to_issuer(&settings.issuer);
    web::all(State {
        app: stack.app.clone(),
        sign_in: SignIn::new(settings, issuer, &public_url),
        site: Arc::new(Site {
            public_url,
            product_name: "Workload Security".to_owned(),
            support_email: "support@example.com".to_owned(),
            api_access: ApiAccess::Gateway,
        }),
    })
}

fn issuer(answers: Arc<Mutex<Answers>>) -> Router {
    Router::new()
        .route("/.well-known/openid-configuration", get(discovery))
        .route("/jwks", get(jwks))
        .route("/token", post(token))
        .with_state(answers)
}

async fn discovery(Extract(answers): Extract<Arc<Mutex<Answers>>>) -> Json<Value> {
    let url = &answers.lock().expect("answers").url;
    Json(json!({
        "issuer": url,
        "authorization_endpoint": format!("{url}/authorize"),
        "token_endpoint": format!("{url}/token"),
        "jwks_uri": format!("{url}/jwks"),
    }))
}

async fn jwks(Extract(answers): Extract<Arc<Mutex<Answers>>>) -> Json<Value> {
    let mut answers = answers.lock().expect("answers");
    answers.keys_asked += 1;
    Json(answers.keys.clone())
}

async fn token(Extract(answers): Extract<Arc<Mutex<Answers>>>) -> Json<Value> {
    let id_token = &answers.lock().expect("answers").id_token;
    Json(json!({ "id_token": id_token, "token_type": "Bearer" }))
}
