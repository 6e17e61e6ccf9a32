//! What the ledger stores of an account-hour, a slot's entry and a record,
//! packed: an hour of thousands of cloud accounts stays one small item.
//!
//! Version 1, framed and read as [`crate::packing`] says:
//!
//! ```text
//! lines        varint n, then n times 16 bytes                  the licenses
//!              varint n, then n times text                      the dimensions
//!              varint groups, then for each:
//!                varint license, varint dimension               places in those
//!                u8 target, i32 hour of the first and last      slot | license ended | too late | restored | released
//!                shares
//! amounts      varint groups, then for each: text dimension, shares
//! allocations  shares
//! shares       varint n, then n times: cloud account, varint computer-hours
//! cloud account  u8 0 none | 1-128 so many bytes of text | 129 twelve digits in 5 bytes | 130 a UUID in 16
//! text         u8 length, bytes
//! ```
//!
//! The postings are a log of their own ([`postings`]), and so are summed-up
//! days ([`days`]).

mod cloud_account;
pub mod days;
pub mod postings;

use std::collections::BTreeSet;

use crate::hour::Hour;
use crate::ids::{CloudAccountId, Dimension, LicenseId};
use crate::ledger::account_hour::{Line, Target, WriteOff};
use crate::ledger::slot::Amount;
use crate::metering::Allocation;
use crate::packing::{Reader, Writer};
use crate::quantity::Quantity;

pub use crate::packing::Undecodable;

const VERSION: u8 = 1;

const IN_SLOT: u8 = 0;
const LICENSE_ENDED: u8 = 1;
const TOO_LATE: u8 = 2;
const RESTORED: u8 = 3;
const RELEASED: u8 = 4;

/// What a share takes besides its cloud account: a count of up to 16,383.
const COUNT_BYTES: usize = 2;

/// How many bytes a share of a cloud account takes, with a count of up to 16,383.
pub fn share_len(cloud_account: &CloudAccountId) -> usize {
    cloud_account::len(cloud_account) + COUNT_BYTES
}

/// Packs lines, in their order.
pub fn pack_lines(lines: &[Line]) -> Vec<u8> {
    let licenses: Vec<&LicenseId> = distinct(lines.iter().map(|line| &line.license));
    let dimensions: Vec<&Dimension> = distinct(lines.iter().map(|line| &line.dimension));
    let groups: Vec<&[Line]> = lines.chunk_by(are_of_one_group).collect();
    let mut writer = Writer::new(VERSION, lines.len() * 8 + 64);
    writer.varint(licenses.len());
    for license in &licenses {
        writer.bytes(&license.to_bits().to_be_bytes());
    }
    writer.varint(dimensions.len());
    for dimension in &dimensions {
        writer.text(dimension.as_str());
    }
    writer.varint(groups.len());
    for group in groups {
        let Some(first) = group.first() else {
            continue;
        };
        writer.varint(place(&licenses, &first.license));
        writer.varint(place(&dimensions, &first.dimension));
        write_target(&mut writer, first.target);
        let shares = group.iter().map(|l| (l.cloud_account.as_ref(), l.count));
        write_shares(&mut writer, shares);
    }
    writer.finish()
}

/// Reads what [`pack_lines`] wrote.
///
/// # Errors
/// [`Undecodable`] for bytes of another version, changed or cut short.
pub fn unpack_lines(bytes: &[u8]) -> Result<Vec<Line>, Undecodable> {
    let mut reader = Reader::of(bytes, VERSION)?;
    let mut licenses = Vec::new();
    for _ in 0..reader.varint("licenses")? {
        let bits = u128::from_be_bytes(reader.array("licenses")?);
        licenses.push(LicenseId::from_bits(bits));
    }
    let mut dimensions = Vec::new();
    for _ in 0..reader.varint("dimensions")? {
        dimensions.push(read_dimension(&mut reader)?);
    }
    let mut lines = Vec::new();
    for _ in 0..reader.varint("groups")? {
        let license = licenses.get(reader.varint("license")?);
        let license = license.ok_or(Undecodable::Field("license"))?;
        let dimension = dimensions.get(reader.varint("dimension")?);
        let dimension = dimension.ok_or(Undecodable::Field("dimension"))?;
        let target = read_target(&mut reader)?;
        for (cloud_account, count) in read_shares(&mut reader)? {
            lines.push(Line {
                license: license.clone(),
                target,
                dimension: dimension.clone(),
                cloud_account,
                count,
            });
        }
    }
    reader.end()?;
    Ok(lines)
}

/// Packs the amounts of a slot's entry, in their order.
pub fn pack_amounts(amounts: &[Amount]) -> Vec<u8> {
    let groups: Vec<&[Amount]> = amounts
        .chunk_by(|a, b| a.dimension == b.dimension)
        .collect();
    let mut writer = Writer::new(VERSION, amounts.len() * 8 + 64);
    writer.varint(groups.len());
    for group in groups {
        let Some(first) = group.first() else {
            continue;
        };
        writer.text(first.dimension.as_str());
        let shares = group.iter().map(|a| (a.cloud_account.as_ref(), a.count));
        write_shares(&mut writer, shares);
    }
    writer.finish()
}

/// Reads what [`pack_amounts`] wrote.
///
/// # Errors
/// [`Undecodable`] for bytes of another version, changed or cut short.
pub fn unpack_amounts(bytes: &[u8]) -> Result<Vec<Amount>, Undecodable> {
    let mut reader = Reader::of(bytes, VERSION)?;
    let mut amounts = Vec::new();
    for _ in 0..reader.varint("groups")? {
        let dimension = read_dimension(&mut reader)?;
        for (cloud_account, count) in read_shares(&mut reader)? {
            amounts.push(Amount {
                dimension: dimension.clone(),
                cloud_account,
                count,
            });
        }
    }
    reader.end()?;
    Ok(amounts)
}

/// Packs a record's allocations, in their order.
pub fn pack_allocations(allocations: &[Allocation]) -> Vec<u8> {
    let mut writer = Writer::new(VERSION, allocations.len() * 8 + 16);
    let shares = allocations
        .iter()
        .map(|a| (a.cloud_account.as_ref(), a.quantity.get()));
    write_shares(&mut writer, shares);
    writer.finish()
}

/// Reads what [`pack_allocations`] wrote.
///
/// # Errors
/// [`Undecodable`] for bytes of another version, changed or cut short.
pub fn unpack_allocations(bytes: &[u8]) -> Result<Vec<Allocation>, Undecodable> {
    let mut reader = Reader::of(bytes, VERSION)?;
    let shares = read_shares(&mut reader)?;
    reader.end()?;
    shares
        .into_iter()
        .map(|(cloud_account, count)| {
            let quantity = Quantity::new(count).map_err(|_| Undecodable::Field("quantity"))?;
            Ok(Allocation {
                cloud_account,
                quantity,
            })
        })
        .collect()
}

fn are_of_one_group(a: &Line, b: &Line) -> bool {
    (&a.license, a.target, &a.dimension) == (&b.license, b.target, &b.dimension)
}

fn distinct<'a, T: Ord>(values: impl Iterator<Item = &'a T>) -> Vec<&'a T> {
    values.collect::<BTreeSet<_>>().into_iter().collect()
}

/// Where a value stands among sorted ones that hold it.
fn place<T: Ord>(sorted: &[&T], value: &T) -> usize {
    sorted.partition_point(|other| *other < value)
}

fn write_target(writer: &mut Writer, target: Target) {
    match target {
        Target::Slot(hour) => {
            writer.u8(IN_SLOT);
            writer.bytes(&hour.number().to_be_bytes());
        }
        Target::Released(hour) => {
            writer.u8(RELEASED);
            writer.bytes(&hour.number().to_be_bytes());
        }
        Target::WrittenOff(WriteOff::LicenseEnded) => writer.u8(LICENSE_ENDED),
        Target::WrittenOff(WriteOff::TooLate) => writer.u8(TOO_LATE),
        Target::WrittenOff(WriteOff::Restored) => writer.u8(RESTORED),
    }
}

fn read_target(reader: &mut Reader<'_>) -> Result<Target, Undecodable> {
    Ok(match reader.u8("target")? {
        IN_SLOT => Target::Slot(read_hour(reader)?),
        RELEASED => Target::Released(read_hour(reader)?),
        LICENSE_ENDED => Target::WrittenOff(WriteOff::LicenseEnded),
        TOO_LATE => Target::WrittenOff(WriteOff::TooLate),
        RESTORED => Target::WrittenOff(WriteOff::Restored),
        _ => return Err(Undecodable::Field("target")),
    })
}

fn read_hour(reader: &mut Reader<'_>) -> Result<Hour, Undecodable> {
    let number = i32::from_be_bytes(reader.array("target")?);
    Ok(Hour::from_number(number))
}

fn read_dimension(reader: &mut Reader<'_>) -> Result<Dimension, Undecodable> {
    Dimension::parse(reader.text("dimension")?).map_err(|_| Undecodable::Field("dimension"))
}

fn write_shares<'a>(
    writer: &mut Writer,
    shares: impl ExactSizeIterator<Item = (Option<&'a CloudAccountId>, u32)>,
) {
    writer.varint(shares.len());
    for (cloud_account, count) in shares {
        cloud_account::write(writer, cloud_account);
        writer.count(count);
    }
}

fn read_shares(reader: &mut Reader<'_>) -> Result<Vec<(Option<CloudAccountId>, u32)>, Undecodable> {
    let count = reader.varint("shares")?;
    let mut shares = Vec::new();
    for _ in 0..count {
        let cloud_account = cloud_account::read(reader)?;
        shares.push((cloud_account, reader.count("count")?));
    }
    Ok(shares)
}

#[cfg(test)]
mod tests;
