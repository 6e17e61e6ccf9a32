//! The tier rules of the first product: which rate a computer's hour costs.
//!
//! Source of every rule: the seller's price page, as in `domain.md` section
//! "Tiers". The rules yield a [`Tier`]; the [catalog](crate::catalog) says under
//! which dimension a tier is metered and what it costs. Nothing else in the
//! code knows what a computer is.

use serde::{Deserialize, Serialize};

use crate::ids::CloudAccountId;

/// A rate class, in the order of the catalog's prices.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Tier {
    /// Medium and smaller, under a cloud connector.
    Medium,
    /// Large, under a cloud connector.
    Large,
    /// Extra-large and greater, under a cloud connector.
    ExtraLarge,
    /// Not under a cloud connector, in vCenter, or of unknown size.
    DataCenter,
}

impl Tier {
    /// All tiers, from the lowest rate to the highest.
    pub const ALL: [Self; 4] = [
        Self::Medium,
        Self::Large,
        Self::ExtraLarge,
        Self::DataCenter,
    ];
}

/// The connector under which the product sees a computer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Connector {
    /// What it connects to.
    pub kind: ConnectorKind,
    /// The customer's account there, when the connector knows it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cloud_account_id: Option<CloudAccountId>,
}

/// What a connector connects to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ConnectorKind {
    /// Amazon Web Services.
    Aws,
    /// Microsoft Azure.
    Azure,
    /// Google Cloud.
    Gcp,
    /// VMware vCenter, which is not a cloud connector.
    Vcenter,
}

/// How large a computer is, as far as the connector knows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Size {
    /// An instance type's name, such as `m5.large`.
    InstanceType(String),
    /// Virtual CPUs; a shared core is 1.
    Vcpus(u16),
    /// An Amazon WorkSpace: always `true`.
    Workspace(bool),
}

/// The tier of a computer under this connector, of this size.
pub fn classify(connector: Option<ConnectorKind>, size: Option<&Size>) -> Tier {
    match (connector, size) {
        (None | Some(ConnectorKind::Vcenter), _) | (_, None) => Tier::DataCenter,
        (Some(ConnectorKind::Aws), Some(Size::InstanceType(name))) => ec2_tier(name),
        (Some(ConnectorKind::Aws), Some(Size::Workspace(true))) => Tier::Medium,
        (
            Some(ConnectorKind::Aws | ConnectorKind::Azure | ConnectorKind::Gcp),
            Some(Size::Vcpus(vcpus)),
        ) => vcpu_tier(*vcpus),
        (
            Some(ConnectorKind::Aws | ConnectorKind::Azure | ConnectorKind::Gcp),
            Some(Size::InstanceType(_) | Size::Workspace(_)),
        ) => Tier::DataCenter,
    }
}

/// The tier of an EC2 instance type: by the word after the dot, not the family.
fn ec2_tier(instance_type: &str) -> Tier {
    let Some((_family, size)) = instance_type.split_once('.') else {
        return Tier::DataCenter;
    };
    match size {
        "nano" | "micro" | "small" | "medium" => Tier::Medium,
        "large" => Tier::Large,
        "xlarge" | "metal" => Tier::ExtraLarge,
        _ if size.starts_with("metal-") => Tier::ExtraLarge,
        _ if size
            .strip_suffix("xlarge")
            .is_some_and(|n| !n.is_empty() && n.bytes().all(|b| b.is_ascii_digit())) =>
        {
            Tier::ExtraLarge
        }
        _ => Tier::DataCenter,
    }
}

/// The tier by virtual CPUs: 1 Medium, 2 to 3 Large, 4 and more Extra-large.
fn vcpu_tier(vcpus: u16) -> Tier {
    match vcpus {
        0 => Tier::DataCenter,
        1 => Tier::Medium,
        2 | 3 => Tier::Large,
        4.. => Tier::ExtraLarge,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every EC2 instance type known to AWS's own model.
    const EC2_TYPES: &str = include_str!("../../../tests/data/ec2-instance-types.txt");

    fn ec2(name: &str) -> Tier {
        classify(
            Some(ConnectorKind::Aws),
            Some(&Size::InstanceType(name.to_owned())),
        )
    }

    #[test]
    fn every_ec2_type_has_the_tier_of_the_word_after_its_dot() {
        let mut counts = [0_usize; 4];
        for name in EC2_TYPES.lines() {
            let tier = ec2(name);
            let word = name.split('.').nth(1).unwrap();
            let expected = match word {
                "nano" | "micro" | "small" | "medium" => Tier::Medium,
                "large" => Tier::Large,
                word if word.contains("xlarge") || word.starts_with("metal") => Tier::ExtraLarge,
                other => panic!("a size that the price page does not name: {other}"),
            };
            assert_eq!(tier, expected, "{name}");
            counts[Tier::ALL.iter().position(|t| *t == tier).unwrap()] += 1;
        }
        assert_eq!(EC2_TYPES.lines().count(), 1437);
        assert_eq!(counts[3], 0, "no EC2 type under a connector is Data Center");
        assert_eq!(counts.iter().sum::<usize>(), 1437);
    }

    #[test]
    fn the_family_does_not_matter() {
        assert_eq!(ec2("x2iedn.metal"), Tier::ExtraLarge);
        assert_eq!(ec2("u-24tb1.112xlarge"), Tier::ExtraLarge);
        assert_eq!(ec2("metal.medium"), Tier::Medium);
    }

    #[test]
    fn a_size_nobody_knows_is_data_center() {
        for name in ["m5", "m5.", "m5.huge", "m5.xxlarge", "m5.-xlarge", ""] {
            assert_eq!(ec2(name), Tier::DataCenter, "{name}");
        }
        assert_eq!(classify(Some(ConnectorKind::Aws), None), Tier::DataCenter);
    }

    #[test]
    fn azure_and_gcp_go_by_virtual_cpus() {
        for kind in [ConnectorKind::Azure, ConnectorKind::Gcp] {
            for (vcpus, tier) in [
                (1, Tier::Medium),
                (2, Tier::Large),
                (3, Tier::Large),
                (4, Tier::ExtraLarge),
                (416, Tier::ExtraLarge),
            ] {
                assert_eq!(classify(Some(kind), Some(&Size::Vcpus(vcpus))), tier);
            }
        }
    }

    #[test]
    fn without_a_cloud_connector_every_size_is_data_center() {
        for size in [
            Size::InstanceType("t3.nano".into()),
            Size::Vcpus(1),
            Size::Workspace(true),
        ] {
            assert_eq!(classify(None, Some(&size)), Tier::DataCenter);
            assert_eq!(
                classify(Some(ConnectorKind::Vcenter), Some(&size)),
                Tier::DataCenter
            );
        }
    }

    #[test]
    fn a_workspace_is_medium() {
        assert_eq!(
            classify(Some(ConnectorKind::Aws), Some(&Size::Workspace(true))),
            Tier::Medium
        );
    }
}
