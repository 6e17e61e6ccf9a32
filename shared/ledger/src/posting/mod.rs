//! Posting: closing hours and putting their usage onto slots.
//!
//! Everything here may be repeated from any crash, by any number of posters at
//! once: cursors are only raised, account-hours and entries are set to totals
//! on the version they were decided on, and a marker is deleted only if it is
//! the one that was there before the posting.

mod account_hour;
mod final_usage;
mod parts;
mod releasing;
mod target;

use std::collections::BTreeMap;

use domain::hour::{Hour, after, before};
use domain::ids::AccountId;
use domain::ledger::controls::Controls;
use domain::ledger::deadline::CLOSED_AFTER;
use domain::mutant;
use domain::usage::{Part, Shard};
use futures_util::stream::{self, StreamExt, TryStreamExt};
use jiff::{SignedDuration, Timestamp};

use crate::notice::{Notice, chain};
use crate::rules::Rules;
use crate::step::{AccountPart, Cursor, Edge, Listed, Marker, StepError, Written};
use crate::steps::Steps;

use releasing::Refused;

pub use account_hour::PostingError;
pub use final_usage::{begin_final_usage, post_linked_late};
pub(crate) use target::{FirstOpen, first_open, terms};

/// How many shards' reports are listed, or account-hours posted, at once.
const CONCURRENCY: usize = 8;

/// Where a shard without a cursor starts: this many hours before its first run.
const STARTS_HOURS_BACK: i32 = 48;

/// The most shards of one transaction (DynamoDB).
const SHARDS_AT_ONCE: usize = 100;

/// Time until a run that left something behind is due again.
const AGAIN_AFTER: SignedDuration = SignedDuration::from_mins(1);

/// The cursor of every shard.
type Cursors = BTreeMap<Shard, Option<Cursor>>;

/// What a run of [`post_due`] did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PostingRun {
    /// Account-hours looked at.
    pub account_hours: usize,
    /// Account-hours that failed or have to wait, which a marker makes a later
    /// run post, and items that could not be read.
    pub failed: usize,
    /// Up to which hour every shard is posted.
    pub posted: Hour,
    /// When there is something to do next, as far as this run knows.
    pub next: Timestamp,
}

/// What a run works with.
struct Poster<'a> {
    steps: &'a Steps,
    rules: &'a Rules,
    controls: Controls,
    deadline: Timestamp,
}

/// Posts the final usage of licenses that ended, then closes and posts every
/// hour that ended 10 minutes ago, then posts what arrived late. Begins
/// nothing after `deadline`; the next run goes on.
///
/// # Errors
/// [`StepError`] when the operator's decisions, the cursors or an hour's reports
/// cannot be read or raised. An account-hour that fails, or an item that cannot
/// be read, is not an error of the run.
pub async fn post_due(
    steps: &Steps,
    rules: &Rules,
    deadline: Timestamp,
) -> Result<PostingRun, StepError> {
    let poster = Poster {
        steps,
        rules,
        controls: steps.controls().await?,
        deadline,
    };
    // After a first answer, whose date sets a function's clock right.
    let now = steps.now();
    let closed = Hour::of(before(now, CLOSED_AFTER)).previous();
    let read = steps.cursors().await?;
    let unreadable = steps.tell_unreadable(read.unreadable);
    let cursors = read.by_shard;
    let markers = steps.markers().await?;
    let unreadable = unreadable + steps.tell_unreadable(markers.unreadable);
    if !mutant!(ListedBeforeSealed) {
        poster.seal(&cursors, now, closed).await?;
    }
    let mut run = PostingRun {
        account_hours: 0,
        failed: unreadable,
        posted: first_posted(&cursors, now),
        next: after(closed.next().end(), CLOSED_AFTER),
    };
    poster.post_final_usage(&mut run).await?;
    if mutant!(OnlyTheNewestHour) {
        run.posted = run.posted.max(closed.previous());
    }
    while run.posted < closed && steps.now() < deadline {
        let hour = run.posted.next();
        let shards = behind(&cursors, now, hour);
        let went_on = poster.post_hour(shards, hour, &mut run).await?;
        if mutant!(HoursCloseOnlyWithTraffic) && !went_on {
            break;
        }
        run.posted = hour;
    }
    if mutant!(ListedBeforeSealed) {
        poster.seal(&cursors, now, closed).await?;
    }
    poster.mark_posted_too_early(&cursors, closed).await?;
    poster.post_marked(markers.items, closed, &mut run).await?;
    if run.failed > 0 || run.posted < closed {
        run.next = after(now, AGAIN_AFTER);
    }
    Ok(run)
}

/// Starts the ledger's cursors at the running hour instead of 48 h before:
/// for tables that were made just now, in which no report can be.
///
/// # Errors
/// [`StepError`] when a cursor cannot be written.
pub async fn start_cursors(steps: &Steps) -> Result<(), StepError> {
    let before = Hour::of(steps.now()).previous();
    raise(steps, Edge::Sealed, Shard::all().collect(), before, before).await
}

/// Raises all of them in one transaction; should another poster have raised
/// one, each by itself, for which that is no hindrance.
async fn raise(
    steps: &Steps,
    edge: Edge,
    shards: Vec<Shard>,
    hour: Hour,
    posted_before: Hour,
) -> Result<(), StepError> {
    for chunk in shards.chunks(SHARDS_AT_ONCE) {
        let raised = steps
            .raise_cursors(edge, chunk.to_vec(), hour, posted_before)
            .await?;
        if raised == Written::Committed || chunk.len() == 1 {
            continue;
        }
        for shard in chunk {
            let _already_there = steps
                .raise_cursors(edge, vec![*shard], hour, posted_before)
                .await?;
        }
    }
    Ok(())
}

impl Poster<'_> {
    /// Seals before anything is listed: a report stored after the list must
    /// find its hour sealed.
    async fn seal(&self, cursors: &Cursors, now: Timestamp, closed: Hour) -> Result<(), StepError> {
        let open = cursors
            .iter()
            .filter(|(_, cursor)| cursor.is_none_or(|cursor| cursor.sealed < closed))
            .map(|(shard, _)| *shard)
            .collect();
        raise(self.steps, Edge::Sealed, open, closed, start(now)).await
    }

    /// Posts an hour shard by shard, so that every shard that is done stays
    /// done. Shards without reports are raised together. Whether there were any.
    async fn post_hour(
        &self,
        shards: Vec<Shard>,
        hour: Hour,
        run: &mut PostingRun,
    ) -> Result<bool, StepError> {
        let reported: Vec<_> = shards
            .iter()
            .map(|shard| self.steps.reported_parts(*shard, hour))
            .collect();
        let listed: Vec<Listed<AccountPart>> = stream::iter(reported)
            .buffered(CONCURRENCY)
            .try_collect()
            .await?;
        let mut reported = Vec::with_capacity(listed.len());
        for parts in listed {
            run.failed += self.steps.tell_unreadable(parts.unreadable);
            reported.push(parts.items);
        }
        let (busy, empty): (Vec<_>, Vec<_>) = shards
            .into_iter()
            .zip(reported)
            .partition(|(_, parts)| !parts.is_empty());
        let empty: Vec<Shard> = empty.into_iter().map(|(shard, _)| shard).collect();
        if mutant!(HoursCloseOnlyWithTraffic) && busy.is_empty() {
            return Ok(false);
        }
        raise(self.steps, Edge::Posted, empty, hour, hour).await?;
        for (shard, parts) in busy {
            if mutant!(PostedRaisedFirst) {
                raise(self.steps, Edge::Posted, vec![shard], hour, hour).await?;
            }
            self.post_parts(parts, hour, run).await?;
            raise(self.steps, Edge::Posted, vec![shard], hour, hour).await?;
        }
        Ok(true)
    }

    /// Posts account-hours of one hour. One that fails, or for which the time
    /// did not suffice, gets a marker: it does not hold up its shard.
    async fn post_parts(
        &self,
        parts: Vec<AccountPart>,
        hour: Hour,
        run: &mut PostingRun,
    ) -> Result<(), StepError> {
        run.account_hours += parts.len();
        let posting: Vec<_> = parts
            .into_iter()
            .map(|(account, part)| self.post_or_mark(account, part, hour))
            .collect();
        run.failed += count_left(posting).await?;
        Ok(())
    }

    async fn post_or_mark(
        &self,
        account: AccountId,
        part: Part,
        hour: Hour,
    ) -> Result<bool, StepError> {
        if self.steps.now() < self.deadline {
            let posted = self.post_account_hour(&account, part, hour, Refused::Stays);
            let Err(error) = posted.await else {
                return Ok(true);
            };
            self.failed(&account, part, hour, &error);
        }
        if mutant!(FailedHourPassedOver) {
            return Ok(false);
        }
        let marker = Marker::fresh(self.steps, account, part, hour);
        self.steps.put_marker(marker).await?;
        Ok(false)
    }

    /// A cursor that is ahead of our clock was raised by a poster whose clock
    /// was wrong, by it or by us: what it posted of an hour that has not closed
    /// may lack links that are still to come, and is posted again when it has.
    async fn mark_posted_too_early(
        &self,
        cursors: &Cursors,
        closed: Hour,
    ) -> Result<(), StepError> {
        for (shard, cursor) in cursors {
            let mut hour = closed.next();
            while cursor.is_some_and(|cursor| hour <= cursor.posted) {
                let reported = self.steps.reported_parts(*shard, hour).await?;
                for (account, part) in reported.items {
                    let marker = Marker::fresh(self.steps, account, part, hour);
                    self.steps.put_marker(marker).await?;
                }
                hour = hour.next();
            }
        }
        Ok(())
    }

    /// Posts what markers name. Each is deleted only after that, and only if
    /// no newer one took its place. One of an hour that has not closed by our
    /// clock stays: its last minutes' links are still to come.
    async fn post_marked(
        &self,
        markers: Vec<Marker>,
        closed: Hour,
        run: &mut PostingRun,
    ) -> Result<(), StepError> {
        run.account_hours += markers.len();
        let posting: Vec<_> = markers
            .into_iter()
            .filter(|marker| marker.hour <= closed)
            .map(|marker| self.post_and_unmark(marker))
            .collect();
        run.failed += count_left(posting).await?;
        Ok(())
    }

    async fn post_and_unmark(&self, marker: Marker) -> Result<bool, StepError> {
        if self.steps.now() >= self.deadline {
            return Ok(false);
        }
        if mutant!(MarkerDeletedBeforePosting) {
            let _ = self.steps.delete_marker(marker.clone()).await?;
        }
        let posted = self
            .post_account_hour(&marker.account, marker.part, marker.hour, Refused::Stays)
            .await;
        if let Err(error) = posted {
            self.failed(&marker.account, marker.part, marker.hour, &error);
            return Ok(false);
        }
        let _newer_stays = self.steps.delete_marker(marker).await?;
        Ok(true)
    }

    fn failed(&self, account: &AccountId, part: Part, hour: Hour, error: &PostingError) {
        if error.only_waits() {
            return;
        }
        self.steps.tell(Notice::AccountHourFailed {
            account: account.clone(),
            part,
            hour,
            failure: error.kind(),
            reason: chain(error),
        });
    }
}

/// Runs postings a few at once; how many were left for a later run.
async fn count_left(
    postings: Vec<impl Future<Output = Result<bool, StepError>>>,
) -> Result<usize, StepError> {
    let posted: Vec<bool> = stream::iter(postings)
        .buffer_unordered(CONCURRENCY)
        .try_collect()
        .await?;
    Ok(posted.iter().filter(|posted| !**posted).count())
}

fn start(now: Timestamp) -> Hour {
    Hour::of(now).plus(-STARTS_HOURS_BACK - 1)
}

fn posted(cursor: Option<Cursor>, now: Timestamp) -> Hour {
    cursor.map_or_else(|| start(now), |cursor| cursor.posted)
}

/// The hour up to which every shard is posted.
fn first_posted(cursors: &Cursors, now: Timestamp) -> Hour {
    cursors
        .values()
        .map(|cursor| posted(*cursor, now))
        .min()
        .unwrap_or_else(|| start(now))
}

/// The shards for which this hour is the next to be posted, or was missed.
fn behind(cursors: &Cursors, now: Timestamp, hour: Hour) -> Vec<Shard> {
    cursors
        .iter()
        .filter(|(_, cursor)| posted(**cursor, now) < hour)
        .map(|(shard, _)| *shard)
        .collect()
}
