//! Observations packed into bytes: about 60 computers per KB.
//!
//! Version 1, framed and read as [`crate::packing`] says:
//!
//! ```text
//! u8      cloud accounts: 0 none has one, 1 all have the only one, 2 an index for each
//! varint  n, then n times: u8 length, bytes          the cloud accounts
//! varint  computers, then for each, by ascending key:
//!   u64     key
//!   u8      bits 0-1 tier, 2 vCenter, 3 has an agent key, 4-5 whole hour | spans | offline
//!   u64     agent key                                  if it has one
//!   varint  cloud account + 1, 0 for none              if there is an index for each
//!   u8      n, then n times u16 from, u16 until        if spans
//! ```

use std::collections::{BTreeMap, BTreeSet};

use crate::ids::CloudAccountId;
use crate::packing::{AROUND, Reader, Writer};
use crate::tiers::Tier;
use crate::usage::computer::{ComputerKey, Observation, Protected, Span};

pub use crate::packing::Undecodable;

/// The most bytes of a chunk of a report: DynamoDB takes items of 400 KB, and
/// posting reads are billed by size.
pub const CHUNK_BYTES: usize = 96 * 1024;

const VERSION: u8 = 1;
const NONE_HAS_ONE: u8 = 0;
const ALL_HAVE_THE_ONLY_ONE: u8 = 1;
const INDEX_FOR_EACH: u8 = 2;

const TIER_BITS: u8 = 0b11;
const VCENTER: u8 = 1 << 2;
const HAS_AGENT: u8 = 1 << 3;
const TIME_SHIFT: u8 = 4;
const FLAG_BITS: u8 = 0b0011_1111;

/// Packs observations; the order of the input does not matter.
pub fn pack(observations: &[Observation]) -> Vec<u8> {
    let mut sorted: Vec<&Observation> = observations.iter().collect();
    sorted.sort_unstable_by_key(|o| (o.key, o.agent, o.tier, o.vcenter));
    let accounts = AccountTable::of(observations);
    let mut writer = Writer::new(VERSION, observations.len() * 18 + 64);
    accounts.write(&mut writer);
    writer.varint(sorted.len());
    for observation in sorted {
        write_observation(&mut writer, observation, &accounts);
    }
    writer.finish()
}

/// Reads what [`pack`] wrote.
///
/// # Errors
/// [`Undecodable`] for bytes of another version, changed or cut short.
pub fn unpack(bytes: &[u8]) -> Result<Vec<Observation>, Undecodable> {
    let mut reader = Reader::of(bytes, VERSION)?;
    let accounts = AccountTable::read(&mut reader)?;
    let count = reader.varint("count")?;
    let mut observations = Vec::with_capacity(count.min(bytes.len() / 9));
    for _ in 0..count {
        observations.push(read_observation(&mut reader, &accounts)?);
    }
    reader.end()?;
    Ok(observations)
}

/// A report's computers of one part, divided over items: chunks.
///
/// Where one ends is decided by what the product sent alone, so that a report
/// that comes again divides as it did before, whatever catalog classifies it.
pub(crate) struct Chunks<'a> {
    most_bytes: usize,
    full: Vec<Vec<Observation>>,
    last: Vec<Observation>,
    /// At most so many bytes does the last one pack into.
    bytes: usize,
    cloud_accounts: BTreeSet<&'a CloudAccountId>,
}

/// What [`pack`] takes for no computer: mode, two counts, and what is around.
const EMPTY_BYTES: usize = AROUND + 1 + 3 + 3;

/// What it takes for a computer, its spans and its cloud account left out: two
/// keys, flags, and the place of the cloud account among up to 16,383.
const COMPUTER_BYTES: usize = 8 + 1 + 8 + 2;

/// What it takes for an interval.
const SPAN_BYTES: usize = 4;

impl<'a> Chunks<'a> {
    /// One chunk without a computer; none will pack into more than so many
    /// bytes, unless one computer alone does.
    pub(crate) fn of_at_most(bytes: usize) -> Self {
        Self {
            most_bytes: bytes,
            full: Vec::new(),
            last: Vec::new(),
            bytes: EMPTY_BYTES,
            cloud_accounts: BTreeSet::new(),
        }
    }

    /// Adds a computer that was reported with so many intervals (`None` for
    /// the whole hour) and this cloud account.
    pub(crate) fn push(
        &mut self,
        observation: Observation,
        intervals: Option<usize>,
        cloud_account: Option<&'a CloudAccountId>,
    ) {
        let spans = intervals.map_or(0, |count| 1 + SPAN_BYTES * count);
        let name = cloud_account.map_or(0, |account| 1 + account.as_str().len());
        let known = cloud_account.is_none_or(|account| self.cloud_accounts.contains(account));
        let more = COMPUTER_BYTES + spans + if known { 0 } else { name };
        if self.bytes + more > self.most_bytes && !self.last.is_empty() {
            self.full.push(std::mem::take(&mut self.last));
            self.cloud_accounts.clear();
            self.bytes = EMPTY_BYTES + COMPUTER_BYTES + spans + name;
        } else {
            self.bytes += more;
        }
        self.cloud_accounts.extend(cloud_account);
        self.last.push(observation);
    }

    /// The chunks, at least one.
    pub(crate) fn finish(mut self) -> Vec<Vec<Observation>> {
        self.full.push(self.last);
        self.full
    }
}

/// The distinct cloud accounts of the observations.
struct AccountTable {
    mode: u8,
    accounts: Vec<CloudAccountId>,
    index: BTreeMap<CloudAccountId, usize>,
}

impl AccountTable {
    fn of(observations: &[Observation]) -> Self {
        let mut index: BTreeMap<CloudAccountId, usize> = observations
            .iter()
            .filter_map(|o| o.cloud_account.clone())
            .map(|account| (account, 0))
            .collect();
        for (n, place) in index.values_mut().enumerate() {
            *place = n;
        }
        let mode = match index.len() {
            0 => NONE_HAS_ONE,
            1 if observations.iter().all(|o| o.cloud_account.is_some()) => ALL_HAVE_THE_ONLY_ONE,
            _ => INDEX_FOR_EACH,
        };
        Self {
            mode,
            accounts: index.keys().cloned().collect(),
            index,
        }
    }

    fn write(&self, writer: &mut Writer) {
        writer.u8(self.mode);
        writer.varint(self.accounts.len());
        for account in &self.accounts {
            writer.text(account.as_str());
        }
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, Undecodable> {
        const FIELD: Undecodable = Undecodable::Field("cloud accounts");
        let mode = reader.u8("cloud accounts")?;
        let count = reader.varint("cloud accounts")?;
        let mut accounts = Vec::new();
        for _ in 0..count {
            let text = reader.text("cloud accounts")?;
            accounts.push(CloudAccountId::parse(text).map_err(|_| FIELD)?);
        }
        match (mode, accounts.len()) {
            (NONE_HAS_ONE, 0) | (ALL_HAVE_THE_ONLY_ONE, 1) | (INDEX_FOR_EACH, 1..) => Ok(Self {
                mode,
                accounts,
                index: BTreeMap::new(),
            }),
            _ => Err(FIELD),
        }
    }

    fn write_index(&self, writer: &mut Writer, account: Option<&CloudAccountId>) {
        if self.mode == INDEX_FOR_EACH {
            let place = account.and_then(|a| self.index.get(a)).map_or(0, |n| n + 1);
            writer.varint(place);
        }
    }

    fn read_index(&self, reader: &mut Reader<'_>) -> Result<Option<CloudAccountId>, Undecodable> {
        match self.mode {
            NONE_HAS_ONE => Ok(None),
            ALL_HAVE_THE_ONLY_ONE => Ok(self.accounts.first().cloned()),
            _ => match reader.varint("cloud account")? {
                0 => Ok(None),
                n => self
                    .accounts
                    .get(n - 1)
                    .cloned()
                    .map(Some)
                    .ok_or(Undecodable::Field("cloud account")),
            },
        }
    }
}

fn write_observation(writer: &mut Writer, observation: &Observation, accounts: &AccountTable) {
    let tier = match observation.tier {
        Tier::Medium => 0,
        Tier::Large => 1,
        Tier::ExtraLarge => 2,
        Tier::DataCenter => 3,
    };
    let time = match observation.protected {
        Protected::WholeHour => 0,
        Protected::Spans(_) => 1,
        Protected::Offline => 2,
    };
    let vcenter = if observation.vcenter { VCENTER } else { 0 };
    let has_agent = if observation.agent.is_some() {
        HAS_AGENT
    } else {
        0
    };
    writer.u64(observation.key.to_bits());
    writer.u8(tier | vcenter | has_agent | time << TIME_SHIFT);
    if let Some(agent) = observation.agent {
        writer.u64(agent.to_bits());
    }
    accounts.write_index(writer, observation.cloud_account.as_ref());
    if let Protected::Spans(spans) = &observation.protected {
        writer.u8(u8::try_from(spans.len()).unwrap_or(u8::MAX));
        for span in spans {
            writer.u16(span.from);
            writer.u16(span.until);
        }
    }
}

fn read_observation(
    reader: &mut Reader<'_>,
    accounts: &AccountTable,
) -> Result<Observation, Undecodable> {
    let key = read_key(reader, "key")?;
    let flags = reader.u8("flags")?;
    if flags & !FLAG_BITS != 0 {
        return Err(Undecodable::Field("flags"));
    }
    let tier = match flags & TIER_BITS {
        0 => Tier::Medium,
        1 => Tier::Large,
        2 => Tier::ExtraLarge,
        _ => Tier::DataCenter,
    };
    let agent = if flags & HAS_AGENT == 0 {
        None
    } else {
        Some(read_key(reader, "agent key")?)
    };
    let cloud_account = accounts.read_index(reader)?;
    let protected = match flags >> TIME_SHIFT {
        0 => Protected::WholeHour,
        1 => Protected::Spans(read_spans(reader)?),
        2 => Protected::Offline,
        _ => return Err(Undecodable::Field("flags")),
    };
    Ok(Observation {
        key,
        agent,
        tier,
        vcenter: flags & VCENTER != 0,
        cloud_account,
        protected,
    })
}

fn read_key(reader: &mut Reader<'_>, field: &'static str) -> Result<ComputerKey, Undecodable> {
    ComputerKey::from_bits(reader.u64(field)?).ok_or(Undecodable::Field(field))
}

fn read_spans(reader: &mut Reader<'_>) -> Result<Vec<Span>, Undecodable> {
    let count = reader.u8("spans")?;
    let mut spans: Vec<Span> = Vec::with_capacity(usize::from(count));
    for _ in 0..count {
        let span = Span {
            from: reader.u16("spans")?,
            until: reader.u16("spans")?,
        };
        let apart = spans.last().is_none_or(|last| last.until < span.from);
        if !apart || span.from >= span.until || span.until > 3600 {
            return Err(Undecodable::Field("spans"));
        }
        spans.push(span);
    }
    if spans.is_empty() {
        Err(Undecodable::Field("spans"))
    } else {
        Ok(spans)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::usage::report::{MAX_COMPUTERS, MAX_SPANS};

    fn observation() -> impl Strategy<Value = Observation> {
        // One span, or as many as there may be.
        let ends = prop_oneof![
            prop::collection::btree_set(0_u16..=3600, 2..9),
            prop::collection::btree_set(0_u16..=3600, 2 * MAX_SPANS),
        ];
        let protected = prop_oneof![
            Just(Protected::WholeHour),
            Just(Protected::Offline),
            ends.prop_map(|ends| {
                let ends: Vec<u16> = ends.into_iter().collect();
                let spans = ends.chunks_exact(2).map(|ends| Span {
                    from: ends[0],
                    until: ends[1],
                });
                Protected::Spans(spans.collect())
            }),
        ];
        let key = (any::<u64>(), 0_u64..=4).prop_filter_map("a key", |(bits, kind)| {
            ComputerKey::from_bits(bits & !7 | kind)
        });
        (
            key.clone(),
            proptest::option::of(key),
            prop::sample::select(&Tier::ALL[..]),
            any::<bool>(),
            proptest::option::of("[0-9]{1,12}|[a-z]{128}"),
            protected,
        )
            .prop_map(
                |(key, agent, tier, vcenter, account, protected)| Observation {
                    key,
                    agent,
                    tier,
                    vcenter,
                    cloud_account: account.map(|text| CloudAccountId::parse(text).unwrap()),
                    protected,
                },
            )
    }

    proptest! {
        #[test]
        fn what_is_packed_is_read_again(observations in prop::collection::vec(observation(), 0..60)) {
            let mut read = unpack(&pack(&observations)).unwrap();
            let mut written = observations;
            let order = |o: &Observation| format!("{o:?}");
            read.sort_by_key(order);
            written.sort_by_key(order);
            prop_assert_eq!(read, written);
        }

        #[test]
        fn changed_or_cut_bytes_are_an_error(
            observations in prop::collection::vec(observation(), 1..20),
            place in any::<prop::sample::Index>(),
            flip in 1_u8..,
        ) {
            let bytes = pack(&observations);
            let at = place.index(bytes.len());
            let mut changed = bytes.clone();
            changed[at] ^= flip;
            prop_assert!(unpack(&changed).is_err());
            prop_assert!(unpack(&bytes[..at]).is_err());
        }

        #[test]
        fn no_chunk_packs_into_more_than_it_may(
            observations in prop::collection::vec(observation(), 0..60),
            most in 500_usize..5_000,
        ) {
            let chunks = divided(&observations, most);
            prop_assert_eq!(chunks.concat(), observations);
            for chunk in &chunks {
                prop_assert!(pack(chunk).len() <= most);
            }
        }

        #[test]
        fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            let _ = unpack(&bytes);
        }
    }

    fn divided(observations: &[Observation], most: usize) -> Vec<Vec<Observation>> {
        let mut chunks = Chunks::of_at_most(most);
        for observation in observations {
            let intervals = match &observation.protected {
                Protected::WholeHour | Protected::Offline => None,
                Protected::Spans(spans) => Some(spans.len()),
            };
            let cloud_account = observation.cloud_account.as_ref();
            chunks.push(observation.clone(), intervals, cloud_account);
        }
        chunks.finish()
    }

    /// A computer that takes as much as one can.
    fn largest(number: u64) -> Observation {
        let spans = (0..60).map(|n| Span {
            from: n * 60,
            until: n * 60 + 59,
        });
        Observation {
            key: ComputerKey::from_bits(number << 20 | 1).unwrap(),
            agent: ComputerKey::from_bits(number << 20 | 4),
            tier: Tier::Large,
            vcenter: false,
            cloud_account: Some(CloudAccountId::parse(format!("{number:0128}")).unwrap()),
            protected: Protected::Spans(spans.collect()),
        }
    }

    #[test]
    fn the_largest_report_fits_into_twenty_chunks() {
        let computers: Vec<Observation> = (0..5_000).map(largest).collect();
        assert_eq!(computers.len(), MAX_COMPUTERS);
        let largest = COMPUTER_BYTES + 1 + MAX_SPANS * SPAN_BYTES + 1 + 128;
        let most = MAX_COMPUTERS.div_ceil((CHUNK_BYTES - EMPTY_BYTES) / largest);
        let chunks = divided(&computers, CHUNK_BYTES);
        assert_eq!((chunks.len(), most), (20, 20));
        let packed: Vec<Vec<u8>> = chunks.iter().map(|chunk| pack(chunk)).collect();
        assert!(packed.iter().all(|chunk| chunk.len() <= CHUNK_BYTES));
        let read = packed.iter().flat_map(|chunk| unpack(chunk).unwrap());
        assert!(read.eq(computers));
    }

    #[test]
    fn an_ordinary_report_of_five_thousand_computers_is_one_chunk() {
        let ordinary = |number| Observation {
            cloud_account: Some(CloudAccountId::parse(format!("{:012}", number % 200)).unwrap()),
            protected: Protected::WholeHour,
            ..largest(number)
        };
        let computers: Vec<Observation> = (0..5_000).map(ordinary).collect();
        assert_eq!(divided(&computers, CHUNK_BYTES).len(), 1);
    }

    #[test]
    fn a_newer_version_says_so() {
        let mut bytes = pack(&[]);
        bytes[0] = 2;
        let newer = Undecodable::Version { found: 2, known: 1 };
        assert_eq!(unpack(&bytes), Err(newer));
    }

    #[test]
    fn a_kilobyte_holds_about_sixty_computers() {
        let observations: Vec<Observation> = (0..6_000_u64)
            .map(|n| Observation {
                key: ComputerKey::from_bits(n << 20 | 1).unwrap(),
                agent: ComputerKey::from_bits(n << 20 | 4),
                tier: Tier::Large,
                vcenter: false,
                cloud_account: Some(CloudAccountId::parse("123456789012").unwrap()),
                protected: Protected::WholeHour,
            })
            .collect();
        let per_kilobyte = observations.len() * 1024 / pack(&observations).len();
        assert!(per_kilobyte >= 58, "{per_kilobyte}");
    }
}
