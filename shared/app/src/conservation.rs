//! What the check of conservation found, in the log: each difference is an alarm.

use ledger::conservation::{AccountHourKey, CursorFault, Difference, SlotFault};
use ledger::step::Unreadable;

/// Logs a difference.
pub(crate) fn log(difference: &Difference) {
    match difference {
        Difference::AccountHour { of, fault } => {
            of_account_hour("AccountHourDiffers", of, fault);
        }
        Difference::Entry {
            of,
            license,
            slot,
            fault,
        } => tracing::error!(
            alarm = "EntryDiffers",
            account.id = %of.account,
            usage.part = of.part.0,
            usage.hour = %of.hour,
            license.id = %license,
            usage.slot = %slot,
            error = %fault,
            "what an account-hour put into a slot is not what lies there"
        ),
        Difference::License {
            license,
            dimension,
            hour,
            account,
            lines,
            accounted,
        } => tracing::error!(
            alarm = "LicenseDiffers",
            license.id = %license,
            usage.dimension = %dimension,
            usage.hour = %hour,
            account.id = %account,
            usage.lines = lines,
            usage.accounted = accounted,
            "an hour's usage of a license is not what is billed, waiting or closed for a reason"
        ),
        Difference::Slot {
            license,
            dimension,
            slot,
            fault,
        } => tracing::error!(
            alarm = of_slot(fault),
            license.id = %license,
            usage.dimension = %dimension,
            usage.slot = %slot,
            error = %fault,
            "a slot does not add up, or stands still"
        ),
        Difference::Cursor { shard, fault } => tracing::error!(
            alarm = "CursorLags",
            usage.shard = shard.number(),
            usage.posted = posted(fault),
            error = %fault,
            "a shard of accounts is not posted in time"
        ),
        Difference::MarkerLags { of, lag_seconds } => {
            of_account_hour(
                "MarkerLags",
                of,
                &format!("its late marker has been waiting for {lag_seconds} s"),
            );
        }
        Difference::Unreadable(Unreadable { key, reason }) => tracing::error!(
            alarm = "ItemUnreadable",
            store.key = %key,
            error = %reason,
            "a stored item cannot be read; what depends on it was not compared"
        ),
    }
}

fn of_account_hour(alarm: &str, of: &AccountHourKey, fault: &dyn std::fmt::Display) {
    tracing::error!(
        alarm,
        account.id = %of.account,
        usage.part = of.part.0,
        usage.hour = %of.hour,
        error = %fault,
        "an account-hour does not hold what was reported"
    );
}

fn of_slot(fault: &SlotFault) -> &'static str {
    match fault {
        SlotFault::DoesNotAddUp { .. }
        | SlotFault::NotFrozen { .. }
        | SlotFault::LeftBehind { .. } => "SlotDiffers",
        SlotFault::Unsettled => "UsageUnsettled",
        SlotFault::Overdue => "UsageOverdue",
    }
}

fn posted(fault: &CursorFault) -> Option<String> {
    match fault {
        CursorFault::Missing => None,
        CursorFault::Lags { posted, .. } => Some(posted.to_string()),
    }
}
