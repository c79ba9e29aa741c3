//! Errors as they may be printed. The host keeps everything printed in a log.

use std::fmt::Debug;

/// Returns the text of a store's error, without the store's URL. If Spin does not permit a URL, its error repeats the
/// URL with the password.
pub(crate) fn without_url(error: &impl Debug, url: &str) -> String {
    // The form of the URL inside another text that is printed for debugging.
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
