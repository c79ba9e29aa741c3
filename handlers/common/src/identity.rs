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
    object::Object,
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
    keys: Vec<Object<Jwk>>,
}

/// What chooses the key, and the algorithm, which must be the key's. Extensions that must be understood are not: a
/// token that has any is refused (RFC 7515, 4.1.11).
#[derive(Deserialize)]
struct Protected {
    alg: String,
    kid: Option<String>,
    crit: Option<IgnoredAny>,
}

/// The claims that we read; times are seconds since 1970, perhaps with a fraction (RFC 7519, 4.1). All that the
/// standard names are listed, so that one which stands in a token twice, and that two readers might read differently,
/// is refused.
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
        let Object(set): Object<KeySet> =
            serde_json::from_str(jwks).map_err(|_| "not a JSON Web Key Set whose keys name their alg")?;
        let keys = set.keys.into_iter().map(|Object(jwk)| Key::new(&jwk).map(|key| (jwk.kid, key)));
        let keys = keys.collect::<Result<Vec<_>, _>>()?;
        if keys.is_empty() { Err("no key in the set") } else { Ok(Self { keys, issuer, audience }) }
    }

    /// The caller, if it says who it is. A token that is there and does not verify is refused, also where none is
    /// needed.
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

/// A part of a token, which is a JSON object.
fn object<T: DeserializeOwned>(part: &str) -> Option<T> {
    let Object(value) = serde_json::from_slice(&base64url(part)?).ok()?;
    Some(value)
}

fn bearer(value: &str) -> Option<&str> {
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then_some(token.trim_matches(' '))
}
