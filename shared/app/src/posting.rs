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
use store::usage::{Cursor, Marker};

use crate::App;

pub use account_hour::PostingError;
pub(crate) use final_usage::last_hours;

/// How many shards' reports are listed at once.
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
    /// Closes every hour that ended 10 minutes ago, posts it, then posts what
    /// arrived late and the final usage of licenses that ended. Stops at `deadline`, to go on in the next run.
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
        while run.posted < closed && self.clock.now() < deadline {
            let hour = run.posted.next();
            let shards = behind(&cursors, now, hour);
            self.post_hour(&shards, hour, &mut run).await?;
            self.store.raise_posted(&shards, hour).await?;
            run.posted = hour;
        }
        for marker in &markers {
            if self.clock.now() < deadline {
                self.post_marked(marker, &mut run).await?;
            } else {
                run.next = now;
            }
        }
        self.post_final_usage(now, &mut run).await?;
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

    async fn post_hour(
        &self,
        shards: &[Shard],
        hour: Hour,
        run: &mut PostingRun,
    ) -> Result<(), StoreError> {
        let reported: Vec<_> = shards
            .iter()
            .map(|shard| self.store.reported_parts(*shard, hour))
            .collect();
        let parts: Vec<Vec<(AccountId, Part)>> = stream::iter(reported)
            .buffered(CONCURRENCY)
            .try_collect()
            .await?;
        for (account, part) in parts.into_iter().flatten() {
            run.account_hours += 1;
            let Err(error) = self.post_account_hour(&account, part, hour).await else {
                continue;
            };
            tracing::error!(
                account.id = %account,
                usage.part = part.0,
                usage.hour = %hour,
                error = &error as &dyn std::error::Error,
                "an account-hour could not be posted; a marker keeps it for a later run"
            );
            run.failed += 1;
            self.store
                .put_marker(&Marker {
                    account,
                    part,
                    hour,
                    nonce: self.nonce(),
                })
                .await?;
        }
        Ok(())
    }

    /// Posts what a marker names. It is deleted only after that, and only if
    /// no newer one took its place.
    async fn post_marked(&self, marker: &Marker, run: &mut PostingRun) -> Result<(), StoreError> {
        run.account_hours += 1;
        match self
            .post_account_hour(&marker.account, marker.part, marker.hour)
            .await
        {
            Ok(()) => {
                let _newer_stays = self.store.delete_marker(marker).await?;
            }
            Err(error) => {
                run.failed += 1;
                tracing::error!(
                    account.id = %marker.account,
                    usage.part = marker.part.0,
                    usage.hour = %marker.hour,
                    error = &error as &dyn std::error::Error,
                    "a late account-hour could not be posted; its marker stays"
                );
            }
        }
        Ok(())
    }
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
