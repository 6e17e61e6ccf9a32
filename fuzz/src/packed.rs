//! Packed items read back from a table that somebody else wrote to.

use std::fmt::Debug;

use domain::hour::Hour;
use domain::ledger::packed::days::{pack_day, unpack_day};
use domain::ledger::packed::postings::{pack_postings, unpack_postings};
use domain::ledger::packed::{
    pack_allocations, pack_amounts, pack_lines, unpack_allocations, unpack_amounts, unpack_lines,
};
use domain::usage::packed::{pack, unpack};
use sha2::{Digest as _, Sha256};

/// The first byte says what the others are; a checksum is put behind them.
pub fn read(bytes: &[u8]) {
    let Some((kind, fields)) = bytes.split_first() else {
        return;
    };
    let packed = [fields, &Sha256::digest(fields)[..4]].concat();
    match kind % 6 {
        0 => check(unpack, |all| pack(all), &packed),
        1 => check(unpack_lines, |all| pack_lines(all), &packed),
        2 => check(unpack_amounts, |all| pack_amounts(all), &packed),
        3 => check(unpack_allocations, |all| pack_allocations(all), &packed),
        4 => {
            let postings = |bytes: &[u8]| unpack_postings([bytes]);
            check(postings, |all| pack_postings(all).concat(), &packed);
        }
        _ => read_day(&packed),
    }
}

/// What was read is written and read as the same again.
fn check<T: Debug + PartialEq, E: Debug>(
    unpack: impl Fn(&[u8]) -> Result<Vec<T>, E>,
    pack: impl Fn(&[T]) -> Vec<u8>,
    bytes: &[u8],
) {
    let Ok(read) = unpack(bytes) else { return };
    let packed = pack(&read);
    // Many postings are more than one piece, which are read together.
    if let Ok(again) = unpack(&packed) {
        assert_eq!(pack(&again), packed);
        assert_eq!(again.len(), read.len());
    }
}

fn read_day(bytes: &[u8]) {
    let day = Hour::of("2026-11-22T00:00:00Z".parse().unwrap());
    if let Ok(read) = unpack_day(bytes, day) {
        let hours: Vec<_> = read.by_hour().collect();
        let again = unpack_day(&pack_day(&hours), day).unwrap();
        assert_eq!(again.by_hour().collect::<Vec<_>>(), hours);
    }
}
