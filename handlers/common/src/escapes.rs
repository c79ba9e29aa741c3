use std::borrow::Cow;

use percent_encoding::percent_decode_str;

/// Decodes a text of a query or a form. `None` if the result is not UTF-8. A plus stays a plus: nothing that we read
/// has spaces, and ids may have a plus.
pub(crate) fn decoded(text: &str) -> Option<Cow<'_, str>> {
    percent_decode_str(text).decode_utf8().ok()
}
