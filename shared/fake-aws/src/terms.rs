//! The terms that an offer proposes and an agreement is under: prices, what is
//! prepaid, what is free at first.

use jiff::{Span, Timestamp, tz::TimeZone};
use serde::{Deserialize, Serialize};

use crate::offers::MicroUsd;

/// What is agreed on, whoever the buyer is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Terms {
    /// Price of one unit of each metered dimension.
    pub(crate) rates: Vec<Rate>,
    /// What is paid for in advance.
    pub(crate) contract: Option<Contract>,
    /// Days at the start in which metered usage costs nothing.
    pub(crate) free_days: i64,
}

/// Price of a metered dimension.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Rate {
    /// API name.
    pub(crate) dimension: String,
    /// Price of one unit, in millionths of a US dollar.
    pub(crate) micro_usd: MicroUsd,
}

/// The prepaid part of an offer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Contract {
    /// Length of the term.
    pub(crate) months: i32,
    /// What the buyer is entitled to.
    pub(crate) entitlements: Vec<Entitled>,
    /// How many equal instalments, as far apart as they divide the term, the
    /// first at the start.
    pub(crate) instalments: u32,
    /// Each instalment, in millionths of a US dollar.
    pub(crate) instalment_micro_usd: MicroUsd,
    /// Whether the buyer chose the quantities, each unit at its price.
    pub(crate) by_unit: bool,
}

/// An entitlement of a contract.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Entitled {
    /// API name of the contract's dimension.
    pub(crate) dimension: String,
    /// Its value.
    pub(crate) value: i64,
}

/// Terms from an instant on: an agreement's start, or an amendment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct AcceptedTerms {
    /// From when on; days of trial and instalments count from here.
    pub(crate) since: Timestamp,
    /// When the instalments fall due, ascending, where other dates were agreed on
    /// than the offer's.
    pub(crate) payments: Option<Vec<Timestamp>>,
    /// What was agreed on.
    #[serde(flatten)]
    pub(crate) terms: Terms,
}

impl Contract {
    /// How many months lie between two instalments.
    pub(crate) fn months_apart(&self) -> i32 {
        let instalments = i32::try_from(self.instalments).unwrap_or(i32::MAX);
        self.months.checked_div(instalments).unwrap_or(self.months)
    }

    /// When each instalment of a term falls due that begins at an instant.
    fn due(&self, since: Timestamp) -> Vec<Timestamp> {
        let instalments = i32::try_from(self.instalments).unwrap_or(i32::MAX);
        let after = (0..instalments).map(|number| number.checked_mul(self.months_apart()));
        after
            .filter_map(|months| months_after(since, months?))
            .collect()
    }

    /// What one unit costs, all being paid for.
    pub(crate) fn unit_price(&self) -> MicroUsd {
        let units: i64 = self.entitlements.iter().map(|of| of.value).sum();
        let total = self.instalment_micro_usd * MicroUsd::from(self.instalments);
        let units = MicroUsd::try_from(units).unwrap_or(0);
        total.checked_div(units).unwrap_or(0)
    }
}

impl AcceptedTerms {
    /// When the term ends by itself, if it does.
    pub(crate) fn end(&self) -> Option<Timestamp> {
        months_after(self.since, self.terms.contract.as_ref()?.months)
    }

    /// Until when metered usage is free; `None`: it never is.
    pub(crate) fn free_until(&self) -> Option<Timestamp> {
        if self.terms.free_days == 0 {
            return None;
        }
        let free = Span::new().hours(self.terms.free_days * 24);
        self.since.checked_add(free).ok()
    }

    /// Price of one unit of `dimension` used at `used_at`.
    pub(crate) fn price(&self, dimension: &str, used_at: Timestamp) -> MicroUsd {
        if self.free_until().is_some_and(|until| used_at < until) {
            return 0;
        }
        let mut rates = self.terms.rates.iter();
        let rate = rates.find(|rate| rate.dimension == dimension);
        rate.map_or(0, |rate| rate.micro_usd)
    }

    /// When each instalment falls due, and how much it is.
    pub(crate) fn instalments(&self) -> impl Iterator<Item = (Timestamp, MicroUsd)> {
        self.terms.contract.iter().flat_map(|contract| {
            let agreed = self.payments.clone();
            let due = agreed.unwrap_or_else(|| contract.due(self.since));
            due.into_iter()
                .map(|at| (at, contract.instalment_micro_usd))
        })
    }
}

fn months_after(from: Timestamp, months: i32) -> Option<Timestamp> {
    let from = from.to_zoned_datetime(TimeZone::UTC);
    let after = from.checked_add(Span::new().months(months)).ok()?;
    Some(after.timestamp())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::offers::{OfferKind, catalog};

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn accepted(kind: OfferKind, since: &str) -> AcceptedTerms {
        let dimensions = ["medium", "datacenter"].map(str::to_owned);
        AcceptedTerms {
            since: at(since),
            payments: None,
            terms: catalog(&dimensions).get(kind).terms.clone(),
        }
    }

    #[test]
    fn a_trial_is_free_for_fourteen_days_to_the_second() {
        let trial = accepted(OfferKind::FreeTrial, "2026-11-01T10:17:00Z");
        let price = |used_at| trial.price("medium", at(used_at));
        assert_eq!(price("2026-11-01T10:17:00Z"), 0);
        assert_eq!(price("2026-11-15T10:16:59Z"), 0);
        assert_eq!(price("2026-11-15T10:17:00Z"), 11_000);
    }

    #[test]
    fn other_offers_charge_from_the_first_hour_on() {
        for (kind, micro_usd) in [
            (OfferKind::Public, 11_000),
            (OfferKind::PrivateUsage, 7_700),
            (OfferKind::PrivateYearly, 8_800),
            (OfferKind::PrivateMonthly, 9_350),
            (OfferKind::PrivateMultiYear, 8_250),
            (OfferKind::Consumption, 9_900),
        ] {
            let terms = accepted(kind, "2026-11-01T10:17:00Z");
            for used_at in ["2026-11-01T10:00:00Z", "2026-11-01T10:59:59Z"] {
                assert_eq!(terms.price("medium", at(used_at)), micro_usd);
            }
        }
    }

    #[test]
    fn instalments_fall_due_a_month_or_a_year_apart_unless_other_dates_were_agreed_on() {
        let monthly = accepted(OfferKind::PrivateMonthly, "2026-01-31T10:00:00Z");
        let due: Vec<(Timestamp, MicroUsd)> = monthly.instalments().collect();
        assert_eq!(due.len(), 12);
        assert_eq!(due[0], (at("2026-01-31T10:00:00Z"), 850_000_000));
        assert_eq!(due[1], (at("2026-02-28T10:00:00Z"), 850_000_000));
        assert_eq!(monthly.end(), Some(at("2027-01-31T10:00:00Z")));
        let mut yearly = accepted(OfferKind::PrivateMultiYear, "2028-02-29T10:00:00Z");
        let due = |terms: &AcceptedTerms| -> Vec<Timestamp> {
            terms.instalments().map(|(at, _)| at).collect()
        };
        let years = [
            "2028-02-29T10:00:00Z",
            "2029-02-28T10:00:00Z",
            "2030-02-28T10:00:00Z",
        ];
        assert_eq!(due(&yearly), years.map(at));
        assert_eq!(yearly.end(), Some(at("2031-02-28T10:00:00Z")));
        let others = ["2028-03-01T00:00:00Z", "2028-03-15T00:00:00Z"].map(at);
        yearly.payments = Some(others.to_vec());
        assert_eq!(due(&yearly), others);
        assert_eq!(
            accepted(OfferKind::Public, "2026-01-31T10:00:00Z").end(),
            None
        );
    }
}
