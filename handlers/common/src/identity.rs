use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use contract::UserId;
use http::{HeaderMap, header::AUTHORIZATION};
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode};
use serde::{Deserialize, de::IgnoredAny};

use crate::{Problem, config, jws};

/// Longer tokens are refused unread.
const MAX_TOKEN: usize = 4096;

/// How far the issuer's clock may be from ours, in seconds.
const LEEWAY: u64 = 30;

/// The keys that users' tokens are verified with.
pub struct Identity {
    keys: Vec<Key>,
}

/// A key with what a token verified by it must say; the algorithm is the key's, never the token's.
struct Key {
    kid: Option<String>,
    material: DecodingKey,
    validation: Validation,
}

/// A JSON Web Key Set, as far as we read it (RFC 7517, RFC 7518 section 6, RFC 8037).
#[derive(Deserialize)]
struct KeySet {
    keys: Vec<Jwk>,
}

#[derive(Deserialize)]
struct Jwk {
    kid: Option<String>,
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

/// What chooses the key. Extensions that must be understood are not: a token that has any is refused (RFC 7515, 4.1.11).
#[derive(Deserialize)]
struct Protected {
    kid: Option<String>,
    crit: Option<IgnoredAny>,
}

/// The claims that we read. All that the standard names are listed, so that one which stands in a token twice, and that
/// two readers might read differently, is refused.
#[derive(Deserialize)]
struct Claims {
    sub: UserId,
    // One text, though jsonwebtoken would take a list.
    #[serde(rename = "iss")]
    _iss: String,
    #[serde(rename = "aud")]
    _aud: IgnoredAny,
    #[serde(rename = "exp")]
    _exp: IgnoredAny,
    #[serde(default, rename = "nbf")]
    _nbf: IgnoredAny,
    #[serde(default, rename = "iat")]
    _iat: IgnoredAny,
    #[serde(default, rename = "jti")]
    _jti: IgnoredAny,
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
        // Told so once an instance; that it was told before is no error.
        let _ = jws::PROVIDER.install_default();
        // Not the parser's own message, which may quote the text.
        let set: KeySet = serde_json::from_str(jwks).map_err(|_| "not a JSON Web Key Set whose keys name their alg")?;
        let keys = set.keys.into_iter().map(|jwk| {
            let part = |part: &Option<String>| part.clone().ok_or("a key lacks its material");
            let misfit = |_| "a key's material does not fit its alg";
            let (algorithm, key) = match jwk.alg.as_str() {
                "HS256" => {
                    let secret = URL_SAFE_NO_PAD.decode(part(&jwk.k)?).map_err(|_| "a key's k is no base64url")?;
                    // RFC 7518 section 3.2: as many bits as the hash has.
                    if secret.len() < 32 {
                        return Err("a key's k needs 32 bytes or more");
                    }
                    (Algorithm::HS256, DecodingKey::from_secret(&secret))
                }
                "RS256" => {
                    let key = DecodingKey::from_rsa_components(&part(&jwk.n)?, &part(&jwk.e)?).map_err(misfit)?;
                    (Algorithm::RS256, key)
                }
                "EdDSA" => (Algorithm::EdDSA, DecodingKey::from_ed_components(&part(&jwk.x)?).map_err(misfit)?),
                _ => return Err("a key's alg must be HS256, RS256 or EdDSA"),
            };
            if !jws::fits(algorithm, &key) {
                return Err("a key's material does not fit its alg");
            }
            let mut validation = Validation::new(algorithm);
            validation.leeway = LEEWAY;
            validation.validate_nbf = true;
            validation.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
            validation.set_issuer(&[&issuer]);
            validation.set_audience(&[&audience]);
            Ok(Key { kid: jwk.kid, material: key, validation })
        });
        let keys = keys.collect::<Result<Vec<_>, _>>()?;
        if keys.is_empty() { Err("no key in the set") } else { Ok(Self { keys }) }
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
        let header: Protected = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(token.split('.').next()?).ok()?).ok()?;
        let Protected { kid, crit: None } = header else { return None };
        let key = match kid {
            None => self.keys.first(),
            Some(_) => self.keys.iter().find(|key| key.kid == kid),
        }?;
        Some(decode::<Claims>(token, &key.material, &key.validation).ok()?.claims.sub)
    }
}

fn bearer(value: &str) -> Option<&str> {
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then_some(token.trim_matches(' '))
}

#[cfg(test)]
mod tests {
    use std::time::{SystemTime, UNIX_EPOCH};

    use hmac::{Hmac, KeyInit, Mac};
    use jsonwebtoken::Header;
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
        Identity::new(&set.to_string(), "issuer".to_owned(), "audience".to_owned())
            .map_err(str::to_owned)
            .expect("a key set")
    }

    fn claims() -> Value {
        json!({"sub": "7", "iss": "issuer", "aud": "audience", "exp": now() + 60})
    }

    /// Always HMAC-SHA256, whatever the header says.
    fn sign(header: &Header, claims: &Value, secret: &str) -> String {
        sign_text(&serde_json::to_string(header).expect("a header"), &claims.to_string(), secret)
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
        assert_eq!(user_of(&format!("Bearer {}", sign(&Header::default(), &claims(), SECRET))), user);
        assert_eq!(user_of(&format!("bearer {}", sign(&Header::default(), &claims(), SECRET))), user);
        let second = Header { kid: Some("second".to_owned()), ..Header::default() };
        assert_eq!(user_of(&format!("Bearer {}", sign(&second, &claims(), OTHER))), user);
        assert_eq!(identity().user(&HeaderMap::new()), Ok(None));
    }

    #[test]
    fn a_claim_that_does_not_hold_is_refused() {
        let with = |name: &str, value: Value| {
            let mut all = claims();
            all[name] = value;
            all
        };
        let without = |name: &str| {
            let mut all = claims();
            all.as_object_mut().expect("an object").remove(name);
            all
        };
        for bad in [
            with("exp", json!(now() - 3600)),
            with("nbf", json!(now() + 3600)),
            with("iss", json!("another")),
            with("aud", json!("another")),
            with("sub", json!("0")),
            with("sub", json!("-7")),
            with("sub", json!("seven")),
            with("sub", json!(7)),
            without("exp"),
            without("iss"),
            without("aud"),
            without("sub"),
        ] {
            let token = sign(&Header::default(), &bad, SECRET);
            assert_eq!(user_of(&format!("Bearer {token}")), Err(Problem::TokenInvalid), "{bad}");
        }
    }

    #[test]
    fn the_key_chooses_the_algorithm_and_the_token_nothing() {
        let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let good = sign(&Header::default(), &claims(), SECRET);
        let (head_and_body, signature) = good.rsplit_once('.').expect("three parts");
        let body = head_and_body.split_once('.').expect("two parts").1;
        let twice = format!(r#"{{"sub":"7","sub":"8","iss":"issuer","aud":"audience","exp":{}}}"#, now() + 60);
        let twice = sign_text(r#"{"alg":"HS256"}"#, &twice, SECRET);
        let unknown = Header { kid: Some("third".to_owned()), ..Header::default() };
        for bad in [
            String::new(),
            "Bearer".to_owned(),
            "Bearer ".to_owned(),
            format!("Basic {good}"),
            format!("Bearer {head_and_body}."),
            format!("Bearer {head_and_body}.{}", signature.to_lowercase()),
            format!("Bearer {}.{body}.", part(&json!({"alg": "none"}))),
            format!("Bearer {}.{body}.{signature}", part(&json!({"alg": "none"}))),
            format!("Bearer {}", sign(&Header::new(Algorithm::HS512), &claims(), SECRET)),
            format!("Bearer {}", sign(&Header::default(), &claims(), OTHER)),
            format!("Bearer {}", sign(&unknown, &claims(), SECRET)),
            format!("Bearer {twice}"),
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
        let set = json!({"keys": [jwk]}).to_string();
        Identity::new(&set, "issuer".to_owned(), "audience".to_owned()).map_err(str::to_owned).expect("a key set")
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
            let value = format!("Bearer {}", sign(&Header::default(), &claims(), secret));
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
            assert!(Identity::new(&bad.to_string(), "issuer".to_owned(), "audience".to_owned()).is_err(), "{bad}");
        }
    }
}
