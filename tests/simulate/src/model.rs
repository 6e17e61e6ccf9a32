//! An exhaustive exploration of small worlds: every interleaving of a few
//! recorders, posters and submitters at every step, with crashes, redelivery,
//! lost answers and the passing of time between any two.
//!
//! It drives the same procedures as the simulator, step by step. Two states are
//! the same when everything is that a task may still look at, or a check at the
//! end ([`state`]).
//!
//! # What need not be explored
//!
//! Every end is come to although not every state is explored. The arguments:
//!
//! - *Steps that meet nothing.* If nothing that any other task may still do
//!   reads what a task's next step writes, or writes what it reads, the step
//!   commutes with all of it: whatever follows in between can follow after it.
//!   So the step is made at once, with everything that can become of it, and
//!   no order of it with others is explored (a persistent set of one task).
//!   [`touch`] says what each step and job reads and writes, by kind of thing,
//!   which is more than they do. A crash and a lost answer use up what a budget
//!   leaves to others; but a run in which they come later has that left at its
//!   earlier place too, so they move forward with their step.
//! - *The clock.* That time passes commutes with a step after whose answer the
//!   task does not look at the clock; which is noticed, not assumed. A step
//!   after which it does, or ends, is made at once only when no time can pass.
//! - *Crashes* are explored after each step that changed something, before its
//!   answer is taken in. A task that crashes after a step which changed nothing
//!   leaves what it would have left by crashing before that; only the time at
//!   which something was wrong may be earlier, which excuses less.
//! - *Tasks that are alike* may change places: two states that differ only in
//!   which of two such tasks is where have the same futures. What each draws at
//!   random is only compared with what was drawn before, and is fresh in both.
//! - *Idle shards*, of no account of which there is a report, nor of one that
//!   shares a license with such an account: that one is raised before or after
//!   anything changes nothing that anybody looks at.
//!
//! What a task asks for together is made in the order in which it asked; other
//! orders of that are the random schedules'.
//!
//! Of every small scenario all states are explored as well, without the first,
//! second and fourth argument, and where time stands without the third
//! (`--whole` does so with any): the ends must be the same ones.

mod explore;
pub(crate) mod scenarios;
mod state;
mod task;
mod touch;

use std::time::Instant;

use clap::Args;

use simulator::check::Violation;

pub(crate) use explore::{Explored, Extent, MOST_STATES, explore};
use scenarios::Scenario;

/// Which scenarios.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Only those whose name contains this.
    #[arg(long, default_value = "")]
    scenario: String,
    /// Explore every state, also those from which the same ends are come to.
    #[arg(long)]
    whole: bool,
}

/// Explores every scenario; whether every promise held in every state.
#[expect(clippy::print_stdout, reason = "a command that prints")]
pub(crate) fn run_all(arguments: &Arguments) -> bool {
    let (mut states, mut found) = (0, 0);
    for scenario in scenarios::all() {
        if !scenario.name.contains(&arguments.scenario) {
            continue;
        }
        let explored = told(&scenario, arguments.whole);
        states += explored.states;
        found += usize::from(explored.violation.is_some());
    }
    if states == 0 {
        println!(
            "no scenario's name contains {:?}; there are:",
            arguments.scenario
        );
        scenarios::all()
            .iter()
            .for_each(|s| println!("  {}", s.name));
    }
    println!("{states} states, {found} violations");
    found == 0 && states > 0
}

/// Explores a scenario and prints what it came to.
#[expect(
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a command that prints and measures"
)]
fn told(scenario: &Scenario, whole: bool) -> Explored {
    let extent = if whole {
        Extent::Whole
    } else {
        Extent::Reduced
    };
    let began = Instant::now();
    let mut explored = explore(scenario, extent, MOST_STATES);
    assert!(
        explored.states < MOST_STATES,
        "{} is too large",
        scenario.name
    );
    let mut also = String::new();
    if scenario.is_small && !whole && explored.violation.is_none() {
        let all = explore(scenario, Extent::Whole, MOST_STATES);
        also = format!(", as do all {}", all.states);
        explored.violation = all.violation;
        if explored.violation.is_none() && all.ends != explored.ends {
            explored.violation = Some((
                Violation {
                    check: "the exploration",
                    what: "what it leaves out comes to other ends".to_owned(),
                },
                String::new(),
            ));
        }
    }
    let verdict = match explored.violation {
        Some(_) => "VIOLATED",
        None => "holds",
    };
    println!(
        "{:<62} {:7} states, {:5} ends, {:5.1} s, {verdict}{also}",
        scenario.name,
        explored.states,
        explored.ends.len(),
        began.elapsed().as_secs_f64(),
    );
    if let Some((violation, path)) = &explored.violation {
        println!("{path}  {violation}");
    }
    explored
}
