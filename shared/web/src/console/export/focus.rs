//! A month's charges in FOCUS 1.2, the FinOps Open Cost and Usage Specification
//! (<https://focus.finops.org/focus-specification/v1-2/>): the columns in the
//! order of their names, quantities in computer-hours, money in exact decimals.
//!
//! A row is a charge that AWS accepted in hours of the month; its charge period is
//! the hour or day of use. What AWS has not accepted is nothing that anybody was
//! charged: FOCUS has no row for what may become a charge. The costs are by the rates
//! known until AWS has issued its invoice.

use app::prices::list_price;
use app::usage_month::MeteringStatus;
use domain::money::Usd;
use serde_json::json;

use super::csv::{Csv, Field, TooLarge};
use super::rows::{Row, rows};
use super::{Export, Grain};
use crate::console::usage::sums::tier_label;
use crate::console::usage::words::status_text;

const UNIT: &str = "Computer-Hours";
const CURRENCY: &str = "USD";

/// A column's name, and what a charge has in it.
type Column = (&'static str, for<'a> fn(Charge<'a>) -> Field<'a>);

const COLUMNS: [Column; 57] = [
    ("AvailabilityZone", |_| Field::Null),
    ("BilledCost", |charge| charge.cost()),
    ("BillingAccountId", |charge| {
        Field::text(charge.export.payer(&charge.row.line.license))
    }),
    ("BillingAccountName", |_| Field::Null),
    ("BillingAccountType", |_| Field::text("AWS account")),
    ("BillingCurrency", |_| Field::text(CURRENCY)),
    ("BillingPeriodEnd", |charge| {
        Field::plain(charge.export.usage.month.next().first_hour())
    }),
    ("BillingPeriodStart", |charge| {
        Field::plain(charge.export.usage.month.first_hour())
    }),
    ("CapacityReservationId", |_| Field::Null),
    ("CapacityReservationStatus", |_| Field::Null),
    ("ChargeCategory", |_| Field::text("Usage")),
    ("ChargeClass", |_| Field::Null),
    ("ChargeDescription", |charge| charge.description()),
    ("ChargeFrequency", |_| Field::text("Usage-Based")),
    ("ChargePeriodEnd", |charge| {
        Field::plain(charge.row.used.until)
    }),
    ("ChargePeriodStart", |charge| {
        Field::plain(charge.row.used.from)
    }),
    ("CommitmentDiscountCategory", |_| Field::Null),
    ("CommitmentDiscountId", |_| Field::Null),
    ("CommitmentDiscountName", |_| Field::Null),
    ("CommitmentDiscountQuantity", |_| Field::Null),
    ("CommitmentDiscountStatus", |_| Field::Null),
    ("CommitmentDiscountType", |_| Field::Null),
    ("CommitmentDiscountUnit", |_| Field::Null),
    ("ConsumedQuantity", |charge| charge.count()),
    ("ConsumedUnit", |_| Field::text(UNIT)),
    ("ContractedCost", |charge| charge.cost()),
    ("ContractedUnitPrice", |charge| charge.unit_price()),
    ("EffectiveCost", |charge| charge.cost()),
    ("InvoiceId", |_| Field::Null),
    ("InvoiceIssuerName", |_| Field::text("AWS")),
    ("ListCost", |charge| charge.list_cost()),
    ("ListUnitPrice", |charge| charge.list_unit_price()),
    ("PricingCategory", |_| Field::text("Standard")),
    ("PricingCurrency", |_| Field::text(CURRENCY)),
    ("PricingCurrencyContractedUnitPrice", |charge| {
        charge.unit_price()
    }),
    ("PricingCurrencyEffectiveCost", |charge| charge.cost()),
    ("PricingCurrencyListUnitPrice", |charge| {
        charge.list_unit_price()
    }),
    ("PricingQuantity", |charge| charge.count()),
    ("PricingUnit", |_| Field::text(UNIT)),
    ("ProviderName", |_| Field::text("AWS Marketplace")),
    ("PublisherName", |charge| {
        Field::text(charge.export.product_name)
    }),
    ("RegionId", |_| Field::Null),
    ("RegionName", |_| Field::Null),
    ("ResourceId", |_| Field::Null),
    ("ResourceName", |_| Field::Null),
    ("ResourceType", |_| Field::Null),
    ("ServiceCategory", |charge| {
        Field::text(charge.export.catalog.service_kind().category())
    }),
    ("ServiceName", |charge| {
        Field::text(charge.export.catalog.service())
    }),
    ("ServiceSubcategory", |charge| {
        Field::text(charge.export.catalog.service_kind().subcategory())
    }),
    ("SkuId", |charge| {
        Field::text(charge.row.line.dimension.as_str())
    }),
    ("SkuMeter", |charge| charge.meter()),
    ("SkuPriceDetails", |_| Field::Null),
    ("SkuPriceId", |charge| charge.price_id()),
    ("SubAccountId", |charge| {
        Field::text(charge.export.view.account.as_str())
    }),
    ("SubAccountName", |charge| {
        Field::text(charge.export.view.name.as_str())
    }),
    ("SubAccountType", |_| Field::text("Account")),
    ("Tags", |charge| charge.tags()),
];

/// The charges that AWS accepted in the month, by hour or day of use.
pub(super) fn file(export: &Export<'_>, grain: Grain) -> Result<String, TooLarge> {
    let mut csv = Csv::with_header(&COLUMNS.map(|(name, _)| name));
    let accepted = export
        .usage
        .billed()
        .filter(|(hour, line)| line.status == MeteringStatus::Accepted && export.holds(*hour));
    for row in rows(accepted, grain) {
        let charge = Charge { export, row: &row };
        csv.row(COLUMNS.iter().map(|(_, value)| value(charge)))?;
    }
    Ok(csv.finish())
}

/// What AWS accepted.
#[derive(Clone, Copy)]
struct Charge<'a> {
    export: &'a Export<'a>,
    row: &'a Row<'a>,
}

impl<'a> Charge<'a> {
    fn count(self) -> Field<'a> {
        Field::plain(self.row.count)
    }

    fn cost(self) -> Field<'a> {
        Field::plain(self.row.cost)
    }

    fn unit_price(self) -> Field<'a> {
        Field::plain_or_null(self.row.line.unit_price)
    }

    fn list_price(self) -> Option<Usd> {
        list_price(self.export.catalog, &self.row.line.dimension)
    }

    fn list_unit_price(self) -> Field<'a> {
        Field::plain_or_null(self.list_price())
    }

    fn list_cost(self) -> Field<'a> {
        let price = self.list_price().unwrap_or_default();
        Field::plain(price.times(self.row.count))
    }

    /// Also in which hour it is billed, when it is another, and what AWS said.
    fn description(self) -> Field<'a> {
        let line = self.row.line;
        let tier = tier_label(self.export.catalog, &line.dimension);
        let billed_in = line
            .billed_in
            .map(|hour| format!(", billed in the hour of {hour}"));
        Field::text(format!(
            "{tier}, by the computer and hour{}; {}",
            billed_in.unwrap_or_default(),
            status_text(line.status)
        ))
    }

    fn meter(self) -> Field<'a> {
        let tier = tier_label(self.export.catalog, &self.row.line.dimension);
        Field::text(format!("{tier} computer-hours"))
    }

    fn price_id(self) -> Field<'a> {
        let line = self.row.line;
        let version = self.export.catalog.version();
        let listed = format!("{}:{version}", line.dimension);
        Field::text(match line.unit_price {
            Some(agreed) if Some(agreed) != self.list_price() => format!("{listed}:{agreed}"),
            Some(_) | None => listed,
        })
    }

    /// The tag of AWS Marketplace's usage allocations.
    fn tags(self) -> Field<'a> {
        match &self.row.line.cloud_account {
            Some(account) => Field::text(json!({ "cloudAccountID": account }).to_string()),
            None => Field::Null,
        }
    }
}
