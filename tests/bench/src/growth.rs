//! How time and units grow with the number of computers.
//!
//! An exponent of 1 is proportional; it is the slope of the straight line that
//! lies closest to the logarithms of what was measured. Time is the thread's
//! own: the wall's would measure whoever else uses the machine.

use crate::capacity::Bill;
use crate::million::{Scale, play};
use crate::print::{dollars, line, seconds, thousands, verdict};
use crate::stopwatch::Time;

/// Design, section 8.
const TARGET_EXPONENT: f64 = 1.05;

const COMPUTERS: [u32; 3] = [10_000, 100_000, 1_000_000];

const COMPUTERS_PER_ACCOUNT: u32 = 100;

/// Prices are compared in 10⁻⁷ dollars.
const PRICE_PART: u64 = 1_000;

/// Plays every size and prints the exponents.
pub(crate) async fn run(tiers: u8) -> anyhow::Result<()> {
    let (mut times, mut own_times, mut prices) = (Vec::new(), Vec::new(), Vec::new());
    for computers in COMPUTERS {
        let scale = Scale {
            computers: usize::try_from(computers)?,
            accounts: usize::try_from(computers / COMPUTERS_PER_ACCOUNT)?,
            tiers,
        };
        let phases = play(scale).await?;
        let time: Time = phases.iter().map(|phase| phase.time).sum();
        let mut bill = Bill::default();
        phases.iter().for_each(|phase| bill.add(&phase.bill));
        let own = time - bill.in_aws;
        let price = bill.total().price();
        line(&format!(
            "{} computers: {}, {} of CPU, {} of it not in the embedded AWS; units {}",
            thousands(u64::from(computers)),
            seconds(time.wall),
            seconds(time.cpu),
            seconds(own.cpu),
            dollars(price)
        ));
        let computers = f64::from(computers);
        times.push((computers, time.cpu.as_secs_f64()));
        own_times.push((computers, own.cpu.as_secs_f64()));
        let price = u32::try_from(price / PRICE_PART)?;
        prices.push((computers, f64::from(price)));
    }
    let (time, own, price) = (exponent(&times), exponent(&own_times), exponent(&prices));
    line(&format!(
        "growth: time grows as computers^{time:.3}, without the embedded AWS ^{own:.3}, price of the units ^{price:.3} (target <= {TARGET_EXPONENT}: {})",
        verdict(time <= TARGET_EXPONENT && price <= TARGET_EXPONENT)
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
