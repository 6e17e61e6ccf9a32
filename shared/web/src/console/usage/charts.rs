//! The charts of a month by day, and of a day by hour.

use app::month::Month;
use domain::hour::HOURS_A_DAY;
use maud::{Markup, html};

use super::first_hour_of;
use super::page::{Days, Page, parts};
use super::sums::{Sums, Tier};
use crate::console::chart::{self, Bar, Chart};
use crate::layout::grouped;

/// A month by day.
pub(super) fn day_chart(month: Month, tiers: &[Tier], days: &Days<'_>) -> Markup {
    let bars: Vec<Bar> = (1..=month.days())
        .map(|day| {
            let sums = days.get(&day).map(|hours| Sums::of(hours.iter().copied()));
            Bar {
                name: format!("{month}-{day:02}"),
                label: (day == 1 || day.is_multiple_of(5)).then(|| day.to_string()),
                parts: parts(&sums.unwrap_or_default(), tiers),
            }
        })
        .collect();
    let title = format!("Computer-hours of {month} by day");
    card("days-chart", "Computer-hours by day", &title, &bars, tiers)
}

/// A day by hour.
pub(super) fn hour_chart(page: &Page<'_>, day: u8, tiers: &[Tier]) -> Markup {
    if page.hours.is_empty() {
        return Markup::default();
    }
    let month = page.usage.month;
    let first = first_hour_of(month, day);
    let bars: Vec<Bar> = (0..HOURS_A_DAY)
        .map(|n| {
            let hour = first.plus(n);
            let of_hour = page.hours.iter().filter(|usage| usage.hour == hour);
            Bar {
                name: format!("{month}-{day:02} {n:02}:00 UTC"),
                label: (n % 6 == 0).then(|| format!("{n:02}:00")),
                parts: parts(&Sums::of(of_hour), tiers),
            }
        })
        .collect();
    let heading = format!("{month}-{day:02} by hour (UTC)");
    let title = format!("Computer-hours of {month}-{day:02} by hour, UTC");
    card("hours-chart", &heading, &title, &bars, tiers)
}

fn card(id: &str, heading: &str, title: &str, bars: &[Bar], tiers: &[Tier]) -> Markup {
    let mut names: Vec<&str> = tiers.iter().map(|tier| tier.label.as_str()).collect();
    names.push("Not charged");
    let description = description(bars);
    let chart = Chart {
        id,
        title,
        description: &description,
        bars,
        parts: &names,
    };
    html! {
        section.card aria-label=(heading) {
            h2 { (heading) }
            (chart::stacked(&chart))
            (chart::legend(&names))
        }
    }
}

/// The chart in words, for whoever does not see it.
fn description(bars: &[Bar]) -> String {
    let highest = bars.iter().max_by_key(|bar| bar.total());
    match highest.filter(|bar| bar.total() > 0) {
        Some(bar) => format!(
            "Stacked bars of tiers and of what is not charged; the table below has the same figures. The highest is {} with {}; all together {}.",
            bar.name,
            grouped(bar.total()),
            grouped(bars.iter().map(Bar::total).sum())
        ),
        None => "No usage.".to_owned(),
    }
}
