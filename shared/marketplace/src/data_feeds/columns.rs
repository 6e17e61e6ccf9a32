//! The columns of a file, by their names in its header, and what a row says in them.

use std::collections::BTreeMap;

use domain::ids::{AgreementId, Dimension};
use domain::money::Usd;
use domain::reconciliation::Units;
use domain::reconciliation::amounts::CURRENCY;
use domain::reconciliation::rows::{AwsUsage, UnreadableRow, UsageRow};
use jiff::Timestamp;
use jiff::civil::{Date, DateTime};
use jiff::tz::Offset;

use super::csv_rows::Row;
use super::{FeedError, File};

/// A column that is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Field {
    ValidFrom,
    UpdateDate,
    DeleteDate,
    UsageFeedId,
    UsageDate,
    ProductId,
    ProductCode,
    AgreementId,
    DimensionKey,
    UsageQuantity,
    PricingCurrency,
    UsageRate,
}

impl Field {
    /// Its name in the header.
    fn name(self) -> &'static str {
        match self {
            Self::ValidFrom => "valid_from",
            Self::UpdateDate => "update_date",
            Self::DeleteDate => "delete_date",
            Self::UsageFeedId => "usage_feed_id",
            Self::UsageDate => "usage_date",
            Self::ProductId => "product_id",
            Self::ProductCode => "product_code",
            Self::AgreementId => "agreement_id",
            Self::DimensionKey => "dimension_key",
            Self::UsageQuantity => "usage_quantity",
            Self::PricingCurrency => "pricing_currency",
            Self::UsageRate => "usage_rate_per_unit_in_pricing_currency",
        }
    }
}

/// What a row of usage must have.
const USAGE: [Field; 9] = [
    Field::ValidFrom,
    Field::UpdateDate,
    Field::DeleteDate,
    Field::UsageFeedId,
    Field::UsageDate,
    Field::ProductId,
    Field::AgreementId,
    Field::DimensionKey,
    Field::UsageQuantity,
];

/// What it may have: without them rates are not known.
const PRICES: [Field; 2] = [Field::PricingCurrency, Field::UsageRate];

/// Columns that the guide or AWS's example queries name and nothing here needs.
const PASSED_OVER: [&str; 10] = [
    "catalog",
    "insert_date",
    "end_user_account_id",
    "payer_account_id",
    "region",
    "usage_unit",
    "estimated_revenue_in_pricing_currency",
    "recipient_account_id",
    "offer_id",
    "charge_item_description",
];

/// Where a file's columns are.
#[derive(Debug)]
pub(super) struct Columns {
    places: BTreeMap<Field, usize>,
    count: usize,
    unknown: Vec<String>,
}

/// A row that could not be read, but for where it is.
#[derive(Debug)]
pub(super) struct Spoilt {
    reason: String,
    day: Option<Date>,
    agreement: Option<AgreementId>,
    dimension: Option<Dimension>,
}

impl Spoilt {
    /// The same, with its place.
    pub(super) fn at(self, file: &File, line: u64) -> UnreadableRow {
        UnreadableRow {
            file: file.key.clone(),
            line,
            reason: self.reason,
            days: self.day.map_or_else(|| file.days(), |day| (day, day)),
            agreement: self.agreement,
            dimension: self.dimension,
        }
    }
}

impl Columns {
    /// Those of the usage feed, by its header.
    pub(super) fn of_usage(file: &str, header: &Row<'_>) -> Result<Self, FeedError> {
        let mut columns = Self::of(file, header, &USAGE)?;
        for field in PRICES {
            if let Some(place) = place(header, field) {
                columns.places.insert(field, place);
            }
        }
        let known = |name: &str| {
            let read = USAGE.iter().chain(&PRICES);
            read.map(|field| field.name()).any(|field| field == name) || PASSED_OVER.contains(&name)
        };
        let names = header.fields.iter().map(name);
        columns.unknown = names.filter(|name| !known(name)).collect();
        Ok(columns)
    }

    /// Those that are needed, by a header.
    pub(super) fn of(file: &str, header: &Row<'_>, needed: &[Field]) -> Result<Self, FeedError> {
        let mut places = BTreeMap::new();
        for field in needed {
            let found = place(header, *field).ok_or_else(|| FeedError::NoColumn {
                file: file.to_owned(),
                column: field.name(),
            })?;
            let mut same = header.fields.iter().map(name);
            if same.by_ref().filter(|name| name == field.name()).count() > 1 {
                return Err(FeedError::NotUnderstood {
                    file: file.to_owned(),
                    problem: format!("has the column {} twice", field.name()),
                });
            }
            places.insert(*field, found);
        }
        Ok(Self {
            places,
            count: header.fields.len(),
            unknown: Vec::new(),
        })
    }

    /// What a person may want to know of the columns.
    pub(super) fn notes(&self, file: &str) -> Vec<String> {
        let unknown = self.unknown.iter();
        unknown
            .map(|name| format!("{file} has a column that is not known here: {name}"))
            .collect()
    }

    /// The product of a row that is whole.
    pub(super) fn product<'a>(&self, row: &Row<'a>) -> Option<&'a str> {
        self.whole(row).ok()?;
        self.text(row, Field::ProductId).ok().flatten()
    }

    /// A field's text; `None` when it is empty, or says null.
    ///
    /// # Errors
    /// What is wrong when it is no text.
    pub(super) fn text<'a>(&self, row: &Row<'a>, field: Field) -> Result<Option<&'a str>, String> {
        let bytes = self
            .places
            .get(&field)
            .and_then(|place| row.fields.get(*place));
        let text = std::str::from_utf8(bytes.unwrap_or_default())
            .map_err(|_| format!("{} is not UTF-8", field.name()))?
            .trim();
        let none = text.is_empty() || text.eq_ignore_ascii_case("null");
        Ok((!none).then_some(text))
    }

    /// What a row of usage says, of a day that is not after `latest`.
    pub(super) fn usage(&self, row: &Row<'_>, latest: Date) -> Result<UsageRow, Spoilt> {
        let unknown = |reason| Spoilt {
            reason,
            day: None,
            agreement: None,
            dimension: None,
        };
        self.whole(row).map_err(unknown)?;
        let day = self.needed(row, Field::UsageDate, day).and_then(|day| {
            let ahead = || {
                format!(
                    "{} lies ahead, or after its file's month",
                    Field::UsageDate.name()
                )
            };
            (day <= latest).then_some(day).ok_or_else(ahead)
        });
        let dimension = self.needed(row, Field::DimensionKey, |text| Dimension::parse(text).ok());
        let agreement = self.agreement(row);
        let rest = self.rest(row);
        match (day, dimension, agreement, rest) {
            (Ok(day), Ok(dimension), Ok(agreement), Ok(rest)) => Ok(UsageRow {
                usage: AwsUsage {
                    agreement,
                    dimension,
                    day,
                    units: rest.units,
                    rate: self.rate(row),
                },
                id: rest.id,
                valid_from: rest.valid_from,
                updated_at: rest.updated_at,
                deleted: rest.deleted,
            }),
            (day, dimension, agreement, rest) => {
                let reasons = [
                    day.as_ref().err(),
                    dimension.as_ref().err(),
                    agreement.as_ref().err(),
                    rest.as_ref().err(),
                ];
                let reasons: Vec<&str> = reasons.into_iter().flatten().map(|r| &**r).collect();
                Err(Spoilt {
                    reason: reasons.join(", "),
                    day: day.ok(),
                    agreement: agreement.ok().flatten(),
                    dimension: dimension.ok(),
                })
            }
        }
    }

    /// Whether a row has a field for each column, and the last one may not be cut
    /// off where it matters.
    fn whole(&self, row: &Row<'_>) -> Result<(), String> {
        if row.fields.len() != self.count {
            let (has, of) = (row.fields.len(), self.count);
            return Err(format!("has {has} fields under {of} columns"));
        }
        let last = self.count.checked_sub(1);
        if row.open_ended && self.places.values().any(|place| Some(*place) == last) {
            return Err("the file ends in it".to_owned());
        }
        Ok(())
    }

    fn needed<T>(
        &self,
        row: &Row<'_>,
        field: Field,
        parse: impl FnOnce(&str) -> Option<T>,
    ) -> Result<T, String> {
        let text = self.text(row, field)?;
        let text = text.ok_or_else(|| format!("{} is empty", field.name()))?;
        parse(text).ok_or_else(|| format!("{} cannot be read", field.name()))
    }

    fn agreement(&self, row: &Row<'_>) -> Result<Option<AgreementId>, String> {
        match self.text(row, Field::AgreementId)? {
            None => Ok(None),
            Some(text) => agreement_id(text)
                .map(Some)
                .ok_or_else(|| format!("{} cannot be read", Field::AgreementId.name())),
        }
    }

    fn rest(&self, row: &Row<'_>) -> Result<Rest, String> {
        let valid_from = self.needed(row, Field::ValidFrom, instant)?;
        let updated_at = match self.text(row, Field::UpdateDate)? {
            None => valid_from,
            Some(_) => self.needed(row, Field::UpdateDate, instant)?,
        };
        Ok(Rest {
            id: self.needed(row, Field::UsageFeedId, |text| Some(text.to_owned()))?,
            valid_from,
            updated_at,
            deleted: self.text(row, Field::DeleteDate)?.is_some(),
            units: self.needed(row, Field::UsageQuantity, Units::parse)?,
        })
    }

    /// The agreement's rate, if it is one in US dollars.
    fn rate(&self, row: &Row<'_>) -> Option<Usd> {
        let currency = self.text(row, Field::PricingCurrency).ok()??;
        let rate = self.text(row, Field::UsageRate).ok()??;
        (currency == CURRENCY).then(|| Usd::parse(rate)).flatten()
    }
}

/// What names a row and says how much.
struct Rest {
    id: String,
    valid_from: Timestamp,
    updated_at: Timestamp,
    deleted: bool,
    units: Units,
}

fn place(header: &Row<'_>, field: Field) -> Option<usize> {
    let mut names = header.fields.iter().map(name);
    names.position(|name| name == field.name())
}

/// A column's name, however it is written.
fn name(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).trim().to_ascii_lowercase()
}

/// An agreement's id, whichever of the two ways its prefix is written.
pub(super) fn agreement_id(text: &str) -> Option<AgreementId> {
    let usual = text.strip_prefix("agmnt-").map(|id| format!("agmt-{id}"));
    AgreementId::parse(usual.unwrap_or_else(|| text.to_owned())).ok()
}

/// A day, alone or as an instant's.
fn day(text: &str) -> Option<Date> {
    match text.parse() {
        Ok(day) if text.len() == 10 => Some(day),
        Ok(_) | Err(_) => Some(Offset::UTC.to_datetime(instant(text)?).date()),
    }
}

/// An instant; one that names no offset is UTC's.
fn instant(text: &str) -> Option<Timestamp> {
    if let Ok(instant) = text.parse() {
        return Some(instant);
    }
    let civil: DateTime = text.parse().ok()?;
    Offset::UTC.to_timestamp(civil).ok()
}
