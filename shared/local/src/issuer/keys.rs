//! The issuer's signing key and its random texts.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::rand::{SecureRandom as _, SystemRandom};
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};
use serde_json::{Value, json};

use super::NoRandomness;

/// An ES256 key pair and the name under which the JWKS publishes it.
pub(super) struct Keys {
    id: String,
    pair: EcdsaKeyPair,
}

impl Keys {
    /// A fresh key.
    pub(super) fn generate() -> Result<Self, NoRandomness> {
        let random = SystemRandom::new();
        let algorithm = &ECDSA_P256_SHA256_FIXED_SIGNING;
        let document =
            EcdsaKeyPair::generate_pkcs8(algorithm, &random).map_err(|_| NoRandomness)?;
        let pair = EcdsaKeyPair::from_pkcs8(algorithm, document.as_ref(), &random)
            .map_err(|_| NoRandomness)?;
        let id = random_text()?;
        Ok(Self { id, pair })
    }

    /// The JWKS (RFC 7517).
    pub(super) fn public(&self) -> Value {
        // An uncompressed point: 0x04, then x and y of 32 bytes each.
        let (x, y) = self.pair.public_key().as_ref()[1..].split_at(32);
        json!({ "keys": [{
            "kty": "EC",
            "crv": "P-256",
            "alg": "ES256",
            "use": "sig",
            "kid": self.id,
            "x": URL_SAFE_NO_PAD.encode(x),
            "y": URL_SAFE_NO_PAD.encode(y),
        }] })
    }

    /// The claims as a signed JWT in compact form (RFC 7515).
    pub(super) fn sign(&self, claims: &Value) -> Result<String, NoRandomness> {
        let header = json!({ "alg": "ES256", "typ": "JWT", "kid": self.id });
        let message = format!(
            "{}.{}",
            URL_SAFE_NO_PAD.encode(header.to_string()),
            URL_SAFE_NO_PAD.encode(claims.to_string()),
        );
        let signature = self
            .pair
            .sign(&SystemRandom::new(), message.as_bytes())
            .map_err(|_| NoRandomness)?;
        Ok(format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature)))
    }
}

/// Six random digits, for a person to type.
pub(super) fn random_digits() -> Result<String, NoRandomness> {
    let mut bytes = [0_u8; 8];
    SystemRandom::new()
        .fill(&mut bytes)
        .map_err(|_| NoRandomness)?;
    Ok(format!("{:06}", u64::from_be_bytes(bytes) % 1_000_000))
}

/// 128 random bits as text that needs no encoding in a URL.
pub(super) fn random_text() -> Result<String, NoRandomness> {
    let mut bytes = [0_u8; 16];
    SystemRandom::new()
        .fill(&mut bytes)
        .map_err(|_| NoRandomness)?;
    Ok(URL_SAFE_NO_PAD.encode(bytes))
}
