//! Posting held against a model: the set of computers that were both protected
//! and licensed, whatever the order in which reports and links became known.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;
use crate::ids::{AgentId, InstanceId};
use crate::tiers::ConnectorKind;
use crate::usage::{ComputerKey, Protected, Span};

const COMPUTERS: u8 = 6;

/// One computer as a report sees it: by its agent alone, by its instance id,
/// or by its instance id under a connector.
#[derive(Debug, Clone)]
struct Sighting {
    computer: u8,
    known_as: u8,
    tier: Tier,
    span: Span,
}

#[derive(Debug, Clone)]
enum Step {
    /// A report arrives and the hour is posted.
    Report(Vec<Sighting>),
    /// A license is linked over the span, as far as nothing else is, and the hour is posted.
    Link(u8, Span),
}

fn hour() -> Hour {
    Hour::of("2026-11-22T10:00:00Z".parse().unwrap())
}

fn license(n: u8) -> LicenseId {
    LicenseId::parse(format!("l-{n:032x}")).unwrap()
}

fn empty() -> AccountHour {
    AccountHour::empty(AccountId::parse("acme").unwrap(), Part(0), hour())
}

fn observation(sighting: &Sighting) -> Observation {
    let agent = ComputerKey::of_agent(&AgentId::parse(format!("a{}", sighting.computer)).unwrap());
    let instance = InstanceId::parse(format!("i{}", sighting.computer)).unwrap();
    let key = match sighting.known_as {
        0 => agent,
        1 => ComputerKey::of_instance(None, &instance),
        _ => ComputerKey::of_instance(Some(ConnectorKind::Aws), &instance),
    };
    Observation {
        key,
        agent: (key != agent).then_some(agent),
        tier: sighting.tier,
        vcenter: false,
        cloud_account: None,
        protected: Protected::Spans(vec![sighting.span]),
    }
}

fn span() -> impl Strategy<Value = Span> {
    (0_u16..3000, 1_u16..600).prop_map(|(from, length)| Span {
        from,
        until: from + length,
    })
}

fn sighting() -> impl Strategy<Value = Sighting> {
    (
        0..COMPUTERS,
        0_u8..3,
        prop::sample::select(&Tier::ALL[..]),
        span(),
    )
        .prop_map(|(computer, known_as, tier, span)| Sighting {
            computer,
            known_as,
            tier,
            span,
        })
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => prop::collection::vec(sighting(), 1..6).prop_map(Step::Report),
        2 => (1_u8..3, span()).prop_map(|(license, span)| Step::Link(license, span)),
    ]
}

/// Plays the steps, posting after each; the hour, its reports and its links.
fn play(steps: &[Step]) -> (AccountHour, Reports, Vec<LinkedSpan>) {
    let (mut posted, mut reports, mut links) = (empty(), Reports::new(), Vec::new());
    for (n, step) in steps.iter().enumerate() {
        match step {
            Step::Report(sightings) => {
                let id = ReportId::parse(format!("r{n}")).unwrap();
                reports.insert(id, sightings.iter().map(observation).collect());
            }
            Step::Link(n, span) => link(&mut links, *n, *span),
        }
        posted = post(&posted, &reports, &links);
    }
    (posted, reports, links)
}

/// Links only where nothing is linked: one license at any instant.
fn link(links: &mut Vec<LinkedSpan>, n: u8, span: Span) {
    let free = links
        .iter()
        .all(|link| span.until <= link.from || link.until <= span.from);
    if free {
        links.push(LinkedSpan {
            license: license(n),
            from: span.from,
            until: span.until,
        });
        links.sort_by_key(|link| link.from);
    }
}

fn post(before: &AccountHour, reports: &Reports, links: &[LinkedSpan]) -> AccountHour {
    let catalog = Catalog::workload_security();
    let standings = vec![(0, Unbillable::Trial)];
    match before.plan(reports, links, &standings, &catalog).unwrap() {
        None => before.clone(),
        Some(plan) => {
            let targets = plan
                .licenses()
                .into_iter()
                .map(|license| (license, Target::Slot(hour())))
                .collect();
            before.posted(plan, &targets)
        }
    }
}

/// The computers that were protected while something was linked.
fn licensed(steps: &[Step], links: &[LinkedSpan]) -> BTreeSet<u8> {
    steps
        .iter()
        .filter_map(|step| match step {
            Step::Report(sightings) => Some(sightings),
            Step::Link(..) => None,
        })
        .flatten()
        .filter(|sighting| {
            links
                .iter()
                .any(|link| sighting.span.from.max(link.from) < sighting.span.until.min(link.until))
        })
        .map(|sighting| sighting.computer)
        .collect()
}

fn billed(hour: &AccountHour) -> usize {
    hour.lines.iter().map(|line| line.count as usize).sum()
}

proptest! {
    #[test]
    fn every_licensed_computer_is_billed_exactly_once(steps in prop::collection::vec(step(), 1..8)) {
        let (posted, reports, links) = play(&steps);
        prop_assert_eq!(billed(&posted), licensed(&steps, &links).len());
        let tally = posted.tally(&reports).unwrap();
        prop_assert_eq!(tally.billed, billed(&posted));
        let unbillable: u32 = posted.unbillable.values().sum();
        prop_assert_eq!(tally.unbilled, unbillable as usize);
    }

    #[test]
    fn a_billed_computer_never_changes(steps in prop::collection::vec(step(), 2..8)) {
        let (before, ..) = play(&steps[..steps.len() - 1]);
        let (after, ..) = play(&steps);
        for line in &before.lines {
            let later = after.lines.iter().find(|l| {
                (&l.license, &l.dimension) == (&line.license, &line.dimension)
            });
            prop_assert!(later.is_some_and(|later| later.count >= line.count));
        }
    }

    #[test]
    fn posting_again_changes_nothing(steps in prop::collection::vec(step(), 1..8)) {
        let (posted, reports, links) = play(&steps);
        prop_assert_eq!(post(&posted, &reports, &links), posted);
    }

    #[test]
    fn an_entry_is_the_total_of_the_lines(steps in prop::collection::vec(step(), 1..8)) {
        let (posted, ..) = play(&steps);
        let entries: u32 = [1, 2]
            .into_iter()
            .flat_map(|n| posted.entry(&license(n), hour()).amounts)
            .map(|amount| amount.count)
            .sum();
        prop_assert_eq!(entries as usize, billed(&posted));
    }
}

#[test]
fn a_posting_that_names_a_missing_report_is_not_guessed_at() {
    let steps = [
        Step::Link(1, Span::WHOLE),
        Step::Report(vec![Sighting {
            computer: 1,
            known_as: 0,
            tier: Tier::DataCenter,
            span: Span::WHOLE,
        }]),
    ];
    let (posted, _, links) = play(&steps);
    let replayed = posted.plan(
        &Reports::new(),
        &links,
        &vec![(0, Unbillable::Trial)],
        &Catalog::workload_security(),
    );
    assert!(matches!(replayed, Err(ReplayError::ReportMissing(_))));
}
