//! Charts, drawn here as SVG: no script, and every figure is in a table too.

use maud::{Markup, html};

use crate::layout::grouped;

/// A bar of parts, from the bottom up.
pub(super) struct Bar {
    pub(super) label: u8,
    pub(super) parts: Vec<u64>,
}

/// In pixels. The width is whatever the page gives: the text keeps its size,
/// and only the plot, which has a `viewBox` of its own, is stretched.
const HEIGHT: u64 = 180;
const TOP: u64 = 16;
const BOTTOM: u64 = 18;
const PLOT: u64 = HEIGHT - TOP - BOTTOM;

/// A bar and the gap after it, in units of the plot.
const STEP: u64 = 12;
const GAP: u64 = 2;

/// The colour class of a part; the last part is what is not charged.
pub(super) fn colour(at: usize, parts: usize) -> &'static str {
    const COLOURS: [&str; 4] = ["t0", "t1", "t2", "t3"];
    if at + 1 == parts {
        "tx"
    } else {
        COLOURS[at % COLOURS.len()]
    }
}

/// Stacked bars. `title` says to whoever does not see them what they show.
pub(super) fn stacked(title: &str, bars: &[Bar]) -> Markup {
    let highest = bars
        .iter()
        .map(|bar| bar.parts.iter().sum())
        .max()
        .unwrap_or(0);
    let count = u64::try_from(bars.len()).unwrap_or(1).max(1);
    // Heights in tenths of a unit, so that thin parts do not vanish.
    let tenths = |value: u64| value.saturating_mul(PLOT * 10) / highest.max(1);
    html! {
        svg.chart width="100%" height=(HEIGHT) role="img" aria-label=(title) {
            text x="0" y="11" { "up to " (grouped(highest)) }
            svg y=(TOP) width="100%" height=(PLOT) viewBox={ "0 0 " (count * STEP) " " (PLOT) } preserveAspectRatio="none" {
                @for (at, bar) in (0_u64..).zip(bars) {
                    @let mut below: u64 = 0;
                    @for (part, value) in bar.parts.iter().enumerate() {
                        @let height = tenths(*value);
                        @let y = PLOT * 10 - tenths(below) - height;
                        @if *value > 0 {
                            rect.(colour(part, bar.parts.len())) x=(at * STEP) y=(decimal(y)) width=(STEP - GAP) height=(decimal(height)) {}
                        }
                        @let () = below += value;
                    }
                }
            }
            line.axis x1="0" x2="100%" y1=(HEIGHT - BOTTOM) y2=(HEIGHT - BOTTOM) {}
            @for (at, bar) in (0_u64..).zip(bars) {
                @if bar.label == 1 || bar.label.is_multiple_of(5) {
                    text x={ (decimal(middle(at) * 1000 / (count * STEP))) "%" } y=(HEIGHT - 4) text-anchor="middle" { (bar.label) }
                }
            }
        }
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

    #[test]
    fn the_highest_bar_fills_the_plot_and_an_empty_month_is_drawn_too() {
        let bars = [
            Bar {
                label: 1,
                parts: vec![3, 1],
            },
            Bar {
                label: 2,
                parts: vec![1, 0],
            },
        ];
        let drawn = stacked("t", &bars).into_string();
        assert!(drawn.contains("up to 4"));
        // 3 of 4 of the plot of 146, from its foot up; then the rest.
        for bar in [
            r#"x="0" y="36.5" width="10" height="109.5""#,
            r#"x="0" y="0.0" width="10" height="36.5""#,
        ] {
            assert!(drawn.contains(bar), "{drawn}");
        }
        // Two bars fill the whole width.
        assert!(drawn.contains(r#"viewBox="0 0 24 146" preserveAspectRatio="none""#));
        assert!(!stacked("t", &[]).into_string().contains("<rect"));
    }
}
