use contract::{ArticleNumber, UserId};
use serde::Deserialize;

use crate::{Problem, object::Object, seal};

/// How long after its view a read counts, in milliseconds.
pub const READ_AFTER: i64 = 5_000;

/// Until when after its view a read counts, in milliseconds.
pub const VIEW_LIFETIME: i64 = 24 * 60 * 60 * 1000;

/// Who viewed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Viewer {
    /// A signed-in user.
    User(UserId),
    /// A visitor, by the random id in its cookie.
    Visitor([u8; 16]),
}

impl Viewer {
    /// A visitor's id as text; nothing for a user.
    #[must_use]
    pub fn visitor_text(&self) -> String {
        match self {
            Self::User(_) => String::new(),
            Self::Visitor(id) => seal::hex(id),
        }
    }
}

/// What a view token says: which view it was. Sealed, so nobody but us can make one, and stateless until it is used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ViewToken {
    /// Random; marks the token as used.
    pub id: [u8; 16],
    /// The article viewed.
    pub article: ArticleNumber,
    /// Who viewed it.
    pub viewer: Viewer,
    /// The partition's epoch at the view: used tokens are not known across a rebuild.
    pub epoch: i64,
    /// When, in milliseconds by the clock of the article's Redis, which is also asked when the read comes.
    pub viewed_ms: i64,
}

/// Bytes before the viewer: format, id, article, epoch, time, kind of viewer. A user's id is its text, since the event of a
/// read has it; a visitor's has 16 bytes.
const HEAD: usize = 1 + 16 + 8 + 8 + 8 + 1;
const FORMAT: u8 = 1;

impl ViewToken {
    /// An id that no other token has.
    #[must_use]
    pub fn new_id() -> [u8; 16] {
        seal::random()
    }

    /// The token as the client gets it.
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

    /// The token of a text that we sealed; `None` for any other text.
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

    /// The token of a read's body, which is JSON whatever its Content-Type says: `navigator.sendBeacon` sends text.
    pub fn of_body(key: &str, body: &[u8]) -> Result<Self, Problem> {
        #[derive(Deserialize)]
        struct Body {
            view_token: String,
        }
        const TAKES: Problem =
            Problem::BadBody("Send the token that the view was answered with: {\"view_token\":\"…\"}.");
        // serde_json lets pass what is no UTF-8 in fields that it skips.
        let Object(Body { view_token }) =
            str::from_utf8(body).ok().and_then(|text| serde_json::from_str(text).ok()).ok_or(TAKES)?;
        Self::open(key, &view_token).ok_or(Problem::ViewTokenInvalid)
    }

    /// The id as text, for the key that marks it as used.
    #[must_use]
    pub fn id_text(&self) -> String {
        seal::hex(&self.id)
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
    fn a_body_is_an_object_with_the_token_and_perhaps_more() {
        let sealed = seal::seal("key", &[1; 16]);
        let refused = |body: String| ViewToken::of_body("key", body.as_bytes()).expect_err("no token of ours");
        for body in [format!(r#"{{"view_token":"{sealed}"}}"#), format!(r#" {{"more":[],"view_token":"{sealed}"}} "#)] {
            assert_eq!(refused(body), Problem::ViewTokenInvalid);
        }
        for body in [
            String::new(),
            sealed.clone(),
            format!(r#""{sealed}""#),
            format!(r#"["{sealed}"]"#),
            r#"{"view_token":7}"#.to_owned(),
            r#"{"view_token":null}"#.to_owned(),
            r#"{"View_Token":"x"}"#.to_owned(),
            r#"{"view_token":"x","view_token":"x"}"#.to_owned(),
            r#"{"view_token":"x"}{}"#.to_owned(),
            format!(r#"{{"view_token":"{sealed}""#),
            "[".repeat(16_000),
        ] {
            assert!(matches!(refused(body), Problem::BadBody(_)));
        }
        let skipped = [br#"{"more":"#.as_slice(), b"\"\xff\",", br#""view_token":"x"}"#].concat();
        assert!(matches!(ViewToken::of_body("key", &skipped), Err(Problem::BadBody(_))));
    }

    #[test]
    fn a_visitor_cookie_is_no_view_token() {
        assert_eq!(ViewToken::open("key", &seal::seal("key", &[1; 16])), None);
        assert_eq!(ViewToken::open("key", ""), None);
    }
}
