//! Random schedules.

use std::collections::BTreeMap;
use std::time::Instant;

use clap::Args;
use ledger::Clock;
use simulator::draw::schedule;
use simulator::run::{run, settled_with};
use simulator::shrink::shrink;

/// How often a long run says how far it is.
const SCHEDULES_A_LINE: u64 = 5_000;

/// Which schedules.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// How many.
    #[arg(long, default_value_t = 20_000, value_parser = clap::value_parser!(u64).range(1..))]
    count: u64,
    /// The first one's seed; the others' follow.
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Print every step of a failing schedule, with its answer.
    #[arg(long)]
    steps: bool,
}

/// Plays them; whether every promise held.
#[expect(
    clippy::print_stdout,
    clippy::disallowed_methods,
    clippy::float_arithmetic,
    clippy::cast_precision_loss,
    reason = "a command that prints and measures"
)]
pub(crate) fn run_all(arguments: &Arguments) -> bool {
    let began = Instant::now();
    let mut violations = 0;
    let mut checks = BTreeMap::new();
    for n in 0..arguments.count {
        let seed = arguments.seed.wrapping_add(n);
        if let Some(first) = run(&schedule(seed)).into_iter().next() {
            violations += 1;
            let times: &mut u64 = checks.entry(first.check).or_default();
            *times += 1;
            if *times == 1 {
                tell(seed, first.check, arguments.steps);
            }
        }
        if (n + 1) % SCHEDULES_A_LINE == 0 && n + 1 < arguments.count {
            println!("{} schedules, {violations} violations", n + 1);
        }
    }
    for (check, times) in checks {
        println!("{times} by {check}");
    }
    let rate = arguments.count as f64 / began.elapsed().as_secs_f64();
    println!(
        "{} schedules, {violations} violations, {rate:.0} schedules/s",
        arguments.count
    );
    violations == 0
}

/// Prints a failing schedule in words, cut as short as it gets.
#[expect(clippy::print_stdout, reason = "a command that prints")]
fn tell(seed: u64, check: &str, steps: bool) {
    let short = shrink(&schedule(seed), check);
    println!("seed {seed} fails; shrunk:\n{short}");
    if steps {
        let _settled = settled_with(&short, |world| {
            let clock = std::sync::Arc::clone(&world.clock);
            world.observer = Some(Box::new(move |step, answer| {
                println!("{} {step:?}\n    {answer:?}", clock.now());
            }));
        });
    }
    for violation in run(&short) {
        println!("  {violation}");
    }
    println!("again: cargo run --release -p simulate -- schedules --count 1 --seed {seed}\n");
}
