//! Account-hours that hold much: cloud accounts, postings, reports.

use super::*;
use crate::ids::AgentId;
use crate::ledger::packed::pack_lines;
use crate::ledger::packed::postings::pack_postings;
use crate::tiers::ConnectorKind;
use crate::usage::{ComputerKey, Protected};

fn hour() -> Hour {
    Hour::of("2026-11-22T10:00:00Z".parse().unwrap())
}

fn license() -> LicenseId {
    LicenseId::parse(format!("l-{:032x}", 1)).unwrap()
}

fn links() -> Vec<LinkedSpan> {
    vec![LinkedSpan {
        license: license(),
        from: 0,
        until: 3600,
    }]
}

fn empty() -> AccountHour {
    AccountHour::empty(AccountId::parse("acme").unwrap(), Part(0), hour())
}

/// A computer of the Large tier in a cloud account.
fn computer(number: usize, cloud_account: &str) -> Observation {
    let agent = AgentId::parse(format!("agent-{number}")).unwrap();
    let instance = format!("i-{number}").try_into().unwrap();
    Observation {
        key: ComputerKey::of_instance(Some(ConnectorKind::Aws), &instance),
        agent: Some(ComputerKey::of_agent(&agent)),
        tier: Tier::Large,
        vcenter: false,
        cloud_account: Some(CloudAccountId::parse(cloud_account).unwrap()),
        protected: Protected::WholeHour,
    }
}

fn report(number: usize) -> ReportId {
    ReportId::parse(format!("report-{number:06}")).unwrap()
}

fn plan(before: &AccountHour, reports: &Reports) -> Option<PostingPlan> {
    let catalog = Catalog::workload_security();
    let standings = vec![(0, Unbillable::Trial)];
    before
        .plan(reports, &links(), &standings, &catalog)
        .unwrap()
}

fn posted(before: &AccountHour, reports: &Reports) -> AccountHour {
    let target = [(license(), Target::Slot(hour()))].into();
    plan(before, reports).map_or_else(|| before.clone(), |plan| before.posted(plan, &target))
}

fn billed(hour: &AccountHour) -> usize {
    hour.lines.iter().map(|line| line.count as usize).sum()
}

fn named(hour: &AccountHour) -> usize {
    let named = hour
        .lines
        .iter()
        .filter(|line| line.cloud_account.is_some());
    named.count()
}

#[test]
fn five_thousand_accounts_of_aws_are_each_counted_by_name() {
    let computers = (0..5_000).map(|n| computer(n, &format!("{n:012}")));
    let reports: Reports = [(report(0), computers.collect())].into();
    let posted = posted(&empty(), &reports);
    assert_eq!((billed(&posted), named(&posted)), (5_000, 5_000));
}

#[test]
fn what_there_is_no_room_for_by_name_is_counted_without_and_the_sum_is_exact() {
    // Account n has a second computer if it is among the last thousand.
    let computers = (0..20_000).map(|n| computer(n, &format!("{n:012}")));
    let seconds = (19_000..20_000).map(|n| computer(20_000 + n, &format!("{n:012}")));
    let mut reports: Reports = [(report(0), computers.chain(seconds).collect())].into();
    let first = posted(&empty(), &reports);
    assert_eq!(billed(&first), 21_000);
    assert_eq!(named(&first), MOST_NAMED_BYTES / 8);
    assert!(first.named_bytes() <= MOST_NAMED_BYTES);
    let is_large = |line: &&Line| {
        let of = line.cloud_account.as_ref();
        of.is_some_and(|of| of.as_str() >= "000000019000")
    };
    let large: Vec<&Line> = first.lines.iter().filter(is_large).collect();
    assert_eq!(large.len(), 1_000, "the largest keep their names");
    assert!(large.iter().all(|line| line.count == 2));

    // Late usage of an account that has a line is added to it.
    reports.insert(
        report(1),
        vec![
            computer(50_000, "000000019999"),
            computer(50_001, "111111111111"),
        ],
    );
    let second = posted(&first, &reports);
    assert_eq!(billed(&second), 21_002);
    assert_eq!(named(&second), named(&first));
    let line = second
        .lines
        .iter()
        .max_by_key(|line| (line.cloud_account.is_some(), line.count));
    assert_eq!(line.map(|line| line.count), Some(3));
}

#[test]
fn a_plan_tells_how_many_bytes_its_cloud_accounts_would_take() {
    let computers = (0..20_000).map(|n| computer(n, &format!("{n:012}")));
    let reports: Reports = [(report(0), computers.collect())].into();
    let plan = plan(&empty(), &reports).unwrap();
    assert_eq!(plan.named_bytes(), 20_000 * 8);
}

#[test]
fn two_thousand_late_reports_posted_one_by_one_take_little_and_bill_each_computer_once() {
    let mut reports = Reports::new();
    let mut hour = empty();
    for n in 0..2_000 {
        // Each sees the computer before it once more, by another id.
        let mut again = computer(n.max(1) - 1, "123456789012");
        again.key = again.key.without_provider().unwrap();
        let seen = vec![computer(n, "123456789012"), again];
        reports.insert(report(1_999 - n), seen);
        hour = posted(&hour, &reports);
    }
    assert_eq!(hour.postings.len(), 2_000);
    assert_eq!(billed(&hour), 2_000);
    let tally = hour.tally(&reports).unwrap();
    assert_eq!((tally.billed, tally.unbilled), (2_000, 0));
    let pieces = pack_postings(&hour.postings);
    let all: usize = pieces.iter().map(Vec::len).sum();
    assert!(all < 2_000 * 17, "{all} bytes");
    assert!(pack_lines(&hour.lines).len() < 100);
}

#[test]
fn more_new_reports_than_a_posting_adds_are_posted_in_several() {
    let count = 2 * MOST_NEW_REPORTS + 5;
    let reports: Reports = (0..count)
        .map(|n| (report(n), vec![computer(n, "123456789012")]))
        .collect();
    let mut hour = empty();
    for (named, leaves) in [
        (MOST_NEW_REPORTS, true),
        (2 * MOST_NEW_REPORTS, true),
        (count, false),
    ] {
        assert_eq!(plan(&hour, &reports).unwrap().leaves_reports, leaves);
        hour = posted(&hour, &reports);
        assert_eq!(billed(&hour), named);
    }
    assert_eq!(plan(&hour, &reports), None);
}

#[test]
fn reports_of_computers_that_nobody_pays_for_do_not_hold_up_those_behind_them() {
    let mut reports: Reports = (0..MOST_NEW_REPORTS)
        .map(|n| (report(n), vec![computer(0, "123456789012")]))
        .collect();
    for seen in reports.values_mut().flatten() {
        seen.protected = Protected::Offline;
    }
    let last = vec![computer(1, "123456789012")];
    reports.insert(report(MOST_NEW_REPORTS), last);
    let mut hour = empty();
    for _ in 0..2 {
        hour = posted(&hour, &reports);
    }
    assert_eq!(billed(&hour), 1);
    assert_eq!(hour.unbillable.values().sum::<u32>(), 1);
}

#[test]
fn a_report_without_a_computer_of_the_part_is_not_named() {
    let reports: Reports = [
        (report(0), Vec::new()),
        (report(1), vec![computer(0, "123456789012")]),
    ]
    .into();
    let posted = posted(&empty(), &reports);
    assert_eq!(posted.postings[0].reports, [report(1)]);
}
