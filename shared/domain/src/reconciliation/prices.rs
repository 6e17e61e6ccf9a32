//! What a unit of usage costs under an agreement, and who says so.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use crate::ids::{AgreementId, Dimension};
use crate::license::{Pricing, pricing_at};
use crate::money::Usd;

use super::rows::AwsUsage;
use super::{end_of, start_of};

/// What a unit costs, by whom.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "by", content = "microusd")]
pub enum Price {
    /// By the terms that the buyer agreed on.
    Agreed(Usd),
    /// By the usage feed, which names it as the agreement's.
    Feed(Usd),
    /// The list price: the agreement may have another.
    List(Usd),
    /// Nobody says, or one says several.
    #[default]
    Unknown,
}

/// Who says what a unit costs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PricedBy {
    /// The terms that the buyer agreed on.
    Terms,
    /// The usage feed.
    Feed,
    /// The list of prices.
    List,
}

impl Price {
    /// The price, if AWS told it as the agreement's.
    pub const fn of_agreement(self) -> Option<Usd> {
        match self {
            Self::Agreed(rate) | Self::Feed(rate) => Some(rate),
            Self::List(_) | Self::Unknown => None,
        }
    }

    /// The price and who says so, if anybody does.
    pub const fn told(self) -> Option<(Usd, PricedBy)> {
        match self {
            Self::Agreed(rate) => Some((rate, PricedBy::Terms)),
            Self::Feed(rate) => Some((rate, PricedBy::Feed)),
            Self::List(rate) => Some((rate, PricedBy::List)),
            Self::Unknown => None,
        }
    }
}

impl fmt::Display for PricedBy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Terms => "agreed rate",
            Self::Feed => "rate of AWS's feed",
            Self::List => "list price",
        })
    }
}

/// What units cost under agreements.
#[derive(Debug, Clone, Default)]
pub struct Prices {
    agreed: BTreeMap<AgreementId, Vec<Pricing>>,
    by_day: BTreeMap<(AgreementId, Dimension, Date), BTreeSet<Usd>>,
    by_dimension: BTreeMap<(AgreementId, Dimension), BTreeSet<Usd>>,
    list: BTreeMap<Dimension, Usd>,
}

impl Prices {
    /// What was agreed on by agreement, ascending by when it began; the rates that
    /// rows name; and the list prices.
    pub fn new(
        agreed: BTreeMap<AgreementId, Vec<Pricing>>,
        usage: &[AwsUsage],
        list: BTreeMap<Dimension, Usd>,
    ) -> Self {
        let mut prices = Self {
            agreed,
            list,
            ..Self::default()
        };
        for row in usage {
            if let (Some(agreement), Some(rate)) = (&row.agreement, row.rate) {
                let (agreement, dimension) = (agreement.clone(), row.dimension.clone());
                let of = (agreement.clone(), dimension.clone());
                prices.by_dimension.entry(of).or_default().insert(rate);
                let of = (agreement, dimension, row.day);
                prices.by_day.entry(of).or_default().insert(rate);
            }
        }
        prices
    }

    /// What a unit used on a day costs: by the agreement's terms if they have one
    /// price for the whole day, else by the feed.
    pub fn of(&self, agreement: &AgreementId, dimension: &Dimension, day: Date) -> Price {
        if let Some(rate) = self.agreed(agreement, dimension, day) {
            return Price::Agreed(rate);
        }
        let of_dimension = (agreement.clone(), dimension.clone());
        let of_day = (agreement.clone(), dimension.clone(), day);
        let named = self.by_day.get(&of_day);
        match named.or_else(|| self.by_dimension.get(&of_dimension)) {
            Some(rates) => match (rates.first(), rates.len()) {
                (Some(rate), 1) => Price::Feed(*rate),
                (Some(_) | None, _) => Price::Unknown,
            },
            None => self
                .list
                .get(dimension)
                .map_or(Price::Unknown, |price| Price::List(*price)),
        }
    }

    /// The agreed rate of a day; `None` when none is known, or it changes in the day.
    fn agreed(&self, agreement: &AgreementId, dimension: &Dimension, day: Date) -> Option<Usd> {
        let pricing = self.agreed.get(agreement)?;
        let (start, end) = (start_of(day), end_of(day));
        let changes = pricing
            .iter()
            .flat_map(|one| [Some(one.from), one.free_until]);
        let changes = changes.flatten().filter(|at| start < *at && *at < end);
        let rates = std::iter::once(start)
            .chain(changes)
            .filter_map(|at| Some(pricing_at(pricing, at)?.rate(dimension, at)));
        let rates: BTreeSet<Option<Usd>> = rates.collect();
        match (rates.first(), rates.len()) {
            (Some(rate), 1) => *rate,
            (Some(_) | None, _) => None,
        }
    }
}
