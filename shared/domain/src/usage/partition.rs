//! How the accounts' hours are divided over shards, and large accounts over parts.

use std::num::NonZeroU16;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::ids::AccountId;
use crate::usage::computer::ComputerKey;

/// The number of shards. A constant: a report's shard is part of its key.
///
/// 16 take 16 MB of reports a second, 3 billion computers an hour, and an idle
/// run of posting costs a quarter of what it would with 64.
pub const SHARDS: u8 = 16;

/// One of the [`SHARDS`] over which (account, part) pairs are spread by hash.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Shard(u8);

impl Shard {
    /// The shard of one part of an account.
    pub fn of(account: &AccountId, part: Part) -> Self {
        let mut hash = Sha256::new();
        hash.update(account.as_str().as_bytes());
        hash.update(b"/");
        hash.update(part.0.to_be_bytes());
        let [first, ..]: [u8; 32] = hash.finalize().into();
        Self(first % SHARDS)
    }

    /// Every shard.
    pub fn all() -> impl Iterator<Item = Self> {
        (0..SHARDS).map(Self)
    }

    /// 0 to 15.
    pub const fn number(self) -> u8 {
        self.0
    }
}

/// A fixed share of a large account's computers, by hash. A small account has
/// the one part 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Part(pub u16);

impl Part {
    /// The most parts of an account: what 64 parts hold is far more than one
    /// customer has, and each is a query in every hour.
    pub const MOST: u16 = 64;

    /// Every part of an account that is divided into `count`.
    pub fn all(count: NonZeroU16) -> impl Iterator<Item = Self> {
        (0..count.get()).map(Self)
    }

    /// The part to which a computer belongs.
    pub fn of(computer: ComputerKey, count: NonZeroU16) -> Self {
        let part = computer.spread() % u64::from(count.get());
        Self(u16::try_from(part).unwrap_or(0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shards_are_used_about_equally() {
        let mut counts = [0_u32; SHARDS as usize];
        for n in 0..1_600 {
            let account = AccountId::parse(format!("account-{n}")).unwrap();
            counts[usize::from(Shard::of(&account, Part(0)).number())] += 1;
        }
        assert!(counts.iter().all(|c| (50..200).contains(c)), "{counts:?}");
    }
}
