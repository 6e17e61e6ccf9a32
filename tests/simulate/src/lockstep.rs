//! The second mode of the simulator: the real store, on an embedded DynamoDB
//! through the real SDK, makes every step of whole schedules beside the tables
//! in memory, and no answer may differ. So what schedules and exploration show of
//! the ledger over those tables holds for the store; and a fault of the store is
//! found by the first answer that differs.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::fmt;
use std::rc::Rc;
use std::time::Instant;

use aws_smithy_runtime_api::client::http::SharedHttpClient;
use clap::Args;
use domain::mutant::{Mutant, switch_on};
use fake_aws::{Config, FakeAws};
use jiff::Timestamp;
use ledger::{Answer, Step};
use runtime::aws::Clients;
use runtime::settings::{AwsSettings, Signing};
use simulator::draw;
use simulator::run::settled_with;
use simulator::schedule::{Action, Schedule};
use store::{Store, Tables};
use tokio::runtime::Runtime;

/// The tables that are deployed.
const TEMPLATE: &str = include_str!("../../../template.yaml");

/// How often a long run says how far it is.
const SCHEDULES_A_LINE: u64 = 500;

/// Which schedules.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// How many.
    #[arg(long, default_value_t = 200, value_parser = clap::value_parser!(u64).range(1..))]
    count: u64,
    /// The first one's seed; the others' follow.
    #[arg(long, default_value_t = 0)]
    seed: u64,
}

/// A step that the two answered differently.
pub(crate) struct Difference {
    number: usize,
    step: Step,
    in_memory: Answer,
    stored: String,
}

impl Difference {
    /// The step's name.
    pub(crate) fn kind(&self) -> String {
        kind_of(&self.step)
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "step {}: {:?}\n  in memory: {:?}\n  the store: {}",
            self.number, self.step, self.in_memory, self.stored
        )
    }
}

/// What was held side by side in a schedule.
#[derive(Default)]
struct Followed {
    steps: usize,
    kinds: BTreeSet<String>,
    difference: Option<Difference>,
}

/// Plays them; whether no answer differed.
#[expect(
    clippy::print_stdout,
    clippy::disallowed_methods,
    clippy::float_arithmetic,
    clippy::cast_precision_loss,
    reason = "a command that prints and measures"
)]
pub(crate) fn run_all(arguments: &Arguments) -> bool {
    let began = Instant::now();
    let lockstep = match Lockstep::new() {
        Ok(lockstep) => lockstep,
        Err(error) => {
            println!("{error}");
            return false;
        }
    };
    let (mut steps, mut kinds, mut differences) = (0, BTreeSet::new(), 0);
    for n in 0..arguments.count {
        let seed = arguments.seed.wrapping_add(n);
        let followed = lockstep.follow(seed, None);
        steps += followed.steps;
        kinds.extend(followed.kinds);
        if let Some(difference) = followed.difference {
            differences += 1;
            println!("seed {seed}, {difference}");
            println!(
                "again: cargo run --release -p simulate -- lockstep --count 1 --seed {seed}\n"
            );
        }
        if (n + 1) % SCHEDULES_A_LINE == 0 && n + 1 < arguments.count {
            println!("{} schedules, {differences} differences", n + 1);
        }
    }
    println!("{steps} steps of {} kinds", kinds.len());
    let rate = arguments.count as f64 / began.elapsed().as_secs_f64();
    println!(
        "{} schedules, {differences} differences, {rate:.1} schedules/s",
        arguments.count
    );
    differences == 0
}

/// Where stores are made and their steps wait for answers.
pub(crate) struct Lockstep {
    runtime: Rc<Runtime>,
}

impl Lockstep {
    pub(crate) fn new() -> std::io::Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        Ok(Self {
            runtime: Rc::new(runtime),
        })
    }

    /// The first difference in the schedule of a seed, the store having a fault.
    pub(crate) fn difference(&self, seed: u64, fault: Mutant) -> Option<Difference> {
        self.follow(seed, Some(fault)).difference
    }

    /// Plays a schedule to its end, the store behind the tables in memory, up to
    /// the first difference, and then compares what both of them hold. A fault is
    /// switched on in the store alone.
    #[expect(
        clippy::panic,
        reason = "without an embedded DynamoDB nothing is held against anything"
    )]
    fn follow(&self, seed: u64, fault: Option<Mutant>) -> Followed {
        let schedule = without_loss(draw::schedule(seed));
        let store = match self.runtime.block_on(empty_store()) {
            Ok(store) => store,
            Err(error) => panic!("no embedded DynamoDB: {error}"),
        };
        let both = Rc::new(Both {
            runtime: Rc::clone(&self.runtime),
            store,
            fault,
            followed: RefCell::default(),
        });
        let beside = Rc::clone(&both);
        let (mut world, _) = settled_with(&schedule, |world| {
            world.observer = Some(Box::new(move |step, answer| beside.compare(step, answer)));
        });
        for step in everything(&world.tables) {
            if let Some(answer) = world.tables.perform(step.clone()) {
                both.compare(&step, &answer);
            }
        }
        both.followed.take()
    }
}

/// The store beside the tables in memory.
struct Both {
    runtime: Rc<Runtime>,
    store: Store,
    fault: Option<Mutant>,
    followed: RefCell<Followed>,
}

impl Both {
    /// Makes a step in the store as well, unless they differ already.
    fn compare(&self, step: &Step, answer: &Answer) {
        let mut followed = self.followed.borrow_mut();
        if followed.difference.is_some() {
            return;
        }
        followed.steps += 1;
        followed.kinds.insert(kind_of(step));
        switch_on(self.fault);
        // As though every day were over: then a posting takes back its summary as well.
        let performed = self.store.perform(step.clone(), Timestamp::MAX);
        let stored = self.runtime.block_on(performed);
        switch_on(None);
        let is_same = stored
            .as_ref()
            .is_ok_and(|stored| in_order(stored.clone()) == in_order(answer.clone()));
        if !is_same {
            followed.difference = Some(Difference {
                number: followed.steps,
                step: step.clone(),
                in_memory: answer.clone(),
                stored: format!("{stored:?}"),
            });
        }
    }
}

/// The steps that read all that the ledger holds.
fn everything(tables: &simulator::tables::Tables) -> Vec<Step> {
    let slots = tables.heads().map(|head| Step::ReadSlot {
        license: head.license.clone(),
        hour: head.hour,
    });
    let hours = tables.account_hours().flat_map(|hour| {
        let (account, part) = (hour.account.clone(), hour.part);
        let hour = hour.hour;
        [
            Step::ReadAccountHour {
                account: account.clone(),
                part,
                hour,
            },
            Step::ListReports {
                account,
                part,
                hour,
            },
        ]
    });
    let included = tables.included().map(|included| Step::ReadIncluded {
        license: included.license.clone(),
    });
    let lists = [
        Step::ReadCursors {},
        Step::ReadMarkers {},
        Step::ListUnknown {},
        Step::ListFinalUsage {},
        Step::ListHolds {},
        Step::ReadDueWork {
            now: Timestamp::MAX,
        },
    ];
    slots.chain(hours).chain(included).chain(lists).collect()
}

/// The schedule with each backup made just before it is restored: what a
/// restored table has lost, the store here has not. What follows from a restore
/// (the interval in doubt, and how its slots are closed) is there all the same.
fn without_loss(mut schedule: Schedule) -> Schedule {
    schedule.actions = schedule
        .actions
        .into_iter()
        .flat_map(|action| {
            let backup = [Action::BackUp, Action::Advance { minutes: 1 }];
            let before = (action == Action::Restore).then_some(backup);
            before.into_iter().flatten().chain([action])
        })
        .collect();
    schedule
}

/// An answer, what an index or several partitions list being put in order.
#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "a few answers of forty are lists in no order"
)]
fn in_order(mut answer: Answer) -> Answer {
    match &mut answer {
        Answer::ReadDueWork(due) => {
            due.slots.sort();
            due.records.sort();
        }
        Answer::ReadMarkers(markers) => {
            markers
                .items
                .sort_by_key(|marker| (marker.account.clone(), marker.part, marker.hour));
        }
        Answer::ListUnknown(records) => records.items.sort(),
        Answer::ListFinalUsage(endings) => endings.items.sort(),
        Answer::ListHolds(licenses) => licenses.items.sort(),
        _ => {}
    }
    answer
}

/// The step's name.
fn kind_of(step: &Step) -> String {
    let told = format!("{step:?}");
    told.split([' ', '{']).next().unwrap_or_default().to_owned()
}

/// A store over an embedded DynamoDB of its own, with the template's tables.
async fn empty_store() -> Result<Store, fake_aws::StartError> {
    // Nobody reads the streams here, and they make the embedded one slow.
    let template: Vec<&str> = TEMPLATE
        .lines()
        .filter(|line| !line.contains("StreamSpecification:"))
        .collect();
    let aws = FakeAws::start(Config {
        template: template.join("\n"),
        ..Config::default()
    })
    .await?;
    let settings = AwsSettings {
        region: "us-east-1".to_owned(),
        endpoint_url: None,
        signing: Signing::None,
    };
    let clients = Clients::over(SharedHttpClient::new(aws.in_process()), &settings);
    let tables = Tables {
        subscriptions: "Subscriptions".to_owned(),
        usage: "Usage".to_owned(),
    };
    Ok(Store::new(clients.dynamodb, tables))
}
