use crate::seal;

/// A key set that instances share through Redis. It is sealed, so that nobody who can write to Redis can make keys. The
/// seal covers when and from where the set was fetched, so that neither an outdated set nor another provider's set
/// passes for a fresh set of this provider.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SharedKeys {
    /// When the set was fetched, in ms since 1970.
    pub fetched_ms: u64,
    /// For how many seconds the set is fresh.
    pub fresh_s: u64,
    /// The JSON Web Key Set.
    pub text: String,
}

impl SharedKeys {
    /// Returns `<fetched>:<fresh>:<seal>:<set>`. The tag of the set is the time when it was fetched.
    #[must_use]
    pub fn seal(&self, key: &str, url: &str) -> String {
        let Self { fetched_ms, fresh_s, text } = self;
        format!("{fetched_ms}:{fresh_s}:{}:{text}", self.tag(key, url))
    }

    /// Opens what [`seal`](Self::seal) made with the same key and URL. None for any other text.
    #[must_use]
    pub fn open(key: &str, url: &str, sealed: &str) -> Option<Self> {
        let mut parts = sealed.splitn(4, ':');
        let (fetched, fresh, tag, text) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
        let opened = Self { fetched_ms: fetched.parse().ok()?, fresh_s: fresh.parse().ok()?, text: text.to_owned() };
        seal::verifies(key, opened.sealed(url).as_bytes(), tag).then_some(opened)
    }

    fn tag(&self, key: &str, url: &str) -> String {
        seal::tag(key, self.sealed(url).as_bytes())
    }

    /// Returns the text that is sealed. Neither a URL nor a number has a line break, so no two sets have the same text.
    fn sealed(&self, url: &str) -> String {
        format!("jwks\n{url}\n{}\n{}\n{}", self.fetched_ms, self.fresh_s, self.text)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_shared_set_opens_as_it_was_sealed_and_in_no_other_way(
            fetched_ms: u64,
            fresh_s: u64,
            text in "\\PC{0,40}",
            at in any::<prop::sample::Index>(),
            other in "[0-9a-zA-Z:{}]",
        ) {
            let keys = SharedKeys { fetched_ms, fresh_s, text };
            let sealed = keys.seal("a key", "https://a.example/keys");
            prop_assert_eq!(SharedKeys::open("a key", "https://a.example/keys", &sealed), Some(keys));
            prop_assert_eq!(SharedKeys::open("another key", "https://a.example/keys", &sealed), None);
            prop_assert_eq!(SharedKeys::open("a key", "https://b.example/keys", &sealed), None);
            let letters: Vec<(usize, char)> = sealed.char_indices().collect();
            let (at, letter) = letters[at.index(letters.len())];
            let mut changed = sealed.clone();
            changed.replace_range(at..at + letter.len_utf8(), &other);
            prop_assert!(changed == sealed || SharedKeys::open("a key", "https://a.example/keys", &changed).is_none());
        }

        #[test]
        fn any_text_opens_or_does_not(text in "\\PC{0,100}") {
            prop_assert_eq!(SharedKeys::open("a key", "", &text), None);
        }
    }
}
