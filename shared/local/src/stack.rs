//! Composing and serving the stack.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use app::reconciliation::Sources;
use app::{App, Rules, Settings, StepError};
use axum::Router;
use axum::extract::{Request, State as Extracted};
use axum::http::Method;
use axum::middleware::{Next, from_fn_with_state};
use axum::response::Response;
use domain::catalog::{Catalog, InvalidCatalog};
use domain::ids::{AccountId, AwsAccountId, InvalidId, ProductCode, ProductId};
use domain::policy::{SubscriptionPolicy, SupportApproval};
use fake_aws::{DATA_FEEDS_BUCKET, FakeAws};
use jiff::Timestamp;
use runtime::aws::Clients;
use runtime::https::Https;
use runtime::settings::{AwsSettings, Signing};
use secrecy::SecretString;
use store::{Store, StoreError, Tables};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;
use web::{ApiAccess, CredentialRule, PublicUrl, SignIn, SignInSettings, Site, SupportRule};

use crate::apart::{Apps, Observer};
use crate::clock::LocalClock;
use crate::edge;
use crate::functions::Functions;
use crate::issuer::{Issuer, IssuerConfig, IssuerError};
use crate::processes::{ProcessConfig, Processes};
use crate::product::{ACME_PRODUCTION, Reporting, Requests, Silence, open_accounts};
use crate::schedules::Schedules;

/// The key with which the local product may send usage reports by HTTP.
pub const USAGE_API_KEY: &str = "local-usage-key";

/// The template that describes the tables.
const TEMPLATE: &str = include_str!("../../../template.yaml");

/// How the stack is started.
#[derive(Debug, Clone, Default)]
pub struct Config {
    /// Port of the seller's pages and API; 0 takes a free one.
    pub port: u16,
    /// Port of the fake AWS; 0 takes a free one.
    pub aws_port: u16,
    /// Where all state is kept; `None`: in memory.
    pub data_dir: Option<PathBuf>,
    /// `None`: the clock follows the machine's. `Some`: it stands at this
    /// instant and moves only when told, and everything repeats.
    pub start: Option<Timestamp>,
    /// How many people of support it takes to unlink or transfer a license.
    pub support_approval: SupportApproval,
    /// Who is told which function calls what of AWS.
    pub observer: Option<Observer>,
    /// Whether the functions are processes of their own, and how; `None`: they run
    /// in this one.
    pub processes: Option<ProcessConfig>,
}

/// Why the stack did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// Another program uses the port.
    #[error("port {port} cannot be used. Stop what uses it, or choose another with {flag} PORT")]
    Port {
        /// The port.
        port: u16,
        /// The flag that chooses another.
        flag: &'static str,
        /// What the system says.
        source: io::Error,
    },
    /// The fake AWS did not start.
    #[error("the fake AWS did not start")]
    Fake(#[from] fake_aws::StartError),
    /// A built-in identifier breaks a rule.
    #[error(transparent)]
    Invalid(#[from] InvalidId),
    /// The built-in catalog breaks a rule.
    #[error(transparent)]
    Catalog(#[from] InvalidCatalog),
    /// The built-in catalog cannot be written as a setting.
    #[error("the catalog cannot be written as a setting")]
    Text(#[source] serde_json::Error),
    /// The address of the pages is none.
    #[error(transparent)]
    PublicUrl(#[from] web::InvalidPublicUrl),
    /// Nobody could sign in.
    #[error("the local sign-in did not start")]
    Issuer(#[from] IssuerError),
    /// The accounts could not be opened.
    #[error("the product's accounts could not be opened")]
    Seed(#[from] crate::product::SeedError),
    /// The tables could not be read.
    #[error("the tables could not be read or written")]
    Store(#[from] StoreError),
    /// The ledger's cursors could not be started.
    #[error("the ledger could not be started")]
    Ledger(#[from] StepError),
}

/// A running stack. Stops serving when dropped.
pub struct Local {
    /// The fake AWS: its clock, its events, what it accepted.
    pub fake: FakeAws,
    /// The use cases.
    pub app: App,
    /// What AWS says of our usage besides its answers.
    pub sources: Sources,
    /// Where the seller's pages and API are, such as `http://localhost:8080`.
    pub seller_url: String,
    /// Where the fake AWS is, such as `http://localhost:8090`.
    pub aws_url: String,
    /// The functions' processes, if they are any.
    pub processes: Option<Processes>,
    functions: Functions,
    silence: Silence,
    stop: watch::Sender<bool>,
    servers: JoinSet<io::Result<()>>,
}

impl std::fmt::Debug for Local {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Local")
            .field("seller_url", &self.seller_url)
            .field("aws_url", &self.aws_url)
            .finish_non_exhaustive()
    }
}

impl Local {
    /// Starts everything and serves.
    ///
    /// # Errors
    /// [`StartError`] says what is in the way and what to do.
    pub async fn start(config: Config) -> Result<Self, StartError> {
        let (seller, seller_url) = bind(config.port, "--port").await?;
        let (aws, aws_url) = bind(config.aws_port, "--aws-port").await?;
        let fake = FakeAws::start(fake_aws::Config {
            template: TEMPLATE.to_owned(),
            data_dir: config.data_dir.clone(),
            fulfillment_url: format!("{seller_url}/register"),
            start: config.start,
            ..fake_aws::Config::default()
        })
        .await?;
        // Whoever moves the clock at once waits until there is something to run.
        let standing = fake.hold_clock().await;
        let (stop, stopped) = watch::channel(false);
        let mut servers = JoinSet::new();
        servers.spawn(serve(aws, fake.router(), stopped.clone()));

        let (app, sources) = app(&fake, &aws_url, &config)?;
        let opened = prepare(&app).await?;
        let mut apps = Apps::together(app.clone(), sources.clone());
        if let Some(observer) = &config.observer {
            let serving = (&mut servers, &stopped);
            apps = apps.observed(observer, &fake.router(), serving).await?;
        }
        let pages_of = |function| state(apps.of(function).0.clone(), &seller_url);
        let intake = pages_of("usage-intake")?;
        let pages = web::apart(
            pages_of("registration")?,
            pages_of("console")?,
            intake.clone(),
        );
        let processes = match &config.processes {
            Some(processes) => {
                let settings = settings_of_processes(&seller_url)?;
                let serving = (&mut servers, &stopped);
                let aws = fake.router();
                Some(Processes::new(processes, &aws, &settings, serving).await?)
            }
            None => None,
        };
        let pages = match &processes {
            Some(processes) => processes.pages(),
            None => pages,
        };
        let silence = Silence::default();
        let requests = Requests::until(silence.clone());
        let intake = usage_intake::router(intake);
        let functions = Functions::new(apps, intake, requests, processes.clone());
        let schedules = Schedules::new(fake.now());
        let reporting = Reporting::since(opened, fake.now(), silence.clone());
        connect(&fake, &functions, &schedules, &reporting);
        drop(standing);

        let issuer = issuer(&seller_url, &fake, config.data_dir.as_deref())?;
        let seller_router = pages
            .merge(issuer.router())
            .layer(from_fn_with_state((schedules, fake.clone()), wake_after))
            .layer(from_fn_with_state(
                edge::Requests::default(),
                edge::known_by_id,
            ));
        servers.spawn(serve(seller, seller_router, stopped));
        Ok(Self {
            fake,
            app,
            sources,
            seller_url,
            aws_url,
            processes,
            functions,
            silence,
            stop,
            servers,
        })
    }

    /// From now on the product reports nothing, by itself or when it is asked: the
    /// clock passes hours in which nothing is used.
    pub fn silence_product(&self) {
        self.silence.fall();
    }

    /// Delivers a usage report through the product's queue.
    ///
    /// # Errors
    /// Why the message went back to its queue.
    pub async fn send_usage_report(&self, report: &serde_json::Value) -> Result<(), String> {
        self.functions.usage_report(report).await
    }

    /// Delivers one of EventBridge's events through the queue.
    ///
    /// # Errors
    /// Why the message went back to its queue.
    pub async fn send_marketplace_event(&self, event: serde_json::Value) -> Result<(), String> {
        self.functions.marketplace_event(event).await
    }

    /// The seller's pages and API over other use cases, such as ones whose calls
    /// to AWS are counted. Whoever is signed in here is so there, for as long as
    /// they share the tables.
    ///
    /// # Errors
    /// [`StartError::PublicUrl`] when the stack's address is none of pages.
    pub fn pages_over(&self, app: App) -> Result<Router, StartError> {
        Ok(web::all(state(app, &self.seller_url)?))
    }

    /// Stops serving, after the requests under way.
    pub async fn stop(mut self) {
        let _nobody_listens = self.stop.send(true);
        let grace = std::time::Duration::from_millis(500);
        let all = async { while self.servers.join_next().await.is_some() {} };
        if tokio::time::timeout(grace, all).await.is_err() {
            tracing::debug!("connections were still open; they are cut");
        }
    }
}

pub(crate) async fn bind(
    port: u16,
    flag: &'static str,
) -> Result<(TcpListener, String), StartError> {
    let failed = |source| StartError::Port { port, flag, source };
    let listener = TcpListener::bind(("127.0.0.1", port))
        .await
        .map_err(failed)?;
    let bound = listener.local_addr().map_err(failed)?.port();
    Ok((listener, format!("http://localhost:{bound}")))
}

pub(crate) async fn serve(
    listener: TcpListener,
    router: Router,
    mut stopped: watch::Receiver<bool>,
) -> io::Result<()> {
    axum::serve(listener, router)
        .with_graceful_shutdown(async move {
            let _sender_gone = stopped.wait_for(|stop| *stop).await;
        })
        .await
}

/// How the fake is called at an address.
fn settings_at(aws_url: &str) -> AwsSettings {
    AwsSettings {
        region: "us-east-1".to_owned(),
        endpoint_url: Some(aws_url.replace("localhost", "127.0.0.1")),
        signing: Signing::None,
    }
}

fn tables() -> Tables {
    Tables {
        subscriptions: "Subscriptions".to_owned(),
        usage: "Usage".to_owned(),
    }
}

/// The same use cases, by clients that call AWS at another address.
pub(crate) fn calling(aws_url: &str, app: &App) -> (App, Sources) {
    let settings = settings_at(aws_url);
    let clients = Clients::new(&settings);
    let sources = clients.sources(&settings, Some(DATA_FEEDS_BUCKET.to_owned()));
    let app = App {
        store: Store::new(clients.dynamodb.clone(), tables()),
        marketplace: clients.marketplace(),
        ..app.clone()
    };
    (app, sources)
}

/// The environment that Lambda and the template give every function.
fn settings_of_processes(seller_url: &str) -> Result<Vec<(&'static str, String)>, StartError> {
    let defaults = fake_aws::Config::default();
    let seller = &defaults.seller_account;
    let secret = format!("arn:aws:secretsmanager:us-east-1:{seller}:secret:sign-in-AbCdEf");
    let tables = tables();
    let catalog = serde_json::to_string(&crate::product::catalog()?).map_err(StartError::Text)?;
    Ok(vec![
        ("AWS_LAMBDA_FUNCTION_NAME", "local".to_owned()),
        ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "256".to_owned()),
        ("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST".to_owned()),
        ("AWS_ACCESS_KEY_ID", "local".to_owned()),
        ("AWS_SECRET_ACCESS_KEY", "local".to_owned()),
        ("AWS_REGION", "us-east-1".to_owned()),
        ("SUBSCRIPTIONS_TABLE", tables.subscriptions),
        ("USAGE_TABLE", tables.usage),
        ("SELLER_ACCOUNT", defaults.seller_account.clone()),
        ("PRODUCT_CODES", defaults.product_code),
        ("PRODUCT_IDS", defaults.product_id),
        ("CATALOG", catalog),
        ("PUBLIC_URL", seller_url.to_owned()),
        (
            "PRODUCT_NAME",
            Catalog::workload_security().service().to_owned(),
        ),
        ("SUPPORT_EMAIL", "support@example.com".to_owned()),
        ("SIGN_IN_ISSUER", format!("{seller_url}/issuer")),
        ("SIGN_IN_CLIENT_ID", CLIENT_ID.to_owned()),
        ("SIGN_IN_CLIENT_SECRET_ARN", secret),
        ("DATA_FEEDS_BUCKET", DATA_FEEDS_BUCKET.to_owned()),
    ])
}

/// The use cases over real SDK clients that call the fake.
fn app(fake: &FakeAws, aws_url: &str, config: &Config) -> Result<(App, Sources), StartError> {
    let settings = settings_at(aws_url);
    let clients = Clients::new(&settings);
    let sources = clients.sources(&settings, Some(DATA_FEEDS_BUCKET.to_owned()));
    let defaults = fake_aws::Config::default();
    let product = ProductCode::parse(defaults.product_code)?;
    let app = App {
        store: Store::new(clients.dynamodb.clone(), tables()),
        marketplace: clients.marketplace(),
        clock: Arc::new(LocalClock::new(fake.clone(), config.start.is_some())),
        settings: Settings {
            subscriptions: Arc::new(SubscriptionPolicy {
                support_approval: config.support_approval,
                ..SubscriptionPolicy::new(
                    AwsAccountId::parse(defaults.seller_account)?,
                    [product.clone()],
                )
                .naming(product, ProductId::parse(defaults.product_id)?)
            }),
            rules: Rules::new(Arc::new(crate::product::catalog()?)),
        },
    };
    Ok((app, sources))
}

/// Starts the ledger in new tables and opens the product's accounts; when the
/// first account was opened.
async fn prepare(app: &App) -> Result<Timestamp, StartError> {
    let first = AccountId::parse(ACME_PRODUCTION)?;
    if app.store.account(&first).await?.is_none() {
        app.start_cursors().await?;
    }
    open_accounts(app, app.clock.now()).await?;
    let account = app.store.account(&first).await?;
    Ok(account.map_or_else(|| app.clock.now(), |account| account.opened_at))
}

/// Plays EventBridge, the queues, the schedules and the product.
fn connect(fake: &FakeAws, functions: &Functions, schedules: &Schedules, reporting: &Reporting) {
    let (on_event, woken, clock) = (functions.clone(), schedules.clone(), fake.clone());
    fake.on_event(Arc::new(move |event| {
        let (functions, schedules, clock) = (on_event.clone(), woken.clone(), clock.clone());
        Box::pin(async move {
            let delivered = functions.marketplace_event(event).await;
            schedules.wake(clock.now());
            delivered
        })
    }));
    reporting.run_on(fake, functions);
    schedules.run_on(fake, functions);
}

/// After a request that may have changed something, the schedules have a look.
async fn wake_after(
    Extracted((schedules, fake)): Extracted<(Schedules, FakeAws)>,
    request: Request,
    next: Next,
) -> Response {
    let changes = request.method() == Method::POST;
    let response = next.run(request).await;
    if changes {
        schedules.wake(fake.now());
    }
    response
}

/// What the pages work with.
fn state(app: App, seller_url: &str) -> Result<web::State, StartError> {
    Ok(web::State {
        app,
        sign_in: sign_in(seller_url)?,
        site: Arc::new(site(seller_url)?),
    })
}

const CLIENT_ID: &str = "local-client";

/// The issuer knows us by the secret that Secrets Manager gives out.
fn client_secret() -> String {
    fake_aws::Config::default().secret
}

/// The issuer; whoever signs up is kept beside the fake's state.
fn issuer(
    seller_url: &str,
    fake: &FakeAws,
    data_dir: Option<&Path>,
) -> Result<Issuer, IssuerError> {
    let clock = fake.clone();
    Issuer::new(IssuerConfig {
        url: format!("{seller_url}/issuer"),
        client_id: CLIENT_ID.to_owned(),
        client_secret: client_secret(),
        redirect_uris: vec![format!("{seller_url}/sign-in/callback")],
        users: crate::product::users(),
        users_file: data_dir.map(|dir| dir.join("users.jsonl")),
        now: Arc::new(move || clock.now()),
    })
}

fn sign_in(seller_url: &str) -> Result<SignIn, StartError> {
    let settings = SignInSettings {
        issuer: format!("{seller_url}/issuer"),
        client_id: CLIENT_ID.to_owned(),
        client_secret: SecretString::from(client_secret()),
        credentials: CredentialRule::Identities,
        support: SupportRule::default(),
    };
    let issuer = Https::to_aws(None).to_issuer(&settings.issuer);
    let public_url = PublicUrl::parse(seller_url)?;
    Ok(SignIn::new(settings, issuer, &public_url))
}

fn site(seller_url: &str) -> Result<Site, StartError> {
    Ok(Site {
        public_url: PublicUrl::parse(seller_url)?,
        product_name: Catalog::workload_security().service().to_owned(),
        support_email: "support@example.com".to_owned(),
        api_access: ApiAccess::Key(SecretString::from(USAGE_API_KEY)),
    })
}
