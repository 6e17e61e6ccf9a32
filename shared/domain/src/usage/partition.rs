//! How the accounts' hours are divided over shards, and large accounts over parts.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::hour::Hour;
use crate::ids::AccountId;
use crate::usage::computer::ComputerKey;

/// The number of shards. A constant: a report's shard is part of its key.
pub const SHARDS: u8 = 64;

/// How many hours ahead a change of an account's number of parts must lie, so
/// that no report of the hour can have been stored under the old number.
pub const PARTS_CHANGE_HOURS_AHEAD: i32 = 2;

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

    /// 0 to 63.
    pub const fn number(self) -> u8 {
        self.0
    }
}

/// A fixed share of a large account's computers, by hash. A small account has
/// the one part 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Part(pub u16);

/// Into how many parts an account is divided, hour by hour. An hour keeps the
/// number with which it began.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Parts {
    /// (first hour, number of parts), ascending; before the first, one part.
    changes: Vec<(Hour, u16)>,
}

/// A change of the number of parts that would divide an hour two ways.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidPartsChange {
    /// Reports of the hour may already be stored.
    #[error("the number of parts changes only from an hour at least 2 hours ahead")]
    TooSoon,
    /// There must be at least one part.
    #[error("an account has at least one part")]
    Zero,
}

impl Default for Parts {
    fn default() -> Self {
        Self::ONE
    }
}

impl Parts {
    /// Not divided.
    pub const ONE: Self = Self {
        changes: Vec::new(),
    };

    /// The number of parts in an hour.
    pub fn at(&self, hour: Hour) -> u16 {
        self.changes
            .iter()
            .rev()
            .find(|(from, _)| *from <= hour)
            .map_or(1, |(_, count)| *count)
    }

    /// Every part of an hour.
    pub fn all(&self, hour: Hour) -> impl Iterator<Item = Part> + use<> {
        (0..self.at(hour)).map(Part)
    }

    /// The part to which a computer belongs in an hour.
    pub fn part_of(&self, computer: ComputerKey, hour: Hour) -> Part {
        let part = computer.spread() % u64::from(self.at(hour));
        Part(u16::try_from(part).unwrap_or(0))
    }

    /// The parts after a change to `count` from `from` on.
    ///
    /// # Errors
    /// [`InvalidPartsChange`] when the hour is less than 2 h after the running one, or `count` is 0.
    pub fn changed(
        &self,
        from: Hour,
        count: u16,
        running: Hour,
    ) -> Result<Self, InvalidPartsChange> {
        if count == 0 {
            return Err(InvalidPartsChange::Zero);
        }
        if from.since(running) < PARTS_CHANGE_HOURS_AHEAD {
            return Err(InvalidPartsChange::TooSoon);
        }
        let mut changes = self.changes.clone();
        changes.retain(|(hour, _)| *hour < from);
        changes.push((from, count));
        Ok(Self { changes })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_hour_keeps_the_number_of_parts_with_which_it_began() {
        let now = Hour::from_number(100);
        let parts = Parts::ONE.changed(now.plus(2), 4, now).unwrap();
        assert_eq!(parts.at(now.plus(1)), 1);
        assert_eq!(parts.at(now.plus(2)), 4);
        assert_eq!(
            parts.changed(now.plus(1), 2, now),
            Err(InvalidPartsChange::TooSoon)
        );
        assert_eq!(
            parts.changed(now.plus(9), 0, now),
            Err(InvalidPartsChange::Zero)
        );
    }

    #[test]
    fn shards_are_used_about_equally() {
        let mut counts = [0_u32; SHARDS as usize];
        for n in 0..6_400 {
            let account = AccountId::parse(format!("account-{n}")).unwrap();
            counts[usize::from(Shard::of(&account, Part(0)).number())] += 1;
        }
        assert!(counts.iter().all(|c| (50..200).contains(c)), "{counts:?}");
    }
}
