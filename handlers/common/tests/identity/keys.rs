//! Each kind of key verifies by its one algorithm, whatever a token says.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use handler_common::{KeySet, TokenFault};
use proptest::prelude::*;
use serde_json::{Value, json};
use sha2::Sha256;

use super::{HS256, OTHER, SECRET, Service, claims, hmac, of_keys, secret, seven, sign_by, signed, user_by};

/// Returns a token of that algorithm, with the signature that `by` makes.
fn token(alg: &str, by: impl FnOnce(&[u8]) -> Vec<u8>) -> String {
    signed(&json!({"alg": alg}).to_string(), &claims().to_string(), by)
}

fn only(jwk: &Value) -> Service {
    of_keys(&json!([jwk]))
}

fn base64url(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

#[test]
fn an_ed25519_key_verifies_eddsa_and_nothing_else() {
    use ed25519_dalek::{Signer, SigningKey};

    let (key, other) = (SigningKey::from_bytes(&[7; 32]), SigningKey::from_bytes(&[8; 32]));
    let public = key.verifying_key().to_bytes();
    let service = only(&json!({"kty": "OKP", "crv": "Ed25519", "alg": "EdDSA", "x": URL_SAFE_NO_PAD.encode(public)}));
    let by = |key: &SigningKey| token("EdDSA", |message| key.sign(message).to_bytes().to_vec());
    assert_eq!(user_by(&service, &by(&key)), seven());
    assert_eq!(user_by(&service, &by(&other)), None);
    // The public key is public: nobody may use it as the secret of an HMAC.
    assert_eq!(user_by(&service, &token("HS256", |message| hmac(&public, message))), None);
    assert_eq!(user_by(&service, &token("EdDSA", |message| hmac(&public, message))), None);
}

#[test]
fn an_rsa_key_verifies_rs256_and_nothing_else() {
    use rsa::{Pkcs1v15Sign, PrivateKey, PublicKey, traits::PublicKeyParts};
    use sha2::Digest;

    let key = PrivateKey::new(&mut rand::rng(), 2048).expect("a key");
    let public = PublicKey::from(&key);
    let part = |bytes: Box<[u8]>| URL_SAFE_NO_PAD.encode(bytes);
    let (n, e) = (part(public.n_bytes()), part(public.e_bytes()));
    let service = only(&json!({"kty": "RSA", "alg": "RS256", "n": n, "e": e}));
    let sign = |message: &[u8]| key.sign(Pkcs1v15Sign::new::<Sha256>(), &Sha256::digest(message)).expect("signs");
    assert_eq!(user_by(&service, &token("RS256", sign)), seven());
    assert_eq!(user_by(&service, &token("RS256", |_| vec![1; 256])), None);
    assert_eq!(user_by(&service, &token("RS256", |_| vec![])), None);
    for algorithm in ["RS384", "RS512", "PS256", "none"] {
        assert_eq!(user_by(&service, &token(algorithm, sign)), None, "{algorithm}");
    }
    assert_eq!(user_by(&service, &token("HS256", |message| hmac(n.as_bytes(), message))), None);
}

/// Returns a P-256 key as a JSON Web Key, and the key that signs.
fn p256(seed: u8) -> (Value, p256::ecdsa::SigningKey) {
    let key = p256::ecdsa::SigningKey::from_slice(&[seed; 32]).expect("a key");
    let point = key.verifying_key().to_sec1_point(false);
    let (x, y) = (base64url(point.x().expect("a point")), base64url(point.y().expect("a point")));
    (json!({"kty": "EC", "crv": "P-256", "x": x, "y": y}), key)
}

fn es256(key: &p256::ecdsa::SigningKey, message: &[u8]) -> Vec<u8> {
    use p256::ecdsa::{Signature, signature::Signer};

    let signature: Signature = key.sign(message);
    signature.to_bytes().to_vec()
}

#[test]
fn a_p256_key_verifies_es256_and_nothing_else() {
    let ((jwk, key), (_, other)) = (p256(7), p256(8));
    let service = only(&jwk);
    let by = |key: &p256::ecdsa::SigningKey| token("ES256", |message| es256(key, message));
    assert_eq!(user_by(&service, &by(&key)), seven());
    assert_eq!(user_by(&service, &by(&other)), None);
    for length in [0, 63, 64, 65, 72] {
        assert_eq!(user_by(&service, &token("ES256", |_| vec![0; length])), None, "{length} zeros");
    }
    // In ASN.1, the form of other protocols, the signature is not accepted.
    let der = |message: &[u8]| {
        let signature = p256::ecdsa::Signature::from_slice(&es256(&key, message)).expect("a signature");
        let (r, s) = signature.split_bytes();
        [&[0x30, 0x44, 0x02, 0x20][..], &r, &[0x02, 0x20], &s].concat()
    };
    assert_eq!(user_by(&service, &token("ES256", der)), None);
    for algorithm in ["ES384", "ES256K", "EdDSA", "none"] {
        assert_eq!(user_by(&service, &token(algorithm, |message| es256(&key, message))), None, "{algorithm}");
    }
    let x = jwk["x"].as_str().expect("a text");
    assert_eq!(user_by(&service, &token("HS256", |message| hmac(x.as_bytes(), message))), None);
}

/// One usable key of each kind, none of which names its algorithm.
fn of_each_kind() -> [(Value, &'static str); 4] {
    let ed25519 = ed25519_dalek::SigningKey::from_bytes(&[7; 32]).verifying_key().to_bytes();
    let mut modulus = [7; 256];
    modulus[0] = 0xff;
    [
        (json!({"kty": "oct", "k": base64url(SECRET)}), "HS256"),
        (json!({"kty": "RSA", "n": base64url(modulus), "e": "AQAB"}), "RS256"),
        (p256(7).0, "ES256"),
        (json!({"kty": "OKP", "crv": "Ed25519", "x": base64url(ed25519)}), "EdDSA"),
    ]
}

/// A key with these members instead of its own.
fn changed(jwk: &Value, members: &Value) -> Value {
    let mut jwk = jwk.clone();
    for (name, value) in members.as_object().expect("members") {
        jwk[name] = value.clone();
    }
    jwk
}

fn parsed(keys: &Value) -> KeySet {
    KeySet::parse(&json!({"keys": keys}).to_string()).expect("a key set")
}

#[test]
fn the_algorithm_of_a_key_is_its_own_or_follows_from_its_kind() {
    for (jwk, alg) in of_each_kind() {
        assert!(!parsed(&json!([jwk])).is_empty(), "{jwk}");
        for fits in [json!({"alg": alg}), json!({"alg": null}), json!({"use": "sig", "key_ops": ["verify"]})] {
            assert!(!parsed(&json!([changed(&jwk, &fits)])).is_empty(), "{jwk} {fits}");
        }
        for other in ["HS256", "RS256", "ES256", "EdDSA", "RS512", "PS256", "RSA-OAEP", ""] {
            let unusable = parsed(&json!([changed(&jwk, &json!({"alg": other}))])).is_empty();
            assert_eq!(unusable, other != alg, "{jwk} {other}");
        }
    }
}

/// Keys that cannot be used, and what the log says of each.
fn unusable() -> Vec<(Value, &'static str)> {
    let [(oct, _), (rsa, _), (ec, _), (okp, _)] = of_each_kind();
    let material = "its material is no key of its kind";
    vec![
        (changed(&rsa, &json!({"use": "enc"})), "its use is not sig"),
        (changed(&rsa, &json!({"key_ops": ["encrypt"]})), "its key_ops are without verify"),
        (changed(&rsa, &json!({"alg": "RSA-OAEP", "use": "enc"})), "its use is not sig"),
        (changed(&rsa, &json!({"alg": "PS256"})), "its alg is none of HS256, RS256, ES256 and EdDSA"),
        (changed(&rsa, &json!({"alg": "ES256"})), "its alg does not fit its kty and crv"),
        (changed(&rsa, &json!({"alg": 256})), "a member that should be a text is none"),
        (changed(&rsa, &json!({"kty": "new"})), "its kty is none of RSA, EC, OKP and oct"),
        (json!({"alg": "HS256", "k": base64url(SECRET)}), "its kty is none of RSA, EC, OKP and oct"),
        (changed(&ec, &json!({"crv": "P-384"})), "its crv is neither P-256 nor Ed25519"),
        (changed(&ec, &json!({"crv": "secp256k1"})), "its crv is neither P-256 nor Ed25519"),
        (changed(&okp, &json!({"crv": "X25519"})), "its crv is neither P-256 nor Ed25519"),
        (changed(&oct, &json!({"k": ""})), "its k has fewer than 32 bytes"),
        (changed(&oct, &json!({"k": base64url([7; 31])})), "its k has fewer than 32 bytes"),
        (changed(&rsa, &json!({"n": base64url([7; 128])})), "its n has fewer than 2048 bits"),
        (
            changed(&rsa, &json!({"n": base64url([&[0; 128][..], &[7; 128]].concat())})),
            "its n has fewer than 2048 bits",
        ),
        (changed(&rsa, &json!({"n": "not base64!"})), "its material is no base64url"),
        (changed(&rsa, &json!({"e": ""})), material),
        (changed(&rsa, &json!({"e": "AQ"})), material),
        (json!({"kty": "RSA", "e": "AQAB"}), "it lacks its material"),
        (changed(&ec, &json!({"y": ec["x"]})), material),
        (changed(&ec, &json!({"x": base64url([7; 31])})), material),
        (changed(&ec, &json!({"x": base64url([0; 32]), "y": base64url([0; 32])})), material),
        (changed(&okp, &json!({"x": base64url([7; 31])})), material),
        // A point of small order: anybody can sign for it.
        (changed(&okp, &json!({"x": base64url([&[1][..], &[0; 31]].concat())})), material),
        (json!(7), "its kty is none of RSA, EC, OKP and oct"),
        (json!(["RSA"]), "its kty is none of RSA, EC, OKP and oct"),
    ]
}

#[test]
fn a_key_that_cannot_be_used_is_skipped_and_named_and_the_others_verify() {
    for (mut jwk, reason) in unusable() {
        let named = jwk.is_object();
        if named {
            jwk["kid"] = json!("odd");
        }
        let keys = json!([jwk, secret("first", SECRET)]);
        let set = parsed(&keys);
        let kid = if named { r#"Some("odd")"# } else { "None" };
        assert_eq!(set.skipped(), [format!("key {kid} is skipped: {reason}")], "{jwk}");
        assert_eq!(user_by(&of_keys(&keys), &sign_by(SECRET, HS256, &claims().to_string())), seven(), "{jwk}");
        for material in ["k", "n", "x", "y"].iter().filter_map(|name| jwk[*name].as_str()).filter(|text| text.len() > 9)
        {
            assert!(!set.skipped()[0].contains(material), "the log shows no key");
        }
        assert!(parsed(&json!([jwk])).is_empty());
    }
    assert!(parsed(&json!([])).is_empty());
}

#[test]
fn a_name_that_could_forge_a_line_of_the_log_is_escaped_and_cut() {
    let kid = format!("a\nb\u{1b}[31m{}", "x".repeat(1000));
    let set = parsed(&json!([{"kty": "new", "kid": kid}]));
    let [line] = set.skipped() else { panic!("one key") };
    assert!(line.len() < 200 && line.chars().all(|c| !c.is_control()), "{line}");
}

#[test]
fn of_keys_with_one_name_the_first_that_fits_verifies() {
    let ((mut ec, key), second) = (p256(7), secret("one", OTHER));
    ec["kid"] = json!("one");
    let service = of_keys(&json!([secret("one", SECRET), ec, second]));
    let header = |alg: &str| json!({"alg": alg, "kid": "one"}).to_string();
    let claims = claims().to_string();
    assert_eq!(user_by(&service, &sign_by(SECRET, &header("HS256"), &claims)), seven());
    assert_eq!(user_by(&service, &signed(&header("ES256"), &claims, |message| es256(&key, message))), seven());
    let refused = |token: &str| service.user(token).err();
    assert_eq!(refused(&sign_by(OTHER, &header("HS256"), &claims)), Some(TokenFault::BadSignature));
    assert_eq!(refused(&sign_by(SECRET, &header("RS256"), &claims)), Some(TokenFault::BadSignature));
}

#[test]
fn without_a_kid_the_first_usable_key_verifies() {
    let (ec, key) = p256(7);
    let service = of_keys(&json!([changed(&ec, &json!({"use": "enc"})), secret("first", SECRET), ec]));
    let claims = claims().to_string();
    assert_eq!(user_by(&service, &sign_by(SECRET, HS256, &claims)), seven());
    assert_eq!(user_by(&service, &token("ES256", |message| es256(&key, message))), None, "the token chooses none");
}

#[test]
fn a_key_set_is_an_object_with_a_list_of_keys() {
    let key = secret("first", SECRET).to_string();
    assert!(KeySet::parse(&format!(r#"{{"keys":[{key}]}}"#)).is_ok_and(|set| !set.is_empty()));
    for bad in [
        String::new(),
        "<html>".to_owned(),
        format!("[[{key}]]"),
        format!(r#"{{"keys":{key}}}"#),
        format!(r#"[{{"keys":[{key}]}}]"#),
        format!(r#"{{"keys":[{key}],"keys":[]}}"#),
        "null".to_owned(),
        "{}".to_owned(),
    ] {
        assert!(KeySet::parse(&bad).is_err(), "{bad}");
    }
    let twice = format!(r#"{{"keys":[{{"k":"x",{}]}}"#, &key[1..]);
    assert!(KeySet::parse(&twice).is_ok_and(|set| set.is_empty()), "{twice}");
}

proptest! {
    #[test]
    fn any_text_is_a_key_set_or_an_error(text in "\\PC{0,100}") {
        prop_assert!(KeySet::parse(&text).is_err());
    }

    #[test]
    fn keys_of_any_material_are_skipped_or_verify_nothing_that_is_made_up(
        kty in "oct|RSA|EC|OKP|other",
        crv in "P-256|Ed25519|P-384",
        material in prop::collection::vec(any::<u8>(), 0..300),
        signature in prop::collection::vec(any::<u8>(), 0..80),
    ) {
        let part = base64url(&material);
        let jwk = json!({"kty": kty, "crv": crv, "k": base64url([7; 32]), "n": part, "e": "AQAB", "x": part, "y": part});
        let service = only(&jwk);
        for alg in ["HS256", "RS256", "ES256", "EdDSA"] {
            prop_assert!(service.user(&token(alg, |_| signature.clone())).is_err());
        }
    }
}
