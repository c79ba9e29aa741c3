//! What may be printed: the host keeps it in a log.

use std::fmt::Debug;

/// An error of a store, without the store's URL. Spin repeats one that it does not permit in the error, password and
/// all.
pub(crate) fn without_url(error: &impl Debug, url: &str) -> String {
    // As it looks within another text that is printed for debugging.
    let url = format!("{url:?}");
    format!("{error:?}").replace(url.trim_matches('"'), "<its URL>")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_is_printed_without_the_url_that_it_repeats() {
        for url in ["mysql://user:word@127.0.0.1:3306/db", r#"mysql://user:wo"r\d@127.0.0.1:3306/db"#] {
            let error = Some(format!("address {url} is not permitted"));
            assert_eq!(without_url(&error, url), r#"Some("address <its URL> is not permitted")"#);
        }
    }
}
