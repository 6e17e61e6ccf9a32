//! Posting one part of an account's hour.

use std::collections::BTreeMap;

use domain::account::{Account, Standing};
use domain::hour::{Hour, after};
use domain::ids::{AccountId, LicenseId};
use domain::ledger::account_hour::{
    AccountHour, ReplayError, Reports, Standings, Target, Unbillable, WriteOff,
};
use domain::ledger::attribution::LinkedSpan;
use domain::linking::Link;
use domain::mutant;
use domain::usage::Part;
use domain::usage::report::second_of;
use jiff::{SignedDuration, Timestamp};

use super::Poster;
use super::parts::Load;
use super::releasing::Refused;
use super::target::TargetError;
use crate::notice::{AccountHourFailure, Notice};
use crate::step::{SlotPosting, StepError, Written, whole};

/// How often a posting that lost to somebody else is decided again in one run.
const MAX_TRIES: usize = 20;

/// How long a mutant's postings are kept: less than the 48 h in which reports come.
const FORGOTTEN_AFTER: SignedDuration = SignedDuration::from_hours(12);

/// Why an account-hour could not be posted.
#[derive(Debug, thiserror::Error)]
pub enum PostingError {
    /// The store did not answer, or an item is unreadable.
    #[error("the store failed")]
    Store(#[from] StepError),
    /// What was posted before cannot be replayed.
    #[error("what was posted before cannot be replayed")]
    Replay(#[from] ReplayError),
    /// Reports that cannot be read are left; the others are posted.
    #[error("{0} of its reports cannot be read; the others are posted")]
    Unreadable(usize),
    /// The account of a report is not there.
    #[error("the account is missing")]
    AccountMissing,
    /// A license that pays has no slot to take usage.
    #[error("no slot takes the usage")]
    Target(#[from] TargetError),
    /// Others changed the hour or its slots again and again.
    #[error("lost to other posters {MAX_TRIES} times")]
    Contended,
}

impl PostingError {
    /// Whether nothing is wrong: the account-hour is posted later.
    pub(super) fn only_waits(&self) -> bool {
        matches!(self, Self::Target(TargetError::TooEarlyToSay(_)))
    }

    pub(super) fn kind(&self) -> AccountHourFailure {
        match self {
            Self::Store(_) | Self::Target(TargetError::Store(_)) => AccountHourFailure::Store,
            Self::Replay(_) => AccountHourFailure::NotReplayed,
            Self::Unreadable(_) => AccountHourFailure::UnreadableReports,
            Self::AccountMissing => AccountHourFailure::AccountMissing,
            Self::Target(
                TargetError::NoLicense(_) | TargetError::NoSlot(_) | TargetError::TooEarlyToSay(_),
            ) => AccountHourFailure::NoSlot,
            Self::Contended => AccountHourFailure::Contended,
        }
    }
}

/// What one try to post came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Tried {
    /// Everything is posted.
    Done,
    /// Somebody else won, or there is more than one posting holds: again.
    Again,
}

/// What is known of an account-hour before it is posted.
struct Known {
    before: AccountHour,
    reports: Reports,
    unreadable: usize,
}

impl Poster<'_> {
    /// Posts all reports of an account-hour by today's links, until it commits
    /// or there is nothing to add.
    pub(super) async fn post_account_hour(
        &self,
        account: &AccountId,
        part: Part,
        hour: Hour,
        refused: Refused,
    ) -> Result<(), PostingError> {
        for _ in 0..MAX_TRIES {
            if self.try_post(account, part, hour, refused).await? == Tried::Done {
                return Ok(());
            }
            if mutant!(ClosedSlotGivesUp) {
                return Ok(());
            }
        }
        Err(PostingError::Contended)
    }

    async fn try_post(
        &self,
        account: &AccountId,
        part: Part,
        hour: Hour,
        refused: Refused,
    ) -> Result<Tried, PostingError> {
        let now = self.steps.now();
        let known = self.known(account, part, hour).await?;
        if mutant!(NoNewReportNothingDone) && known.all_reports_posted() {
            return Ok(Tried::Done);
        }
        if mutant!(UnbillableIsFinal) && !known.before.unbillable.is_empty() {
            return Ok(Tried::Done);
        }
        let snapshot = self
            .steps
            .account(account.clone())
            .await?
            .ok_or(PostingError::AccountMissing)?;
        let links = self.links_of(account, hour).await?;
        let mut spans = self.spans(&known.before, &links, hour, now);
        let standings = standings(&snapshot, hour);
        let releases = match refused {
            Refused::IsReleased => self.releases(&known.before, &spans, now).await?,
            Refused::Stays => Vec::new(),
        };
        // In an hour that both licenses were linked in, only the other one is left to pay.
        spans.retain(|span| !releases.contains(&span.license));
        let plan = known.before.plan_releasing(
            &releases,
            &known.reports,
            &spans,
            &standings,
            &self.rules.catalog,
        )?;
        let mut load = known.load();
        if let Some(plan) = plan {
            load.named_bytes += plan.named_bytes();
            let leaves_reports = plan.leaves_reports;
            let mut targets: BTreeMap<LicenseId, Target> = BTreeMap::new();
            for license in plan.licenses() {
                let target = self.target(&license, hour, now).await?;
                targets.insert(license, target);
            }
            let ended = Target::WrittenOff(WriteOff::LicenseEnded);
            if targets.values().any(|target| *target == ended)
                && self.links_of(account, hour).await? != links
            {
                // It ended since its links were read, and another may be linked instead.
                return Ok(Tried::Again);
            }
            let after = known.before.posted(plan, &targets);
            let mut slots = slot_postings(&after, &targets);
            if mutant!(EntryOfTheNewOnly) {
                leave_only_new(&mut slots, &known.before);
            }
            if self.steps.post(after.clone(), slots).await? == Written::Lost {
                return Ok(Tried::Again);
            }
            self.tell_released(&known.before, &releases);
            self.tell_written_off(&known.before, &after);
            if leaves_reports {
                return Ok(Tried::Again);
            }
        }
        self.divide(&snapshot, hour, load, now).await?;
        match known.unreadable {
            0 => Ok(Tried::Done),
            some => Err(PostingError::Unreadable(some)),
        }
    }

    async fn links_of(&self, account: &AccountId, hour: Hour) -> Result<Vec<Link>, StepError> {
        let (from, until) = (hour.start(), hour.end());
        self.steps
            .links_of_account(account.clone(), from, until)
            .await
    }

    /// The account-hour first: reports read before it could lack one that
    /// somebody else posted in between, and the replay would then fail.
    async fn known(
        &self,
        account: &AccountId,
        part: Part,
        hour: Hour,
    ) -> Result<Known, PostingError> {
        let steps = self.steps;
        let read = || steps.reports(account.clone(), part, hour);
        let early = if mutant!(AccountHourReadAfterReports) {
            Some(read().await?)
        } else {
            None
        };
        let mut before = steps.account_hour(account.clone(), part, hour).await?;
        if mutant!(PostingForgottenFirst) && after(hour.end(), FORGOTTEN_AFTER) < steps.now() {
            let version = before.version;
            before = AccountHour::empty(account.clone(), part, hour);
            before.version = version;
        }
        let read = match early {
            Some(early) => early,
            None => read().await?,
        };
        Ok(Known {
            before,
            unreadable: steps.tell_unreadable(read.unreadable),
            reports: whole(read.reports),
        })
    }

    fn spans(
        &self,
        before: &AccountHour,
        links: &[Link],
        hour: Hour,
        now: Timestamp,
    ) -> Vec<LinkedSpan> {
        if mutant!(LinksPinnedByFirstPosting)
            && let Some(first) = before.postings.first()
        {
            return first.links.clone();
        }
        if mutant!(LicenseLinkedWhenPosted) {
            let open = links.iter().rev().find(|link| link.until.is_none());
            return open
                .map(|link| LinkedSpan {
                    license: link.license.clone(),
                    from: 0,
                    until: 3600,
                })
                .into_iter()
                .collect();
        }
        linked_spans(links, hour, now)
    }

    fn tell_written_off(&self, before: &AccountHour, after: &AccountHour) {
        let earlier = written_off(before);
        for ((license, reason), all) in written_off(after) {
            let old = earlier.get(&(license, reason)).copied().unwrap_or(0);
            if all > old {
                self.steps.tell(Notice::WrittenOff {
                    license: license.clone(),
                    hour: after.hour,
                    reason,
                    computer_hours: all - old,
                });
            }
        }
    }
}

/// Computer-hours that can never be billed.
fn written_off(hour: &AccountHour) -> BTreeMap<(&LicenseId, WriteOff), u64> {
    let mut sums = BTreeMap::new();
    for line in &hour.lines {
        if let Target::WrittenOff(reason) = line.target {
            *sums.entry((&line.license, reason)).or_default() += u64::from(line.count);
        }
    }
    sums
}

impl Known {
    fn load(&self) -> Load {
        Load {
            computers: self.reports.values().map(Vec::len).sum(),
            named_bytes: self.before.named_bytes(),
        }
    }

    fn all_reports_posted(&self) -> bool {
        !self.before.postings.is_empty()
            && self.reports.keys().all(|id| {
                let posted = self.before.postings.iter().flat_map(|p| &p.reports);
                posted.into_iter().any(|known| known == id)
            })
    }
}

/// The account-hour's totals in the slots that a posting touches.
fn slot_postings(after: &AccountHour, targets: &BTreeMap<LicenseId, Target>) -> Vec<SlotPosting> {
    targets
        .iter()
        .filter_map(|(license, target)| match target {
            Target::Slot(slot) => Some(SlotPosting {
                license: license.clone(),
                slot: *slot,
                entry: after.entry(license, *slot),
            }),
            Target::Released(_) | Target::WrittenOff(_) => None,
        })
        .collect()
}

/// For a mutant: entries without what the account-hour had there before.
fn leave_only_new(slots: &mut [SlotPosting], before: &AccountHour) {
    for posting in slots {
        let old = before.entry(&posting.license, posting.slot);
        for amount in &mut posting.entry.amounts {
            let same = old.amounts.iter().find(|old| {
                (&old.dimension, &old.cloud_account) == (&amount.dimension, &amount.cloud_account)
            });
            amount.count -= same.map_or(0, |old| old.count.min(amount.count));
        }
    }
}

/// The links as spans of the hour's seconds, an open one cut at `now`, so that
/// what is stored says what was known.
fn linked_spans(links: &[Link], hour: Hour, now: Timestamp) -> Vec<LinkedSpan> {
    let now = if mutant!(OpenIntervalNotCut) {
        hour.end()
    } else {
        now
    };
    let mut spans: Vec<LinkedSpan> = links
        .iter()
        .map(|link| LinkedSpan {
            license: link.license.clone(),
            from: second_of(hour, link.from),
            until: second_of(hour, link.until.unwrap_or(now).min(hour.end())),
        })
        .filter(|span| span.from < span.until)
        .collect();
    spans.sort_by_key(|span| span.from);
    spans
}

/// How the account stood through the hour, minute by minute where it changed.
fn standings(account: &Account, hour: Hour) -> Standings {
    let mut standings = Standings::new();
    for minute in 0..60 {
        let instant = domain::hour::after(hour.start(), SignedDuration::from_mins(minute));
        let reason = reason(account.standing_at(instant));
        if standings.last().is_none_or(|(_, last)| *last != reason) {
            standings.push((second_of(hour, instant), reason));
        }
    }
    standings
}

/// Why what no license pays for is not billed, by how the account stands.
fn reason(standing: Standing) -> Unbillable {
    match standing {
        Standing::Trial => Unbillable::Trial,
        Standing::Annual => Unbillable::Annual,
        Standing::Grace => Unbillable::Grace,
        // Subscribed at another second of the hour than the computer ran.
        Standing::Subscribed | Standing::Expired => Unbillable::Expired,
        Standing::Suspended => Unbillable::Suspended,
    }
}
