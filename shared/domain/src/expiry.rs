//! What the clock alone does: the end of trials, graces, annual subscriptions,
//! and of the time in which a deleted account can be restored; and reminders
//! before a trial and a grace end.
//!
//! The state is expired from its end on, whoever asks ([`Account::state_at`]).
//! This only records it, audits it and tells the outside. A timer that comes
//! late, twice, or for an older grace finds nothing due and changes nothing.

use jiff::Timestamp;

use crate::account::{Account, AccountState};
use crate::audit::{Actor, AuditAction};
use crate::change::{Change, Decision};
use crate::outbound::OutboundEvent;

/// Records what fell due for an account by `now`: an end, or a reminder of one.
/// Of reminders that were missed only the last is given.
pub fn decide_due(account: &Account, now: Timestamp) -> Decision<Change> {
    let (recorded, Some(since)) = account.caught_up(now) else {
        return reminder(account, now);
    };
    let mut change = Change::default();
    audit_lapse(&mut change, account, now);
    change.put_account(recorded, since);
    Decision::Commit(change)
}

fn reminder(account: &Account, now: Timestamp) -> Decision<Change> {
    let Some(reminded) = account.reminded(now) else {
        return Decision::AlreadyCommitted;
    };
    let (id, version) = (account.id.clone(), account.version.saturating_add(1));
    let event = match account.state {
        AccountState::Trial { ends_at } => OutboundEvent::TrialEnding {
            account: id,
            version,
            ends_at,
            at: now,
        },
        AccountState::Grace { ends_at, .. } => OutboundEvent::GraceEnding {
            account: id,
            version,
            ends_at,
            at: now,
        },
        AccountState::Subscribed(_)
        | AccountState::Expired { .. }
        | AccountState::Suspended { .. }
        | AccountState::Purged { .. } => return Decision::AlreadyCommitted,
    };
    let mut change = Change::default();
    change.outbound.push(event);
    change.accounts.push(reminded);
    Decision::Commit(change)
}

/// Audits what the clock did to an account by `now`, if it did anything.
pub(crate) fn audit_lapse(change: &mut Change, account: &Account, now: Timestamp) {
    let (recorded, Some(since)) = account.caught_up(now) else {
        return;
    };
    let action = match recorded.state {
        AccountState::Expired { cause, .. } => AuditAction::Expired { cause },
        AccountState::Purged { .. } => AuditAction::Purged,
        AccountState::Trial { .. }
        | AccountState::Subscribed(_)
        | AccountState::Grace { .. }
        | AccountState::Suspended { .. } => return,
    };
    change.audit_account(&account.id, &Actor::Clock, since, action);
}
