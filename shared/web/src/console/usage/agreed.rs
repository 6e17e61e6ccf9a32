//! What was agreed on in AWS Marketplace: rates, free trials, what is prepaid,
//! and what a contract covers before anything is metered.

use domain::hour::Hour;
use domain::ledger::included::Included;
use domain::license::{Pricing, pricing_at};
use domain::money::Usd;
use maud::{Markup, html};

use super::page::Page;
use super::sums::tier_label;
use crate::layout::{dollars, grouped, time};

/// The agreements' rates in force in the month, and the contracts' rests.
pub(super) fn agreed(page: &Page<'_>) -> Markup {
    let until = page.usage.month.next().first_hour();
    let pricing = page
        .usage
        .agreed
        .values()
        .flat_map(|all| in_force(all, page, until));
    let pricing: Vec<&Pricing> = pricing.collect();
    html! {
        @if !pricing.is_empty() {
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

fn terms(page: &Page<'_>, pricing: &Pricing) -> Markup {
    let terms = &pricing.terms;
    html! {
        h3 { "Agreement " span.num { (terms.agreement) } ", since " (time(pricing.from)) }
        @if let Some(until) = pricing.free_until {
            @if page.view.as_of < until { p { strong { "Free trial" } " until " (time(until)) ": usage is metered, and AWS charges nothing for it." } }
            @else { p { "The free trial ended " (time(until)) "." } }
        }
        @if let Some(prepaid) = terms.prepaid {
            p { "Prepaid: " (prepaid_amount(&terms.currency, prepaid.micros)) @if prepaid.payments > 1 { " in " (prepaid.payments) " payments" } ", which AWS invoices besides the usage." }
        }
        @if terms.rates.is_empty() {
            p { "No usage is billed under this agreement beside what is prepaid." }
        } @else {
            table {
                thead { tr { th scope="col" { "Tier" } th.num scope="col" { "Rate, " (terms.currency) " per computer-hour" } } }
                tbody {
                    @for (dimension, micros) in &terms.rates {
                        tr { th scope="row" { (tier_label(page.catalog, dimension)) } td.num { (Usd::from_micros(*micros)) } }
                    }
                }
            }
        }
    }
}

/// An amount of the agreement's currency.
fn prepaid_amount(currency: &str, micros: u64) -> Markup {
    let amount = dollars(Usd::from_micros(micros));
    html! { @if currency == "USD" { (amount) } @else { (currency) " " (amount.trim_start_matches('$')) } }
}

fn contract(page: &Page<'_>) -> Markup {
    let row = |period: &Included| {
        html! {
            tr {
                th.wrap scope="row" { (tier_label(page.catalog, &period.dimension)) }
                td.num { (grouped(period.granted)) }
                td.num { (grouped(period.used)) }
                td.num { strong { (grouped(period.left())) } }
                td { (time(period.until)) }
            }
        }
    };
    html! {
        h3 { "Included in the contract" }
        p { "These computer-hours are used up first; only what goes beyond them is metered." }
        div.scroll tabindex="0" role="group" aria-labelledby="agreed" {
            table #included {
                thead { tr { th scope="col" { "Tier" } th.num scope="col" { "Included" } th.num scope="col" { "Used" } th.num scope="col" { "Left" } th scope="col" { "Until" } } }
                tbody { @for period in page.included { (row(period)) } }
            }
        }
    }
}
