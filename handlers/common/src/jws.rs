//! The signatures of users' tokens, by the RustCrypto crates: just the three algorithms that we take.
//!
//! No JWT library: what each of them reads besides (certificates, keys in headers, more algorithms) is a fifth of a
//! component.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use ed25519_dalek::{Signature, VerifyingKey};
use hmac::{Hmac, KeyInit, Mac};
use rsa::{BoxedUint, Pkcs1v15Sign, PublicKey};
use serde::Deserialize;
use sha2::{Digest, Sha256};

/// A JSON Web Key, as far as we read it (RFC 7517, RFC 7518 section 6, RFC 8037).
#[derive(Deserialize)]
pub(crate) struct Jwk {
    pub(crate) kid: Option<String>,
    alg: String,
    /// A secret.
    k: Option<String>,
    /// An RSA key's modulus.
    n: Option<String>,
    /// An RSA key's exponent.
    e: Option<String>,
    /// An Ed25519 key.
    x: Option<String>,
}

/// A key, ready to verify by its one algorithm.
pub(crate) enum Key {
    Hs256(Hmac<Sha256>),
    Rs256(PublicKey),
    EdDsa(VerifyingKey),
}

impl Key {
    /// The key, or why it is none, which shows at start rather than with every token.
    pub(crate) fn new(jwk: &Jwk) -> Result<Self, &'static str> {
        const MISFIT: &str = "a key's material does not fit its alg";
        let part = |part: &Option<String>| {
            let text = part.as_ref().ok_or("a key lacks its material")?;
            URL_SAFE_NO_PAD.decode(text).map_err(|_| "a key's material is no base64url")
        };
        match jwk.alg.as_str() {
            "HS256" => {
                let secret = part(&jwk.k)?;
                // RFC 7518 section 3.2: as many bits as the hash has.
                if secret.len() < 32 {
                    return Err("a key's k needs 32 bytes or more");
                }
                Ok(Self::Hs256(Hmac::new_from_slice(&secret).map_err(|_| MISFIT)?))
            }
            "RS256" => {
                let (modulus, exponent) = (part(&jwk.n)?, part(&jwk.e)?);
                // RFC 7518 section 3.3: 2048 bits or more.
                if modulus.len() < 256 {
                    return Err("a key's n needs 2048 bits or more");
                }
                let number = |bytes: &[u8]| BoxedUint::from_be_slice_vartime(bytes);
                Ok(Self::Rs256(PublicKey::new(number(&modulus), number(&exponent)).map_err(|_| MISFIT)?))
            }
            "EdDSA" => {
                let point = part(&jwk.x)?.try_into().map_err(|_| MISFIT)?;
                Ok(Self::EdDsa(VerifyingKey::from_bytes(&point).map_err(|_| MISFIT)?))
            }
            _ => Err("a key's alg must be HS256, RS256 or EdDSA"),
        }
    }

    /// The `alg` that a token's header must say.
    pub(crate) fn algorithm(&self) -> &'static str {
        match self {
            Self::Hs256(_) => "HS256",
            Self::Rs256(_) => "RS256",
            Self::EdDsa(_) => "EdDSA",
        }
    }

    /// Whether the signature is the message's by this key. MACs are compared in constant time.
    pub(crate) fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        match self {
            Self::Hs256(mac) => mac.clone().chain_update(message).verify_slice(signature).is_ok(),
            Self::Rs256(key) => key.verify(Pkcs1v15Sign::new::<Sha256>(), &Sha256::digest(message), signature).is_ok(),
            Self::EdDsa(key) => {
                Signature::from_slice(signature).is_ok_and(|signature| key.verify_strict(message, &signature).is_ok())
            }
        }
    }
}
