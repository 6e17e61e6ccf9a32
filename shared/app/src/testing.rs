//! The use cases over the real SDK clients, the embedded DynamoDB and the fake
//! AWS Marketplace, all in this process.

use std::collections::BTreeSet;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use aws_smithy_runtime_api::client::behavior_version::BehaviorVersion;
use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::retry::RetryConfig;
use domain::account::AccountName;
use domain::audit::Actor;
use domain::catalog::Catalog;
use domain::hour::Hour;
use domain::ids::{
    AccountId, AwsAccountId, LicenseArn, LicenseId, ProductCode, ProductId, UserEmail,
};
use domain::member::Role;
use domain::policy::SubscriptionPolicy;
use domain::sign_in::{SignInMethod, SignedIn, Subject};
use fake_aws::{Config, FakeAws, InProcess, NewAgreement, OfferKind, RateLimit, Readings};
use futures_util::future::{BoxFuture, ready};
use jiff::{SignedDuration, Timestamp};
use ledger::Rules;
use marketplace::Marketplace;
use serde_json::{Value, json};
use store::{Store, Tables};

use crate::marketplace_events::parse_event;
use crate::{App, Clock, Scope, SessionSecret, Settings};

/// A client of one of AWS's SDKs, without retries and signatures.
macro_rules! client {
    ($sdk:ident, $http:expr) => {
        $sdk::Client::from_conf(
            $sdk::Config::builder()
                .behavior_version(BehaviorVersion::v2026_01_12())
                .region($sdk::config::Region::new("us-east-1"))
                .http_client($http.clone())
                .retry_config(RetryConfig::disabled())
                .allow_no_auth()
                .build(),
        )
    };
}

pub(crate) const TEMPLATE: &str = include_str!("../../../template.yaml");

/// When every world begins.
const START: &str = "2026-11-22T10:00:00Z";

/// A fake AWS, and the use cases over it.
pub(crate) struct World {
    pub(crate) aws: FakeAws,
    pub(crate) app: App,
    /// The instants that were waited for.
    pub(crate) waited: Arc<Mutex<Vec<Timestamp>>>,
    /// The operations that AWS does not answer in time.
    pub(crate) silent: Arc<Mutex<BTreeSet<&'static str>>>,
    events: Arc<Mutex<Vec<Value>>>,
}

/// The fake's clock, and random numbers that repeat from run to run.
struct FakeClock {
    aws: FakeAws,
    drawn: AtomicU64,
    waited: Arc<Mutex<Vec<Timestamp>>>,
    /// Whether it moves when it is waited for.
    moves: bool,
}

impl Clock for FakeClock {
    fn now(&self) -> Timestamp {
        self.aws.now()
    }

    fn random(&self) -> u128 {
        let drawn = self.drawn.fetch_add(1, Ordering::Relaxed);
        u128::from(drawn).wrapping_mul(0x9E37_79B9_7F4A_7C15_F39C_C060_5CED_C835)
    }

    fn wait(&self, until: Timestamp) -> BoxFuture<'_, ()> {
        self.waited.lock().unwrap().push(until);
        if !self.moves {
            return Box::pin(ready(()));
        }
        Box::pin(async move { self.aws.advance_to(until).await.unwrap() })
    }
}

/// Reaches the fake without a network. Before each request it lets
/// other tasks go first a number of times that depends on the seed, so that
/// concurrent use cases interleave at every step of the store.
#[derive(Debug, Clone)]
struct Interleaved {
    fake: InProcess,
    seed: Arc<AtomicU64>,
    silent: Arc<Mutex<BTreeSet<&'static str>>>,
}

impl HttpConnector for Interleaved {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let fake = self.fake.clone();
        let seed = self
            .seed
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |seed| {
                Some(
                    seed.wrapping_mul(6_364_136_223_846_793_005)
                        .wrapping_add(1_442_695_040_888_963_407),
                )
            });
        let pauses = seed.unwrap_or_else(|seed| seed) >> 61;
        let operation = operation_of(&request);
        if self.silent.lock().unwrap().contains(operation.as_str()) {
            return HttpConnectorFuture::ready(Err(ConnectorError::timeout(
                "no answer in time".into(),
            )));
        }
        HttpConnectorFuture::new(async move {
            for _ in 0..pauses {
                tokio::task::yield_now().await;
            }
            refuse_stale_read(&request);
            fake.call(request).await
        })
    }
}

/// The operation that a request calls, by its path or its target.
fn operation_of(request: &HttpRequest) -> String {
    let target = request.headers().get("x-amz-target");
    let named = target.and_then(|target| target.rsplit('.').next());
    let path = || request.uri().rsplit('/').next();
    named.or_else(path).unwrap_or_default().to_owned()
}

/// Every read of a base table is strongly consistent. The embedded DynamoDB
/// cannot show the difference, so a request for any other is refused.
fn refuse_stale_read(request: &HttpRequest) {
    let target = request.headers().get("x-amz-target").unwrap_or_default();
    let body = request.body().bytes().unwrap_or_default();
    let body = serde_json::from_slice(body).unwrap_or(Value::Null);
    assert!(!is_stale_read(target, &body), "{target}: {body}");
}

/// Whether a request reads a table, not an index, and does not say that the
/// newest state is wanted.
fn is_stale_read(target: &str, body: &Value) -> bool {
    let fresh = |read: &Value| read["ConsistentRead"] == true;
    match target.rsplit_once('.').map(|(_, operation)| operation) {
        Some("GetItem") => !fresh(body),
        Some("Query" | "Scan") => body["IndexName"].is_null() && !fresh(body),
        Some("BatchGetItem") => body["RequestItems"]
            .as_object()
            .is_none_or(|tables| !tables.values().all(fresh)),
        Some(_) | None => false,
    }
}

#[test]
fn a_read_that_may_be_stale_is_told_from_one_that_may_not() {
    let stale =
        |operation: &str, body| is_stale_read(&format!("DynamoDB_20120810.{operation}"), &body);
    assert!(stale("GetItem", json!({"TableName": "Usage"})));
    assert!(stale(
        "Query",
        json!({"TableName": "Usage", "ConsistentRead": false})
    ));
    assert!(stale("Scan", json!({"TableName": "Usage"})));
    assert!(stale(
        "BatchGetItem",
        json!({"RequestItems": {"Usage": {"Keys": []}}})
    ));
    assert!(!stale("GetItem", json!({"ConsistentRead": true})));
    assert!(!stale("Query", json!({"IndexName": "work"})));
    assert!(!stale(
        "BatchGetItem",
        json!({"RequestItems": {"Usage": {"ConsistentRead": true}}})
    ));
    assert!(!stale("PutItem", json!({"TableName": "Usage"})));
}

impl HttpClient for Interleaved {
    fn http_connector(
        &self,
        _settings: &HttpConnectorSettings,
        _components: &RuntimeComponents,
    ) -> SharedHttpConnector {
        SharedHttpConnector::new(self.clone())
    }
}

impl World {
    pub(crate) async fn new() -> Self {
        Self::seeded(1).await
    }

    /// A world whose concurrent use cases interleave as the seed says.
    pub(crate) async fn seeded(seed: u64) -> Self {
        Self::with(TEMPLATE, seed, RateLimit::Never).await
    }

    /// A world whose tables are another template's.
    pub(crate) async fn over(template: &str) -> Self {
        Self::with(template, 1, RateLimit::Never).await
    }

    /// A world in which AWS's limits hold, and whose clock moves when it is waited for.
    pub(crate) async fn limited() -> Self {
        Self::with(TEMPLATE, 1, RateLimit::Always).await
    }

    async fn with(template: &str, seed: u64, rate_limit: RateLimit) -> Self {
        let config = Config {
            template: template.to_owned(),
            start: Some(START.parse().unwrap()),
            readings: Readings {
                rate_limit,
                ..Readings::default()
            },
            ..Config::default()
        };
        let product = ProductCode::parse(config.product_code.clone()).unwrap();
        let policy = SubscriptionPolicy::new(
            AwsAccountId::parse(config.seller_account.clone()).unwrap(),
            [product.clone()],
        )
        .naming(
            product,
            ProductId::parse(config.product_id.clone()).unwrap(),
        );
        let aws = FakeAws::start(config).await.unwrap();
        let events: Arc<Mutex<Vec<Value>>> = Arc::default();
        let kept = Arc::clone(&events);
        aws.on_event(Arc::new(move |event| {
            kept.lock().unwrap().push(event);
            Box::pin(async { Ok(()) })
        }));
        let http = Interleaved {
            fake: aws.in_process(),
            seed: Arc::new(AtomicU64::new(seed)),
            silent: Arc::default(),
        };
        let silent = Arc::clone(&http.silent);
        let waited: Arc<Mutex<Vec<Timestamp>>> = Arc::default();
        let app = App {
            store: store_over(http.clone()),
            marketplace: marketplace(&http),
            clock: Arc::new(FakeClock {
                aws: aws.clone(),
                drawn: AtomicU64::new(1),
                waited: Arc::clone(&waited),
                moves: rate_limit == RateLimit::Always,
            }),
            settings: Settings {
                subscriptions: Arc::new(policy),
                rules: Rules::new(Arc::new(Catalog::workload_security())),
            },
        };
        Self {
            aws,
            app,
            waited,
            silent,
            events,
        }
    }

    /// The use cases over another way to the same store.
    pub(crate) fn app_through(&self, http: impl HttpClient + 'static) -> App {
        App {
            store: store_over(http),
            ..self.app.clone()
        }
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.aws.now()
    }

    pub(crate) async fn advance(&self, duration: SignedDuration) {
        self.aws.advance_by(duration).await.unwrap();
    }

    /// A buyer subscribes; the events wait until [`World::deliver`].
    pub(crate) async fn subscribe(&self, buyer: &str) -> NewAgreement {
        self.aws
            .create_agreement(OfferKind::Public, buyer)
            .await
            .unwrap()
    }

    /// The events that AWS sent and that were not taken yet.
    pub(crate) fn take_events(&self) -> Vec<Value> {
        std::mem::take(&mut *self.events.lock().unwrap())
    }

    /// Delivers the events that AWS sent.
    pub(crate) async fn deliver(&self) {
        for event in self.take_events() {
            self.record(&event).await;
        }
    }

    pub(crate) async fn record(&self, event: &Value) -> crate::marketplace_events::EventOutcome {
        let event = parse_event(event.to_string().as_bytes()).unwrap();
        self.app.record_marketplace_event(event).await.unwrap()
    }

    /// A buyer subscribes, the events arrive, the browser comes.
    pub(crate) async fn register(&self, buyer: &str) -> (LicenseId, SessionSecret) {
        let agreement = self.subscribe(buyer).await;
        self.deliver().await;
        let license = license_of(&agreement);
        (license, self.begin(&agreement.registration_token).await)
    }

    pub(crate) async fn begin(&self, token: &str) -> SessionSecret {
        let begun = self.app.begin_registration(token.into(), false).await;
        begun.unwrap().0
    }

    /// An account whose full-access members are these.
    pub(crate) async fn account(&self, id: &str, members: &[&str]) -> AccountId {
        let id = AccountId::parse(id).unwrap();
        let name = AccountName::parse(format!("Name of {id}")).unwrap();
        let by = Actor::Product;
        self.app.open_account(&id, &name, None, &by).await.unwrap();
        for member in members {
            self.app
                .put_member(&id, &email(member), Role::FullAccess, &by)
                .await
                .unwrap();
        }
        id
    }

    /// Signed in with credentials just now.
    pub(crate) fn user(&self, name: &str) -> SignedIn {
        SignedIn {
            email: email(name),
            subject: Subject::parse(format!("sub-{name}")).unwrap(),
            method: SignInMethod::Credentials,
            at: self.now(),
            email_verified: true,
            support: false,
        }
    }

    /// Links the session's license to an account, confirming what is shown.
    pub(crate) async fn link(&self, session: &SessionSecret, user: &str, account: &AccountId) {
        let user = self.user(user);
        let choices = self.app.link_choices(session, &user).await.unwrap();
        let choice = choices.accounts.iter().find(|c| c.account == *account);
        let basis = choice.unwrap().outcome.clone().unwrap().basis;
        self.app
            .confirm_link(session, &user, account, &basis)
            .await
            .unwrap();
    }

    /// What the check of conservation finds of every hour up to now, besides
    /// what only waits.
    pub(crate) async fn differences(&self) -> Vec<String> {
        let began = Hour::of(START.parse().unwrap());
        let hours = 0..=Hour::of(self.now()).since(began);
        let hours: Vec<Hour> = hours.map(|later| began.plus(later)).collect();
        let scope = Scope::every_account(&hours);
        let found = self.app.check_conservation(&scope, Timestamp::MAX).await;
        let found = found.unwrap();
        let differences = found.differences.iter();
        let differences = differences.filter(|difference| !difference.only_waits());
        differences.map(ToString::to_string).collect()
    }

    /// License and account are one to one, and the open links say the same.
    pub(crate) async fn check(&self, accounts: &[AccountId], licenses: &[LicenseId]) {
        let store = &self.app.store;
        for id in accounts {
            let account = store.account(id).await.unwrap().unwrap();
            let links = store
                .links_of_account(id, Timestamp::MIN, Timestamp::MAX)
                .await
                .unwrap();
            let open: Vec<_> = links.iter().filter(|link| link.until.is_none()).collect();
            match account.license() {
                None => assert!(open.is_empty(), "{id}: {open:?}"),
                Some(license) => {
                    assert_eq!(open.len(), 1, "{id}");
                    assert_eq!(open[0].license, *license);
                    let license = store.license(license).await.unwrap().unwrap();
                    assert_eq!(license.linked.as_ref(), Some(id));
                }
            }
        }
        for id in licenses {
            let license = store.license(id).await.unwrap().unwrap();
            let links = store
                .links_of_license(id, Timestamp::MIN, Timestamp::MAX)
                .await
                .unwrap();
            let open: Vec<_> = links.iter().filter(|link| link.until.is_none()).collect();
            assert_eq!(
                open.first().map(|link| &link.account),
                license.linked.as_ref()
            );
            assert!(open.len() <= 1, "{open:?}");
            if let Some(account) = &license.linked {
                let account = store.account(account).await.unwrap().unwrap();
                assert_eq!(account.license(), Some(id));
            }
        }
    }
}

/// What is logged on this thread, from its beginning to its end.
pub(crate) struct Logged {
    kept: Kept,
    _until: tracing::subscriber::DefaultGuard,
}

#[derive(Clone, Default)]
struct Kept(Arc<Mutex<Vec<u8>>>);

impl io::Write for Kept {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Logged {
    pub(crate) fn from_now_on() -> Self {
        let kept = Kept::default();
        let writer = kept.clone();
        let subscriber = tracing_subscriber::fmt()
            .json()
            .flatten_event(true)
            .with_writer(move || writer.clone())
            .finish();
        Self {
            kept,
            _until: tracing::subscriber::set_default(subscriber),
        }
    }

    /// Everything, as it is written.
    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.kept.0.lock().unwrap().clone()).unwrap()
    }

    /// The records about which a person must do something.
    pub(crate) fn alarms(&self) -> Vec<Value> {
        let records = self.text();
        let records = records
            .lines()
            .map(|line| serde_json::from_str(line).unwrap());
        records
            .filter(|record: &Value| !record["alarm"].is_null())
            .collect()
    }

    /// The one alarm of that name.
    #[track_caller]
    pub(crate) fn alarm(&self, name: &str) -> Value {
        let mut alarms = self.alarms();
        alarms.retain(|record| record["alarm"] == name);
        assert_eq!(alarms.len(), 1, "{name}: {}", self.text());
        assert_eq!(alarms[0]["level"], "ERROR");
        alarms.remove(0)
    }
}

pub(crate) fn email(name: &str) -> UserEmail {
    UserEmail::parse(format!("{name}@example.com")).unwrap()
}

pub(crate) fn license_of(agreement: &NewAgreement) -> LicenseId {
    LicenseArn::parse(agreement.license_arn.clone())
        .unwrap()
        .id()
        .clone()
}

fn store_over(http: impl HttpClient + 'static) -> Store {
    let tables = Tables {
        subscriptions: "Subscriptions".to_owned(),
        usage: "Usage".to_owned(),
    };
    Store::new(dynamodb(http), tables)
}

/// A DynamoDB client for the fake, for what the store does not offer.
pub(crate) fn dynamodb_of(world: &World) -> aws_sdk_dynamodb::Client {
    dynamodb(Interleaved {
        fake: world.aws.in_process(),
        seed: Arc::new(AtomicU64::new(1)),
        silent: Arc::default(),
    })
}

fn dynamodb(http: impl HttpClient + 'static) -> aws_sdk_dynamodb::Client {
    aws_sdk_dynamodb::Client::from_conf(
        aws_sdk_dynamodb::Config::builder()
            .behavior_version(BehaviorVersion::v2026_01_12())
            .region(aws_sdk_dynamodb::config::Region::new("us-east-1"))
            .http_client(http)
            .retry_config(RetryConfig::disabled())
            .allow_no_auth()
            .build(),
    )
}

fn marketplace(http: &Interleaved) -> Marketplace {
    Marketplace::new(
        client!(aws_sdk_marketplacemetering, http),
        client!(aws_sdk_marketplaceentitlement, http),
        client!(aws_sdk_marketplaceagreement, http),
    )
}
