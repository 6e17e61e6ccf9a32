//! Which license pays for which computer's hour, at which tier.
//!
//! Rule (`domain.md`, "Which license pays for an atom"): the license linked at
//! the earliest instant of the hour at which the computer was both protected
//! and licensed; the tier is the lowest seen while licensed, except that a
//! computer seen in vCenter is Data Center.
//!
//! Written to be fast, because every computer of every hour passes here: one
//! sorted list instead of maps, nothing copied of an observation, and no look
//! at what can only matter for computers known by several ids. What it must
//! come to is held by `account_hour/reference.rs`.

mod replay;

use std::collections::HashSet;
use std::hash::{BuildHasherDefault, Hasher};
use std::ops::Range;

use serde::{Deserialize, Serialize};

use crate::ids::{CloudAccountId, LicenseId};
use crate::mutant;
use crate::tiers::Tier;
use crate::usage::{ComputerKey, Observation, Span};

pub use replay::{Saw, replay};

/// A license linked to the account for part of the hour: half-open seconds.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct LinkedSpan {
    /// The license.
    pub license: LicenseId,
    /// First second of the hour at which it is linked.
    pub from: u16,
    /// First second at which it no longer is; 3600 when it still is at the hour's end.
    pub until: u16,
}

/// A computer's hour that a license pays for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Atom<'a> {
    /// The computer.
    pub key: ComputerKey,
    /// The license that pays.
    pub license: &'a LicenseId,
    /// The rate class.
    pub tier: Tier,
    /// The customer's cloud account, for the allocation tag.
    pub cloud_account: Option<&'a CloudAccountId>,
    /// Where its observations are.
    seen: Range<usize>,
}

/// A computer's hour that nobody pays for as the links stand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unlicensed {
    /// The computer.
    pub key: ComputerKey,
    /// The first second at which it was protected; `None` when its agent was offline.
    pub first_protected: Option<u16>,
    seen: Range<usize>,
}

/// The computers of one account-hour, each judged once.
#[derive(Debug)]
pub struct Attribution<'a> {
    /// Paid for, by ascending key.
    pub licensed: Vec<Atom<'a>>,
    /// Not paid for, by ascending key.
    pub unlicensed: Vec<Unlicensed>,
    seen: Vec<Sighting<'a>>,
}

/// An observation, and the computer that it is one of.
#[derive(Debug, Clone, Copy)]
struct Sighting<'a> {
    computer: ComputerKey,
    observation: &'a Observation,
}

/// Judges every computer of the observations by these links.
pub fn attribute<'a>(
    observations: impl IntoIterator<Item = &'a Observation>,
    links: &'a [LinkedSpan],
) -> Attribution<'a> {
    let seen = by_computer(observations);
    let mut licensed = Vec::with_capacity(seen.len());
    let mut unlicensed = Vec::new();
    let mut place = 0..0;
    for of_one in seen.chunk_by(|a, b| a.computer == b.computer) {
        place = place.end..place.end + of_one.len();
        let Some(Sighting { computer, .. }) = of_one.first() else {
            continue;
        };
        match judge(*computer, of_one, place.clone(), links) {
            Ok(atom) => licensed.push(atom),
            Err(nobody_pays) => unlicensed.push(nobody_pays),
        }
    }
    Attribution {
        licensed,
        unlicensed,
        seen,
    }
}

impl Attribution<'_> {
    /// Whether no two of its computers can be one under two ids: what is known
    /// by an agent alone has joined the instance with that agent, unless an id
    /// of the one kind stands where the other belongs.
    pub fn is_apart(&self) -> bool {
        self.seen.iter().all(|sighting| {
            let key = sighting.observation.key;
            let agent = sighting.observation.agent;
            agent.is_none_or(|agent| is_agent(agent) && !is_agent(key))
        })
    }
}

/// The agents' keys under which a computer is not counted again.
fn agents<'a>(seen: &'a [Sighting<'_>]) -> impl Iterator<Item = ComputerKey> + 'a {
    seen.iter().filter_map(|sighting| {
        let key = sighting.observation.key;
        let alone = is_agent(key).then_some(key);
        let agent = sighting.observation.agent.or(alone)?;
        (agent != sighting.computer).then_some(agent)
    })
}

fn is_agent(key: ComputerKey) -> bool {
    key.without_provider().is_none() && key.under_providers().next().is_none()
}

/// The observations of each computer side by side, by ascending key.
fn by_computer<'a>(observations: impl IntoIterator<Item = &'a Observation>) -> Vec<Sighting<'a>> {
    let mut seen: Vec<Sighting<'a>> = observations
        .into_iter()
        .map(|observation| Sighting {
            computer: match observation.agent {
                Some(agent) if mutant!(InstanceCountedPerAgent) => agent,
                Some(_) | None => observation.key,
            },
            observation,
        })
        .collect();
    // Stable and made for runs: a report's computers are sorted already.
    seen.sort_by_key(|sighting| sighting.computer);
    let apart = mutant!(MachineCountedUnderTwoIds) || mutant!(InstanceCountedPerAgent);
    if !apart && seen.iter().any(|s| may_have_other_ids(s.observation)) {
        join(&mut seen);
        seen.sort_by_key(|sighting| sighting.computer);
    }
    seen
}

/// An instance under a provider joins nothing: others join it.
fn may_have_other_ids(observation: &Observation) -> bool {
    observation.key.without_provider().is_none()
        || observation.agent.is_some_and(|agent| !is_agent(agent))
}

/// What is known only by its agent joins the instance with that agent, and an
/// instance without provider joins the same instance under one.
fn join(seen: &mut [Sighting<'_>]) {
    let mut instances: Vec<(ComputerKey, ComputerKey)> = seen
        .iter()
        .filter_map(|s| s.observation.agent.map(|agent| (agent, s.computer)))
        .collect();
    instances.sort_unstable();
    let keys: Vec<ComputerKey> = seen.iter().map(|s| s.computer).collect();
    for sighting in seen {
        let agent = sighting.computer;
        let first = instances.partition_point(|(of, _)| *of < agent);
        let instance = match instances.get(first) {
            Some((of, instance)) if *of == agent => *instance,
            Some(_) | None => agent,
        };
        sighting.computer = instance
            .under_providers()
            .find(|under| keys.binary_search(under).is_ok())
            .unwrap_or(instance);
    }
}

/// Judges one computer by everything that was seen of it.
fn judge<'a>(
    key: ComputerKey,
    seen: &[Sighting<'a>],
    place: Range<usize>,
    links: &'a [LinkedSpan],
) -> Result<Atom<'a>, Unlicensed> {
    let mut payer: Option<(u16, &LicenseId)> = None;
    let mut rate: Option<(Tier, Option<&CloudAccountId>)> = None;
    let mut vcenter = false;
    for observation in seen.iter().map(|sighting| sighting.observation) {
        for (instant, license) in licensed_instants(observation, links) {
            if payer.is_none_or(|(earliest, _)| instant < earliest) {
                payer = Some((instant, license));
            }
            let seen = (observation.tier, observation.cloud_account.as_ref());
            if rate.is_none_or(|lowest| seen < lowest || mutant!(TierOfTheLastReport)) {
                rate = Some(seen);
            }
            vcenter |= observation.vcenter;
        }
    }
    let (Some((_, license)), Some((tier, cloud_account))) = (payer, rate) else {
        return Err(Unlicensed {
            key,
            first_protected: seen
                .iter()
                .filter_map(|s| s.observation.protected.spans().first())
                .map(|span| span.from)
                .min(),
            seen: place,
        });
    };
    Ok(Atom {
        key,
        license,
        tier: if vcenter { Tier::DataCenter } else { tier },
        cloud_account,
        seen: place,
    })
}

/// For each link under which the observed computer was protected, the first
/// second at which it was.
fn licensed_instants<'a>(
    observation: &'a Observation,
    links: &'a [LinkedSpan],
) -> impl Iterator<Item = (u16, &'a LicenseId)> {
    links.iter().filter_map(|link| {
        observation
            .protected
            .spans()
            .iter()
            .find_map(|span| first_common_second(*span, link))
            .map(|second| (second, &link.license))
    })
}

fn first_common_second(span: Span, link: &LinkedSpan) -> Option<u16> {
    let from = span.from.max(link.from);
    (from < span.until.min(link.until)).then_some(from)
}

/// The computers that are already billed in an account-hour, under every id by
/// which they may appear again.
#[derive(Debug, Default)]
pub struct Billed {
    keys: Keys,
    agents: Keys,
    /// What each license pays for, if any of it is to be released.
    taken: Option<Vec<Taken>>,
}

/// A computer that a license pays for.
#[derive(Debug)]
struct Taken {
    license: LicenseId,
    key: ComputerKey,
    agents: Vec<ComputerKey>,
}

type Keys = HashSet<ComputerKey, BuildHasherDefault<KeyBits>>;

/// A key is made of a hash's bits: hashing it again would only take time.
#[derive(Debug, Default)]
struct KeyBits(u64);

impl Hasher for KeyBits {
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.write_u64(u64::from(*byte));
        }
    }

    fn write_u64(&mut self, bits: u64) {
        // The lowest bits tell a key's kind, and are the same for most.
        self.0 = self.0.rotate_left(8) ^ bits.rotate_right(3);
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

impl Billed {
    /// Nothing yet, and what is taken up can be released.
    fn releasable() -> Self {
        Self {
            taken: Some(Vec::new()),
            ..Self::default()
        }
    }

    /// Forgets the computers that these licenses pay for. Nothing is forgotten
    /// of what was taken up without being [releasable](replay).
    pub fn release(&mut self, licenses: &[LicenseId]) {
        let Some(mut taken) = self.taken.take() else {
            return;
        };
        if !licenses.is_empty() {
            taken.retain(|computer| !licenses.contains(&computer.license));
            // An agent's key may be another computer's as well.
            self.keys = taken.iter().map(|computer| computer.key).collect();
            let agents = taken.iter().flat_map(|computer| &computer.agents);
            self.agents = agents.copied().collect();
        }
        self.taken = Some(taken);
    }

    /// Takes up what is licensed and not billed yet; returns that, and what
    /// nobody pays for or paid for before.
    pub fn take_new<'a>(&mut self, attribution: Attribution<'a>) -> Attribution<'a> {
        let Attribution {
            mut licensed,
            mut unlicensed,
            seen,
        } = attribution;
        licensed.retain(|atom| {
            let seen = &seen[atom.seen.clone()];
            let new = !self.holds(atom.key, seen);
            if new {
                self.keys.insert(atom.key);
                self.agents.extend(agents(seen));
                if let Some(taken) = &mut self.taken {
                    taken.push(Taken {
                        license: atom.license.clone(),
                        key: atom.key,
                        agents: agents(seen).collect(),
                    });
                }
            }
            new
        });
        unlicensed.retain(|computer| !self.holds(computer.key, &seen[computer.seen.clone()]));
        Attribution {
            licensed,
            unlicensed,
            seen,
        }
    }

    /// How many computers are billed.
    pub fn len(&self) -> usize {
        self.keys.len()
    }

    /// Whether none is.
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    fn holds(&self, key: ComputerKey, seen: &[Sighting<'_>]) -> bool {
        if mutant!(MachineCountedUnderTwoIds) || mutant!(InstanceCountedPerAgent) {
            return self.keys.contains(&key);
        }
        !self.keys.is_empty()
            && (self.keys.contains(&key)
                || self.agents.contains(&key)
                || agents(seen).any(|agent| self.keys.contains(&agent))
                || key
                    .without_provider()
                    .is_some_and(|bare| self.keys.contains(&bare))
                || key
                    .under_providers()
                    .any(|under| self.keys.contains(&under)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::{AgentId, InstanceId};
    use crate::tiers::ConnectorKind;
    use crate::usage::Protected;

    fn license(n: u8) -> LicenseId {
        LicenseId::parse(format!("l-{n:032x}")).unwrap()
    }

    fn linked(n: u8, from: u16, until: u16) -> LinkedSpan {
        LinkedSpan {
            license: license(n),
            from,
            until,
        }
    }

    fn seen(agent: &str, instance: Option<&str>, tier: Tier, spans: &[(u16, u16)]) -> Observation {
        let kind = (tier != Tier::DataCenter).then_some(ConnectorKind::Aws);
        let agent = ComputerKey::of_agent(&AgentId::parse(agent).unwrap());
        let instance =
            instance.map(|id| ComputerKey::of_instance(kind, &InstanceId::parse(id).unwrap()));
        Observation {
            key: instance.unwrap_or(agent),
            agent: instance.map(|_| agent),
            tier,
            vcenter: false,
            cloud_account: None,
            protected: Protected::Spans(
                spans
                    .iter()
                    .map(|(from, until)| Span {
                        from: *from,
                        until: *until,
                    })
                    .collect(),
            ),
        }
    }

    fn payer_of(observations: &[Observation], links: &[LinkedSpan]) -> Vec<(LicenseId, Tier)> {
        attribute(observations, links)
            .licensed
            .into_iter()
            .map(|atom| (atom.license.clone(), atom.tier))
            .collect()
    }

    #[test]
    fn at_a_payer_change_what_was_already_protected_stays_with_the_old_license() {
        let links = [linked(1, 0, 2400), linked(2, 2400, 3600)];
        let protected_before = seen("a", None, Tier::DataCenter, &[(0, 3600)]);
        let started_after = seen("b", None, Tier::DataCenter, &[(3000, 3600)]);
        assert_eq!(
            payer_of(&[protected_before], &links),
            [(license(1), Tier::DataCenter)]
        );
        assert_eq!(
            payer_of(&[started_after], &links),
            [(license(2), Tier::DataCenter)]
        );
    }

    #[test]
    fn a_gap_between_links_is_paid_by_whoever_is_linked_next() {
        let links = [linked(1, 0, 600), linked(2, 1200, 3600)];
        let in_the_gap = seen("a", None, Tier::DataCenter, &[(700, 1300)]);
        assert_eq!(
            payer_of(std::slice::from_ref(&in_the_gap), &links),
            [(license(2), Tier::DataCenter)]
        );
        assert_eq!(payer_of(&[in_the_gap], &links[..1]), []);
    }

    #[test]
    fn the_lowest_tier_seen_while_licensed_counts() {
        let links = [linked(1, 600, 3600)];
        let small_before = seen("a", Some("i"), Tier::Medium, &[(0, 600)]);
        let large = seen("a", Some("i"), Tier::Large, &[(600, 1200)]);
        let greater = seen("a", Some("i"), Tier::ExtraLarge, &[(1200, 3600)]);
        assert_eq!(
            payer_of(&[greater, small_before, large], &links),
            [(license(1), Tier::Large)]
        );
    }

    #[test]
    fn one_instance_id_counts_once_at_the_cloud_tier() {
        let links = [linked(1, 0, 3600)];
        let cloud = seen("a", Some("i"), Tier::Large, &[(0, 3600)]);
        let bare = seen("b", Some("i"), Tier::DataCenter, &[(0, 3600)]);
        assert_eq!(
            payer_of(&[bare, cloud], &links),
            [(license(1), Tier::Large)]
        );
    }

    #[test]
    fn a_computer_in_vcenter_and_under_a_connector_is_data_center() {
        let links = [linked(1, 0, 3600)];
        let cloud = seen("a", Some("i"), Tier::Large, &[(0, 3600)]);
        let mut vcenter = seen("a", Some("i"), Tier::DataCenter, &[(0, 3600)]);
        vcenter.vcenter = true;
        assert_eq!(
            payer_of(&[vcenter, cloud], &links),
            [(license(1), Tier::DataCenter)]
        );
    }

    #[test]
    fn a_computer_whose_instance_id_became_known_is_counted_once() {
        let links = [linked(1, 0, 3600)];
        let by_agent = seen("a", None, Tier::DataCenter, &[(0, 1800)]);
        let by_instance = seen("a", Some("i"), Tier::Large, &[(1800, 3600)]);
        assert_eq!(
            attribute([&by_agent, &by_instance], &links).licensed.len(),
            1
        );
        for (first, second) in [(&by_agent, &by_instance), (&by_instance, &by_agent)] {
            let mut billed = Billed::default();
            assert_eq!(
                billed.take_new(attribute([first], &links)).licensed.len(),
                1
            );
            assert_eq!(
                billed.take_new(attribute([second], &links)).licensed.len(),
                0
            );
        }
    }

    #[test]
    fn an_instance_first_seen_without_a_connector_is_not_billed_again_under_one() {
        let links = [linked(1, 0, 3600)];
        let bare = seen("a", Some("i"), Tier::DataCenter, &[(0, 1800)]);
        let cloud = seen("b", Some("i"), Tier::Large, &[(1800, 3600)]);
        for (first, second) in [(&bare, &cloud), (&cloud, &bare)] {
            let mut billed = Billed::default();
            assert_eq!(
                billed.take_new(attribute([first], &links)).licensed.len(),
                1
            );
            assert_eq!(
                billed.take_new(attribute([second], &links)).licensed.len(),
                0
            );
        }
    }
}
