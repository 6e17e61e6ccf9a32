//! A product that reports usage as every product should: what was not
//! acknowledged it keeps, and sends again.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard};

use domain::hour::Hour;
use jiff::Timestamp;
use local::product::ACME_STAGING;
use serde_json::{Value, json};

use super::draws::Draws;
use super::process::Addresses;

/// How far back from the running hour it reports, in hours: some of it is
/// late, after its hour was posted or even sent to AWS.
const LATE: u32 = 3;

/// How many of the reports acknowledged last are sent again after a restart.
const REPEATED: usize = 10;

/// A product with its reports. Clones share them.
#[derive(Debug, Clone)]
pub(crate) struct Product {
    first: Hour,
    reports: Arc<Mutex<Reports>>,
}

#[derive(Debug, Default)]
struct Reports {
    made: u32,
    /// How many requests were cut by the end of the process.
    cut: u32,
    /// Not acknowledged, and not under way.
    waiting: VecDeque<Report>,
    acknowledged: Vec<Report>,
}

/// Some computers of one tier and of a cloud account of their own.
#[derive(Debug, Clone)]
struct Report {
    number: u32,
    hour: Hour,
    dimension: &'static str,
    instance_type: &'static str,
    computers: u32,
}

impl Report {
    fn cloud_account(&self) -> String {
        format!("9{:011}", self.number)
    }

    fn body(&self) -> Value {
        let computers: Vec<Value> = (0..self.computers)
            .map(|n| {
                json!({
                    "agent_id": format!("agent-{}-{n}", self.number),
                    "connector": {"kind": "aws", "cloud_account_id": self.cloud_account()},
                    "size": {"instance_type": self.instance_type},
                })
            })
            .collect();
        json!({
            "account": ACME_STAGING,
            "hour": self.hour,
            "report_id": format!("report-{}", self.number),
            "computers": computers,
        })
    }
}

impl Product {
    /// A product that reports no hour before this instant's.
    pub(crate) fn new(first: Timestamp) -> Self {
        Self {
            first: Hour::of(first),
            reports: Arc::default(),
        }
    }

    /// Sends what waits, then more, a few or many, until the process is gone.
    pub(crate) async fn send_until_cut(self, to: Addresses, now: Timestamp, mut draws: Draws) {
        for _ in 0..draws.between(5, 80) {
            match self.send_next(&to, now, &mut draws).await {
                Some(200 | 201) => {}
                Some(status) => panic!("{status} to a report"),
                None => return,
            }
        }
    }

    /// Sends what waits, or a new report, and keeps it unless it is acknowledged;
    /// the status, or `None` when the request was cut.
    pub(crate) async fn send_next(
        &self,
        to: &Addresses,
        now: Timestamp,
        draws: &mut Draws,
    ) -> Option<u16> {
        let report = self.next(Hour::of(now), draws);
        let answer = to.report(&report.body()).await;
        let mut reports = self.lock();
        if let Some(200 | 201) = answer {
            reports.acknowledged.push(report);
        } else {
            reports.cut += 1;
            reports.waiting.push_front(report);
        }
        answer
    }

    /// Sends what waits.
    pub(crate) async fn send_what_is_left(&self, to: &Addresses) {
        loop {
            let Some(report) = self.lock().waiting.pop_front() else {
                return;
            };
            let status = to.report(&report.body()).await;
            assert!(
                matches!(status, Some(200 | 201)),
                "{status:?} to {report:?}"
            );
            self.lock().acknowledged.push(report);
        }
    }

    /// Sends again what was acknowledged last: it is known.
    pub(crate) async fn repeat_acknowledged(&self, to: &Addresses) {
        let reports: Vec<Report> = {
            let reports = self.lock();
            let last = reports.acknowledged.iter().rev().take(REPEATED);
            last.cloned().collect()
        };
        for report in reports {
            let status = to.report(&report.body()).await;
            assert_eq!(status, Some(200), "acknowledged and forgotten: {report:?}");
        }
    }

    /// How many reports were acknowledged.
    pub(crate) fn acknowledged(&self) -> usize {
        self.lock().acknowledged.len()
    }

    /// How many requests the end of a process cut.
    pub(crate) fn cut(&self) -> u32 {
        self.lock().cut
    }

    /// The units of every acknowledged report, by its cloud account and dimension.
    pub(crate) fn units(&self) -> BTreeMap<(String, String), u64> {
        let reports = self.lock();
        assert!(
            reports.waiting.is_empty(),
            "not acknowledged: {:?}",
            reports.waiting
        );
        let units = reports.acknowledged.iter().map(|report| {
            let key = (report.cloud_account(), report.dimension.to_owned());
            (key, u64::from(report.computers))
        });
        units.collect()
    }

    fn next(&self, running: Hour, draws: &mut Draws) -> Report {
        let mut reports = self.lock();
        if let Some(report) = reports.waiting.pop_front() {
            return report;
        }
        reports.made += 1;
        let back = i32::try_from(draws.between(0, LATE)).unwrap();
        let (dimension, instance_type) = match draws.below(3) {
            0 => ("medium", "t3.micro"),
            1 => ("large", "m5.large"),
            _ => ("xlarge", "r5.4xlarge"),
        };
        Report {
            number: reports.made,
            hour: running.plus(-back).max(self.first),
            dimension,
            instance_type,
            computers: u32::try_from(draws.between(1, 4)).unwrap(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Reports> {
        self.reports.lock().unwrap()
    }
}
