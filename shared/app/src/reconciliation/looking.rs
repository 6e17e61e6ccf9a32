//! Our side of a comparison: the records of every license, read in one run or in
//! several that go on where the one before stopped.

use std::collections::BTreeSet;

use domain::hour::{HOURS_A_DAY, Hour, after};
use domain::ids::{AgreementId, LicenseId};
use domain::ledger::record::{CloseReason, Record, RecordState};
use domain::license::{License, LicenseStatus, Pricing, agreement_at};
use domain::reconciliation::run::{LicenseSide, Run, RunOf};
use domain::reconciliation::{Agreements, OurRecord, Standing, day_of};
use futures_util::future::try_join_all;
use jiff::civil::Date;
use jiff::{SignedDuration, Timestamp};
use ledger::step::Unreadable;
use store::StoreError;

use crate::App;

use super::first_hour;

/// How many licenses are looked at at once.
const AT_ONCE: usize = 16;

/// For how long after its end a license may still have records.
const RECORDS_AFTER_END: SignedDuration = SignedDuration::from_hours(48);

/// How much is kept in one item of what a run read: a record is some 200 bytes,
/// a license of a month at most 300 of them.
const PART: usize = 300;

/// Our side, as far as it was looked at.
#[derive(Debug, Default)]
pub(super) struct Ours {
    /// By license.
    pub(super) sides: Vec<LicenseSide>,
    /// How many of them an earlier run read.
    before: usize,
    /// Licenses for which the time did not suffice.
    pub(super) unreached: usize,
    /// Licenses of which something stored cannot be read.
    pub(super) unreadable: usize,
}

impl Ours {
    pub(super) fn records(&self) -> Vec<OurRecord> {
        let sides = self.sides.iter();
        sides.flat_map(|side| side.records.clone()).collect()
    }

    pub(super) fn into_records(self) -> impl Iterator<Item = OurRecord> {
        self.sides.into_iter().flat_map(|side| side.records)
    }

    /// The agreements of our licenses and those that AWS names.
    pub(super) fn agreements(&self, aws: &BTreeSet<AgreementId>) -> Agreements {
        let mut agreements = Agreements::default();
        for side in &self.sides {
            agreements.add_license(&side.license, &side.agreements);
        }
        for agreement in aws {
            agreements.add(agreement.clone());
        }
        agreements
    }

    /// The agreements that may have fixed payments. Of a license that was renewed
    /// the agreements before are contracts as well.
    pub(super) fn contracts(&self) -> BTreeSet<AgreementId> {
        let contracts = self.sides.iter().filter(|side| side.is_contract);
        contracts.flat_map(|side| side.agreements.clone()).collect()
    }

    /// Which of some licenses an earlier run read.
    pub(super) fn read_before(&self, licenses: BTreeSet<&LicenseId>) -> Vec<LicenseId> {
        let before = self.sides.iter().take(self.before);
        let before = before.map(|side| &side.license);
        before
            .filter(|license| licenses.contains(license))
            .cloned()
            .collect()
    }

    fn take(&mut self, looked: Option<LicenseSide>) {
        match looked {
            Some(side) => self.sides.push(side),
            None => self.unreadable += 1,
        }
    }
}

impl App {
    /// Our records of days, of every license, as far as the time suffices.
    pub(super) async fn our_side(
        &self,
        days: (Date, Date),
        deadline: Timestamp,
    ) -> Result<Ours, StoreError> {
        let licenses = self.store.every_license().await?;
        let mut ours = Ours::default();
        self.look_at_each(&mut ours, &licenses, days, deadline)
            .await?;
        Ok(ours)
    }

    /// Reads again what an earlier run read.
    pub(super) async fn look_again(
        &self,
        ours: &mut Ours,
        licenses: &[LicenseId],
        days: (Date, Date),
        deadline: Timestamp,
    ) -> Result<(), StoreError> {
        ours.sides.retain(|side| !licenses.contains(&side.license));
        self.look_at_each(ours, licenses, days, deadline).await
    }

    async fn look_at_each(
        &self,
        ours: &mut Ours,
        licenses: &[LicenseId],
        days: (Date, Date),
        deadline: Timestamp,
    ) -> Result<(), StoreError> {
        for some in licenses.chunks(AT_ONCE) {
            if self.clock.now() >= deadline {
                ours.unreached += some.len();
                continue;
            }
            for looked in self.look_at_some(some, days).await? {
                ours.take(looked);
            }
        }
        Ok(())
    }

    /// Goes on with the run that is not finished, else begins the one that is due,
    /// unless today's is done; what was read of our side by now. `None` when there
    /// is nothing to do.
    pub(super) async fn go_on(
        &self,
        of: RunOf,
        due: Option<(Date, Date)>,
        deadline: Timestamp,
    ) -> Result<Option<(Run, Ours)>, StoreError> {
        let now = self.clock.now();
        let (run, sides) = match self.unfinished(of).await? {
            Some((run, sides)) if !run.is_finished => (run, sides),
            Some((run, _)) if day_of(run.begun_at) == day_of(now) => return Ok(None),
            before => match due {
                Some(days) => {
                    let before = before.map(|(run, _)| run);
                    (Run::begun(now, days, before.as_ref()), Vec::new())
                }
                None => return Ok(None),
            },
        };
        self.read_on(of, run, sides, deadline).await.map(Some)
    }

    /// The last run, and what it read if it is not finished. One that cannot be
    /// read is as good as none: the next begins anew.
    async fn unfinished(&self, of: RunOf) -> Result<Option<(Run, Vec<LicenseSide>)>, StoreError> {
        let read = async {
            let Some(run) = self.store.reconciliation_run(of).await? else {
                return Ok(None);
            };
            let sides = if run.is_finished {
                Vec::new()
            } else {
                self.store.reconciliation_parts(of, &run).await?
            };
            Ok(Some((run, sides)))
        };
        match read.await {
            Err(StoreError::Corrupt(unreadable)) => {
                report(&unreadable, "the comparison with AWS begins anew");
                Ok(None)
            }
            read => read,
        }
    }

    async fn read_on(
        &self,
        of: RunOf,
        mut run: Run,
        sides: Vec<LicenseSide>,
        deadline: Timestamp,
    ) -> Result<(Run, Ours), StoreError> {
        let mut ours = Ours {
            before: sides.len(),
            sides,
            ..Ours::default()
        };
        let mut licenses = self.store.every_license().await?;
        licenses.retain(|license| run.after.as_ref().is_none_or(|after| after < license));
        let mut part = Vec::new();
        for some in licenses.chunks(AT_ONCE) {
            if self.clock.now() >= deadline {
                ours.unreached += some.len();
                continue;
            }
            let looked = self.look_at_some(some, run.days()).await?;
            for (license, looked) in some.iter().zip(looked) {
                run.after = Some(license.clone());
                match looked {
                    Some(side) => part.push(side),
                    None => run.unreadable += 1,
                }
                if weight(&part) >= PART {
                    self.keep_part(of, &mut run, &mut part, &mut ours).await?;
                }
            }
        }
        if ours.unreached > 0 {
            self.keep_part(of, &mut run, &mut part, &mut ours).await?;
        }
        ours.sides.append(&mut part);
        ours.unreadable = run.unreadable;
        Ok((run, ours))
    }

    async fn keep_part(
        &self,
        of: RunOf,
        run: &mut Run,
        part: &mut Vec<LicenseSide>,
        ours: &mut Ours,
    ) -> Result<(), StoreError> {
        if !part.is_empty() {
            self.store.put_reconciliation_part(of, run, part).await?;
            run.parts += 1;
        }
        self.store.put_reconciliation_run(of, run).await?;
        ours.sides.append(part);
        Ok(())
    }

    /// A run came to its end.
    pub(super) async fn finish(&self, of: RunOf, run: Run) -> Result<(), StoreError> {
        let finished = Run {
            is_finished: true,
            ..run
        };
        self.store.put_reconciliation_run(of, &finished).await
    }

    async fn look_at_some(
        &self,
        some: &[LicenseId],
        (first, last): (Date, Date),
    ) -> Result<Vec<Option<LicenseSide>>, StoreError> {
        let hours = (first_hour(first), first_hour(last).plus(HOURS_A_DAY));
        let looks = some
            .iter()
            .map(|license| self.look_at_license(license, hours));
        try_join_all(looks).await
    }

    /// A license's records of some hours; that something of it cannot be read
    /// leaves it unseen.
    async fn look_at_license(
        &self,
        id: &LicenseId,
        hours: (Hour, Hour),
    ) -> Result<Option<LicenseSide>, StoreError> {
        match self.side_of(id, hours).await {
            Err(StoreError::Corrupt(unreadable)) => {
                report(&unreadable, "its license was not compared with AWS");
                Ok(None)
            }
            side => side.map(Some),
        }
    }

    async fn side_of(
        &self,
        id: &LicenseId,
        (from, until): (Hour, Hour),
    ) -> Result<LicenseSide, StoreError> {
        let mut side = LicenseSide {
            license: id.clone(),
            agreements: BTreeSet::new(),
            is_contract: false,
            pricing: Vec::new(),
            records: Vec::new(),
        };
        let Some(license) = self.store.license(id).await? else {
            return Ok(side);
        };
        side.agreements = license.agreements.clone();
        side.pricing = license.pricing.clone();
        let prepaid = |one: &Pricing| one.terms.has_fixed_payments();
        side.is_contract =
            license.pricing.iter().any(prepaid) || license.agreement_ends_at.is_some();
        if ended_before(&license, from.start()) {
            return Ok(side);
        }
        let records = self.store.records_of(id, from, until).await?.whole()?;
        let of_use: Vec<(Record, Standing)> = records
            .into_iter()
            .filter(|record| record.usage.quantity.get() > 0)
            .filter_map(|record| standing(&record).map(|standing| (record, standing)))
            .collect();
        if of_use.is_empty() {
            return Ok(side);
        }
        let facts = self.facts_about(id, Some(&license), None).await?;
        side.records = OurRecord::gathered(of_use.into_iter().map(|(record, standing)| {
            let (at, agreement) = (
                record.usage.timestamp,
                agreement_at(id, &facts, record.usage.timestamp),
            );
            OurRecord {
                license: id.clone(),
                agreed: agreement
                    .as_ref()
                    .and_then(|of| license.agreed_rate(of, &record.usage.dimension, at)),
                agreement,
                day: day_of(at),
                units: record.usage.quantity.get().into(),
                dimension: record.usage.dimension,
                standing,
            }
        }));
        Ok(side)
    }
}

/// How much there is to keep.
fn weight(part: &[LicenseSide]) -> usize {
    part.iter()
        .map(|side| 1 + side.pricing.len() + side.records.len())
        .sum()
}

fn report(unreadable: &Unreadable, what_follows: &str) {
    tracing::error!(
        alarm = "ItemUnreadable",
        store.key = %unreadable.key,
        error = %unreadable.reason,
        "a stored item cannot be read; {what_follows}"
    );
}

/// What we know of what AWS did with a record; `None` when it surely has not
/// taken it.
fn standing(record: &Record) -> Option<Standing> {
    match record.state {
        RecordState::Billed { at, .. } => Some(Standing::Billed { on: day_of(at) }),
        RecordState::Frozen { .. } => (record.unanswered > 0).then_some(Standing::Unknown),
        RecordState::Closed { reason, .. } => match reason {
            CloseReason::Unknown => Some(Standing::Unknown),
            CloseReason::Conflict => Some(Standing::Conflict),
            CloseReason::Refused | CloseReason::WrittenOff => None,
        },
    }
}

/// Whether a license ended so long before an instant that it has no record since.
fn ended_before(license: &License, instant: Timestamp) -> bool {
    match &license.status {
        LicenseStatus::Pending | LicenseStatus::Active { .. } => false,
        LicenseStatus::Ended { end, .. } => {
            let last = end.last_event_at.max(end.learned_at);
            after(last, RECORDS_AFTER_END) <= instant
        }
    }
}
