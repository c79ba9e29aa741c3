//! What load generators send: lines of a method, a path and a token.

use std::fmt::{Display, Write as _};

use crate::ids::{article, scattered};

/// In place of a token.
pub(super) const ANONYMOUS: &str = "-";

/// A load by users with these tokens, on so many articles.
pub(super) type Requests = fn(&[String], u64) -> String;

/// Everyone likes once, then everyone takes it back: sent over and over, each changes something.
pub(super) fn likes<A: Display>(tokens: &[String], article: impl Fn(u64) -> A) -> String {
    let mut lines = String::new();
    for method in ["PUT", "DELETE"] {
        for (number, token) in (0..).zip(tokens) {
            put(&mut lines, method, format_args!("/v1/articles/{}/like", article(number)), token);
        }
    }
    lines
}

/// Everyone views once, each the next of so many articles.
pub(super) fn views(tokens: &[String], articles: u64) -> String {
    let mut lines = String::new();
    for (number, token) in (0..).zip(tokens) {
        put(&mut lines, "POST", format_args!("/v1/articles/{}/views", article(0, number % articles)), token);
    }
    lines
}

/// Everyone asks once, about `each` articles that are drawn from so many.
pub(super) fn reads(tokens: &[String], each: u64, articles: u64) -> String {
    let mut lines = String::new();
    for (number, token) in (0..).zip(tokens) {
        let drawn = |place| article(0, scattered(number * each + place) % articles);
        if each == 1 {
            put(&mut lines, "GET", format_args!("/v1/articles/{}/interactions", drawn(0)), token);
        } else {
            let ids: Vec<String> = (0..each).map(|place| drawn(place).to_string()).collect();
            put(&mut lines, "GET", format_args!("/v1/interactions?article_ids={}", ids.join(",")), token);
        }
    }
    lines
}

/// `often` of the lines of one, then a line of the other, and so on until the other's end.
pub(super) fn mix(often: &str, of_one: usize, of_other: &str) -> String {
    let mut often = often.lines().cycle();
    let mut lines = String::new();
    for line in of_other.lines() {
        for line in often.by_ref().take(of_one).chain([line]) {
            lines.extend([line, "\n"]);
        }
    }
    lines
}

fn put(lines: &mut String, method: &str, path: impl Display, token: &str) {
    writeln!(lines, "{method} {path} {token}").expect("a String takes everything");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mix_has_so_many_of_one_to_one_of_the_other() {
        assert_eq!(mix("a\nb\nc\n", 2, "1\n2\n"), "a\nb\n1\nc\na\n2\n");
    }
}
