//! What AWS refused of a license that ended before it was used is billed anew, to
//! the one that goes on in its place, and nothing else is.

use std::collections::BTreeSet;

use domain::hour::{Hour, before};
use domain::ids::LicenseId;
use domain::ledger::account_hour::{AccountHour, Line, Target};
use domain::ledger::record::{CloseReason, RecordState};
use domain::ledger::slot::SlotState;
use domain::license::{License, LicenseStatus};
use jiff::SignedDuration;

use super::{Found, Settled, Slot};
use crate::aws::key_of;

/// Time that posting has for it: what AWS refused is closed 70 minutes after
/// the time for final usage, which is 15 minutes after we learned of the end.
const RELEASED_AFTER: SignedDuration = SignedDuration::from_mins(100);

const CHECK: &str = "billed anew";

pub(super) fn check(settled: &Settled<'_>, found: &mut Found) {
    if settled.world.aws.overlaps.is_empty() {
        return;
    }
    for hour in settled.world.tables.account_hours() {
        for line in &hour.lines {
            let place = format_args!("{} of {} {}", line.license, hour.account, hour.hour);
            match line.target {
                Target::Released(_) if !settled.is_refused(hour, line) => {
                    found.fails(CHECK, format!("{place}: AWS may have taken it"));
                }
                Target::Released(_) if settled.heirs(&line.license).is_empty() => {
                    found.fails(CHECK, format!("{place}: no license goes on in its place"));
                }
                Target::Slot(_)
                    if settled.is_refused(hour, line) && settled.should_be_released(hour, line) =>
                {
                    found.fails(CHECK, format!("{place}: refused, and not billed anew"));
                }
                Target::Released(_) | Target::Slot(_) | Target::WrittenOff(_) => {}
            }
        }
    }
}

impl<'a> Settled<'a> {
    /// Whether AWS has nothing of the slot in which a line lies, and is known
    /// to have refused all that was sent of it.
    fn is_refused(&self, hour: &AccountHour, line: &Line) -> bool {
        let Some(slot) = self.lies_in(hour, line) else {
            return false;
        };
        let accepted = slot.records.iter().any(|record| {
            let key = key_of(&record.usage);
            self.world.aws.accepted.contains_key(&key)
        });
        let refused = slot.records.iter().all(|record| match record.state {
            RecordState::Closed { reason, .. } => reason == CloseReason::Refused,
            RecordState::Billed { .. } | RecordState::Frozen { .. } => false,
        });
        let over = match slot.head.map(|head| &head.state) {
            Some(SlotState::Frozen { .. } | SlotState::Closed { .. }) => true,
            Some(SlotState::Open | SlotState::Carrying { .. } | SlotState::Carried { .. })
            | None => false,
        };
        over && refused && !accepted
    }

    fn lies_in<'b>(&'b self, hour: &AccountHour, line: &'b Line) -> Option<&'b Slot<'a>> {
        let origin = line.target.lies_in()?;
        let all = (&line.license, Hour::from_number(i32::MIN))
            ..=(&line.license, Hour::from_number(i32::MAX));
        let mut slots = self.slots.range(all);
        let (_, slot) = slots.find(|(_, slot)| {
            slot.entries.iter().any(|entry| {
                (&entry.account, entry.part, entry.hour) == (&hour.account, hour.part, hour.hour)
                    && entry.origin == origin
            })
        })?;
        Some(slot)
    }

    /// Whether there was time to bill anew what AWS refused, all of the hour's
    /// usage of the license is of that kind, and the license that goes on was
    /// linked all the hour.
    fn should_be_released(&self, hour: &AccountHour, line: &Line) -> bool {
        let Some(end) = self.end_of(&line.license) else {
            return false;
        };
        let now = self.world.now();
        let in_time = end.learned_at < before(now, RELEASED_AFTER);
        let of_it = || {
            hour.lines
                .iter()
                .filter(|other| other.license == line.license)
        };
        let alike = of_it().all(|other| self.is_refused(hour, other));
        let heir = self
            .linked_throughout(hour)
            .filter(|linked| self.heirs(&line.license).contains(*linked));
        in_time && alike && !self.in_doubt(hour.hour) && heir.is_some()
    }

    /// The licenses that go on in a license's place, one after another.
    fn heirs(&self, license: &LicenseId) -> BTreeSet<LicenseId> {
        let mut heirs = BTreeSet::new();
        let mut of = license;
        while let Some(heir) = self.world.tables.license(of).and_then(License::heir) {
            if !heirs.insert(heir.clone()) {
                break;
            }
            of = heir;
        }
        heirs
    }

    /// The live license that was linked to an account all through an hour.
    fn linked_throughout(&self, hour: &AccountHour) -> Option<&LicenseId> {
        let of = hour.hour;
        let mut links = self.world.tables.links().iter().filter(|link| {
            link.account == hour.account
                && link.from <= of.start()
                && link.until.is_none_or(|until| of.end() <= until)
        });
        let license = &links.next()?.license;
        match self.world.tables.license(license)?.status {
            LicenseStatus::Active { .. } => Some(license),
            LicenseStatus::Pending | LicenseStatus::Ended { .. } => None,
        }
    }
}
