//! What identifies a computer in the ledger, and what was observed of it.

use sha2::{Digest, Sha256};

use crate::ids::{AgentId, CloudAccountId, InstanceId};
use crate::tiers::{ConnectorKind, Tier};

/// The lowest bits of a key tell what it was made from.
const KIND_BITS: u64 = 0b111;

/// A computer's identity: 61 bits of a SHA-256 and the kind of id it was made
/// from.
///
/// The key is made from the provider and the instance id whenever the report
/// has an instance id, connector or not, else from the agent id. Without a
/// cloud connector the provider is not known: such a key matches the same
/// instance id under any provider ([`ComputerKey::without_provider`]).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ComputerKey(u64);

impl ComputerKey {
    /// The key of an instance as seen under a connector, or under none.
    pub fn of_instance(connector: Option<ConnectorKind>, instance: &InstanceId) -> Self {
        let kind = match connector {
            None | Some(ConnectorKind::Vcenter) => 0,
            Some(ConnectorKind::Aws) => 1,
            Some(ConnectorKind::Azure) => 2,
            Some(ConnectorKind::Gcp) => 3,
        };
        Self(hash_of(b'i', instance.as_str()) & !KIND_BITS | kind)
    }

    /// The key of a computer known only by its agent.
    pub fn of_agent(agent: &AgentId) -> Self {
        Self(hash_of(b'a', agent.as_str()) & !KIND_BITS | 4)
    }

    /// The key of the same instance seen without a cloud connector; `None` for
    /// an agent's key and for a key that is already without provider.
    pub fn without_provider(self) -> Option<Self> {
        match self.0 & KIND_BITS {
            1..=3 => Some(Self(self.0 & !KIND_BITS)),
            _ => None,
        }
    }

    /// The keys of the same instance under each provider; empty unless the
    /// provider of this one is unknown.
    pub fn under_providers(self) -> impl Iterator<Item = Self> {
        let unknown = self.0 & KIND_BITS == 0;
        (1..=3)
            .filter(move |_| unknown)
            .map(move |kind| Self(self.0 | kind))
    }

    /// Bits that spread computers evenly over parts, alike for one instance id
    /// under every provider.
    pub fn spread(self) -> u64 {
        self.0 >> 3
    }

    /// The key as a number, for packing.
    pub fn to_bits(self) -> u64 {
        self.0
    }

    /// The key with this number; `None` for a number that no key has.
    pub fn from_bits(bits: u64) -> Option<Self> {
        (bits & KIND_BITS <= 4).then_some(Self(bits))
    }
}

/// The first 8 bytes of a SHA-256 over the kind and the id.
fn hash_of(kind: u8, id: &str) -> u64 {
    let mut hash = Sha256::new();
    hash.update([kind]);
    hash.update(id.as_bytes());
    let digest: [u8; 32] = hash.finalize().into();
    digest
        .iter()
        .take(8)
        .fold(0, |bits, byte| bits << 8 | u64::from(*byte))
}

/// One computer as one report saw it in one hour, classified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Observation {
    /// Which computer.
    pub key: ComputerKey,
    /// Its agent's key, when `key` is an instance's: a computer counted under
    /// one of the two is not counted again under the other.
    pub agent: Option<ComputerKey>,
    /// The rate class of what was seen.
    pub tier: Tier,
    /// Seen in vCenter, which makes it Data Center whatever else sees it.
    pub vcenter: bool,
    /// The customer's cloud account.
    pub cloud_account: Option<CloudAccountId>,
    /// When in the hour it was protected.
    pub protected: Protected,
}

/// When in its hour a computer was protected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Protected {
    /// The whole hour.
    WholeHour,
    /// Half-open spans of seconds within the hour, each `from < until <= 3600`,
    /// ascending and apart.
    Spans(Vec<Span>),
    /// Not at all: a Data Center computer whose agent was offline.
    Offline,
}

/// Half-open: seconds `[from, until)` of an hour, `from < until <= 3600`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Span {
    /// The first second.
    pub from: u16,
    /// The first second after.
    pub until: u16,
}

impl Span {
    /// The whole hour.
    pub const WHOLE: Self = Self {
        from: 0,
        until: 3600,
    };
}

impl Protected {
    /// The spans of seconds, ascending.
    pub fn spans(&self) -> &[Span] {
        match self {
            Self::WholeHour => &[Span::WHOLE],
            Self::Spans(spans) => spans,
            Self::Offline => &[],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_instance_id_without_connector_matches_it_under_any() {
        let instance = InstanceId::parse("i-0abc").unwrap();
        let aws = ComputerKey::of_instance(Some(ConnectorKind::Aws), &instance);
        let none = ComputerKey::of_instance(None, &instance);
        let azure = ComputerKey::of_instance(Some(ConnectorKind::Azure), &instance);
        assert_ne!(
            aws, azure,
            "another provider's instance is another computer"
        );
        assert_eq!(aws.without_provider(), Some(none));
        assert!(none.under_providers().any(|key| key == azure));
        assert_eq!(aws.spread(), none.spread());
    }

    #[test]
    fn an_agent_and_an_instance_of_the_same_name_are_two() {
        let agent = ComputerKey::of_agent(&AgentId::parse("x").unwrap());
        let instance = ComputerKey::of_instance(None, &InstanceId::parse("x").unwrap());
        assert_ne!(agent, instance);
        assert_eq!(agent.without_provider(), None);
        assert_eq!(agent.under_providers().count(), 0);
    }
}
