//! What the person reads who runs it.

use std::time::Duration;

/// Prints a line.
#[expect(
    clippy::print_stdout,
    reason = "this is what the person who runs it reads"
)]
pub(crate) fn line(text: &str) {
    println!("{text}");
}

/// A number in groups of three: `1,234,567`.
pub(crate) fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (n, digit) in digits.chars().enumerate() {
        if n > 0 && (digits.len() - n).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A number given in halves: `1,234.5`.
pub(crate) fn halves(number: u64) -> String {
    let half = if number.is_multiple_of(2) { "" } else { ".5" };
    format!("{}{half}", thousands(number / 2))
}

/// An amount given in 10⁻¹⁰ dollars, rounded down: `$0.1234`.
pub(crate) fn dollars(amount: u64) -> String {
    const DOLLAR: u64 = 10_000_000_000;
    format!("${}.{:04}", amount / DOLLAR, amount % DOLLAR / 1_000_000)
}

/// A time in seconds: `12.34 s`.
pub(crate) fn seconds(time: Duration) -> String {
    format!("{:.2} s", time.as_secs_f64())
}

/// A time in milliseconds, to the tenth: `1.2 ms`.
pub(crate) fn milliseconds(time: Duration) -> String {
    let tenths = (time.as_micros() + 50) / 100;
    format!("{}.{} ms", tenths / 10, tenths % 10)
}

/// Whether a target is reached, in a word.
pub(crate) fn verdict(reached: bool) -> &'static str {
    if reached { "reached" } else { "MISSED" }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_stand_in_groups_of_three() {
        for (number, text) in [
            (0, "0"),
            (999, "999"),
            (1_000, "1,000"),
            (1_234_567, "1,234,567"),
        ] {
            assert_eq!(thousands(number), text);
        }
        assert_eq!(halves(2_469), "1,234.5");
    }

    #[test]
    fn a_million_write_units_cost_62_cents_and_a_half() {
        assert_eq!(dollars(6_250_000_000), "$0.6250");
        assert_eq!(dollars(12_345_678_901), "$1.2345");
    }
}
