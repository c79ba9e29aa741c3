/// Why a token was refused. No text quotes the token itself.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[cfg_attr(test, derive(strum::EnumIter))]
pub enum TokenFault {
    /// Its `exp` has passed.
    #[default]
    Expired,
    /// Its `nbf` is still to come.
    NotYetValid,
    /// Its `iss` is not one of ours.
    WrongIssuer,
    /// No claim that names an audience names one of ours.
    WrongAudience,
    /// No key of the set has its `kid`.
    UnknownKey,
    /// Its signature is by another key than the token says, by another algorithm than that key's, or missing.
    BadSignature,
    /// It is no JWT, has claims that two readers could read differently, or has no `exp`; or the request has two
    /// tokens.
    Malformed,
    /// It is over 8 KiB.
    TooLarge,
    /// The claim that should name the user is missing, or is no user id.
    NoUser,
}

impl TokenFault {
    /// The number of faults.
    pub(crate) const COUNT: usize = 9;

    /// Returns a few words, for `error_description` and the log.
    #[must_use]
    pub fn summary(self) -> &'static str {
        match self {
            Self::Expired => "the token has expired",
            Self::NotYetValid => "the token is not yet valid",
            Self::WrongIssuer => "wrong issuer",
            Self::WrongAudience => "wrong audience",
            Self::UnknownKey => "unknown key",
            Self::BadSignature => "bad signature",
            Self::Malformed => "the token is malformed",
            Self::TooLarge => "the token is too large",
            Self::NoUser => "no usable user claim",
        }
    }

    /// Returns what the caller can do.
    pub(crate) fn detail(self) -> &'static str {
        match self {
            Self::Expired => "The token has expired. Get a new one and send the request again.",
            Self::NotYetValid => {
                "The token is not yet valid: its nbf is ahead of this service's clock. Send it again later, or get a \
                 new one."
            }
            Self::WrongIssuer => {
                "Wrong issuer: this service does not accept tokens of the one that made this token. Sign the user in \
                 where this service expects it."
            }
            Self::WrongAudience => {
                "Wrong audience: the token is meant for another service. Ask the issuer for a token for this one."
            }
            Self::UnknownKey => {
                "Unknown key: this service does not have the key that the token names. Get a new token, once; if that is \
                 refused too, tell the service's operators."
            }
            Self::BadSignature => {
                "Bad signature: the token was changed, or signed by another key or algorithm than it should be. Send \
                 it exactly as the issuer made it."
            }
            Self::Malformed => {
                "The token is malformed. Send one signed JWT that has an exp: Authorization: Bearer <JWT>."
            }
            Self::TooLarge => {
                "The token is too large: at most 8 KiB are read. A new one of this size is refused too; have the issuer \
                 put fewer claims into it."
            }
            Self::NoUser => {
                "No usable user claim: the token does not say which user it is of in the way that this service is set \
                 up for. Tell the service's operators."
            }
        }
    }

    /// Returns what an operator should compare, for the log.
    pub(crate) fn hint(self) -> &'static str {
        match self {
            Self::Expired | Self::NotYetValid => "many of these: compare the clocks",
            Self::WrongIssuer => "compare its iss with jwt_issuers",
            Self::WrongAudience => "compare jwt_audiences, and jwt_audience_claims",
            Self::UnknownKey => "compare its kid with the key set",
            Self::BadSignature => "compare its alg with the key's; a token without kid is for the first usable key",
            Self::Malformed => "it is no JWT (an opaque or encrypted token?), or has no exp",
            Self::TooLarge => "over 8 KiB",
            Self::NoUser => "compare jwt_user_claim with its claims",
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use strum::IntoEnumIterator;

    use super::*;

    #[test]
    fn every_reason_has_words_of_its_own_that_a_header_can_carry() {
        let all: Vec<TokenFault> = TokenFault::iter().collect();
        assert_eq!(all.len(), TokenFault::COUNT);
        for (at, fault) in all.iter().enumerate() {
            assert_eq!(*fault as usize, at, "counted by it");
            // RFC 6750 section 3: neither quotes nor backslashes.
            assert!(fault.summary().bytes().all(|byte| matches!(byte, b' '..=b'~') && !b"\"\\".contains(&byte)));
        }
        for texts in [TokenFault::summary, TokenFault::detail] {
            assert_eq!(all.iter().map(|fault| texts(*fault)).collect::<BTreeSet<_>>().len(), all.len());
        }
    }

    #[test]
    fn the_documentation_names_every_reason() {
        let problems = include_str!("../../../docs/problems.md");
        for fault in TokenFault::iter() {
            let reason = fault.summary().trim_start_matches("the token is ").trim_start_matches("the token has ");
            assert!(problems.contains(reason), "docs/problems.md: {reason}");
        }
    }
}
