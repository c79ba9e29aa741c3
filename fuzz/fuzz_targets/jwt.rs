//! Tokens of users: what is taken was signed, as a whole and as it stands, by the key that it names and by that key's
//! algorithm, and says all that it must; each kind of key at once, so that one cannot be taken for another.
#![no_main]

use std::time::{SystemTime, UNIX_EPOCH};

use arbitrary::Arbitrary;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use ed25519_dalek::{Signer as _, SigningKey};
use handler_common::{KeySet, Rules, TokenFault};
use hmac::{Hmac, KeyInit, Mac};
use http::{HeaderMap, HeaderValue, header::AUTHORIZATION};
use libfuzzer_sys::fuzz_target;
use p256::ecdsa;
use serde_json::{Value, json};
use sha2::Sha256;

const FIRST: &str = "the first key, of at least 32 characters";
const SECOND: &str = "the second key, of at least 32 characters";
/// Of a key that nobody has any more.
const MODULUS: &str = "tCI7j7HlQ9GVzud46v-y4FUWc-YiGH2FnM1efuZhofr0K4O9u5amq-NAPgpDe46Vi1SiCT1ptTglLbE0b0wvRc\
    3FshgsdkbgCWBuLtPXcbJ8WQy5xlZ3pdMgov5trJEGMXRBVlk6XsfUxKrHGnfxLJ6fHMjuJDwRNkuRLCR6n0gnM1DZXBL4hPBwCWEUl4nqBOXp\
    oE0cmmF5Bh-PQztm6q7rVyLYRRLUT_a1HPqVeOZZUFtrKDkAvwHhjmcJGCvECLrOowJYNLUOmpNHzHohXYRxjawIy0a7BPPsH_ZWeFTQ8Y8wFF\
    fYb5cyPDw0NmHPlOFhsoSa__4GLJ6IONceeQ";

/// Texts that mean something somewhere.
const WORDS: [&str; 20] = [
    "7", "8", "0", "-7", "issuer", "issuer/", "audience", "first", "second", "point", "curve", "modulus", "HS256",
    "HS512", "RS256", "ES256", "EdDSA", "none", "JWT", "exp",
];
const HEADER: [&str; 6] = ["alg", "kid", "crit", "typ", "jwk", "b64"];
const CLAIMS: [&str; 7] = ["sub", "iss", "aud", "exp", "nbf", "iat", "jti"];

#[derive(Debug, Arbitrary)]
enum Json<'a> {
    Null,
    Bool(bool),
    Number(i64),
    Unsigned(u64),
    Float(f64),
    /// Minutes from now.
    Time(i16),
    Word(u8),
    Text(&'a str),
    Many(Vec<Json<'a>>),
    Named(&'a str, Box<Json<'a>>),
}

#[derive(Debug, Arbitrary)]
enum Name<'a> {
    Known(u8),
    Any(&'a str),
}

#[derive(Debug, Arbitrary)]
enum Edit<'a> {
    Set(Name<'a>, Json<'a>),
    Again(Name<'a>, Json<'a>),
    Remove(Name<'a>),
}

#[derive(Debug, Arbitrary, Clone, Copy, PartialEq)]
enum Signer<'a> {
    First,
    Second,
    Point,
    Curve,
    /// What is public of a key, as the secret of an HMAC.
    PublicPoint,
    PublicModulus,
    Nobody(&'a [u8]),
}

#[derive(Debug, Arbitrary)]
enum Change<'a> {
    None,
    Byte(u16, u8),
    Cut(u16),
    Longer(&'a str),
    Any(&'a [u8]),
}

#[derive(Debug, Arbitrary)]
struct Token<'a> {
    signer: Signer<'a>,
    header: Vec<Edit<'a>>,
    claims: Vec<Edit<'a>>,
    change: Change<'a>,
}

type Members = Vec<(String, Value)>;

fuzz_target!(|token: Token| {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs();
    let (alg, kid) = token.signer.poses_as();
    let mut header = vec![("alg".to_owned(), json!(alg)), ("kid".to_owned(), json!(kid))];
    let mut claims: Members = [("sub", json!("7")), ("iss", json!("issuer")), ("aud", json!("audience"))]
        .into_iter()
        .chain([("exp", json!(now + 3600))])
        .map(|(name, value)| (name.to_owned(), value))
        .collect();
    apply(&token.header, &HEADER, &mut header, now);
    apply(&token.claims, &CLAIMS, &mut claims, now);
    let unsigned = format!("{}.{}", URL_SAFE_NO_PAD.encode(object(&header)), URL_SAFE_NO_PAD.encode(object(&claims)));
    let whole = format!("{unsigned}.{}", URL_SAFE_NO_PAD.encode(token.signer.sign(unsigned.as_bytes())));
    let sent = token.change.apply(whole.as_bytes());
    let Ok(value) = HeaderValue::from_bytes(&[b"Bearer ", &sent[..]].concat()) else { return };

    match identity(&HeaderMap::from_iter([(AUTHORIZATION, value)])) {
        Ok(Some(user)) => {
            assert_eq!(str::from_utf8(&sent).expect("text").trim_matches(' '), whole, "not a byte differs");
            assert!(whole.len() <= 8192);
            assert!(token.signer.made_by(&header), "signed by the key that it names");
            holds(&claims, now, &user.to_string());
        }
        Err(fault) => {
            let honest = matches!(token.signer, Signer::First | Signer::Second | Signer::Point | Signer::Curve);
            let plain = token.header.is_empty() && token.claims.is_empty() && matches!(token.change, Change::None);
            assert!(!(honest && plain), "a good token was refused: {fault:?}");
        }
        Ok(None) => panic!("nobody for a request with a token"),
    }
});

fn identity(headers: &HeaderMap) -> Result<Option<contract::UserId>, TokenFault> {
    thread_local! {
        static SET_UP: (Rules, KeySet) = {
            let secret = |kid, key| json!({"kty": "oct", "kid": kid, "alg": "HS256", "k": URL_SAFE_NO_PAD.encode(key)});
            let keys = json!({"keys": [
                secret("first", FIRST),
                secret("second", SECOND),
                {"kty": "OKP", "crv": "Ed25519", "kid": "point", "alg": "EdDSA", "x": URL_SAFE_NO_PAD.encode(point())},
                {"kty": "RSA", "kid": "modulus", "alg": "RS256", "n": MODULUS, "e": "AQAB"},
                curve(),
            ]});
            let rules = Rules::new("issuer", "audience", "aud", "sub").expect("rules");
            (rules, KeySet::parse(&keys.to_string()).expect("a key set"))
        };
    }
    SET_UP.with(|(rules, keys)| rules.caller(headers, keys))
}

fn curve_key() -> ecdsa::SigningKey {
    ecdsa::SigningKey::from_slice(&[7; 32]).expect("a key")
}

/// Without an algorithm of its own.
fn curve() -> Value {
    let point = curve_key().verifying_key().to_sec1_point(false);
    let part = |part: Option<&_>| URL_SAFE_NO_PAD.encode(part.expect("no compressed point"));
    json!({"kty": "EC", "crv": "P-256", "kid": "curve", "x": part(point.x()), "y": part(point.y())})
}

fn signing_key() -> SigningKey {
    SigningKey::from_bytes(&[7; 32])
}

fn point() -> [u8; 32] {
    signing_key().verifying_key().to_bytes()
}

impl Signer<'_> {
    /// The algorithm and the key that the token names unless edited.
    fn poses_as(self) -> (&'static str, &'static str) {
        match self {
            Self::First => ("HS256", "first"),
            Self::Second => ("HS256", "second"),
            Self::Point => ("EdDSA", "point"),
            Self::Curve => ("ES256", "curve"),
            Self::PublicPoint => ("HS256", "point"),
            Self::PublicModulus => ("HS256", "modulus"),
            Self::Nobody(_) => ("none", "first"),
        }
    }

    fn sign(self, message: &[u8]) -> Vec<u8> {
        let hmac = |key: &[u8]| {
            let mac = Hmac::<Sha256>::new_from_slice(key).expect("any length").chain_update(message);
            mac.finalize().into_bytes().to_vec()
        };
        match self {
            Self::First => hmac(FIRST.as_bytes()),
            Self::Second => hmac(SECOND.as_bytes()),
            Self::Point => signing_key().sign(message).to_bytes().to_vec(),
            Self::Curve => {
                let signature: ecdsa::Signature = curve_key().sign(message);
                signature.to_bytes().to_vec()
            }
            Self::PublicPoint => hmac(&point()),
            Self::PublicModulus => hmac(&URL_SAFE_NO_PAD.decode(MODULUS).expect("base64url")),
            Self::Nobody(bytes) => bytes.to_vec(),
        }
    }

    /// Whether a header names this signer's key and algorithm, each once, and asks for nothing that we do not know.
    fn made_by(self, header: &Members) -> bool {
        let all = |name| header.iter().filter(|(other, _)| other == name).map(|(_, value)| value).collect::<Vec<_>>();
        let kid = match all("kid")[..] {
            [] | [Value::Null] => Some("first"),
            [kid] => kid.as_str(),
            _ => None,
        };
        let alg = match all("alg")[..] {
            [alg] => alg.as_str(),
            _ => None,
        };
        let crit = all("crit");
        let (honest, key) = match self {
            Self::First => (Some("HS256"), "first"),
            Self::Second => (Some("HS256"), "second"),
            Self::Point => (Some("EdDSA"), "point"),
            Self::Curve => (Some("ES256"), "curve"),
            Self::PublicPoint | Self::PublicModulus | Self::Nobody(_) => return false,
        };
        alg == honest && kid == Some(key) && matches!(crit[..], [] | [Value::Null])
    }
}

/// That claims are those of a token for us, by that user, now.
fn holds(claims: &Members, now: u64, user: &str) {
    let one = |name: &str| {
        let all: Vec<&Value> = claims.iter().filter(|(other, _)| other == name).map(|(_, value)| value).collect();
        assert!(all.len() <= 1, "{name} stands there twice");
        all.first().copied().cloned()
    };
    let sub = one("sub").expect("a user");
    assert!(sub == user || sub.as_u64().is_some_and(|number| number.to_string() == user), "{sub}");
    let issuer = one("iss").expect("an issuer");
    assert!(issuer == "issuer" || issuer == "issuer/", "{issuer}");
    let audience = one("aud").expect("an audience");
    let among = audience.as_array().is_some_and(|all| all.contains(&json!("audience")));
    assert!(audience == "audience" || among, "{audience}");
    // Clocks may differ by a minute, and this one has gone on since.
    let time = |value: &Value| value.as_f64().expect("a number");
    #[expect(clippy::cast_precision_loss, reason = "seconds since 1970")]
    let now = now as f64;
    assert!(one("exp").as_ref().map(time).expect("an expiry") >= now - 60.0);
    assert!(one("nbf").as_ref().map(time).is_none_or(|nbf| nbf < now + 70.0));
    let _ = (one("iat"), one("jti"));
}

impl Json<'_> {
    fn value(&self, now: u64) -> Value {
        match self {
            Self::Null => Value::Null,
            Self::Bool(on) => json!(on),
            Self::Number(number) => json!(number),
            Self::Unsigned(number) => json!(number),
            Self::Float(number) => json!(number),
            Self::Time(minutes) => json!(now.cast_signed() + 60 * i64::from(*minutes)),
            Self::Word(word) => json!(WORDS[usize::from(*word) % WORDS.len()]),
            Self::Text(text) => json!(text),
            Self::Many(all) => all.iter().map(|one| one.value(now)).collect(),
            Self::Named(name, one) => json!({*name: one.value(now)}),
        }
    }
}

fn apply(edits: &[Edit], known: &[&str], members: &mut Members, now: u64) {
    let text = |name: &Name| match name {
        Name::Known(at) => known[usize::from(*at) % known.len()].to_owned(),
        Name::Any(text) => (*text).to_owned(),
    };
    for edit in edits {
        match edit {
            Edit::Set(name, value) => {
                members.retain(|(other, _)| *other != text(name));
                members.push((text(name), value.value(now)));
            }
            Edit::Again(name, value) => members.push((text(name), value.value(now))),
            Edit::Remove(name) => members.retain(|(other, _)| *other != text(name)),
        }
    }
}

/// By hand, since a name may stand there twice.
fn object(members: &Members) -> String {
    let members = members.iter().map(|(name, value)| format!("{}:{value}", json!(name)));
    format!("{{{}}}", members.collect::<Vec<_>>().join(","))
}

impl Change<'_> {
    fn apply(&self, whole: &[u8]) -> Vec<u8> {
        let mut bytes = whole.to_vec();
        match self {
            Self::None => {}
            Self::Byte(at, byte) => bytes[usize::from(*at) % whole.len()] = *byte,
            Self::Cut(at) => bytes.truncate(usize::from(*at) % whole.len()),
            Self::Longer(more) => bytes.extend(more.as_bytes()),
            Self::Any(any) => bytes = any.to_vec(),
        }
        bytes
    }
}
