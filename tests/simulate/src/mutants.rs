//! The faults of `ledger-faults.md`, one switched on at a time: each must be
//! noticed.

use clap::Args;
use domain::mutant::{ALL, Mutant, switch_on};
use simulator::draw::schedule;
use simulator::run::run;

use crate::facts::renewals;
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

/// A clause of the design's section 4 which a model of it found to lose or
/// double usage when left out.
struct Clause {
    /// Its words there.
    words: &'static str,
    /// A mutant that leaves it out.
    without: Mutant,
    /// The scenario whose exploration must find that.
    scenario: &'static str,
}

const fn clause(words: &'static str, without: Mutant, scenario: &'static str) -> Clause {
    Clause {
        words,
        without,
        scenario,
    }
}

/// Every clause that stands in italics there, in its order, by one mutant or
/// several; after them the words next to them that matter as much.
///
/// "An index only suggests, what it names is read again" is held twice: what is
/// decided on an index's word is refused by the version on which it is written.
/// Left out is therefore the order of the two reads that it names, the head of a
/// slot before its entries.
const CLAUSES: &[Clause] = &[
    clause(
        "every read of the ledger is strongly consistent",
        Mutant::StaleCursor,
        CLOSES,
    ),
    clause(
        "and paged to its end",
        Mutant::OnlyTheFirstPage,
        TWO_POSTERS,
    ),
    clause(
        "an index only suggests, what it names is read again",
        Mutant::HeadReadAfterEntries,
        FREEZE,
    ),
    clause(
        "a report may never outlive the posting of its hour and come back",
        Mutant::PostingForgottenFirst,
        "a day after",
    ),
    clause(
        "go on, never return early",
        Mutant::RepeatedReportReturnsEarly,
        CLOSES,
    ),
    clause("fresh nonce", Mutant::MarkerNonceNotFresh, ANOTHERS_MARKER),
    clause(
        "raise `sealed`, then list its reports",
        Mutant::ListedBeforeSealed,
        "two posters close",
    ),
    clause(
        "only if its nonce is unchanged",
        Mutant::MarkerDeletedWithoutNonce,
        ANOTHERS_MARKER,
    ),
    clause(
        "an open interval cut at the instant it was read",
        Mutant::OpenIntervalNotCut,
        "while the hour is posted",
    ),
    clause(
        "the link intervals it read",
        Mutant::LinksPinnedByFirstPosting,
        UNBILLABLE,
    ),
    clause(
        "read the account-hour first, then all its reports",
        Mutant::AccountHourReadAfterReports,
        TWO_POSTERS,
    ),
    clause(
        "even if no report is new",
        Mutant::NoNewReportNothingDone,
        UNBILLABLE,
    ),
    clause(
        "the license's earliest open slot",
        Mutant::LateIntoFrozenSlot,
        FREEZE,
    ),
    clause(
        "the account-hour if its version is unchanged",
        Mutant::AccountHourWithoutVersion,
        TWO_POSTERS,
    ),
    clause(
        "and the slots if open",
        Mutant::PostedWithoutSlotOpen,
        FREEZE,
    ),
    clause("SET to the lines' total", Mutant::EntryAddedTo, TWO_POSTERS),
    clause(
        "SET to the lines' total",
        Mutant::EntryOfTheNewOnly,
        TWO_POSTERS,
    ),
    clause(
        "freeze a slot, if its version is unchanged",
        Mutant::FreezeWithoutVersion,
        FREEZE,
    ),
    clause(
        "raise `attempts` and `unanswered`",
        Mutant::AttemptNotCounted,
        "lost answers",
    ),
    clause(
        "answers, not accepted",
        Mutant::UnprocessedIsNotRead,
        REFUSED_CALLS,
    ),
    clause(
        "answers, not accepted",
        Mutant::RefusedStaysUnanswered,
        REFUSED_CALLS,
    ),
    clause(
        "billed if an earlier attempt is unanswered",
        Mutant::DuplicateIsBilled,
        "an hour that somebody else",
    ),
    clause(
        "billed if an earlier attempt is unanswered",
        Mutant::DuplicateStaysBilled,
        REFUSED_CALLS,
    ),
    clause(
        "an open slot is carried",
        Mutant::FrozenSlotIsCarried,
        "one submitter freezes",
    ),
    clause(
        "keyed with the slot they first entered, kept through every carry",
        Mutant::CarriedEntryIsTheNextHoursOwn,
        CARRY,
    ),
    // And beside them:
    clause(
        "then read its shard's cursor",
        Mutant::CursorReadBeforeStoring,
        CLOSES,
    ),
    clause(
        "if the hour is sealed, put a late marker",
        Mutant::MarkerOnlyIfPosted,
        CLOSES,
    ),
    clause(
        "when every account linked to the license in that hour is posted",
        Mutant::FreezeWithoutGate,
        "the gate",
    ),
    clause(
        "Success alone also overrules a close",
        Mutant::LateSuccessIgnored,
        "slow submitter",
    ),
    clause(
        "nothing of it is frozen after that",
        Mutant::CarriedAtTheDeadline,
        NEAR_THE_DEADLINE,
    ),
    clause(
        "whose deadline is at least 30 minutes ahead",
        Mutant::NoRoomBeforeDeadline,
        NEAR_THE_DEADLINE,
    ),
    clause(
        "one transaction closes it and sets its entries in the next open slot",
        Mutant::CarryWithoutVersion,
        CARRY,
    ),
];

const CLOSES: &str = "while its hour closes";
const TWO_POSTERS: &str = "between two posters";
const ANOTHERS_MARKER: &str = "another's marker";
const FREEZE: &str = "freeze against posting";
const UNBILLABLE: &str = "unbillable";
const CARRY: &str = "carry against posting";
const REFUSED_CALLS: &str = "refused calls";
const NEAR_THE_DEADLINE: &str = "minutes before a deadline";

/// Faults of the store: its conditions, keys and queries. The tables in memory
/// have them too; the store's own are found by lockstep. (An entry that is added
/// to is the tables' alone: the store replaces the item. That a slot is carried on
/// its version only is a test of the store's: no schedule meets it by chance.)
const OF_THE_STORE: &[Mutant] = &[
    Mutant::MarkerDeletedWithoutNonce,
    Mutant::AccountHourWithoutVersion,
    Mutant::EntryKeyLacksPart,
    Mutant::IdsCollide,
    Mutant::PostedWithoutSlotOpen,
    Mutant::OnlyTheFirstPage,
    Mutant::FreezeWithoutVersion,
    Mutant::SettledWithoutVersion,
    Mutant::CarriedEntryStays,
    Mutant::IncludedTakenWithoutVersion,
];

/// How many schedules are looked at for what the exploration has to find.
const SCHEDULES_BESIDE: u64 = 500;

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
    let mut wanted: Vec<Mutant> = ALL
        .iter()
        .copied()
        .filter(|mutant| arguments.fault.is_none_or(|fault| mutant.fault() == fault))
        .collect();
    wanted.sort_by_key(|mutant| mutant.fault());
    if wanted.is_empty() {
        println!("there is no fault of this number: they go from 1 to 68");
        return false;
    }
    let mut killed = 0;
    for mutant in &wanted {
        println!(
            "{:3}  {:<31} {}",
            mutant.fault(),
            format!("{mutant:?}"),
            mutant.what()
        );
        killed += usize::from(is_killed(*mutant, arguments.count, &lockstep));
    }
    println!("{killed} of {} mutants killed", wanted.len());
    killed == wanted.len()
}

/// Whether everything notices a mutant that must: of a clause the exploration, of
/// the store lockstep, of what AWS tells its orders, of all others the schedules.
fn is_killed(mutant: Mutant, most: u64, lockstep: &Lockstep) -> bool {
    if mutant == Mutant::RenewedEnds {
        return told("the orders of a renewal", with(mutant, by_facts).as_ref());
    }
    let mut clauses = CLAUSES
        .iter()
        .filter(|clause| clause.without == mutant)
        .peekable();
    let is_clause = clauses.peek().is_some();
    let is_the_stores = OF_THE_STORE.contains(&mutant);
    // What lockstep has to find is looked for in the schedule that notices it.
    let most = if is_clause && !is_the_stores {
        most.min(SCHEDULES_BESIDE)
    } else {
        most
    };
    let noticed = with(mutant, || by_schedules(most));
    let mut all = true;
    if noticed.is_some() || !is_clause {
        all &= told("the schedules", noticed.as_ref());
    }
    for clause in clauses {
        let explored = with(mutant, || by_model(clause.scenario));
        all &= told(clause.words, explored.as_ref());
    }
    if is_the_stores {
        // It is switched on for the store alone.
        let differs = by_lockstep(lockstep, mutant, noticed.as_ref());
        all &= told("lockstep", differs.as_ref());
    }
    all
}

/// Does something with a mutant switched on.
fn with<T>(mutant: Mutant, then: impl FnOnce() -> T) -> T {
    switch_on(Some(mutant));
    let done = then();
    switch_on(None);
    done
}

/// Prints what noticed a mutant; whether something did.
#[expect(clippy::print_stdout, reason = "a command that prints")]
fn told(what: &str, killed: Option<&Killed>) -> bool {
    match killed {
        Some(Killed { by, after, .. }) => println!("       killed after {after} by: {by}"),
        None => println!("       ALIVE: {what}"),
    }
    killed.is_some()
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

/// What AWS tells of a renewal.
fn by_facts() -> Option<Killed> {
    let told = renewals();
    let violation = told.violation?;
    Some(Killed {
        by: violation.check.to_owned(),
        after: format!("{} orders of the facts", told.orders),
        seed: None,
    })
}
