//! Proves the ledger by simulation: `schedules` plays random ones, `model`
//! explores every interleaving of small ones, `lockstep` holds the real store
//! against the tables that both of them use, `mutants` shows that each known
//! fault would be noticed.

mod facts;
mod lockstep;
mod model;
mod mutants;
mod schedules;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// A schedule allocates much and keeps nothing.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// The ledger, simulated.
#[derive(Debug, Parser)]
#[command(version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Plays random schedules and checks every promise after each.
    Schedules(schedules::Arguments),
    /// Explores every interleaving of small worlds.
    Model(model::Arguments),
    /// Plays random schedules on the real store and an embedded DynamoDB as well.
    Lockstep(lockstep::Arguments),
    /// Switches each known fault on and shows what notices it.
    Mutants(mutants::Arguments),
}

fn main() -> ExitCode {
    let holds = match Arguments::parse().command {
        Command::Schedules(arguments) => schedules::run_all(&arguments),
        Command::Model(arguments) => model::run_all(&arguments),
        Command::Lockstep(arguments) => lockstep::run_all(&arguments),
        Command::Mutants(arguments) => mutants::run_all(&arguments),
    };
    if holds {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}
