//! How large each function is and how it starts, beside a Lambda function that
//! only says hello, built and run in the same command with the same profile.
//!
//! Each program is started again and again, in turns with the others, as Lambda
//! starts it: by itself, with a runtime API to poll. AWS is the local stack's, over
//! loopback. What one machine needs says little about another: what counts is how
//! many times as long as hello a function takes; beside other work on the machine, the
//! time on its processors.

mod built;
mod lambda;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Context as _, ensure};
use axum::Router;
use axum::extract::Request;
use axum::middleware::{Next, from_fn};
use local::{Config, Local};
use tokio::runtime::{Builder, Runtime};

use self::built::{Program, build, events};
use self::lambda::{Run, Settings, run as start, serve};
use crate::print::{line, milliseconds, verdict};

/// Design, section 8.
const MOST_BYTES: u64 = 5_000_000;
const MOST_KIB: u64 = 10_000;
const FIRST_POLL_PERCENT: u128 = 200;
const FIRST_ANSWER_PERCENT: u128 = 300;
const WARM: Duration = Duration::from_millis(5);

/// How often what is started.
#[derive(Debug, Clone, Copy, clap::Args)]
pub(crate) struct Starts {
    /// Starts of each function
    #[arg(long, default_value_t = 21, value_parser = clap::value_parser!(u32).range(1..=1_000))]
    starts: u32,
    /// Invocations of each start after the first
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=1_000))]
    warm: u32,
}

/// AWS, on threads of its own, and how often DynamoDB was asked.
struct Aws {
    threads: Runtime,
    settings: Settings,
    asked: Arc<AtomicU64>,
    _stack: Local,
}

/// A program, what it is invoked with, and what was measured of it.
struct Measured {
    program: Program,
    payload: String,
    /// How often its first invocation asks DynamoDB.
    asks: u64,
    runs: Vec<Run>,
}

/// How the lines of the table are set.
macro_rules! row {
    ($($value:expr),* $(,)?) => {
        format!("{:<19} {:>9} {:>9} {:>17} {:>17} {:>17} {:>5} {:>8} {:>9}", $($value),*)
    };
}

/// Builds, measures and prints every function.
pub(crate) async fn run(starts: Starts) -> anyhow::Result<()> {
    let programs = build()?;
    let aws = Aws::start().await?;
    let mut all = Vec::new();
    for program in programs {
        all.push(choose(&aws, program).await?);
    }
    for _ in 0..starts.starts {
        for measured in &mut all {
            let run = aws.run(&measured.program, &measured.payload, starts.warm);
            measured.runs.push(run.await?);
        }
    }
    aws.threads.shutdown_background();
    conclude(&all)
}

impl Aws {
    async fn start() -> anyhow::Result<Self> {
        let threads = Builder::new_multi_thread().enable_all().build()?;
        let stack = threads.spawn(Local::start(Config::default())).await??;
        let asked = Arc::<AtomicU64>::default();
        let router = counted(stack.fake.router(), &asked);
        let settings = Settings::over(&serve(threads.handle(), router).await?);
        Ok(Self {
            threads,
            settings,
            asked,
            _stack: stack,
        })
    }

    async fn run(&self, program: &Program, payload: &str, warm: u32) -> anyhow::Result<Run> {
        start(
            self.threads.handle(),
            &program.path,
            &self.settings,
            payload,
            warm,
        )
        .await
        .with_context(|| format!("{} does not run", program.name))
    }

    /// How often a first invocation asks DynamoDB; `None` when it is answered by an error.
    async fn asks(&self, program: &Program, payload: &str) -> anyhow::Result<Option<u64>> {
        let before = self.asked.load(Ordering::Relaxed);
        let run = self.run(program, payload, 0).await?;
        let asks = self.asked.load(Ordering::Relaxed) - before;
        Ok(run.answered.then_some(asks))
    }
}

/// The same, requests of DynamoDB being counted.
fn counted(aws: Router, asked: &Arc<AtomicU64>) -> Router {
    let asked = Arc::clone(asked);
    aws.layer(from_fn(move |request: Request, next: Next| {
        let target = request.headers().get("x-amz-target");
        if target.is_some_and(|target| target.as_bytes().starts_with(b"DynamoDB")) {
            asked.fetch_add(1, Ordering::Relaxed);
        }
        next.run(request)
    }))
}

/// Of a function's payloads the one for which it asks DynamoDB the fewest times, but
/// asks: the target is about one request.
async fn choose(aws: &Aws, program: Program) -> anyhow::Result<Measured> {
    let mut chosen: Option<(u64, String)> = None;
    for payload in events(&program.name)? {
        let asks = aws.asks(&program, &payload).await?;
        let fewer = |asks: &u64| chosen.as_ref().is_none_or(|(fewest, _)| asks < fewest);
        if let Some(asks) = asks.filter(|asks| *asks > 0).filter(fewer) {
            chosen = Some((asks, payload));
        }
    }
    let nothing = || (0, "{}".to_owned());
    let (asks, payload) = chosen.unwrap_or_else(nothing);
    Ok(Measured {
        program,
        payload,
        asks,
        runs: Vec::new(),
    })
}

impl Measured {
    /// Half of the runs are below.
    fn p50(&self, of: impl Fn(&Run) -> Duration) -> Duration {
        middle(self.runs.iter().map(of).collect())
    }

    fn warm(&self) -> Duration {
        let all = self.runs.iter().flat_map(|run| run.warm.iter().copied());
        middle(all.collect())
    }

    fn peak_kib(&self) -> u64 {
        self.runs.iter().map(|run| run.peak_kib).max().unwrap_or(0)
    }
}

fn middle(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times.get(times.len() / 2).copied().unwrap_or_default()
}

/// In percent, rounded up.
fn percent(time: Duration, of: Duration) -> u128 {
    (time.as_micros() * 100).div_ceil(of.as_micros().max(1))
}

/// A time, and how many times as long as another it is.
fn beside(time: Duration, other: Duration) -> String {
    let percent = percent(time, other);
    let times = format!("{}.{:02}x", percent / 100, percent % 100);
    format!("{} {times:>6}", milliseconds(time))
}

/// Bytes in millions, to the hundredth, rounded up.
fn megabytes(bytes: u64) -> String {
    let hundredths = bytes.div_ceil(10_000);
    format!("{}.{:02} MB", hundredths / 100, hundredths % 100)
}

fn conclude(all: &[Measured]) -> anyhow::Result<()> {
    let (hello, functions) = all.split_first().context("nothing was measured")?;
    ensure!(hello.program.name == "hello", "hello is the first");
    line(&row!(
        "",
        "stripped",
        "zipped",
        "first poll",
        "of it CPU",
        "first answer",
        "asks",
        "warm",
        "peak"
    ));
    let (poll, answer) = (|run: &Run| run.first_poll, |run: &Run| run.first_answer);
    let cpu = |run: &Run| run.first_poll_cpu;
    for measured in all {
        line(&row!(
            measured.program.name,
            megabytes(measured.program.bytes),
            megabytes(measured.program.zipped),
            beside(measured.p50(poll), hello.p50(poll)),
            beside(measured.p50(cpu), hello.p50(cpu)),
            beside(measured.p50(answer), hello.p50(answer)),
            measured.asks,
            milliseconds(measured.warm()),
            megabytes(measured.peak_kib() * 1024),
        ));
    }
    line(
        "asks: requests of DynamoDB in the first invocation. The target is about one; what asks more often is not held to it.",
    );
    let once: Vec<&Measured> = functions.iter().filter(|one| one.asks == 1).collect();
    let bytes = functions.iter().map(|one| one.program.bytes).max();
    let polls = functions
        .iter()
        .map(|one| percent(one.p50(poll), hello.p50(poll)));
    let answers = once
        .iter()
        .map(|one| percent(one.p50(answer), hello.p50(answer)));
    let warm = once.iter().map(|one| one.warm()).max().unwrap_or_default();
    let peak = functions.iter().map(Measured::peak_kib).max();
    line(&last_line(
        bytes.unwrap_or_default(),
        polls.max().unwrap_or_default(),
        answers.max().unwrap_or_default(),
        warm,
        peak.unwrap_or_default(),
    ));
    Ok(())
}

/// The worst of all functions beside the targets.
fn last_line(bytes: u64, poll: u128, answer: u128, warm: Duration, peak_kib: u64) -> String {
    format!(
        "start: stripped {} (<= 5 MB: {}), first poll {poll}% of hello's (<= 200%: {}), first answer with one DynamoDB call {answer}% (<= 300%: {}), warm {} (<= 5 ms: {}), peak {} (<= 10 MB: {})",
        megabytes(bytes),
        verdict(bytes <= MOST_BYTES),
        verdict(poll <= FIRST_POLL_PERCENT),
        verdict(answer <= FIRST_ANSWER_PERCENT),
        milliseconds(warm),
        verdict(warm <= WARM),
        megabytes(peak_kib * 1024),
        verdict(peak_kib <= MOST_KIB),
    )
}

/// How large a file is, and how large as Lambda is sent it.
fn sizes(path: &Path) -> anyhow::Result<(u64, u64)> {
    use std::io::Write as _;
    let program = std::fs::read(path)?;
    let mut deflated =
        flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::default());
    deflated.write_all(&program)?;
    let zipped = deflated.finish()?.len();
    Ok((u64::try_from(program.len())?, u64::try_from(zipped)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_function_that_takes_twice_as_long_as_hello_reaches_the_target_and_one_a_bit_longer_does_not()
     {
        let hello = Duration::from_micros(1_400);
        assert_eq!(percent(hello * 2, hello), 200);
        assert_eq!(percent(hello * 2 + Duration::from_micros(1), hello), 201);
        let told = last_line(5_000_000, 200, 301, WARM, MOST_KIB);
        assert_eq!(told.matches("reached").count(), 4, "{told}");
        assert!(told.contains("301% (<= 300%: MISSED)"), "{told}");
    }

    #[test]
    fn half_of_the_times_are_below_the_middle_one() {
        let times = [5, 1, 9, 3, 7].map(Duration::from_millis);
        assert_eq!(middle(times.to_vec()), Duration::from_millis(5));
        assert_eq!(middle(Vec::new()), Duration::ZERO);
    }
}
