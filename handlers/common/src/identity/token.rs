use crate::{
    Headers, TokenFault,
    json::{Json, Twice},
    jws::Key,
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};

/// The most bytes in a token. Longer tokens are refused unread.
const MAX_TOKEN: usize = 8 * 1024;

/// A JWT that has been taken apart. Nothing in it can be trusted until its signature is verified.
pub(crate) struct Token<'a> {
    signed: &'a str,
    claims: &'a str,
    signature: Vec<u8>,
    /// The algorithm. It must be the key's own: the token does not choose one.
    pub(crate) alg: String,
    /// The name of the key.
    pub(crate) kid: Option<String>,
}

/// Returns the token of a request, if it has one. Only `Bearer` is ours; a site may use other schemes for itself.
pub(crate) fn bearer(headers: &dyn Headers) -> Result<Option<String>, TokenFault> {
    let lines = headers.all("authorization");
    let mut tokens = lines.iter().filter_map(|line| {
        // Compares bytes, because a line that begins with the scheme may be no text.
        let (scheme, token) = line.split_at_checked(6)?;
        let ours = scheme.eq_ignore_ascii_case(b"bearer") && token.first().is_none_or(|byte| *byte == b' ');
        ours.then_some(token)
    });
    match (tokens.next(), tokens.next()) {
        (None, _) => Ok(None),
        (Some(token), None) => match std::str::from_utf8(token) {
            Ok(token) => Ok(Some(token.trim_matches(' ').to_owned())),
            Err(_) => Err(TokenFault::Malformed),
        },
        // A server in front of us might take the other one.
        (Some(_), Some(_)) => Err(TokenFault::Malformed),
    }
}

impl<'a> Token<'a> {
    /// Takes a token apart. A token with extensions that must be understood is refused, because we know none (RFC 7515
    /// section 4.1.11).
    pub(crate) fn read(text: &'a str) -> Result<Self, TokenFault> {
        if text.len() > MAX_TOKEN {
            return Err(TokenFault::TooLarge);
        }
        Self::parts(text).ok_or(TokenFault::Malformed)
    }

    fn parts(text: &'a str) -> Option<Self> {
        let (signed, signature) = text.rsplit_once('.')?;
        let (header, claims) = signed.split_once('.').filter(|(_, claims)| !claims.contains('.'))?;
        let header = Json::parse(&base64url(header)?)?;
        let member = |name: &str| match header.get(name) {
            Ok(None | Some(Json::Null)) => Some(None),
            Ok(Some(value)) => Some(Some(value)),
            Err(Twice) => None,
        };
        let None = member("crit")? else { return None };
        let kid = match member("kid")? {
            Some(kid) => Some(kid.text()?.to_owned()),
            None => None,
        };
        let alg = member("alg")??.text()?.to_owned();
        Some(Self { signed, claims, signature: base64url(signature)?, alg, kid })
    }

    /// Returns the claims, if this key signed the token.
    pub(crate) fn claims(&self, key: &Key) -> Result<Json, TokenFault> {
        if self.alg != key.algorithm() || !key.verifies(self.signed.as_bytes(), &self.signature) {
            return Err(TokenFault::BadSignature);
        }
        base64url(self.claims).and_then(|claims| Json::parse(&claims)).ok_or(TokenFault::Malformed)
    }
}

fn base64url(part: &str) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(part).ok()
}
