use contract::{Counter, Kind};

/// A path that a component answers.
pub struct Route<A> {
    /// The segments, in the form of a route of `spin.toml`. `:kind` stands for the name of a kind, `:count` for the
    /// name of a kind's count, `:counter` for that of any counter, and `:list` for the name of a kind's public list. Any
    /// other word after a colon stands for a segment of any text.
    pub path: &'static str,
    /// The methods, as the `Allow` header lists them.
    pub allow: &'static str,
    /// The action of the route.
    pub action: A,
}

/// Returns a path without the slash at its end, which Spin ignores.
pub(crate) fn trimmed(path: &str) -> &str {
    path.strip_suffix('/').unwrap_or(path)
}

/// Whether a segment of a path fits a segment of a route.
fn fits(wanted: &str, given: &str) -> bool {
    match wanted.strip_prefix(':') {
        None => given == wanted,
        Some("kind") => given.parse::<Kind>().is_ok(),
        Some("count") => Kind::from_count(given).is_some(),
        Some("counter") => Counter::from_name(given).is_some(),
        Some("list") => Kind::from_list(given).is_some(),
        Some(_) => !given.is_empty(),
    }
}

impl<A> Route<A> {
    /// Whether a path belongs to this route.
    #[must_use]
    pub fn matches(&self, path: &str) -> bool {
        let (mut wanted, mut given) = (self.path.split('/'), trimmed(path).split('/'));
        loop {
            match (wanted.next(), given.next()) {
                (None, None) => return true,
                (Some(wanted), Some(given)) if fits(wanted, given) => {}
                _ => return false,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn route(path: &'static str) -> Route<()> {
        Route { path, allow: "GET", action: () }
    }

    proptest! {
        #[test]
        fn what_stands_for_the_id_is_one_segment(id in "[^/]{1,20}", path in "(/[a-z0-9:]{0,3}){0,6}") {
            let route = route("/v1/articles/:id/views");
            let whole = format!("/v1/articles/{id}/views");
            for (target, fits) in [
                (format!("{whole}/"), true),
                (format!("{whole}//"), false),
                (format!("/{whole}"), false),
                (whole, true),
                (path, false),
            ] {
                prop_assert_eq!(route.matches(&target), fits, "{}", target);
            }
        }

        #[test]
        fn what_stands_for_a_kind_is_a_word_of_the_table(word in "[a-z]{0,10}|:[a-z]{0,6}|\\PC{0,8}") {
            let known = |word: fn(Kind) -> Option<&'static str>| move |it: &str| {
                Kind::ALL.iter().any(|kind| word(*kind) == Some(it))
            };
            for (path, known) in [
                ("/v1/:kind", known(|kind| Some(kind.name()))),
                ("/v1/:count", known(|kind| Some(kind.count()))),
                ("/v1/:list", known(Kind::listed)),
            ] {
                let trimmed = word.strip_suffix('/').unwrap_or(&word);
                prop_assert_eq!(route(path).matches(&format!("/v1/{word}")), known(trimmed), "{} {}", path, word);
            }
        }
    }

    #[test]
    fn a_route_is_matched_by_whole_segments() {
        let route = route("/v1/articles/:id/views");
        for (path, fits) in [
            ("/v1/articles/42/views", true),
            ("/v1/articles/42/views/", true),
            ("/v1/articles/x/views", true),
            ("/v1/articles//views", false),
            ("/v1/articles/42", false),
            ("/v1/articles/42/views/more", false),
            ("/v1/articles/42/view", false),
            ("/", false),
        ] {
            assert_eq!(route.matches(path), fits, "{path}");
        }
    }

    #[test]
    fn each_kind_has_its_routes_and_no_other_word_has() {
        for kind in Kind::ALL.iter().copied() {
            for (path, word) in [
                ("/v1/articles/:id/:kind", Some(kind.name())),
                ("/v1/articles/:id/:count", Some(kind.count())),
                ("/v1/articles/:id/:list", kind.listed()),
                ("/v1/articles/:id/:counter", Some(kind.count())),
            ] {
                let Some(word) = word else { continue };
                for (target, fits) in [
                    (format!("/v1/articles/42/{word}"), true),
                    (format!("/v1/articles/42/{word}/"), true),
                    (format!("/v1/articles/42/{}", word.to_uppercase()), false),
                    (format!("/v1/articles/42/{word}x"), false),
                    (format!("/v1/articles/{word}"), false),
                ] {
                    assert_eq!(route(path).matches(&target), fits, "{path} {target}");
                }
            }
            assert!(!route("/v1/:kind").matches(&format!("/v1/{}", kind.count())));
            assert!(!route("/v1/:count").matches(&format!("/v1/{}", kind.name())));
            assert!(!route("/v1/:counter").matches(&format!("/v1/{}", kind.name())));
        }
        for word in ["pv", "uv", "reads"] {
            let path = format!("/v1/{word}");
            assert!(route("/v1/:counter").matches(&path) && !route("/v1/:count").matches(&path), "{word}");
        }
    }
}
