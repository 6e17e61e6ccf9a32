//! A month's usage as a file: CSV of everything, or FOCUS 1.2 of what AWS accepted.

mod csv;
mod focus;
mod not_cloud_csv;
mod rows;
mod usage_csv;

use app::accounts::AccountView;
use app::month::Month;
use app::usage_month::UsageMonth;
use axum::extract::{Path, Query, State as Extract};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use domain::catalog::Catalog;
use domain::hour::Hour;
use domain::ids::LicenseId;
use serde::Deserialize;

use super::seen;
use super::usage::{Period, day_of};
use crate::problem::Problem;
use crate::site::State;
use crate::visitor::User;
use crate::words;

use csv::TooLarge;
use rows::Grain;

/// What of a month is exported, and by what.
#[derive(Deserialize)]
pub(super) struct Wanted {
    month: Option<String>,
    /// Only what was used on this day.
    day: Option<String>,
    by: Option<String>,
}

/// What files are made of.
struct Export<'a> {
    view: &'a AccountView,
    usage: &'a UsageMonth,
    catalog: &'a Catalog,
    product_name: &'a str,
    day: Option<u8>,
}

impl Export<'_> {
    /// Whether usage of this hour is asked for.
    fn holds(&self, used: Hour) -> bool {
        let Some(day) = self.day else {
            return true;
        };
        let first = self
            .usage
            .month
            .first_hour()
            .plus((i32::from(day) - 1) * 24);
        (0..24).contains(&used.since(first))
    }

    /// The AWS account that a license bills, as the user may see it.
    fn payer(&self, license: &LicenseId) -> String {
        let payer = self.usage.payers.get(license);
        payer.map_or_else(
            || "unknown".to_owned(),
            |payer| words::buyer(payer, self.view.role),
        )
    }
}

/// Everything that the usage page shows, by hour unless it is asked for by day.
pub(super) async fn usage(
    state: Extract<State>,
    user: User,
    path: Path<String>,
    wanted: Query<Wanted>,
) -> Result<Response, Problem> {
    let by_default = Grain::Hour;
    answer(
        state,
        user,
        path,
        wanted,
        ("usage", by_default),
        usage_csv::file,
    )
    .await
}

/// What AWS accepted in the month, as FOCUS 1.2, by day unless it is asked for by hour.
pub(super) async fn focus(
    state: Extract<State>,
    user: User,
    path: Path<String>,
    wanted: Query<Wanted>,
) -> Result<Response, Problem> {
    let by_default = Grain::Day;
    answer(
        state,
        user,
        path,
        wanted,
        ("focus-1.2", by_default),
        focus::file,
    )
    .await
}

async fn answer(
    Extract(state): Extract<State>,
    user: User,
    Path(account): Path<String>,
    Query(wanted): Query<Wanted>,
    (name, by_default): (&str, Grain),
    file: fn(&Export<'_>, Grain) -> Result<String, TooLarge>,
) -> Result<Response, Problem> {
    let view = seen(&state, &user, &account).await?;
    let month = Period::of(wanted.month).month(&view)?;
    let day = day_of(wanted.day.as_deref(), &view, month)?;
    let grain = match wanted.by.as_deref() {
        None => by_default,
        Some(by) => Grain::named(by).ok_or_else(|| no_such_grain(&view, month))?,
    };
    let usage = state.app.usage_month(&view.account, month).await?;
    let export = Export {
        view: &view,
        usage: &usage,
        catalog: &state.app.settings.rules.catalog,
        product_name: &state.site.product_name,
        day,
    };
    let file = file(&export, grain);
    let file = file.map_err(|TooLarge| {
        let back = format!("/accounts/{}/usage?month={month}", view.account);
        too_large(back).say(
            "Ask for it by day with by=day, or for one day at a time with day=1, day=2 and so on, in the address.",
        )
    })?;
    let day = day.map_or_else(String::new, |day| format!("-{day:02}"));
    Ok(download(&view, &format!("{name}-{month}{day}"), file))
}

/// The computers outside the clouds of the latest hour reported.
pub(super) async fn not_cloud(
    Extract(state): Extract<State>,
    user: User,
    Path(account): Path<String>,
) -> Result<Response, Problem> {
    let view = seen(&state, &user, &account).await?;
    let found = state.app.not_cloud(&view.account).await?;
    let file = not_cloud_csv::file(found.as_ref(), &state.app.settings.rules.catalog);
    let back = format!("/accounts/{}/not-cloud", view.account);
    let file = file.map_err(|TooLarge| too_large(back))?;
    Ok(download(&view, "not-cloud", file))
}

/// A file that browsers save under the account's name.
fn download(view: &AccountView, name: &str, file: String) -> Response {
    let named = format!("attachment; filename=\"{}-{name}.csv\"", view.account);
    let headers = [
        (
            header::CONTENT_TYPE,
            "text/csv; charset=utf-8; header=present".to_owned(),
        ),
        (header::CONTENT_DISPOSITION, named),
    ];
    (headers, file).into_response()
}

fn no_such_grain(view: &AccountView, month: Month) -> Problem {
    Problem::new(
        StatusCode::NOT_FOUND,
        "There is no such file",
        "by must be hour or day.",
    )
    .go(
        "Billing & usage",
        format!("/accounts/{}/usage?month={month}", view.account),
    )
}

fn too_large(back: String) -> Problem {
    Problem::new(
        StatusCode::UNPROCESSABLE_ENTITY,
        "That file would be too large",
        "One file holds up to 5 MB.",
    )
    .go("Back to the page", back)
}
