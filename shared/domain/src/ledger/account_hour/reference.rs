//! Posting held against the rules written down as simply as they can be: sets,
//! and every second of the hour looked at.
//!
//! The observations are of few keys, so that they meet in every way, also in
//! ways that no report makes: an agent's key where an instance's belongs.

use proptest::prelude::*;

use super::*;
use crate::usage::{ComputerKey, Protected, Span};

/// No span begins after this second; the rest of the hour is like it.
const LAST_SECOND: u16 = 12;

/// What one computer comes to.
#[derive(Debug, Clone)]
struct Judged<'a> {
    key: ComputerKey,
    agents: BTreeSet<ComputerKey>,
    first_protected: Option<u16>,
    /// The license and what is counted: tier and cloud account.
    paid: Option<(&'a LicenseId, Tier, Option<&'a CloudAccountId>)>,
}

fn is_agent(key: ComputerKey) -> bool {
    key.to_bits() & 0b111 == 4
}

/// The key under which what was seen under this one is counted.
fn canonical(key: ComputerKey, seen: &[&Observation]) -> ComputerKey {
    let of_agent = seen.iter().filter(|o| o.agent == Some(key)).map(|o| o.key);
    let instance = of_agent.min().unwrap_or(key);
    instance
        .under_providers()
        .find(|under| seen.iter().any(|o| o.key == *under))
        .unwrap_or(instance)
}

fn judge<'a>(reports: &[&'a Vec<Observation>], links: &'a [LinkedSpan]) -> Vec<Judged<'a>> {
    let seen: Vec<&Observation> = reports.iter().copied().flatten().collect();
    let keys: BTreeSet<ComputerKey> = seen.iter().map(|o| canonical(o.key, &seen)).collect();
    keys.into_iter()
        .map(|key| {
            let of_one = seen
                .iter()
                .copied()
                .filter(|o| canonical(o.key, &seen) == key);
            judge_one(key, &of_one.collect::<Vec<_>>(), links)
        })
        .collect()
}

fn judge_one<'a>(
    key: ComputerKey,
    seen: &[&'a Observation],
    links: &'a [LinkedSpan],
) -> Judged<'a> {
    let mut judged = Judged {
        key,
        agents: seen
            .iter()
            .filter_map(|o| o.agent.or(is_agent(o.key).then_some(o.key)))
            .filter(|agent| *agent != key)
            .collect(),
        first_protected: None,
        paid: None,
    };
    let mut licensed: Vec<&Observation> = Vec::new();
    let mut payer = None;
    for second in 0..=LAST_SECOND {
        let running = seen.iter().copied().filter(|o| is_within(o, second));
        let running: Vec<&Observation> = running.collect();
        if !running.is_empty() {
            judged.first_protected = judged.first_protected.or(Some(second));
        }
        let link = links.iter().find(|l| l.from <= second && second < l.until);
        if let (Some(link), false) = (link, running.is_empty()) {
            payer = payer.or(Some(&link.license));
            licensed.extend(running);
        }
    }
    let rates = licensed.iter().map(|o| (o.tier, o.cloud_account.as_ref()));
    if let (Some(payer), Some((tier, cloud_account))) = (payer, rates.min()) {
        let vcenter = licensed.iter().any(|o| o.vcenter);
        let tier = if vcenter { Tier::DataCenter } else { tier };
        judged.paid = Some((payer, tier, cloud_account));
    }
    judged
}

fn is_within(observation: &Observation, second: u16) -> bool {
    let spans = observation.protected.spans();
    spans.iter().any(|s| s.from <= second && second < s.until)
}

/// Whether one of these is the computer under any of its ids.
fn is_among(computer: &Judged<'_>, billed: &[Judged<'_>]) -> bool {
    let bare = |key: ComputerKey| key.without_provider().unwrap_or(key);
    billed.iter().any(|other| {
        computer.key == other.key
            || other.agents.contains(&computer.key)
            || computer.agents.contains(&other.key)
            || bare(computer.key) == bare(other.key)
                && (computer.key.without_provider().is_none()
                    || other.key.without_provider().is_none())
    })
}

/// Takes up what is new; returns it.
fn take_new<'a>(billed: &mut Vec<Judged<'a>>, computers: &[Judged<'a>]) -> Vec<Judged<'a>> {
    let before = billed.len();
    for computer in computers.iter().filter(|c| c.paid.is_some()) {
        if !is_among(computer, billed) {
            billed.push(computer.clone());
        }
    }
    billed[before..].to_vec()
}

/// Forgets what these licenses pay for.
fn release(billed: &mut Vec<Judged<'_>>, licenses: &[LicenseId]) {
    billed.retain(|computer| {
        let (license, ..) = computer.paid.unwrap();
        !licenses.contains(license)
    });
}

/// What the postings billed.
fn replay<'a>(hour: &'a AccountHour, reports: &'a Reports) -> Vec<Judged<'a>> {
    let (mut billed, mut seen) = (Vec::new(), Vec::new());
    for posting in &hour.postings {
        seen.extend(posting.reports.iter().map(|id| &reports[id]));
        release(&mut billed, &posting.releases);
        take_new(&mut billed, &judge(&seen, &posting.links));
    }
    billed
}

/// What posting would add, and what nobody pays for.
fn plan(
    hour: &AccountHour,
    releases: &[LicenseId],
    reports: &Reports,
    links: &[LinkedSpan],
    standings: &Standings,
) -> (Vec<NewLine>, BTreeMap<Unbillable, u32>) {
    let mut billed = replay(hour, reports);
    release(&mut billed, releases);
    let computers = judge(&reports.values().collect::<Vec<_>>(), links);
    let mut counts = BTreeMap::new();
    for new in take_new(&mut billed, &computers) {
        *counts.entry(new.paid).or_default() += 1;
    }
    let catalog = Catalog::workload_security();
    let lines = counts.into_iter().map(|(paid, count)| {
        let (license, tier, cloud_account) = paid.unwrap();
        NewLine {
            license: license.clone(),
            dimension: catalog.rate(tier).dimension.clone(),
            cloud_account: cloud_account.cloned(),
            count,
        }
    });
    let mut unbillable = BTreeMap::new();
    for left in computers.iter().filter(|c| c.paid.is_none()) {
        if !is_among(left, &billed) {
            let standing = |second| standings.iter().rfind(|(from, _)| *from <= second);
            let reason = left
                .first_protected
                .map(|second| standing(second).unwrap().1);
            *unbillable
                .entry(reason.unwrap_or(Unbillable::AgentOffline))
                .or_default() += 1;
        }
    }
    (lines.collect(), unbillable)
}

/// Computers billed and not billed.
fn tally(hour: &AccountHour, reports: &Reports) -> (usize, usize) {
    let billed = replay(hour, reports);
    let computers = judge(&reports.values().collect::<Vec<_>>(), &[]);
    let left = computers.iter().filter(|c| !is_among(c, &billed));
    (billed.len(), left.count())
}

/// A report arrives, and the hour is posted by links that may be others than before.
#[derive(Debug, Clone)]
struct Step {
    report: Vec<Observation>,
    /// `None` for those of the step before.
    links: Option<Vec<LinkedSpan>>,
    /// The licenses whose usage is released.
    releases: Vec<LicenseId>,
}

fn key(kinds: std::ops::Range<u64>) -> impl Strategy<Value = ComputerKey> {
    (0_u64..3, kinds).prop_map(|(n, kind)| ComputerKey::from_bits(n << 3 | kind).unwrap())
}

fn cloud_account() -> impl Strategy<Value = Option<CloudAccountId>> {
    prop::option::of("[12]".prop_map(|id| CloudAccountId::parse(id).unwrap()))
}

/// One or two spans that are apart.
fn spans() -> impl Strategy<Value = Vec<Span>> {
    prop::collection::btree_set(0..=LAST_SECOND, 2..5).prop_map(|ends| {
        let ends: Vec<u16> = ends.into_iter().collect();
        let spans = ends.chunks_exact(2);
        spans
            .map(|ends| Span {
                from: ends[0],
                until: ends[1],
            })
            .collect()
    })
}

fn protected() -> impl Strategy<Value = Protected> {
    prop_oneof![
        2 => Just(Protected::WholeHour),
        3 => spans().prop_map(Protected::Spans),
        1 => Just(Protected::Offline),
    ]
}

fn observation() -> impl Strategy<Value = Observation> {
    let agent =
        prop_oneof![1 => Just(None), 3 => key(4..5).prop_map(Some), 1 => key(0..5).prop_map(Some)];
    let tier = prop::sample::select(&Tier::ALL[..]);
    (
        key(0..5),
        agent,
        tier,
        prop::bool::weighted(0.2),
        cloud_account(),
        protected(),
    )
        .prop_map(
            |(key, agent, tier, vcenter, cloud_account, protected)| Observation {
                key,
                agent,
                tier,
                vcenter,
                cloud_account,
                protected,
            },
        )
}

fn license(n: u8) -> LicenseId {
    LicenseId::parse(format!("l-{n:032x}")).unwrap()
}

fn links() -> impl Strategy<Value = Vec<LinkedSpan>> {
    let licenses = prop::collection::vec(1_u8..3, 2);
    (spans(), licenses, any::<bool>()).prop_map(|(spans, licenses, open)| {
        let mut links: Vec<LinkedSpan> = spans
            .into_iter()
            .zip(licenses)
            .map(|(span, n)| LinkedSpan {
                license: license(n),
                from: span.from,
                until: span.until,
            })
            .collect();
        links.last_mut().unwrap().until = if open { 3600 } else { LAST_SECOND };
        links
    })
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let report = prop::collection::vec(observation(), 0..5);
    let new_links = prop_oneof![1 => links().prop_map(Some), 2 => Just(None)];
    let releases = prop::collection::vec((1_u8..3).prop_map(license), 0..3);
    let releases = prop_oneof![4 => Just(Vec::new()), 1 => releases];
    let step = (report, new_links, releases).prop_map(|(report, links, releases)| Step {
        report,
        links,
        releases,
    });
    (prop::collection::vec(step, 1..7), links()).prop_map(|(mut steps, first)| {
        let links = &mut steps[0].links;
        *links = links.take().or(Some(first));
        steps
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn posting_comes_to_what_the_rules_say_second_by_second(steps in steps()) {
        let hour = Hour::of("2026-11-22T10:00:00Z".parse().unwrap());
        let mut posted = AccountHour::empty(AccountId::parse("acme").unwrap(), Part(0), hour);
        let mut reports = Reports::new();
        let standings = vec![(0, Unbillable::Trial), (3, Unbillable::Grace)];
        let catalog = Catalog::workload_security();
        let mut links = Vec::new();
        for (n, step) in steps.into_iter().enumerate() {
            links = step.links.unwrap_or(links);
            // A later report may come before an earlier one in the order of ids.
            reports.insert(ReportId::parse(format!("r{}", 9 - n)).unwrap(), step.report);
            let nothing_posted = posted.postings.is_empty();
            let releases = if nothing_posted { Vec::new() } else { step.releases };
            let (new, unbillable) = plan(&posted, &releases, &reports, &links, &standings);
            let planned = posted
                .plan_releasing(&releases, &reports, &links, &standings, &catalog)
                .unwrap();
            if let Some(planned) = planned {
                prop_assert_eq!(&planned.new, &new);
                prop_assert_eq!(&planned.unbillable, &unbillable);
                let licenses = planned.licenses().into_iter();
                let target = licenses.map(|license| (license, Target::Slot(hour))).collect();
                posted = posted.posted(planned, &target);
            } else {
                prop_assert_eq!((new, unbillable), (vec![], posted.unbillable.clone()));
            }
            let tallied = posted.tally(&reports).unwrap();
            let counting = posted.lines.iter().filter(|line| !line.target.is_released());
            let lines: usize = counting.map(|line| line.count as usize).sum();
            prop_assert_eq!(tallied.billed, lines);
            prop_assert_eq!((tallied.billed, tallied.unbilled), tally(&posted, &reports));
        }
    }
}
