//! US dollars, exact to the millionth: a rate of a computer-hour has three
//! decimals, and no sum of them is ever rounded. Only what a person reads is
//! rounded, to cents.

use std::fmt;
use std::iter::Sum;

use serde::{Deserialize, Serialize};

/// An amount of US dollars in whole millionths, as which it is stored. Sums end at
/// the largest there is, 18 trillion dollars.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Usd(u64);

const MICROS: u64 = 1_000_000;
const MICROS_PER_CENT: u64 = 10_000;

impl Usd {
    /// Nothing.
    pub const ZERO: Self = Self(0);

    /// So many millionths of a dollar.
    pub const fn from_micros(micros: u64) -> Self {
        Self(micros)
    }

    /// Reads a decimal such as `12`, `0.011` or `1.060000`. `None` for anything
    /// else: an exponent, a sign, a fraction of a millionth, too much.
    pub fn parse(text: &str) -> Option<Self> {
        let micros = decimal(text, 6)?;
        Some(Self(micros))
    }

    /// The amount in millionths of a dollar.
    pub const fn micros(self) -> u64 {
        self.0
    }

    /// This amount for each of so many hundredths of a unit, rounded down.
    #[must_use]
    pub const fn times_hundredths(self, hundredths: u64) -> Self {
        Self(self.0.saturating_mul(hundredths) / 100)
    }

    /// This amount for each of so many.
    #[must_use]
    pub const fn times(self, count: u64) -> Self {
        Self(self.0.saturating_mul(count))
    }

    /// The sum of two amounts.
    #[must_use]
    pub const fn plus(self, more: Self) -> Self {
        Self(self.0.saturating_add(more.0))
    }

    /// How much this is more than another amount; nothing if it is less.
    #[must_use]
    pub const fn less(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }

    /// Whole cents, rounded half up.
    pub const fn cents(self) -> u64 {
        self.0.saturating_add(MICROS_PER_CENT / 2) / MICROS_PER_CENT
    }
}

/// A decimal number in units of its last place, of so many places: `1.5` of
/// two is 150. `None` when it is none, has a finer part, or is too large.
pub(crate) fn decimal(text: &str, places: usize) -> Option<u64> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    if !digits(whole) || !digits(fraction) {
        return None;
    }
    let (kept, finer) = fraction.split_at(fraction.len().min(places));
    if finer.bytes().any(|digit| digit != b'0') {
        return None;
    }
    format!("{whole}{kept:0<places$}").parse().ok()
}

impl Sum for Usd {
    fn sum<I: Iterator<Item = Self>>(amounts: I) -> Self {
        amounts.fold(Self::ZERO, Self::plus)
    }
}

/// Exact, in decimals, as few as there are: `0.011`, `1.06`, `12`.
impl fmt::Display for Usd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (whole, micros) = (self.0 / MICROS, self.0 % MICROS);
        if micros == 0 {
            return write!(f, "{whole}");
        }
        let decimals = format!("{micros:06}");
        write!(f, "{whole}.{}", decimals.trim_end_matches('0'))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_amount_is_written_exactly_and_without_needless_zeros() {
        for (micros, text) in [
            (0, "0"),
            (1, "0.000001"),
            (11_000, "0.011"),
            (1_060_000, "1.06"),
            (12_000_000, "12"),
            (u64::MAX, "18446744073709.551615"),
        ] {
            assert_eq!(Usd::from_micros(micros).to_string(), text);
        }
    }

    #[test]
    fn an_amount_is_read_exactly_or_not_at_all() {
        for (text, micros) in [
            ("0", 0),
            ("12", 12_000_000),
            ("0.011", 11_000),
            ("1.06000000", 1_060_000),
            ("18446744073709.551615", u64::MAX),
        ] {
            assert_eq!(Usd::parse(text), Some(Usd::from_micros(micros)), "{text}");
        }
        for text in [
            "",
            ".5",
            "5.",
            "-1",
            "+1",
            "1e3",
            "1,000",
            "0.0000001",
            "18446744073710",
        ] {
            assert_eq!(Usd::parse(text), None, "{text}");
        }
    }

    #[test]
    fn a_share_of_a_unit_is_never_rounded_up() {
        let rate = Usd::from_micros(11_001);
        assert_eq!(rate.times_hundredths(250), Usd::from_micros(27_502));
        assert_eq!(rate.times_hundredths(200), rate.times(2));
    }

    #[test]
    fn a_million_computer_hours_lose_nothing_to_rounding() {
        let rate = Usd::from_micros(11_000);
        let one_by_one: Usd = std::iter::repeat_n(rate, 1_000_000).sum();
        assert_eq!(one_by_one, rate.times(1_000_000));
        assert_eq!(one_by_one.to_string(), "11000");
    }

    #[test]
    fn cents_are_rounded_half_up() {
        for (micros, cents) in [(4_999, 0), (5_000, 1), (14_999, 1), (15_000, 2)] {
            assert_eq!(Usd::from_micros(micros).cents(), cents);
        }
    }
}
