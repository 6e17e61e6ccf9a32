//! What must hold after a schedule has settled: the promises, as far as they
//! can be seen from outside and in the tables.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use domain::hour::{Hour, after, before};
use domain::ids::{CloudAccountId, Dimension, LicenseId};
use domain::ledger::account_hour::{AccountHour, Target, WriteOff};
use domain::ledger::deadline::{accepted_until, final_usage_until, last_hour};
use domain::ledger::record::{CloseReason, Record, RecordState};
use domain::ledger::slot::{SlotEntry, SlotHead, SlotState};
use domain::license::{LicenseEnd, LicenseStatus};
use domain::usage::Part;
use jiff::{SignedDuration, Timestamp};
use ledger::Notice;

use crate::aws::key_of;
use crate::conservation;
use crate::schedule::{Action, Schedule, Story};
use crate::truth::{self, ComputerHour};
use crate::world::World;

/// After trouble it takes so long until everything that waited was tried again:
/// a record that AWS refused or failed on waits up to 15 minutes, one of a
/// license on hold another 15.
const RECOVERY: SignedDuration = SignedDuration::from_mins(40);

/// And so many runs: one may end a hold, and the next send what it held.
const RUNS_TO_RECOVER: usize = 3;

/// A promise that does not hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// Which check found it.
    pub check: &'static str,
    /// What it found.
    pub what: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.check, self.what)
    }
}

/// What a check works with.
struct Check<'a> {
    world: &'a World,
    schedule: &'a Schedule,
    story: &'a Story,
    found: Vec<Violation>,
    heads: BTreeMap<(LicenseId, Hour), &'a SlotHead>,
    records: BTreeMap<(LicenseId, Hour, Dimension), &'a Record>,
}

/// Every promise that does not hold of a settled world.
pub fn violations(world: &World, schedule: &Schedule, story: &Story) -> Vec<Violation> {
    let mut check = Check {
        world,
        schedule,
        story,
        found: Vec::new(),
        heads: world
            .tables
            .heads()
            .map(|head| ((head.license.clone(), head.hour), head))
            .collect(),
        records: world
            .tables
            .records()
            .map(|record| {
                let (license, dimension, _) = key_of(&record.usage);
                ((license, record.slot, dimension), record)
            })
            .collect(),
    };
    check.nothing_is_billed_twice();
    check.every_resend_is_the_first();
    check.claims_are_true();
    check.answers_are_kept();
    check.refused_reports_leave_nothing();
    check.calls_are_well_made();
    check.entries_are_the_lines();
    check.records_are_the_entries();
    check.attribution_is_right();
    check.nothing_is_lost();
    check.everything_is_settled();
    check.ended_licenses_keep_to_their_hours();
    check.zeros_come_last();
    check.included_is_taken_once();
    check.every_posting_can_be_replayed();
    check.the_ledgers_own_check_agrees();
    check.found.extend(world.caught.iter().cloned());
    check.found
}

impl Check<'_> {
    fn fails(&mut self, check: &'static str, what: impl fmt::Display) {
        self.found.push(Violation {
            check,
            what: what.to_string(),
        });
    }

    /// No computer-hour is in two records that AWS accepted.
    fn nothing_is_billed_twice(&mut self) {
        let mut billed: BTreeMap<&CloudAccountId, u32> = BTreeMap::new();
        for record in self.world.aws.accepted.values() {
            for allocation in &record.allocations {
                if let Some(tag) = &allocation.cloud_account {
                    *billed.entry(tag).or_default() += allocation.quantity.get();
                }
            }
        }
        let twice: Vec<String> = billed
            .into_iter()
            .filter(|(_, times)| *times > 1)
            .map(|(tag, times)| format!("{tag} is billed {times} times"))
            .collect();
        for tag in twice {
            self.fails("billed twice", tag);
        }
        self.sums_are_not_exceeded();
    }

    /// Nor is more accepted of an account's hour than there were computers,
    /// tagged or not: by the lines that lie in accepted records.
    fn sums_are_not_exceeded(&mut self) {
        let aws = &self.world.aws;
        let ours = aws
            .accepted
            .iter()
            .filter(|(key, _)| !aws.foreign.contains(*key));
        let accepted: u64 = ours
            .map(|(_, record)| u64::from(record.quantity.get()))
            .sum();
        let computers: usize = truth::computer_hours(self.world)
            .values()
            .map(|hour| hour.most())
            .sum();
        if accepted > computers as u64 {
            self.fails(
                "billed twice",
                format!("AWS accepted {accepted} computer-hours of {computers}"),
            );
        }
    }

    fn every_resend_is_the_first(&mut self) {
        for record in &self.world.aws.changed {
            self.fails(
                "resend differs",
                format!(
                    "{} {} {}",
                    record.license.id(),
                    record.dimension,
                    record.timestamp
                ),
            );
        }
    }

    /// Billed is what AWS accepted, and nothing that it accepted is called anything else.
    fn claims_are_true(&mut self) {
        let mut wrong = Vec::new();
        for record in self.records.values() {
            let accepted = self.world.aws.accepted.get(&key_of(&record.usage));
            let is_ours = accepted == Some(&record.usage);
            if self.may_seem_ours(record) {
                continue;
            }
            let claim = match (&record.state, is_ours) {
                (RecordState::Billed { .. }, false) => "billed, and AWS has not accepted it",
                (RecordState::Closed { reason, .. }, true) => match reason {
                    CloseReason::Unknown => continue,
                    CloseReason::Refused | CloseReason::WrittenOff => {
                        "not billed, and AWS has accepted it"
                    }
                    CloseReason::Conflict => "a conflict, and AWS has accepted ours",
                },
                (
                    RecordState::Closed {
                        reason: CloseReason::Conflict,
                        ..
                    },
                    false,
                ) if accepted.is_none() => "a conflict with nothing",
                (
                    RecordState::Billed { .. }
                    | RecordState::Closed { .. }
                    | RecordState::Frozen { .. },
                    _,
                ) => continue,
            };
            wrong.push(format!(
                "{} {} {} is called {claim}",
                record.usage.license.id(),
                record.slot,
                record.usage.dimension
            ));
        }
        for what in wrong {
            self.fails("false claim", what);
        }
        self.accepted_is_known();
    }

    /// What AWS answered as accepted is billed, however late the answer was stored.
    fn answers_are_kept(&mut self) {
        let broken = self.schedule.actions.iter().any(|action| {
            matches!(
                action,
                Action::Crash { .. } | Action::StoreFails { .. } | Action::Restore
            )
        });
        if broken {
            return;
        }
        let mut forgotten = Vec::new();
        for (license, dimension, hour) in &self.world.aws.answered {
            let name = (license.clone(), *hour, dimension.clone());
            let record = self.records.get(&name);
            if !record.is_some_and(|r| matches!(r.state, RecordState::Billed { .. })) {
                forgotten.push(format!("{license} {hour} {dimension}"));
            }
        }
        for what in forgotten {
            self.fails("answer forgotten", what);
        }
    }

    /// A report that was refused, for another one has its id, left nothing behind.
    fn refused_reports_leave_nothing(&mut self) {
        let mut ids = BTreeMap::new();
        let mut mixed = Vec::new();
        for (hour, (account, _, id), fingerprint) in self.world.tables.fingerprints() {
            let first = ids.entry((hour, account, id)).or_insert(fingerprint);
            if *first != fingerprint {
                mixed.push(format!("{account} {hour} {id} holds parts of two reports"));
            }
        }
        for what in mixed {
            self.fails("refused report", what);
        }
    }

    /// Whether somebody else's record must be taken for ours: AWS tells no
    /// difference when an attempt of ours had no answer.
    fn may_seem_ours(&self, record: &Record) -> bool {
        let key = key_of(&record.usage);
        let broken = self
            .schedule
            .actions
            .iter()
            .any(|action| matches!(action, Action::Crash { .. } | Action::StoreFails { .. }));
        self.world.aws.foreign.contains(&key)
            && (broken || self.world.aws.unanswered.contains(&key))
    }

    /// What AWS accepted is one of our records, unless a restore forgot it.
    fn accepted_is_known(&mut self) {
        if !self.story.forgotten.is_empty() {
            return;
        }
        let unknown: Vec<String> = self
            .world
            .aws
            .accepted
            .iter()
            .filter(|((license, dimension, hour), _)| {
                let name = (license.clone(), *hour, dimension.clone());
                !self.records.contains_key(&name)
            })
            .filter(|(key, _)| !self.world.aws.foreign.contains(*key))
            .map(|(key, _)| format!("{key:?}"))
            .collect();
        for key in unknown {
            self.fails(
                "false claim",
                format!("AWS accepted {key}, which no record is"),
            );
        }
    }

    fn calls_are_well_made(&mut self) {
        if self.world.aws.malformed > 0 {
            self.fails("malformed call", "too many records, or of two products");
        }
        let calls = &self.world.aws.calls;
        let second = SignedDuration::from_secs(1);
        let fast = calls
            .windows(11)
            .find(|eleven| eleven[10].0.duration_since(eleven[0].0) < second);
        if self.schedule.is_of_one_submitter() && fast.is_some() {
            self.fails("too many calls", "eleven within a second");
        }
    }

    /// Every line that went into a slot lies, with its account-hour's other
    /// lines there, in exactly one slot, under the slot that it first entered.
    fn entries_are_the_lines(&mut self) {
        let mut lines: BTreeMap<_, u64> = BTreeMap::new();
        for hour in self.world.tables.account_hours() {
            for line in &hour.lines {
                if let Target::Slot(origin) = line.target {
                    let key = (
                        line.license.clone(),
                        origin,
                        hour.account.clone(),
                        hour.part,
                        hour.hour,
                        line.dimension.clone(),
                    );
                    *lines.entry(key).or_default() += u64::from(line.count);
                }
            }
        }
        let mut entries: BTreeMap<_, u64> = BTreeMap::new();
        for (license, _, entry) in self.world.tables.entries() {
            for amount in &entry.amounts {
                let key = (
                    license.clone(),
                    entry.origin,
                    entry.account.clone(),
                    entry.part,
                    entry.hour,
                    amount.dimension.clone(),
                );
                *entries.entry(key).or_default() += u64::from(amount.count);
            }
        }
        if lines == entries {
            return;
        }
        let keys: BTreeSet<_> = lines.keys().chain(entries.keys()).cloned().collect();
        for key in keys {
            let (line, entry) = (lines.get(&key), entries.get(&key));
            if line != entry {
                self.fails(
                    "conservation",
                    format!("{key:?}: lines {line:?}, entries {entry:?}"),
                );
            }
        }
    }

    /// A frozen slot's entries are what is included and what is in its records.
    fn records_are_the_entries(&mut self) {
        let mut wrong = Vec::new();
        for ((license, hour), head) in &self.heads {
            let included = match &head.state {
                SlotState::Frozen { included, .. } => included,
                SlotState::Carried { .. } if self.entries_in(license, *hour).next().is_some() => {
                    wrong.push(format!("{license} {hour}: carried, and entries are left"));
                    continue;
                }
                SlotState::Open
                | SlotState::Carrying { .. }
                | SlotState::Carried { .. }
                | SlotState::Closed { .. } => continue,
            };
            let mut sums: BTreeMap<&Dimension, (u64, u64)> = BTreeMap::new();
            for (_, _, entry) in self.entries_in(license, *hour) {
                for amount in &entry.amounts {
                    sums.entry(&amount.dimension).or_default().0 += u64::from(amount.count);
                }
            }
            for (dimension, count) in included {
                sums.entry(dimension).or_default().1 += u64::from(*count);
            }
            for ((of, slot, dimension), record) in &self.records {
                if of == license && slot == hour {
                    let quantity = u64::from(record.usage.quantity.get());
                    sums.entry(dimension).or_default().1 += quantity;
                }
            }
            for (dimension, (entries, frozen)) in sums {
                if entries != frozen {
                    wrong.push(format!(
                        "{license} {hour} {dimension}: entries {entries}, frozen and included {frozen}"
                    ));
                }
            }
        }
        for what in wrong {
            self.fails("conservation", what);
        }
    }

    fn entries_in<'b>(
        &'b self,
        license: &'b LicenseId,
        slot: Hour,
    ) -> impl Iterator<Item = (&'b LicenseId, Hour, &'b SlotEntry)> {
        self.world
            .tables
            .entries()
            .filter(move |(of, hour, _)| *of == license && *hour == slot)
    }

    /// What each posting billed is what the rules say of the reports and links
    /// that it read, and those links are the true ones.
    fn attribution_is_right(&mut self) {
        let mut wrong = Vec::new();
        for hour in self.world.tables.account_hours() {
            wrong.extend(truth::attribution_differences(self.world, hour));
        }
        for what in wrong {
            self.fails("attribution", what);
        }
    }

    /// Every acknowledged computer-hour that a license pays for is accounted for.
    fn nothing_is_lost(&mut self) {
        let hours = truth::computer_hours(self.world);
        let mut lost = Vec::new();
        for ((account, part, hour), computers) in &hours {
            let stored = self.world.tables.account_hours().find(|stored| {
                (&stored.account, stored.part, stored.hour) == (account, *part, *hour)
            });
            let billed: u64 = stored
                .iter()
                .flat_map(|hour| &hour.lines)
                .map(|line| u64::from(line.count))
                .sum();
            let least = computers.least() as u64;
            if billed < least {
                lost.push(format!(
                    "{account} part {} {hour}: {least} computers to be billed, {billed} are",
                    part.0
                ));
            }
            if billed > computers.most() as u64 {
                lost.push(format!(
                    "{account} part {} {hour}: {billed} billed of {} computers",
                    part.0,
                    computers.most()
                ));
            }
        }
        for what in lost {
            self.fails("lost usage", what);
        }
        self.ends_are_excused();
    }

    /// Nothing is closed or written off for which there was time and a healthy AWS.
    fn ends_are_excused(&mut self) {
        let mut wrong = Vec::new();
        for record in self.records.values() {
            if let RecordState::Closed { reason, .. } = record.state
                && !self.is_excused(record, reason)
            {
                wrong.push(format!(
                    "{} {} {} is closed as {reason:?} although AWS would have taken it",
                    record.usage.license.id(),
                    record.slot,
                    record.usage.dimension
                ));
            }
        }
        for head in self.heads.values() {
            if let SlotState::Closed { at, reason } = head.state
                && !self.may_be_written_off(&head.license, head.hour, reason, at)
            {
                wrong.push(format!(
                    "{} {} is written off as {reason:?} although there was time",
                    head.license, head.hour
                ));
            }
        }
        for hour in self.world.tables.account_hours() {
            for line in &hour.lines {
                if let Target::WrittenOff(reason) = line.target
                    && !self.line_may_be_written_off(hour, &line.license, reason)
                {
                    wrong.push(format!(
                        "{} of {} {} is written off as {reason:?} although there was time",
                        line.count, hour.account, hour.hour
                    ));
                }
            }
        }
        for what in wrong {
            self.fails("closed too early", what);
        }
    }

    fn in_doubt(&self, slot: Hour) -> bool {
        self.story.forgotten.iter().any(|forgotten| {
            let far_back = before(forgotten.from, SignedDuration::from_hours(49));
            far_back < slot.end() && slot.start() < forgotten.until
        })
    }

    /// Whether nothing better could become of a record: within its time there
    /// was no healthy run of submission that was well after the last trouble.
    fn is_excused(&self, record: &Record, reason: CloseReason) -> bool {
        let license = record.usage.license.id();
        let frozen = match self.heads.get(&(license.clone(), record.slot)) {
            Some(SlotHead {
                state: SlotState::Frozen { at, .. },
                ..
            }) => *at,
            Some(_) | None => return false,
        };
        if self.in_doubt(record.slot) {
            return reason == CloseReason::Unknown;
        }
        if self.world.aws.foreign.contains(&key_of(&record.usage)) {
            return reason == CloseReason::Conflict;
        }
        let end = self.end_of(license);
        if end.is_some_and(|end| record.slot > last_hour(&end)) {
            // Frozen before its end was known: AWS takes nothing stamped after it.
            return true;
        }
        let over = self
            .world
            .aws
            .ended
            .get(license)
            .map(|ended| after(*ended, SignedDuration::from_mins(60)));
        let deadline = accepted_until(record.usage.timestamp, end.as_ref());
        let deadline = over.map_or(deadline, |over| deadline.min(over));
        !self.was_well_between(after(frozen, SignedDuration::from_mins(1)), deadline)
    }

    /// Whether runs of submission ended well in an interval, and the last
    /// trouble before them was over long enough.
    fn was_well_between(&self, from: Timestamp, until: Timestamp) -> bool {
        let healthy = &self.world.healthy;
        let good = healthy.submits.iter().filter(|run| {
            let run = *run;
            let last_trouble = healthy.troubles.iter().rev().find(|at| *at <= run);
            from <= *run
                && *run < until
                && last_trouble.is_none_or(|at| after(*at, RECOVERY) <= *run)
        });
        good.count() >= RUNS_TO_RECOVER
    }

    fn end_of(&self, license: &LicenseId) -> Option<LicenseEnd> {
        match self
            .world
            .tables
            .license(license)
            .map(|known| &known.status)
        {
            Some(LicenseStatus::Ended { end, .. }) => Some(*end),
            Some(LicenseStatus::Pending | LicenseStatus::Active { .. }) | None => None,
        }
    }

    fn may_be_written_off(
        &self,
        license: &LicenseId,
        slot: Hour,
        reason: WriteOff,
        at: Timestamp,
    ) -> bool {
        match reason {
            WriteOff::LicenseEnded => self.end_of(license).is_some_and(|end| {
                let freezable = after(end.ended_at, SignedDuration::from_mins(46))
                    .max(after(end.learned_at, SignedDuration::from_mins(9)));
                let accepted = after(end.ended_at, SignedDuration::from_mins(60));
                at >= final_usage_until(&end)
                    && (slot > last_hour(&end) || !self.was_well_between(freezable, accepted))
            }),
            WriteOff::TooLate => self.entries_in(license, slot).all(|(_, _, entry)| {
                entry.hour.plus(self.schedule.setting.carry_hours) < Hour::of(at)
            }),
            WriteOff::Restored => false,
        }
    }

    fn line_may_be_written_off(
        &self,
        hour: &AccountHour,
        license: &LicenseId,
        reason: WriteOff,
    ) -> bool {
        match reason {
            WriteOff::Restored => self.in_doubt(hour.hour),
            WriteOff::LicenseEnded => self.end_of(license).is_some_and(|end| {
                !self.was_running(hour, &end) || !self.was_in_time(hour, license, &end)
            }),
            WriteOff::TooLate => {
                let horizon = hour.hour.plus(self.schedule.setting.carry_hours);
                horizon < Hour::of(self.world.now())
            }
        }
    }

    /// Whether an hour is the one that ran when a license's end became known.
    fn was_running(&self, hour: &AccountHour, end: &LicenseEnd) -> bool {
        hour.hour == last_hour(end) && end.learned_at < hour.hour.end()
    }

    /// Whether all reports of an ended license's last hour were there, and a
    /// run of posting ended well, before the hour could be frozen.
    fn was_in_time(&self, hour: &AccountHour, license: &LicenseId, end: &LicenseEnd) -> bool {
        let times = self.world.acknowledged.iter().filter_map(|(key, (at, _))| {
            ((&key.0, key.1) == (&hour.account, hour.hour)).then_some(*at)
        });
        let reports = self.world.tables.reports();
        let stored = reports.filter(|(at, (account, part, _), _)| {
            (account, *part, *at) == (&hour.account, hour.part, hour.hour)
        });
        let all = times.clone().count() == stored.count();
        let last = times.max().unwrap_or(Timestamp::MAX).max(end.learned_at);
        // The normal freeze comes when the hour is over and all of it is posted.
        let normal = match self
            .heads
            .get(&(license.clone(), hour.hour))
            .map(|h| &h.state)
        {
            Some(SlotState::Frozen { at, .. }) => (*at).max(hour.hour.end()),
            Some(
                SlotState::Open
                | SlotState::Carrying { .. }
                | SlotState::Carried { .. }
                | SlotState::Closed { .. },
            )
            | None => Timestamp::MAX,
        };
        let frozen = normal.min(after(end.ended_at, SignedDuration::from_mins(45)));
        let posts = &self.world.healthy.posts;
        all && !self.world.is_skewed && posts.iter().any(|run| last < *run && *run < frozen)
    }

    /// Two hours after the faults stopped nothing waits any more.
    fn everything_is_settled(&mut self) {
        let now = self.world.now();
        let mut waiting = Vec::new();
        for record in self.records.values() {
            let poison = self.schedule.setting.poison_stays
                && (self.world.aws.missing.contains(&record.usage.dimension)
                    || self
                        .world
                        .aws
                        .unpropagated
                        .contains(record.usage.license.id())
                    || self
                        .world
                        .aws
                        .always_fails
                        .contains(record.usage.license.id()));
            if let RecordState::Frozen { .. } = record.state
                && !poison
            {
                waiting.push(format!(
                    "{} {} {} is not settled",
                    record.usage.license.id(),
                    record.slot,
                    record.usage.dimension
                ));
            }
        }
        for head in self.heads.values() {
            let used = self
                .entries_in(&head.license, head.hour)
                .any(|(_, _, entry)| !entry.amounts.is_empty());
            let over = before(now, SignedDuration::from_mins(60)) >= head.hour.end();
            let is_open = matches!(head.state, SlotState::Open | SlotState::Carrying { .. });
            if used && over && is_open {
                waiting.push(format!(
                    "{} {} is {:?}",
                    head.license, head.hour, head.state
                ));
            }
        }
        if self.world.tables.marker_count() > 0 {
            waiting.push("late markers are left".to_owned());
        }
        for hold in self.world.tables.holds() {
            let accepted = self.records.values().any(|record| {
                *record.usage.license.id() == hold.license
                    && matches!(record.state, RecordState::Billed { at, .. } if at >= hold.since)
            });
            if accepted {
                waiting.push(format!("the hold of {} is left", hold.license));
            }
        }
        for what in waiting {
            self.fails("not settled", what);
        }
    }

    /// No usage of an ended license went into a slot after its last hour once
    /// the end was known.
    fn ended_licenses_keep_to_their_hours(&mut self) {
        let mut wrong = Vec::new();
        for hour in self.world.tables.account_hours() {
            for line in &hour.lines {
                let (Target::Slot(slot), Some(end)) = (line.target, self.end_of(&line.license))
                else {
                    continue;
                };
                if slot > last_hour(&end) && slot.start() > end.learned_at {
                    wrong.push(format!("{} {slot} after its end", line.license));
                }
            }
        }
        for what in wrong {
            self.fails("after the end", what);
        }
    }

    /// A zero is sent only when its hour's usage had its chance.
    fn zeros_come_last(&mut self) {
        let mut early = Vec::new();
        for record in self.records.values() {
            let head = self
                .heads
                .get(&(record.usage.license.id().clone(), record.slot));
            if record.usage.quantity.get() > 0 {
                continue;
            }
            if let Some(SlotHead {
                state: SlotState::Frozen { at, .. },
                ..
            }) = head
                && *at < before(record.deadline, SignedDuration::from_mins(125))
            {
                early.push(format!(
                    "{} {} at {at}",
                    record.usage.license.id(),
                    record.slot
                ));
            }
        }
        for what in early {
            self.fails("early zero", what);
        }
    }

    /// Reports are immutable and kept: what was posted can be posted again.
    fn every_posting_can_be_replayed(&mut self) {
        let torn: Vec<String> = self
            .world
            .notices
            .iter()
            .filter_map(|notice| match notice {
                Notice::AccountHourFailed {
                    account,
                    hour,
                    reason,
                    ..
                } if reason.contains("replayed") => Some(format!("{account} {hour}: {reason}")),
                _ => None,
            })
            .collect();
        for what in torn {
            self.fails("torn read", what);
        }
    }

    /// The ledger's own check, which runs hourly in production, finds nothing
    /// of any hour that was reported; and every computer-hour is in one class.
    fn the_ledgers_own_check_agrees(&mut self) {
        const CHECK: &str = "conservation (ledger's own)";
        let hours = self.world.tables.reported_hours();
        let found = match conservation::of(self.world, &hours) {
            Ok(found) => found,
            Err(error) => return self.fails(CHECK, error),
        };
        for difference in &found.differences {
            // Poison may be waiting for somebody to mend it.
            if !(difference.only_waits() && self.schedule.setting.poison_stays) {
                self.fails(CHECK, difference);
            }
        }
        let sums = found.sums;
        if sums.reported != sums.lines + sums.unbillable || sums.lines != sums.accounted() {
            self.fails(CHECK, format!("{sums:?}"));
        }
    }

    /// What freezes took of a contract is what it says is used.
    fn included_is_taken_once(&mut self) {
        let taken: u64 = self
            .heads
            .values()
            .map(|head| match &head.state {
                SlotState::Frozen { included, .. } => {
                    included.values().copied().map(u64::from).sum()
                }
                SlotState::Open
                | SlotState::Carrying { .. }
                | SlotState::Carried { .. }
                | SlotState::Closed { .. } => 0,
            })
            .sum();
        let used: u64 = self.world.tables.included().map(|period| period.used).sum();
        if used != taken && self.story.forgotten.is_empty() {
            self.fails("included", format!("{used} used, {taken} taken"));
        }
        let over: Vec<String> = self
            .world
            .tables
            .included()
            .filter(|period| period.used > period.granted)
            .map(|period| format!("{} used of {}", period.used, period.granted))
            .collect();
        for what in over {
            self.fails("included", what);
        }
    }
}

/// The parts of acknowledged reports, by account-hour.
pub(crate) type Reported = BTreeMap<(domain::ids::AccountId, Part, Hour), ComputerHour>;
