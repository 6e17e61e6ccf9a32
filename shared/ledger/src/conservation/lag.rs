//! Whether posting keeps up: the shards' cursors and the late markers.

use domain::hour::after;
use domain::ledger::deadline::CLOSED_AFTER;

use super::{AccountHourKey, Check, Conservation, CursorFault, Difference, seconds_since};
use crate::step::StepError;

/// Longer than this nothing may be due to be posted, in seconds.
const MOST_LAG_SECONDS: u64 = 3_600;

impl Check<'_> {
    /// A cursor lags for as long as the hour after it has been closed. One that
    /// a clock ahead of ours raised does not.
    pub(super) async fn look_at_cursors(&self, result: &mut Conservation) -> Result<(), StepError> {
        let cursors = self.steps.cursors().await?;
        let unreadable = cursors.unreadable.into_iter();
        unreadable.for_each(|item| result.differences.insert(Difference::Unreadable(item)));
        for (shard, cursor) in cursors.by_shard {
            let Some(cursor) = cursor else {
                let fault = CursorFault::Missing;
                result
                    .differences
                    .insert(Difference::Cursor { shard, fault });
                continue;
            };
            let due = after(cursor.posted.next().end(), CLOSED_AFTER);
            let lag_seconds = seconds_since(due, self.now);
            result.cursor_lag_seconds = result.cursor_lag_seconds.max(lag_seconds);
            if lag_seconds > MOST_LAG_SECONDS {
                let fault = CursorFault::Lags {
                    posted: cursor.posted,
                    lag_seconds,
                };
                result
                    .differences
                    .insert(Difference::Cursor { shard, fault });
            }
        }
        Ok(())
    }

    /// A marker lags since it was put, but not before its hour closed.
    pub(super) async fn look_at_markers(&self, result: &mut Conservation) -> Result<(), StepError> {
        let markers = self.steps.markers().await?;
        let unreadable = markers.unreadable.into_iter();
        unreadable.for_each(|item| result.differences.insert(Difference::Unreadable(item)));
        for marker in markers.items {
            let due = after(marker.hour.end(), CLOSED_AFTER).max(marker.put_at);
            let lag_seconds = seconds_since(due, self.now);
            result.marker_lag_seconds = result.marker_lag_seconds.max(lag_seconds);
            if lag_seconds > MOST_LAG_SECONDS {
                let of = AccountHourKey {
                    account: marker.account,
                    part: marker.part,
                    hour: marker.hour,
                };
                result
                    .differences
                    .insert(Difference::MarkerLags { of, lag_seconds });
            }
        }
        Ok(())
    }
}
