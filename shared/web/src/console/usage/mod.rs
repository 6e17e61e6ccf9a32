//! Billing and usage of a month: the page, and which month it is of.

mod agreed;
mod carried;
mod charts;
mod page;
pub(super) mod sums;
mod tables;
pub(super) mod words;

use app::accounts::AccountView;
use app::month::Month;
use axum::extract::{Path, Query, State as Extract};
use axum::http::StatusCode;
use axum::response::Response;
use domain::hour::{HOURS_A_DAY, Hour};
use jiff::Timestamp;
use serde::Deserialize;

use super::{seen, show};
use crate::problem::Problem;
use crate::sign_in::leading_to_sign_in;
use crate::site::State;
use crate::visitor::User;

/// How many months can be looked at, the running one included.
const MONTHS_SHOWN: usize = 13;

/// Which month of usage, and which of its days by hour.
#[derive(Deserialize)]
pub(super) struct Period {
    month: Option<String>,
    day: Option<String>,
}

impl Period {
    /// A whole month.
    pub(super) const fn of(month: Option<String>) -> Self {
        Self { month, day: None }
    }

    /// The month asked for, or the running one.
    pub(super) fn month(&self, view: &AccountView) -> Result<Month, Problem> {
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
) -> Result<Response, Problem> {
    let view = seen(&state, &user, &account).await?;
    let month = period.month(&view)?;
    let day = day_of(period.day.as_deref(), &view, month)?;
    let chosen = day.map(|day| first_hour_of(month, day));
    let usage = state.app.usage_by_day(&view.account, month, chosen);
    let usage = usage.await?;
    let included = state.app.included_in(&view.account, &usage.month).await?;
    let body = page::page(&page::Page {
        view: &view,
        usage: &usage.month,
        day: usage.day,
        hours: &usage.hours,
        included: &included,
        catalog: &state.app.settings.rules.catalog,
        months: &months(view.as_of),
    });
    let page = show(&state, &user, "Billing & usage", &body);
    // Its form that asks for another month leads to the sign-in when the session is over.
    Ok(leading_to_sign_in(&state, page).await)
}

/// The first hour of a day of a month, 1 to 31.
fn first_hour_of(month: Month, day: u8) -> Hour {
    month.first_hour().plus((i32::from(day) - 1) * HOURS_A_DAY)
}

/// The months that can be looked at, the newest first.
fn months(now: Timestamp) -> Vec<Month> {
    std::iter::successors(Some(Month::of(now)), |month| Some(month.previous()))
        .take(MONTHS_SHOWN)
        .collect()
}

/// The day of a month that an address asks for, 1 to 31.
pub(super) fn day_of(
    text: Option<&str>,
    view: &AccountView,
    month: Month,
) -> Result<Option<u8>, Problem> {
    let Some(text) = text else {
        return Ok(None);
    };
    let day = text.parse().ok();
    let day = day.filter(|day| (1..=month.days()).contains(day));
    day.map(Some).ok_or_else(|| no_such_day(view, month))
}

fn no_such_day(view: &AccountView, month: Month) -> Problem {
    Problem::new(
        StatusCode::NOT_FOUND,
        "That day cannot be shown",
        format!("day must be 1 to {}, the days of {month}.", month.days()),
    )
    .go(
        "The month",
        format!("/accounts/{}/usage?month={month}", view.account),
    )
}

fn no_such_month(view: &AccountView) -> Problem {
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
