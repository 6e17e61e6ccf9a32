//! Which license pays for which computer's hour, at which tier.
//!
//! Rule (`domain.md`, "Which license pays for an atom"): the license linked at
//! the earliest instant of the hour at which the computer was both protected
//! and licensed; the tier is the lowest seen while licensed, except that a
//! computer seen in vCenter is Data Center.

use std::collections::{BTreeMap, HashMap, HashSet};

use serde::{Deserialize, Serialize};

use crate::ids::{CloudAccountId, LicenseId};
use crate::tiers::Tier;
use crate::usage::{ComputerKey, Observation, Span};

/// A license linked to the account for part of the hour: half-open seconds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
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
pub struct Atom {
    /// The computer.
    pub key: ComputerKey,
    /// The license that pays.
    pub license: LicenseId,
    /// The rate class.
    pub tier: Tier,
    /// The customer's cloud account, for the allocation tag.
    pub cloud_account: Option<CloudAccountId>,
    /// Its agents' keys, under which it is not counted again.
    agents: Vec<ComputerKey>,
}

/// A computer's hour that nobody pays for as the links stand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unlicensed {
    /// The computer.
    pub key: ComputerKey,
    /// The first second at which it was protected; `None` when its agent was offline.
    pub first_protected: Option<u16>,
    agents: Vec<ComputerKey>,
}

/// The computers of one account-hour, each judged once.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Attribution {
    /// Paid for, by ascending key.
    pub licensed: Vec<Atom>,
    /// Not paid for, by ascending key.
    pub unlicensed: Vec<Unlicensed>,
}

/// Judges every computer of the observations by these links.
pub fn attribute<'a>(
    observations: impl IntoIterator<Item = &'a Observation>,
    links: &[LinkedSpan],
) -> Attribution {
    let mut attribution = Attribution::default();
    for computer in computers(observations) {
        match judge(&computer, links) {
            Ok(atom) => attribution.licensed.push(atom),
            Err(unlicensed) => attribution.unlicensed.push(unlicensed),
        }
    }
    attribution
}

/// One computer with everything that was seen of it in the hour.
struct Computer<'a> {
    key: ComputerKey,
    seen: Vec<&'a Observation>,
}

impl Computer<'_> {
    fn agents(&self) -> Vec<ComputerKey> {
        let mut agents: Vec<ComputerKey> = self
            .seen
            .iter()
            .filter_map(|o| o.agent.or_else(|| is_agent(o.key).then_some(o.key)))
            .filter(|agent| *agent != self.key)
            .collect();
        agents.sort_unstable();
        agents.dedup();
        agents
    }
}

fn is_agent(key: ComputerKey) -> bool {
    key.without_provider().is_none() && key.under_providers().next().is_none()
}

/// Groups observations by computer: by key, then what is known only by its
/// agent joins the instance with that agent, and an instance without provider
/// joins the same instance under one.
fn computers<'a>(observations: impl IntoIterator<Item = &'a Observation>) -> Vec<Computer<'a>> {
    let mut by_key: BTreeMap<ComputerKey, Vec<&Observation>> = BTreeMap::new();
    for observation in observations {
        by_key.entry(observation.key).or_default().push(observation);
    }
    let mut instance_of_agent: HashMap<ComputerKey, ComputerKey> = HashMap::new();
    for (key, seen) in &by_key {
        for agent in seen.iter().filter_map(|o| o.agent) {
            instance_of_agent.entry(agent).or_insert(*key);
        }
    }
    let known_instance = |key: ComputerKey| {
        key.under_providers()
            .find(|under| by_key.contains_key(under))
    };
    let mut joined: BTreeMap<ComputerKey, Vec<&Observation>> = BTreeMap::new();
    for (key, seen) in &by_key {
        let instance = instance_of_agent.get(key).copied().unwrap_or(*key);
        let canonical = known_instance(instance).unwrap_or(instance);
        joined.entry(canonical).or_default().extend(seen);
    }
    joined
        .into_iter()
        .map(|(key, seen)| Computer { key, seen })
        .collect()
}

fn judge(computer: &Computer<'_>, links: &[LinkedSpan]) -> Result<Atom, Unlicensed> {
    let mut payer: Option<(u16, &LicenseId)> = None;
    let mut rate: Option<(Tier, Option<&CloudAccountId>)> = None;
    let mut vcenter = false;
    for observation in &computer.seen {
        for (instant, license) in licensed_instants(observation, links) {
            if payer.is_none_or(|(earliest, _)| instant < earliest) {
                payer = Some((instant, license));
            }
            let seen = (observation.tier, observation.cloud_account.as_ref());
            if rate.is_none_or(|lowest| seen < lowest) {
                rate = Some(seen);
            }
            vcenter |= observation.vcenter;
        }
    }
    let (Some((_, license)), Some((tier, cloud_account))) = (payer, rate) else {
        return Err(Unlicensed {
            key: computer.key,
            first_protected: computer
                .seen
                .iter()
                .filter_map(|o| o.protected.spans().first())
                .map(|span| span.from)
                .min(),
            agents: computer.agents(),
        });
    };
    Ok(Atom {
        key: computer.key,
        license: license.clone(),
        tier: if vcenter { Tier::DataCenter } else { tier },
        cloud_account: cloud_account.cloned(),
        agents: computer.agents(),
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
    keys: HashSet<ComputerKey>,
    agents: HashSet<ComputerKey>,
}

impl Billed {
    /// Takes up the atoms that are not billed yet and returns them.
    pub fn add_new(&mut self, attribution: Attribution) -> Vec<Atom> {
        let mut new = Vec::new();
        for atom in attribution.licensed {
            if self.holds(atom.key, &atom.agents) {
                continue;
            }
            self.keys.insert(atom.key);
            self.agents.extend(atom.agents.iter().copied());
            new.push(atom);
        }
        new
    }

    /// How many computers are billed.
    pub fn len(&self) -> usize {
        self.keys.len()
    }

    /// Whether none is.
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// Whether an unlicensed computer was billed by an earlier posting.
    pub fn holds_unlicensed(&self, computer: &Unlicensed) -> bool {
        self.holds(computer.key, &computer.agents)
    }

    fn holds(&self, key: ComputerKey, agents: &[ComputerKey]) -> bool {
        self.keys.contains(&key)
            || self.agents.contains(&key)
            || agents.iter().any(|agent| self.keys.contains(agent))
            || key
                .without_provider()
                .is_some_and(|bare| self.keys.contains(&bare))
            || key
                .under_providers()
                .any(|under| self.keys.contains(&under))
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
            .map(|atom| (atom.license, atom.tier))
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
            assert_eq!(billed.add_new(attribute([first], &links)).len(), 1);
            assert_eq!(billed.add_new(attribute([second], &links)).len(), 0);
        }
    }

    #[test]
    fn an_instance_first_seen_without_a_connector_is_not_billed_again_under_one() {
        let links = [linked(1, 0, 3600)];
        let bare = seen("a", Some("i"), Tier::DataCenter, &[(0, 1800)]);
        let cloud = seen("b", Some("i"), Tier::Large, &[(1800, 3600)]);
        for (first, second) in [(&bare, &cloud), (&cloud, &bare)] {
            let mut billed = Billed::default();
            assert_eq!(billed.add_new(attribute([first], &links)).len(), 1);
            assert_eq!(billed.add_new(attribute([second], &links)).len(), 0);
        }
    }
}
