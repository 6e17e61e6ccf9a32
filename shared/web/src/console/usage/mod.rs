//! Billing and usage of a month: the page, and which month it is of.

mod carried;
mod charts;
mod page;
pub(super) mod sums;
mod tables;
pub(super) mod words;

use app::accounts::SubscriptionView;
use app::month::Month;
use axum::extract::{Path, Query, State as Extract};
use axum::http::StatusCode;
use jiff::Timestamp;
use maud::Markup;
use serde::Deserialize;

use super::{show, view};
use crate::problem::Problem;
use crate::site::State;
use crate::visitor::User;

/// How many months can be looked at, the running one included.
const MONTHS_SHOWN: usize = 13;

/// Which month of usage, and which of its days by hour.
#[derive(Deserialize)]
pub(super) struct Period {
    month: Option<String>,
    day: Option<u8>,
}

impl Period {
    /// A whole month.
    pub(super) const fn of(month: Option<String>) -> Self {
        Self { month, day: None }
    }

    /// The month asked for, or the running one.
    pub(super) fn month(&self, view: &SubscriptionView) -> Result<Month, Problem> {
        match &self.month {
            None => Ok(Month::of(view.as_of)),
            Some(text) => Month::parse(text)
                .filter(|month| months(view.as_of).contains(month))
                .ok_or_else(|| no_such_month(view)),
        }
    }
}

pub(super) async fn month(
    Extract(state): Extract<State>,
    user: User,
    Path(account): Path<String>,
    Query(period): Query<Period>,
) -> Result<Markup, Problem> {
    let view = view(&state, &user, &account).await?;
    let month = period.month(&view)?;
    if period
        .day
        .is_some_and(|day| !(1..=month.days()).contains(&day))
    {
        return Err(no_such_month(&view));
    }
    let usage = state.app.usage_month(&view.account, month).await?;
    let body = page::page(&page::Page {
        view: &view,
        usage: &usage,
        catalog: &state.app.settings.rules.catalog,
        months: &months(view.as_of),
        day: period.day,
    });
    Ok(show(&state, &user, "Billing & usage", &body))
}

/// The months that can be looked at, the newest first.
fn months(now: Timestamp) -> Vec<Month> {
    std::iter::successors(Some(Month::of(now)), |month| Some(month.previous()))
        .take(MONTHS_SHOWN)
        .collect()
}

fn no_such_month(view: &SubscriptionView) -> Problem {
    Problem::new(
        StatusCode::NOT_FOUND,
        "That month cannot be shown",
        "The running month and the 12 before it can be shown, written like 2026-11.",
    )
    .go(
        "The running month",
        format!("/accounts/{}/usage", view.account),
    )
}
