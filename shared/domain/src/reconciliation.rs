//! Our billed records against what AWS says of them, by agreement, dimension
//! and UTC day.
//!
//! Invariants:
//!
//! - What could not be compared is said, with its reason, and is never called
//!   equal, late, missing or over.
//! - Every unit of ours and every unit of AWS's is in exactly one finding:
//!   ours + over + explained = AWS's, or ours = AWS's + late or missing.
//! - The order and the number of AWS's rows and of our records' deliveries do not
//!   matter: rows are a set, of which the newest revision counts ([`rows`]).
//! - Nothing is sent: what is proposed is a file that a person sends
//!   ([`adjustments`]).

pub mod adjustments;
pub mod amounts;
pub mod kept;
pub mod rows;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use jiff::civil::Date;
use jiff::tz::Offset;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::hour::after;
use crate::ids::{AgreementId, Dimension, LicenseId};
use crate::money::decimal;

use rows::{Current, UnreadableRow, UsageRow};

/// For how long after a day AWS's feed of it may still grow: a day's feed comes
/// on the next, and usage that AWS took late on one of those after.
pub const FEED_SETTLES_AFTER: SignedDuration = SignedDuration::from_hours(3 * 24);

/// Units of usage in hundredths: AWS's feed gives up to two decimals.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
pub struct Units(u64);

impl Units {
    /// So many whole units.
    pub const fn whole(units: u64) -> Self {
        Self(units.saturating_mul(100))
    }

    /// Reads a decimal such as `12`, `12.5` or `12.50`.
    pub fn parse(text: &str) -> Option<Self> {
        Some(Self(decimal(text, 2)?))
    }

    /// How many hundredths of a unit.
    pub const fn hundredths(self) -> u64 {
        self.0
    }

    /// Whether there are none.
    pub const fn is_none(self) -> bool {
        self.0 == 0
    }

    /// The sum of two.
    #[must_use]
    pub const fn plus(self, more: Self) -> Self {
        Self(self.0.saturating_add(more.0))
    }

    /// How much this is more than another; nothing if it is less.
    #[must_use]
    pub const fn less(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }
}

impl std::iter::Sum for Units {
    fn sum<I: Iterator<Item = Self>>(units: I) -> Self {
        units.fold(Self::default(), Self::plus)
    }
}

impl fmt::Display for Units {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.0 / 100, self.0 % 100) {
            (whole, 0) => write!(f, "{whole}"),
            (whole, part) => write!(f, "{whole}.{part:02}"),
        }
    }
}

/// What we know of what AWS did with a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// AWS accepted it.
    Billed {
        /// When we learned of it.
        at: Timestamp,
    },
    /// It was perhaps accepted.
    Unknown,
    /// AWS holds another record for its hour, of whatever quantity.
    Conflict,
}

/// A record of ours that is, or may be, billed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OurRecord {
    /// The license.
    pub license: LicenseId,
    /// The agreement that the license was under then; `None` when no fact says.
    pub agreement: Option<AgreementId>,
    /// The dimension.
    pub dimension: Dimension,
    /// The UTC day of the record's timestamp.
    pub day: Date,
    /// The record's quantity.
    pub units: u64,
    /// What AWS did with it.
    pub standing: Standing,
}

/// What is known of a day's feed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FeedOfDay {
    /// Its file was delivered after the day's end, and read.
    Delivered,
    /// Nothing was delivered since the day's end.
    NotDelivered,
    /// The seller is not enrolled: no bucket is set.
    NotEnrolled,
    /// It could not be read.
    Unread {
        /// Why.
        reason: String,
    },
}

/// AWS's side of a comparison.
#[derive(Debug, Clone, Copy)]
pub struct Feed<'a> {
    /// Rows of our products, every revision, in any order.
    pub rows: &'a [UsageRow],
    /// Rows that could not be read.
    pub unreadable: &'a [UnreadableRow],
    /// The days that are compared; rows and records of others are left out.
    pub days: &'a BTreeMap<Date, FeedOfDay>,
    /// The agreements that we or AWS know of. A row that names another one is as
    /// good as one that names none.
    pub agreements: &'a BTreeSet<AgreementId>,
}

/// Whose usage it is.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Whose {
    /// An agreement's.
    Agreement(AgreementId),
    /// A license's of which no fact says under which agreement it was.
    License(LicenseId),
    /// AWS's rows name no agreement, or one that nobody knows.
    Nobody,
}

/// What came of comparing the usage of one dimension and day.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// The UTC day of use.
    pub day: Date,
    /// Whose usage it is.
    pub whose: Whose,
    /// The dimension.
    pub dimension: Dimension,
    /// What we have billed.
    pub ours: Units,
    /// What of ours AWS may hold besides: the records of unknown outcome.
    pub unknown: Units,
    /// What AWS has.
    pub aws: Units,
    /// What that means.
    pub verdict: Verdict,
}

/// What a comparison means.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "is")]
pub enum Verdict {
    /// AWS has what we have billed.
    Equal,
    /// AWS has less, and its feed of what we have billed may still grow.
    Late {
        /// How much.
        units: Units,
    },
    /// AWS has less, and its feed is complete.
    Missing {
        /// How much.
        units: Units,
    },
    /// AWS has more than we know of.
    Over {
        /// How much, beyond what records of unknown outcome explain.
        units: Units,
        /// What records of unknown outcome explain.
        explained: Units,
    },
    /// It could not be compared.
    NotComparable {
        /// Why.
        obstacle: Obstacle,
    },
}

/// Why usage could not be compared.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "because")]
pub enum Obstacle {
    /// The seller is not enrolled in data feeds.
    NotEnrolled,
    /// The feed could not be read.
    FeedUnread {
        /// Why.
        reason: String,
    },
    /// The day's feed was not delivered.
    FeedNotDelivered,
    /// A row that may be about it could not be read.
    RowUnreadable {
        /// The file.
        file: String,
        /// The line in it, from 1.
        line: u64,
        /// What is wrong with it.
        reason: String,
    },
    /// Two rows of the same revision say different things.
    RowsDisagree,
    /// AWS has no more than our billed records and those of unknown outcome together.
    OutcomeUnknown,
    /// AWS has more, and holds a record that is not ours in place of one of ours.
    Conflict,
    /// No fact says under which agreement the license was.
    NoAgreement,
    /// AWS's rows name no agreement.
    RowsWithoutAgreement,
    /// AWS has less, and rows without an agreement that may be the rest.
    PerhapsWithoutAgreement,
    /// AWS has more, and we have billed usage of which no agreement is known.
    PerhapsOurs,
    /// AWS has more, and not every license of ours was looked at.
    LicensesUnseen,
}

impl Verdict {
    /// Whether a person has to do something about it.
    pub const fn needs_a_person(&self) -> bool {
        match self {
            Self::Missing { .. } | Self::Over { .. } => true,
            Self::Equal | Self::Late { .. } | Self::NotComparable { .. } => false,
        }
    }
}

/// The UTC day of an instant.
pub fn day_of(instant: Timestamp) -> Date {
    Offset::UTC.to_datetime(instant).date()
}

/// The first instant after a UTC day.
pub fn end_of(day: Date) -> Timestamp {
    let next = day.tomorrow().unwrap_or(day).at(0, 0, 0, 0);
    Offset::UTC.to_timestamp(next).unwrap_or(Timestamp::MAX)
}

/// What is known of both sides of one dimension and day.
#[derive(Debug, Default)]
struct Sides {
    billed: Units,
    /// Of what is billed: what AWS's feed may still bring.
    late: Units,
    unknown: Units,
    conflict: bool,
    aws: Units,
    disagree: bool,
}

/// What is without an agreement, of one dimension and day.
#[derive(Debug, Default)]
struct Strays {
    ours: bool,
    aws: bool,
}

/// Compares the days of which something is said in `feed`. `unseen` says that
/// not every license of ours was looked at.
pub fn compare(ours: &[OurRecord], feed: &Feed<'_>, unseen: bool, now: Timestamp) -> Vec<Finding> {
    let mut sides: BTreeMap<(Date, Whose, Dimension), Sides> = BTreeMap::new();
    for record in ours.iter().filter(|of| feed.days.contains_key(&of.day)) {
        let key = (record.day, record.whose(), record.dimension.clone());
        sides.entry(key).or_default().take(record, now);
    }
    let Current { usage, disputed } = rows::current(feed.rows);
    let compared = |day: &Date| feed.days.contains_key(day);
    for row in usage.iter().filter(|row| compared(&row.day)) {
        let key = (
            row.day,
            feed.whose(row.agreement.as_ref()),
            row.dimension.clone(),
        );
        let sides = sides.entry(key).or_default();
        sides.aws = sides.aws.plus(row.units);
    }
    for row in disputed.iter().filter(|row| compared(&row.day)) {
        let key = (
            row.day,
            feed.whose(row.agreement.as_ref()),
            row.dimension.clone(),
        );
        sides.entry(key).or_default().disagree = true;
    }
    let mut strays: BTreeMap<(Date, Dimension), Strays> = BTreeMap::new();
    for (day, whose, dimension) in sides.keys() {
        let of = strays.entry((*day, dimension.clone())).or_default();
        match whose {
            Whose::Agreement(_) => {}
            Whose::License(_) => of.ours = true,
            Whose::Nobody => of.aws = true,
        }
    }
    let findings = sides.into_iter().map(|((day, whose, dimension), sides)| {
        let strays = strays.get(&(day, dimension.clone()));
        let verdict = match feed.obstacle(day, &whose, &dimension) {
            Some(obstacle) => Verdict::NotComparable { obstacle },
            None => sides.verdict(&whose, strays, unseen),
        };
        Finding {
            day,
            whose,
            dimension,
            ours: sides.billed,
            unknown: sides.unknown,
            aws: sides.aws,
            verdict,
        }
    });
    findings.collect()
}

impl OurRecord {
    fn whose(&self) -> Whose {
        match &self.agreement {
            Some(agreement) => Whose::Agreement(agreement.clone()),
            None => Whose::License(self.license.clone()),
        }
    }
}

impl Feed<'_> {
    fn whose(&self, agreement: Option<&AgreementId>) -> Whose {
        let known = agreement.filter(|agreement| self.agreements.contains(*agreement));
        known.map_or(Whose::Nobody, |known| Whose::Agreement(known.clone()))
    }

    /// What keeps AWS's side of a key from being known.
    fn obstacle(&self, day: Date, whose: &Whose, dimension: &Dimension) -> Option<Obstacle> {
        match self.days.get(&day) {
            Some(FeedOfDay::Delivered) => {}
            Some(FeedOfDay::NotDelivered) | None => return Some(Obstacle::FeedNotDelivered),
            Some(FeedOfDay::NotEnrolled) => return Some(Obstacle::NotEnrolled),
            Some(FeedOfDay::Unread { reason }) => {
                let reason = reason.clone();
                return Some(Obstacle::FeedUnread { reason });
            }
        }
        let row = self.unreadable.iter().find(|row| {
            let of_agreement = match (&row.agreement, whose) {
                (None, _) => true,
                (Some(of), Whose::Agreement(agreement)) => of == agreement,
                (Some(_), Whose::License(_) | Whose::Nobody) => true,
            };
            of_agreement
                && row.day.is_none_or(|of| of == day)
                && row.dimension.as_ref().is_none_or(|of| of == dimension)
        });
        row.map(|row| Obstacle::RowUnreadable {
            file: row.file.clone(),
            line: row.line,
            reason: row.reason.clone(),
        })
    }
}

impl Sides {
    fn take(&mut self, record: &OurRecord, now: Timestamp) {
        let units = Units::whole(record.units);
        match record.standing {
            Standing::Billed { at } => {
                self.billed = self.billed.plus(units);
                // Usage that AWS took after its day comes with a later day's feed.
                let settled = after(end_of(record.day.max(day_of(at))), FEED_SETTLES_AFTER);
                if now < settled {
                    self.late = self.late.plus(units);
                }
            }
            Standing::Unknown => self.unknown = self.unknown.plus(units),
            Standing::Conflict => self.conflict = true,
        }
    }

    fn verdict(&self, whose: &Whose, strays: Option<&Strays>, unseen: bool) -> Verdict {
        let not_comparable = |obstacle| Verdict::NotComparable { obstacle };
        match whose {
            Whose::Agreement(_) => {}
            Whose::License(_) => return not_comparable(Obstacle::NoAgreement),
            Whose::Nobody => return not_comparable(Obstacle::RowsWithoutAgreement),
        }
        if self.disagree {
            return not_comparable(Obstacle::RowsDisagree);
        }
        let lacks = self.billed.less(self.aws);
        if !lacks.is_none() {
            return match strays {
                Some(Strays { aws: true, .. }) => not_comparable(Obstacle::PerhapsWithoutAgreement),
                Some(Strays { aws: false, .. }) | None if lacks <= self.late => {
                    Verdict::Late { units: lacks }
                }
                Some(Strays { aws: false, .. }) | None => Verdict::Missing { units: lacks },
            };
        }
        let more = self.aws.less(self.billed);
        let units = more.less(self.unknown);
        if units.is_none() {
            return if self.unknown.is_none() {
                Verdict::Equal
            } else {
                not_comparable(Obstacle::OutcomeUnknown)
            };
        }
        match strays {
            _ if self.conflict => not_comparable(Obstacle::Conflict),
            _ if unseen => not_comparable(Obstacle::LicensesUnseen),
            Some(Strays { ours: true, .. }) => not_comparable(Obstacle::PerhapsOurs),
            Some(Strays { ours: false, .. }) | None => Verdict::Over {
                units,
                explained: more.less(units),
            },
        }
    }
}

#[cfg(test)]
mod tests;
