//! Charts, drawn here as SVG: no script, and every figure is in a table too.

use maud::{Markup, html};

use crate::layout::grouped;

/// A bar of parts, from the bottom up.
pub(super) struct Bar {
    pub(super) label: u8,
    pub(super) parts: Vec<u64>,
}

/// In user units; the width of a phone's column, so that text stays readable there.
const WIDTH: u64 = 372;
const HEIGHT: u64 = 150;
const TOP: u64 = 16;
const BOTTOM: u64 = 18;
const PLOT: u64 = HEIGHT - TOP - BOTTOM;

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
    let width = WIDTH / count;
    // Heights in tenths of a unit, so that thin parts do not vanish.
    let tenths = |value: u64| value.saturating_mul(PLOT * 10) / highest.max(1);
    html! {
        svg.chart viewBox={ "0 0 " (WIDTH) " " (HEIGHT) } role="img" aria-label=(title) {
            text x="0" y="11" { "up to " (grouped(highest)) }
            line.axis x1="0" x2=(WIDTH) y1=(HEIGHT - BOTTOM) y2=(HEIGHT - BOTTOM) {}
            @for (at, bar) in (0_u64..).zip(bars) {
                @let x = at * width;
                @let mut below: u64 = 0;
                @for (part, value) in bar.parts.iter().enumerate() {
                    @let height = tenths(*value);
                    @let y = (HEIGHT - BOTTOM) * 10 - tenths(below) - height;
                    @if *value > 0 {
                        rect.(colour(part, bar.parts.len())) x=(x) y=(decimal(y)) width=(width.saturating_sub(2).max(1)) height=(decimal(height)) {}
                    }
                    @let () = below += value;
                }
                @if bar.label == 1 || bar.label.is_multiple_of(5) {
                    text x=(x) y=(HEIGHT - 4) { (bar.label) }
                }
            }
        }
    }
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
        // 3 of 4 of the plot of 116, from the axis at 132 up; then the rest.
        assert!(
            drawn.contains(r#"y="45.0" width="184" height="87.0""#),
            "{drawn}"
        );
        assert!(
            drawn.contains(r#"y="16.0" width="184" height="29.0""#),
            "{drawn}"
        );
        assert!(!stacked("t", &[]).into_string().contains("<rect"));
    }
}
