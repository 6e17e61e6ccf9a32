//! What is packed is read again, whatever it is; nothing else is read at all.

use proptest::prelude::*;

use super::days::{pack_day, unpack_day};
use super::postings::{MOST_PIECE_BYTES, pack_postings, unpack_postings};
use super::*;
use crate::ids::ReportId;
use crate::ledger::account_hour::{Posting, Unbillable};
use crate::ledger::attribution::LinkedSpan;
use crate::ledger::day::{LineEnd, LineKind, SummedHour, SummedLine};

fn license() -> impl Strategy<Value = LicenseId> {
    (0_u128..3).prop_map(|n| LicenseId::from_bits(n << 126 | n))
}

fn dimension() -> impl Strategy<Value = Dimension> {
    prop_oneof![Just("medium".to_owned()), "[a-z]{1,3}", "[A-Z]{255}"]
        .prop_map(|text| Dimension::parse(text).unwrap())
}

/// Accounts of each provider, and what only looks like one.
fn cloud_account() -> impl Strategy<Value = CloudAccountId> {
    prop_oneof![
        "[0-9]{12}",
        "[0-9]{11}|[0-9]{13}",
        "[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}",
        "[0-9A-F]{8}-[0-9A-F]{4}-[0-9A-F]{4}-[0-9A-F]{4}-[0-9A-F]{12}",
        "[0-9a-f-]{36}",
        "[0-9a-zA-Z_.:@-]{1,128}",
        "[a-z]{128}",
    ]
    .prop_map(|text| CloudAccountId::parse(text).unwrap())
}

fn count() -> impl Strategy<Value = u32> {
    prop_oneof![0_u32..300, Just(16_383), Just(16_384), any::<u32>()]
}

fn target() -> impl Strategy<Value = Target> {
    prop_oneof![
        any::<i32>().prop_map(|number| Target::Slot(Hour::from_number(number))),
        Just(Target::WrittenOff(WriteOff::LicenseEnded)),
        Just(Target::WrittenOff(WriteOff::TooLate)),
        Just(Target::WrittenOff(WriteOff::Restored)),
    ]
}

fn lines() -> impl Strategy<Value = Vec<Line>> {
    let cloud_account = prop::option::of(cloud_account());
    let line = (license(), target(), dimension(), cloud_account, count()).prop_map(
        |(license, target, dimension, cloud_account, count)| Line {
            license,
            target,
            dimension,
            cloud_account,
            count,
        },
    );
    prop::collection::vec(line, 0..20)
}

fn amounts() -> impl Strategy<Value = Vec<Amount>> {
    lines().prop_map(|lines| {
        let amount = |line: Line| Amount {
            dimension: line.dimension,
            cloud_account: line.cloud_account,
            count: line.count,
        };
        lines.into_iter().map(amount).collect()
    })
}

fn allocations() -> impl Strategy<Value = Vec<Allocation>> {
    lines().prop_map(|lines| {
        let allocation = |line: Line| Allocation {
            cloud_account: line.cloud_account,
            quantity: Quantity::new(line.count >> 1).unwrap(),
        };
        lines.into_iter().map(allocation).collect()
    })
}

fn posting() -> impl Strategy<Value = Posting> {
    let link =
        (license(), any::<u16>(), any::<u16>()).prop_map(|(license, from, until)| LinkedSpan {
            license,
            from,
            until,
        });
    let id = prop_oneof!["[a-z0-9-]{1,8}", "[A-Z]{64}"];
    let reports = prop_oneof![
        9 => prop::collection::vec(id.clone(), 0..6),
        1 => prop::collection::vec(id, 300..310).prop_map(|ids| vec![ids; 10].concat()),
    ];
    let links = prop_oneof![Just(Vec::new()), prop::collection::vec(link, 0..3)];
    let releases = prop_oneof![3 => Just(Vec::new()), 1 => prop::collection::vec(license(), 1..3)];
    (reports, links, releases).prop_map(|(reports, links, releases)| Posting {
        reports: reports
            .into_iter()
            .map(|id| ReportId::parse(id).unwrap())
            .collect(),
        links,
        releases,
    })
}

fn day() -> Hour {
    Hour::of("2026-11-22T00:00:00Z".parse().unwrap())
}

fn summed_line() -> impl Strategy<Value = SummedLine> {
    let end = prop_oneof![
        Just(LineEnd::Accepted),
        Just(LineEnd::Included),
        Just(LineEnd::WrittenOff(WriteOff::LicenseEnded)),
        Just(LineEnd::WrittenOff(WriteOff::TooLate)),
        Just(LineEnd::WrittenOff(WriteOff::Restored)),
    ];
    let cloud_account = prop::option::of(cloud_account());
    let carried_hours = prop_oneof![Just(0), any::<u16>()];
    (
        license(),
        dimension(),
        cloud_account,
        carried_hours,
        end,
        count(),
    )
        .prop_map(
            |(license, dimension, cloud_account, carried_hours, end, count)| SummedLine {
                kind: LineKind {
                    license,
                    dimension,
                    cloud_account,
                    carried_hours,
                    end,
                },
                count,
            },
        )
}

fn summed_hours() -> impl Strategy<Value = Vec<SummedHour>> {
    let reason = prop::sample::select(vec![
        Unbillable::Trial,
        Unbillable::Annual,
        Unbillable::Grace,
        Unbillable::Expired,
        Unbillable::Suspended,
        Unbillable::AgentOffline,
    ]);
    let unbillable = prop::collection::btree_map(reason, count(), 0..3);
    let lines = prop::collection::vec(summed_line(), 0..6);
    let hour = (0..24, lines, unbillable).prop_map(|(in_day, lines, unbillable)| SummedHour {
        hour: day().plus(in_day),
        lines,
        unbillable,
    });
    prop::collection::vec(hour, 0..6)
}

fn unpacked(pieces: &[Vec<u8>]) -> Result<Vec<Posting>, Undecodable> {
    unpack_postings(pieces.iter().map(Vec::as_slice))
}

proptest! {
    #[test]
    fn what_is_packed_is_read_again_in_its_order(
        lines in lines(),
        amounts in amounts(),
        allocations in allocations(),
    ) {
        prop_assert_eq!(unpack_lines(&pack_lines(&lines)), Ok(lines));
        prop_assert_eq!(unpack_amounts(&pack_amounts(&amounts)), Ok(amounts));
        prop_assert_eq!(unpack_allocations(&pack_allocations(&allocations)), Ok(allocations));
    }

    #[test]
    fn changed_or_cut_bytes_are_an_error(
        lines in lines(),
        place in any::<prop::sample::Index>(),
        flip in 1_u8..,
    ) {
        let bytes = pack_lines(&lines);
        let at = place.index(bytes.len());
        let mut changed = bytes.clone();
        changed[at] ^= flip;
        prop_assert!(unpack_lines(&changed).is_err());
        prop_assert!(unpack_lines(&bytes[..at]).is_err());
    }

    #[test]
    fn no_fields_make_it_panic(fields in prop::collection::vec(any::<u8>(), 0..100)) {
        let bytes = crate::packing::framed(VERSION, &fields);
        let _ = unpack_lines(&bytes);
        let _ = unpack_amounts(&bytes);
        let _ = unpack_allocations(&bytes);
        let _ = unpack_postings([bytes.as_slice()]);
        let _ = unpack_day(&bytes, day());
    }

    #[test]
    fn a_summed_up_day_is_read_again_and_nothing_else_is(
        hours in summed_hours(),
        place in any::<prop::sample::Index>(),
        flip in 1_u8..,
    ) {
        let bytes = pack_day(&hours);
        let unpacked = unpack_day(&bytes, day()).unwrap();
        prop_assert_eq!(unpacked.by_hour().collect::<Vec<_>>(), hours);
        let at = place.index(bytes.len());
        let mut changed = bytes.clone();
        changed[at] ^= flip;
        prop_assert!(unpack_day(&changed, day()).is_err());
        prop_assert!(unpack_day(&bytes[..at], day()).is_err());
    }

    #[test]
    fn a_share_takes_as_many_bytes_as_it_is_counted_for(account in cloud_account()) {
        let shares = |count| {
            let allocation = Allocation {
                cloud_account: Some(account.clone()),
                quantity: Quantity::new(16_383).unwrap(),
            };
            pack_allocations(&vec![allocation; count]).len()
        };
        prop_assert_eq!(shares(2) - shares(1), share_len(&account));
    }

    #[test]
    fn postings_are_read_again_and_only_the_last_piece_changes(
        postings in prop::collection::vec(posting(), 0..12),
        first in any::<prop::sample::Index>(),
    ) {
        let pieces = pack_postings(&postings);
        prop_assert_eq!(unpacked(&pieces), Ok(postings.clone()));
        prop_assert!(pieces.iter().all(|piece| piece.len() < MOST_PIECE_BYTES + 10));
        let mut before = pack_postings(&postings[..first.index(postings.len() + 1)]);
        before.pop();
        prop_assert!(pieces.len() > before.len());
        prop_assert_eq!(&pieces[..before.len()], before.as_slice());
    }

    #[test]
    fn a_changed_piece_is_an_error(
        postings in prop::collection::vec(posting(), 1..12),
        piece in any::<prop::sample::Index>(),
        place in any::<prop::sample::Index>(),
        flip in 1_u8..,
    ) {
        let mut pieces = pack_postings(&postings);
        let piece = piece.index(pieces.len());
        let place = place.index(pieces[piece].len());
        pieces[piece][place] ^= flip;
        prop_assert!(unpacked(&pieces).is_err());
    }
}

#[test]
fn a_newer_version_says_so() {
    let mut bytes = pack_lines(&[]);
    bytes[0] = 2;
    let newer = Undecodable::Version { found: 2, known: 1 };
    assert_eq!(unpack_lines(&bytes), Err(newer.clone()));
    assert_eq!(unpack_amounts(&bytes), Err(newer.clone()));
    assert_eq!(unpack_allocations(&bytes), Err(newer.clone()));
    assert_eq!(unpack_day(&bytes, day()), Err(newer.clone()));
    assert_eq!(unpacked(&[bytes]), Err(newer));
}

#[test]
fn an_account_of_aws_takes_six_bytes_and_one_of_azure_seventeen() {
    for (id, bytes) in [
        ("000000000000", 6),
        ("999999999999", 6),
        ("0f8fad5b-d9cb-469f-a165-70867728950e", 17),
        ("0F8FAD5B-D9CB-469F-A165-70867728950E", 37),
        ("my-project", 11),
    ] {
        let account = CloudAccountId::parse(id).unwrap();
        assert_eq!(cloud_account::len(&account), bytes, "{id}");
    }
}
