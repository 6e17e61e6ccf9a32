//! Posting an account's hour: from reports and links to lines.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::catalog::Catalog;
use crate::hour::Hour;
use crate::ids::{AccountId, CloudAccountId, Dimension, LicenseId, ReportId};
use crate::ledger::attribution::{Atom, Attribution, Billed, LinkedSpan, attribute};
use crate::ledger::slot::{Amount, SlotEntry};
use crate::mutant;
use crate::tiers::Tier;
use crate::usage::{Observation, Part};

/// The reports of one account-hour, by id.
pub type Reports = BTreeMap<ReportId, Vec<Observation>>;

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
    /// license and tier for ever.
    pub postings: Vec<Posting>,
    /// What the postings billed.
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
    /// hour would stay as it is.
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
        let attribution = attribute(reports.values().flatten(), links);
        // Without a posting before it, all of the ordinary hour is new.
        let Attribution {
            licensed: new,
            unlicensed,
            ..
        } = if self.postings.is_empty() && attribution.is_apart() {
            attribution
        } else {
            self.replay(reports)?.take_new(attribution)
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
        if new.is_empty() && unbillable == self.unbillable {
            return Ok(None);
        }
        let known: BTreeSet<&ReportId> = self.postings.iter().flat_map(|p| &p.reports).collect();
        Ok(Some(PostingPlan {
            posting: Posting {
                reports: reports
                    .keys()
                    .filter(|id| !known.contains(id))
                    .cloned()
                    .collect(),
                links: links.to_vec(),
            },
            unbillable,
            new: new_lines(&new, catalog),
        }))
    }

    /// How many computers of these reports the postings billed, and how many
    /// are left: the other side of conservation.
    ///
    /// # Errors
    /// [`ReplayError`] when a report that a posting used is missing.
    pub fn tally(&self, reports: &Reports) -> Result<Tally, ReplayError> {
        let mut billed = self.replay(reports)?;
        let unlinked = attribute(reports.values().flatten(), &[]);
        let left = billed.take_new(unlinked);
        Ok(Tally {
            billed: billed.len(),
            unbilled: left.unlicensed.len(),
        })
    }

    /// The computers that the stored postings billed.
    fn replay(&self, reports: &Reports) -> Result<Billed, ReplayError> {
        let mut billed = Billed::default();
        if mutant!(PostedAtomsJudgedAgain) {
            return Ok(billed);
        }
        let mut seen: Vec<&Vec<Observation>> = Vec::new();
        for posting in &self.postings {
            for id in &posting.reports {
                let report = reports
                    .get(id)
                    .ok_or_else(|| ReplayError::ReportMissing(id.clone()))?;
                seen.push(report);
            }
            billed.take_new(attribute(seen.iter().copied().flatten(), &posting.links));
        }
        Ok(billed)
    }

    /// The hour after the plan, its new lines going where `target` says for
    /// their license. The version is that of the write to come.
    #[must_use]
    pub fn posted(&self, plan: PostingPlan, target: &BTreeMap<LicenseId, Target>) -> Self {
        let mut after = self.clone();
        after.version += 1;
        after.unbillable = plan.unbillable;
        if plan.new.is_empty() {
            return after;
        }
        after.postings.push(plan.posting);
        if mutant!(PostedAtomsJudgedAgain) {
            after.lines.clear();
        }
        for new in plan.new {
            let Some(target) = target.get(&new.license) else {
                continue;
            };
            let existing = after.lines.iter_mut().find(|line| {
                line.license == new.license
                    && line.target == *target
                    && line.dimension == new.dimension
                    && line.cloud_account == new.cloud_account
            });
            match existing {
                Some(line) => line.count = line.count.saturating_add(new.count),
                None => after.lines.push(Line {
                    license: new.license,
                    target: *target,
                    dimension: new.dimension,
                    cloud_account: new.cloud_account,
                    count: new.count,
                }),
            }
        }
        after
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
                .filter(|line| line.license == *license && line.target == Target::Slot(slot))
                .map(|line| Amount {
                    dimension: line.dimension.clone(),
                    cloud_account: line.cloud_account.clone(),
                    count: line.count,
                })
                .collect(),
        }
    }
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
mod reference;
#[cfg(test)]
mod tests;
