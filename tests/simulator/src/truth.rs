//! What is true of a world, found out the plain way: which computers there
//! were in an account-hour, and who pays for them by the rules of `domain.md`.
//! Shares no code with the ledger's attribution.

use std::collections::{BTreeMap, BTreeSet};

use domain::hour::Hour;
use domain::ids::{AccountId, Dimension, LicenseId, ReportId};
use domain::ledger::account_hour::AccountHour;
use domain::ledger::attribution::LinkedSpan;
use domain::linking::Link;
use domain::tiers::Tier;
use domain::usage::report::second_of;
use domain::usage::{ComputerKey, Observation, Part};
use jiff::Timestamp;

use crate::world::World;

/// The computers of each part of an account-hour that was reported.
pub(crate) type Computers<'a> = BTreeMap<(&'a AccountId, Part, Hour), ComputerHour>;

/// The reports of each part of an account-hour.
pub(crate) type Reports<'a> =
    BTreeMap<(&'a AccountId, Part, Hour), BTreeMap<&'a ReportId, &'a [Observation]>>;

/// How many computers an account-hour's part had.
#[derive(Debug, Clone, Default)]
pub(crate) struct ComputerHour {
    most: usize,
    least: usize,
    possible: BTreeMap<(LicenseId, Dimension), usize>,
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

    /// At the most to a license's account in a dimension: those that it may have
    /// paid for, and that were seen in it meanwhile.
    pub(crate) fn possible(&self, license: &LicenseId, dimension: &Dimension) -> usize {
        let key = (license.clone(), dimension.clone());
        self.possible.get(&key).copied().unwrap_or(0)
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

/// Every account-hour's reports.
pub(crate) fn reports(world: &World) -> Reports<'_> {
    let mut reports: Reports<'_> = BTreeMap::new();
    for (hour, (account, part, id), seen) in world.tables.reports() {
        let of = reports.entry((account, *part, hour)).or_default();
        of.insert(id, seen);
    }
    reports
}

/// Every account-hour's computers.
pub(crate) fn computer_hours<'a>(world: &World, reports: &Reports<'a>) -> Computers<'a> {
    let computers = reports.iter().map(|(key, reports)| {
        let (account, _, hour) = *key;
        let is_sure = |id: &ReportId| {
            let name = (account.clone(), hour, id.to_string());
            world.acknowledged.contains_key(&name)
        };
        let sure = reports.iter().filter(|(id, _)| is_sure(id));
        let sure = machines(sure.flat_map(|(_, seen)| *seen));
        let machines = machines(reports.values().copied().flatten());
        let links = links_of(world, account, hour);
        let pays = |machine: &&Machine<'_>| payer(machine, &links).is_some();
        let computers = ComputerHour {
            most: machines.iter().map(counted).sum(),
            least: sure.iter().filter(pays).count(),
            possible: possible(world, key, &machines),
        };
        (*key, computers)
    });
    computers.collect()
}

/// How many machines each license may have paid for in each dimension. A link
/// that ended while the hour ran may have been read when it still was.
fn possible(
    world: &World,
    (account, part, hour): &(&AccountId, Part, Hour),
    machines: &[Machine<'_>],
) -> BTreeMap<(LicenseId, Dimension), usize> {
    let ahead = (*account).clone();
    let ahead = world.seen.posted_ahead.contains(&(ahead, *part, *hour));
    let links = world.tables.links().iter();
    let links: Vec<LinkedSpan> = links
        .filter(|link| link.account == **account && link.from < hour.end())
        .filter_map(|link| {
            let longer = ahead || world.aws.ended.contains_key(&link.license);
            let until = link.until.filter(|_| !longer).unwrap_or(hour.end());
            span(link, *hour, until)
        })
        .collect();
    let mut possible = BTreeMap::new();
    for machine in machines {
        let mut payers = BTreeSet::new();
        let mut dimensions = BTreeSet::new();
        for (_, license, seen) in licensed(machine, &links) {
            let tier = if seen.vcenter {
                Tier::DataCenter
            } else {
                seen.tier
            };
            payers.insert(license);
            dimensions.insert(&world.rules.catalog.rate(tier).dimension);
        }
        for license in payers {
            for dimension in &dimensions {
                let key = (license.clone(), (*dimension).clone());
                *possible.entry(key).or_default() += counted(machine);
            }
        }
    }
    possible
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

fn links_of(world: &World, account: &AccountId, hour: Hour) -> Vec<LinkedSpan> {
    let links = world.tables.links().iter();
    links
        .filter(|link| link.account == *account)
        .filter_map(|link| span(link, hour, link.until.unwrap_or(hour.end())))
        .collect()
}

/// The part of an hour in which a link was, had it ended then.
fn span(link: &Link, hour: Hour, until: Timestamp) -> Option<LinkedSpan> {
    let span = LinkedSpan {
        license: link.license.clone(),
        from: second_of(hour, link.from),
        until: second_of(hour, until),
    };
    let overlaps = link.from < hour.end() && until > hour.start();
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
pub(crate) fn attribution_differences(
    world: &World,
    reports: &Reports<'_>,
    hour: &AccountHour,
) -> Vec<String> {
    let mut differences = Vec::new();
    let mut expected: BTreeMap<(LicenseId, &Dimension), u64> = BTreeMap::new();
    let mut billed: BTreeMap<u64, LicenseId> = BTreeMap::new();
    let mut seen: Vec<&Observation> = Vec::new();
    let place = format_args!("{} part {} {}", hour.account, hour.part.0, hour.hour);
    let reports = reports.get(&(&hour.account, hour.part, hour.hour));
    for posting in &hour.postings {
        for id in &posting.reports {
            match reports.and_then(|reports| reports.get(id)) {
                Some(observations) => seen.extend(*observations),
                None => differences.push(format!("{place}: the report {id} is gone")),
            }
        }
        billed.retain(|_, license| !posting.releases.contains(license));
        expected.retain(|(license, _), _| !posting.releases.contains(license));
        for machine in machines(seen.iter().copied()) {
            if machine.ids.iter().any(|id| billed.contains_key(id)) {
                continue;
            }
            if let Some((license, tier)) =
                payer(&machine, &posting.links).zip(tier(&machine, &posting.links))
            {
                let dimension = &world.rules.catalog.rate(tier).dimension;
                *expected.entry((license.clone(), dimension)).or_default() += 1;
                billed.extend(machine.ids.iter().map(|id| (*id, license.clone())));
            }
        }
        for link in &posting.links {
            if !is_true(world, hour, link) {
                differences.push(format!("{place}: {link:?} never was"));
            }
        }
    }
    let mut lines: BTreeMap<(LicenseId, &Dimension), u64> = BTreeMap::new();
    for line in hour.lines.iter().filter(|line| !line.target.is_released()) {
        let key = (line.license.clone(), &line.dimension);
        *lines.entry(key).or_default() += u64::from(line.count);
    }
    if lines != expected {
        differences.push(format!(
            "{place}: lines {lines:?}, by the rules {expected:?}"
        ));
    }
    differences
}

/// Whether a link was as a posting read it. One of a license whose end became
/// known later may be longer there than it was, and so may one that was read by
/// a clock that was ahead.
fn is_true(world: &World, hour: &AccountHour, read: &LinkedSpan) -> bool {
    let name = || (hour.account.clone(), hour.part, hour.hour);
    let may_be_longer = world.aws.ended.contains_key(&read.license)
        || !world.seen.posted_ahead.is_empty() && world.seen.posted_ahead.contains(&name());
    let mut links = world.tables.links().iter();
    links.any(|link| {
        let until = second_of(hour.hour, link.until.unwrap_or(hour.hour.end()));
        link.account == hour.account
            && link.license == read.license
            && link.from < hour.hour.end()
            && second_of(hour.hour, link.from) == read.from
            && (may_be_longer || read.until <= until)
    })
}
