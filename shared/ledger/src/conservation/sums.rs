//! What became of usage, in computer-hours by class.

use domain::ledger::account_hour::WriteOff;
use domain::ledger::record::{CloseReason, RecordState};

/// Computer-hours by what became of them.
///
/// Where nothing differs, `reported` = `lines` + `unbillable`, and `lines` +
/// `released` = `open` + `frozen` + `billed` + `included` + `written_off` + `closed`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Sums {
    /// Computers in the reports.
    pub reported: u64,
    /// Posted for licenses, each once.
    pub lines: u64,
    /// Of those, what AWS refused of a license that ended, and that was billed
    /// anew: it lies in two slots.
    pub released: u64,
    /// That nobody pays for.
    pub unbillable: u64,
    /// In slots that are open or being carried.
    pub open: u64,
    /// In records without a verdict.
    pub frozen: u64,
    /// In records that AWS accepted.
    pub billed: u64,
    /// Covered by contracts.
    pub included: u64,
    /// That can never be billed.
    pub written_off: WrittenOff,
    /// In records that are not sent again.
    pub closed: Closed,
}

/// Computer-hours that can never be billed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct WrittenOff {
    /// [`WriteOff::LicenseEnded`].
    pub license_ended: u64,
    /// [`WriteOff::TooLate`].
    pub too_late: u64,
    /// [`WriteOff::Restored`].
    pub restored: u64,
    /// Unknown until it was found that AWS had not accepted them: [`CloseReason::WrittenOff`].
    pub not_accepted: u64,
}

/// Computer-hours in records that are not sent again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Closed {
    /// [`CloseReason::Refused`].
    pub refused: u64,
    /// [`CloseReason::Conflict`].
    pub conflict: u64,
    /// [`CloseReason::Unknown`].
    pub unknown: u64,
}

/// Where a line's computer-hours are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    Open,
    Frozen,
    Billed,
    Included,
    WrittenOff(WriteOff),
    Closed(CloseReason),
}

impl Place {
    /// Where the computer-hours of a record are.
    pub(super) fn of(state: &RecordState) -> Self {
        match state {
            RecordState::Frozen { .. } => Self::Frozen,
            RecordState::Billed { .. } => Self::Billed,
            RecordState::Closed { reason, .. } => Self::Closed(*reason),
        }
    }
}

impl Sums {
    /// Of the lines, and of what was released: what is billed, waiting, or closed for a reason.
    pub fn accounted(&self) -> u64 {
        let written_off = self.written_off.license_ended
            + self.written_off.too_late
            + self.written_off.restored
            + self.written_off.not_accepted;
        let closed = self.closed.refused + self.closed.conflict + self.closed.unknown;
        self.open + self.frozen + self.billed + self.included + written_off + closed
    }

    /// Adds computer-hours that are in a place.
    pub(super) fn put(&mut self, place: Place, computer_hours: u64) {
        *self.of(place) += computer_hours;
    }

    fn of(&mut self, place: Place) -> &mut u64 {
        match place {
            Place::Open => &mut self.open,
            Place::Frozen => &mut self.frozen,
            Place::Billed => &mut self.billed,
            Place::Included => &mut self.included,
            Place::WrittenOff(WriteOff::LicenseEnded) => &mut self.written_off.license_ended,
            Place::WrittenOff(WriteOff::TooLate) => &mut self.written_off.too_late,
            Place::WrittenOff(WriteOff::Restored) => &mut self.written_off.restored,
            Place::Closed(CloseReason::WrittenOff) => &mut self.written_off.not_accepted,
            Place::Closed(CloseReason::Refused) => &mut self.closed.refused,
            Place::Closed(CloseReason::Conflict) => &mut self.closed.conflict,
            Place::Closed(CloseReason::Unknown) => &mut self.closed.unknown,
        }
    }

    /// Adds other usage.
    pub(super) fn add(&mut self, other: &Self) {
        self.reported += other.reported;
        self.lines += other.lines;
        self.released += other.released;
        self.unbillable += other.unbillable;
        self.open += other.open;
        self.frozen += other.frozen;
        self.billed += other.billed;
        self.included += other.included;
        self.written_off.license_ended += other.written_off.license_ended;
        self.written_off.too_late += other.written_off.too_late;
        self.written_off.restored += other.written_off.restored;
        self.written_off.not_accepted += other.written_off.not_accepted;
        self.closed.refused += other.closed.refused;
        self.closed.conflict += other.closed.conflict;
        self.closed.unknown += other.closed.unknown;
    }
}
