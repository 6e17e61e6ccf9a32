//! What is to be sent: one hour of ever more licenses, each linked to an account
//! of its own and used in four dimensions, in the simulator's tables.
//!
//! An hour of AWS's limit is 225,000 slots of four records. They are posted
//! minute by minute, two minutes ahead of the submitter, and what is settled is
//! forgotten, so that the tables stay small. Accounts, licenses and links are
//! the same for every number, and made when they are asked for.

use std::sync::Arc;

use anyhow::Context as _;
use domain::account::{Account, AccountName, AccountState, Parts};
use domain::audit::Actor;
use domain::hour::{Hour, before};
use domain::ids::{
    AccountId, AwsAccountId, CloudAccountId, Dimension, LicenseArn, LicenseId, ProductCode,
};
use domain::ledger::account_hour::AccountHour;
use domain::ledger::deadline::CLOSED_AFTER;
use domain::ledger::slot::{Amount, SlotEntry};
use domain::license::{Asks, License, LicenseStatus, Notices};
use domain::linking::Link;
use domain::usage::{Part, Shard};
use jiff::{SignedDuration, Timestamp};
use ledger::step::{Edge, SlotPosting};
use ledger::{Answer, Step, StepError, Written};
use simulator::tables::Tables;

/// The hour of use.
const USED: &str = "2026-11-22T09:00:00Z";

/// Dimensions in which each license is used.
const DIMENSIONS: [&str; 4] = ["medium", "large", "xlarge", "datacenter"];

/// Slots that one worker can send in two minutes at AWS's limit.
const TWO_MINUTES_OF_SLOTS: usize = 2 * 60 * 10 * 25 / DIMENSIONS.len();

pub(super) struct Backlog {
    tables: Tables,
    hour: Hour,
    posted: u64,
}

impl Backlog {
    /// No slot yet, and every shard posted up to the hour.
    pub(super) fn new() -> anyhow::Result<Self> {
        let hour = Hour::starting_at(USED.parse()?)?;
        let mut tables = Tables::default();
        for edge in [Edge::Sealed, Edge::Posted] {
            let raised = tables.perform(Step::RaiseCursors {
                edge,
                shards: Shard::all().collect(),
                hour,
                posted_before: hour.previous(),
            });
            let expected = Some(Answer::RaiseCursors(Written::Committed));
            anyhow::ensure!(raised == expected, "{raised:?}");
        }
        Ok(Self {
            tables,
            hour,
            posted: 0,
        })
    }

    /// When its slots are due.
    pub(super) fn due(&self) -> Timestamp {
        domain::hour::after(self.hour.end(), CLOSED_AFTER)
    }

    /// How many slots were posted.
    pub(super) fn posted(&self) -> u64 {
        self.posted
    }

    /// How many entries the store would read of the work list's fullest partition.
    pub(super) fn due_entries(&self) -> usize {
        self.tables.work_list_len().min(simulator::tables::MOST_DUE)
    }

    /// Forgets what is settled, and posts until two minutes' slots are open.
    pub(super) fn top_up(&mut self) -> anyhow::Result<()> {
        self.tables.forget_settled();
        let mut open = self.tables.heads().count();
        while open < TWO_MINUTES_OF_SLOTS {
            self.post(self.posted)?;
            self.posted += 1;
            open += 1;
        }
        Ok(())
    }

    fn post(&mut self, number: u64) -> anyhow::Result<()> {
        let account = account_id(number)?;
        let amounts = DIMENSIONS.iter().map(|dimension| {
            Ok(Amount {
                dimension: Dimension::parse(*dimension)?,
                cloud_account: Some(CloudAccountId::parse(format!("{number:012}"))?),
                count: 1,
            })
        });
        let entry = SlotEntry {
            account: account.clone(),
            part: Part(0),
            hour: self.hour,
            origin: self.hour,
            amounts: amounts.collect::<anyhow::Result<_>>()?,
        };
        let posted = self.tables.perform(Step::Post {
            hour: AccountHour {
                version: 1,
                ..AccountHour::empty(account, Part(0), self.hour)
            },
            slots: vec![SlotPosting {
                license: license_id(number)?,
                slot: self.hour,
                entry,
            }],
        });
        let expected = Some(Answer::Post(Written::Committed));
        anyhow::ensure!(posted == expected, "{posted:?}");
        Ok(())
    }

    /// Makes a step of the store.
    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "all other steps are the tables'"
    )]
    pub(super) fn perform(&mut self, step: Step) -> Result<Answer, StepError> {
        let refused = |error: anyhow::Error| StepError::Refused(error.to_string());
        Ok(match step {
            Step::ReadLicense { license } => {
                Answer::ReadLicense(Some(Arc::new(self.license(license).map_err(refused)?)))
            }
            Step::ReadAccount { account } => {
                Answer::ReadAccount(Some(Arc::new(self.account(account).map_err(refused)?)))
            }
            Step::ReadLinksOfLicense { license, .. } => {
                Answer::ReadLinksOfLicense(vec![self.link(license).map_err(refused)?])
            }
            step => self
                .tables
                .perform(step)
                .context("a step that is not the store's")
                .map_err(refused)?,
        })
    }

    /// Since when everything is linked and active.
    fn since(&self) -> Timestamp {
        before(self.hour.start(), SignedDuration::from_hours(24 * 10))
    }

    fn license(&self, id: LicenseId) -> anyhow::Result<License> {
        let arn = format!("arn:aws:license-manager::123456789012:license:{id}");
        Ok(License {
            arn: LicenseArn::parse(arn)?,
            product: ProductCode::parse("product")?,
            buyer: AwsAccountId::parse(format!("{:012}", number_of(&id)))?,
            id,
            agreement: None,
            agreements: std::collections::BTreeSet::new(),
            offer: None,
            agreement_since: None,
            agreement_ends_at: None,
            succession: None,
            pricing: Vec::new(),
            entitlements: None,
            asks: Asks::default(),
            due_at: None,
            notices: Notices::default(),
            status: LicenseStatus::Active {
                since: self.since(),
            },
            version: 1,
            linked: None,
            former: None,
            linked_late: None,
        })
    }

    fn account(&self, id: AccountId) -> anyhow::Result<Account> {
        Ok(Account {
            name: AccountName::parse(id.as_str())?,
            id,
            version: 1,
            opened_at: self.since(),
            state: AccountState::Trial {
                ends_at: Timestamp::MAX,
            },
            transitions: Vec::new(),
            grace_generation: 0,
            grace_starts: Vec::new(),
            reminded_until: None,
            parts: Parts::default(),
        })
    }

    fn link(&self, license: LicenseId) -> anyhow::Result<Link> {
        Ok(Link {
            account: account_id(number_of(&license))?,
            license,
            number: 1,
            from: self.since(),
            until: None,
            linked_by: Actor::Product,
            unlinked: None,
        })
    }
}

fn account_id(number: u64) -> anyhow::Result<AccountId> {
    Ok(AccountId::parse(format!("account-{number}"))?)
}

fn license_id(number: u64) -> anyhow::Result<LicenseId> {
    Ok(LicenseId::parse(format!("l-{number:032x}"))?)
}

/// The number that a license's id is made of.
pub(super) fn number_of(license: &LicenseId) -> u64 {
    let digits = license.as_str().trim_start_matches("l-");
    u64::from_str_radix(digits, 16).unwrap_or(u64::MAX)
}
