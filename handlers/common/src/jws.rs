//! The signatures of users' tokens, from the current RustCrypto crates: just the three algorithms that we take.
//!
//! jsonwebtoken's own providers carry elliptic curves, key parsing and signing as well, half a megabyte of each component.

use ed25519_dalek::VerifyingKey;
use hmac::{Hmac, KeyInit, Mac};
use jsonwebtoken::{
    Algorithm, AlgorithmFamily, DecodingKey, DecodingKeyKind,
    crypto::{CryptoProvider, JwtVerifier, KeyUtils},
    errors::{Error, ErrorKind},
};
use rsa::{BoxedUint, Pkcs1v15Sign, PublicKey};
use sha2::{Digest, Sha256};
use signature::{Error as Mismatch, Verifier};

/// Verifies HS256, RS256 and EdDSA (Ed25519), and signs nothing.
pub(crate) static PROVIDER: CryptoProvider = CryptoProvider {
    signer_factory: |_, _| Err(ErrorKind::InvalidAlgorithm.into()),
    verifier_factory: |algorithm, key| {
        let verifier: Box<dyn JwtVerifier> = match (algorithm, key.kind()) {
            (Algorithm::HS256, DecodingKeyKind::SecretOrDer(secret)) => Box::new(Hs256(secret.clone())),
            (Algorithm::RS256, DecodingKeyKind::RsaModulusExponent { n, e }) => Box::new(Rs256(rsa_key(n, e)?)),
            (Algorithm::EdDSA, DecodingKeyKind::SecretOrDer(point)) => Box::new(EdDsa(ed25519_key(point)?)),
            _ => return Err(ErrorKind::InvalidAlgorithm.into()),
        };
        Ok(verifier)
    },
    key_utils: KeyUtils::new_unimplemented(),
};

/// Whether a key can verify anything by that algorithm; told at start rather than by every token.
pub(crate) fn fits(algorithm: Algorithm, key: &DecodingKey) -> bool {
    let family = match algorithm {
        Algorithm::HS256 => AlgorithmFamily::Hmac,
        Algorithm::RS256 => AlgorithmFamily::Rsa,
        Algorithm::EdDSA => AlgorithmFamily::Ed,
        _ => return false,
    };
    key.family() == family && (PROVIDER.verifier_factory)(&algorithm, key).is_ok()
}

fn rsa_key(modulus: &[u8], exponent: &[u8]) -> Result<PublicKey, Error> {
    // RFC 7518 section 3.3: 2048 bits or more.
    if modulus.len() < 256 {
        return Err(ErrorKind::InvalidKeyFormat.into());
    }
    let number = |bytes: &[u8]| BoxedUint::from_be_slice_vartime(bytes);
    PublicKey::new(number(modulus), number(exponent)).map_err(|_| ErrorKind::InvalidKeyFormat.into())
}

fn ed25519_key(point: &[u8]) -> Result<VerifyingKey, Error> {
    let point = point.try_into().map_err(|_| ErrorKind::InvalidKeyFormat)?;
    VerifyingKey::from_bytes(point).map_err(|_| ErrorKind::InvalidKeyFormat.into())
}

struct Hs256(Vec<u8>);
struct Rs256(PublicKey);
struct EdDsa(VerifyingKey);

impl Verifier<Vec<u8>> for Hs256 {
    /// In constant time.
    fn verify(&self, message: &[u8], signature: &Vec<u8>) -> Result<(), Mismatch> {
        let mac = Hmac::<Sha256>::new_from_slice(&self.0).map_err(|_| Mismatch::new())?;
        mac.chain_update(message).verify_slice(signature).map_err(|_| Mismatch::new())
    }
}

impl Verifier<Vec<u8>> for Rs256 {
    fn verify(&self, message: &[u8], signature: &Vec<u8>) -> Result<(), Mismatch> {
        let scheme = Pkcs1v15Sign::new::<Sha256>();
        self.0.verify(scheme, &Sha256::digest(message), signature).map_err(|_| Mismatch::new())
    }
}

impl Verifier<Vec<u8>> for EdDsa {
    fn verify(&self, message: &[u8], signature: &Vec<u8>) -> Result<(), Mismatch> {
        let signature = ed25519_dalek::Signature::from_slice(signature).map_err(|_| Mismatch::new())?;
        self.0.verify_strict(message, &signature).map_err(|_| Mismatch::new())
    }
}

macro_rules! algorithm {
    ($($verifier:ident => $algorithm:ident),*) => {$(
        impl JwtVerifier for $verifier {
            fn algorithm(&self) -> Algorithm {
                Algorithm::$algorithm
            }
        }
    )*};
}
algorithm!(Hs256 => HS256, Rs256 => RS256, EdDsa => EdDSA);
