//! Every measurement of the project, each a subcommand.
//!
//! The last line of each is its figure beside its target (design, section 8).
//! A missed target of speed is only printed; the exit status is 0 unless
//! something does not hold that is a promise, such as every computer billed.

mod posting;
mod print;
mod stopwatch;

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
}

fn main() -> anyhow::Result<()> {
    match Arguments::parse().what {
        Measurement::Posting => posting::run(),
    }
}
