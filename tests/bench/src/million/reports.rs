//! The product's reports of one hour: whole-hour computers under an AWS
//! connector, each account's in one cloud account.

use domain::hour::Hour;
use domain::ids::{AccountId, AgentId, CloudAccountId, InstanceId, ReportId};
use domain::tiers::{Connector, ConnectorKind, Size};
use domain::usage::UsageReport;
use domain::usage::report::{MAX_COMPUTERS, ReportedComputer};
use jiff::Timestamp;

use super::Scale;

/// An instance type of each tier under a cloud connector.
const INSTANCE_TYPES: [&str; 3] = ["t3.small", "m5.large", "m5.4xlarge"];

/// The reports of all accounts, made one by one: together they would be most
/// of the memory that is measured.
pub(super) struct Reports<'a> {
    scale: Scale,
    accounts: &'a [AccountId],
    hour: Hour,
    account: usize,
    /// Computers of the account that were reported.
    reported: usize,
}

impl<'a> Reports<'a> {
    pub(super) fn new(scale: Scale, accounts: &'a [AccountId], hour: Timestamp) -> Self {
        Self {
            scale,
            accounts,
            hour: Hour::of(hour),
            account: 0,
            reported: 0,
        }
    }

    /// The n-th account's computers; the first ones have those that do not divide evenly.
    fn computers(&self) -> usize {
        let more = self.account < self.scale.computers % self.scale.accounts;
        self.scale.computers / self.scale.accounts + usize::from(more)
    }

    fn report(&self, account: &AccountId, count: usize) -> anyhow::Result<UsageReport> {
        let range = self.reported..self.reported + count;
        Ok(UsageReport {
            account: account.clone(),
            hour: self.hour,
            report_id: ReportId::parse(format!("report-{}", self.reported))?,
            computers: range
                .map(|n| self.computer(n))
                .collect::<anyhow::Result<_>>()?,
        })
    }

    fn computer(&self, n: usize) -> anyhow::Result<ReportedComputer> {
        let account = self.account;
        let tier = n % usize::from(self.scale.tiers);
        let instance_type = INSTANCE_TYPES.get(tier).copied().unwrap_or_default();
        Ok(ReportedComputer {
            agent_id: AgentId::parse(format!("agent-{account}-{n}"))?,
            instance_id: Some(InstanceId::parse(format!("i-{account:08x}{n:09x}"))?),
            connector: Some(Connector {
                kind: ConnectorKind::Aws,
                cloud_account_id: Some(CloudAccountId::parse(format!("{account:012}"))?),
            }),
            size: Some(Size::InstanceType(instance_type.to_owned())),
            protected: None,
            offline: false,
        })
    }
}

impl Iterator for Reports<'_> {
    type Item = anyhow::Result<UsageReport>;

    fn next(&mut self) -> Option<Self::Item> {
        let account = self.accounts.get(self.account)?;
        let computers = self.computers();
        let count = (computers - self.reported).min(MAX_COMPUTERS);
        let report = self.report(account, count);
        self.reported += count;
        if self.reported >= computers {
            self.account += 1;
            self.reported = 0;
        }
        Some(report)
    }
}
