//! A request of API Gateway to the pages and the API: its path, query, cookies and
//! form, as far as they are read before DynamoDB is asked, which does not answer.

use std::sync::{Arc, LazyLock};

use axum::Router;
use runtime::https::Https;
use secrecy::SecretString;
use serde_json::Value;
use web::{ApiAccess, CredentialRule, PublicUrl, SignIn, SignInSettings, Site, State, SupportRule};

use crate::surroundings::{app, run};

/// Built once: that takes longer than an answer.
static ROUTER: LazyLock<Router> = LazyLock::new(|| web::all(state()));

/// Answers a payload.
pub fn read(bytes: &[u8]) {
    let Ok(payload) = serde_json::from_slice::<Value>(bytes) else {
        return;
    };
    run(async {
        if let Ok(answer) = runtime::http::answer(&ROUTER, payload).await {
            assert!(answer["statusCode"].as_u64().is_some(), "{answer}");
            assert_ne!(answer["statusCode"], 500, "{answer}");
        }
    });
}

fn state() -> State {
    let public_url = PublicUrl::parse("https://marketplace.example.com").unwrap();
    let sign_in = SignInSettings {
        // Nobody listens there.
        issuer: "http://127.0.0.1:9/issuer".to_owned(),
        client_id: "client".to_owned(),
        client_secret: SecretString::from("secret"),
        credentials: CredentialRule::Identities,
        support: SupportRule::default(),
    };
    let issuer = Https::to_aws(None).to_issuer(&sign_in.issuer);
    State {
        app: app(),
        sign_in: SignIn::new(sign_in, issuer, &public_url),
        site: Arc::new(Site {
            public_url,
            product_name: "Workload Security".to_owned(),
            support_email: "support@example.com".to_owned(),
            api_access: ApiAccess::Gateway,
        }),
    }
}
