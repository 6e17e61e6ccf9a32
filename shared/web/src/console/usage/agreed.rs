//! What was agreed on in AWS Marketplace: rates, free trials, what is prepaid,
//! and what a contract covers before anything is metered.

use std::cmp::Reverse;

use domain::answers::{AcceptedTerms, BillingPeriod};
use domain::catalog::Catalog;
use domain::hour::Hour;
use domain::ids::Dimension;
use domain::ledger::included::Included;
use domain::license::{Pricing, pricing_at};
use domain::member::Role;
use domain::money::Usd;
use maud::{Markup, html};

use super::page::Page;
use super::sums::tier_label;
use crate::layout::{dollars, grouped, time};

/// The agreements' rates in force in the month, the newest first, and what is
/// left of the contracts.
pub(super) fn agreed(page: &Page<'_>) -> Markup {
    let until = page.usage.month.next().first_hour();
    let pricing = page
        .usage
        .agreed
        .values()
        .flat_map(|all| in_force(all, page, until));
    let mut pricing: Vec<&Pricing> = pricing.collect();
    pricing.sort_by_key(|one| one.from);
    // An amendment may have changed what is included and no price.
    pricing.dedup_by(|later, earlier| is_priced_as(later, earlier));
    pricing.reverse();
    html! {
        @if !pricing.is_empty() || !page.included.is_empty() {
            section.card aria-labelledby="agreed" {
                h2 #agreed { "Agreed on in AWS Marketplace" }
                @for pricing in &pricing { (terms(page, pricing)) }
                @if !page.included.is_empty() { (contract(page)) }
            }
        }
    }
}

/// What of a license's prices holds for any time of the month.
fn in_force<'a>(all: &'a [Pricing], page: &Page<'_>, until: Hour) -> Vec<&'a Pricing> {
    let first = page.usage.month.first_hour().start();
    let carried_over = pricing_at(all, first);
    let begun = all
        .iter()
        .filter(|one| first < one.from && one.from < until.start());
    carried_over.into_iter().chain(begun).collect()
}

/// Whether the same agreement bills the same at both times.
fn is_priced_as(later: &Pricing, earlier: &Pricing) -> bool {
    let (new, old) = (&later.terms, &earlier.terms);
    (&new.agreement, &new.currency, &new.rates) == (&old.agreement, &old.currency, &old.rates)
        && (new.prepaid, later.free_until) == (old.prepaid, earlier.free_until)
        && new.recurring == old.recurring
}

/// The place of a dimension among the tiers as they are sold; others come last.
fn place(catalog: &Catalog, dimension: &Dimension) -> usize {
    let mut tiers = catalog.rates().iter();
    let place = tiers.position(|rate| rate.dimension == *dimension);
    place.unwrap_or(usize::MAX)
}

fn terms(page: &Page<'_>, pricing: &Pricing) -> Markup {
    let terms = &pricing.terms;
    let mut rates: Vec<(&Dimension, &u64)> = terms.rates.iter().collect();
    rates.sort_by_key(|(dimension, _)| place(page.catalog, dimension));
    html! {
        h3 {
            @match page.view.role {
                Role::FullAccess => { "Agreement " span.num { (terms.agreement) } }
                Role::ReadOnly => { "Agreement" }
            }
            ", since " (time(pricing.from))
        }
        @if let Some(until) = pricing.free_until {
            @if page.view.as_of < until { p { strong { "Free trial" } " until " (time(until)) ": usage is metered, and AWS charges nothing for it. These rates follow." } }
            @else { p { "The free trial ended " (time(until)) "." } }
        }
        (fixed_payments(terms))
        @if terms.rates.is_empty() {
            p { "No usage is billed under this agreement beside what is paid for in any case." }
        } @else {
            table {
                thead { tr { th scope="col" { "Tier" } th.num scope="col" { "Rate, " (terms.currency) " per computer-hour" } } }
                tbody {
                    @for (dimension, micros) in rates {
                        tr { th scope="row" { (tier_label(page.catalog, dimension)) } td.num { (Usd::from_micros(*micros)) } }
                    }
                }
            }
        }
    }
}

/// What is paid whatever is used.
fn fixed_payments(terms: &AcceptedTerms) -> Markup {
    let amount = |micros| amount(&terms.currency, micros);
    html! {
        @if let Some(prepaid) = terms.prepaid {
            p { "Prepaid: " (amount(prepaid.micros)) @if prepaid.payments > 1 { " in " (prepaid.payments) " payments" } ", which AWS invoices besides the usage." }
        }
        @if let Some(recurring) = &terms.recurring {
            p {
                "Paid "
                @match &recurring.period {
                    BillingPeriod::Month => { "at the end of every month" }
                    BillingPeriod::Unrecognized(period) => { "every period (" (period) ")" }
                }
                ": " (amount(recurring.micros)) ", which AWS invoices besides the usage."
            }
        }
    }
}

/// An amount of the agreement's currency.
fn amount(currency: &str, micros: u64) -> Markup {
    let amount = dollars(Usd::from_micros(micros));
    html! { @if currency == "USD" { (amount) } @else { (currency) " " (amount.trim_start_matches('$')) } }
}

/// What is left of each period, the newest first.
fn contract(page: &Page<'_>) -> Markup {
    let mut periods: Vec<&Included> = page.included.iter().collect();
    periods.sort_by_key(|period| {
        let place = place(page.catalog, &period.dimension);
        (Reverse((period.from, period.until)), place)
    });
    let of_one_time = |a: &&Included, b: &&Included| (a.from, a.until) == (b.from, b.until);
    html! {
        h3 { "Included in the contract" }
        p {
            "These computer-hours are used up first; only what goes beyond them is metered."
            @if page.usage.month.next().first_hour().start() <= page.view.as_of { " What was used and left is told as of the end of " (page.usage.month) "." }
        }
        table #included {
            thead { tr { th scope="col" { "Tier" } th.num scope="col" { "Included" } th.num scope="col" { "Used" } th.num scope="col" { "Left" } } }
            @for periods in periods.chunk_by(of_one_time) {
                tbody {
                    @if let Some(period) = periods.first() { (period_row(page, period)) }
                    @for period in periods { (included_row(page, period)) }
                }
            }
        }
    }
}

fn period_row(page: &Page<'_>, period: &Included) -> Markup {
    html! {
        tr.group {
            th.wrap colspan="4" scope="rowgroup" {
                @if period.until <= page.view.as_of { "Until " (time(period.until)) ", over" }
                @else { "From " (time(period.from)) " until " (time(period.until)) }
            }
        }
    }
}

fn included_row(page: &Page<'_>, period: &Included) -> Markup {
    html! {
        tr {
            th.wrap scope="row" { (tier_label(page.catalog, &period.dimension)) }
            td.num { (grouped(period.granted)) }
            td.num { (grouped(period.used)) }
            td.num { strong { (grouped(period.left())) } }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use domain::answers::{Prepaid, Recurring};
    use domain::ids::AgreementId;

    use super::*;

    fn shown(currency: &str, prepaid: Option<Prepaid>, recurring: Option<Recurring>) -> String {
        let terms = AcceptedTerms {
            agreement: AgreementId::parse("agmt-1").unwrap(),
            currency: currency.to_owned(),
            rates: BTreeMap::new(),
            prepaid,
            recurring,
            free_days: None,
            auto_renewal: None,
            asked_at: "2026-11-22T10:00:00Z".parse().unwrap(),
        };
        fixed_payments(&terms).into_string()
    }

    #[test]
    fn what_is_paid_every_month_is_shown_beside_what_is_prepaid() {
        let prepaid = Prepaid {
            micros: 10_200_000_000,
            payments: 12,
        };
        let recurring = |period| Recurring {
            micros: 850_000_000,
            period,
        };
        let both = shown("USD", Some(prepaid), Some(recurring(BillingPeriod::Month)));
        assert!(
            both.contains("Prepaid: $10,200.00 in 12 payments"),
            "{both}"
        );
        assert!(
            both.contains("Paid at the end of every month: $850.00"),
            "{both}"
        );
        let other = BillingPeriod::Unrecognized("Weekly".to_owned());
        let other = shown("EUR", None, Some(recurring(other)));
        assert!(
            other.contains("Paid every period (Weekly): EUR 850.00"),
            "{other}"
        );
        assert_eq!(shown("USD", None, None), "");
    }
}
