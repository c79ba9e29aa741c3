//! The signatures of users' tokens, by the RustCrypto crates: only the four algorithms that we take.
//!
//! No JWT library is used. What each of them reads besides (certificates, keys in headers, more algorithms) would be a
//! fifth of a component.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use ed25519_dalek::VerifyingKey;
use hmac::{Hmac, KeyInit, Mac};
use p256::{
    AffinePoint,
    ecdsa::{self, signature::hazmat::PrehashVerifier},
    elliptic_curve::point::AffineCoordinates,
};
use rsa::{BoxedUint, Pkcs1v15Sign, PublicKey};
use sha2::{Digest, Sha256};

use crate::json::{Json, Twice};

/// A key, ready to verify by its one algorithm.
pub(crate) enum Key {
    Hs256(Hmac<Sha256>),
    Rs256(PublicKey),
    Es256(ecdsa::VerifyingKey),
    EdDsa(VerifyingKey),
}

const MISFIT: &str = "its material is no key of its kind";

/// Returns a member of a JSON Web Key that must be a text. Null is the same as no member.
pub(crate) fn member<'a>(jwk: &'a Json, name: &str) -> Result<Option<&'a str>, &'static str> {
    match jwk.get(name) {
        Ok(None | Some(Json::Null)) => Ok(None),
        Ok(Some(value)) => value.text().map(Some).ok_or("a member that should be a text is none"),
        Err(Twice) => Err("a member is there twice"),
    }
}

impl Key {
    /// Reads the key of a JSON Web Key (RFC 7517, RFC 7518 section 6, RFC 8037). The error says why we cannot use it,
    /// and never quotes the key.
    pub(crate) fn new(jwk: &Json) -> Result<Self, &'static str> {
        if member(jwk, "use")?.is_some_and(|purpose| purpose != "sig") {
            return Err("its use is not sig");
        }
        let operations = jwk.get("key_ops").map_err(|Twice| "a member is there twice")?.and_then(Json::list);
        if operations.is_some_and(|all| !all.iter().any(|operation| operation.text() == Some("verify"))) {
            return Err("its key_ops are without verify");
        }
        let part = |name: &str| {
            let text = member(jwk, name)?.ok_or("it lacks its material")?;
            URL_SAFE_NO_PAD.decode(text).map_err(|_| "its material is no base64url")
        };
        let key = match (member(jwk, "kty")?, member(jwk, "crv")?) {
            (Some("oct"), _) => Self::hs256(&part("k")?),
            (Some("RSA"), _) => Self::rs256(&part("n")?, &part("e")?),
            (Some("EC"), Some("P-256")) => Self::es256(&part("x")?, &part("y")?),
            (Some("OKP"), Some("Ed25519")) => Self::eddsa(part("x")?),
            (Some("EC" | "OKP"), _) => Err("its crv is neither P-256 nor Ed25519"),
            _ => Err("its kty is none of RSA, EC, OKP and oct"),
        };
        // An unknown algorithm is reported before any fault of the key itself, because it says most about a key that is
        // not for us.
        match member(jwk, "alg")? {
            Some("HS256" | "RS256" | "ES256" | "EdDSA") | None => {}
            Some(_) => return Err("its alg is none of HS256, RS256, ES256 and EdDSA"),
        }
        let key = key?;
        match member(jwk, "alg")? {
            Some(alg) if alg != key.algorithm() => Err("its alg does not fit its kty and crv"),
            _ => Ok(key),
        }
    }

    fn hs256(secret: &[u8]) -> Result<Self, &'static str> {
        // RFC 7518 section 3.2: at least as many bits as the hash has.
        if secret.len() < 32 {
            return Err("its k has fewer than 32 bytes");
        }
        Hmac::new_from_slice(secret).map(Self::Hs256).map_err(|_| MISFIT)
    }

    fn rs256(modulus: &[u8], exponent: &[u8]) -> Result<Self, &'static str> {
        let number = |bytes: &[u8]| BoxedUint::from_be_slice_vartime(bytes);
        let modulus = number(modulus);
        // RFC 7518 section 3.3.
        if modulus.bit_width_vartime() < 2048 {
            return Err("its n has fewer than 2048 bits");
        }
        PublicKey::new(modulus, number(exponent)).map(Self::Rs256).map_err(|_| MISFIT)
    }

    fn es256(x: &[u8], y: &[u8]) -> Result<Self, &'static str> {
        // RFC 7518 section 6.2.1.2: all 32 bytes, even if they begin with zeros. The SEC 1 reader is not used, because
        // it reads compressed points too.
        let (x, y): ([u8; 32], [u8; 32]) = (x.try_into().map_err(|_| MISFIT)?, y.try_into().map_err(|_| MISFIT)?);
        let point = AffinePoint::from_coordinates(&x.into(), &y.into()).into_option().ok_or(MISFIT)?;
        ecdsa::VerifyingKey::from_affine(point).map(Self::Es256).map_err(|_| MISFIT)
    }

    fn eddsa(point: Vec<u8>) -> Result<Self, &'static str> {
        let key = VerifyingKey::from_bytes(&point.try_into().map_err(|_| MISFIT)?).map_err(|_| MISFIT)?;
        // Anybody can sign for a weak point.
        if key.is_weak() { Err(MISFIT) } else { Ok(Self::EdDsa(key)) }
    }

    /// The `alg` that a token's header must say.
    pub(crate) fn algorithm(&self) -> &'static str {
        match self {
            Self::Hs256(_) => "HS256",
            Self::Rs256(_) => "RS256",
            Self::Es256(_) => "ES256",
            Self::EdDsa(_) => "EdDSA",
        }
    }

    /// Whether the signature of the message is by this key. MACs are compared in constant time.
    pub(crate) fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        match self {
            Self::Hs256(mac) => mac.clone().chain_update(message).verify_slice(signature).is_ok(),
            Self::Rs256(key) => key.verify(Pkcs1v15Sign::new::<Sha256>(), &Sha256::digest(message), signature).is_ok(),
            // The signature is two numbers of 32 bytes, not ASN.1 (RFC 7518 section 3.4).
            Self::Es256(key) => {
                let hash = Sha256::digest(message);
                ecdsa::Signature::from_slice(signature)
                    .is_ok_and(|signature| key.verify_prehash(&hash, &signature).is_ok())
            }
            Self::EdDsa(key) => ed25519_dalek::Signature::from_slice(signature)
                .is_ok_and(|signature| key.verify_strict(message, &signature).is_ok()),
        }
    }
}
