//! The hours of a summed-up day packed: hours are much alike, so that what is
//! said of lines, besides their counts, is said once.
//!
//! Version 1, framed and read as [`crate::packing`] says:
//!
//! ```text
//! varint n, then n times:                                the kinds of lines
//!   16 bytes license, text dimension, cloud account
//!   u16 hours carried
//!   u8 end                                               accepted | included | license ended | too late | restored
//! varint n, then n times:                                the hours
//!   u8 hour of the day
//!   varint n, then n times: varint kind, varint computer-hours
//!   varint n, then n times: u8 reason, varint computer-hours
//! ```

use std::collections::BTreeMap;

use super::{cloud_account, distinct, place, read_dimension};
use crate::hour::{HOURS_A_DAY, Hour};
use crate::ids::LicenseId;
use crate::ledger::account_hour::{Unbillable, WriteOff};
use crate::ledger::day::{CountedHour, LineEnd, LineKind, SummedDay, SummedHour};
use crate::packing::{Reader, Undecodable, Writer};

const VERSION: u8 = 1;

/// Every end, by its code.
const ENDS: [LineEnd; 5] = [
    LineEnd::Accepted,
    LineEnd::Included,
    LineEnd::WrittenOff(WriteOff::LicenseEnded),
    LineEnd::WrittenOff(WriteOff::TooLate),
    LineEnd::WrittenOff(WriteOff::Restored),
];

/// Every reason, by its code.
const REASONS: [Unbillable; 6] = [
    Unbillable::Trial,
    Unbillable::Annual,
    Unbillable::Grace,
    Unbillable::Expired,
    Unbillable::Suspended,
    Unbillable::AgentOffline,
];

/// Packs the hours of a day, in their order.
pub fn pack_day(hours: &[SummedHour]) -> Vec<u8> {
    let lines = || hours.iter().flat_map(|hour| &hour.lines);
    let kinds = distinct(lines().map(|line| &line.kind));
    let mut writer = Writer::new(VERSION, lines().count() * 3 + kinds.len() * 32 + 64);
    writer.varint(kinds.len());
    for kind in &kinds {
        writer.bytes(&kind.license.to_bits().to_be_bytes());
        writer.text(kind.dimension.as_str());
        cloud_account::write(&mut writer, kind.cloud_account.as_ref());
        writer.u16(kind.carried_hours);
        writer.u8(code(&ENDS, &kind.end));
    }
    writer.varint(hours.len());
    for hour in hours {
        let in_day = hour.hour.since(hour.hour.first_of_day());
        writer.u8(u8::try_from(in_day).unwrap_or(u8::MAX));
        writer.varint(hour.lines.len());
        for line in &hour.lines {
            writer.varint(place(&kinds, &line.kind));
            writer.count(line.count);
        }
        writer.varint(hour.unbillable.len());
        for (reason, count) in &hour.unbillable {
            writer.u8(code(&REASONS, reason));
            writer.count(*count);
        }
    }
    writer.finish()
}

/// Reads what [`pack_day`] wrote of the day that begins with this hour.
///
/// # Errors
/// [`Undecodable`] for bytes of another version, changed or cut short.
pub fn unpack_day(bytes: &[u8], day: Hour) -> Result<SummedDay, Undecodable> {
    let mut reader = Reader::of(bytes, VERSION)?;
    let mut kinds = Vec::new();
    for _ in 0..reader.varint("kinds")? {
        kinds.push(read_kind(&mut reader)?);
    }
    let mut hours = Vec::new();
    for _ in 0..reader.varint("hours")? {
        let in_day = i32::from(reader.u8("hour")?);
        if in_day >= HOURS_A_DAY {
            return Err(Undecodable::Field("hour"));
        }
        let mut counts = Vec::new();
        for _ in 0..reader.varint("counts")? {
            let kind = reader.varint("kind")?;
            if kind >= kinds.len() {
                return Err(Undecodable::Field("kind"));
            }
            counts.push((kind, reader.count("count")?));
        }
        let mut unbillable = BTreeMap::new();
        for _ in 0..reader.varint("reasons")? {
            let reason = of_code(&REASONS, reader.u8("reason")?, "reason")?;
            unbillable.insert(reason, reader.count("count")?);
        }
        hours.push(CountedHour {
            hour: day.plus(in_day),
            counts,
            unbillable,
        });
    }
    reader.end()?;
    Ok(SummedDay { day, kinds, hours })
}

fn read_kind(reader: &mut Reader<'_>) -> Result<LineKind, Undecodable> {
    Ok(LineKind {
        license: LicenseId::from_bits(u128::from_be_bytes(reader.array("license")?)),
        dimension: read_dimension(reader)?,
        cloud_account: cloud_account::read(reader)?,
        carried_hours: reader.u16("carried")?,
        end: of_code(&ENDS, reader.u8("end")?, "end")?,
    })
}

fn code<T: PartialEq>(all: &[T], value: &T) -> u8 {
    let place = all.iter().position(|known| known == value);
    place
        .and_then(|place| u8::try_from(place).ok())
        .unwrap_or(u8::MAX)
}

fn of_code<T: Copy>(all: &[T], code: u8, field: &'static str) -> Result<T, Undecodable> {
    let value = all.get(usize::from(code)).copied();
    value.ok_or(Undecodable::Field(field))
}
