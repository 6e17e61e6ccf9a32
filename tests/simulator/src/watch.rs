//! What can be seen of a step only at the moment when it is made.
//!
//! Each is judged by the clock of the procedure that makes it. What a clock that
//! is wrong changes is that a slot is frozen or carried, and an hour posted, by
//! so much earlier or later: no promise says when, but those of final usage,
//! which [`check`](crate::check) holds clocks that are right to. Nothing may be
//! lost by it, and so nothing closed: that is judged by the true clock.

use std::collections::{BTreeMap, BTreeSet};

use domain::hour::{Hour, after};
use domain::ids::{AccountId, LicenseId};
use domain::ledger::account_hour::WriteOff;
use domain::ledger::deadline::{FROZEN_AFTER, record_timestamp, slot_deadline};
use domain::ledger::hold::Hold;
use domain::ledger::record::{CloseReason, Record, RecordState, SET_ASIDE_FOR};
use domain::ledger::slot::LicenseTerms;
use domain::license::License;
use domain::usage::Part;
use jiff::{SignedDuration, Timestamp};
use ledger::step::{Freeze, SlotPosting};
use ledger::{Answer, Step, Written};

use crate::aws::{DedupKey, key_of};
use crate::check::Violation;
use crate::gate;
use crate::world::{Caller, World};

/// What was seen.
#[derive(Debug, Clone, Default)]
pub struct Seen {
    /// What was wrong.
    pub caught: Vec<Violation>,
    /// Account-hours that a clock posted which was ahead: of links that ended
    /// later in the hour it read more than there was.
    pub posted_ahead: BTreeSet<(AccountId, Part, Hour)>,
    /// When slots were frozen by the true clock, where the freezer's was wrong.
    pub frozen: BTreeMap<(LicenseId, Hour), Timestamp>,
    /// Since when slots hold usage, of those that came to it after a license ended.
    pub used_since: BTreeMap<(LicenseId, Hour), Timestamp>,
    /// Until when records were put off by a clock that was ahead.
    pub put_off: BTreeMap<DedupKey, Timestamp>,
    /// What was closed without AWS's word.
    pub closed: Vec<Closed>,
}

/// A record, or a slot of an ended license, that is not to be sent any more.
#[derive(Debug, Clone)]
pub struct Closed {
    /// The license.
    pub license: LicenseId,
    /// The slot.
    pub slot: Hour,
    /// The timestamp that AWS is, or would have been, sent.
    pub timestamp: Timestamp,
    /// When it was closed, by the true clock.
    pub at: Timestamp,
}

/// What a step does, should it be committed.
#[derive(Debug)]
pub(crate) enum Does {
    /// Posts an account-hour into slots that held no usage before.
    Posts {
        ahead: Option<(AccountId, Part, Hour)>,
        first_used: Vec<(LicenseId, Hour)>,
    },
    /// Freezes a slot by a clock that is wrong.
    Freezes(LicenseId, Hour),
    /// Has a record sent again from an instant on, by a clock that is ahead.
    PutsOff(DedupKey, Timestamp),
    /// Closes a record, or a slot of an ended license.
    Closes(Closed),
}

impl World {
    /// Looks at a step that is about to be made.
    pub(crate) fn look_at(&mut self, step: &Step, by: &Caller) -> Option<Does> {
        if let Step::Post { hour, slots } = step {
            self.watch_post(slots, by);
            let name = || (hour.account.clone(), hour.part, hour.hour);
            let ahead = by.ahead.is_positive().then(name);
            let first_used = self.first_used(slots);
            let tells = ahead.is_some() || !first_used.is_empty();
            tells.then_some(Does::Posts { ahead, first_used })
        } else if let Step::FreezeSlot { freeze } = step {
            self.watch_freeze(freeze, by);
            let head = &freeze.head;
            (!by.ahead.is_zero()).then(|| Does::Freezes(head.license.clone(), head.hour))
        } else if let Step::ReplaceRecord { record, .. } = step {
            self.look_at_record(record, by)
        } else if let Step::CloseSlot { head, reason, .. } = step {
            let license = self.tables.license(&head.license);
            let since = license.and_then(LicenseTerms::of)?.active_since;
            let timestamp = record_timestamp(head.hour, since);
            match reason {
                WriteOff::LicenseEnded => Some(self.closes(&head.license, head.hour, timestamp)),
                WriteOff::TooLate | WriteOff::Restored => None,
            }
        } else {
            None
        }
    }

    /// Takes in that a step was answered.
    pub(crate) fn answered(&mut self, does: Does, answer: &Answer) {
        if !is_committed(answer) {
            return;
        }
        let now = self.now();
        let seen = &mut self.seen;
        match does {
            Does::Posts { ahead, first_used } => {
                seen.posted_ahead.extend(ahead);
                for slot in first_used {
                    seen.used_since.entry(slot).or_insert(now);
                }
            }
            Does::Freezes(license, hour) => {
                seen.frozen.insert((license, hour), now);
            }
            Does::PutsOff(record, due) => {
                seen.put_off.insert(record, due);
            }
            Does::Closes(closed) => seen.closed.push(closed),
        }
    }

    fn look_at_record(&self, record: &Record, by: &Caller) -> Option<Does> {
        let usage = &record.usage;
        match record.state {
            RecordState::Closed {
                reason: CloseReason::Refused | CloseReason::Unknown,
                ..
            } => Some(self.closes(usage.license.id(), record.slot, usage.timestamp)),
            RecordState::Frozen { due, .. } if by.ahead.is_positive() => {
                Some(Does::PutsOff(key_of(usage), due))
            }
            RecordState::Closed {
                reason: CloseReason::Conflict | CloseReason::WrittenOff,
                ..
            }
            | RecordState::Frozen { .. }
            | RecordState::Billed { .. } => None,
        }
    }

    fn closes(&self, license: &LicenseId, slot: Hour, timestamp: Timestamp) -> Does {
        Does::Closes(Closed {
            license: license.clone(),
            slot,
            timestamp,
            at: self.now(),
        })
    }

    /// Once a license ended: those of the slots that hold no usage yet.
    fn first_used(&self, slots: &[SlotPosting]) -> Vec<(LicenseId, Hour)> {
        if self.aws.ended.is_empty() {
            return Vec::new();
        }
        let is_new = |slot: &&SlotPosting| {
            let used = self.tables.open_slots_used(&slot.license);
            !used.contains(&slot.slot)
        };
        let new = slots.iter().filter(is_new);
        new.map(|slot| (slot.license.clone(), slot.slot)).collect()
    }

    /// Usage goes only into slots that can still be sent in time.
    fn watch_post(&mut self, slots: &[SlotPosting], by: &Caller) {
        let now = after(self.now(), by.ahead);
        for posting in slots {
            let license = self.tables.license(&posting.license);
            let terms = license.and_then(LicenseTerms::of);
            let Some(terms) = terms.filter(|terms| terms.end.is_none() && !by.held_up) else {
                continue;
            };
            let deadline = slot_deadline(posting.slot, terms.active_since, None);
            if after(now, self.rules.carry.room) > deadline {
                let what = format!("{} {} at {now}", posting.license, posting.slot);
                self.catch("too late for its slot", what);
            }
        }
    }

    /// A slot is frozen only when its accounts are posted or it was waited for,
    /// and none of a license on hold but the one that is tried.
    fn watch_freeze(&mut self, freeze: &Freeze, by: &Caller) {
        let (license, hour) = (&freeze.head.license, freeze.head.hour);
        let now = after(self.now(), by.ahead);
        let ended = self.tables.license(license).is_some_and(License::has_ended);
        if ended || by.held_up {
            return;
        }
        if let (true, Some(late)) = (
            by.ahead.is_zero(),
            gate::frozen_too_late(self, license, hour),
        ) {
            self.catch(late.check, late.what);
        }
        let waited = after(hour.end(), FROZEN_AFTER) <= now;
        // Until it is over, links may be made in an hour that is over by this clock.
        let is_over = hour.end() <= self.now();
        if is_over && !waited && !self.tables.is_posted(license, hour) {
            self.catch("frozen before posted", format!("{license} {hour} at {now}"));
        }
        let Some(next_try) = self.next_try_of_long_hold(license, now) else {
            return;
        };
        let newer = self.tables.open_slots_used(license);
        let newer = newer
            .into_iter()
            .any(|slot| slot > hour && slot.end() <= now);
        let began = after(by.began, by.ahead);
        let is_tried = next_try >= after(began, SET_ASIDE_FOR);
        if !is_tried || newer {
            self.catch("frozen on hold", format!("{license} {hour} at {now}"));
        }
    }

    fn next_try_of_long_hold(&self, license: &LicenseId, now: Timestamp) -> Option<Timestamp> {
        let long = |hold: &&Hold| after(hold.since, SignedDuration::from_mins(45)) <= now;
        let mut holds = self.tables.holds().filter(|hold| hold.license == *license);
        holds.find(long).map(|hold| hold.next_try)
    }

    fn catch(&mut self, check: &'static str, what: String) {
        self.seen.caught.push(Violation { check, what });
    }
}

fn is_committed(answer: &Answer) -> bool {
    matches!(
        answer,
        Answer::Post(Written::Committed)
            | Answer::FreezeSlot(Written::Committed)
            | Answer::ReplaceRecord(Written::Committed)
            | Answer::CloseSlot(Written::Committed)
    )
}
