//! The computers of the local stack's accounts.

use domain::hour::Hour;
use serde_json::{Value, json};

use super::seed::{ACME_PRODUCTION, ACME_STAGING, GLOBEX};

/// One kind of computer of an account.
struct Group {
    account: &'static str,
    /// Names its computers: agent and instance ids start with it.
    name: &'static str,
    /// How many.
    count: u32,
    connector: Connector,
}

enum Connector {
    Aws {
        cloud_account: &'static str,
        instance_type: &'static str,
    },
    Azure {
        cloud_account: &'static str,
        vcpus: u16,
    },
    Gcp {
        cloud_account: &'static str,
        vcpus: u16,
    },
    Vcenter,
    Outside,
}

const fn aws(cloud_account: &'static str, instance_type: &'static str) -> Connector {
    Connector::Aws {
        cloud_account,
        instance_type,
    }
}

const fn group(
    account: &'static str,
    name: &'static str,
    count: u32,
    connector: Connector,
) -> Group {
    Group {
        account,
        name,
        count,
        connector,
    }
}

const FLEET: [Group; 10] = [
    group(ACME_PRODUCTION, "web", 12, aws("123456789012", "t3.medium")),
    group(ACME_PRODUCTION, "app", 8, aws("123456789012", "m5.large")),
    group(ACME_PRODUCTION, "db", 4, aws("210987654321", "r5.4xlarge")),
    group(
        ACME_PRODUCTION,
        "win",
        5,
        Connector::Azure {
            cloud_account: "0f6cf3c4-6f9a-4a57-9a70-2b1a7f2f6f01",
            vcpus: 2,
        },
    ),
    group(
        ACME_PRODUCTION,
        "batch",
        3,
        Connector::Gcp {
            cloud_account: "acme-batch",
            vcpus: 8,
        },
    ),
    group(ACME_PRODUCTION, "vm", 4, Connector::Vcenter),
    group(ACME_PRODUCTION, "office", 2, Connector::Outside),
    group(ACME_STAGING, "stage", 3, aws("345678901234", "t3.small")),
    group(ACME_STAGING, "lab", 1, Connector::Outside),
    group(GLOBEX, "globex", 6, aws("456789012345", "c5.xlarge")),
];

/// The accounts that have computers.
pub(super) const ACCOUNTS: [&str; 3] = [ACME_PRODUCTION, ACME_STAGING, GLOBEX];

/// The report of an account's hour. The same hour always gives the same
/// report: the product may send it twice.
pub(super) fn report(account: &str, hour: Hour) -> Value {
    let computers: Vec<Value> = FLEET
        .iter()
        .filter(|group| group.account == account)
        .flat_map(|group| (0..group.count).map(move |n| computer(group, n, hour)))
        .collect();
    json!({
        "account": account,
        "hour": hour,
        "report_id": format!("hourly-{}", hour.number()),
        "computers": computers,
    })
}

fn computer(group: &Group, n: u32, hour: Hour) -> Value {
    let agent = format!("agent-{}-{n:02}", group.name);
    let mut computer = match &group.connector {
        Connector::Aws {
            cloud_account,
            instance_type,
        } => json!({
            "agent_id": agent,
            "instance_id": format!("i-{}{n:08x}", group.name),
            "connector": {"kind": "aws", "cloud_account_id": cloud_account},
            "size": {"instance_type": instance_type},
        }),
        Connector::Azure {
            cloud_account,
            vcpus,
        } => json!({
            "agent_id": agent,
            "instance_id": format!("azure-{}-{n}", group.name),
            "connector": {"kind": "azure", "cloud_account_id": cloud_account},
            "size": {"vcpus": vcpus},
        }),
        Connector::Gcp {
            cloud_account,
            vcpus,
        } => json!({
            "agent_id": agent,
            "instance_id": format!("gcp-{}-{n}", group.name),
            "connector": {"kind": "gcp", "cloud_account_id": cloud_account},
            "size": {"vcpus": vcpus},
        }),
        Connector::Vcenter => json!({
            "agent_id": agent,
            "connector": {"kind": "vcenter"},
            "size": {"vcpus": 2},
        }),
        Connector::Outside => json!({"agent_id": agent, "connector": null, "size": null}),
    };
    // The last office computer sleeps at night, its agent offline.
    let night = hour.number().rem_euclid(24) < 6;
    if night && matches!(group.connector, Connector::Outside) && n + 1 == group.count {
        computer["offline"] = Value::Bool(true);
    }
    computer
}
