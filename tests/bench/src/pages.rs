//! How fast the local stack answers every page and file that a person can ask
//! for, and how much it sends and reads for it.
//!
//! An account is lived in for more than a month: computers of four tiers in
//! several clouds every hour, two licenses that paid one after the other, usage
//! carried over a month's end. Then page after page is asked for at a steady
//! rate, whether or not the answers before have come: what is measured is the
//! time from the instant at which a request was due to the last byte of its
//! answer, over loopback, by a client on the same machine. On a machine that
//! others use as well the time on its processors says more: it is of the stack,
//! its embedded AWS and the client together.

pub(crate) mod browser;
mod lived_in;
pub(crate) mod load;

use std::io::Write as _;
use std::time::Duration;

use anyhow::Context as _;
use axum::body::Body;
use flate2::Compression;
use flate2::write::GzEncoder;
use http::Request;
use http_body_util::BodyExt as _;
use tower::ServiceExt as _;

use self::lived_in::LivedIn;
use self::load::Latencies;
use crate::capacity::Consumed;
use crate::print::{halves, line, milliseconds, thousands, verdict};
use crate::stopwatch::process_time;

/// Design, section 8, and what was asked for: of every page, and of those that
/// show a month.
const PAGE: Target = Target::new(5, 25);
const MONTH: Target = Target::new(25, 100);

/// How much a page may be, compressed.
const MOST_BYTES: usize = 30 * 1024;

/// How a page is asked for.
#[derive(Debug, Clone, Copy, clap::Args)]
pub(crate) struct Load {
    /// Requests of each page
    #[arg(long, default_value_t = 500, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    requests: u32,
    /// Requests a second; of files a tenth of it
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    rate: u32,
}

/// What is asked of a page: half of the answers and 99 of 100 within this time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Target {
    p50: Duration,
    p99: Duration,
}

/// What is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A page, or what belongs to all of them.
    Page,
    /// A page of a month.
    Month,
    /// A month as a file.
    File,
}

/// A page, and how it is asked for.
#[derive(Debug, Clone)]
pub(crate) struct Page {
    pub(crate) name: &'static str,
    pub(crate) kind: Kind,
    pub(crate) path: String,
    /// The header by which the stack knows who asks, if anybody.
    pub(crate) identity: Option<(&'static str, String)>,
    pub(crate) status: u16,
}

/// What was measured of a page.
struct Measured {
    kind: Kind,
    latencies: Latencies,
    compressed: usize,
}

/// How the lines of the table are set.
macro_rules! row {
    ($($value:expr),* $(,)?) => {
        format!("{:<27} {:>6} {:>9} {:>9} {:>8} {:>9} {:>7} {:>8} {:>10}", $($value),*)
    };
}

/// Measures every page and prints it.
pub(crate) async fn run(load: Load) -> anyhow::Result<()> {
    let world = LivedIn::start().await?;
    let mut all = Vec::new();
    line(&row!(
        "page",
        "status",
        "p50",
        "p99",
        "CPU",
        "bytes",
        "gzip",
        "requests",
        "read units"
    ));
    for page in world.pages() {
        all.push(measure(&world, &page, load).await?);
    }
    world.stop();
    conclude(&all, load);
    Ok(())
}

async fn measure(world: &LivedIn, page: &Page, load: Load) -> anyhow::Result<Measured> {
    let (body, consumed) = look(world, page).await?;
    let load = page.kind.load(load);
    let before = process_time();
    let latencies = load::apply(&world.address()?, page, load).await?;
    let cpu = process_time().saturating_sub(before) / load::asked(load);
    let compressed = gzipped(&body)?;
    let missed = match page.kind.target() {
        Some(target) if !target.is_reached(&latencies) => " MISSED",
        Some(_) | None => "",
    };
    let told = row!(
        page.name,
        page.status,
        milliseconds(latencies.p50()),
        milliseconds(latencies.p99()),
        milliseconds(cpu),
        thousands(u64::try_from(body.len())?),
        thousands(u64::try_from(compressed)?),
        consumed.calls,
        halves(consumed.read_halves),
    );
    line(&format!("{told}{missed}"));
    Ok(Measured {
        kind: page.kind,
        latencies,
        compressed,
    })
}

/// The page once, with what it asks of DynamoDB.
async fn look(world: &LivedIn, page: &Page) -> anyhow::Result<(Vec<u8>, Consumed)> {
    let mut request = Request::get(&page.path);
    if let Some((name, value)) = &page.identity {
        request = request.header(*name, value);
    }
    world.counting.take();
    let answer = world.counted.clone().oneshot(request.body(Body::empty())?);
    let answer = answer.await?;
    let status = answer.status().as_u16();
    anyhow::ensure!(status == page.status, "{} answered {status}", page.path);
    let body = answer.into_body().collect().await?.to_bytes();
    Ok((body.to_vec(), world.counting.take().total()))
}

/// How many bytes gzip makes of them, as it is usually set.
fn gzipped(body: &[u8]) -> anyhow::Result<usize> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(body)?;
    Ok(encoder.finish().context("gzip")?.len())
}

/// The last line: the slowest of each kind, and the largest page.
fn conclude(all: &[Measured], load: Load) {
    let slowest = |target: Target| {
        let of = || all.iter().filter(|one| one.kind.target() == Some(target));
        let p50 = of().map(|one| one.latencies.p50()).max();
        let p99 = of().map(|one| one.latencies.p99()).max();
        let reached = of().all(|one| target.is_reached(&one.latencies));
        format!(
            "p50 {} and p99 {} (target <= {} and {}: {})",
            milliseconds(p50.unwrap_or_default()),
            milliseconds(p99.unwrap_or_default()),
            milliseconds(target.p50),
            milliseconds(target.p99),
            verdict(reached)
        )
    };
    let pages = all.iter().filter(|one| one.kind != Kind::File);
    let largest = pages.map(|one| one.compressed).max().unwrap_or_default();
    line(&format!(
        "pages: at {} requests a second the slowest page {}, of a month {}; the largest {} bytes compressed (target < {}: {})",
        load.rate,
        slowest(PAGE),
        slowest(MONTH),
        largest,
        MOST_BYTES,
        verdict(largest < MOST_BYTES)
    ));
}

impl Kind {
    /// What is asked of it; nothing of files, which nobody waits for to read.
    const fn target(self) -> Option<Target> {
        match self {
            Self::Page => Some(PAGE),
            Self::Month => Some(MONTH),
            Self::File => None,
        }
    }

    /// How it is asked for: a file of a month is up to 2 MB.
    fn load(self, load: Load) -> Load {
        match self {
            Self::Page | Self::Month => load,
            Self::File => Load {
                requests: load.requests.div_ceil(10),
                rate: load.rate.div_ceil(10),
            },
        }
    }
}

impl Target {
    const fn new(p50_ms: u64, p99_ms: u64) -> Self {
        Self {
            p50: Duration::from_millis(p50_ms),
            p99: Duration::from_millis(p99_ms),
        }
    }

    fn is_reached(self, latencies: &Latencies) -> bool {
        latencies.p50() <= self.p50 && latencies.p99() <= self.p99
    }
}
