//! Every measurement of the project, each a subcommand.
//!
//! The last line of each is its figure beside its target (design, section 8).
//! A missed target of speed is only printed; the exit status is 0 unless
//! something does not hold that is a promise, such as every computer billed.

mod capacity;
mod growth;
mod load;
mod memory;
mod million;
mod pages;
mod posting;
mod print;
mod start;
mod stopwatch;
mod submitter;
mod world;

use clap::{Parser, Subcommand};

/// Measures the project; run it with `--release`.
#[derive(Debug, Parser)]
#[command(name = "bench", version)]
struct Arguments {
    #[command(subcommand)]
    what: Measurement,
}

#[derive(Debug, Subcommand)]
enum Measurement {
    /// Atoms posted a second on one core: union, attribution and counting, without the store
    Posting,
    /// An hour of a million computers from report to settled: time, memory, DynamoDB units
    Million(million::Scale),
    /// How time and units grow from 10,000 to 1,000,000 computers
    Growth {
        /// Tiers among each account's computers, 1 to 3
        #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u8).range(1..=3))]
        tiers: u8,
    },
    /// Records that one worker sends in a simulated hour within AWS's ten calls a second
    Submitter(submitter::Latencies),
    /// Each function beside a Lambda function that says hello: size, start, first and warm invocation, memory
    Start(start::Starts),
    /// Every page of the local stack at a steady rate: time, bytes, DynamoDB requests and units
    Pages(pages::Load),
    /// The local stack under load: pages and usage reports at once; percentiles, errors, memory
    Load(load::Rates),
}

/// On one thread: what is measured is one core's work, but for the pages, which
/// are served by a stack on threads of its own.
#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    tracing_subscriber::fmt()
        .with_max_level(tracing_subscriber::filter::LevelFilter::WARN)
        .with_writer(std::io::stderr)
        .init();
    match Arguments::parse().what {
        Measurement::Posting => posting::run(),
        Measurement::Million(scale) => million::run(scale).await,
        Measurement::Growth { tiers } => growth::run(tiers).await,
        Measurement::Submitter(latencies) => submitter::run(latencies),
        Measurement::Start(starts) => start::run(starts).await,
        Measurement::Pages(load) => pages::run(load).await,
        Measurement::Load(rates) => load::run(rates).await,
    }
}
