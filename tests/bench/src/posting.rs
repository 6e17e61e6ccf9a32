//! Pure posting: union of the reports, attribution, counting; no store.
//!
//! An atom is one computer of one account-hour. What is measured is
//! [`AccountHour::plan`] and [`AccountHour::posted`] over unpacked reports, on
//! one core; unpacking them is measured beside it.

mod shapes;

use std::collections::BTreeMap;
use std::hint::black_box;
use std::time::Duration;

use anyhow::Context as _;
use domain::catalog::Catalog;
use domain::ids::LicenseId;
use domain::ledger::account_hour::{AccountHour, Standings, Target, Unbillable};
use domain::usage::packed::{pack, unpack};

use self::shapes::{Shape, shapes};
use crate::print::{line, thousands, verdict};
use crate::stopwatch::{Stopwatch, per_second};

/// Design, section 8.
const TARGET_ATOMS_PER_SECOND: u64 = 5_000_000;

/// How often each shape is measured; the median counts.
const ROUNDS: usize = 15;

/// How long a round takes at the least.
const ROUND: Duration = Duration::from_millis(100);

/// Measures every shape and prints its atoms a second.
pub(crate) fn run() -> anyhow::Result<()> {
    let shapes = shapes()?;
    let ordinary = shapes.first().context("no shape")?;
    let mut headline = None;
    for shape in &shapes {
        let rate = shape.rate()?;
        headline.get_or_insert(rate);
        show(shape.name, rate);
    }
    show("unpacking the first of these", unpacking_rate(ordinary)?);
    let rate = headline.context("no shape")?;
    line(&format!(
        "posting: {} atoms/s on one core in the ordinary hour (target >= {}: {})",
        thousands(rate),
        thousands(TARGET_ATOMS_PER_SECOND),
        verdict(rate >= TARGET_ATOMS_PER_SECOND)
    ));
    Ok(())
}

fn show(what: &str, rate: u64) {
    line(&format!("{what:<56} {:>11} atoms/s", thousands(rate)));
}

impl Shape {
    /// Atoms posted in a second: the median of the rounds.
    fn rate(&self) -> anyhow::Result<u64> {
        let catalog = Catalog::workload_security();
        self.check(&self.post(&catalog)?)?;
        median_rate(self.atoms, || {
            black_box(self.post(black_box(&catalog))?);
            Ok(())
        })
    }

    /// The hour with all its reports posted.
    fn post(&self, catalog: &Catalog) -> anyhow::Result<AccountHour> {
        let standings: Standings = vec![(0, Unbillable::Expired)];
        let plan = self
            .before
            .plan(&self.reports, &self.links, &standings, catalog)?
            .context("nothing to post")?;
        let targets: BTreeMap<LicenseId, Target> = plan
            .licenses()
            .into_iter()
            .map(|license| (license, Target::Slot(self.before.hour)))
            .collect();
        Ok(self.before.posted(plan, &targets))
    }

    /// Every computer is billed, once.
    fn check(&self, after: &AccountHour) -> anyhow::Result<()> {
        let billed: u64 = after.lines.iter().map(|line| u64::from(line.count)).sum();
        anyhow::ensure!(
            billed == self.atoms,
            "{}: {billed} computers billed of {}",
            self.name,
            self.atoms
        );
        Ok(())
    }
}

fn unpacking_rate(shape: &Shape) -> anyhow::Result<u64> {
    let packed: Vec<Vec<u8>> = shape.reports.values().map(|report| pack(report)).collect();
    median_rate(shape.atoms, || {
        for bytes in &packed {
            black_box(unpack(black_box(bytes))?);
        }
        Ok(())
    })
}

/// Runs for [`ROUNDS`] rounds; the median of each round's atoms a second.
fn median_rate(atoms: u64, mut run: impl FnMut() -> anyhow::Result<()>) -> anyhow::Result<u64> {
    let mut rates = Vec::with_capacity(ROUNDS);
    for _ in 0..ROUNDS {
        let mut watch = Stopwatch::default();
        let mut time = Duration::ZERO;
        let mut done = 0;
        while time < ROUND {
            watch.start();
            run()?;
            time = watch.stop().cpu;
            done += atoms;
        }
        rates.push(per_second(done, time));
    }
    rates.sort_unstable();
    rates.get(ROUNDS / 2).copied().context("no round")
}
