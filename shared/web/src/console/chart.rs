//! Charts, drawn here as SVG: no script, no style of their own, and every
//! figure is in a table too.

use maud::{Markup, html};

use crate::layout::grouped;

/// Stacked bars.
pub(super) struct Chart<'a> {
    /// Names its title and description within the page.
    pub(super) id: &'a str,
    /// What it shows.
    pub(super) title: &'a str,
    /// The same in words, for whoever does not see it.
    pub(super) description: &'a str,
    pub(super) bars: &'a [Bar],
    /// The names of a bar's parts, from the bottom up.
    pub(super) parts: &'a [&'a str],
}

/// A bar of parts, from the bottom up.
pub(super) struct Bar {
    /// What it is about, such as a day.
    pub(super) name: String,
    /// What is written under it, if anything.
    pub(super) label: Option<String>,
    pub(super) parts: Vec<u64>,
}

impl Bar {
    /// All parts together.
    pub(super) fn total(&self) -> u64 {
        self.parts.iter().sum()
    }
}

/// In pixels. The width is whatever the page gives: the text keeps its size,
/// and only the plot, which has a `viewBox` of its own, is stretched.
const HEIGHT: u64 = 186;
const TOP: u64 = 8;

/// The width of the scale beside the plot, and of the gap between them.
const SCALE: u64 = 42;
const GAP_TO_PLOT: u64 = 6;
const BOTTOM: u64 = 22;
const PLOT: u64 = HEIGHT - TOP - BOTTOM;

/// A bar and the gap after it, in units of the plot.
const STEP: u64 = 12;
const GAP: u64 = 2;

/// The colour class of a part; the last part is what is not charged.
fn colour(at: usize, parts: usize) -> &'static str {
    const COLOURS: [&str; 4] = ["t0", "t1", "t2", "t3"];
    if at + 1 == parts {
        "tx"
    } else {
        COLOURS[at % COLOURS.len()]
    }
}

/// What the colours mean.
pub(super) fn legend(names: &[&str]) -> Markup {
    html! {
        ul.legend {
            @for (at, name) in names.iter().enumerate() {
                li { i.(colour(at, names.len())) {} (name) }
            }
        }
    }
}

/// The chart.
pub(super) fn stacked(chart: &Chart<'_>) -> Markup {
    let highest = chart.bars.iter().map(Bar::total).max().unwrap_or(0);
    let scale = ceiling(highest);
    // What the lines across stand for, and where they are.
    let mut marks = vec![(scale, TOP)];
    if scale.is_multiple_of(2) {
        marks.push((scale / 2, TOP + PLOT / 2));
    }
    let count = u64::try_from(chart.bars.len()).unwrap_or(1).max(1);
    let (title, description) = (
        format!("{}-title", chart.id),
        format!("{}-description", chart.id),
    );
    html! {
        div.plotted {
            // The figures are in the description and in the table too.
            svg.scale width=(SCALE) height=(HEIGHT) aria-hidden="true" {
                @for (value, y) in &marks { text x=(SCALE - GAP_TO_PLOT) y=(y + 4) text-anchor="end" { (short(*value)) } }
            }
            svg.chart width="100%" height=(HEIGHT) role="img" aria-labelledby=(title) aria-describedby=(description) {
                title id=(title) { (chart.title) }
                desc id=(description) { (chart.description) }
                @for (_, y) in &marks { line.grid-line x1="0" x2="100%" y1=(y) y2=(y) {} }
                svg y=(TOP) width="100%" height=(PLOT) viewBox={ "0 0 " (count * STEP) " " (PLOT) } preserveAspectRatio="none" {
                    @for (at, bar) in (0_u64..).zip(chart.bars) { (drawn(at, bar, scale, chart.parts)) }
                }
                line.axis x1="0" x2="100%" y1=(HEIGHT - BOTTOM) y2=(HEIGHT - BOTTOM) {}
                @for (at, bar) in (0_u64..).zip(chart.bars) {
                    @if let Some(label) = &bar.label {
                        text x={ (decimal(middle(at) * 1000 / (count * STEP))) "%" } y=(HEIGHT - 6) text-anchor=(if at == 0 { "start" } else { "middle" }) { (label) }
                    }
                }
            }
        }
    }
}

/// A bar; whoever points at it reads what it is.
fn drawn(at: u64, bar: &Bar, scale: u64, names: &[&str]) -> Markup {
    // Heights in tenths of a unit, so that thin parts do not vanish.
    let tenths = |value: u64| value.saturating_mul(PLOT * 10) / scale;
    let mut below: u64 = 0;
    html! {
        @if bar.total() > 0 {
            g {
                title { (told(bar, names)) }
                @for (part, value) in bar.parts.iter().enumerate() {
                    @let (foot, head) = (tenths(below), tenths(below + value));
                    @if *value > 0 {
                        rect.(colour(part, bar.parts.len())) x=(at * STEP) y=(decimal(PLOT * 10 - head)) width=(STEP - GAP) height=(decimal(head - foot)) {}
                    }
                    @let () = below += value;
                }
            }
        }
    }
}

/// A bar in words: `2026-11-22: Medium 12, Not charged 4`.
fn told(bar: &Bar, names: &[&str]) -> String {
    let parts = names
        .iter()
        .zip(&bar.parts)
        .filter(|(_, value)| **value > 0);
    let parts: Vec<String> = parts
        .map(|(name, value)| format!("{name} {}", grouped(*value)))
        .collect();
    format!("{}: {}", bar.name, parts.join(", "))
}

/// The least of 1, 2, 5, 10, 20, 50 … that is no less than this.
fn ceiling(highest: u64) -> u64 {
    let mut ten: u64 = 1;
    loop {
        for step in [1, 2, 5] {
            match ten.checked_mul(step) {
                Some(round) if round >= highest => return round,
                Some(_) => {}
                None => return highest,
            }
        }
        match ten.checked_mul(10) {
            Some(more) => ten = more,
            None => return highest,
        }
    }
}

/// A figure of the scale, short enough for the place beside the plot: `5,000`,
/// `50k`, `2,500k`, `5M`.
fn short(value: u64) -> String {
    match value {
        0..10_000 => grouped(value),
        _ if value.is_multiple_of(1_000_000) => format!("{}M", grouped(value / 1_000_000)),
        _ => format!("{}k", grouped(value / 1_000)),
    }
}

/// The middle of a bar, in units of the plot.
fn middle(at: u64) -> u64 {
    at * STEP + (STEP - GAP) / 2
}

/// Tenths with their point.
fn decimal(tenths: u64) -> String {
    format!("{}.{}", tenths / 10, tenths % 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bar(name: &str, parts: &[u64]) -> Bar {
        Bar {
            name: name.to_owned(),
            label: Some(name.to_owned()),
            parts: parts.to_vec(),
        }
    }

    fn drawn(bars: &[Bar]) -> String {
        let chart = Chart {
            id: "c",
            title: "T",
            description: "D",
            bars,
            parts: &["Medium", "Not charged"],
        };
        stacked(&chart).into_string()
    }

    #[test]
    fn a_bar_is_as_high_as_its_share_of_a_round_scale() {
        let drawn = drawn(&[bar("1", &[3, 1]), bar("2", &[1, 0])]);
        // Of a scale of 5, on a plot of 156: 3, and 1 on top of it.
        for part in [
            r#"x="0" y="62.4" width="10" height="93.6""#,
            r#"x="0" y="31.2" width="10" height="31.2""#,
        ] {
            assert!(drawn.contains(part), "{drawn}");
        }
        // Two bars fill the whole width.
        assert!(drawn.contains(r#"viewBox="0 0 24 156" preserveAspectRatio="none""#));
        assert!(drawn.contains("<title>1: Medium 3, Not charged 1</title>"));
        assert!(
            drawn.contains(r#"<title id="c-title">T</title><desc id="c-description">D</desc>"#)
        );
    }

    #[test]
    fn an_empty_chart_has_a_scale_and_no_bar() {
        let drawn = drawn(&[bar("1", &[0, 0])]);
        assert!(!drawn.contains("<rect"), "{drawn}");
    }

    #[test]
    fn a_figure_of_the_scale_fits_beside_the_plot() {
        for (value, text) in [
            (5, "5"),
            (5_000, "5,000"),
            (25_000, "25k"),
            (500_000, "500k"),
            (2_500_000, "2,500k"),
            (5_000_000, "5M"),
        ] {
            assert_eq!(short(value), text);
        }
    }

    #[test]
    fn a_scale_is_round_and_high_enough() {
        for (highest, scale) in [
            (0, 1),
            (1, 1),
            (3, 5),
            (11, 20),
            (50, 50),
            (51, 100),
            (912, 1_000),
        ] {
            assert_eq!(ceiling(highest), scale);
        }
        assert_eq!(ceiling(u64::MAX), u64::MAX);
    }
}
