//! The faults of `ledger-faults.md`, one switched on at a time: each must be
//! noticed.

use clap::Args;
use domain::mutant::{ALL, Mutant, switch_on};
use simulator::draw::schedule;
use simulator::run::run;

use crate::lockstep::Lockstep;
use crate::model::{Extent, explore, scenarios};

/// How long to look for each.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// How many schedules each mutant may survive before it counts as alive.
    #[arg(long, default_value_t = 20_000)]
    count: u64,
    /// Only the mutants of this fault's number.
    #[arg(long)]
    fault: Option<u8>,
}

/// The clauses of the design's section 4 that a model of it found to lose or
/// double usage when left out, and the scenario whose exploration looks for each.
/// The exploration of what is listed before it is sealed grows beyond memory: that
/// mutant is left to the schedules.
const CLAUSES: &[(Mutant, &str)] = &[
    (Mutant::RepeatedReportReturnsEarly, LATE_REPORT),
    (Mutant::CursorReadBeforeStoring, LATE_REPORT),
    (Mutant::MarkerDeletedWithoutNonce, "another's marker"),
    (Mutant::AccountHourWithoutVersion, "between two posters"),
    (Mutant::AccountHourReadAfterReports, "between two posters"),
    (Mutant::EntryAddedTo, "between two posters"),
    (Mutant::EntryOfTheNewOnly, "between two posters"),
    (Mutant::LateIntoFrozenSlot, "freeze against posting"),
    (Mutant::PostedWithoutSlotOpen, "freeze against posting"),
    (Mutant::FreezeWithoutVersion, "freeze against posting"),
    (Mutant::LinksPinnedByFirstPosting, "unbillable"),
    (Mutant::NoNewReportNothingDone, "unbillable"),
    (Mutant::AttemptNotCounted, "lost answers"),
    (Mutant::DuplicateIsBilled, "somebody else"),
    (Mutant::LateSuccessIgnored, "slow submitter"),
    (
        Mutant::CarriedEntryIsTheNextHoursOwn,
        "carry against posting",
    ),
    (Mutant::CarryWithoutVersion, "carry against posting"),
];

const LATE_REPORT: &str = "delivered twice";

/// Faults that cannot be switched on here, and what holds them off.
const NOT_EXPRESSED: &[(u8, &str)] = &[
    (
        26,
        "slots are kept per license (27): two records for one license, dimension and hour have one key",
    ),
    (
        28,
        "account-hours outlive their reports, so a report that comes again is replayed; that one older than \
          48 h is refused is a test of domain::usage::report",
    ),
    (
        29,
        "no identifier may contain the separator: tests of domain::ids and store's keys",
    ),
    (
        59,
        "a stale read: store's tests refuse any read of a base table that is not consistent, in the source and on the wire",
    ),
    (
        63,
        "the target slot's deadline is looked at: mutant 17; the carry before it: mutant 53",
    ),
    (
        66,
        "a license's end is domain::license's: its tests over facts",
    ),
];

/// Faults of the store: its conditions, keys and queries. The tables in memory
/// have them too; the store's own are found by lockstep. (An entry that is added
/// to is the tables' alone: the store replaces the item. That a slot is carried on
/// its version only is a test of the store's: no schedule meets it by chance.)
const OF_THE_STORE: &[Mutant] = &[
    Mutant::MarkerDeletedWithoutNonce,
    Mutant::AccountHourWithoutVersion,
    Mutant::EntryKeyLacksPart,
    Mutant::PostedWithoutSlotOpen,
    Mutant::OnlyTheFirstPage,
    Mutant::FreezeWithoutVersion,
    Mutant::SettledWithoutVersion,
    Mutant::CarriedEntryStays,
    Mutant::IncludedTakenWithoutVersion,
];

/// How many schedules are looked at for what the exploration has to find.
const SCHEDULES_BESIDE: u64 = 3_000;

/// How many schedules the store's own may survive.
const SCHEDULES_IN_LOCKSTEP: u64 = 200;

/// How many states of its scenario the exploration looks for a mutant in.
const STATES_FOR_A_MUTANT: usize = 300_000;

/// What noticed a mutant, and after how much.
struct Killed {
    by: String,
    after: String,
    /// The schedule's, if it was one.
    seed: Option<u64>,
}

/// Prints the table of mutants; whether all died.
#[expect(clippy::print_stdout, reason = "a command that prints")]
pub(crate) fn run_all(arguments: &Arguments) -> bool {
    let lockstep = match Lockstep::new() {
        Ok(lockstep) => lockstep,
        Err(error) => {
            println!("{error}");
            return false;
        }
    };
    let wanted: Vec<Mutant> = ALL
        .iter()
        .copied()
        .filter(|mutant| arguments.fault.is_none_or(|fault| mutant.fault() == fault))
        .collect();
    let mut killed = 0;
    for mutant in &wanted {
        let clause = CLAUSES.iter().find(|(of, _)| of == mutant);
        switch_on(Some(*mutant));
        let most = clause.map_or(arguments.count, |_| arguments.count.min(SCHEDULES_BESIDE));
        let by_schedules = by_schedules(most);
        let by_model = clause.and_then(|(_, scenario)| by_model(scenario));
        switch_on(None);
        let of_the_store = OF_THE_STORE.contains(mutant);
        let by_lockstep = of_the_store
            .then(|| by_lockstep(&lockstep, *mutant, by_schedules.as_ref()))
            .flatten();
        let enough = match clause {
            Some(_) => by_model.is_some(),
            None => by_schedules.is_some(),
        } && by_lockstep.is_some() == of_the_store;
        killed += usize::from(enough);
        println!(
            "{:3}  {:<31} {}",
            mutant.fault(),
            format!("{mutant:?}"),
            mutant.what()
        );
        for found in [&by_schedules, &by_model, &by_lockstep]
            .into_iter()
            .flatten()
        {
            println!("       killed after {} by: {}", found.after, found.by);
        }
        if !enough {
            println!("       ALIVE");
        }
    }
    for (fault, reason) in NOT_EXPRESSED {
        if arguments.fault.is_none_or(|wanted| wanted == *fault) {
            println!("{fault:3}  not a mutant: {reason}");
        }
    }
    println!("{killed} of {} mutants killed", wanted.len());
    killed == wanted.len() && killed > 0
}

/// The first random schedule that notices.
fn by_schedules(most: u64) -> Option<Killed> {
    (0..most).find_map(|seed| {
        let found = run(&schedule(seed)).into_iter().next()?;
        Some(Killed {
            by: found.check.to_owned(),
            after: format!("{} schedules", seed + 1),
            seed: Some(seed),
        })
    })
}

/// The first random schedule in which the store's answers are not those of the
/// tables in memory, the fault being the store's alone. The schedule in which the
/// tables' own fault was noticed comes first: it meets what the fault is about.
fn by_lockstep(lockstep: &Lockstep, mutant: Mutant, noticed: Option<&Killed>) -> Option<Killed> {
    let likely = noticed.and_then(|killed| killed.seed);
    let seeds = likely.into_iter().chain(0..SCHEDULES_IN_LOCKSTEP);
    seeds.zip(1..).find_map(|(seed, tried)| {
        let found = lockstep.difference(seed, mutant)?;
        Some(Killed {
            by: format!("lockstep, the store's answer to {}", found.kind()),
            after: format!("{tried} schedules, the last of seed {seed},"),
            seed: None,
        })
    })
}

/// The exploration that must notice.
fn by_model(scenario: &str) -> Option<Killed> {
    let scenario = scenarios::all()
        .into_iter()
        .find(|s| s.name.contains(scenario))?;
    let explored = explore(&scenario, Extent::Reduced, STATES_FOR_A_MUTANT);
    let (violation, _) = explored.violation?;
    Some(Killed {
        by: violation.check.to_owned(),
        after: format!("{} states of \"{}\"", explored.states, scenario.name),
        seed: None,
    })
}
