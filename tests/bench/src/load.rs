//! The local stack under load for a minute: pages at 200 requests a second and
//! usage reports through their queue at 1,000 a second, at once.
//!
//! A request goes out when it is due, as long as no more than [`AT_ONCE`] of its kind
//! are under way, as a queue gives out no more and browsers open no more connections;
//! its time counts from when it was due, also while it waits for one of those. The
//! stack, its embedded AWS and the clients share the machine. The embedded tables are in memory, so that they grow by what
//! is reported: how much a report takes is measured beforehand, and memory is flat
//! when it grows by no more than that.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use bytes::Bytes;
use domain::hour::Hour;
use fake_aws::OfferKind;
use http::Method;
use http_body_util::Full;
use jiff::SignedDuration;
use local::product::{ACME_PRODUCTION, ACME_STAGING};
use local::{Config, Local};
use serde_json::{Value, json};
use tokio::runtime::{Builder, Handle, Runtime};
use tokio::task::{JoinError, JoinSet};
use tokio::time::{Instant, MissedTickBehavior, interval};

use crate::memory;
use crate::pages::browser::{Browser, Http, http, to};
use crate::pages::load::{Latencies, ask};
use crate::print::{line, milliseconds, seconds, thousands, verdict};
use crate::stopwatch::process_time;

/// Where the stack's clock stands once it was lived in for an afternoon.
const START: &str = "2026-11-22T09:15:00Z";
const LIVED_IN: SignedDuration = SignedDuration::from_hours(5);

/// Computers in a report.
const COMPUTERS: u64 = 5;

/// Reports before the measurement: to warm up, and to see what one takes.
const WARM_UP: u64 = 4_000;
const WEIGHED: u64 = 8_000;

/// Requests of a kind under way at once.
const AT_ONCE: usize = 64;

/// More growth than the tables' own, in bytes a second, is not flat: 4 GB a day.
const FLAT_BYTES_S: i64 = 50_000;

/// How much is asked for.
#[derive(Debug, Clone, Copy, clap::Args)]
pub(crate) struct Rates {
    /// Requests of pages a second
    #[arg(long, default_value_t = 200, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pages: u32,
    /// Usage reports a second
    #[arg(long, default_value_t = 1_000, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    reports: u32,
    /// For how many seconds
    #[arg(long, default_value_t = 60, value_parser = clap::value_parser!(u32).range(10..=86_400))]
    seconds: u32,
}

/// The stack, on threads of its own.
struct World {
    stack: Arc<Local>,
    threads: Runtime,
    address: String,
    cookies: String,
    hour: Hour,
}

/// What came of requests of one kind.
struct Answered {
    latencies: Vec<Duration>,
    /// How often what went wrong.
    errors: BTreeMap<String, u64>,
    /// From the first that was due to the last answer.
    took: Duration,
}

/// Requests of one kind that are under way, and what came of the others. An answer is
/// taken as soon as it is there: until then it would keep all that its request needed.
struct UnderWay {
    requests: JoinSet<Result<Duration, String>>,
    began: Instant,
    answered: Answered,
}

/// Memory, second by second, in bytes.
struct Memory(Vec<u64>);

/// Loads the stack and prints what came of it.
///
/// # Errors
/// Any answer that is an error.
pub(crate) async fn run(rates: Rates) -> anyhow::Result<()> {
    let world = World::start().await?;
    world.report(WARM_UP, 0).await?;
    let before = memory::resident()?;
    world.report(WEIGHED, WARM_UP).await?;
    let weight = memory::resident()?.saturating_sub(before) / WEIGHED;
    line(&format!(
        "a report of {COMPUTERS} computers takes {} bytes of the embedded tables",
        thousands(weight)
    ));
    let cpu = process_time();
    let (pages, reports, memory) = tokio::join!(
        world.ask_for_pages(rates),
        world.send_reports(rates, WARM_UP + WEIGHED),
        Memory::watched(rates.seconds)
    );
    let cpu = process_time().saturating_sub(cpu);
    world.threads.shutdown_background();
    line(&format!("{} of the processors' time in all", seconds(cpu)));
    conclude(rates, weight, (&pages?, &reports?, &memory?))
}

fn conclude(
    rates: Rates,
    weight: u64,
    (pages, reports, memory): (&Answered, &Answered, &Memory),
) -> anyhow::Result<()> {
    pages.print("pages", rates.pages);
    reports.print("reports", rates.reports);
    let slope = memory.slope();
    let kept = i64::try_from(weight)? * i64::from(rates.reports);
    let beyond = slope - kept;
    memory.print();
    line(&format!(
        "memory grows by {} kB/s; what is reported takes {} kB/s",
        slope / 1000,
        kept / 1000
    ));
    let errors = pages.failed() + reports.failed();
    let reached = pages.in_time(rates) && reports.in_time(rates);
    line(&format!(
        "load: {} requests/s of pages and {} reports/s for {} s (target: {}), {} errors \
         (target 0: {}), memory grows by {} kB/s beyond what is kept (target <= {}: {})",
        rates.pages,
        thousands(rates.reports.into()),
        rates.seconds,
        verdict(reached),
        thousands(errors),
        verdict(errors == 0),
        beyond / 1000,
        FLAT_BYTES_S / 1000,
        verdict(beyond <= FLAT_BYTES_S),
    ));
    anyhow::ensure!(errors == 0, "{errors} answers are errors");
    Ok(())
}

impl World {
    async fn start() -> anyhow::Result<Self> {
        let threads = Builder::new_multi_thread().enable_all().build()?;
        let config = Config {
            start: Some(START.parse()?),
            ..Config::default()
        };
        let stack = threads.spawn(Local::start(config)).await??;
        let port = stack.seller_url.rsplit(':').next().context("a port")?;
        let address = format!("127.0.0.1:{port}");
        let mut buyer = arrive(&stack, &address, "111122223333").await?;
        buyer.link(ACME_PRODUCTION).await?;
        let fake = stack.fake.clone();
        let moved = threads.spawn(async move { fake.advance_by(LIVED_IN).await.map(drop) });
        moved.await??;
        // A second license, whose registration has come as far as the choice of an account.
        let buyer = arrive(&stack, &address, "444455556666").await?;
        Ok(Self {
            hour: Hour::of(stack.fake.now()),
            stack: Arc::new(stack),
            threads,
            address,
            cookies: buyer.cookies(),
        })
    }

    /// The pages of registration and console that a person comes by.
    fn pages(&self) -> [String; 8] {
        let account = format!("/accounts/{ACME_PRODUCTION}");
        [
            "/register".to_owned(),
            "/register/accounts".to_owned(),
            format!("/register/confirm?account={ACME_STAGING}"),
            "/accounts".to_owned(),
            account.clone(),
            format!("{account}/usage"),
            format!("{account}/unlink"),
            "/help".to_owned(),
        ]
    }

    async fn ask_for_pages(&self, rates: Rates) -> anyhow::Result<Answered> {
        let client: Http = http();
        let pages = self.pages();
        let mut due = every(rates.pages);
        let in_all = in_all(rates.pages, rates)?;
        let mut under_way = UnderWay::since(due.tick().await, in_all);
        for page in pages.iter().cycle().take(in_all) {
            let at = due.tick().await;
            let request = to(&self.address, Method::GET, page)
                .header("cookie", &self.cookies)
                .body(Full::<Bytes>::default())?;
            let asked = ask(client.clone(), request, 200, at);
            let asked = async move { asked.await.map_err(|error| error.to_string()) };
            under_way.begin(asked, &Handle::current()).await;
        }
        Ok(under_way.all().await)
    }

    async fn send_reports(&self, rates: Rates, first: u64) -> anyhow::Result<Answered> {
        let mut due = every(rates.reports);
        let in_all = in_all(rates.reports, rates)?;
        let mut under_way = UnderWay::since(due.tick().await, in_all);
        for number in (first..).take(in_all) {
            let at = due.tick().await;
            let (stack, report) = (Arc::clone(&self.stack), report(number, self.hour));
            let sent = async move { stack.send_usage_report(&report).await };
            let sent = async move { sent.await.map(|()| at.elapsed()) };
            under_way.begin(sent, self.threads.handle()).await;
        }
        Ok(under_way.all().await)
    }

    /// Sends reports one after another.
    async fn report(&self, count: u64, first: u64) -> anyhow::Result<()> {
        let (stack, hour) = (Arc::clone(&self.stack), self.hour);
        let sent = self.threads.spawn(async move {
            for n in first..first + count {
                stack.send_usage_report(&report(n, hour)).await?;
            }
            Ok(())
        });
        sent.await?.map_err(|why: String| anyhow::anyhow!(why))
    }
}

/// A buyer subscribes, and a person comes from AWS and signs in.
async fn arrive(stack: &Local, address: &str, buyer: &str) -> anyhow::Result<Browser> {
    let bought = stack.fake.create_agreement(OfferKind::Public, buyer);
    let bought = bought.await?;
    let mut browser = Browser::new(address);
    browser.bring_token(&bought.registration_token).await?;
    browser.sign_in("alice@example.com", "alice-local").await?;
    Ok(browser)
}

/// The report of this number: of computers that no other report names.
fn report(number: u64, hour: Hour) -> Value {
    let account = match number % 2 {
        0 => ACME_PRODUCTION,
        _ => ACME_STAGING,
    };
    let computers: Vec<Value> = (0..COMPUTERS)
        .map(|computer| {
            json!({
                "agent_id": format!("load-{number}-{computer}"),
                "connector": {"kind": "aws", "cloud_account_id": "345678901234"},
                "size": {"instance_type": "m5.large"},
            })
        })
        .collect();
    json!({"account": account, "hour": hour, "report_id": format!("load-{number}"), "computers": computers})
}

/// Ticks so often a second; one that comes late is made up for.
fn every(a_second: u32) -> tokio::time::Interval {
    let mut ticks = interval(Duration::from_secs(1) / a_second);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
    ticks
}

fn in_all(a_second: u32, rates: Rates) -> anyhow::Result<usize> {
    Ok(usize::try_from(a_second)? * usize::try_from(rates.seconds)?)
}

impl UnderWay {
    fn since(began: Instant, in_all: usize) -> Self {
        // Written to at once: else this table, too, would seem to be the stack's growth.
        let mut latencies = vec![Duration::MAX; in_all];
        latencies.clear();
        Self {
            requests: JoinSet::new(),
            began,
            answered: Answered {
                latencies,
                errors: BTreeMap::new(),
                took: Duration::ZERO,
            },
        }
    }

    /// Begins one on these threads, once there is room for it.
    async fn begin<R>(&mut self, request: R, threads: &Handle)
    where
        R: Future<Output = Result<Duration, String>> + Send + 'static,
    {
        while let Some(done) = self.requests.try_join_next() {
            self.answered.add(done);
        }
        if self.requests.len() >= AT_ONCE
            && let Some(done) = self.requests.join_next().await
        {
            self.answered.add(done);
        }
        self.requests.spawn_on(request, threads);
    }

    /// Once all are answered.
    async fn all(mut self) -> Answered {
        while let Some(done) = self.requests.join_next().await {
            self.answered.add(done);
        }
        self.answered.took = self.began.elapsed();
        self.answered
    }
}

impl Answered {
    fn add(&mut self, done: Result<Result<Duration, String>, JoinError>) {
        match done.map_err(|error| error.to_string()) {
            Ok(Ok(latency)) => self.latencies.push(latency),
            Ok(Err(error)) | Err(error) => *self.errors.entry(error).or_default() += 1,
        }
    }

    fn failed(&self) -> u64 {
        self.errors.values().sum()
    }

    /// Whether the last answer came within a second of the end.
    fn in_time(&self, rates: Rates) -> bool {
        self.took <= Duration::from_secs(u64::from(rates.seconds) + 1)
    }

    fn print(&self, what: &str, a_second: u32) {
        let latencies = Latencies::of(self.latencies.clone());
        line(&format!(
            "{what:<8} {a_second:>5}/s  p50 {:>10}  p99 {:>10}  most {:>10}  errors {:>3}  all answered after {}",
            milliseconds(latencies.p50()),
            milliseconds(latencies.p99()),
            milliseconds(latencies.most()),
            self.failed(),
            seconds(self.took),
        ));
        for (error, times) in self.errors.iter().take(5) {
            line(&format!("  {times} x {error}"));
        }
    }
}

impl Memory {
    /// Looks at each second of so many.
    async fn watched(for_seconds: u32) -> anyhow::Result<Self> {
        let mut second = every(1);
        let mut seen = Vec::new();
        for _ in 0..=for_seconds {
            second.tick().await;
            seen.push(memory::resident()?);
        }
        Ok(Self(seen))
    }

    /// By how many bytes it grows in a second, by least squares over the second half.
    fn slope(&self) -> i64 {
        let half = self.0.get(self.0.len() / 2..).unwrap_or_default();
        let points = || (0_i128..).zip(half.iter().copied().map(i128::from));
        let sum = |of: fn(i128, i128) -> i128| points().map(|(x, y)| of(x, y)).sum::<i128>();
        let n = sum(|_, _| 1);
        let (x, y) = (sum(|x, _| x), sum(|_, y| y));
        let (over, under) = (n * sum(|x, y| x * y) - x * y, n * sum(|x, _| x * x) - x * x);
        let slope = over.checked_div(under).unwrap_or_default();
        i64::try_from(slope).unwrap_or(i64::MAX)
    }

    fn print(&self) {
        let step = (self.0.len() / 6).max(1);
        let seen = self.0.iter().step_by(step);
        let seen: Vec<String> = seen.map(|bytes| (bytes >> 20).to_string()).collect();
        line(&format!(
            "memory, MB, every {step} s: {}; peak {}",
            seen.join(" "),
            memory::peak()
        ));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_s_slope_is_what_it_grows_by_in_the_second_half() {
        let grows = Memory((0..60).map(|second| 1_000 + 30 * second).collect());
        assert_eq!(grows.slope(), 30);
        let settles = Memory(
            (0..60)
                .map(|second: u64| 1_000 + 30 * second.min(20))
                .collect(),
        );
        assert_eq!(settles.slope(), 0);
    }
}
