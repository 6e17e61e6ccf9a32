//! The frame of every page, and the small parts that pages are made of.

use domain::ids::UserEmail;
use domain::money::Usd;
use jiff::{RoundMode, SignedDuration, Timestamp, TimestampRound, Unit};
use maud::{DOCTYPE, Markup, html};

use crate::assets::{ICON_PATH, STYLE_PATH};
use crate::site::Site;

/// How wide the text runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Width {
    /// One column to read or fill in.
    Narrow,
    /// Tables and cards side by side.
    Wide,
}

/// Who is signed in, for the header.
pub(crate) struct SignedInAs<'a> {
    pub(crate) email: &'a UserEmail,
    pub(crate) support: bool,
    pub(crate) csrf: &'a str,
}

/// A whole page.
pub(crate) fn page(
    site: &Site,
    title: &str,
    width: Width,
    signed_in: Option<&SignedInAs<'_>>,
    body: &Markup,
) -> Markup {
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="robots" content="noindex";
                title { (title) " · " (site.product_name) }
                link rel="stylesheet" href=(*STYLE_PATH);
                link rel="icon" type="image/svg+xml" href=(*ICON_PATH);
            }
            body {
                a.skip href="#main" { "Skip to the content" }
                header.bar {
                    div {
                        a.brand href="/accounts" {
                            img src=(*ICON_PATH) alt="" width="28" height="28";
                            (site.product_name)
                        }
                        @if let Some(user) = signed_in {
                            nav aria-label="Your session" {
                                a href="/accounts" { "Accounts" }
                                @if user.support { a href="/support" { "Support" } }
                                span.who { (user.email) }
                                form method="post" action="/sign-out" {
                                    input type="hidden" name="csrf" value=(user.csrf);
                                    button.plain type="submit" { "Sign out" }
                                }
                            }
                        }
                    }
                }
                main #main .narrow[width == Width::Narrow] { (body) }
                footer.foot {
                    div {
                        p { "Questions? " a href={ "mailto:" (site.support_email) } { (site.support_email) } }
                        p { a href="/help" { "Help with subscriptions and billing" } }
                        p { "All times are UTC." }
                    }
                }
            }
        }
    }
}

/// An instant, to the minute, in UTC.
pub(crate) fn time(at: Timestamp) -> Markup {
    html! { time datetime=(at) { (at.strftime("%-d %b %Y, %H:%M UTC")) } }
}

/// The end of a period, in UTC: the full second at which it is over for sure.
pub(crate) fn end_exact(at: Timestamp) -> Markup {
    html! { time datetime=(at) { (full_second(at).strftime("%-d %b %Y, %H:%M:%S UTC")) } }
}

/// Rounded up; the last instant there is stays as it is.
fn full_second(at: Timestamp) -> Timestamp {
    if at.subsec_nanosecond() == 0 {
        return at;
    }
    let round = TimestampRound::new()
        .smallest(Unit::Second)
        .mode(RoundMode::Ceil);
    at.round(round).unwrap_or(at)
}

/// An instant for a table whose head says UTC: `2026-11-22 10:00:00`.
pub(crate) fn time_in_table(at: Timestamp) -> Markup {
    html! { time datetime=(at) { (at.strftime("%Y-%m-%d %H:%M:%S")) } }
}

/// A day, in UTC.
pub(crate) fn day(at: Timestamp) -> Markup {
    html! { time datetime=(at) { (at.strftime("%-d %b %Y")) } }
}

/// How long is left, rounded down: `1 day 23 h`, `3 h 20 min`, `less than a minute`.
pub(crate) fn left(duration: SignedDuration) -> String {
    let seconds = duration.as_secs().max(0);
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3_600 % 24, seconds / 60 % 60);
    match (days, hours, minutes) {
        (0, 0, 0) => "less than a minute".to_owned(),
        (0, 0, _) => format!("{minutes} min"),
        (0, _, _) => format!("{hours} h {minutes} min"),
        (1, _, _) => format!("1 day {hours} h"),
        _ => format!("{days} days {hours} h"),
    }
}

/// `1234567` as `1,234,567`.
pub(crate) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut grouped = String::with_capacity(digits.len() * 4 / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

/// An amount as `$1,234.57`, rounded half up to cents.
pub(crate) fn dollars(amount: Usd) -> String {
    let cents = amount.cents();
    format!("${}.{:02}", grouped(cents / 100), cents % 100)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_grouped_by_thousands() {
        for (number, text) in [
            (0, "0"),
            (999, "999"),
            (1_000, "1,000"),
            (1_234_567, "1,234,567"),
        ] {
            assert_eq!(grouped(number), text);
        }
    }

    #[test]
    fn dollars_are_rounded_to_cents() {
        let dollars = |micros| dollars(Usd::from_micros(micros));
        assert_eq!(dollars(11_000), "$0.01");
        assert_eq!(dollars(15_000), "$0.02");
        assert_eq!(dollars(1_234_567_890_000), "$1,234,567.89");
    }

    #[test]
    fn what_is_left_is_rounded_down() {
        let left = |seconds| left(SignedDuration::from_secs(seconds));
        assert_eq!(left(48 * 3_600), "2 days 0 h");
        assert_eq!(left(48 * 3_600 - 1), "1 day 23 h");
        assert_eq!(left(3_661), "1 h 1 min");
        assert_eq!(left(60), "1 min");
        assert_eq!(left(59), "less than a minute");
        assert_eq!(left(-5), "less than a minute");
    }

    #[test]
    fn an_end_within_a_second_is_shown_as_the_next_full_one() {
        for (at, shown) in [
            ("2026-11-24T19:40:00Z", "24 Nov 2026, 19:40:00 UTC"),
            ("2026-11-24T19:40:00.22Z", "24 Nov 2026, 19:40:01 UTC"),
            (
                "2026-11-24T19:59:59.000000001Z",
                "24 Nov 2026, 20:00:00 UTC",
            ),
        ] {
            let drawn = end_exact(at.parse().unwrap()).into_string();
            assert!(drawn.contains(shown), "{drawn}");
            assert!(drawn.contains(&format!("datetime=\"{at}\"")), "{drawn}");
        }
    }
}
