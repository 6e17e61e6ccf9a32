//! Account-hours as they come: what was reported, and which licenses pay.

use std::num::NonZeroU16;
use std::ops::Range;

use anyhow::Context as _;
use domain::catalog::Catalog;
use domain::hour::Hour;
use domain::ids::{AccountId, AgentId, CloudAccountId, InstanceId, LicenseId, ReportId};
use domain::ledger::account_hour::{AccountHour, Reports};
use domain::ledger::attribution::LinkedSpan;
use domain::tiers::{Connector, ConnectorKind, Size};
use domain::usage::packed::{CHUNK_BYTES, pack, unpack};
use domain::usage::report::{MAX_COMPUTERS, ReportedComputer};
use domain::usage::{Observation, Part, UsageReport};
use jiff::{SignedDuration, Timestamp};

/// An account-hour about to be posted.
pub(super) struct Shape {
    pub(super) name: &'static str,
    pub(super) before: AccountHour,
    pub(super) reports: Reports,
    pub(super) links: Vec<LinkedSpan>,
    /// Computers, each counted once.
    pub(super) atoms: u64,
}

/// How a report sees its computers.
#[derive(Debug, Clone, Copy)]
enum Seen {
    /// By agent and instance id under a cloud connector, the whole hour.
    Cloud,
    /// The same; one in four only from minute 45 on.
    CloudInPart,
    /// By the agent alone: Data Center.
    Alone,
}

/// Every shape; the first is the ordinary one.
pub(super) fn shapes() -> anyhow::Result<Vec<Shape>> {
    let most = 0..MAX_COMPUTERS;
    let whole = [linked(1, 0, 3600)?];
    let change = [linked(1, 0, 2400)?, linked(2, 2400, 3600)?];
    let one = |seen| vec![(most.clone(), seen)];
    let two = |first, range, seen| vec![(most.clone(), first), (range, seen)];
    Ok(vec![
        shape(
            "1 report of 5,000 computers: the ordinary hour",
            one(Seen::Cloud),
            &whole,
        )?,
        shape(
            "1 report of 100 computers",
            vec![(0..100, Seen::Cloud)],
            &whole,
        )?,
        shape(
            "2 reports of 5,000 computers, half of them in both",
            two(Seen::Cloud, 2_500..7_500, Seen::Cloud),
            &whole,
        )?,
        shape("payer change at minute 40", one(Seen::CloudInPart), &change)?,
        shape(
            "data center, known by agents alone",
            one(Seen::Alone),
            &whole,
        )?,
        shape(
            "2 reports of 5,000, instance ids only in the second",
            two(Seen::Alone, most.clone(), Seen::Cloud),
            &whole,
        )?,
        shape(
            "second posting: 5,000 replayed, 500 in a late report",
            two(Seen::Cloud, 4_750..5_250, Seen::Cloud),
            &whole,
        )?
        .with_the_first_report_posted()?,
        shape(
            "2,000 late reports of one computer, all but one posted",
            (0..2_000).map(|n| (n..n + 1, Seen::Cloud)).collect(),
            &whole,
        )?
        .with_all_reports_but_the_last_posted()?,
    ])
}

fn shape(
    name: &'static str,
    seen: Vec<(Range<usize>, Seen)>,
    links: &[LinkedSpan],
) -> anyhow::Result<Shape> {
    let hour = hour()?;
    let computers = seen.iter().map(|(range, _)| range.end).max();
    let mut reports = Reports::new();
    for (n, (range, seen)) in seen.into_iter().enumerate() {
        let id = ReportId::parse(format!("report-{n:04}"))?;
        reports.insert(id.clone(), observations(id, hour, range, seen)?);
    }
    Ok(Shape {
        name,
        before: AccountHour::empty(account()?, Part(0), hour),
        reports,
        links: links.to_vec(),
        atoms: u64::try_from(computers.unwrap_or(0))?,
    })
}

impl Shape {
    fn with_the_first_report_posted(mut self) -> anyhow::Result<Self> {
        let mut all = std::mem::take(&mut self.reports);
        let (id, first) = all.pop_first().context("no report")?;
        self.reports.insert(id, first);
        self.before = self.post(&Catalog::workload_security())?;
        self.reports.append(&mut all);
        Ok(self)
    }

    /// Each report posted by itself, one after the other.
    fn with_all_reports_but_the_last_posted(mut self) -> anyhow::Result<Self> {
        let mut to_come = std::mem::take(&mut self.reports);
        while let Some((id, report)) = to_come.pop_first() {
            self.reports.insert(id, report);
            if !to_come.is_empty() {
                self.before = self.post(&Catalog::workload_security())?;
            }
        }
        Ok(self)
    }
}

/// A report as posting reads it: accepted, packed, and unpacked again.
fn observations(
    id: ReportId,
    hour: Hour,
    range: Range<usize>,
    seen: Seen,
) -> anyhow::Result<Vec<Observation>> {
    let report = UsageReport {
        account: account()?,
        hour,
        report_id: id,
        computers: range
            .map(|n| computer(n, hour, seen))
            .collect::<anyhow::Result<_>>()?,
    };
    let mut accepted = report.accept(NonZeroU16::MIN, CHUNK_BYTES, hour.end())?;
    let chunks = accepted.parts.remove(&Part(0)).context("one part")?;
    let unpacked = chunks.iter().map(|chunk| Ok(unpack(&pack(chunk))?));
    Ok(unpacked.collect::<anyhow::Result<Vec<_>>>()?.concat())
}

/// The n-th computer: its size and its cloud account, one of three, follow from n.
fn computer(n: usize, hour: Hour, seen: Seen) -> anyhow::Result<ReportedComputer> {
    let agent_id = AgentId::parse(format!("agent-{n:08}"))?;
    let alone = ReportedComputer {
        agent_id,
        instance_id: None,
        connector: None,
        size: None,
        protected: None,
        offline: false,
    };
    let late = |second| -> anyhow::Result<Timestamp> {
        Ok(hour
            .start()
            .checked_add(SignedDuration::from_secs(second))?)
    };
    let in_part = matches!(seen, Seen::CloudInPart) && n.is_multiple_of(4);
    Ok(match seen {
        Seen::Alone => alone,
        Seen::Cloud | Seen::CloudInPart => ReportedComputer {
            instance_id: Some(InstanceId::parse(format!("i-{n:017x}"))?),
            connector: Some(Connector {
                kind: ConnectorKind::Aws,
                cloud_account_id: Some(CloudAccountId::parse(format!("{:012}", n % 3))?),
            }),
            size: Some(Size::InstanceType(instance_type(n).to_owned())),
            protected: in_part
                .then(|| anyhow::Ok(vec![(late(2_700)?, late(3_600)?)]))
                .transpose()?,
            ..alone
        },
    })
}

fn instance_type(n: usize) -> &'static str {
    match n % 10 {
        0..5 => "t3.small",
        5..8 => "m5.large",
        _ => "m5.4xlarge",
    }
}

fn hour() -> anyhow::Result<Hour> {
    Ok(Hour::of("2026-11-22T10:00:00Z".parse()?))
}

fn account() -> anyhow::Result<AccountId> {
    Ok(AccountId::parse("acme")?)
}

fn linked(n: u8, from: u16, until: u16) -> anyhow::Result<LinkedSpan> {
    Ok(LinkedSpan {
        license: LicenseId::parse(format!("l-{n:032x}"))?,
        from,
        until,
    })
}
