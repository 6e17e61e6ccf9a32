//! The functions as processes that are killed at any moment, while usage, links and
//! events flow and nothing that they call can be relied on: nothing is lost and
//! nothing doubled.
//!
//! Every message of a queue is delivered twice. DynamoDB throttles, refuses
//! transactions that conflict, and does what it was asked without answering; so does
//! AWS's metering. The clocks of what posts and submits jump by 40 minutes to and fro.
//!
//! `CHAOS_KILLS=5000` kills more often, `CHAOS_SEED` takes another run.

mod between;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use domain::ids::{AccountId, LicenseId};
use fake_aws::{Fault, FaultKind, NewAgreement, OfferKind, Renewal, RenewalIntent, RenewedLicense};
use jiff::{SignedDuration, Timestamp};
use local::product::{ACME_PRODUCTION, ACME_STAGING};
use local::{Config, ProcessConfig, Processes};
use serde_json::Value;
use tokio::task::JoinSet;

use crate::built::built;
use crate::data_dir::DataDir;
use crate::kill::draws::Draws;
use crate::kill::process::Addresses;
use crate::kill::product::Product;
use crate::kill::{ENDS_AT, STARTS_AT, accepted, check_conservation, expected, records};
use crate::linking::try_link;
use crate::logs;
use crate::project;
use between::Between;

/// Until when functions are killed: everything settles after that, as in `kill`.
const LAST_KILL: &str = "2027-03-10T15:20:00Z";

/// How many reports are sent for each kill, at most.
const REPORTS_PER_KILL: u32 = 3;

/// Every function, by the name of its program.
fn functions() -> Vec<String> {
    project::directories("functions").into_iter().collect()
}

/// A number that the environment may replace.
fn number(variable: &str, default: u64) -> u64 {
    match runtime::settings::variable(variable) {
        Some(number) => number.parse().unwrap(),
        None => default,
    }
}

/// Kills one function after another, most of them at work, until there were enough.
async fn kill(processes: Processes, between: Arc<Between>, mut draws: Draws, wanted: u32) {
    let all = functions();
    while processes.killed() < wanted {
        moment(&mut draws, 160_000).await;
        let busy = processes.at_work();
        let victim = if busy.is_empty() || draws.below(10) == 0 {
            all[usize::try_from(draws.below(all.len() as u64)).unwrap()].clone()
        } else {
            busy[usize::try_from(draws.below(busy.len() as u64)).unwrap()].to_owned()
        };
        processes.kill(&victim).await;
        between.set_clock_of(&victim, &mut draws);
    }
    between.all_is_well();
}

/// Lets things go on for up to so many microseconds.
#[expect(
    clippy::disallowed_methods,
    reason = "the moment of the kill is what is random; nothing is waited for"
)]
async fn moment(draws: &mut Draws, below_us: u64) {
    tokio::time::sleep(Duration::from_micros(draws.below(below_us))).await;
}

/// A product that reports, again and again what is not acknowledged: so much for each
/// kill, for on a slow machine usage would else pile up faster than it is worked off.
async fn report(product: Product, to: Addresses, stack: Arc<Stack>, mut draws: Draws) {
    let mut sent = 0;
    while !stack.over.load(Ordering::SeqCst) {
        if sent < (stack.processes().killed() + 1) * REPORTS_PER_KILL {
            sent += 1;
            let _kept_unless_taken = product
                .send_next(&to, stack.local.fake.now(), &mut draws)
                .await;
        }
        moment(&mut draws, 100_000).await;
    }
}

/// The stack, and whether the disorder is over.
struct Stack {
    local: logs::Stack,
    over: AtomicBool,
}

impl Stack {
    /// With functions that are processes, which meet AWS as `between` has it, and log
    /// into a folder.
    async fn start(between: &Arc<Between>, logs: &Path) -> Self {
        // All of them are built; where one is, are the others.
        let programs: Vec<PathBuf> = functions().iter().map(|name| built(name)).collect();
        let between = Arc::clone(between);
        let local = logs::Stack::start(Config {
            start: Some(STARTS_AT.parse().unwrap()),
            processes: Some(ProcessConfig {
                programs: programs[0].parent().unwrap().to_owned(),
                between: Arc::new(move |function, aws| Arc::clone(&between).before(function, aws)),
                deliveries: 2,
                logs: logs.to_owned(),
            }),
            ..Config::default()
        });
        Self {
            local: local.await.unwrap(),
            over: AtomicBool::new(false),
        }
    }

    fn processes(&self) -> &Processes {
        self.local.processes.as_ref().unwrap()
    }

    fn addresses(&self) -> Addresses {
        Addresses {
            seller: self.local.seller_url.clone(),
            aws: self.local.aws_url.clone(),
        }
    }

    /// A buyer subscribes and links the license, as often as it takes.
    async fn subscribe(&self, account: &str, buyer: &str) -> NewAgreement {
        let bought = self
            .local
            .fake
            .create_agreement(OfferKind::Public, buyer)
            .await;
        let bought = bought.unwrap();
        self.link(&bought, account).await;
        bought
    }

    /// Links a license, from AWS's page again whenever a page was not answered.
    async fn link(&self, bought: &NewAgreement, account: &str) {
        let license = license_of(bought);
        let paid_by = AccountId::parse(account).unwrap();
        loop {
            let known = self.local.app.store.license(&license).await.unwrap();
            if known.is_some_and(|known| known.linked.as_ref() == Some(&paid_by)) {
                return;
            }
            // The date of AWS's answers has whole seconds: a function that goes by it
            // is up to one behind.
            let second = SignedDuration::from_secs(2);
            self.local.fake.advance_by(second).await.unwrap();
            let token = self.local.fake.new_token(&bought.license_arn).unwrap();
            logs::keep_secret(&token);
            let _again_unless_linked = try_link(&self.local.seller_url, &token, account).await;
        }
    }

    /// What happens to the other account's subscription meanwhile.
    async fn live(&self, mut draws: Draws) {
        let mut current = self.subscribe(ACME_PRODUCTION, "888877776666").await;
        while !self.over.load(Ordering::SeqCst) {
            moment(&mut draws, 3_000_000).await;
            let fake = &self.local.fake;
            match draws.below(3) {
                0 => {
                    let renewal = Renewal {
                        license: RenewedLicense::New,
                        intent: RenewalIntent::Renew,
                        offer: None,
                        starts_at: None,
                    };
                    let renewed = fake.renew_agreement(&current.agreement_id, renewal).await;
                    current = renewed.unwrap();
                }
                1 => {
                    fake.cancel_agreement(&current.agreement_id).await.unwrap();
                    current = self.subscribe(ACME_PRODUCTION, "888877776666").await;
                }
                _ => {
                    let fresh = self.subscribe(ACME_PRODUCTION, "555566667777").await;
                    fake.cancel_agreement(&current.agreement_id).await.unwrap();
                    current = fresh;
                }
            }
        }
    }

    /// Moves the clock until an instant while metering fails now and then.
    async fn move_clock(&self, until: Timestamp, mut draws: Draws, wanted: u32) {
        let start = self.local.fake.now();
        let whole = until.duration_since(start).as_secs();
        loop {
            let fake = &self.local.fake;
            let done = self.processes().killed();
            // The clock goes with the kills, so that each hour has its share of them.
            let share = whole * i64::from(done.min(wanted)) / i64::from(wanted);
            let to = start + SignedDuration::from_secs(share);
            let left = to.duration_since(fake.now());
            if left.is_positive() {
                // By so much, not to an instant: whoever links moves the clock too.
                let step = SignedDuration::from_mins(draws.between(1, 9));
                fake.advance_by(step.min(left)).await.unwrap();
            } else {
                moment(&mut draws, 20_000).await;
            }
            if done >= wanted && fake.now() >= until {
                return;
            }
            if draws.below(6) == 0 {
                fake.inject_fault(any_fault(&mut draws)).unwrap();
            }
        }
    }
}

fn any_fault(draws: &mut Draws) -> Fault {
    let fault = match draws.below(4) {
        0 => FaultKind::LostAnswer,
        1 => FaultKind::InternalError,
        2 => FaultKind::Unprocessed,
        _ => FaultKind::Throttle,
    };
    Fault {
        operation: "BatchMeterUsage".to_owned(),
        fault,
        times: 1,
        license_arn: None,
        records: None,
        delay_ms: None,
    }
}

fn license_of(bought: &NewAgreement) -> LicenseId {
    LicenseId::parse(bought.license_arn.rsplit(':').next().unwrap()).unwrap()
}

/// The functions logged what leads from request to request, and nothing that no log
/// may hold. Those that nothing invoked have no log.
fn check_logs(of: &Path) {
    let mut logged = String::new();
    for log in project::entries(of) {
        let text = project::read(&log);
        let found = logs::found(&text);
        assert!(found.is_empty(), "{}: {found:#?}", log.display());
        logged.push_str(&text);
    }
    for id in ["http.request_id", "sqs.message_id"] {
        assert!(logged.contains(id), "no line has {id}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_hour_is_billed_once_however_often_the_functions_are_killed() {
    let wanted = u32::try_from(number("CHAOS_KILLS", 500)).unwrap();
    let mut draws = Draws::new(number("CHAOS_SEED", 20_261_128));
    let between = Arc::new(Between::new(draws.fork()));
    let logs = DataDir::new("chaos-logs");
    std::fs::create_dir_all(&logs.0).unwrap();
    let stack = Arc::new(Stack::start(&between, &logs.0).await);
    let staging = stack.subscribe(ACME_STAGING, "777788889999").await;
    between.begin();

    let product = Product::new(STARTS_AT.parse().unwrap());
    let (mut killer, mut others) = (JoinSet::new(), JoinSet::new());
    let processes = stack.processes().clone();
    killer.spawn(kill(processes, Arc::clone(&between), draws.fork(), wanted));
    let (reporter, to, own) = (product.clone(), stack.addresses(), Arc::clone(&stack));
    others.spawn(report(reporter, to, own, draws.fork()));
    let (living, own) = (Arc::clone(&stack), draws.fork());
    others.spawn(async move { living.live(own).await });

    let last_kill = LAST_KILL.parse().unwrap();
    stack.move_clock(last_kill, draws.fork(), wanted).await;
    killer.join_all().await;
    stack.over.store(true, Ordering::SeqCst);
    others.join_all().await;
    stack.local.fake.clear_faults();
    product.send_what_is_left(&stack.addresses()).await;
    let ends_at = ENDS_AT.parse().unwrap();
    stack.local.fake.advance_to(ends_at).await.unwrap();

    let state = stack.addresses().state().await.unwrap();
    let of_staging = |record: &Value| record["license_arn"] == staging.license_arn.as_str();
    let metered: Vec<Value> = records(&state).into_iter().filter(of_staging).collect();
    assert_eq!(accepted(&metered), expected(&product));
    check_conservation(&stack.local).await;
    check_logs(&logs.0);
    // It was a test of something.
    between.assert_used();
    assert!(product.cut() > 10, "few requests were cut by a kill");
    println!(
        "{} kills, {} reports acknowledged, {} cut; {}",
        stack.processes().killed(),
        product.acknowledged(),
        product.cut(),
        between.told()
    );
}
