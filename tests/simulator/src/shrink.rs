//! Cutting a failing schedule shorter while it still fails.

use crate::run::run;
use crate::schedule::{Action, Schedule};

/// The most runs that are spent on shrinking.
const MOST_RUNS: usize = 4_000;

/// A schedule that fails the same check and from which nothing can be left out.
#[must_use]
pub fn shrink(schedule: &Schedule, check: &str) -> Schedule {
    let mut runs = 0;
    let mut fails = |actions: &[Action]| {
        runs += 1;
        let shorter = Schedule {
            setting: schedule.setting,
            actions: actions.to_vec(),
        };
        runs <= MOST_RUNS && run(&shorter).iter().any(|found| found.check == check)
    };
    let mut actions = schedule.actions.clone();
    let mut size = actions.len().div_ceil(2);
    while size > 0 {
        let mut from = 0;
        while from < actions.len() {
            let mut shorter = actions.clone();
            shorter.drain(from..(from + size).min(actions.len()));
            if fails(&shorter) {
                actions = shorter;
            } else {
                from += size;
            }
        }
        size /= 2;
    }
    Schedule {
        setting: schedule.setting,
        actions,
    }
}
