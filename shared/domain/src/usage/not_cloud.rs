//! "Not Cloud" computers: which of a report are billed at the Data Center rate,
//! and why. The ledger keeps a computer only by a hash of its id, which names
//! nothing to a person; this is what a customer is shown, and bills nothing.

use serde::{Deserialize, Serialize};

use crate::hour::Hour;
use crate::ids::{AccountId, AgentId, InstanceId, ReportId};
use crate::tiers::{ConnectorKind, Tier, classify};
use crate::usage::report::{ReportedComputer, UsageReport};

/// How many bytes the computers of one listing may take as JSON: it is stored
/// in one item, which stays under 100 KB.
pub const MOST_LISTED_BYTES: usize = 90_000;

/// The computers of one report that are billed at the Data Center rate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotCloudListing {
    /// The account.
    pub account: AccountId,
    /// The hour.
    pub hour: Hour,
    /// The report.
    pub report: ReportId,
    /// The computers, by agent.
    pub computers: Vec<NotCloudComputer>,
    /// How many more there are, for whose names there is no room.
    pub more: u32,
}

/// A computer billed at the Data Center rate.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct NotCloudComputer {
    /// Its agent.
    pub agent: AgentId,
    /// Its id at its provider, when it is known.
    pub instance: Option<InstanceId>,
    /// Why it is billed so.
    pub why: NotCloudReason,
    /// The tier that its size would have under a cloud connector; `None` when
    /// the size is not known, or no tier has it.
    pub under_connector: Option<Tier>,
}

/// Why a computer is billed at the Data Center rate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NotCloudReason {
    /// No connector sees it.
    NoConnector,
    /// It is in vCenter, which is no cloud connector.
    Vcenter,
    /// A cloud connector sees it, and does not know its size.
    SizeUnknown,
}

impl UsageReport {
    /// The computers of the report that are billed at the Data Center rate;
    /// `None` when there are none.
    pub fn not_cloud(&self) -> Option<NotCloudListing> {
        let reported = self.computers.iter();
        let mut computers: Vec<NotCloudComputer> = reported.filter_map(not_cloud).collect();
        computers.sort_unstable();
        computers.dedup();
        let all = computers.len();
        let mut room = MOST_LISTED_BYTES;
        let listed = computers.iter().map_while(|computer| {
            room = room.checked_sub(json_bytes(computer))?;
            Some(())
        });
        let listed = listed.count();
        computers.truncate(listed);
        (all > 0).then(|| NotCloudListing {
            account: self.account.clone(),
            hour: self.hour,
            report: self.report_id.clone(),
            computers,
            more: u32::try_from(all - listed).unwrap_or(u32::MAX),
        })
    }
}

fn not_cloud(computer: &ReportedComputer) -> Option<NotCloudComputer> {
    let kind = computer.connector.as_ref().map(|connector| connector.kind);
    let size = computer.size.as_ref();
    if classify(kind, size) != Tier::DataCenter {
        return None;
    }
    let why = match kind {
        None => NotCloudReason::NoConnector,
        Some(ConnectorKind::Vcenter) => NotCloudReason::Vcenter,
        Some(ConnectorKind::Aws | ConnectorKind::Azure | ConnectorKind::Gcp) => {
            NotCloudReason::SizeUnknown
        }
    };
    let tier = classify(Some(ConnectorKind::Aws), size);
    Some(NotCloudComputer {
        agent: computer.agent_id.clone(),
        instance: computer.instance_id.clone(),
        why,
        under_connector: (tier != Tier::DataCenter).then_some(tier),
    })
}

/// What a computer takes of a listing's room, with what separates it from the next.
fn json_bytes(computer: &NotCloudComputer) -> usize {
    serde_json::to_vec(computer).map_or(MOST_LISTED_BYTES, |json| json.len() + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listing(computers: &str) -> Option<NotCloudListing> {
        let report: UsageReport = serde_json::from_str(&format!(
            r#"{{"account":"acme","hour":"2026-11-22T10:00:00Z","report_id":"r1","computers":{computers}}}"#
        ))
        .unwrap();
        report.not_cloud()
    }

    #[test]
    fn each_computer_outside_the_clouds_is_listed_with_the_reason_and_what_it_could_be() {
        let found = listing(
            r#"[{"agent_id":"d","connector":{"kind":"aws"},"size":{"instance_type":"m5.large"}},
                {"agent_id":"c","connector":{"kind":"gcp"}},
                {"agent_id":"b","connector":{"kind":"vcenter"},"size":{"vcpus":2}},
                {"agent_id":"a","instance_id":"i-1","size":{"instance_type":"t3.micro"}},
                {"agent_id":"a2"}]"#,
        )
        .unwrap();
        let seen: Vec<_> = found
            .computers
            .iter()
            .map(|c| (c.agent.as_str(), c.why, c.under_connector))
            .collect();
        assert_eq!(
            seen,
            [
                ("a", NotCloudReason::NoConnector, Some(Tier::Medium)),
                ("a2", NotCloudReason::NoConnector, None),
                ("b", NotCloudReason::Vcenter, Some(Tier::Large)),
                ("c", NotCloudReason::SizeUnknown, None),
            ]
        );
        assert_eq!(found.more, 0);
    }

    #[test]
    fn a_report_of_cloud_computers_alone_lists_nothing() {
        let cloud =
            r#"[{"agent_id":"d","connector":{"kind":"aws"},"size":{"instance_type":"m5.large"}}]"#;
        assert_eq!(listing(cloud), None);
    }

    #[test]
    fn what_there_is_no_room_for_is_counted() {
        let computers: Vec<String> = (0..5_000)
            .map(|n| format!(r#"{{"agent_id":"{n:04}","instance_id":"\"{n}"}}"#))
            .collect();
        let found = listing(&format!("[{}]", computers.join(","))).unwrap();
        let bytes = serde_json::to_vec(&found.computers).unwrap().len();
        assert!((MOST_LISTED_BYTES - 200..=MOST_LISTED_BYTES + 2).contains(&bytes));
        assert_eq!(found.more as usize, 5_000 - found.computers.len());
    }
}
