//! The usage that AWS accepted, newest first.

use std::collections::BTreeMap;

use maud::{Markup, html};

use super::minute;
use crate::state::{AcceptedRecord, Marketplace};

/// How many of the latest records are shown.
const RECORDS_SHOWN: usize = 200;

pub(super) fn records(state: &Marketplace) -> Markup {
    let records = state.records();
    let latest: Vec<&AcceptedRecord> = records.iter().rev().take(RECORDS_SHOWN).collect();
    html! {
        section.card #records {
            h2 { "3. Usage that AWS accepted" }
            @if latest.is_empty() {
                p.empty { "None yet. Link the subscription to an account with the seller, then move the clock by an hour." }
            } @else {
                @if records.len() > latest.len() {
                    p.hint { "The latest " (latest.len()) " of " (records.len()) " records." }
                }
                div.scroll tabindex="0" role="region" aria-label="Accepted usage records" {
                    table.records {
                        thead {
                            tr {
                                th { "Hour" } th { "Dimension" } th.number { "Quantity" }
                                th { "Split by tags" } th { "Buyer" } th { "License" } th { "Record" }
                            }
                        }
                        tbody { @for record in latest { (record_row(record)) } }
                    }
                }
            }
        }
    }
}

/// Each cell names its column, for screens too narrow for a heading row.
fn record_row(record: &AcceptedRecord) -> Markup {
    let license = record.license_arn.rsplit(':').next().unwrap_or_default();
    html! {
        tr {
            td data-label="Hour" { (minute(record.hour)) }
            td data-label="Dimension" { (record.dimension) }
            td.number data-label="Quantity" { (record.quantity) }
            td data-label="Split by tags" {
                @for allocation in &record.allocations {
                    span.allocation {
                        (tags(&allocation.tags)) ": " (allocation.quantity)
                    }
                }
            }
            td data-label="Buyer" { (record.customer_aws_account_id) }
            td data-label="License" { code title=(record.license_arn) { (beginning(license)) } }
            td data-label="Record" {
                code title=(record.metering_record_id) { (beginning(&record.metering_record_id)) }
            }
        }
    }
}

/// Enough of an id to tell it from its neighbours; its title has all of it.
fn beginning(id: &str) -> String {
    id.get(..10)
        .map_or_else(|| id.to_owned(), |beginning| format!("{beginning}…"))
}

/// `cloudAccountID=999988887777`, or `untagged`.
fn tags(tags: &BTreeMap<String, String>) -> String {
    if tags.is_empty() {
        return "untagged".to_owned();
    }
    let tags = tags.iter().map(|(key, value)| format!("{key}={value}"));
    tags.collect::<Vec<String>>().join(", ")
}
