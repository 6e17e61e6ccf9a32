//! "Not Cloud" computers: which are billed at the Data Center rate, why, and
//! what a cloud connector would save.

use app::accounts::AccountView;
use app::not_cloud::{NotCloud, Saving};
use app::prices::list_price;
use axum::extract::{Path, State as Extract};
use domain::catalog::Catalog;
use domain::money::Usd;
use domain::tiers::Tier;
use domain::usage::{NotCloudComputer, NotCloudReason};
use maud::{Markup, html};

use super::pages::head;
use super::{seen, show};
use crate::layout::{dollars, grouped, time};
use crate::problem::Problem;
use crate::site::State;
use crate::visitor::User;

/// How many computers are listed.
const MOST_LISTED: usize = 500;

/// Hours of 30 days.
const HOURS_A_MONTH: u64 = 720;

pub(super) async fn page(
    Extract(state): Extract<State>,
    user: User,
    Path(account): Path<String>,
) -> Result<Markup, Problem> {
    let view = seen(&state, &user, &account).await?;
    let found = state.app.not_cloud(&view.account).await?;
    let catalog = &state.app.settings.rules.catalog;
    let body = html! {
        (head(&view.account, &view.name, view.standing, "“Not Cloud” computers"))
        section.card aria-labelledby="why" {
            h2 #why { "What “Not Cloud” means" }
            p { "The lower rates are for computers under an AWS, Azure or Google Cloud connector that knows their size. Every other computer is billed as " (catalog.rate(Tier::DataCenter).label) ", the highest rate, whatever its size. Under a connector the hour counts from power-on to power-off; without one, hours in which the agent is wholly offline do not count." }
        }
        @match &found {
            None => {
                div.note.good {
                    strong { "None was reported in the last 24 hours" }
                    p { "Every computer that the product reported is under a cloud connector that knows its size." }
                }
            }
            Some(found) => { (summary(found)) (list(&view, found, catalog)) }
        }
    };
    Ok(show(&state, &user, "“Not Cloud” computers", &body))
}

/// How many, why, and what all together would save.
fn summary(found: &NotCloud) -> Markup {
    html! {
        section.card aria-labelledby="summary" {
            h2 #summary { (grouped(all(found))) " computers in the hour of " (time(found.hour.start())) }
            table.stack #reasons {
                thead { tr { th scope="col" { "Why" } th.num scope="col" { "Computers" } th scope="col" { "What to do" } } }
                tbody {
                    @for reason in [NotCloudReason::NoConnector, NotCloudReason::SizeUnknown, NotCloudReason::Vcenter] {
                        @let count = found.computers.iter().filter(|(computer, _)| computer.why == reason).count();
                        @if count > 0 {
                            tr {
                                th scope="row" data-label="Why" { (reason_text(reason)) }
                                td.num data-label="Computers" { (count) }
                                td.wrap data-label="What to do" { (advice(reason)) }
                            }
                        }
                    }
                }
            }
            (together(found))
            @if found.more > 0 { p.small { (grouped(u64::from(found.more))) " more were reported, and are not in these figures." } }
        }
    }
}

fn all(found: &NotCloud) -> u64 {
    let listed = u64::try_from(found.computers.len()).unwrap_or(u64::MAX);
    listed.saturating_add(found.more.into())
}

fn together(found: &NotCloud) -> Markup {
    let savings = || found.computers.iter().filter_map(|(_, saving)| *saving);
    let least: Usd = savings().map(|saving| saving.least).sum();
    let most: Usd = savings().map(|saving| saving.most).sum();
    let in_30_days = Saving {
        least: least.times(HOURS_A_MONTH),
        most: most.times(HOURS_A_MONTH),
    };
    html! {
        @if most > Usd::ZERO {
            p #saving {
                "Under a cloud connector that knows their size, those that are not in vCenter would cost "
                strong { (between(in_30_days)) } " less in 30 days of running all the time, at list prices."
            }
        }
    }
}

/// In dollars and cents.
fn between(saving: Saving) -> String {
    if saving.least == saving.most {
        dollars(saving.most)
    } else {
        format!("{} to {}", dollars(saving.least), dollars(saving.most))
    }
}

fn list(view: &AccountView, found: &NotCloud, catalog: &Catalog) -> Markup {
    let others = found.computers.len().saturating_sub(MOST_LISTED);
    let others = u64::try_from(others).unwrap_or(u64::MAX);
    html! {
        section.card aria-labelledby="computers" {
            h2 #computers { "Which computers" }
            div.scroll tabindex="0" role="group" aria-labelledby="computers" {
                table.stack #not-cloud {
                    thead { tr { th scope="col" { "Agent" } th scope="col" { "Instance" } th scope="col" { "Why" } th scope="col" { "Saves, USD an hour" } } }
                    tbody {
                        @for (computer, saving) in found.computers.iter().take(MOST_LISTED) {
                            (row(computer, *saving, catalog))
                        }
                    }
                }
            }
            @if others > 0 { p.small { (grouped(others)) " more are in the file." } }
            div.actions { a.button.quiet href={ "/accounts/" (view.account) "/not-cloud.csv" } download { "CSV" span.hidden { " of these computers" } } }
        }
    }
}

fn row(computer: &NotCloudComputer, saving: Option<Saving>, catalog: &Catalog) -> Markup {
    html! {
        tr data-why=(reason_text(computer.why)) {
            th.wrap scope="row" data-label="Agent" { (computer.agent) }
            td.wrap data-label="Instance" { @match &computer.instance { Some(instance) => { (instance) } None => { "–" } } }
            td data-label="Why" { (reason_text(computer.why)) }
            td.wrap data-label="Saves, USD an hour" { span {
                @match saving {
                    None => { "nothing" }
                    Some(saving) if saving.least == saving.most => { (saving.most) (instead(computer, catalog)) }
                    Some(saving) => { (saving.least) " to " (saving.most) ", by its size" }
                }
            } }
        }
    }
}

/// What it would be billed as: `, as Large at 0.032`.
fn instead(computer: &NotCloudComputer, catalog: &Catalog) -> Markup {
    html! {
        @if let Some(tier) = computer.under_connector {
            @let rate = catalog.rate(tier);
            ", as " (rate.label)
            @if let Some(price) = list_price(catalog, &rate.dimension) { " at " (price) }
        }
    }
}

pub(super) const fn reason_text(reason: NotCloudReason) -> &'static str {
    match reason {
        NotCloudReason::NoConnector => "No connector",
        NotCloudReason::Vcenter => "In vCenter",
        NotCloudReason::SizeUnknown => "Size unknown",
    }
}

const fn advice(reason: NotCloudReason) -> &'static str {
    match reason {
        NotCloudReason::NoConnector => {
            "If it runs in AWS, Azure or Google Cloud, add a connector for that cloud account."
        }
        NotCloudReason::Vcenter => {
            "vCenter is not a cloud connector: computers of your own data center stay at this rate."
        }
        NotCloudReason::SizeUnknown => {
            "A connector sees it and cannot read its size. Check the connector’s permissions."
        }
    }
}
