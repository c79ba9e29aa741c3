use std::{
    fmt::{self, Formatter},
    time::{SystemTime, UNIX_EPOCH},
};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use contract::UserId;
use http::{HeaderMap, header::AUTHORIZATION};
use serde::{
    Deserialize, Deserializer,
    de::{DeserializeOwned, IgnoredAny, SeqAccess, Visitor},
};

use crate::{
    Problem, config,
    jws::{Jwk, Key},
};

/// Longer tokens are refused unread.
const MAX_TOKEN: usize = 4096;

/// How far the issuer's clock may be from ours, in seconds.
const LEEWAY: f64 = 30.0;

/// The keys that users' tokens are verified with, and what a token must say.
pub struct Identity {
    /// By `kid`.
    keys: Vec<(Option<String>, Key)>,
    issuer: String,
    audience: String,
}

#[derive(Deserialize)]
struct KeySet {
    keys: Vec<Jwk>,
}

/// What chooses the key, and the algorithm, which must be the key's. Extensions that must be understood are not: a token
/// that has any is refused (RFC 7515, 4.1.11).
#[derive(Deserialize)]
struct Protected {
    alg: String,
    kid: Option<String>,
    crit: Option<IgnoredAny>,
}

/// The claims that we read; times are seconds since 1970, perhaps with a fraction (RFC 7519, 4.1). All that the standard
/// names are listed, so that one which stands in a token twice, and that two readers might read differently, is refused.
#[derive(Deserialize)]
struct Claims {
    sub: UserId,
    iss: String,
    aud: Audience,
    exp: f64,
    #[serde(default)]
    nbf: f64,
    #[serde(default, rename = "iat")]
    _iat: IgnoredAny,
    #[serde(default, rename = "jti")]
    _jti: IgnoredAny,
}

/// One text, or a list of them.
struct Audience(Vec<String>);

impl<'de> Deserialize<'de> for Audience {
    /// By hand, since serde's untagged enums double the code that reads JSON.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct OneOrMany;

        impl<'de> Visitor<'de> for OneOrMany {
            type Value = Audience;

            fn expecting(&self, out: &mut Formatter<'_>) -> fmt::Result {
                out.write_str("a text or a list of texts")
            }

            fn visit_str<E>(self, one: &str) -> Result<Audience, E> {
                Ok(Audience(vec![one.to_owned()]))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut many: A) -> Result<Audience, A::Error> {
                let mut all = vec![];
                while let Some(one) = many.next_element()? {
                    all.push(one);
                }
                Ok(Audience(all))
            }
        }

        deserializer.deserialize_any(OneOrMany)
    }
}

impl Identity {
    /// From `jwt_keys`, `jwt_issuer` and `jwt_audience`.
    pub async fn load() -> Result<Self, Problem> {
        let (keys, issuer, audience): (String, String, String) = (
            config::setting("jwt_keys").await?,
            config::setting("jwt_issuer").await?,
            config::setting("jwt_audience").await?,
        );
        Self::new(&keys, issuer, audience).map_err(|reason| {
            eprintln!("variable jwt_keys: {reason}");
            Problem::Misconfigured
        })
    }

    /// From the text of a JSON Web Key Set, and what a token must say. Fails with what is wrong with the set.
    pub fn new(jwks: &str, issuer: String, audience: String) -> Result<Self, &'static str> {
        // Not the parser's own message, which may quote the text.
        let set: KeySet = serde_json::from_str(jwks).map_err(|_| "not a JSON Web Key Set whose keys name their alg")?;
        let keys = set.keys.into_iter().map(|jwk| Key::new(&jwk).map(|key| (jwk.kid, key)));
        let keys = keys.collect::<Result<Vec<_>, _>>()?;
        if keys.is_empty() { Err("no key in the set") } else { Ok(Self { keys, issuer, audience }) }
    }

    /// The caller, if it says who it is. A token that is there and does not verify is refused, also where none is needed.
    pub fn user(&self, headers: &HeaderMap) -> Result<Option<UserId>, Problem> {
        let mut values = headers.get_all(AUTHORIZATION).iter();
        match (values.next(), values.next()) {
            (None, _) => Ok(None),
            (Some(value), None) => {
                let token = value.to_str().ok().and_then(bearer).ok_or(Problem::TokenInvalid)?;
                self.verify(token).map(Some).ok_or(Problem::TokenInvalid)
            }
            (Some(_), Some(_)) => Err(Problem::TokenInvalid),
        }
    }

    fn verify(&self, token: &str) -> Option<UserId> {
        if token.len() > MAX_TOKEN {
            return None;
        }
        let (signed, signature) = token.rsplit_once('.')?;
        let (header, claims) = signed.split_once('.')?;
        let Protected { alg, kid, crit: None } = object(header)? else { return None };
        let (_, key) = match kid {
            None => self.keys.first(),
            Some(_) => self.keys.iter().find(|(known, _)| *known == kid),
        }?;
        let authentic = alg == key.algorithm() && key.verifies(signed.as_bytes(), &base64url(signature)?);
        let claims: Claims = if authentic { object(claims)? } else { return None };
        let now = SystemTime::now().duration_since(UNIX_EPOCH).ok()?.as_secs_f64();
        let holds = claims.iss == self.issuer
            && claims.aud.0.contains(&self.audience)
            && now < claims.exp + LEEWAY
            && claims.nbf <= now + LEEWAY;
        holds.then_some(claims.sub)
    }
}

fn base64url(part: &str) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(part).ok()
}

/// A part of a token that must be a JSON object; serde would read an array as a struct too.
fn object<T: DeserializeOwned>(part: &str) -> Option<T> {
    let json = base64url(part)?;
    if json.trim_ascii_start().starts_with(b"{") { serde_json::from_slice(&json).ok() } else { None }
}

fn bearer(value: &str) -> Option<&str> {
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then_some(token.trim_matches(' '))
}

#[cfg(test)]
mod tests {
    use hmac::{Hmac, KeyInit, Mac};
    use serde_json::{Value, json};
    use sha2::Sha256;

    use super::*;

    const SECRET: &str = "the first key, of at least 32 characters";
    const OTHER: &str = "the second key, of at least 32 characters";

    fn now() -> u64 {
        SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs()
    }

    fn identity() -> Identity {
        let key = |kid, secret| json!({"kty": "oct", "kid": kid, "alg": "HS256", "k": URL_SAFE_NO_PAD.encode(secret)});
        let set = json!({"keys": [key("first", SECRET), key("second", OTHER)]});
        of_set(&set).expect("a key set")
    }

    fn of_set(set: &Value) -> Result<Identity, &'static str> {
        Identity::new(&set.to_string(), "issuer".to_owned(), "audience".to_owned())
    }

    fn hs256() -> Value {
        json!({"alg": "HS256", "typ": "JWT"})
    }

    fn hs256_by(kid: &str) -> Value {
        json!({"alg": "HS256", "kid": kid})
    }

    fn claims() -> Value {
        json!({"sub": "7", "iss": "issuer", "aud": "audience", "exp": now() + 60})
    }

    /// Always HMAC-SHA256, whatever the header says.
    fn sign(header: &Value, claims: &Value, secret: &str) -> String {
        sign_text(&header.to_string(), &claims.to_string(), secret)
    }

    fn sign_text(header: &str, claims: &str, secret: &str) -> String {
        let unsigned = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims));
        let mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).expect("any length").chain_update(&unsigned);
        format!("{unsigned}.{}", URL_SAFE_NO_PAD.encode(mac.finalize().into_bytes()))
    }

    fn user_of(authorization: &str) -> Result<Option<UserId>, Problem> {
        let mut headers = HeaderMap::new();
        headers.append(AUTHORIZATION, authorization.parse().expect("a header value"));
        identity().user(&headers)
    }

    #[test]
    fn a_good_token_names_its_user() {
        let user = Ok(Some("7".parse().expect("an id")));
        assert_eq!(user_of(&format!("Bearer {}", sign(&hs256(), &claims(), SECRET))), user);
        assert_eq!(user_of(&format!("bearer {}", sign(&hs256(), &claims(), SECRET))), user);
        assert_eq!(user_of(&format!("Bearer {}", sign(&hs256_by("second"), &claims(), OTHER))), user);
        assert_eq!(identity().user(&HeaderMap::new()), Ok(None));
    }

    fn with(name: &str, value: Value) -> Value {
        let mut all = claims();
        all[name] = value;
        all
    }

    #[test]
    fn a_claim_that_does_not_hold_is_refused() {
        let without = |name: &str| {
            let mut all = claims();
            all.as_object_mut().expect("an object").remove(name);
            all
        };
        for bad in [
            with("exp", json!(now() - 31)),
            with("exp", json!(-1)),
            with("exp", json!((now() + 60).to_string())),
            with("exp", Value::Null),
            with("nbf", json!(now() + 60)),
            with("nbf", json!("0")),
            with("nbf", Value::Null),
            with("iss", json!("another")),
            with("iss", json!(["issuer"])),
            with("iss", Value::Null),
            with("aud", json!("another")),
            with("aud", json!(["another", "audiences"])),
            with("aud", json!([])),
            with("aud", json!(["audience", 7])),
            with("aud", json!({"audience": "audience"})),
            with("aud", Value::Null),
            with("sub", json!("0")),
            with("sub", json!("-7")),
            with("sub", json!("seven")),
            with("sub", json!(7)),
            without("exp"),
            without("iss"),
            without("aud"),
            without("sub"),
            json!(["7", "issuer", "audience", now() + 60, 0, 0, ""]),
        ] {
            let token = sign(&hs256(), &bad, SECRET);
            assert_eq!(user_of(&format!("Bearer {token}")), Err(Problem::TokenInvalid), "{bad}");
        }
    }

    #[test]
    fn a_claim_may_be_spelled_in_each_way_of_the_standard() {
        for good in [
            with("aud", json!(["another", "audience"])),
            // The clocks differ by less than the leeway.
            with("exp", json!(now() - 20)),
            with("nbf", json!(now() + 20)),
            with("nbf", json!(now() - 20)),
            with("exp", json!(f64::from(u32::MAX) + 0.5)),
            with("iat", json!(now())),
            with("jti", json!("a token")),
            with("roles", json!({"editor": ["a", 1.5, null]})),
        ] {
            let token = sign(&hs256(), &good, SECRET);
            assert!(matches!(user_of(&format!("Bearer {token}")), Ok(Some(_))), "{good}");
        }
    }

    #[test]
    fn a_claim_that_stands_there_twice_is_refused() {
        let full =
            json!({"sub": "7", "iss": "issuer", "aud": "audience", "exp": now() + 60, "nbf": 0, "iat": 0, "jti": ""});
        let text = full.to_string();
        assert!(identity().verify(&sign_text(&hs256().to_string(), &text, SECRET)).is_some());
        for (name, value) in full.as_object().expect("an object") {
            let twice = format!("{{\"{name}\":{value},{}", &text[1..]);
            assert_eq!(identity().verify(&sign_text(&hs256().to_string(), &twice, SECRET)), None, "{twice}");
        }
    }

    #[test]
    fn the_key_chooses_the_algorithm_and_the_token_nothing() {
        let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let good = sign(&hs256(), &claims(), SECRET);
        let (head_and_body, signature) = good.rsplit_once('.').expect("three parts");
        let body = head_and_body.split_once('.').expect("two parts").1;
        for bad in [
            String::new(),
            "Bearer".to_owned(),
            "Bearer ".to_owned(),
            format!("Basic {good}"),
            format!("Bearer {head_and_body}."),
            format!("Bearer {head_and_body}.{}", signature.to_lowercase()),
            format!("Bearer {}.{body}.", part(&json!({"alg": "none"}))),
            format!("Bearer {}.{body}.{signature}", part(&json!({"alg": "none"}))),
            format!("Bearer {}", sign(&json!({"alg": "HS512"}), &claims(), SECRET)),
            format!("Bearer {}", sign(&hs256(), &claims(), OTHER)),
            format!("Bearer {}", sign(&hs256_by("third"), &claims(), SECRET)),
            format!("Bearer {good}.{signature}"),
            format!("Bearer {}", sign(&json!({"kid": "first"}), &claims(), SECRET)),
            format!("Bearer {}", sign(&json!(["HS256", null, null]), &claims(), SECRET)),
            format!("Bearer {}", sign_text(r#"{"alg":"HS256","crit":["exp"]}"#, &claims().to_string(), SECRET)),
            format!(
                "Bearer {}",
                sign_text(r#"{"alg":"HS256","kid":"second","kid":"first"}"#, &claims().to_string(), SECRET)
            ),
            format!("Bearer {}", "a".repeat(MAX_TOKEN + 1)),
        ] {
            assert_eq!(user_of(&bad), Err(Problem::TokenInvalid), "{bad}");
        }
    }

    /// A token signed by whatever `by` does.
    fn signed(alg: &str, by: impl FnOnce(&[u8]) -> Vec<u8>) -> String {
        let header = URL_SAFE_NO_PAD.encode(json!({"alg": alg}).to_string());
        let unsigned = format!("{header}.{}", URL_SAFE_NO_PAD.encode(claims().to_string()));
        let signature = by(unsigned.as_bytes());
        format!("{unsigned}.{}", URL_SAFE_NO_PAD.encode(signature))
    }

    fn only(jwk: &Value) -> Identity {
        of_set(&json!({"keys": [jwk]})).expect("a key set")
    }

    fn hmac(secret: &[u8], message: &[u8]) -> Vec<u8> {
        let mac = Hmac::<Sha256>::new_from_slice(secret).expect("any length").chain_update(message);
        mac.finalize().into_bytes().to_vec()
    }

    #[test]
    fn an_ed25519_key_verifies_eddsa_and_nothing_else() {
        use ed25519_dalek::{Signer, SigningKey};

        let (key, other) = (SigningKey::from_bytes(&[7; 32]), SigningKey::from_bytes(&[8; 32]));
        let public = key.verifying_key().to_bytes();
        let identity =
            only(&json!({"kty": "OKP", "crv": "Ed25519", "alg": "EdDSA", "x": URL_SAFE_NO_PAD.encode(public)}));
        let by = |key: &SigningKey| signed("EdDSA", |message| key.sign(message).to_bytes().to_vec());
        assert_eq!(identity.verify(&by(&key)).map(UserId::get), Some(7));
        assert_eq!(identity.verify(&by(&other)), None);
        // The public key is public: nobody may use it as the secret of an HMAC.
        assert_eq!(identity.verify(&signed("HS256", |message| hmac(&public, message))), None);
        assert_eq!(identity.verify(&signed("EdDSA", |message| hmac(&public, message))), None);
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
        assert_eq!(identity.verify(&signed("RS256", sign)).map(UserId::get), Some(7));
        assert_eq!(identity.verify(&signed("RS256", |_| vec![1; 256])), None);
        assert_eq!(identity.verify(&signed("RS256", |_| vec![])), None);
        for algorithm in ["RS384", "RS512", "PS256", "none"] {
            assert_eq!(identity.verify(&signed(algorithm, sign)), None, "{algorithm}");
        }
        assert_eq!(identity.verify(&signed("HS256", |message| hmac(n.as_bytes(), message))), None);
    }

    #[test]
    fn two_authorization_headers_are_refused() {
        let mut headers = HeaderMap::new();
        for secret in [SECRET, SECRET] {
            let value = format!("Bearer {}", sign(&hs256(), &claims(), secret));
            headers.append(AUTHORIZATION, value.parse().expect("a header value"));
        }
        assert_eq!(identity().user(&headers), Err(Problem::TokenInvalid));
    }

    #[test]
    fn a_key_set_without_an_algorithm_is_not_taken() {
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
}
