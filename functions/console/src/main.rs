//! Wires the `console` function.

use std::sync::Arc;

use runtime::settings::{SignInSettings, SiteSettings};
use web::{ApiAccess, CredentialRule, PublicUrl, SignIn, Site, State, SupportRule};

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    let (started, site, sign_in) = runtime::start_pages(&[])?;
    let clock = Arc::clone(&started.app.clock);
    let origin_secret = started.clients.origin_secret(&sign_in).await?;
    let router = console::router(state(started, site, sign_in).await?);
    let router = runtime::http::only_through(router, origin_secret);
    runtime::invocation::serve(&*clock, async |payload, _deadline| {
        console::handle(&router, payload).await
    })
    .await
    .map_err(anyhow::Error::from_boxed)
}

async fn state(
    started: runtime::Started,
    site: SiteSettings,
    sign_in: SignInSettings,
) -> anyhow::Result<State> {
    let client_secret = started.clients.secret(&sign_in.client_secret_arn).await?;
    let public_url = PublicUrl::parse(&site.public_url)?;
    let issuer = started.https.to_issuer(&sign_in.issuer);
    let settings = web::SignInSettings {
        issuer: sign_in.issuer,
        client_id: sign_in.client_id,
        client_secret,
        credentials: match sign_in.credential_methods {
            methods if methods.is_empty() => CredentialRule::Identities,
            methods => CredentialRule::Amr(methods),
        },
        support: SupportRule {
            claim: sign_in.groups_claim,
            group: sign_in.support_group,
        },
    };
    Ok(State {
        app: started.app,
        sign_in: SignIn::new(settings, issuer, &public_url),
        site: Arc::new(Site {
            public_url,
            product_name: site.product_name,
            support_email: site.support_email,
            // API Gateway asks for a signature of IAM's before it calls us.
            api_access: ApiAccess::Gateway,
        }),
    })
}
