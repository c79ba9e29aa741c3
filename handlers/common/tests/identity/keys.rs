//! Each kind of key verifies by its one algorithm, whatever a token says.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use handler_common::Identity;
use proptest::prelude::*;
use serde_json::{Value, json};
use sha2::Sha256;

use super::{SECRET, claims, hmac, of_set, signed, user_by};

/// A token of that algorithm, signed by whatever `by` does.
fn token(alg: &str, by: impl FnOnce(&[u8]) -> Vec<u8>) -> String {
    signed(&json!({"alg": alg}).to_string(), &claims().to_string(), by)
}

fn only(jwk: &Value) -> Identity {
    of_set(&json!({"keys": [jwk]})).expect("a key set")
}

#[test]
fn an_ed25519_key_verifies_eddsa_and_nothing_else() {
    use ed25519_dalek::{Signer, SigningKey};

    let (key, other) = (SigningKey::from_bytes(&[7; 32]), SigningKey::from_bytes(&[8; 32]));
    let public = key.verifying_key().to_bytes();
    let identity = only(&json!({"kty": "OKP", "crv": "Ed25519", "alg": "EdDSA", "x": URL_SAFE_NO_PAD.encode(public)}));
    let by = |key: &SigningKey| token("EdDSA", |message| key.sign(message).to_bytes().to_vec());
    assert_eq!(user_by(&identity, &by(&key)), Some(7));
    assert_eq!(user_by(&identity, &by(&other)), None);
    // The public key is public: nobody may use it as the secret of an HMAC.
    assert_eq!(user_by(&identity, &token("HS256", |message| hmac(&public, message))), None);
    assert_eq!(user_by(&identity, &token("EdDSA", |message| hmac(&public, message))), None);
}

#[test]
fn an_rsa_key_verifies_rs256_and_nothing_else() {
    use rsa::{Pkcs1v15Sign, PrivateKey, PublicKey, traits::PublicKeyParts};
    use sha2::Digest;

    let key = PrivateKey::new(&mut rand::rng(), 2048).expect("a key");
    let public = PublicKey::from(&key);
    let part = |bytes: Box<[u8]>| URL_SAFE_NO_PAD.encode(bytes);
    let (n, e) = (part(public.n_bytes()), part(public.e_bytes()));
    let identity = only(&json!({"kty": "RSA", "alg": "RS256", "n": n, "e": e}));
    let sign = |message: &[u8]| key.sign(Pkcs1v15Sign::new::<Sha256>(), &Sha256::digest(message)).expect("signs");
    assert_eq!(user_by(&identity, &token("RS256", sign)), Some(7));
    assert_eq!(user_by(&identity, &token("RS256", |_| vec![1; 256])), None);
    assert_eq!(user_by(&identity, &token("RS256", |_| vec![])), None);
    for algorithm in ["RS384", "RS512", "PS256", "none"] {
        assert_eq!(user_by(&identity, &token(algorithm, sign)), None, "{algorithm}");
    }
    assert_eq!(user_by(&identity, &token("HS256", |message| hmac(n.as_bytes(), message))), None);
}

#[test]
fn a_key_without_an_algorithm_that_fits_is_not_taken() {
    for bad in [
        json!({"keys": []}),
        json!({"keys": [{"kty": "oct", "k": "c2VjcmV0"}]}),
        json!({"keys": [{"kty": "oct", "alg": "RS256", "k": URL_SAFE_NO_PAD.encode(SECRET)}]}),
        json!({"keys": [{"kty": "oct", "alg": "HS256", "k": ""}]}),
        json!({"keys": [{"kty": "oct", "alg": "HS256", "k": URL_SAFE_NO_PAD.encode([7; 31])}]}),
        json!({"keys": [{"kty": "RSA", "alg": "RS256", "n": URL_SAFE_NO_PAD.encode([7; 128]), "e": "AQAB"}]}),
        json!({"keys": [{"kty": "oct", "alg": "HS512", "k": "c2VjcmV0"}]}),
    ] {
        assert!(of_set(&bad).is_err(), "{bad}");
    }
}

#[test]
fn a_key_set_and_its_keys_are_objects() {
    let k = URL_SAFE_NO_PAD.encode(SECRET);
    let key = json!({"alg": "HS256", "k": k});
    assert!(of_set(&json!({"keys": [key]})).is_ok());
    for bad in [
        json!([[key]]),
        json!({"keys": [[null, "HS256", k, null, null, null]]}),
        json!({"keys": key}),
        json!([{"keys": [key]}]),
        json!(null),
    ] {
        assert!(of_set(&bad).is_err(), "{bad}");
    }
}

proptest! {
    #[test]
    fn any_text_is_a_key_set_or_an_error(text in "\\PC{0,100}") {
        prop_assert!(Identity::new(&text, "issuer".to_owned(), "audience".to_owned()).is_err());
    }
}
