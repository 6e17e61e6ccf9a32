//! Accounts too large for one part: more parts, from an hour well ahead. Until
//! then an account-hour holds what it has to in one: any number of computers,
//! and as many cloud accounts as it has room for by name.

use std::num::NonZeroU16;

use domain::account::Account;
use domain::change::Change;
use domain::hour::Hour;
use domain::ledger::account_hour::MOST_NAMED_BYTES;
use domain::usage::Part;
use jiff::Timestamp;

use super::Poster;
use crate::notice::Notice;
use crate::step::{StepError, Written};

/// The new number of parts holds from this many hours ahead: two at least, so
/// that every recorder and poster of an hour agrees on the number it began with.
const HOURS_AHEAD: i32 = 3;

/// How many bytes the lines of cloud accounts take in one part before the
/// account gets more parts: half of the room, so that usage may double before
/// any is counted without its cloud account.
const NAMED_BYTES_PER_PART: usize = MOST_NAMED_BYTES / 2;

/// What one part of an account-hour has to hold.
#[derive(Debug, Clone, Copy)]
pub(super) struct Load {
    /// Computers, as often as they were reported.
    pub(super) computers: usize,
    /// Bytes that its lines of cloud accounts would take, each by name.
    pub(super) named_bytes: usize,
}

impl Poster<'_> {
    /// Divides an account into more parts when one of them held more computers
    /// or cloud accounts than it should. Should another change of the account win, the next hour
    /// will ask again.
    pub(super) async fn divide(
        &self,
        account: &Account,
        hour: Hour,
        load: Load,
        now: Timestamp,
    ) -> Result<(), StepError> {
        let by_computers = load.computers.div_ceil(self.rules.computers_per_part);
        let by_bytes = load.named_bytes.div_ceil(NAMED_BYTES_PER_PART);
        let times = by_computers.max(by_bytes);
        let from = Hour::of(now).plus(HOURS_AHEAD);
        let present = account.parts.count_at(hour);
        if times <= 1 || account.parts.count_at(from) > present {
            return Ok(());
        }
        let times = u16::try_from(times).unwrap_or(u16::MAX);
        let count = present.get().saturating_mul(times);
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
