//! Recorders, posters and submitters at once, crashing anywhere, with AWS's
//! answers lost and refused: every computer-hour is billed exactly once.
//!
//! Each seed is one schedule: which tasks run, where they interleave at the
//! store's steps, which crash after how many of them, and what AWS does.

use std::collections::{BTreeMap, BTreeSet};

use domain::hour::Hour;
use domain::ids::AccountId;
use domain::usage::UsageReport;
use fake_aws::{Fault, FaultKind};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::App;
use crate::testing::World;

const SEEDS: u64 = 24;
const HOURS: i32 = 3;

/// A small generator: the schedule must repeat from its seed.
struct Draws(u64);

impl Draws {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % limit
    }
}

/// What one task does.
#[derive(Clone)]
enum Job {
    Record(UsageReport),
    Post,
    Submit,
}

async fn work(app: App, job: Job) -> bool {
    let deadline = Timestamp::MAX;
    match job {
        Job::Record(report) => app.record_usage(&report).await.is_ok(),
        Job::Post => app.post_due(deadline).await.is_ok(),
        Job::Submit => app.submit_due(deadline).await.is_ok(),
    }
}

/// Runs the jobs at once; some crash. The reports that were not acknowledged.
async fn run_at_once(world: &World, jobs: Vec<Job>, draws: &mut Draws) -> Vec<UsageReport> {
    let mut tasks = JoinSet::new();
    let mut names = BTreeMap::new();
    for job in jobs {
        // A recorder takes a few steps of the store, a poster dozens.
        let steps = if matches!(job, Job::Record(_)) {
            16
        } else {
            80
        };
        let crashes_after = (draws.below(2) == 0).then(|| draws.below(steps));
        let (app, reported) = (world.app.clone(), job.clone());
        let handle = tasks.spawn(async move {
            let Some(steps) = crashes_after else {
                return work(app, job).await;
            };
            tokio::select! {
                biased;
                () = pauses(steps) => false,
                done = work(app, job) => done,
            }
        });
        names.insert(handle.id(), reported);
    }
    let mut again = Vec::new();
    while let Some(done) = tasks.join_next_with_id().await {
        let (id, acknowledged) = done.unwrap();
        if let (false, Some(Job::Record(report))) = (acknowledged, names.remove(&id)) {
            again.push(report);
        }
    }
    again
}

async fn pauses(steps: u64) {
    for _ in 0..steps {
        tokio::task::yield_now().await;
    }
}

fn report(
    account: &AccountId,
    hour: Hour,
    id: &str,
    computers: std::ops::Range<u32>,
) -> UsageReport {
    let computers: Vec<Value> = computers
        .map(|n| {
            json!({"agent_id": format!("a-{n}"), "instance_id": format!("i-{n}"),
            "connector": {"kind": "aws"}, "size": {"instance_type": "m5.large"}})
        })
        .collect();
    serde_json::from_value(
        json!({"account": account, "hour": hour, "report_id": id, "computers": computers}),
    )
    .unwrap()
}

fn fault(world: &World, draws: &mut Draws) {
    let kind = match draws.below(6) {
        0 => FaultKind::LostAnswer,
        1 => FaultKind::InternalError,
        2 => FaultKind::Throttle,
        3 => FaultKind::Unprocessed,
        _ => return,
    };
    world
        .aws
        .inject_fault(Fault::new("BatchMeterUsage", kind, 1))
        .unwrap();
}

/// Lets everything settle: no faults, no crashes, three hours.
async fn settle(world: &World, again: Vec<UsageReport>) {
    world.aws.clear_faults();
    for report in again {
        world.app.record_usage(&report).await.unwrap();
    }
    for _ in 0..14 {
        world.app.post_due(Timestamp::MAX).await.unwrap();
        world.app.submit_due(Timestamp::MAX).await.unwrap();
        world.advance(SignedDuration::from_mins(13)).await;
    }
}

#[tokio::test]
async fn every_computer_hour_is_billed_exactly_once_whatever_crashes_and_races() {
    for seed in 0..SEEDS {
        let world = World::seeded(seed).await;
        let mut draws = Draws(seed);
        let accounts = [
            world.account("one", &["ann"]).await,
            world.account("two", &["ann"]).await,
        ];
        let (_, first) = world.register("123456789012").await;
        world.link(&first, "ann", &accounts[0]).await;
        let (_, second) = world.register("210987654321").await;
        world.link(&second, "ann", &accounts[1]).await;
        world.app.start_cursors().await.unwrap();

        let began = Hour::of(world.now());
        let mut again: Vec<UsageReport> = Vec::new();
        for n in 0..HOURS {
            let hour = began.plus(n);
            world
                .aws
                .advance_to(hour.end() + SignedDuration::from_mins(10))
                .await
                .unwrap();
            let mut jobs: Vec<Job> = again.drain(..).map(Job::Record).collect();
            for account in &accounts {
                let repeated = report(account, hour, "r1", 0..5);
                jobs.push(Job::Record(repeated.clone()));
                jobs.push(Job::Record(repeated));
                jobs.push(Job::Record(report(account, hour, "r2", 3..8)));
            }
            jobs.extend([Job::Post, Job::Post, Job::Submit, Job::Submit, Job::Post]);
            for round in 0..4 {
                if round == 1 {
                    let late = accounts.iter().map(|a| report(a, hour, "r3", 6..10));
                    jobs.extend(late.map(Job::Record));
                }
                fault(&world, &mut draws);
                again.extend(run_at_once(&world, std::mem::take(&mut jobs), &mut draws).await);
                world.advance(SignedDuration::from_mins(1)).await;
                jobs = vec![Job::Post, Job::Submit, Job::Post, Job::Submit];
            }
        }
        settle(&world, again).await;

        assert_eq!(
            world.differences().await,
            Vec::<String>::new(),
            "seed {seed}"
        );
        let accepted = world.aws.accepted_records();
        let billed: u64 = accepted.iter().map(|record| record.quantity).sum();
        // 10 computers, 2 accounts, each hour.
        assert_eq!(
            billed,
            10 * 2 * u64::try_from(HOURS).unwrap(),
            "seed {seed}"
        );
        let keys: BTreeSet<_> = accepted
            .iter()
            .map(|r| (r.license_arn.clone(), r.dimension.clone(), r.hour))
            .collect();
        assert_eq!(keys.len(), accepted.len(), "seed {seed}");
    }
}
