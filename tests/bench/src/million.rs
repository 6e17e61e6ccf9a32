//! An hour of many computers, from report to settled, on the embedded stack.
//!
//! Every account has a license of its own. Opening and linking them is not part
//! of the figure; recording, posting and submitting are, on one core, the
//! embedded DynamoDB's and the fake's work included.

mod reports;

use domain::hour::after;
use domain::ids::AccountId;
use domain::ledger::deadline::CLOSED_AFTER;
use fake_aws::AcceptedRecord;
use jiff::{SignedDuration, Timestamp};

use self::reports::Reports;
use crate::capacity::Bill;
use crate::memory;
use crate::print::{dollars, halves, line, seconds, thousands, verdict};
use crate::stopwatch::{Stopwatch, Time};
use crate::world::World;

/// Design, section 8: the units of a million computer-hours, in 10⁻¹⁰ dollars.
const TARGET_PRICE: u64 = 1_000_000_000;

/// When the accounts are opened and linked: the start of the hour that is measured.
pub(crate) const START: &str = "2026-11-22T10:00:00Z";

/// When in the hour it is reported.
const REPORTED_AFTER: SignedDuration = SignedDuration::from_mins(50);

/// What is played.
#[derive(Debug, Clone, Copy, clap::Args)]
pub(crate) struct Scale {
    /// Computers, divided evenly over the accounts
    #[arg(long, default_value_t = 1_000_000)]
    pub(crate) computers: usize,
    /// Accounts, each with a license of its own
    #[arg(long, default_value_t = 10_000)]
    pub(crate) accounts: usize,
    /// Tiers among each account's computers, 1 to 3: as many usage records for each license
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u8).range(1..=3))]
    pub(crate) tiers: u8,
}

/// What a phase took and consumed.
#[derive(Debug, Clone)]
pub(crate) struct Phase {
    pub(crate) name: &'static str,
    pub(crate) time: Time,
    pub(crate) bill: Bill,
}

/// Plays it, and prints everything that was measured.
pub(crate) async fn run(scale: Scale) -> anyhow::Result<()> {
    let phases = play(scale).await?;
    let mut bill = Bill::default();
    for phase in &phases {
        show(phase);
        bill.add(&phase.bill);
    }
    let time: Time = phases.iter().map(|phase| phase.time).sum();
    let total = bill.total();
    let price = total.price();
    let computers = u64::try_from(scale.computers)?;
    let of_a_million = price * 1_000_000 / computers.max(1);
    line(&format!(
        "{} calls to BatchMeterUsage; {} requests to DynamoDB; {} write and {} read units",
        thousands(bill.calls_of("BatchMeterUsage")),
        thousands(total.calls),
        thousands(total.writes),
        halves(total.read_halves),
    ));
    line(&format!(
        "million: {} computer-hours of {} accounts with {} tier(s) each settled in {}, peak memory {}, units {} or {} a million (target <= {}: {})",
        thousands(computers),
        thousands(u64::try_from(scale.accounts)?),
        scale.tiers,
        seconds(time.wall),
        memory::peak(),
        dollars(price),
        dollars(of_a_million),
        dollars(TARGET_PRICE),
        verdict(of_a_million <= TARGET_PRICE),
    ));
    Ok(())
}

/// Opens, records, posts, submits; fails unless every computer was billed.
pub(crate) async fn play(scale: Scale) -> anyhow::Result<Vec<Phase>> {
    let world = World::new(START.parse()?).await?;
    live_an_hour(&world, scale).await
}

/// As [`play`], in a world whose clock stands at the start.
pub(crate) async fn live_an_hour(world: &World, scale: Scale) -> anyhow::Result<Vec<Phase>> {
    anyhow::ensure!(
        scale.computers >= scale.accounts && scale.accounts > 0,
        "there must be an account, and a computer for each"
    );
    let accounts = open(world, scale.accounts).await?;
    world.counting.take();
    let phases = vec![
        record(world, scale, &accounts).await?,
        post(world).await?,
        submit(world).await?,
    ];
    check_accepted(&world.aws.accepted_records(), scale)?;
    Ok(phases)
}

async fn open(world: &World, count: usize) -> anyhow::Result<Vec<AccountId>> {
    let mut watch = Stopwatch::started();
    let mut accounts = Vec::with_capacity(count);
    for n in 0..count {
        accounts.push(world.open_linked(n).await?);
    }
    let time = watch.stop();
    line(&format!(
        "{} accounts opened and linked in {}, peak memory {}; not part of the figures",
        thousands(u64::try_from(count)?),
        seconds(time.wall),
        memory::peak()
    ));
    Ok(accounts)
}

async fn record(world: &World, scale: Scale, accounts: &[AccountId]) -> anyhow::Result<Phase> {
    let start: Timestamp = START.parse()?;
    world.aws.advance_to(after(start, REPORTED_AFTER)).await?;
    let mut watch = Stopwatch::default();
    for report in Reports::new(scale, accounts, start) {
        let report = report?;
        watch.start();
        world.app.record_usage(&report).await?;
        watch.stop();
    }
    Ok(world.phase("record", watch))
}

async fn post(world: &World) -> anyhow::Result<Phase> {
    let closed = after(START.parse()?, SignedDuration::from_hours(1));
    world.aws.advance_to(after(closed, CLOSED_AFTER)).await?;
    let watch = Stopwatch::started();
    let run = world.app.post_due(Timestamp::MAX).await?;
    let phase = world.phase("post", watch);
    anyhow::ensure!(
        run.failed == 0,
        "account-hours that were not posted: {run:?}"
    );
    Ok(phase)
}

async fn submit(world: &World) -> anyhow::Result<Phase> {
    let watch = Stopwatch::started();
    let run = world.app.submit_due(Timestamp::MAX).await?;
    let phase = world.phase("submit", watch);
    anyhow::ensure!(
        run.failed == 0 && !run.stopped,
        "records that were not settled: {run:?}"
    );
    Ok(phase)
}

impl World {
    fn phase(&self, name: &'static str, mut watch: Stopwatch) -> Phase {
        Phase {
            name,
            time: watch.stop(),
            bill: self.counting.take(),
        }
    }
}

/// Every computer, billed once, at AWS.
fn check_accepted(records: &[AcceptedRecord], scale: Scale) -> anyhow::Result<()> {
    let accepted: u64 = records.iter().map(|record| record.quantity).sum();
    anyhow::ensure!(
        accepted == u64::try_from(scale.computers)?,
        "AWS accepted {accepted} computer-hours of {}",
        scale.computers
    );
    Ok(())
}

fn show(phase: &Phase) {
    line(&format!(
        "{}: {} ({} of CPU, {} of it in the embedded AWS)",
        phase.name,
        seconds(phase.time.wall),
        seconds(phase.time.cpu),
        seconds(phase.bill.in_aws.cpu)
    ));
    for (operation, consumed) in phase.bill.dynamodb() {
        let refused = match consumed.refused {
            0 => String::new(),
            refused => format!(
                ", {} of them refused, their units not known",
                thousands(refused)
            ),
        };
        line(&format!(
            "  {operation:<20} {:>9} calls {:>9} write units ({} of the index) {:>10} read units{refused}",
            thousands(consumed.calls),
            thousands(consumed.writes),
            thousands(consumed.index_writes),
            halves(consumed.read_halves),
        ));
    }
}
