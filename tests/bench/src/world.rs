//! The embedded stack in this process: the use cases over the SDK's clients as
//! the functions configure them, the embedded DynamoDB and the fake AWS
//! Marketplace. No network; one thread; the clock stands until it is moved.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::Context as _;
use app::marketplace_events::parse_event;
use app::{App, Clock, Settings};
use aws_smithy_runtime_api::client::http::SharedHttpClient;
use domain::account::AccountName;
use domain::audit::Actor;
use domain::catalog::Catalog;
use domain::ids::{AccountId, AwsAccountId, ProductCode, ProductId, UserEmail};
use domain::member::Role;
use domain::policy::SubscriptionPolicy;
use domain::sign_in::{SignInMethod, SignedIn, Subject};
use fake_aws::{Config, FakeAws, OfferKind};
use jiff::Timestamp;
use ledger::Rules;
use runtime::aws::Clients;
use runtime::settings::{AwsSettings, Signing};
use store::{Store, Tables};

use crate::capacity::Counting;

/// The template that describes the tables.
pub(crate) const TEMPLATE: &str = include_str!("../../../template.yaml");

/// A fake AWS, the use cases over it, and what they consume.
pub(crate) struct World {
    pub(crate) aws: FakeAws,
    pub(crate) app: App,
    pub(crate) counting: Counting,
}

/// The fake's clock, and random numbers that repeat from run to run.
struct FakeClock {
    aws: FakeAws,
    drawn: AtomicU64,
}

impl Clock for FakeClock {
    fn now(&self) -> Timestamp {
        self.aws.now()
    }

    fn random(&self) -> u128 {
        let drawn = self.drawn.fetch_add(1, Ordering::Relaxed);
        u128::from(drawn).wrapping_mul(0x9E37_79B9_7F4A_7C15_F39C_C060_5CED_C835)
    }
}

impl World {
    /// An empty stack whose clock stands at this instant.
    pub(crate) async fn new(start: Timestamp) -> anyhow::Result<Self> {
        let config = Config {
            template: without_streams(TEMPLATE),
            start: Some(start),
            ..Config::default()
        };
        let product = ProductCode::parse(config.product_code.clone())?;
        let policy = SubscriptionPolicy::new(
            AwsAccountId::parse(config.seller_account.clone())?,
            [product.clone()],
        )
        .naming(product, ProductId::parse(config.product_id.clone())?);
        let aws = FakeAws::start(config).await?;
        let counting = Counting::new(aws.in_process());
        let clients = clients(&counting);
        let tables = Tables {
            subscriptions: "Subscriptions".to_owned(),
            usage: "Usage".to_owned(),
        };
        let app = App {
            store: Store::new(clients.dynamodb.clone(), tables),
            marketplace: clients.marketplace(),
            clock: Arc::new(FakeClock {
                aws: aws.clone(),
                drawn: AtomicU64::new(1),
            }),
            settings: Settings {
                subscriptions: Arc::new(policy),
                rules: Rules::new(Arc::new(Catalog::workload_security())),
            },
        };
        deliver_events(&aws, &app);
        app.start_cursors().await?;
        Ok(Self { aws, app, counting })
    }

    /// Opens the n-th account and links a license of its own to it, by the use
    /// cases that the pages call.
    pub(crate) async fn open_linked(&self, n: usize) -> anyhow::Result<AccountId> {
        let app = &self.app;
        let account = AccountId::parse(format!("account-{n:06}"))?;
        let email = UserEmail::parse(format!("owner-{n:06}@example.com"))?;
        let name = AccountName::parse(format!("Account {n:06}"))?;
        let by = Actor::Product;
        app.open_account(&account, &name, None, &by).await?;
        app.put_member(&account, &email, Role::FullAccess, &by)
            .await?;

        let buyer = format!("{:012}", 200_000_000_000 + n);
        let bought = self.aws.create_agreement(OfferKind::Public, &buyer).await?;
        let token = bought.registration_token.into();
        let (session, _) = app.begin_registration(token, false).await?;
        let user = SignedIn {
            subject: Subject::parse(email.as_str())?,
            email,
            method: SignInMethod::Credentials,
            at: self.aws.now(),
            email_verified: true,
            support: false,
        };
        let choices = app.link_choices(&session, &user).await?;
        let choice = choices.accounts.into_iter().next().context("no account")?;
        let proposal = choice.outcome?;
        app.confirm_link(&session, &user, &account, &proposal.basis)
            .await?;
        Ok(account)
    }
}

/// Nobody reads the tables' streams here, and the embedded database looks
/// through all records of a stream before it adds one: opening 10,000 accounts
/// would take hours.
fn without_streams(template: &str) -> String {
    let lines = template
        .lines()
        .filter(|line| !line.contains("StreamSpecification:"));
    lines.collect::<Vec<_>>().join("\n")
}

/// The SDK's clients as the functions configure them, over the fake.
pub(crate) fn clients(counting: &Counting) -> Clients {
    let settings = AwsSettings {
        region: "us-east-1".to_owned(),
        endpoint_url: None,
        signing: Signing::None,
    };
    Clients::over(SharedHttpClient::new(counting.clone()), &settings)
}

/// Hands AWS's events to the use case that takes them.
fn deliver_events(aws: &FakeAws, app: &App) {
    let app = app.clone();
    aws.on_event(Arc::new(move |event| {
        let app = app.clone();
        Box::pin(async move {
            let event = parse_event(event.to_string().as_bytes()).map_err(|e| e.to_string())?;
            let taken = app.record_marketplace_event(event).await;
            taken.map(|_| ()).map_err(|error| error.to_string())
        })
    }));
}
