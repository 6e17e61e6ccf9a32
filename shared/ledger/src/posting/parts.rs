//! Accounts too large for one partition: more parts, from an hour well ahead.

use std::num::NonZeroU16;

use domain::account::Account;
use domain::change::Change;
use domain::hour::Hour;
use domain::usage::Part;
use jiff::Timestamp;

use super::Poster;
use crate::notice::Notice;
use crate::step::{StepError, Written};

/// The new number of parts holds from this many hours ahead: two at least, so
/// that every recorder and poster of an hour agrees on the number it began with.
const HOURS_AHEAD: i32 = 3;

impl Poster<'_> {
    /// Divides an account into more parts when one of them held more computers
    /// than it should. Should another change of the account win, the next hour
    /// will ask again.
    pub(super) async fn divide(
        &self,
        account: &Account,
        hour: Hour,
        computers: usize,
        now: Timestamp,
    ) -> Result<(), StepError> {
        let most = self.rules.computers_per_part;
        let from = Hour::of(now).plus(HOURS_AHEAD);
        let present = account.parts.count_at(hour);
        if computers <= most || account.parts.count_at(from) > present {
            return Ok(());
        }
        let times = u16::try_from(computers.div_ceil(most)).unwrap_or(u16::MAX);
        let count = present.get().saturating_mul(times.max(2));
        let Some(count) = NonZeroU16::new(count.min(Part::MOST)).filter(|n| *n > present) else {
            return Ok(());
        };
        let Ok(parts) = account.parts.changed(from, count, now) else {
            return Ok(());
        };
        let change = Change {
            accounts: vec![Account {
                parts,
                ..account.clone()
            }],
            ..Change::default()
        };
        if self.steps.commit(change).await? == Written::Committed {
            self.steps.tell(Notice::PartsChanged {
                account: account.id.clone(),
                from,
                parts: count.get(),
            });
        }
        Ok(())
    }
}
