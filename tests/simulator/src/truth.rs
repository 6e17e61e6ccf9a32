//! What is true of a world, found out the plain way: which computers there
//! were in an account-hour, and who pays for them by the rules of `domain.md`.
//! Shares no code with the ledger's attribution.

use std::collections::{BTreeMap, BTreeSet};

use domain::hour::Hour;
use domain::ids::{Dimension, LicenseId};
use domain::ledger::account_hour::AccountHour;
use domain::ledger::attribution::LinkedSpan;
use domain::linking::Link;
use domain::tiers::Tier;
use domain::usage::report::second_of;
use domain::usage::{ComputerKey, Observation};

use crate::check::Reported;
use crate::world::World;

/// How many computers an account-hour's part had.
#[derive(Debug, Clone, Default)]
pub(crate) struct ComputerHour {
    most: usize,
    least: usize,
}

impl ComputerHour {
    /// At the most: all that any stored report saw.
    pub(crate) fn most(&self) -> usize {
        self.most
    }

    /// At the least: those of acknowledged reports that a license pays for.
    pub(crate) fn least(&self) -> usize {
        self.least
    }
}

/// A machine: what its observations share an id by.
struct Machine<'a> {
    ids: BTreeSet<u64>,
    seen: Vec<&'a Observation>,
}

/// The ids of an observation: its instance whatever the provider, its agent.
fn ids(observation: &Observation) -> Vec<u64> {
    let key = observation.key;
    let instance = key.without_provider().unwrap_or(key);
    let mut ids = vec![instance.to_bits()];
    ids.extend(observation.agent.map(ComputerKey::to_bits));
    ids
}

/// Observations that share an id are of one machine.
fn machines<'a>(observations: impl IntoIterator<Item = &'a Observation>) -> Vec<Machine<'a>> {
    let mut machines: Vec<Machine<'a>> = Vec::new();
    for observation in observations {
        let mut merged = Machine {
            ids: ids(observation).into_iter().collect(),
            seen: vec![observation],
        };
        let (same, others): (Vec<_>, Vec<_>) = machines
            .into_iter()
            .partition(|machine| !machine.ids.is_disjoint(&merged.ids));
        machines = others;
        for machine in same {
            merged.ids.extend(machine.ids);
            merged.seen.extend(machine.seen);
        }
        machines.push(merged);
    }
    machines
}

/// Every account-hour's computers.
pub(crate) fn computer_hours(world: &World) -> Reported {
    let mut all: BTreeMap<_, Vec<&Observation>> = BTreeMap::new();
    let mut sure: BTreeMap<_, Vec<&Observation>> = BTreeMap::new();
    for (hour, (account, part, id), seen) in world.tables.reports() {
        let key = (account.clone(), *part, hour);
        all.entry(key.clone()).or_default().extend(seen);
        let acknowledged = (account.clone(), hour, id.to_string());
        if world.acknowledged.contains_key(&acknowledged) {
            sure.entry(key).or_default().extend(seen);
        }
    }
    all.into_iter()
        .map(|(key, seen)| {
            let machines = machines(seen.iter().copied());
            let links = links_of(world, &key.0, key.2);
            let acknowledged = sure.get(&key).cloned().unwrap_or_default();
            let least = self::machines(acknowledged)
                .iter()
                .filter(|machine| payer(machine, &links).is_some())
                .count();
            let most = machines.iter().map(|machine| counted(machine)).sum();
            (key, ComputerHour { most, least })
        })
        .collect()
}

/// How often a machine may be counted: once; twice when it was known by its
/// agent alone and as an instance by another agent before the two were known to be one.
fn counted(machine: &Machine<'_>) -> usize {
    let agents_alone: BTreeSet<ComputerKey> = machine
        .seen
        .iter()
        .filter(|seen| seen.agent.is_none())
        .map(|seen| seen.key)
        .collect();
    let by_another = machine.seen.iter().any(|seen| {
        seen.agent
            .is_some_and(|agent| !agents_alone.is_empty() && !agents_alone.contains(&agent))
    });
    1 + usize::from(by_another)
}

fn links_of(world: &World, account: &domain::ids::AccountId, hour: Hour) -> Vec<LinkedSpan> {
    world
        .tables
        .links()
        .iter()
        .filter(|link| link.account == *account)
        .filter_map(|link| span_of(link, hour))
        .collect()
}

fn span_of(link: &Link, hour: Hour) -> Option<LinkedSpan> {
    let overlaps = link.from < hour.end() && link.until.is_none_or(|until| until > hour.start());
    let span = LinkedSpan {
        license: link.license.clone(),
        from: second_of(hour, link.from),
        until: second_of(hour, link.until.unwrap_or(hour.end())),
    };
    (overlaps && span.from < span.until).then_some(span)
}

/// Every instant at which a machine was protected and licensed begins with one
/// of these: the second, the license, and what was seen.
fn licensed<'a>(
    machine: &'a Machine<'_>,
    links: &'a [LinkedSpan],
) -> impl Iterator<Item = (u16, &'a LicenseId, &'a Observation)> {
    machine.seen.iter().flat_map(move |seen| {
        seen.protected.spans().iter().flat_map(move |span| {
            links.iter().filter_map(move |link| {
                let first = span.from.max(link.from);
                (first < span.until.min(link.until)).then_some((first, &link.license, *seen))
            })
        })
    })
}

fn payer<'a>(machine: &'a Machine<'_>, links: &'a [LinkedSpan]) -> Option<&'a LicenseId> {
    licensed(machine, links)
        .min_by_key(|(second, ..)| *second)
        .map(|(_, license, _)| license)
}

/// The lowest tier that was seen while licensed; in vCenter it is Data Center.
fn tier(machine: &Machine<'_>, links: &[LinkedSpan]) -> Option<Tier> {
    let seen: Vec<&Observation> = licensed(machine, links).map(|(.., seen)| seen).collect();
    if seen.iter().any(|seen| seen.vcenter) {
        return Some(Tier::DataCenter);
    }
    seen.iter().map(|seen| seen.tier).min()
}

/// Where an account-hour's lines are not what the rules say of the reports and
/// links that its postings read, or those links are not the true ones.
pub(crate) fn attribution_differences(world: &World, hour: &AccountHour) -> Vec<String> {
    let mut differences = Vec::new();
    let mut expected: BTreeMap<(LicenseId, Dimension), u64> = BTreeMap::new();
    let mut billed: BTreeSet<u64> = BTreeSet::new();
    let mut seen: Vec<&Observation> = Vec::new();
    let place = format!("{} part {} {}", hour.account, hour.part.0, hour.hour);
    for posting in &hour.postings {
        for id in &posting.reports {
            let key = (hour.account.clone(), hour.part, id.clone());
            let mut reports = world.tables.reports();
            match reports.find(|(at, of, _)| *at == hour.hour && **of == key) {
                Some((_, _, observations)) => seen.extend(observations),
                None => differences.push(format!("{place}: the report {id} is gone")),
            }
        }
        for machine in machines(seen.iter().copied()) {
            if !machine.ids.is_disjoint(&billed) {
                continue;
            }
            if let Some((license, tier)) =
                payer(&machine, &posting.links).zip(tier(&machine, &posting.links))
            {
                let dimension = world.rules.catalog.rate(tier).dimension.clone();
                *expected.entry((license.clone(), dimension)).or_default() += 1;
                billed.extend(&machine.ids);
            }
        }
        if !world.is_skewed {
            differences.extend(untrue_links(world, hour, &posting.links, &place));
        }
    }
    let mut lines: BTreeMap<(LicenseId, Dimension), u64> = BTreeMap::new();
    for line in &hour.lines {
        let key = (line.license.clone(), line.dimension.clone());
        *lines.entry(key).or_default() += u64::from(line.count);
    }
    if lines != expected {
        differences.push(format!(
            "{place}: lines {lines:?}, by the rules {expected:?}"
        ));
    }
    differences
}

/// Links that a posting read and that never were so. A link that was found to
/// have ended before it was read may be longer there than it was.
fn untrue_links(
    world: &World,
    hour: &AccountHour,
    links: &[LinkedSpan],
    place: &str,
) -> Vec<String> {
    let truth = links_of(world, &hour.account, hour.hour);
    links
        .iter()
        .filter(|link| {
            let ended = world.aws.ended.contains_key(&link.license);
            !ended
                && !truth.iter().any(|of| {
                    of.license == link.license && of.from == link.from && link.until <= of.until
                })
        })
        .map(|link| format!("{place}: {link:?} never was"))
        .collect()
}
