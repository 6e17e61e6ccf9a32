//! Posting an account's hour: from reports and links to lines.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::catalog::Catalog;
use crate::hour::Hour;
use crate::ids::{AccountId, CloudAccountId, Dimension, LicenseId, ReportId};
use crate::ledger::attribution::{Atom, Attribution, Billed, LinkedSpan, Saw, attribute, replay};
use crate::ledger::packed::share_len;
use crate::ledger::slot::{Amount, SlotEntry};
use crate::mutant;
use crate::tiers::Tier;
use crate::usage::{Observation, Part};

/// The reports of one account-hour, by id.
pub type Reports = BTreeMap<ReportId, Vec<Observation>>;

/// How many bytes the lines of cloud accounts may take in one account-hour.
/// What there is no room for is counted in the line without a cloud account:
/// sums are exact, and only the division over cloud accounts is coarser, as it
/// is in a usage record beyond its allocations.
///
/// It is room for 5,120 accounts of AWS, 2,155 of Azure, or 312 whose ids are
/// as long as ids may be. A carry moves 49 entries at once, and DynamoDB's
/// transaction takes 4 MB, what is deleted perhaps counted as well.
pub const MOST_NAMED_BYTES: usize = 40 * 1024;

/// How many reports one posting adds at the most: as many as its transaction
/// holds if their ids are as long as ids may be. More are posted in several.
pub const MOST_NEW_REPORTS: usize = 40_000;

/// Everything posted for one part of an account in one hour.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct AccountHour {
    /// The account.
    pub account: AccountId,
    /// The part.
    pub part: Part,
    /// The hour.
    pub hour: Hour,
    /// Raised by every write; 0 is not stored yet.
    pub version: u64,
    /// The postings in their order. Replayed, they give every billed atom its
    /// license and tier for ever, unless a later one releases it.
    pub postings: Vec<Posting>,
    /// What the postings billed, ascending.
    pub lines: Vec<Line>,
    /// What nobody pays for, provisionally: a link made later in the hour can
    /// still license it.
    pub unbillable: BTreeMap<Unbillable, u32>,
}

/// What one posting saw.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Posting {
    /// The reports that it added to those of the postings before.
    pub reports: Vec<ReportId>,
    /// The links that it read, an open one cut at the instant it was read.
    pub links: Vec<LinkedSpan>,
    /// The licenses whose usage, as far as postings before had billed it, was
    /// released and billed anew: AWS refused all of it for good.
    pub releases: Vec<LicenseId>,
}

/// Computers billed alike.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Line {
    /// The license that pays.
    pub license: LicenseId,
    /// Where they went.
    pub target: Target,
    /// What they are metered as.
    pub dimension: Dimension,
    /// The customer's cloud account.
    pub cloud_account: Option<CloudAccountId>,
    /// Computer-hours.
    pub count: u32,
}

/// Where posted computer-hours went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Target {
    /// Into the license's slot of this hour.
    Slot(Hour),
    /// It was in the license's slot of this hour, AWS refused it for good, and
    /// it was billed anew: another line of the account-hour holds it.
    Released(Hour),
    /// Nowhere: it can never be billed.
    WrittenOff(WriteOff),
}

/// Why computer-hours of a license can never be billed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WriteOff {
    /// The license has ended, and its last slot no longer takes usage.
    LicenseEnded,
    /// The carry horizon has passed since the hour of use.
    TooLate,
    /// They may have been billed before the table was restored to an earlier
    /// point: unknown for ever, and never sent.
    Restored,
}

/// Why nobody pays for a computer-hour.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Unbillable {
    /// The account is in its trial.
    Trial,
    /// An annual subscription covers it.
    Annual,
    /// The account is in its 48 hours of grace.
    Grace,
    /// Trial or subscription expired.
    Expired,
    /// The account is suspended.
    Suspended,
    /// A Data Center computer whose agent was offline for the whole hour.
    AgentOffline,
}

/// From which second of the hour on the account stands in which way, for what
/// no license pays.
pub type Standings = Vec<(u16, Unbillable)>;

/// A stored posting that cannot be replayed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReplayError {
    /// A posting names a report that is not there.
    #[error("the report {0}, posted before, is missing")]
    ReportMissing(ReportId),
}

/// New computer-hours of one license, before they have a slot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewLine {
    /// The license that pays.
    pub license: LicenseId,
    /// What they are metered as.
    pub dimension: Dimension,
    /// The customer's cloud account.
    pub cloud_account: Option<CloudAccountId>,
    /// Computer-hours.
    pub count: u32,
}

/// What posting all reports by today's links would add.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PostingPlan {
    posting: Posting,
    unbillable: BTreeMap<Unbillable, u32>,
    /// The new lines, by license, dimension and cloud account.
    pub new: Vec<NewLine>,
    /// Whether there are more new reports than one posting adds: post again.
    pub leaves_reports: bool,
}

/// Computers of an account-hour, counted from its reports.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tally {
    /// Billed by the stored postings.
    pub billed: usize,
    /// Not billed.
    pub unbilled: usize,
}

impl PostingPlan {
    /// The licenses that need a slot.
    pub fn licenses(&self) -> Vec<LicenseId> {
        let mut licenses: Vec<LicenseId> = self.new.iter().map(|l| l.license.clone()).collect();
        licenses.sort_unstable();
        licenses.dedup();
        licenses
    }

    /// How many bytes the new lines of cloud accounts would take, each by name.
    pub fn named_bytes(&self) -> usize {
        named_bytes(self.new.iter().map(|line| &line.cloud_account))
    }
}

impl AccountHour {
    /// An hour for which nothing is posted.
    pub fn empty(account: AccountId, part: Part, hour: Hour) -> Self {
        Self {
            account,
            part,
            hour,
            version: 0,
            postings: Vec::new(),
            lines: Vec::new(),
            unbillable: BTreeMap::new(),
        }
    }

    /// What posting would add: computers licensed by all reports and today's
    /// links, minus those billed, even if no report is new. `None` when the
    /// hour would stay as it is. Of more new reports than one posting adds, the
    /// rest is as though it came later.
    ///
    /// `self` must have been read before `reports`: a report posted by somebody
    /// else in between would otherwise be missing from the replay.
    ///
    /// # Errors
    /// [`ReplayError`] when a report that an earlier posting used is missing.
    pub fn plan(
        &self,
        reports: &Reports,
        links: &[LinkedSpan],
        standings: &Standings,
        catalog: &Catalog,
    ) -> Result<Option<PostingPlan>, ReplayError> {
        self.plan_releasing(&[], reports, links, standings, catalog)
    }

    /// What [`Self::plan`] says once the usage of these licenses counts as not
    /// billed: those of whose usage in this hour AWS surely took nothing.
    ///
    /// # Errors
    /// As of [`Self::plan`].
    pub fn plan_releasing(
        &self,
        releases: &[LicenseId],
        reports: &Reports,
        links: &[LinkedSpan],
        standings: &Standings,
        catalog: &Catalog,
    ) -> Result<Option<PostingPlan>, ReplayError> {
        let new_reports = self.new_reports(reports);
        let (added, left): (&[&ReportId], &[&ReportId]) = new_reports
            .split_at_checked(MOST_NEW_REPORTS)
            .unwrap_or((&new_reports, &[]));
        let left: BTreeSet<&ReportId> = left.iter().copied().collect();
        let seen = reports.iter().filter(|(id, _)| !left.contains(id));
        let attribution = attribute(seen.flat_map(|(_, seen)| seen), links);
        // Without a posting before it, all of the ordinary hour is new.
        let Attribution {
            licensed: new,
            unlicensed,
            ..
        } = if self.postings.is_empty() && attribution.is_apart() {
            attribution
        } else {
            let mut billed = self.replay(reports, !releases.is_empty())?;
            billed.release(releases);
            billed.take_new(attribution)
        };
        let mut unbillable = BTreeMap::new();
        for computer in &unlicensed {
            let reason = computer
                .first_protected
                .map_or(Unbillable::AgentOffline, |second| {
                    standing(standings, second)
                });
            *unbillable.entry(reason).or_default() += 1;
        }
        let same = new.is_empty() && unbillable == self.unbillable;
        if same && left.is_empty() && releases.is_empty() {
            return Ok(None);
        }
        Ok(Some(PostingPlan {
            posting: Posting {
                reports: added.iter().copied().cloned().collect(),
                links: links.to_vec(),
                releases: releases.to_vec(),
            },
            unbillable,
            new: new_lines(&new, catalog),
            leaves_reports: !left.is_empty(),
        }))
    }

    /// The reports that no posting names. One without a computer of this part,
    /// which only keeps its id taken, is none: it can bill nothing.
    fn new_reports<'a>(&self, reports: &'a Reports) -> Vec<&'a ReportId> {
        let known: BTreeSet<&ReportId> = self.postings.iter().flat_map(|p| &p.reports).collect();
        reports
            .iter()
            .filter(|(id, seen)| !seen.is_empty() && !known.contains(id))
            .map(|(id, _)| id)
            .collect()
    }

    /// How many computers of these reports the postings billed, and how many
    /// are left: the other side of conservation.
    ///
    /// # Errors
    /// [`ReplayError`] when a report that a posting used is missing.
    pub fn tally(&self, reports: &Reports) -> Result<Tally, ReplayError> {
        let mut billed = self.replay(reports, false)?;
        let unlinked = attribute(reports.values().flatten(), &[]);
        let left = billed.take_new(unlinked);
        Ok(Tally {
            billed: billed.len(),
            unbilled: left.unlicensed.len(),
        })
    }

    /// The computers that the stored postings billed, from which those of a
    /// license can be released if `releasable`.
    fn replay(&self, reports: &Reports, releasable: bool) -> Result<Billed, ReplayError> {
        if mutant!(PostedAtomsJudgedAgain) {
            return Ok(Billed::default());
        }
        let mut postings: Vec<Saw<'_>> = Vec::with_capacity(self.postings.len());
        for posting in &self.postings {
            let mut new = Vec::new();
            for id in &posting.reports {
                let missing = || ReplayError::ReportMissing(id.clone());
                new.extend(reports.get(id).ok_or_else(missing)?);
            }
            postings.push(Saw {
                new,
                links: &posting.links,
                releases: &posting.releases,
            });
        }
        Ok(replay(&postings, releasable))
    }

    /// The hour after the plan, its new lines going where `target` says for
    /// their license. The version is that of the write to come.
    #[must_use]
    pub fn posted(&self, plan: PostingPlan, target: &BTreeMap<LicenseId, Target>) -> Self {
        let mut after = self.clone();
        after.version += 1;
        after.unbillable = plan.unbillable;
        let releases = &plan.posting.releases;
        if plan.new.is_empty() && !plan.leaves_reports && releases.is_empty() {
            return after;
        }
        after.release_lines(releases);
        after.postings.push(plan.posting);
        if mutant!(PostedAtomsJudgedAgain) {
            after.lines.clear();
        }
        let mut new: Vec<Line> = plan
            .new
            .into_iter()
            .filter_map(|new| {
                Some(Line {
                    target: *target.get(&new.license)?,
                    license: new.license,
                    dimension: new.dimension,
                    cloud_account: new.cloud_account,
                    count: new.count,
                })
            })
            .collect();
        after.bound_names(&mut new);
        after.lines.append(&mut new);
        after.lines.sort_unstable();
        after.lines.dedup_by(|later, earlier| {
            let alike = later.is_counted_with(earlier);
            if alike {
                earlier.count = earlier.count.saturating_add(later.count);
            }
            alike
        });
        after
    }

    /// What lay in slots stays there as what was released; what went nowhere is gone.
    fn release_lines(&mut self, releases: &[LicenseId]) {
        self.lines.retain_mut(|line| match line.target {
            Target::Slot(slot) if releases.contains(&line.license) => {
                line.target = Target::Released(slot);
                true
            }
            Target::Slot(_) | Target::Released(_) => true,
            Target::WrittenOff(_) => !releases.contains(&line.license),
        });
    }

    /// Leaves out the cloud accounts for whose lines there is no room: those
    /// of the fewest computers.
    fn bound_names(&self, new: &mut [Line]) {
        let mut room = MOST_NAMED_BYTES.saturating_sub(self.named_bytes());
        if named_bytes(new.iter().map(|line| &line.cloud_account)) <= room {
            return;
        }
        new.sort_unstable_by(|a, b| b.count.cmp(&a.count).then_with(|| a.cmp(b)));
        for line in new {
            let bytes = named_bytes([&line.cloud_account]);
            if self.has_line_like(line) {
                continue;
            }
            match room.checked_sub(bytes) {
                Some(left) => room = left,
                None => line.cloud_account = None,
            }
        }
    }

    fn has_line_like(&self, new: &Line) -> bool {
        let place = self.lines.partition_point(|line| line < new);
        let around = [place.checked_sub(1), Some(place)].into_iter().flatten();
        let mut lines = around.filter_map(|place| self.lines.get(place));
        lines.any(|line| line.is_counted_with(new))
    }

    /// How many bytes the lines of cloud accounts take.
    pub fn named_bytes(&self) -> usize {
        named_bytes(self.lines.iter().map(|line| &line.cloud_account))
    }

    /// The entry of this account-hour in a license's slot: the total of its
    /// lines there, never what was added last.
    pub fn entry(&self, license: &LicenseId, slot: Hour) -> SlotEntry {
        SlotEntry {
            account: self.account.clone(),
            part: self.part,
            hour: self.hour,
            origin: slot,
            amounts: self
                .lines
                .iter()
                .filter(|line| line.license == *license && line.target.lies_in() == Some(slot))
                .map(|line| Amount {
                    dimension: line.dimension.clone(),
                    cloud_account: line.cloud_account.clone(),
                    count: line.count,
                })
                .collect(),
        }
    }
}

impl Target {
    /// The slot that the computer-hours first entered, if they entered one.
    pub const fn lies_in(self) -> Option<Hour> {
        match self {
            Self::Slot(slot) | Self::Released(slot) => Some(slot),
            Self::WrittenOff(_) => None,
        }
    }

    /// Whether the computer-hours were billed anew, and count in another line.
    pub const fn is_released(self) -> bool {
        match self {
            Self::Released(_) => true,
            Self::Slot(_) | Self::WrittenOff(_) => false,
        }
    }
}

impl Line {
    /// Whether another line is the same but for its count.
    fn is_counted_with(&self, other: &Self) -> bool {
        (self.target, &self.license) == (other.target, &other.license)
            && (&self.dimension, &self.cloud_account) == (&other.dimension, &other.cloud_account)
    }
}

fn named_bytes<'a>(cloud_accounts: impl IntoIterator<Item = &'a Option<CloudAccountId>>) -> usize {
    cloud_accounts.into_iter().flatten().map(share_len).sum()
}

fn standing(standings: &Standings, second: u16) -> Unbillable {
    standings
        .iter()
        .rev()
        .find(|(from, _)| *from <= second)
        .or_else(|| standings.first())
        .map_or(Unbillable::Expired, |(_, standing)| *standing)
}

fn new_lines(atoms: &[Atom<'_>], catalog: &Catalog) -> Vec<NewLine> {
    let mut counts: BTreeMap<(&LicenseId, Tier, Option<&CloudAccountId>), u32> = BTreeMap::new();
    for atom in atoms {
        *counts
            .entry((atom.license, atom.tier, atom.cloud_account))
            .or_default() += 1;
    }
    counts
        .into_iter()
        .map(|((license, tier, cloud_account), count)| NewLine {
            license: license.clone(),
            dimension: catalog.rate(tier).dimension.clone(),
            cloud_account: cloud_account.cloned(),
            count,
        })
        .collect()
}

#[cfg(test)]
mod large;
#[cfg(test)]
mod reference;
#[cfg(test)]
mod tests;
