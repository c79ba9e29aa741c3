use std::time::{SystemTime, UNIX_EPOCH};

use contract::UserId;

use super::{
    key_set::KeySet,
    token::{Token, bearer},
};
use crate::{
    Headers, TokenFault,
    json::{Json, Twice},
};

/// How far the issuer's clock may differ from ours, in seconds.
const LEEWAY: f64 = 60.0;

/// The claims that the standard names (RFC 7519 section 4.1). A token that has one of them twice is refused, even if we
/// do not read the claim: two readers might take different ones.
const REGISTERED: [&str; 7] = ["iss", "sub", "aud", "exp", "nbf", "iat", "jti"];

/// The rules for what a token must say.
#[derive(Debug)]
pub struct Rules {
    /// The issuers, without a slash at their end.
    issuers: Vec<String>,
    audiences: Vec<String>,
    audience_claims: Vec<String>,
    user_claim: String,
}

impl From<Twice> for TokenFault {
    fn from(_: Twice) -> Self {
        Self::Malformed
    }
}

impl Rules {
    /// Parses `jwt_issuers`, `jwt_audiences` and `jwt_audience_claims`, which are lists separated by commas, and
    /// `jwt_user_claim`. The error is the name of a variable that is empty.
    pub fn new(issuers: &str, audiences: &str, audience_claims: &str, user_claim: &str) -> Result<Self, &'static str> {
        let list = |name, text: &str| {
            let entries = text.split(',').map(str::trim).filter(|entry| !entry.is_empty());
            let entries: Vec<String> = entries.map(str::to_owned).collect();
            if entries.is_empty() { Err(name) } else { Ok(entries) }
        };
        let issuers = list("jwt_issuers", issuers)?;
        let user_claim = user_claim.trim();
        if user_claim.is_empty() {
            return Err("jwt_user_claim");
        }
        Ok(Self {
            issuers: issuers.iter().map(|issuer| without_slash(issuer).to_owned()).collect(),
            audiences: list("jwt_audiences", audiences)?,
            audience_claims: list("jwt_audience_claims", audience_claims)?,
            user_claim: user_claim.to_owned(),
        })
    }

    /// Returns the caller, if it says who it is. `keys` are the keys at hand.
    pub fn caller(&self, headers: &dyn Headers, keys: &KeySet) -> Result<Option<UserId>, TokenFault> {
        let Some(token) = bearer(headers)? else { return Ok(None) };
        self.user(&Token::read(&token)?, keys).map(Some)
    }

    /// Returns the user of a token, if a key signed it and it says everything that it must.
    pub(crate) fn user(&self, token: &Token<'_>, keys: &KeySet) -> Result<UserId, TokenFault> {
        let claims = token.claims(keys.key(token)?)?;
        let Json::Object(_) = claims else { return Err(TokenFault::Malformed) };
        for name in REGISTERED {
            claims.get(name)?;
        }
        let issuer = claims.get("iss")?.and_then(Json::text).ok_or(TokenFault::WrongIssuer)?;
        if !self.issuers.iter().any(|known| known == without_slash(issuer)) {
            return Err(TokenFault::WrongIssuer);
        }
        self.check_audience(&claims)?;
        check_times(&claims)?;
        id(self.user_claim(&claims)?.ok_or(TokenFault::NoUser)?)
    }

    fn check_audience(&self, claims: &Json) -> Result<(), TokenFault> {
        let ours = |audience: &str| self.audiences.iter().any(|known| known == audience);
        let mut found = false;
        // All of these claims are read, so that none may be there twice.
        for name in &self.audience_claims {
            found |= match claims.get(name)? {
                Some(Json::Text(one)) => ours(one),
                Some(Json::List(many)) => {
                    many.iter().all(|one| one.text().is_some()) && many.iter().filter_map(Json::text).any(ours)
                }
                _ => false,
            };
        }
        if found { Ok(()) } else { Err(TokenFault::WrongAudience) }
    }

    /// Returns the claim of exactly that name. If there is none, the dots of the name lead to a nested claim.
    fn user_claim<'a>(&self, claims: &'a Json) -> Result<Option<&'a Json>, TokenFault> {
        if let Some(claim) = claims.get(&self.user_claim)? {
            return Ok(Some(claim));
        }
        let mut inner = claims;
        for name in self.user_claim.split('.') {
            let Some(next) = inner.get(name)? else { return Ok(None) };
            inner = next;
        }
        Ok(Some(inner))
    }
}

/// Checks `exp` and `nbf`. Times are seconds since 1970, perhaps with a fraction.
fn check_times(claims: &Json) -> Result<(), TokenFault> {
    let time = |name| claims.get(name)?.map(|value| value.number().ok_or(TokenFault::Malformed)).transpose();
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_err(|_| TokenFault::NotYetValid)?.as_secs_f64();
    let expires = time("exp")?.ok_or(TokenFault::Malformed)?;
    if now >= expires + LEEWAY {
        Err(TokenFault::Expired)
    } else if time("nbf")?.is_some_and(|begins| begins > now + LEEWAY) {
        Err(TokenFault::NotYetValid)
    } else {
        Ok(())
    }
}

/// Reads a user's id from a text or a whole number.
fn id(claim: &Json) -> Result<UserId, TokenFault> {
    let id = match claim {
        Json::Text(text) => text.parse().ok(),
        Json::Whole(number) => number.to_string().parse().ok(),
        _ => None,
    };
    id.ok_or(TokenFault::NoUser)
}

/// Removes the slash at the end, because providers and their documents do not agree on it.
fn without_slash(issuer: &str) -> &str {
    issuer.strip_suffix('/').unwrap_or(issuer)
}
