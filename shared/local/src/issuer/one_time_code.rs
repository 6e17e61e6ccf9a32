//! One-time codes by time (TOTP, RFC 6238): six digits, by SHA-1, every 30 s.

use jiff::Timestamp;
use ring::hmac;

/// For how many seconds a code is shown.
const STEP_S: i64 = 30;

/// The code of a secret at an instant.
pub(super) fn code_at(secret: &[u8], now: Timestamp) -> String {
    code(secret, step_at(now))
}

/// Until when it is shown.
pub(super) fn shown_until(now: Timestamp) -> Timestamp {
    let next = i64::try_from(step_at(now) + 1).unwrap_or(i64::MAX);
    Timestamp::from_second(next.saturating_mul(STEP_S)).unwrap_or(Timestamp::MAX)
}

/// The step whose code this is: the one at `now`, or the one before, for
/// somebody who types slowly (section 5.2).
pub(super) fn step_of(secret: &[u8], given: &str, now: Timestamp) -> Option<u64> {
    let step = step_at(now);
    [step, step.saturating_sub(1)]
        .into_iter()
        .find(|step| code(secret, *step) == given)
}

fn step_at(now: Timestamp) -> u64 {
    u64::try_from(now.as_second() / STEP_S).unwrap_or_default()
}

/// HOTP (RFC 4226 section 5.3): four bytes from where the last one points to.
fn code(secret: &[u8], step: u64) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, secret);
    let tag = hmac::sign(&key, &step.to_be_bytes());
    let bytes = tag.as_ref();
    let at = usize::from(bytes[bytes.len() - 1] & 0x0f);
    let number = bytes[at..at + 4]
        .iter()
        .fold(0_u32, |number, byte| number << 8 | u32::from(*byte));
    format!("{:06}", (number & 0x7fff_ffff) % 1_000_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &[u8] = b"12345678901234567890";

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    /// RFC 6238 appendix B, the last six of its eight digits.
    #[test]
    fn the_codes_are_the_standards() {
        for (second, code) in [
            (59, "287082"),
            (1_111_111_109, "081804"),
            (1_111_111_111, "050471"),
            (1_234_567_890, "005924"),
            (2_000_000_000, "279037"),
            (20_000_000_000, "353130"),
        ] {
            assert_eq!(code_at(SECRET, at(second)), code);
        }
    }

    #[test]
    fn a_code_counts_while_it_is_shown_and_for_one_step_after() {
        let code = code_at(SECRET, at(60));
        assert_eq!(shown_until(at(60)), at(90));
        for (second, counts) in [(59, false), (60, true), (119, true), (120, false)] {
            let step = step_of(SECRET, &code, at(second));
            assert_eq!(step.is_some(), counts, "{second}");
        }
        assert_eq!(step_of(SECRET, "", at(60)), None);
    }
}
