use contract::{ArticleNumber, UserId};

use crate::{Problem, body, seal};

/// A read counts from this time after its view, in milliseconds.
pub const READ_AFTER: i64 = 5_000;

/// A read counts until this time after its view, in milliseconds.
pub const VIEW_LIFETIME: i64 = 24 * 60 * 60 * 1000;

/// The person who viewed an article.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Viewer {
    /// A signed-in user.
    User(UserId),
    /// A visitor, as a keyed hash that no other view has. The page's scripts can read a token, and must not learn from
    /// it who the visitor is, or which views belong to one visitor.
    Visitor([u8; 16]),
}

impl Viewer {
    /// Returns the visitor for the token of that id.
    #[must_use]
    pub fn visitor(key: &str, token: &[u8; 16], visitor: &[u8; 16]) -> Self {
        // The prefix separates this hash from the MACs of tokens, whose bytes begin differently.
        Self::Visitor(seal::keyed_id(key, &[b"visitor", &[&token[..], visitor].concat()]))
    }
}

/// The content of a view token: the view to which it belongs. A token is sealed, so that only we can make one. Nothing
/// is stored for it until it is used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ViewToken {
    /// A random id, which marks the token as used.
    pub id: [u8; 16],
    /// The article viewed.
    pub article: ArticleNumber,
    /// Who viewed it.
    pub viewer: Viewer,
    /// The partition's epoch at the view. After a rebuild, the tokens used before it are not known.
    pub epoch: i64,
    /// The time of the view, in milliseconds by the clock of the article's Redis. The same clock is asked when the read
    /// comes.
    pub viewed_ms: i64,
}

/// The bytes before the viewer: format, id, article, epoch, time, kind of viewer. A user's id is stored as text,
/// because the event of a read has the text. A visitor's id has 16 bytes.
const HEAD: usize = 1 + 16 + 8 + 8 + 8 + 1;
const FORMAT: u8 = 1;

impl ViewToken {
    /// Returns an id that no other token has.
    #[must_use]
    pub fn new_id() -> [u8; 16] {
        seal::random()
    }

    /// Returns the token as the client gets it.
    #[must_use]
    pub fn seal(&self, key: &str) -> String {
        let (kind, viewer) = match &self.viewer {
            Viewer::User(id) => (0, id.to_string().into_bytes()),
            Viewer::Visitor(id) => (1, id.to_vec()),
        };
        let mut bytes = Vec::with_capacity(HEAD + viewer.len());
        bytes.push(FORMAT);
        bytes.extend(self.id);
        bytes.extend(self.article.get().to_be_bytes());
        bytes.extend(self.epoch.to_be_bytes());
        bytes.extend(self.viewed_ms.to_be_bytes());
        bytes.push(kind);
        bytes.extend(viewer);
        seal::seal(key, &bytes)
    }

    /// Opens a text that we sealed. `None` for any other text.
    #[must_use]
    pub fn open(key: &str, text: &str) -> Option<Self> {
        let bytes = seal::open(key, text).filter(|bytes| bytes.len() > HEAD && bytes[0] == FORMAT)?;
        let number = |from: usize| Some(i64::from_be_bytes(bytes[from..from + 8].try_into().ok()?));
        let viewer = &bytes[HEAD..];
        Some(Self {
            id: bytes[1..17].try_into().ok()?,
            article: number(17)?.try_into().ok()?,
            epoch: number(25)?,
            viewed_ms: number(33)?,
            viewer: match bytes[41] {
                0 => Viewer::User(str::from_utf8(viewer).ok()?.parse().ok()?),
                1 => Viewer::Visitor(viewer.try_into().ok()?),
                _ => return None,
            },
        })
    }

    /// Opens the token in the body of a read.
    pub fn of_body(key: &str, body: &[u8]) -> Result<Self, Problem> {
        const TAKES: &str = "Send the token that the view was answered with: {\"view_token\":\"…\"}.";
        let text: String = body::field(body, "view_token", TAKES)?.ok_or(Problem::BadBody(TAKES))?;
        Self::open(key, &text).ok_or(Problem::ViewTokenInvalid)
    }

    /// Returns the number that marks the token as used: 63 bits of its id. At a thousand reads a second, two tokens of
    /// one hour and partition have the same number once in thousands of years.
    #[must_use]
    pub fn number(&self) -> i64 {
        let [first @ .., _, _, _, _, _, _, _, _] = self.id;
        i64::from_be_bytes(first) & i64::MAX
    }
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*};

    use super::*;

    proptest! {
        #[test]
        fn says_what_was_sealed(
            id: [u8; 16],
            article in 1..=i64::MAX,
            epoch: i64,
            viewed_ms: i64,
            user in "[1-9][0-9]{0,18}|[A-Za-z0-9._~:|@+=-]{1,128}",
            visitor: [u8; 16],
            signed_in: bool,
        ) {
            let (article, user) = (article.try_into().expect("positive"), user.parse().expect("an id"));
            let viewer = if signed_in { Viewer::User(user) } else { Viewer::Visitor(visitor) };
            let token = ViewToken { id, article, viewer, epoch, viewed_ms };
            prop_assert_eq!(ViewToken::open("key", &token.seal("key")), Some(token.clone()));
            prop_assert_eq!(ViewToken::open("another", &token.seal("key")), None);
            let body = format!("{{\"view_token\":\"{}\"}}", token.seal("key"));
            prop_assert_eq!(ViewToken::of_body("key", body.as_bytes()), Ok(token));
            prop_assert_eq!(ViewToken::of_body("another", body.as_bytes()), Err(Problem::ViewTokenInvalid));
        }

        #[test]
        fn has_one_spelling(mut bytes in vec(any::<u8>(), HEAD..HEAD + 30), user in 0..3_u8) {
            (bytes[0], bytes[41]) = (FORMAT, user);
            let sealed = seal::seal("key", &bytes);
            if let Some(token) = ViewToken::open("key", &sealed) {
                prop_assert_eq!(token.seal("key"), sealed);
            }
        }

        #[test]
        fn any_body_is_refused_with_what_it_should_be(body in vec(any::<u8>(), 0..100)) {
            let refused = ViewToken::of_body("key", &body);
            prop_assert!(matches!(refused, Err(Problem::BadBody(_) | Problem::ViewTokenInvalid)));
        }
    }

    #[test]
    fn a_body_without_a_token_is_no_read() {
        for body in ["", "{}", r#"{"view_token":null}"#, r#"{"View_Token":"x"}"#, "other=1", "x"] {
            assert!(matches!(ViewToken::of_body("key", body.as_bytes()), Err(Problem::BadBody(_))), "{body}");
        }
        assert_eq!(ViewToken::of_body("key", b"view_token="), Err(Problem::ViewTokenInvalid));
    }

    #[test]
    fn a_visitor_cookie_is_no_view_token() {
        assert_eq!(ViewToken::open("key", &seal::seal("key", &[1; 16])), None);
        assert_eq!(ViewToken::open("key", ""), None);
    }
}
