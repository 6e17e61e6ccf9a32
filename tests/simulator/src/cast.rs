//! Who plays: three accounts, three licenses, now and then a crowd with a
//! license each, and the computers of a report.

use std::sync::Arc;

use domain::account::{Account, AccountName, AccountState, Parts};
use domain::audit::Actor;
use domain::catalog::Catalog;
use domain::change::Change;
use domain::hour::{Hour, after};
use domain::ids::{
    AccountId, AgentId, AwsAccountId, CloudAccountId, InstanceId, LicenseArn, LicenseId,
    ProductCode, ReportId,
};
use domain::license::{Asks, License, LicenseEnd, LicenseStatus, Notices, Succession};
use domain::linking::{Link, UnlinkCause, Unlinked};
use domain::tiers::{Connector, ConnectorKind, Size};
use domain::usage::UsageReport;
use domain::usage::report::ReportedComputer;
use jiff::{SignedDuration, Timestamp};

use crate::world::{Job, World};

/// How many accounts there are; the crowd's follow.
pub const ACCOUNTS: u8 = 3;

/// How many licenses there are; the last is another product's. The crowd's
/// follow, every third of them the other product's.
pub const LICENSES: u8 = 3;

/// How large a crowd may be.
pub const LARGEST_CROWD: u8 = 100;

/// The names that a schedule is told in.
pub const ACCOUNT_NAMES: [&str; 3] = ["one", "two", "three"];

/// One computer in a report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Seen {
    /// Which computer of its account.
    pub computer: u8,
    /// Its size: 0 medium, 1 large, 2 xlarge, 3 in vCenter.
    pub tier: u8,
    /// When it was protected: 0 the whole hour, 1 its first half, 2 its last 10 minutes.
    pub when: u8,
    /// How it is known: 0 agent and instance, 1 its agent alone, 2 its instance by another agent.
    pub known_by: u8,
}

/// The accounts' ids. What follows on account one's in account two's could be a
/// part's number: only how keys are joined keeps the two apart.
const ACCOUNT_IDS: [&str; 3] = ["one", "one.0", "three"];

/// An account's id.
#[expect(clippy::expect_used, reason = "the names are well formed")]
pub fn account(number: u8) -> AccountId {
    let name = ACCOUNT_IDS.get(usize::from(number));
    let name = name.map_or_else(|| format!("crowd-{number}"), ToString::to_string);
    AccountId::parse(name).expect("a name")
}

/// A license's ARN.
#[expect(clippy::expect_used, reason = "the number is well formed")]
pub fn arn(number: u8) -> LicenseArn {
    let number = u32::from(number) + 1;
    let text = format!("arn:aws:license-manager::123456789012:license:l-{number:032x}");
    LicenseArn::parse(text).expect("an ARN")
}

/// A license's id.
pub fn license(number: u8) -> LicenseId {
    arn(number).id().clone()
}

/// The product of a license.
#[expect(clippy::expect_used, reason = "the names are well formed")]
pub fn product(license: u8) -> ProductCode {
    let name = if license % LICENSES == 2 {
        "other"
    } else {
        "product"
    };
    ProductCode::parse(name).expect("a product code")
}

/// The catalog: medium is also prepaid.
#[expect(clippy::expect_used, reason = "the catalog is well formed")]
pub fn catalog(with_contracts: bool) -> Arc<Catalog> {
    let catalog = Catalog::workload_security();
    if !with_contracts {
        return Arc::new(catalog);
    }
    let mut written = serde_json::to_value(catalog).expect("a catalog");
    written["contracts"] = serde_json::json!([{"contract": "prepaid", "metered": "medium"}]);
    Arc::new(serde_json::from_value(written).expect("a catalog"))
}

/// The tag of one computer's hour: unique, so that AWS's records say which
/// computer-hours they bill.
pub fn tag(account: u8, hour: Hour, computer: u8) -> String {
    format!("{account}.{}.{computer}", hour.number())
}

/// Which computer-hour a tag is of: account, hour, computer.
pub fn read_tag(tag: &str) -> Option<(u8, Hour, u8)> {
    let mut parts = tag.split('.');
    let account = parts.next()?.parse().ok()?;
    let hour = Hour::from_number(parts.next()?.parse().ok()?);
    Some((account, hour, parts.next()?.parse().ok()?))
}

/// A report of these computers.
#[expect(clippy::expect_used, reason = "the ids are well formed")]
pub fn report(of: u8, hour: Hour, id: u8, seen: &[Seen]) -> UsageReport {
    UsageReport {
        account: account(of),
        hour,
        report_id: ReportId::parse(format!("r{id}")).expect("an id"),
        computers: seen.iter().map(|seen| computer(of, hour, seen)).collect(),
    }
}

#[expect(clippy::expect_used, reason = "the ids are well formed")]
fn computer(of: u8, hour: Hour, seen: &Seen) -> ReportedComputer {
    let by_agent_alone = seen.known_by == 1;
    let agent = if seen.known_by == 2 { "b" } else { "a" };
    let tag = CloudAccountId::parse(tag(of, hour, seen.computer)).expect("a tag");
    let kind = if seen.tier == 3 {
        ConnectorKind::Vcenter
    } else {
        ConnectorKind::Aws
    };
    let size = ["t3.medium", "m5.large", "m5.xlarge", "m5.large"][usize::from(seen.tier % 4)];
    ReportedComputer {
        agent_id: AgentId::parse(format!("{agent}{}", seen.computer)).expect("an id"),
        instance_id: (!by_agent_alone)
            .then(|| InstanceId::parse(format!("i{}", seen.computer)).expect("an id")),
        connector: (!by_agent_alone).then_some(Connector {
            kind,
            cloud_account_id: Some(tag),
        }),
        size: Some(Size::InstanceType(size.to_owned())),
        protected: spans(hour, seen.when),
        offline: false,
    }
}

fn spans(hour: Hour, when: u8) -> Option<Vec<(Timestamp, Timestamp)>> {
    let minute = |n| after(hour.start(), SignedDuration::from_mins(n));
    match when {
        1 => Some(vec![(minute(0), minute(30))]),
        2 => Some(vec![(minute(50), minute(60))]),
        _ => None,
    }
}

/// Seconds of the hour in which a computer was protected.
pub fn protected_seconds(when: u8) -> (u16, u16) {
    match when {
        1 => (0, 1800),
        2 => (3000, 3600),
        _ => (0, 3600),
    }
}

impl World {
    /// Opens the accounts and activates the licenses, none linked.
    pub fn cast(&mut self) {
        let now = self.now();
        let change = Change {
            accounts: (0..ACCOUNTS)
                .map(|number| new_account(number, now))
                .collect(),
            licenses: (0..LICENSES)
                .map(|number| new_license(number, now))
                .collect(),
            ..Change::default()
        };
        for number in 0..LICENSES {
            self.aws_knows(number);
        }
        let _all_new = self.make(ledger::Step::CommitChange { change });
    }

    /// So many more accounts, each linked to a license of its own, report what
    /// they saw in the running hour.
    pub fn crowd(&mut self, size: u8) {
        let now = self.now();
        for number in (LICENSES..).take(usize::from(size.min(LARGEST_CROWD))) {
            if self.tables.account(&account(number)).is_none() {
                let change = Change {
                    accounts: vec![new_account(number, now)],
                    licenses: vec![new_license(number, now)],
                    opened: vec![new_link(license(number), account(number), 0, now)],
                    ..Change::default()
                };
                self.aws_knows(number);
                let _new = self.make(ledger::Step::CommitChange { change });
            }
            let report = report(number, Hour::of(now), 0, &seen_by_crowd(number));
            self.run(Job::Record(Arc::new(report)));
        }
    }

    fn aws_knows(&mut self, of: u8) {
        let now = self.now();
        self.aws.active_since.insert(license(of), now);
        if product(of) == product(2) {
            self.aws.second_product.insert(license(of));
        }
    }

    /// Links a license to an account, ending what links either had.
    pub fn link(&mut self, of: u8, to: u8) {
        let (license, account) = (license(of), account(to));
        let known = self.tables.license(&license).cloned();
        let Some(known) = known.filter(|known| !known.has_ended()) else {
            return;
        };
        let there = |link: &&Link| link.license == license && link.account == account;
        if self.open_links().iter().any(|link| there(&link)) {
            return;
        }
        let now = self.now();
        let closed = self.open_links();
        let mut change = Change {
            closed: closed
                .into_iter()
                .filter(|link| link.license == license || link.account == account)
                .map(|link| ended(link, now))
                .collect(),
            ..Change::default()
        };
        let link = new_link(license, account, known.version, now);
        change.opened.push(link);
        change.licenses.push(known);
        let _alone = self.make(ledger::Step::CommitChange { change });
    }

    /// Ends a license's link.
    pub fn unlink(&mut self, of: u8) {
        self.end_link(of, self.now());
    }

    fn end_link(&mut self, of: u8, at: Timestamp) {
        let license = license(of);
        let links = self.open_links();
        let Some(link) = links.into_iter().find(|link| link.license == license) else {
            return;
        };
        let at = at.max(link.from);
        let change = Change {
            closed: vec![ended(link, at)],
            ..Change::default()
        };
        let _alone = self.make(ledger::Step::CommitChange { change });
    }

    /// AWS ends a license.
    pub fn end(&mut self, of: u8) {
        let now = self.now();
        self.aws.ended.entry(license(of)).or_insert(now);
    }

    /// We learn of a license's end, or of its second event.
    pub fn learn(&mut self, of: u8) {
        let (license, now) = (license(of), self.now());
        let Some(ended_at) = self.aws.ended.get(&license).copied() else {
            return;
        };
        let Some(mut known) = self.tables.license(&license).cloned() else {
            return;
        };
        known.status = match known.status {
            LicenseStatus::Pending => return,
            LicenseStatus::Active { since } => LicenseStatus::Ended {
                active_since: Some(since),
                end: LicenseEnd {
                    ended_at,
                    last_event_at: ended_at,
                    learned_at: now,
                },
            },
            LicenseStatus::Ended { active_since, end } => LicenseStatus::Ended {
                active_since,
                end: LicenseEnd {
                    last_event_at: after(ended_at, SignedDuration::from_secs(30)),
                    ..end
                },
            },
        };
        let change = Change {
            licenses: vec![known],
            ..Change::default()
        };
        let _alone = self.make(ledger::Step::CommitChange { change });
        self.end_link(of, ended_at);
        let version = self.tables.license(&license).map(|known| known.version);
        let ending = ledger::step::Ending {
            license,
            nonce: format!("of version {version:?}"),
        };
        let _begun = self.make(ledger::Step::BeginFinalUsage { ending, now });
    }

    /// AWS renews a license by another one.
    pub fn renew(&mut self, of: u8, overlaps: bool) {
        self.end(of);
        self.aws.overlaps.entry(license(of)).or_insert(overlaps);
    }

    fn learn_heir(&mut self, old: &LicenseId, succession: Succession) {
        let Some(known) = self.tables.license(old).cloned() else {
            return;
        };
        let known = License {
            succession: Some(succession),
            ..known
        };
        let change = Change {
            licenses: vec![known],
            ..Change::default()
        };
        let _alone = self.make(ledger::Step::CommitChange { change });
    }

    /// We learn that a license was renewed by another one. If nobody has linked
    /// that one, it takes the place of the one that ended, `gap` minutes later,
    /// and the hours since are posted again.
    pub fn learn_renewed(&mut self, of: u8, by: u8, gap: i64) {
        let (old, heir, now) = (license(of), license(by), self.now());
        let Some(ended_at) = self.aws.ended.get(&old).copied() else {
            return;
        };
        let from = after(ended_at, SignedDuration::from_mins(gap)).min(now);
        self.learn(of);
        self.learn_heir(
            &old,
            Succession {
                license: heir.clone(),
                at: from,
                learned_at: now,
            },
        );
        let links = self.tables.links();
        let was = links.iter().rev().find(|link| link.license == old);
        let Some(account) = was.map(|link| link.account.clone()) else {
            return;
        };
        let since_then = |link: &Link| link.until.is_none_or(|until| until > ended_at);
        let taken = links.iter().filter(|link| since_then(link));
        let taken = taken
            .into_iter()
            .any(|l| l.license == heir || l.account == account);
        let Some(known) = self.tables.license(&heir).cloned() else {
            return;
        };
        if taken || known.has_ended() {
            return;
        }
        let link = new_link(heir, account.clone(), known.version, from);
        let change = Change {
            opened: vec![link],
            licenses: vec![known],
            ..Change::default()
        };
        let _alone = self.make(ledger::Step::CommitChange { change });
        let mut hour = Hour::of(from);
        while hour < Hour::of(now) {
            self.post_again(&account, hour);
            hour = hour.next();
        }
    }

    fn post_again(&mut self, account: &AccountId, hour: Hour) {
        let Some(known) = self.tables.account(account) else {
            return;
        };
        for part in domain::usage::Part::all(known.parts.count_at(hour)) {
            let marker = ledger::step::Marker {
                account: account.clone(),
                part,
                hour,
                nonce: format!("renewed at {}", self.now()),
                put_at: self.now(),
            };
            let _put = self.make(ledger::Step::PutMarker { marker });
        }
    }

    fn open_links(&self) -> Vec<Link> {
        let links = self.tables.links().iter();
        links.filter(|link| link.until.is_none()).cloned().collect()
    }
}

fn ended(link: Link, at: Timestamp) -> Link {
    Link {
        until: Some(at),
        unlinked: Some(Unlinked {
            by: Actor::Product,
            cause: UnlinkCause::Unlinked,
        }),
        ..link
    }
}

fn new_link(license: LicenseId, account: AccountId, number: u64, now: Timestamp) -> Link {
    Link {
        license,
        account,
        number,
        from: now,
        until: None,
        linked_by: Actor::Product,
        unlinked: None,
    }
}

/// What a member of the crowd sees: one computer or two, of one tier after the other.
fn seen_by_crowd(number: u8) -> Vec<Seen> {
    let seen = |computer| Seen {
        computer,
        tier: (number + computer) % 3,
        when: 0,
        known_by: 0,
    };
    (0..=number % 2).map(seen).collect()
}

#[expect(clippy::expect_used, reason = "the names are well formed")]
fn new_account(number: u8, now: Timestamp) -> Account {
    let id = account(number);
    Account {
        name: AccountName::parse(id.as_str()).expect("a name"),
        id,
        version: 0,
        opened_at: now,
        state: AccountState::Trial {
            ends_at: Timestamp::MAX,
        },
        transitions: Vec::new(),
        grace_generation: 0,
        grace_starts: Vec::new(),
        reminded_until: None,
        parts: Parts::default(),
    }
}

#[expect(clippy::expect_used, reason = "the ids are well formed")]
fn new_license(number: u8, now: Timestamp) -> License {
    License {
        id: license(number),
        arn: arn(number),
        product: product(number),
        buyer: AwsAccountId::parse(format!("{:012}", 1000 + u32::from(number))).expect("an id"),
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
        status: LicenseStatus::Active { since: now },
        version: 0,
        linked: None,
        former: None,
        linked_late: None,
    }
}
