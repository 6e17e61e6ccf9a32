//! Ids in AWS's shapes, the same in every run of a deterministic fake.

use std::sync::Mutex;

use sha2::{Digest, Sha256};

use crate::lock;

/// Hands out ids: each is the hash of a seed and a counter.
#[derive(Debug)]
pub(crate) struct Ids {
    seed: String,
    drawn: Mutex<u64>,
}

impl Ids {
    /// The same ids in the same order for the same seed.
    pub(crate) fn seeded(seed: String) -> Ids {
        Ids {
            seed,
            drawn: Mutex::new(0),
        }
    }

    /// Ids nobody has seen before.
    #[expect(
        clippy::disallowed_methods,
        reason = "ids of a fake that follows the wall clock must differ from run to run"
    )]
    pub(crate) fn random() -> Ids {
        Ids::seeded(uuid::Uuid::new_v4().to_string())
    }

    /// 64 hexadecimal digits.
    fn draw(&self) -> String {
        let mut drawn = lock(&self.drawn);
        *drawn += 1;
        hex(&Sha256::digest(format!("{}/{}", self.seed, *drawn)))
    }

    /// `agmt-` and 25 letters and digits, as in the captured events.
    pub(crate) fn agreement(&self) -> String {
        format!("agmt-{:.25}", self.draw())
    }

    /// `arn:aws:license-manager::<owner>:license:l-<32 hex>`.
    pub(crate) fn license_arn(&self, owner: &str) -> String {
        format!(
            "arn:aws:license-manager::{owner}:license:l-{:.32}",
            self.draw()
        )
    }

    /// A registration token: long, opaque, and safe in a form.
    pub(crate) fn registration_token(&self) -> String {
        format!("{}{}", self.draw(), self.draw())
    }

    /// Eight, four, four, four and twelve hexadecimal digits.
    pub(crate) fn uuid(&self) -> String {
        let hex = self.draw();
        let part = |from: usize, to: usize| hex.get(from..to).unwrap_or_default().to_owned();
        format!(
            "{}-{}-{}-{}-{}",
            part(0, 8),
            part(8, 12),
            part(12, 16),
            part(16, 20),
            part(20, 32)
        )
    }
}

/// Lower-case hexadecimal digits of `bytes`.
pub(crate) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_have_the_captured_shapes_and_repeat_for_a_seed() {
        let (first, second) = (Ids::seeded("s".into()), Ids::seeded("s".into()));
        let arn = first.license_arn("294406891311");
        assert_eq!(arn, second.license_arn("294406891311"));
        let id = arn
            .strip_prefix("arn:aws:license-manager::294406891311:license:l-")
            .unwrap();
        assert_eq!(id.len(), 32);
        assert!(id.bytes().all(|b| b.is_ascii_hexdigit()));
        assert_ne!(first.agreement(), first.agreement());
        assert_eq!(first.uuid().len(), 36);
        assert_ne!(Ids::random().uuid(), Ids::random().uuid());
    }
}
