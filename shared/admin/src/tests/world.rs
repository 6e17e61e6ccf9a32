//! A fake AWS, the use cases over it, and command lines.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use app::marketplace_events::parse_event;
use app::reconciliation::Sources;
use app::{App, Clock, Rules, Settings};
use aws_smithy_runtime_api::client::http::SharedHttpClient;
use clap::Parser as _;
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
use domain::usage::{Part, UsageReport};
use fake_aws::{Config, DATA_FEEDS_BUCKET, FakeAws, Fault, FaultKind, OfferKind};
use jiff::{SignedDuration, Timestamp};
use runtime::aws::Clients;
use runtime::settings::{AwsSettings, Signing};
use serde_json::json;
use store::{Store, Tables};

use crate::arguments::Arguments;
use crate::redrive::Queues;
use crate::surroundings::Surroundings;
use crate::{Answer, Consent, Ended, Refused, run};

pub(crate) const PRODUCT: &str = "8k2m4n6p7q9r1s3t5v7w9x0yz";
pub(crate) const BUYER: &str = "200000000001";
pub(crate) const TEMPLATE: &str = include_str!("../../../../template.yaml");

/// A fake AWS, and the use cases over it.
pub(crate) struct World {
    pub(crate) aws: FakeAws,
    pub(crate) app: App,
    pub(crate) sources: Sources,
    pub(crate) queues: Queues,
    /// By how many seconds every further look at the clock finds it later.
    pub(crate) seconds_a_look: Arc<AtomicU64>,
}

struct FakeClock {
    aws: FakeAws,
    drawn: AtomicU64,
    seconds_a_look: Arc<AtomicU64>,
    looks: AtomicU64,
}

impl Clock for FakeClock {
    fn now(&self) -> Timestamp {
        let seconds = self.seconds_a_look.load(Ordering::Relaxed);
        let gone_by = self.looks.fetch_add(seconds, Ordering::Relaxed);
        self.aws.now() + SignedDuration::from_secs(gone_by.try_into().unwrap())
    }

    fn random(&self) -> u128 {
        let drawn = self.drawn.fetch_add(1, Ordering::Relaxed);
        u128::from(drawn).wrapping_mul(0x9E37_79B9_7F4A_7C15_F39C_C060_5CED_C835)
    }

    fn wait(&self, _until: Timestamp) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        Box::pin(std::future::ready(()))
    }
}

impl World {
    pub(crate) async fn new() -> Self {
        let world = Self::over(TEMPLATE).await;
        world.app.start_cursors().await.unwrap();
        world
    }

    /// A world whose tables are another template's.
    pub(crate) async fn over(template: &str) -> Self {
        let config = Config {
            template: template.to_owned(),
            start: Some("2026-11-22T10:00:00Z".parse().unwrap()),
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
        let settings = AwsSettings {
            region: "us-east-1".to_owned(),
            endpoint_url: None,
            signing: Signing::None,
        };
        let clients = Clients::over(SharedHttpClient::new(aws.in_process()), &settings);
        let sources = clients.sources(&settings, Some(DATA_FEEDS_BUCKET.to_owned()));
        let tables = Tables {
            subscriptions: "Subscriptions".to_owned(),
            usage: "Usage".to_owned(),
        };
        let seconds_a_look = Arc::new(AtomicU64::new(0));
        let app = App {
            store: Store::new(clients.dynamodb.clone(), tables),
            marketplace: clients.marketplace(),
            clock: Arc::new(FakeClock {
                aws: aws.clone(),
                drawn: AtomicU64::new(1),
                seconds_a_look: seconds_a_look.clone(),
                looks: AtomicU64::new(0),
            }),
            settings: Settings {
                subscriptions: Arc::new(policy),
                rules: Rules::new(Arc::new(Catalog::workload_security())),
            },
        };
        let taking = app.clone();
        aws.on_event(Arc::new(move |event| {
            let app = taking.clone();
            Box::pin(async move {
                let event = parse_event(event.to_string().as_bytes()).unwrap();
                app.record_marketplace_event(event).await.unwrap();
                Ok(())
            })
        }));
        Self {
            aws,
            app,
            sources,
            queues: Queues::Local,
            seconds_a_look,
        }
    }

    /// A command, and what the operator answers.
    pub(crate) async fn asked(&self, line: &str, consent: Consent) -> Result<String, Refused> {
        self.answered(line, consent).await.map(|answer| answer.text)
    }

    async fn answered(&self, line: &str, consent: Consent) -> Result<Answer, Refused> {
        let words = std::iter::once("admin").chain(line.split(' '));
        let arguments = Arguments::try_parse_from(words).unwrap();
        let surroundings = Surroundings {
            app: self.app.clone(),
            sources: self.sources.clone(),
            queues: self.queues.clone(),
        };
        run(&surroundings, &arguments, |_| consent).await
    }

    /// How a command ends that must not ask.
    pub(crate) async fn ended(&self, line: &str) -> Ended {
        let answer = self.answered(line, Consent::NobodyToAsk).await;
        answer.unwrap().ended
    }

    /// What a command says that must not ask.
    pub(crate) async fn said(&self, line: &str) -> String {
        self.asked(line, Consent::NobodyToAsk).await.unwrap()
    }

    /// What a change says that is agreed to, and that nothing was written before.
    pub(crate) async fn yes(&self, line: &str) -> String {
        self.changes_nothing_unasked(line).await;
        self.said(&format!("{line} --yes")).await
    }

    /// Neither a dry run nor a question that nobody answers writes anything.
    async fn changes_nothing_unasked(&self, line: &str) {
        let before = self.writes();
        let dry_run = format!("{line} --dry-run");
        let dry_run = self.asked(&dry_run, Consent::Given).await.unwrap();
        let unasked = self.asked(line, Consent::NobodyToAsk).await;
        match unasked {
            Ok(said) => {
                assert!(said.starts_with("Already so: "), "{line}: {said}");
                assert_eq!(dry_run, said, "{line}");
            }
            Err(refused) => {
                assert!(matches!(refused, Refused::NobodyToAsk), "{line}: {refused}");
                assert!(
                    dry_run.ends_with("--dry-run: nothing was changed."),
                    "{line}: {dry_run}"
                );
            }
        }
        assert_eq!(self.writes(), before, "{line}");
    }

    /// How often DynamoDB was asked to write.
    fn writes(&self) -> u64 {
        let calls = self.aws.dynamodb_calls();
        let writes = [
            "BatchWriteItem",
            "DeleteItem",
            "PutItem",
            "TransactWriteItems",
            "UpdateItem",
        ];
        writes
            .iter()
            .filter_map(|operation| calls.get(operation))
            .sum()
    }

    pub(crate) async fn refused(&self, line: &str) -> String {
        let refused = self.asked(line, Consent::Given).await;
        refused.unwrap_err().to_string()
    }

    pub(crate) async fn advance(&self, duration: SignedDuration) {
        self.aws.advance_by(duration).await.unwrap();
    }

    /// Submits what is due; how many calls that took.
    pub(crate) async fn submit(&self) -> usize {
        self.app.submit_due(Timestamp::MAX).await.unwrap().calls
    }

    /// A linked license, and an hour's usage of 3 computers in its slot.
    pub(crate) async fn posted(&self) -> (LicenseId, Hour) {
        let license = self.linked().await;
        let hour = Hour::of(self.aws.now());
        self.post(hour).await;
        (license, hour)
    }

    /// Reports 3 computers' usage of an hour, and posts it when it is over.
    pub(crate) async fn post(&self, hour: Hour) {
        self.report(hour, "r", 3).await;
        let posted_at = hour.end() + SignedDuration::from_mins(11);
        self.aws.advance_to(posted_at).await.unwrap();
        self.app.post_due(Timestamp::MAX).await.unwrap();
    }

    /// Reports computers' usage of an hour.
    pub(crate) async fn report(&self, hour: Hour, id: &str, computers: usize) {
        let report = report(hour, id, computers);
        self.app.record_usage(&report).await.unwrap();
    }

    /// A delivery of a report that ends after it was stored, before it makes sure
    /// that it will be posted.
    pub(crate) async fn store_and_break_off(&self, hour: Hour, id: &str, computers: usize) {
        let lost = Fault::new("PutItem", FaultKind::LostAnswer, 3);
        self.aws.inject_fault(lost).unwrap();
        let report = report(hour, id, computers);
        self.app.record_usage(&report).await.unwrap_err();
        self.aws.clear_faults();
    }

    /// How many computers of an hour are in its slot.
    pub(crate) async fn posted_computers(&self, hour: Hour) -> u32 {
        let account = AccountId::parse("acme").unwrap();
        let posted = self.app.store.account_hour(&account, Part(0), hour).await;
        posted.unwrap().lines.iter().map(|line| line.count).sum()
    }

    /// The buyer cancels.
    pub(crate) async fn cancel(&self) {
        let state = self.aws.state();
        let agreement = state["agreements"][0]["agreement_id"].as_str().unwrap();
        self.aws.cancel_agreement(agreement).await.unwrap();
    }

    /// The same, sent to AWS, which accepted it and whose answer was lost.
    pub(crate) async fn sent_without_an_answer(&self) -> (LicenseId, Hour) {
        let posted = self.posted().await;
        let lost = Fault::new("BatchMeterUsage", FaultKind::LostAnswer, 1);
        self.aws.inject_fault(lost).unwrap();
        assert_eq!(self.submit().await, 1);
        posted
    }

    async fn linked(&self) -> LicenseId {
        let (app, by) = (&self.app, Actor::Product);
        let account = AccountId::parse("acme").unwrap();
        let name = AccountName::parse("Acme").unwrap();
        app.open_account(&account, &name, None, &by).await.unwrap();
        let email = UserEmail::parse("ann@example.com").unwrap();
        let member = app.put_member(&account, &email, Role::FullAccess, &by);
        member.await.unwrap();
        let bought = self.aws.create_agreement(OfferKind::Public, BUYER).await;
        let bought = bought.unwrap();
        let begun = app.begin_registration(bought.registration_token.into(), false);
        let (session, _) = begun.await.unwrap();
        let user = SignedIn {
            subject: Subject::parse("sub-ann").unwrap(),
            email,
            method: SignInMethod::Credentials,
            at: self.aws.now(),
            email_verified: true,
            support: false,
        };
        let choices = app.link_choices(&session, &user).await.unwrap();
        let basis = choices.accounts[0].outcome.clone().unwrap().basis;
        let confirmed = app.confirm_link(&session, &user, &account, &basis).await;
        confirmed.unwrap();
        let license = LicenseArn::parse(bought.license_arn).unwrap();
        license.id().clone()
    }
}

fn report(hour: Hour, id: &str, computers: usize) -> UsageReport {
    let computers: Vec<_> = (0..computers)
        .map(|n| {
            json!({"agent_id": format!("{id}-{n}"), "connector": {"kind": "aws"},
                   "size": {"instance_type": "m5.large"}})
        })
        .collect();
    let report = json!({"account": "acme", "hour": hour, "report_id": id,
                        "computers": computers});
    serde_json::from_value(report).unwrap()
}
