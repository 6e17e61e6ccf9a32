//! What steps read and write, and what a task may still: by it the exploration
//! knows of two steps that they come to the same in either order.

use std::collections::BTreeSet;
use std::ops::BitOr;

use domain::hour::{Hour, before};
use domain::ledger::deadline::CLOSED_AFTER;
use domain::usage::Shard;
use jiff::Timestamp;
use ledger::Step;
use simulator::schedule::Action;
use simulator::world::Job;

use super::state::State;

/// Kinds of things that are read and written, one bit each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Things(u16);

impl BitOr for Things {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

impl Things {
    const NONE: Self = Self(0);
    const CURSORS: Self = Self(1);
    const MARKERS: Self = Self(1 << 1);
    const REPORTS: Self = Self(1 << 2);
    const ACCOUNT_HOURS: Self = Self(1 << 3);
    /// Heads, entries and records, and the work list, which follows from them.
    const SLOTS: Self = Self(1 << 4);
    const FINALS: Self = Self(1 << 5);
    const HOLDS: Self = Self(1 << 6);
    const CONTROLS: Self = Self(1 << 7);
    const INCLUDED: Self = Self(1 << 8);
    const ACCOUNTS: Self = Self(1 << 9);
    const LICENSES: Self = Self(1 << 10);
    const LINKS: Self = Self(1 << 11);
    const AWS: Self = Self(1 << 12);

    fn meets(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }
}

/// What is read and what is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Touch {
    reads: Things,
    writes: Things,
}

impl Touch {
    const fn reads(reads: Things) -> Self {
        Self {
            reads,
            writes: Things::NONE,
        }
    }

    const fn writes(writes: Things) -> Self {
        Self {
            reads: Things::NONE,
            writes,
        }
    }

    pub(super) fn is_write(self) -> bool {
        self.writes != Things::NONE
    }

    /// What it is when nobody ever writes certain things, but reads them.
    pub(super) fn but(self, never: Things) -> Self {
        Self {
            reads: self.reads | self.writes,
            writes: self.writes.without(never),
        }
    }

    /// Whether it holds all that another one does, which `changed` something if
    /// it is a write: if not, it is as if it had only read.
    pub(super) fn covers(self, other: Self, changed: bool) -> bool {
        let all = self.reads | self.writes;
        let written = if changed { self.writes } else { all };
        other.writes.without(written) == Things::NONE && other.reads.without(all) == Things::NONE
    }

    /// What the two read and write together.
    pub(super) fn and(self, other: Self) -> Self {
        Self {
            reads: self.reads | other.reads,
            writes: self.writes | other.writes,
        }
    }

    /// Whether the two may come to something else in the other order.
    pub(super) fn meets(self, other: Self) -> bool {
        self.writes.meets(other.reads | other.writes) || self.reads.meets(other.writes)
    }
}

/// What a step reads and writes. `idle` are the shards of which there is no
/// report and to which none comes: whether one of those is raised changes
/// nothing that anybody looks at.
pub(super) fn of_step(step: &Step, idle: &BTreeSet<Shard>) -> Touch {
    match step {
        Step::ListReportedParts { shard, .. } if idle.contains(shard) => Touch::default(),
        Step::RaiseCursors { shards, .. } if shards.iter().all(|s| idle.contains(s)) => {
            Touch::default()
        }
        Step::ReadCursor { .. } | Step::ReadCursors {} => Touch::reads(Things::CURSORS),
        Step::RaiseCursors { .. } => Touch::writes(Things::CURSORS),
        Step::ReadMarkers {} | Step::HasMarker { .. } => Touch::reads(Things::MARKERS),
        Step::PutMarker { .. } | Step::DeleteMarker { .. } => Touch::writes(Things::MARKERS),
        Step::StoreReport { .. } => Touch::writes(Things::REPORTS),
        Step::ListReportedParts { .. } | Step::ListReports { .. } => Touch::reads(Things::REPORTS),
        Step::ReadAccountHour { .. } => Touch::reads(Things::ACCOUNT_HOURS),
        Step::Post { .. } => Touch::writes(Things::ACCOUNT_HOURS | Things::SLOTS),
        Step::ReadSlotHead { .. }
        | Step::ReadSlot { .. }
        | Step::ReadSlots { .. }
        | Step::ReadRecord { .. }
        | Step::ReadDueWork { .. }
        | Step::ListUnknown {} => Touch::reads(Things::SLOTS),
        Step::FreezeSlot { freeze } if freeze.taken.is_empty() => Touch::writes(Things::SLOTS),
        Step::FreezeSlot { .. } => Touch::writes(Things::SLOTS | Things::INCLUDED),
        Step::OpenSlot { .. }
        | Step::CarrySlot { .. }
        | Step::CloseSlot { .. }
        | Step::ReplaceRecord { .. }
        | Step::PutOff { .. } => Touch::writes(Things::SLOTS),
        Step::ListFinalUsage {} => Touch::reads(Things::FINALS),
        Step::BeginFinalUsage { .. } | Step::EndFinalUsage { .. } => Touch::writes(Things::FINALS),
        Step::ListHolds {} | Step::ReadHold { .. } => Touch::reads(Things::HOLDS),
        Step::PutHold { .. } | Step::EndHold { .. } => Touch::writes(Things::HOLDS),
        Step::ReadControls {} => Touch::reads(Things::CONTROLS),
        Step::PutControls { .. } => Touch::writes(Things::CONTROLS),
        Step::ReadIncluded { .. } => Touch::reads(Things::INCLUDED),
        Step::PutIncluded { .. } => Touch::writes(Things::INCLUDED),
        Step::ReadAccount { .. } => Touch::reads(Things::ACCOUNTS),
        Step::ReadLicense { .. } => Touch::reads(Things::LICENSES),
        Step::ReadLinksOfAccount { .. } | Step::ReadLinksOfLicense { .. } => {
            Touch::reads(Things::LINKS)
        }
        Step::CommitChange { .. } => {
            Touch::writes(Things::ACCOUNTS | Things::LICENSES | Things::LINKS)
        }
        Step::Send { .. } => Touch::writes(Things::AWS),
        // Time is moved by the exploration alone.
        Step::Wait { .. } => Touch::default(),
    }
}

/// What nobody writes from a state on. It only grows from state to state, and a
/// step that does write such a thing is noticed. `until` is the last instant to come.
pub(super) fn never_written(state: &State, until: Timestamp) -> Things {
    let tables = &state.tables.value;
    let happens = |is: fn(&Action) -> bool| {
        let mut actions = state.tasks.iter().filter_map(|task| task.actor.action());
        actions.any(is)
    };
    let mut never = Things::NONE;
    let mut found = |holds: bool, things: Things| {
        if holds {
            never = never | things;
        }
    };
    let learns = happens(|a| matches!(a, Action::Learn { .. } | Action::LearnRenewed { .. }));
    found(tables.finals().next().is_none() && !learns, Things::FINALS);
    // AWS calls no buyer unknown but one that it suspended, or of a license that ended.
    let aws = &state.aws.value;
    let known = aws.suspended.is_empty() && aws.ended.is_empty();
    let ends = happens(|a| {
        matches!(
            a,
            Action::End { .. } | Action::Renew { .. } | Action::Suspend { .. }
        )
    });
    let holds = tables.holds().next().is_some();
    found(known && !holds && !ends, Things::HOLDS);
    found(tables.included().next().is_none(), Things::INCLUDED);
    // A report that is stored is never stored again.
    found(
        state.reports().all(|report| tables.has(report)),
        Things::REPORTS,
    );
    let closed = Hour::of(before(until, CLOSED_AFTER)).previous();
    found(tables.all_posted(closed), Things::CURSORS);
    never
}

/// All that a task with this job may read and write.
pub(super) fn of_job(job: &Job) -> Touch {
    match job {
        Job::Record(_) => Touch {
            reads: Things::ACCOUNTS | Things::CURSORS,
            writes: Things::REPORTS | Things::MARKERS,
        },
        // No account here is so large that posting divides it.
        Job::Post => Touch {
            reads: Things::REPORTS
                | Things::ACCOUNTS
                | Things::LICENSES
                | Things::LINKS
                | Things::CONTROLS,
            writes: Things::CURSORS
                | Things::MARKERS
                | Things::ACCOUNT_HOURS
                | Things::SLOTS
                | Things::FINALS,
        },
        Job::Submit => Touch {
            reads: Things::CURSORS
                | Things::MARKERS
                | Things::ACCOUNTS
                | Things::LICENSES
                | Things::LINKS
                | Things::CONTROLS
                | Things::FINALS,
            writes: Things::SLOTS | Things::HOLDS | Things::INCLUDED | Things::AWS,
        },
    }
}

/// All that something which happens changes.
pub(super) fn of_action(action: &Action) -> Touch {
    match action {
        Action::Link { .. } | Action::Unlink { .. } => {
            Touch::writes(Things::LICENSES | Things::LINKS)
        }
        Action::End { .. }
        | Action::Renew { .. }
        | Action::Foreign { .. }
        | Action::CallFails(_)
        | Action::Outage { .. }
        | Action::Suspend { .. }
        | Action::Missing { .. }
        | Action::Unpropagated { .. }
        | Action::AlwaysFails { .. }
        | Action::Poison { .. } => Touch::writes(Things::AWS),
        Action::Learn { .. } => Touch {
            reads: Things::AWS,
            writes: Things::LICENSES | Things::LINKS | Things::FINALS,
        },
        Action::LearnRenewed { .. } => Touch {
            reads: Things::AWS | Things::ACCOUNTS,
            writes: Things::LICENSES | Things::LINKS | Things::FINALS | Things::MARKERS,
        },
        Action::Switch { .. } => Touch::writes(Things::CONTROLS),
        Action::Grant { .. } => Touch::writes(Things::INCLUDED),
        Action::CoverUnknown => Touch::writes(Things::LICENSES | Things::AWS),
        Action::NextPeriod { .. } => Touch {
            reads: Things::INCLUDED,
            writes: Things::INCLUDED | Things::AWS,
        },
        Action::CoverKnown { .. } => {
            Touch::writes(Things::INCLUDED | Things::LICENSES | Things::AWS)
        }
        Action::Advance { .. }
        | Action::Crowd { .. }
        | Action::Report { .. }
        | Action::Post { .. }
        | Action::Submit { .. }
        | Action::Go { .. }
        | Action::StoreFails { .. }
        | Action::Crash { .. }
        | Action::Finish
        | Action::Minutes { .. }
        | Action::BackUp
        | Action::Restore
        | Action::Resend => Touch::writes(Things(u16::MAX)),
    }
}
