//! Our billed records against what AWS says of them, by agreement, dimension
//! and UTC day.
//!
//! Invariants:
//!
//! - What could not be compared is said, with its reason, and is never called
//!   equal, late, missing or over. Nothing is equal while licenses of ours were
//!   not looked at.
//! - Every unit of ours and every unit of AWS's is in exactly one finding:
//!   ours + over + explained = AWS's, or ours = AWS's + late or missing.
//! - The order and the number of AWS's rows and of our records' deliveries do not
//!   matter: rows are a set, of which the newest revision counts ([`rows`]).
//! - Nothing is sent: what is proposed is a file that a person sends
//!   ([`adjustments`]).

pub mod adjustments;
mod agreements;
pub mod amounts;
pub mod kept;
pub mod prices;
pub mod rows;
pub mod run;

use std::collections::BTreeMap;
use std::fmt;

use jiff::civil::Date;
use jiff::tz::Offset;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::hour::after;
use crate::ids::{AgreementId, Dimension, LicenseId};
use crate::money::{Usd, decimal};

use prices::{Price, Prices};
use rows::{Current, UnreadableRow, UsageRow};

pub use agreements::Agreements;

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
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "is")]
pub enum Standing {
    /// AWS accepted it.
    Billed {
        /// The UTC day on which we learned of it.
        on: Date,
    },
    /// It was perhaps accepted.
    Unknown,
    /// AWS holds another record for its hour, of whatever quantity.
    Conflict,
}

/// Records of ours of one license, dimension and day that are, or may be, billed,
/// as far as they are alike.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OurRecord {
    /// The license.
    pub license: LicenseId,
    /// The agreement that the license was under then; `None` when no fact says.
    pub agreement: Option<AgreementId>,
    /// The dimension.
    pub dimension: Dimension,
    /// The UTC day of the records' timestamps.
    pub day: Date,
    /// The records' quantities, together.
    pub units: u64,
    /// What AWS did with them.
    pub standing: Standing,
    /// What a unit cost then by the terms of the agreement, if AWS told them.
    #[serde(rename = "agreed_microusd")]
    pub agreed: Option<Usd>,
}

impl OurRecord {
    /// Records that differ in nothing but their units, as one.
    pub fn gathered(records: impl IntoIterator<Item = Self>) -> Vec<Self> {
        let mut gathered = BTreeMap::new();
        for record in records {
            let Self {
                license,
                agreement,
                dimension,
                day,
                units,
                standing,
                agreed,
            } = record;
            let alike = (license, agreement, dimension, day, standing, agreed);
            let sum: &mut u64 = gathered.entry(alike).or_default();
            *sum = sum.saturating_add(units);
        }
        let gathered = gathered.into_iter();
        gathered
            .map(
                |((license, agreement, dimension, day, standing, agreed), units)| Self {
                    license,
                    agreement,
                    dimension,
                    day,
                    units,
                    standing,
                    agreed,
                },
            )
            .collect()
    }
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
    pub agreements: &'a Agreements,
}

/// Whose usage it is.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Whose {
    /// An agreement's.
    Agreement(AgreementId),
    /// A license's of which no fact says under which agreement it was.
    License(LicenseId),
    /// An agreement that AWS's rows name and nobody knows.
    UnknownAgreement(AgreementId),
    /// AWS's rows name no agreement.
    Nobody,
}

impl Whose {
    /// The agreement under which AWS has it, or is to have it, if that is said.
    pub const fn agreement(&self) -> Option<&AgreementId> {
        match self {
            Self::Agreement(agreement) | Self::UnknownAgreement(agreement) => Some(agreement),
            Self::License(_) | Self::Nobody => None,
        }
    }
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
    /// What a unit costs.
    pub price: Price,
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
    /// The day's feed could not be read.
    FeedUnread,
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
    /// AWS has as much or more, and holds a record that is not ours in place of one
    /// of ours.
    Conflict,
    /// No fact says under which agreement the license was.
    NoAgreement,
    /// AWS's rows name an agreement that nobody knows.
    AgreementUnknown,
    /// AWS's rows name no agreement.
    RowsWithoutAgreement,
    /// AWS has less, and rows without a known agreement that may be the rest.
    PerhapsWithoutAgreement,
    /// AWS has more, and we have billed usage of which no agreement is known.
    PerhapsOurs,
    /// A license was under several agreements, and what AWS has less of under one it
    /// has more of under another: on which side of a renewal it puts an hour, it
    /// does not say.
    UnderAnother {
        /// The other agreement.
        agreement: AgreementId,
    },
    /// AWS has as much or more, and not every license of ours was looked at.
    LicensesUnseen,
}

impl Obstacle {
    /// Whether it is not known what AWS has.
    pub const fn hides_aws(&self) -> bool {
        match self {
            Self::NotEnrolled
            | Self::FeedUnread
            | Self::FeedNotDelivered
            | Self::RowUnreadable { .. }
            | Self::RowsDisagree => true,
            Self::OutcomeUnknown
            | Self::Conflict
            | Self::NoAgreement
            | Self::AgreementUnknown
            | Self::RowsWithoutAgreement
            | Self::PerhapsWithoutAgreement
            | Self::PerhapsOurs
            | Self::UnderAnother { .. }
            | Self::LicensesUnseen => false,
        }
    }
}

impl Finding {
    /// What AWS has, if it is known.
    pub const fn known_of_aws(&self) -> Option<Units> {
        match &self.verdict {
            Verdict::NotComparable { obstacle } if obstacle.hides_aws() => None,
            Verdict::NotComparable { .. }
            | Verdict::Equal
            | Verdict::Late { .. }
            | Verdict::Missing { .. }
            | Verdict::Over { .. } => Some(self.aws),
        }
    }

    /// What is late, missing or over.
    pub const fn difference(&self) -> Option<Units> {
        match self.verdict {
            Verdict::Late { units } | Verdict::Missing { units } | Verdict::Over { units, .. } => {
                Some(units)
            }
            Verdict::Equal | Verdict::NotComparable { .. } => None,
        }
    }

    /// What that costs, rounded down to a millionth, if the price is one that AWS
    /// told of the agreement.
    pub fn amount(&self) -> Option<Usd> {
        let rate = self.price.of_agreement()?;
        Some(rate.times_hundredths(self.difference()?.hundredths()))
    }
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

/// The first instant of a UTC day.
pub fn start_of(day: Date) -> Timestamp {
    Offset::UTC
        .to_timestamp(day.at(0, 0, 0, 0))
        .unwrap_or(Timestamp::MIN)
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

/// Both sides, by day, whose they are, and dimension.
type Compared = BTreeMap<(Date, Whose, Dimension), Sides>;

/// What is without an agreement, of one dimension and day.
#[derive(Debug, Clone, Copy, Default)]
struct Strays {
    ours: bool,
    aws: Units,
}

/// Compares the days of which something is said in `feed`. `unseen` says that
/// not every license of ours was looked at.
pub fn compare(
    ours: &[OurRecord],
    feed: &Feed<'_>,
    prices: &Prices,
    unseen: bool,
    now: Timestamp,
) -> Vec<Finding> {
    let compared = compared(ours, feed, now);
    let mut strays: BTreeMap<(Date, &Dimension), Strays> = BTreeMap::new();
    for ((day, whose, dimension), sides) in &compared {
        let of = strays.entry((*day, dimension)).or_default();
        match whose {
            Whose::Agreement(_) => {}
            Whose::License(_) => of.ours = true,
            Whose::UnknownAgreement(_) | Whose::Nobody => of.aws = of.aws.plus(sides.aws),
        }
    }
    let findings = compared.iter().map(|((day, whose, dimension), sides)| {
        let strays = strays.get(&(*day, dimension)).copied().unwrap_or_default();
        let obstacle = feed
            .obstacle(*day, whose, dimension)
            .or_else(|| feed.unattributed((*day, whose, dimension), sides, &compared));
        let verdict = match obstacle {
            Some(obstacle) => Verdict::NotComparable { obstacle },
            None => sides.verdict(strays, unseen),
        };
        let price = match whose {
            Whose::Agreement(agreement) => prices.of(agreement, dimension, *day),
            Whose::License(_) | Whose::UnknownAgreement(_) | Whose::Nobody => Price::Unknown,
        };
        Finding {
            day: *day,
            whose: whose.clone(),
            dimension: dimension.clone(),
            ours: sides.billed,
            unknown: sides.unknown,
            aws: sides.aws,
            price,
            verdict,
        }
    });
    findings.collect()
}

/// Both sides of the days that are compared, where either has anything.
fn compared(ours: &[OurRecord], feed: &Feed<'_>, now: Timestamp) -> Compared {
    let mut compared = Compared::new();
    for record in ours.iter().filter(|of| feed.days.contains_key(&of.day)) {
        let key = (record.day, record.whose(), record.dimension.clone());
        compared.entry(key).or_default().take(record, now);
    }
    let Current { usage, disputed } = rows::current(feed.rows);
    let key = |row: &rows::AwsUsage| {
        let whose = feed.whose(row.agreement.as_ref());
        (row.day, whose, row.dimension.clone())
    };
    for row in usage.iter().filter(|row| feed.days.contains_key(&row.day)) {
        let sides = compared.entry(key(row)).or_default();
        sides.aws = sides.aws.plus(row.units);
    }
    let of_days = |row: &&rows::AwsUsage| feed.days.contains_key(&row.day);
    for row in disputed.iter().filter(of_days) {
        compared.entry(key(row)).or_default().disagree = true;
    }
    compared.retain(|_, sides| !sides.are_nothing());
    compared
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
        match agreement {
            Some(known) if self.agreements.contains(known) => Whose::Agreement(known.clone()),
            Some(unknown) => Whose::UnknownAgreement(unknown.clone()),
            None => Whose::Nobody,
        }
    }

    /// What keeps AWS's side of a key from being known.
    fn obstacle(&self, day: Date, whose: &Whose, dimension: &Dimension) -> Option<Obstacle> {
        match self.days.get(&day) {
            Some(FeedOfDay::Delivered) => {}
            Some(FeedOfDay::NotDelivered) | None => return Some(Obstacle::FeedNotDelivered),
            Some(FeedOfDay::NotEnrolled) => return Some(Obstacle::NotEnrolled),
            Some(FeedOfDay::Unread { .. }) => return Some(Obstacle::FeedUnread),
        }
        let row = self.unreadable.iter().find(|row| {
            let of_agreement = match (&row.agreement, whose) {
                (None, _) => true,
                (Some(of), Whose::Agreement(agreement) | Whose::UnknownAgreement(agreement)) => {
                    of == agreement
                }
                (Some(_), Whose::License(_) | Whose::Nobody) => true,
            };
            of_agreement
                && (row.days.0..=row.days.1).contains(&day)
                && row.dimension.as_ref().is_none_or(|of| of == dimension)
        });
        row.map(|row| Obstacle::RowUnreadable {
            file: row.file.clone(),
            line: row.line,
            reason: row.reason.clone(),
        })
    }

    /// What keeps usage from being the agreement's of which it is said to be.
    fn unattributed(
        &self,
        (day, whose, dimension): (Date, &Whose, &Dimension),
        sides: &Sides,
        compared: &Compared,
    ) -> Option<Obstacle> {
        let agreement = match whose {
            Whose::Agreement(agreement) => agreement,
            Whose::License(_) => return Some(Obstacle::NoAgreement),
            Whose::UnknownAgreement(_) => return Some(Obstacle::AgreementUnknown),
            Whose::Nobody => return Some(Obstacle::RowsWithoutAgreement),
        };
        if sides.disagree {
            return Some(Obstacle::RowsDisagree);
        }
        let mut others = self.agreements.of_the_licenses_of(agreement);
        let makes_up = others.find(|other| {
            let key = (day, Whose::Agreement((*other).clone()), dimension.clone());
            compared.get(&key).is_some_and(|of| of.makes_up_for(sides))
        });
        makes_up.map(|other| Obstacle::UnderAnother {
            agreement: other.clone(),
        })
    }
}

impl Sides {
    fn are_nothing(&self) -> bool {
        let Self {
            billed,
            late: _,
            unknown,
            conflict,
            aws,
            disagree,
        } = self;
        billed.is_none() && unknown.is_none() && aws.is_none() && !conflict && !disagree
    }

    /// How much less AWS has than is billed.
    const fn lacks(&self) -> Units {
        self.billed.less(self.aws)
    }

    /// How much more AWS has than is billed.
    const fn more(&self) -> Units {
        self.aws.less(self.billed)
    }

    /// Whether AWS has more here and less there, or the other way round.
    const fn makes_up_for(&self, other: &Self) -> bool {
        let (here, there) = ([self.lacks(), self.more()], [other.more(), other.lacks()]);
        !here[0].is_none() && !there[0].is_none() || !here[1].is_none() && !there[1].is_none()
    }

    fn take(&mut self, record: &OurRecord, now: Timestamp) {
        let units = Units::whole(record.units);
        match record.standing {
            Standing::Billed { on } => {
                self.billed = self.billed.plus(units);
                // Usage that AWS took after its day comes with a later day's feed.
                let settled = after(end_of(record.day.max(on)), FEED_SETTLES_AFTER);
                if now < settled {
                    self.late = self.late.plus(units);
                }
            }
            Standing::Unknown => self.unknown = self.unknown.plus(units),
            Standing::Conflict => self.conflict = true,
        }
    }

    fn verdict(&self, strays: Strays, unseen: bool) -> Verdict {
        let not_comparable = |obstacle| Verdict::NotComparable { obstacle };
        let lacks = self.lacks();
        if !lacks.is_none() {
            return if lacks <= self.late {
                Verdict::Late { units: lacks }
            } else if !strays.aws.is_none() && lacks <= self.late.plus(strays.aws) {
                not_comparable(Obstacle::PerhapsWithoutAgreement)
            } else {
                Verdict::Missing { units: lacks }
            };
        }
        let units = self.more().less(self.unknown);
        if units.is_none() && !self.unknown.is_none() {
            return not_comparable(Obstacle::OutcomeUnknown);
        }
        if self.conflict {
            return not_comparable(Obstacle::Conflict);
        }
        if unseen {
            return not_comparable(Obstacle::LicensesUnseen);
        }
        if units.is_none() {
            Verdict::Equal
        } else if strays.ours {
            not_comparable(Obstacle::PerhapsOurs)
        } else {
            Verdict::Over {
                units,
                explained: self.more().less(units),
            }
        }
    }
}

#[cfg(test)]
mod tests;
