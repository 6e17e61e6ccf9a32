//! How time and units grow with the number of computers.
//!
//! An exponent of 1 is proportional; it is the slope of the straight line that
//! lies closest to the logarithms of what was measured.

use std::time::Duration;

use crate::capacity::Bill;
use crate::million::{Scale, play};
use crate::print::{line, seconds, thousands, verdict};

/// Design, section 8.
const TARGET_EXPONENT: f64 = 1.05;

const COMPUTERS: [u32; 3] = [10_000, 100_000, 1_000_000];

/// Prices are compared in 10⁻⁷ dollars.
const PRICE_PART: u64 = 1_000;

const COMPUTERS_PER_ACCOUNT: u32 = 100;

/// Plays every size and prints the exponents.
pub(crate) async fn run(tiers: u8) -> anyhow::Result<()> {
    let mut times = Vec::new();
    let mut units = Vec::new();
    for computers in COMPUTERS {
        let scale = Scale {
            computers: usize::try_from(computers)?,
            accounts: usize::try_from(computers / COMPUTERS_PER_ACCOUNT)?,
            tiers,
        };
        let phases = play(scale).await?;
        let time: Duration = phases.iter().map(|phase| phase.time).sum();
        let mut bill = Bill::default();
        phases.iter().for_each(|phase| bill.add(&phase.bill));
        let total = bill.total();
        line(&format!(
            "{} computers: {}, {} units",
            thousands(u64::from(computers)),
            seconds(time),
            thousands(total.writes + total.read_halves / 2)
        ));
        times.push((f64::from(computers), time.as_secs_f64()));
        let price = u32::try_from(total.price() / PRICE_PART)?;
        units.push((f64::from(computers), f64::from(price)));
    }
    let (time, units) = (exponent(&times), exponent(&units));
    line(&format!(
        "growth: time grows as computers^{time:.3}, the units' price as computers^{units:.3} (target <= {TARGET_EXPONENT}: {})",
        verdict(time <= TARGET_EXPONENT && units <= TARGET_EXPONENT)
    ));
    Ok(())
}

/// The slope of the line of least squares through the logarithms.
#[expect(
    clippy::float_arithmetic,
    reason = "a slope of logarithms, shown to a person; nothing is billed by it"
)]
fn exponent(measured: &[(f64, f64)]) -> f64 {
    let logarithms: Vec<(f64, f64)> = measured.iter().map(|(x, y)| (x.ln(), y.ln())).collect();
    let count = logarithms.iter().map(|_| 1.0).sum::<f64>();
    let mean_x = logarithms.iter().map(|(x, _)| x).sum::<f64>() / count;
    let mean_y = logarithms.iter().map(|(_, y)| y).sum::<f64>() / count;
    let both = logarithms.iter().map(|(x, y)| (x - mean_x) * (y - mean_y));
    let square = logarithms.iter().map(|(x, _)| (x - mean_x) * (x - mean_x));
    both.sum::<f64>() / square.sum::<f64>()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_exponent_of_a_power_is_found() {
        let square = [(1.0, 3.0), (10.0, 300.0), (100.0, 30_000.0)];
        assert!((exponent(&square) - 2.0).abs() < 1e-9);
    }
}
