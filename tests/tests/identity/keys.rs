//! Keys as providers have them: published as JSON Web Keys, and used to sign tokens.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use hmac::{Hmac, KeyInit, Mac};
use p256::ecdsa::{Signature, SigningKey, signature::Signer};
use rsa::{Pkcs1v15Sign, PrivateKey, PublicKey, traits::PublicKeyParts};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

pub(crate) struct Key {
    kid: String,
    secret: Secret,
}

enum Secret {
    Rsa(PrivateKey),
    P256(SigningKey),
    Symmetric(String),
}

fn base64url(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

impl Key {
    pub(crate) fn rsa(kid: &str) -> Self {
        let key = PrivateKey::new(&mut rand::rng(), 2048).expect("a key");
        Self { kid: kid.to_owned(), secret: Secret::Rsa(key) }
    }

    pub(crate) fn p256(kid: &str) -> Self {
        let key = SigningKey::from_slice(&rand::random::<[u8; 32]>()).expect("not zero");
        Self { kid: kid.to_owned(), secret: Secret::P256(key) }
    }

    /// Always the same.
    pub(crate) fn p256_of(kid: &str, secret: &str) -> Self {
        let key = SigningKey::from_slice(secret.as_bytes()).expect("32 bytes");
        Self { kid: kid.to_owned(), secret: Secret::P256(key) }
    }

    pub(crate) fn symmetric(kid: &str, secret: &str) -> Self {
        Self { kid: kid.to_owned(), secret: Secret::Symmetric(secret.to_owned()) }
    }

    /// What all providers publish of it, and the members that this one adds, or leaves out by null.
    pub(crate) fn jwk(&self, more: &Value) -> Value {
        let mut jwk = match &self.secret {
            Secret::Rsa(key) => {
                let public = PublicKey::from(key);
                json!({"kty": "RSA", "n": base64url(public.n_bytes()), "e": base64url(public.e_bytes())})
            }
            Secret::P256(key) => {
                let point = key.verifying_key().to_sec1_point(false);
                let part = |part: Option<&_>| base64url(part.expect("no compressed point"));
                json!({"kty": "EC", "crv": "P-256", "x": part(point.x()), "y": part(point.y())})
            }
            Secret::Symmetric(secret) => json!({"kty": "oct", "k": base64url(secret)}),
        };
        jwk["kid"] = json!(self.kid);
        for (name, value) in more.as_object().expect("members") {
            jwk[name] = value.clone();
        }
        jwk
    }

    fn alg(&self) -> &'static str {
        match self.secret {
            Secret::Rsa(_) => "RS256",
            Secret::P256(_) => "ES256",
            Secret::Symmetric(_) => "HS256",
        }
    }

    /// A token that it signs, whose header has these members besides `alg` and `kid`.
    pub(crate) fn token(&self, header: &Value, claims: &Value) -> String {
        let mut header = header.clone();
        header["alg"] = json!(self.alg());
        header.as_object_mut().expect("members").entry("kid").or_insert_with(|| json!(self.kid));
        let unsigned = format!("{}.{}", base64url(header.to_string()), base64url(claims.to_string()));
        let signature = match &self.secret {
            Secret::Rsa(key) => {
                key.sign(Pkcs1v15Sign::new::<Sha256>(), &Sha256::digest(&unsigned)).expect("an RSA key signs")
            }
            Secret::P256(key) => {
                let signature: Signature = key.sign(unsigned.as_bytes());
                signature.to_bytes().to_vec()
            }
            Secret::Symmetric(secret) => {
                let mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).expect("any length");
                mac.chain_update(&unsigned).finalize().into_bytes().to_vec()
            }
        };
        format!("{unsigned}.{}", base64url(signature))
    }
}
