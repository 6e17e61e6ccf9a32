//! Observations packed into bytes: about 60 computers per KB.
//!
//! Version 1, big-endian:
//!
//! ```text
//! u8      version
//! u8      cloud accounts: 0 none has one, 1 all have the only one, 2 an index for each
//! varint  n, then n times: u8 length, bytes          the cloud accounts
//! varint  computers, then for each, by ascending key:
//!   u64     key
//!   u8      bits 0-1 tier, 2 vCenter, 3 has an agent key, 4-5 whole hour | spans | offline
//!   u64     agent key                                  if it has one
//!   varint  cloud account + 1, 0 for none              if there is an index for each
//!   u8      n, then n times u16 from, u16 until        if spans
//! u32     the first 4 bytes of the SHA-256 of all that
//! ```
//!
//! Reading checks every field; bytes of a newer version, cut short or changed
//! are an error, never a guess.

use std::collections::BTreeMap;

use sha2::{Digest, Sha256};

use crate::ids::CloudAccountId;
use crate::tiers::Tier;
use crate::usage::computer::{ComputerKey, Observation, Protected, Span};

/// The largest packed item: DynamoDB takes 400 KB; posting reads are billed by size.
pub const MAX_PACKED_BYTES: usize = 96 * 1024;

const VERSION: u8 = 1;
const NONE_HAS_ONE: u8 = 0;
const ALL_HAVE_THE_ONLY_ONE: u8 = 1;
const INDEX_FOR_EACH: u8 = 2;

const TIER_BITS: u8 = 0b11;
const VCENTER: u8 = 1 << 2;
const HAS_AGENT: u8 = 1 << 3;
const TIME_SHIFT: u8 = 4;
const FLAG_BITS: u8 = 0b0011_1111;

/// Why packed bytes cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Undecodable {
    /// Written by a newer version of this program.
    #[error("packed by version {0}, this program reads version 1")]
    Version(u8),
    /// The checksum does not match.
    #[error("the checksum does not match")]
    Checksum,
    /// A field is cut short or has a value that is never written.
    #[error("the field {0} is not readable")]
    Field(&'static str),
}

/// Packs observations; the order of the input does not matter.
pub fn pack(observations: &[Observation]) -> Vec<u8> {
    let mut sorted: Vec<&Observation> = observations.iter().collect();
    sorted.sort_unstable_by_key(|o| (o.key, o.agent, o.tier, o.vcenter));
    let accounts = AccountTable::of(observations);
    let mut bytes = Vec::with_capacity(observations.len() * 18 + 64);
    bytes.push(VERSION);
    accounts.write(&mut bytes);
    write_varint(&mut bytes, sorted.len());
    for observation in sorted {
        write_observation(&mut bytes, observation, &accounts);
    }
    let checksum = checksum(&bytes);
    bytes.extend_from_slice(&checksum);
    bytes
}

/// How many bytes [`pack`] would make.
pub fn packed_len(observations: &[Observation]) -> usize {
    pack(observations).len()
}

/// Reads what [`pack`] wrote.
///
/// # Errors
/// [`Undecodable`] for bytes of another version, changed or cut short.
pub fn unpack(bytes: &[u8]) -> Result<Vec<Observation>, Undecodable> {
    match bytes.first() {
        Some(&VERSION) => {}
        Some(other) => return Err(Undecodable::Version(*other)),
        None => return Err(Undecodable::Field("version")),
    }
    let (body, sum) = bytes.split_last_chunk::<4>().ok_or(Undecodable::Checksum)?;
    if checksum(body) != *sum {
        return Err(Undecodable::Checksum);
    }
    let mut reader = Reader {
        rest: body.get(1..).unwrap_or_default(),
    };
    let accounts = AccountTable::read(&mut reader)?;
    let count = reader.varint("count")?;
    let mut observations = Vec::with_capacity(count.min(bytes.len() / 9));
    for _ in 0..count {
        observations.push(read_observation(&mut reader, &accounts)?);
    }
    if reader.rest.is_empty() {
        Ok(observations)
    } else {
        Err(Undecodable::Field("end"))
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

    fn write(&self, bytes: &mut Vec<u8>) {
        bytes.push(self.mode);
        write_varint(bytes, self.accounts.len());
        for account in &self.accounts {
            let text = account.as_str().as_bytes();
            bytes.push(u8::try_from(text.len()).unwrap_or(u8::MAX));
            bytes.extend_from_slice(text);
        }
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, Undecodable> {
        const FIELD: Undecodable = Undecodable::Field("cloud accounts");
        let mode = reader.u8("cloud accounts")?;
        let count = reader.varint("cloud accounts")?;
        let mut accounts = Vec::new();
        for _ in 0..count {
            let len = usize::from(reader.u8("cloud accounts")?);
            let text =
                std::str::from_utf8(reader.take(len, "cloud accounts")?).map_err(|_| FIELD)?;
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

    fn write_index(&self, bytes: &mut Vec<u8>, account: Option<&CloudAccountId>) {
        if self.mode == INDEX_FOR_EACH {
            let place = account.and_then(|a| self.index.get(a)).map_or(0, |n| n + 1);
            write_varint(bytes, place);
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

fn write_observation(bytes: &mut Vec<u8>, observation: &Observation, accounts: &AccountTable) {
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
    bytes.extend_from_slice(&observation.key.to_bits().to_be_bytes());
    bytes.push(tier | vcenter | has_agent | time << TIME_SHIFT);
    if let Some(agent) = observation.agent {
        bytes.extend_from_slice(&agent.to_bits().to_be_bytes());
    }
    accounts.write_index(bytes, observation.cloud_account.as_ref());
    if let Protected::Spans(spans) = &observation.protected {
        bytes.push(u8::try_from(spans.len()).unwrap_or(u8::MAX));
        for span in spans {
            bytes.extend_from_slice(&span.from.to_be_bytes());
            bytes.extend_from_slice(&span.until.to_be_bytes());
        }
    }
}

fn read_observation(
    reader: &mut Reader<'_>,
    accounts: &AccountTable,
) -> Result<Observation, Undecodable> {
    let key = reader.key("key")?;
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
        Some(reader.key("agent key")?)
    };
    let cloud_account = accounts.read_index(reader)?;
    let protected = match flags >> TIME_SHIFT {
        0 => Protected::WholeHour,
        1 => Protected::Spans(reader.spans()?),
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

fn checksum(bytes: &[u8]) -> [u8; 4] {
    let [a, b, c, d, ..]: [u8; 32] = Sha256::digest(bytes).into();
    [a, b, c, d]
}

fn write_varint(bytes: &mut Vec<u8>, mut value: usize) {
    while value >= 0x80 {
        bytes.push(u8::try_from(value & 0x7f).unwrap_or(0) | 0x80);
        value >>= 7;
    }
    bytes.push(u8::try_from(value).unwrap_or(0));
}

/// Reads fields from the front of a slice.
struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    fn take(&mut self, len: usize, field: &'static str) -> Result<&'a [u8], Undecodable> {
        let (taken, rest) = self
            .rest
            .split_at_checked(len)
            .ok_or(Undecodable::Field(field))?;
        self.rest = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self, field: &'static str) -> Result<[u8; N], Undecodable> {
        let (taken, rest) = self
            .rest
            .split_first_chunk::<N>()
            .ok_or(Undecodable::Field(field))?;
        self.rest = rest;
        Ok(*taken)
    }

    fn u8(&mut self, field: &'static str) -> Result<u8, Undecodable> {
        self.array::<1>(field).map(|[byte]| byte)
    }

    fn key(&mut self, field: &'static str) -> Result<ComputerKey, Undecodable> {
        let bits = u64::from_be_bytes(self.array(field)?);
        ComputerKey::from_bits(bits).ok_or(Undecodable::Field(field))
    }

    fn varint(&mut self, field: &'static str) -> Result<usize, Undecodable> {
        let mut value = 0;
        for shift in [0, 7, 14, 21] {
            let byte = self.u8(field)?;
            value |= usize::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(Undecodable::Field(field))
    }

    fn spans(&mut self) -> Result<Vec<Span>, Undecodable> {
        let count = self.u8("spans")?;
        let mut spans: Vec<Span> = Vec::with_capacity(usize::from(count));
        for _ in 0..count {
            let span = Span {
                from: u16::from_be_bytes(self.array("spans")?),
                until: u16::from_be_bytes(self.array("spans")?),
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
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn observation() -> impl Strategy<Value = Observation> {
        let protected = prop_oneof![
            Just(Protected::WholeHour),
            Just(Protected::Offline),
            (0_u16..1000, 1_u16..1000, 1_u16..500, 1_u16..1000).prop_map(|(a, b, c, d)| {
                Protected::Spans(vec![
                    Span {
                        from: a,
                        until: a + b,
                    },
                    Span {
                        from: a + b + c,
                        until: a + b + c + d,
                    },
                ])
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
            proptest::option::of("[0-9]{1,12}"),
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
        fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            let _ = unpack(&bytes);
        }
    }

    #[test]
    fn a_newer_version_says_so() {
        let mut bytes = pack(&[]);
        bytes[0] = 2;
        assert_eq!(unpack(&bytes), Err(Undecodable::Version(2)));
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
