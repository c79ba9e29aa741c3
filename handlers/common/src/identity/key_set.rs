use super::token::Token;
use crate::{
    TokenFault,
    json::{Json, Twice},
    jws::{Key, member},
};

/// The keys that verify users' tokens.
pub struct KeySet {
    keys: Vec<(Option<String>, Key)>,
    skipped: Vec<String>,
    members: usize,
}

/// The most characters of a `kid` that are printed.
const MAX_KID: usize = 64;

impl KeySet {
    /// Parses a JSON Web Key Set. Keys that we cannot use are skipped (RFC 7517 section 5), so the set may have no
    /// usable key.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        // The parser's own message is not returned, because it may quote the text.
        let set = Json::parse(text.as_bytes()).ok_or("it is no JSON")?;
        let keys = set.get("keys").map_err(|Twice| "its keys are there twice")?;
        let members = keys.and_then(Json::list).ok_or("it has no list of keys")?;
        let mut all = Self { keys: Vec::new(), skipped: Vec::new(), members: members.len() };
        for jwk in members {
            let kid = member(jwk, "kid");
            match kid.and_then(|kid| Ok((kid.map(str::to_owned), Key::new(jwk)?))) {
                Ok(key) => all.keys.push(key),
                Err(reason) => {
                    let kid = kid.ok().flatten().map(|kid| kid.chars().take(MAX_KID).collect::<String>());
                    all.skipped.push(format!("key {kid:?} is skipped: {reason}"));
                }
            }
        }
        Ok(all)
    }

    /// Whether the set verifies nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// Whether the set was written without keys, usable or not.
    pub(crate) fn is_blank(&self) -> bool {
        self.members == 0
    }

    /// The log's line for each key that cannot be used: its `kid` and why, never its material.
    #[must_use]
    pub fn skipped(&self) -> &[String] {
        &self.skipped
    }

    /// Returns the key for a token. If the token has a `kid`, the first key of that name and of the token's algorithm;
    /// without a `kid`, the first key of all.
    pub(crate) fn key(&self, token: &Token<'_>) -> Result<&Key, TokenFault> {
        let mut named =
            self.keys.iter().filter(|(kid, _)| token.kid.is_none() || *kid == token.kid).map(|(_, key)| key);
        let fits = |key: &&Key| key.algorithm() == token.alg;
        let first = named.next().ok_or(TokenFault::UnknownKey)?;
        let others = named.filter(|_| token.kid.is_some());
        std::iter::once(first).chain(others).find(fits).ok_or(TokenFault::BadSignature)
    }
}
