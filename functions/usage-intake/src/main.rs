//! Wires the `usage-intake` function.

use std::sync::Arc;

use runtime::settings::SiteSettings;
use secrecy::SecretString;
use web::{ApiAccess, CredentialRule, PublicUrl, SignIn, SignInSettings, Site, State, SupportRule};

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    let (started, site) = runtime::start_site()?;
    let app = started.app.clone();
    let router = usage_intake::router(state(started, site)?);
    runtime::invocation::serve(&*app.clock, async |payload, deadline| {
        usage_intake::handle(&app, &router, payload, deadline).await
    })
    .await
    .map_err(anyhow::Error::from_boxed)
}

fn state(started: runtime::Started, site: SiteSettings) -> anyhow::Result<State> {
    let public_url = PublicUrl::parse(&site.public_url)?;
    let issuer = started.https.to_issuer("");
    // Nobody signs in here: the routes of this function never ask the issuer, so
    // the function is given neither its address nor our secret.
    let nobody = SignInSettings {
        issuer: String::new(),
        client_id: String::new(),
        client_secret: SecretString::default(),
        credentials: CredentialRule::Identities,
        support: SupportRule::default(),
    };
    Ok(State {
        app: started.app,
        sign_in: SignIn::new(nobody, issuer, &public_url),
        site: Arc::new(Site {
            public_url,
            product_name: site.product_name,
            support_email: site.support_email,
            // API Gateway asks for a signature of IAM's before it calls us.
            api_access: ApiAccess::Gateway,
        }),
    })
}
