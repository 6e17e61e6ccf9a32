//! The simulator's tables in memory and the real store on an embedded DynamoDB,
//! in lockstep: every step of whole schedules is made by both, and no answer
//! may differ. So what the simulator shows of the ledger holds for the store.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use aws_smithy_runtime_api::client::http::SharedHttpClient;
use fake_aws::{Config, FakeAws};
use ledger::{Answer, Step};
use runtime::aws::Clients;
use runtime::settings::{AwsSettings, Signing};
use simulator::draw::{self, About};
use simulator::run::settled_with;
use simulator::schedule::{Action, Schedule};
use store::{Store, Tables};
use tokio::runtime::Runtime;

use crate::project;

/// How many schedules are played, from seed 0 on.
const SCHEDULES: u64 = 60;

/// A step that the two answered differently.
struct Difference {
    number: usize,
    step: Step,
    in_memory: Answer,
    stored: String,
}

/// What was held side by side in a schedule.
#[derive(Default)]
struct Followed {
    steps: usize,
    kinds: BTreeSet<String>,
    difference: Option<Difference>,
}

#[test]
fn the_store_answers_every_step_of_a_schedule_as_the_tables_in_memory_do() {
    let runtime = Rc::new(
        tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap(),
    );
    let mut abouts: BTreeMap<About, usize> = BTreeMap::new();
    let mut kinds = BTreeSet::new();
    let mut steps = 0;
    let mut differences = Vec::new();
    for seed in 0..SCHEDULES {
        let followed = follow(&runtime, &without_loss(draw::schedule(seed)));
        steps += followed.steps;
        kinds.extend(followed.kinds);
        *abouts.entry(draw::about(seed)).or_default() += 1;
        differences.extend(followed.difference.map(|differs| {
            format!(
                "seed {seed}, step {}: {:?}\n  in memory: {:?}\n  the store: {}",
                differs.number, differs.step, differs.in_memory, differs.stored
            )
        }));
    }
    println!("{SCHEDULES} schedules and {steps} steps held side by side: {abouts:?}, {kinds:?}");
    assert!(differences.is_empty(), "{}", differences.join("\n"));
    let all: BTreeSet<About> = draw::ALL.into_iter().collect();
    assert_eq!(abouts.into_keys().collect::<BTreeSet<_>>(), all);
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

/// Plays a schedule to its end, the store behind the tables in memory, up to
/// the first difference.
fn follow(runtime: &Rc<Runtime>, schedule: &Schedule) -> Followed {
    let store = runtime.block_on(empty_store());
    let followed = Rc::new(RefCell::new(Followed::default()));
    let (runtime, seen) = (Rc::clone(runtime), Rc::clone(&followed));
    let _settled = settled_with(schedule, |world| {
        world.observer = Some(Box::new(move |step, answer| {
            let mut seen = seen.borrow_mut();
            if seen.difference.is_some() {
                return;
            }
            seen.steps += 1;
            seen.kinds.insert(kind_of(step));
            let stored = runtime.block_on(store.perform(step.clone()));
            let is_same = stored
                .as_ref()
                .is_ok_and(|stored| in_order(stored.clone()) == in_order(answer.clone()));
            if !is_same {
                seen.difference = Some(Difference {
                    number: seen.steps,
                    step: step.clone(),
                    in_memory: answer.clone(),
                    stored: format!("{stored:?}"),
                });
            }
        }));
    });
    followed.take()
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
        Answer::ListFinalUsage(licenses) | Answer::ListHolds(licenses) => {
            licenses.items.sort();
        }
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
async fn empty_store() -> Store {
    // Nobody reads the streams here, and they make the embedded one slow.
    let template: Vec<_> = project::read("template.yaml")
        .lines()
        .filter(|line| !line.contains("StreamSpecification:"))
        .map(ToOwned::to_owned)
        .collect();
    let aws = FakeAws::start(Config {
        template: template.join("\n"),
        start: Some("2026-01-01T00:00:00Z".parse().unwrap()),
        ..Config::default()
    })
    .await
    .unwrap();
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
    Store::new(clients.dynamodb, tables)
}
