//! Posting: closing hours and putting their usage onto slots.
//!
//! Everything here may be repeated from any crash, by any number of posters at
//! once: cursors are only raised, account-hours and entries are set to totals
//! on the version they were decided on, and a marker is deleted only if it is
//! the one that was there before the posting.

mod account_hour;
mod final_usage;
mod target;

use std::collections::BTreeMap;

use domain::hour::{Hour, after, before};
use domain::ids::AccountId;
use domain::ledger::deadline::CLOSED_AFTER;
use domain::usage::{Part, Shard};
use futures_util::stream::{self, StreamExt, TryStreamExt};
use jiff::{SignedDuration, Timestamp};
use store::StoreError;
use store::usage::{AccountPart, Cursor, Marker};

use crate::{App, Chain};

pub use account_hour::PostingError;
pub(crate) use final_usage::last_hours;

/// How many shards' reports are listed, or account-hours posted, at once.
const CONCURRENCY: usize = 8;

/// Where a shard without a cursor starts: this many hours before its first run.
const STARTS_HOURS_BACK: i32 = 48;

/// Time until a run that left something behind is due again.
const AGAIN_AFTER: SignedDuration = SignedDuration::from_mins(1);

/// The cursor of every shard.
type Cursors = BTreeMap<Shard, Option<Cursor>>;

/// What a run of [`App::post_due`] did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PostingRun {
    /// Account-hours looked at.
    pub account_hours: usize,
    /// Account-hours that failed; a marker makes a later run post them.
    pub failed: usize,
    /// Up to which hour every shard is posted.
    pub posted: Hour,
    /// When there is something to do next, as far as this run knows.
    pub next: Timestamp,
}

impl App {
    /// Posts the final usage of licenses that ended, then closes and posts every
    /// hour that ended 10 minutes ago, then posts what arrived late. Begins
    /// nothing after `deadline`; the next run goes on.
    ///
    /// # Errors
    /// [`StoreError`] when a cursor or an hour's reports cannot be read or
    /// raised. An account-hour that fails is not an error of the run.
    pub async fn post_due(&self, deadline: Timestamp) -> Result<PostingRun, StoreError> {
        let now = self.clock.now();
        let closed = Hour::of(before(now, CLOSED_AFTER)).previous();
        let cursors = self.store.cursors().await?;
        let markers = self.store.markers().await?;
        self.seal(&cursors, now, closed).await?;

        let mut run = PostingRun {
            account_hours: 0,
            failed: 0,
            posted: first_posted(&cursors, now),
            next: after(closed.next().end(), CLOSED_AFTER),
        };
        self.post_final_usage(deadline, &mut run).await?;
        while run.posted < closed && self.clock.now() < deadline {
            let hour = run.posted.next();
            let shards = behind(&cursors, now, hour);
            self.post_hour(shards, hour, deadline, &mut run).await?;
            run.posted = hour;
        }
        self.post_marked(markers, deadline, &mut run).await?;
        if run.failed > 0 || run.posted < closed {
            run.next = after(now, AGAIN_AFTER);
        }
        Ok(run)
    }

    /// Starts the ledger's cursors at the running hour instead of 48 h before:
    /// for tables that were made just now, in which no report can be.
    ///
    /// # Errors
    /// [`StoreError`] when a cursor cannot be written.
    pub async fn start_cursors(&self) -> Result<(), StoreError> {
        let shards: Vec<Shard> = Shard::all().collect();
        let before = Hour::of(self.clock.now()).previous();
        self.store.seal(&shards, before, before).await
    }

    /// Seals before anything is listed: a report stored after the list must
    /// find its hour sealed.
    async fn seal(
        &self,
        cursors: &Cursors,
        now: Timestamp,
        closed: Hour,
    ) -> Result<(), StoreError> {
        let open: Vec<Shard> = cursors
            .iter()
            .filter(|(_, cursor)| cursor.is_none_or(|cursor| cursor.sealed < closed))
            .map(|(shard, _)| *shard)
            .collect();
        self.store.seal(&open, closed, start(now)).await
    }

    /// Posts an hour shard by shard, so that every shard that is done stays
    /// done. Shards without reports are raised together.
    async fn post_hour(
        &self,
        shards: Vec<Shard>,
        hour: Hour,
        deadline: Timestamp,
        run: &mut PostingRun,
    ) -> Result<(), StoreError> {
        let reported: Vec<_> = shards
            .iter()
            .map(|shard| self.store.reported_parts(*shard, hour))
            .collect();
        let reported: Vec<Vec<AccountPart>> = stream::iter(reported)
            .buffered(CONCURRENCY)
            .try_collect()
            .await?;
        let (busy, empty): (Vec<_>, Vec<_>) = shards
            .into_iter()
            .zip(reported)
            .partition(|(_, parts)| !parts.is_empty());
        let empty: Vec<Shard> = empty.into_iter().map(|(shard, _)| shard).collect();
        self.store.raise_posted(&empty, hour).await?;
        for (shard, parts) in busy {
            self.post_parts(parts, hour, deadline, run).await?;
            self.store.raise_posted(&[shard], hour).await?;
        }
        Ok(())
    }

    /// Posts account-hours of one hour. One that fails, or for which the time
    /// did not suffice, gets a marker: it does not hold up its shard.
    async fn post_parts(
        &self,
        parts: Vec<AccountPart>,
        hour: Hour,
        deadline: Timestamp,
        run: &mut PostingRun,
    ) -> Result<(), StoreError> {
        run.account_hours += parts.len();
        let posting: Vec<_> = parts
            .into_iter()
            .map(|(account, part)| self.post_or_mark(account, part, hour, deadline))
            .collect();
        run.failed += count_left(posting).await?;
        Ok(())
    }

    async fn post_or_mark(
        &self,
        account: AccountId,
        part: Part,
        hour: Hour,
        deadline: Timestamp,
    ) -> Result<bool, StoreError> {
        if self.clock.now() < deadline {
            let Err(error) = self.post_account_hour(&account, part, hour).await else {
                return Ok(true);
            };
            tracing::error!(
                account.id = %account,
                usage.part = part.0,
                usage.hour = %hour,
                error = %Chain(&error),
                "an account-hour could not be posted; a marker keeps it for a later run"
            );
        }
        let marker = Marker {
            account,
            part,
            hour,
            nonce: self.nonce(),
        };
        self.store.put_marker(&marker).await?;
        Ok(false)
    }

    /// Posts what markers name. Each is deleted only after that, and only if
    /// no newer one took its place.
    async fn post_marked(
        &self,
        markers: Vec<Marker>,
        deadline: Timestamp,
        run: &mut PostingRun,
    ) -> Result<(), StoreError> {
        run.account_hours += markers.len();
        let posting: Vec<_> = markers
            .into_iter()
            .map(|marker| self.post_and_unmark(marker, deadline))
            .collect();
        run.failed += count_left(posting).await?;
        Ok(())
    }

    async fn post_and_unmark(
        &self,
        marker: Marker,
        deadline: Timestamp,
    ) -> Result<bool, StoreError> {
        if self.clock.now() >= deadline {
            return Ok(false);
        }
        let posted = self
            .post_account_hour(&marker.account, marker.part, marker.hour)
            .await;
        if let Err(error) = posted {
            tracing::error!(
                account.id = %marker.account,
                usage.part = marker.part.0,
                usage.hour = %marker.hour,
                error = %Chain(&error),
                "a late account-hour could not be posted; its marker stays"
            );
            return Ok(false);
        }
        let _newer_stays = self.store.delete_marker(&marker).await?;
        Ok(true)
    }
}

/// Runs postings a few at once; how many were left for a later run.
async fn count_left(
    postings: Vec<impl Future<Output = Result<bool, StoreError>>>,
) -> Result<usize, StoreError> {
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
