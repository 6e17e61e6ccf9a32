//! A process that is killed loses nothing that it acknowledged.
//!
//! `local` runs on a data directory and is killed at a random moment, again
//! and again, while a product sends usage reports and the clock is moved. The
//! product does what [`Product`] says: it keeps what was not acknowledged and
//! sends it again. At the end every report is billed exactly once.
//!
//! Every report has a cloud account of its own, so AWS's records show, by
//! their allocations, what became of each.

pub(crate) mod draws;
pub(crate) mod process;
pub(crate) mod product;

use std::collections::BTreeMap;
use std::time::Duration;

use domain::hour::Hour;
use domain::ids::UserEmail;
use fake_aws::FakeAws;
use jiff::{SignedDuration, Timestamp};
use local::product::{ACME_STAGING, people};
use local::{Config, Local};
use serde_json::Value;
use tokio::task::JoinSet;

use crate::data_dir::DataDir;
use crate::linking::link;
use crate::logs::Stack;
use crate::project;
use draws::Draws;
use process::{Addresses, Program};
use product::Product;

/// Another seed is another run.
const SEED: u64 = 20_261_122;

/// How often the process is killed at work.
const ROUNDS: u32 = 24;

/// When the process first starts, by its own clock, and the license is linked.
/// All that follows happens within this day, so that neither a month ends nor a
/// computer of the fleet sleeps.
pub(crate) const STARTS_AT: &str = "2027-03-10T07:20:00Z";

/// How far each round may move the clock, in minutes, and what rounds before it
/// left: eight hours in all, so that every round has usage to post and to meter.
const ROUND_MINUTES: u32 = 20;

/// Where the clock is left, more than three hours after the last kill: the hour
/// of 17:00 is settled (frozen at 18:45 at the latest), the hour of 18:00 runs.
pub(crate) const ENDS_AT: &str = "2027-03-10T18:55:00Z";

/// The hours from the link to the last one that is settled.
const HOURS: u64 = 11;

/// Acme Staging's own computers: three `t3.small`, and one outside any connector.
const FLEET: [(&str, &str, u64); 2] = [("345678901234", "medium", 3), ("", "datacenter", 1)];

/// The stack on a directory, in this process, which then keeps it.
async fn open(data: &DataDir) -> Stack {
    let stack = Stack::start(Config {
        data_dir: Some(data.0.clone()),
        start: Some(STARTS_AT.parse().unwrap()),
        ..Config::default()
    });
    stack.await.unwrap()
}

/// What was answered about AWS's side, which no restart may take back.
#[derive(Debug, Clone)]
struct Seen {
    now: Timestamp,
    records: Vec<Value>,
}

/// Sets the clock of a new data directory: it is kept once it was moved.
pub(crate) async fn set_first_clock(data: &DataDir) {
    let config = fake_aws::Config {
        template: project::read("template.yaml"),
        data_dir: Some(data.0.clone()),
        start: Some(STARTS_AT.parse().unwrap()),
        ..fake_aws::Config::default()
    };
    let fake = FakeAws::start(config).await.unwrap();
    let second = SignedDuration::from_secs(1);
    fake.advance_by(second).await.unwrap();
}

/// Moves the clock again and again, until `limit` or until the process is gone;
/// now and then AWS's answer to a metering call goes wrong.
async fn move_clock(to: Addresses, limit: Timestamp, mut draws: Draws, mut seen: Seen) -> Seen {
    while seen.now < limit {
        let fault = match draws.below(8) {
            0 => to.fault("lost_answer").await,
            1 => to.fault("internal_error").await,
            2 => to.fault("unprocessed").await,
            3 => to.fault("throttle").await,
            _ => Some(()),
        };
        let step = SignedDuration::from_mins(draws.between(2, 30));
        let next = seen.now.checked_add(step).unwrap().min(limit);
        let (Some(()), Some(now)) = (fault, to.set_clock(next).await) else {
            return seen;
        };
        seen.now = now;
        let Some(state) = to.state().await else {
            return seen;
        };
        seen = Seen::in_state(&state);
    }
    seen
}

impl Seen {
    fn in_state(state: &Value) -> Self {
        Self {
            now: state["now"].as_str().unwrap().parse().unwrap(),
            records: records(state),
        }
    }
}

pub(crate) fn records(state: &Value) -> Vec<Value> {
    state["metering_records"].as_array().unwrap().clone()
}

/// The program with its data, and a product that reports to it.
struct Run {
    program: Program,
    data: DataDir,
    product: Product,
    draws: Draws,
}

impl Run {
    /// On new data, with a license that is linked to Acme Staging from the start.
    async fn begun(name: &str) -> Self {
        let run = Self {
            program: Program::built(name),
            data: DataDir::new(name),
            product: Product::new(STARTS_AT.parse().unwrap()),
            draws: Draws::new(SEED),
        };
        set_first_clock(&run.data).await;
        let process = run.program.start(&run.data.0).await;
        let token = process.addresses.subscribe("777788889999").await;
        link(&process.addresses.seller, &token, ACME_STAGING).await;
        process.kill().await;
        run
    }

    /// One life of the process: it starts, knows all that it ever answered,
    /// works, and is killed. What it answered in the end.
    async fn live_and_die(&mut self, limit: Timestamp, seen: Seen) -> Seen {
        let Self {
            program,
            data,
            product,
            draws,
        } = self;
        if draws.below(3) == 0 {
            let starting = program.spawn(&data.0);
            moment(draws, 120_000).await;
            starting.kill().await;
        }
        let process = program.start(&data.0).await;
        let state = process.addresses.state().await.unwrap();
        let known = Seen::in_state(&state);
        assert!(known.now >= seen.now, "the clock went back: {seen:?}");
        assert!(
            known.records.starts_with(&seen.records),
            "{known:?} after {seen:?}"
        );
        product.repeat_acknowledged(&process.addresses).await;

        let mut senders = JoinSet::new();
        for _ in 0..draws.below(3) {
            let (product, to) = (product.clone(), process.addresses.clone());
            senders.spawn(product.send_until_cut(to, known.now, draws.fork()));
        }
        let mut mover = JoinSet::new();
        let to = process.addresses.clone();
        mover.spawn(move_clock(to, limit, draws.fork(), known));
        moment(draws, 900_000).await;
        process.kill().await;
        senders.join_all().await;
        mover.join_all().await.remove(0)
    }

    /// What was not acknowledged is sent until it is, and every hour up to the end
    /// settles: all that the fake AWS shows then.
    async fn settle(&self) -> Value {
        let process = self.program.start(&self.data.0).await;
        self.product.repeat_acknowledged(&process.addresses).await;
        self.product.send_what_is_left(&process.addresses).await;
        let ends_at = ENDS_AT.parse().unwrap();
        process.addresses.set_clock(ends_at).await.unwrap();
        let state = process.addresses.state().await.unwrap();
        process.kill().await;
        state
    }

    /// What was acknowledged is billed once, and nothing else.
    async fn check(&self, state: &Value) {
        assert_eq!(accepted(&records(state)), expected(&self.product));
        let stack = open(&self.data).await;
        check_conservation(&stack).await;
        stack.stop().await;
        assert!(self.program.check_log() > 100, "little was logged");
    }
}

/// A stack's tables conserve usage, and call billed exactly what AWS accepted.
pub(crate) async fn check_conservation(stack: &Local) {
    let until = Hour::of(stack.fake.now()).plus(2);
    let from = until.plus(-72);
    let differences = crate::stories::differences(stack, from, until).await;
    assert_eq!(differences, Vec::<String>::new());
    let billed = crate::stories::billed(stack, from, until).await;
    assert_eq!(billed, crate::stories::accepted(stack));
}

/// Units by the cloud account of their allocation ("" for none) and dimension.
pub(crate) type Units = BTreeMap<(String, String), u64>;

pub(crate) fn accepted(records: &[Value]) -> Units {
    let mut units = Units::new();
    let mut add = |tag: &str, dimension: &Value, quantity: &Value| {
        let key = (tag.to_owned(), dimension.as_str().unwrap().to_owned());
        *units.entry(key).or_default() += quantity.as_u64().unwrap();
    };
    for record in records {
        let allocations = record["allocations"].as_array().unwrap();
        if allocations.is_empty() {
            add("", &record["dimension"], &record["quantity"]);
        }
        for allocation in allocations {
            let mut tags = allocation["tags"].as_object().unwrap().values();
            let tag = tags.next().and_then(Value::as_str).unwrap_or_default();
            add(tag, &record["dimension"], &allocation["quantity"]);
        }
    }
    units.retain(|_, quantity| *quantity > 0);
    units
}

/// What the product reported, and Acme Staging's own computers.
pub(crate) fn expected(product: &Product) -> Units {
    let fleet = FLEET.iter().map(|(tag, dimension, count)| {
        let key = ((*tag).to_owned(), (*dimension).to_owned());
        (key, count * HOURS)
    });
    product.units().into_iter().chain(fleet).collect()
}

/// Lets a process run for up to so many microseconds.
#[expect(
    clippy::disallowed_methods,
    reason = "the moment of the kill is what is random; nothing is waited for"
)]
async fn moment(draws: &mut Draws, below_us: u64) {
    tokio::time::sleep(Duration::from_micros(draws.below(below_us))).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_acknowledged_is_billed_exactly_once_however_often_the_process_is_killed() {
    let start: Timestamp = STARTS_AT.parse().unwrap();
    let mut run = Run::begun("kill").await;
    let mut seen = Seen {
        now: start,
        records: Vec::new(),
    };
    for round in 1..=ROUNDS {
        let minutes = SignedDuration::from_mins(i64::from(round * ROUND_MINUTES));
        seen = run
            .live_and_die(start.checked_add(minutes).unwrap(), seen)
            .await;
    }
    let state = run.settle().await;
    assert!(records(&state).starts_with(&seen.records));
    run.check(&state).await;
    // It was a test of something.
    assert!(!seen.records.is_empty(), "nothing was metered in between");
    assert!(run.product.acknowledged() > 50, "little was reported");
    assert!(run.product.cut() > 0, "no request was cut by a kill");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_first_start_that_is_killed_at_any_moment_is_made_up_for_by_the_next() {
    let program = Program::built("first-start");
    let mut draws = Draws::new(SEED);
    for first_start in 0..40 {
        let data = DataDir::new(&format!("first-start-{first_start}"));
        let process = program.spawn(&data.0);
        moment(&mut draws, 150_000).await;
        process.kill().await;
        let stack = open(&data).await;
        let mut accounts = Vec::new();
        for person in people() {
            let user = UserEmail::parse(person.email).unwrap();
            accounts.push(stack.app.accounts_of(&user).await.unwrap().len());
        }
        assert_eq!(
            accounts,
            [3, 2, 1, 0, 0, 0],
            "of Alice, Bob, Sam and the rest"
        );
        stack.stop().await;
    }
    program.check_log();
}

/// The longest file of a data directory, in bytes.
fn longest_file(data: &DataDir) -> u64 {
    let files = project::entries(&data.0);
    let sizes = files.iter().map(|file| file.metadata().unwrap().len());
    sizes.max().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_acknowledged_before_a_disk_was_full_is_billed_and_the_rest_once_there_is_room() {
    let mut run = Run::begun("full-disk").await;

    let room = longest_file(&run.data) + 40_000;
    let process = run.program.start_on_full_disk(&run.data.0, room).await;
    let mut refused = 0;
    for _report in 0..400 {
        let sent = run.product.send_next(
            &process.addresses,
            STARTS_AT.parse().unwrap(),
            &mut run.draws,
        );
        refused += u32::from(!matches!(sent.await, Some(200 | 201)));
        if refused == 20 {
            break;
        }
    }
    process.kill().await;
    assert_eq!(refused, 20, "the disk was not full");
    assert!(
        run.product.acknowledged() > 0,
        "nothing was acknowledged before"
    );

    let state = run.settle().await;
    run.check(&state).await;
}
