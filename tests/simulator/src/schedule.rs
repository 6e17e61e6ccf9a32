//! A schedule: what happens in a world, one action after another, and playing
//! it. A schedule is data: it repeats bit for bit, and can be cut shorter.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use domain::change::Change;
use domain::hour::{Hour, after, before};
use domain::ids::{AccountId, Dimension, LicenseId};
use domain::ledger::controls::{Controls, Forgotten};
use domain::ledger::included::Included;
use domain::ledger::record::{Record, RecordState};
use domain::ledger::slot::{AllocationLimit, SlotEntry};
use domain::license::UnknownCover;
use domain::usage::Part;
use jiff::{SignedDuration, Timestamp};
use ledger::{Answer, Rules, Step, ZeroRecords};

use crate::aws::{Aws, CallFault, Cover, DedupKey, Poison, key_of};
use crate::cast::{self, LICENSES, Seen};
use crate::tables::Tables;
use crate::world::{Job, StoreFault, World};

/// Hours until everything that can still be billed must be.
pub const LIVENESS_HOURS: i64 = 2;

/// What happens.
#[derive(Debug, Clone, PartialEq)]
pub enum Action {
    /// Time goes by.
    Advance {
        /// So many minutes.
        minutes: u16,
    },
    /// The product sends a report; its recording begins.
    Report {
        /// The account.
        account: u8,
        /// Of the hour so many before the running one.
        hours_back: u8,
        /// The report's id.
        id: u8,
        /// What it saw.
        seen: Vec<Seen>,
    },
    /// So many more accounts, each with a license of its own, report their running hour.
    Crowd {
        /// How many.
        size: u8,
    },
    /// A run of posting begins, on a clock that is so many minutes ahead.
    Post {
        /// Minutes ahead of time; behind when negative.
        ahead: i16,
    },
    /// A run of submission begins, on a clock that is so many minutes ahead.
    Submit {
        /// Minutes ahead of time; behind when negative.
        ahead: i16,
    },
    /// A task goes on for some steps.
    Go {
        /// Which of those under way.
        task: u8,
        /// How many steps.
        steps: u8,
        /// Which of several that it waits for comes first.
        pick: u8,
    },
    /// The store fails in a task's next step.
    StoreFails {
        /// Which of those under way.
        task: u8,
        /// Whether the step was made all the same.
        made: bool,
    },
    /// A task crashes.
    Crash {
        /// Which of those under way.
        task: u8,
    },
    /// All tasks go on to their ends, one after another.
    Finish,
    /// Runs of posting and submission, every minute, for so many minutes.
    Minutes {
        /// So many.
        minutes: u8,
    },
    /// A license is linked to an account.
    Link {
        /// The license.
        license: u8,
        /// The account.
        account: u8,
    },
    /// A license is unlinked.
    Unlink {
        /// The license.
        license: u8,
    },
    /// AWS ends a license.
    End {
        /// The license.
        license: u8,
    },
    /// We learn of a license's end, or of its second event.
    Learn {
        /// The license.
        license: u8,
    },
    /// AWS renews a license by another one: it ends, and the other goes on.
    Renew {
        /// The license that ends.
        license: u8,
        /// Whether AWS takes usage of it for an hour and a half more.
        overlaps: bool,
    },
    /// We learn that a license was renewed by another one, which is linked in
    /// its place.
    LearnRenewed {
        /// The license that ended.
        license: u8,
        /// The one that goes on.
        heir: u8,
        /// So many minutes after the other one ended.
        gap: u8,
    },
    /// Somebody else meters a license's running hour at AWS.
    Foreign {
        /// The license.
        license: u8,
        /// The tier.
        tier: u8,
    },
    /// AWS's next call goes wrong.
    CallFails(CallFault),
    /// AWS fails every call.
    Outage {
        /// For so many minutes from now.
        minutes: u16,
    },
    /// AWS suspends a license's buyer, or takes it back.
    Suspend {
        /// The license.
        license: u8,
        /// Whether it is suspended.
        is: bool,
    },
    /// AWS does not know a dimension, or is told of it.
    Missing {
        /// The tier's dimension: 0 medium, 1 large, 2 xlarge.
        tier: u8,
        /// Whether it is missing.
        is: bool,
    },
    /// AWS has not propagated a license, or has.
    Unpropagated {
        /// The license.
        license: u8,
        /// Whether it is not.
        is: bool,
    },
    /// A license's records make every call fail with 500, or no more.
    AlwaysFails {
        /// The license.
        license: u8,
        /// Whether they do.
        is: bool,
    },
    /// AWS refuses every call that holds a license's record of the running
    /// hour, or fails on it.
    Poison {
        /// The license.
        license: u8,
        /// The tier.
        tier: u8,
        /// What AWS does.
        how: Poison,
    },
    /// Sending of the first product is stopped, or goes on.
    Switch {
        /// Whether it is stopped.
        stopped: bool,
    },
    /// A contract covers so many computer-hours of medium of the first license.
    Grant {
        /// Computer-hours.
        computer_hours: u8,
    },
    /// AWS tells that what the first license covers changed, and not to what.
    CoverUnknown,
    /// AWS answers that it covers so many computer-hours of medium.
    CoverKnown {
        /// Computer-hours.
        computer_hours: u8,
    },
    /// The first license's contract is renewed: what it covered ends, and it covers
    /// so many computer-hours of medium from now on.
    NextPeriod {
        /// Computer-hours.
        computer_hours: u8,
    },
    /// The ledger's table is backed up.
    BackUp,
    /// The table is lost and restored from its last backup; everything under
    /// way ends, and the operator gives the interval.
    Restore,
    /// The product sends every report again that was acknowledged.
    Resend,
}

/// How a world is before anything happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Setting {
    /// When it begins.
    pub start: Timestamp,
    /// Whether hours without usage are reported.
    pub zeros: bool,
    /// Whether contracts with consumption are sold.
    pub contracts: bool,
    /// Whether an identical retry answers DuplicateRecord.
    pub retry_is_duplicate: bool,
    /// How many computers an account's part holds.
    pub computers_per_part: usize,
    /// How many hours usage may be carried.
    pub carry_hours: i32,
    /// How many allocations a record holds.
    pub allocations: usize,
    /// Whether what AWS refuses or fails on stays so when the other faults stop.
    pub poison_stays: bool,
}

/// A whole schedule.
#[derive(Debug, Clone, PartialEq)]
pub struct Schedule {
    /// How the world is.
    pub setting: Setting,
    /// What happens in it.
    pub actions: Vec<Action>,
}

/// What the checks need to know of how a schedule went.
#[derive(Debug, Clone, Default)]
pub struct Story {
    /// The backup, and when it was made.
    backup: Option<(Timestamp, Tables)>,
    /// What was restored.
    pub forgotten: Vec<Forgotten>,
    /// What records hold that a restore forgot: their slots' entries.
    pub lost: BTreeMap<DedupKey, Vec<SlotEntry>>,
    /// Of which hours of use a restore forgot reports.
    pub lost_reports: BTreeSet<(AccountId, Part, Hour)>,
    /// When its last action was over, and with it all faults.
    pub over: Timestamp,
}

/// Where parts are so small, reports are stored in several items, too.
const SEVERAL_CHUNKS_BELOW: usize = 100;

impl Setting {
    /// A seller's defaults, no contracts, and nothing that stays broken.
    pub fn ordinary(start: Timestamp) -> Self {
        Self {
            start,
            zeros: false,
            contracts: false,
            retry_is_duplicate: false,
            computers_per_part: 1_000,
            carry_hours: 96,
            allocations: 500,
            poison_stays: false,
        }
    }

    /// The rules of the seller in this world.
    pub fn rules(&self) -> Rules {
        let mut rules = Rules::new(cast::catalog(self.contracts));
        rules.zeros = if self.zeros {
            ZeroRecords::Sent
        } else {
            ZeroRecords::Off
        };
        rules.carry.hours = self.carry_hours;
        rules.computers_per_part = self.computers_per_part;
        if self.computers_per_part < SEVERAL_CHUNKS_BELOW {
            // Two or three computers in an item.
            rules.report_chunk_bytes = 100;
        }
        rules.allocations = AllocationLimit::new(self.allocations).unwrap_or_default();
        rules
    }
}

impl Schedule {
    /// Plays the actions; the world after the last, and how it went.
    pub fn play(&self) -> (World, Story) {
        let mut world = self.world();
        let mut story = Story::default();
        for action in &self.actions {
            world.act(action, &mut story);
        }
        (world, story)
    }

    /// The world before the first action.
    pub fn world(&self) -> World {
        self.world_with(|_| {})
    }

    /// The same, with something done to the world before anything is in it.
    pub fn world_with(&self, prepare: impl FnOnce(&mut World)) -> World {
        let mut world = World::new(self.setting.start, self.setting.rules());
        prepare(&mut world);
        world.aws.retry_is_duplicate = self.setting.retry_is_duplicate;
        world.cast();
        world.link(0, 0);
        world.link(2, 2);
        if self.setting.zeros {
            let hour = Hour::of(self.setting.start);
            let due = domain::ledger::deadline::zero_due(hour, self.setting.start);
            let license = cast::license(0);
            let _opened = world.make(Step::OpenSlot { license, hour, due });
        }
        world
    }
}

impl World {
    /// Makes one action happen.
    pub fn act(&mut self, action: &Action, story: &mut Story) {
        match action {
            Action::Advance { minutes } => self.advance(i64::from(*minutes)),
            Action::Report {
                account,
                hours_back,
                id,
                seen,
            } => {
                let hour = Hour::of(self.now()).plus(-i32::from(*hours_back));
                let report = cast::report(*account, hour, *id, seen);
                self.start(Job::Record(Arc::new(report)), SignedDuration::ZERO);
            }
            Action::Crowd { size } => self.crowd(*size),
            Action::Post { ahead } => self.start(Job::Post, minutes(*ahead)),
            Action::Submit { ahead } => self.start(Job::Submit, minutes(*ahead)),
            Action::Go { task, steps, pick } => self.go(*task, *steps, *pick),
            Action::StoreFails { task, made } => self.store_fails(*task, *made),
            Action::Crash { task } => {
                if let Some(task) = self.nth(*task) {
                    self.crash(task);
                }
            }
            Action::Finish => self.finish_all(),
            Action::Minutes { minutes } => self.every_minute(i64::from(*minutes)),
            Action::Link { license, account } => self.link(*license, *account),
            Action::Unlink { license } => self.unlink(*license),
            Action::End { license } => self.end(*license),
            Action::Learn { license } => self.learn(*license),
            Action::Renew { license, overlaps } => self.renew(*license, *overlaps),
            Action::LearnRenewed { license, heir, gap } => {
                self.learn_renewed(*license, *heir, i64::from(*gap));
            }
            Action::Foreign { license, tier } => {
                let (license, now) = (cast::arn(*license), self.now());
                let aws = self.disturbed_aws();
                aws.meter_elsewhere(license, dimension(*tier), now);
            }
            Action::CallFails(fault) => self.disturbed_aws().faults.push_back(*fault),
            Action::Outage { minutes } => self.outage(i64::from(*minutes)),
            Action::Suspend { license, is } => {
                let suspended = &mut self.disturbed_aws().suspended;
                set(suspended, cast::license(*license), *is);
            }
            Action::Missing { tier, is } => {
                set(&mut self.disturbed_aws().missing, dimension(*tier), *is);
            }
            Action::Unpropagated { license, is } => {
                let unpropagated = &mut self.disturbed_aws().unpropagated;
                set(unpropagated, cast::license(*license), *is);
            }
            Action::AlwaysFails { license, is } => {
                let always_fails = &mut self.disturbed_aws().always_fails;
                set(always_fails, cast::license(*license), *is);
            }
            Action::Poison { license, tier, how } => {
                let hour = Hour::of(self.now());
                let key = (cast::license(*license), dimension(*tier), hour);
                self.disturbed_aws().poison.insert(key, *how);
            }
            Action::Switch { stopped } => self.switch(*stopped),
            Action::Grant { computer_hours } => self.grant(u64::from(*computer_hours)),
            Action::CoverUnknown => self.cover_unknown(),
            Action::CoverKnown { computer_hours } => {
                self.grant(u64::from(*computer_hours));
                self.cover_known();
            }
            Action::NextPeriod { computer_hours } => self.next_period(u64::from(*computer_hours)),
            Action::BackUp => story.backup = Some((self.now(), self.tables.clone())),
            Action::Restore => self.restore(story),
            Action::Resend => self.resend(),
        }
    }

    fn store_fails(&mut self, task: u8, made: bool) {
        let fault = if made {
            StoreFault::AnswerLost
        } else {
            StoreFault::NotMade
        };
        if let Some(task) = self.nth(task) {
            self.step(task, 0, Some(fault));
        }
    }

    /// AWS, about to be disturbed: trouble for whoever calls it.
    fn disturbed_aws(&mut self) -> &mut Aws {
        self.healthy.trouble(self.now());
        &mut self.aws
    }

    fn outage(&mut self, minutes: i64) {
        let until = after(self.now(), SignedDuration::from_mins(minutes));
        self.disturbed_aws().down_until = Some(until);
        self.healthy.trouble(until);
    }

    /// An operator stops sending of the first product, or lets it go on.
    fn switch(&mut self, stopped: bool) {
        self.healthy.trouble(self.now());
        self.switched = Some(self.now());
        let controls = self.controls();
        if let Some(controls) = controls.switched(&cast::product(0), stopped) {
            let _alone = self.make(Step::PutControls { controls });
        }
    }

    /// What the first license's contract covers is stored: from a day ago on, or
    /// for the time of which AWS had not said it.
    fn grant(&mut self, computer_hours: u64) {
        let a_day_ago = before(self.now(), SignedDuration::from_hours(24));
        let start = self
            .aws
            .cover
            .map_or(a_day_ago, |cover| cover.unknown.of_usage_from);
        let until = after(start, SignedDuration::from_hours(24 * 31));
        let period = Included::new(cast::license(0), dimension(0), start, until, 0);
        if let Some(included) = period.regranted(until, computer_hours) {
            let _alone = self.make(Step::PutIncluded { included });
        }
    }

    /// The first license's contract is renewed with the same license.
    fn next_period(&mut self, computer_hours: u64) {
        let now = self.now();
        self.healthy.trouble(now);
        let ends = |period: &&Included| period.from < now && now < period.until;
        let ending = self.tables.included().filter(ends);
        let mut periods: Vec<Option<Included>> = ending
            .map(|period| period.regranted(now, period.granted))
            .collect();
        let until = after(now, SignedDuration::from_hours(24 * 31));
        let next = Included::new(cast::license(0), dimension(0), now, until, 0);
        periods.push(next.regranted(until, computer_hours));
        for included in periods.into_iter().flatten() {
            let _alone = self.make(Step::PutIncluded { included });
        }
        self.aws.renewed.insert(now);
    }

    fn cover_unknown(&mut self) {
        let now = self.now();
        let unknown = UnknownCover {
            since: now,
            of_usage_from: before(now, SignedDuration::from_hours(24)),
        };
        self.healthy.trouble(now);
        self.aws.cover = Some(Cover {
            unknown,
            known_at: None,
        });
        self.set_unknown_cover(Some(unknown));
    }

    fn cover_known(&mut self) {
        let now = self.now();
        let unknown = self.aws.cover.filter(|cover| cover.known_at.is_none());
        if let Some(cover) = unknown {
            self.healthy.trouble(now);
            self.aws.cover = Some(Cover {
                known_at: Some(now),
                ..cover
            });
            self.set_unknown_cover(None);
        }
    }

    fn set_unknown_cover(&mut self, unknown_cover: Option<UnknownCover>) {
        let Some(mut known) = self.tables.license(&cast::license(0)).cloned() else {
            return;
        };
        known.asks.unknown_cover = unknown_cover;
        let change = Change {
            licenses: vec![known],
            ..Change::default()
        };
        let _alone = self.make(Step::CommitChange { change });
    }

    fn controls(&mut self) -> Controls {
        if let Some(Answer::ReadControls(controls)) = self.make(Step::ReadControls {}) {
            controls
        } else {
            Controls::default()
        }
    }

    fn restore(&mut self, story: &mut Story) {
        let Some((at, backup)) = story.backup.take() else {
            return;
        };
        let now = self.now();
        while !self.tasks.is_empty() {
            self.crash(0);
        }
        self.healthy.trouble(now);
        let restored = self.tables.restored_to(&backup);
        let lost = std::mem::replace(&mut self.tables, restored);
        story.lost.extend(provenance(&lost));
        let kept: BTreeSet<_> = self
            .tables
            .reports()
            .map(|(hour, key, _)| (hour, key))
            .collect();
        for (hour, key, _) in lost.reports() {
            if !kept.contains(&(hour, key)) {
                let (account, part, _) = key.clone();
                story.lost_reports.insert((account, part, hour));
            }
        }
        self.forget_answers(&lost);
        if let Ok(forgotten) = Forgotten::new(at, now) {
            story.forgotten.push(forgotten);
            if let Some(controls) = self.controls().forgetting(forgotten) {
                let _alone = self.make(Step::PutControls { controls });
            }
        }
    }

    /// What was stored as billed and no longer is was forgotten by the restore.
    fn forget_answers(&mut self, lost: &Tables) {
        let stored = billed(lost);
        let billed = billed(&self.tables);
        let answered = &mut self.aws.answered;
        answered.retain(|key, _| billed.contains(key) || !stored.contains(key));
    }

    /// The product sends again what it was told has arrived.
    fn resend(&mut self) {
        let known: Vec<_> = self
            .acknowledged
            .values()
            .map(|(_, report)| report)
            .cloned()
            .collect();
        for report in known {
            self.run(Job::Record(report));
        }
    }

    /// The faults stop, and for at most `hours` everything goes its way: what
    /// was not acknowledged is sent again, and a poster and a submitter run
    /// every seven minutes.
    pub fn settle(&mut self, unacknowledged: &[Job], hours: i64, poison_stays: bool) {
        self.healthy.trouble(self.now());
        self.finish_all();
        self.aws.faults.clear();
        self.aws.down_until = None;
        if !poison_stays {
            self.aws.mend();
        }
        self.aws.suspended.clear();
        self.switch(false);
        self.cover_known();
        for license in 0..LICENSES {
            self.learn(license);
        }
        for job in unacknowledged {
            self.run(job.clone());
        }
        let until = after(self.now(), SignedDuration::from_hours(hours));
        while self.now() < until && (hours > LIVENESS_HOURS || !self.is_settled()) {
            self.run(Job::Post);
            self.run(Job::Submit);
            self.advance(7);
        }
        self.run(Job::Post);
        self.run(Job::Submit);
    }

    /// Whether no usage waits for anything: every reported hour is posted, no
    /// slot with usage is open, no record to be sent.
    fn is_settled(&self) -> bool {
        let reported = self.tables.last_reported_hour();
        let posted = reported.is_none_or(|hour| self.tables.all_posted(hour));
        // What AWS refused of a license that was renewed is billed anew with its final usage.
        let released = self.aws.overlaps.is_empty() || self.tables.finals().next().is_none();
        posted && released && self.tables.marker_count() == 0 && !self.tables.is_anything_waiting()
    }

    fn every_minute(&mut self, minutes: i64) {
        self.finish_all();
        for _ in 0..minutes {
            self.advance(1);
            self.run(Job::Post);
            self.run(Job::Submit);
        }
    }

    fn advance(&mut self, minutes: i64) {
        self.set_now(after(self.now(), SignedDuration::from_mins(minutes)));
        self.hold_up(None);
    }

    fn go(&mut self, task: u8, steps: u8, pick: u8) {
        let Some(number) = self.nth(task).map(|task| self.tasks[task].by.number) else {
            return;
        };
        for _ in 0..steps {
            match self.tasks.iter().position(|task| task.by.number == number) {
                Some(task) => self.step(task, usize::from(pick), None),
                None => return,
            }
        }
    }

    fn finish_all(&mut self) {
        while let Some(first) = self.tasks.first() {
            self.finish(first.by.number);
        }
    }

    fn nth(&self, task: u8) -> Option<usize> {
        (!self.tasks.is_empty()).then(|| usize::from(task) % self.tasks.len())
    }
}

/// Of every record, what lies in its slot.
fn provenance(tables: &Tables) -> BTreeMap<DedupKey, Vec<SlotEntry>> {
    let mut entries: BTreeMap<(&LicenseId, Hour), Vec<&SlotEntry>> = BTreeMap::new();
    for (license, slot, entry) in tables.entries() {
        entries.entry((license, slot)).or_default().push(entry);
    }
    let of = |record: &Record| {
        let slot = (record.usage.license.id(), record.slot);
        let entries = entries.get(&slot).into_iter().flatten();
        (key_of(&record.usage), entries.copied().cloned().collect())
    };
    tables.records().map(of).collect()
}

/// What is stored as billed.
pub(crate) fn billed(tables: &Tables) -> BTreeSet<DedupKey> {
    let is_billed = |record: &&Record| matches!(record.state, RecordState::Billed { .. });
    let billed = tables.records().filter(is_billed);
    billed.map(|record| key_of(&record.usage)).collect()
}

fn minutes(ahead: i16) -> SignedDuration {
    SignedDuration::from_mins(i64::from(ahead))
}

/// A tier's dimension.
pub fn dimension(tier: u8) -> Dimension {
    let rates = cast::catalog(false);
    let place = usize::from(tier) % rates.rates().len();
    rates.rates()[place].dimension.clone()
}

fn set<T: Ord>(of: &mut BTreeSet<T>, value: T, is: bool) {
    if is {
        of.insert(value);
    } else {
        of.remove(&value);
    }
}
