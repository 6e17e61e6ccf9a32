//! Posting: closing hours and putting their usage onto slots.
//!
//! Everything here may be repeated from any crash, by any number of posters at
//! once: cursors are only raised, account-hours and entries are set to totals
//! on the version they were decided on, and a marker is deleted only if it is
//! the one that was there before the posting.

mod account_hour;
mod target;

use domain::hour::{Hour, after, before};
use domain::ids::AccountId;
use domain::ledger::deadline::CLOSED_AFTER;
use domain::usage::{Part, Shard};
use futures_util::stream::{self, StreamExt, TryStreamExt};
use jiff::{SignedDuration, Timestamp};
use store::StoreError;
use store::usage::{Marker, ShardState};

use crate::App;

pub use account_hour::PostingError;

/// How many shards are looked at at once.
const CONCURRENCY: usize = 16;

/// Where a shard without a cursor starts: this many hours before its first run.
const STARTS_HOURS_BACK: i32 = 48;

/// Time until a run that left something behind is due again.
const AGAIN_AFTER: SignedDuration = SignedDuration::from_mins(1);

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
    /// arrived late. Stops at `deadline`, to go on in the next run.
    ///
    /// # Errors
    /// [`StoreError`] when a cursor or an hour's reports cannot be read or
    /// raised. An account-hour that fails is not an error of the run.
    pub async fn post_due(&self, deadline: Timestamp) -> Result<PostingRun, StoreError> {
        let now = self.clock.now();
        let closed = Hour::of(before(now, CLOSED_AFTER)).previous();
        let states = self.shard_states().await?;
        self.seal(&states, now, closed).await?;

        let mut run = PostingRun {
            account_hours: 0,
            failed: 0,
            posted: first_posted(&states, now),
            next: after(closed.next().end(), CLOSED_AFTER),
        };
        while run.posted < closed && self.clock.now() < deadline {
            let hour = run.posted.next();
            let shards = behind(&states, now, hour);
            self.post_hour(&shards, hour, &mut run).await?;
            self.store.raise_posted(&shards, hour).await?;
            run.posted = hour;
        }
        for (_, state) in states {
            for marker in state.markers {
                if self.clock.now() < deadline {
                    self.post_marked(&marker, &mut run).await?;
                } else {
                    run.next = now;
                }
            }
        }
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

    async fn shard_states(&self) -> Result<Vec<(Shard, ShardState)>, StoreError> {
        stream::iter(Shard::all())
            .map(|shard| async move { Ok((shard, self.store.shard_state(shard).await?)) })
            .buffered(CONCURRENCY)
            .try_collect()
            .await
    }

    /// Seals before anything is listed: a report stored after the list must
    /// find its hour sealed.
    async fn seal(
        &self,
        states: &[(Shard, ShardState)],
        now: Timestamp,
        closed: Hour,
    ) -> Result<(), StoreError> {
        let open: Vec<Shard> = states
            .iter()
            .filter(|(_, state)| state.cursor.is_none_or(|cursor| cursor.sealed < closed))
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
        let parts: Vec<Vec<(AccountId, Part)>> = stream::iter(shards)
            .map(|shard| self.store.reported_parts(*shard, hour))
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

fn posted(state: &ShardState, now: Timestamp) -> Hour {
    state
        .cursor
        .map_or_else(|| start(now), |cursor| cursor.posted)
}

/// The hour up to which every shard is posted.
fn first_posted(states: &[(Shard, ShardState)], now: Timestamp) -> Hour {
    states
        .iter()
        .map(|(_, state)| posted(state, now))
        .min()
        .unwrap_or_else(|| start(now))
}

/// The shards for which this hour is the next to be posted, or was missed.
fn behind(states: &[(Shard, ShardState)], now: Timestamp, hour: Hour) -> Vec<Shard> {
    states
        .iter()
        .filter(|(_, state)| posted(state, now) < hour)
        .map(|(shard, _)| *shard)
        .collect()
}
