use std::borrow::Cow;

use percent_encoding::percent_decode_str;

/// A text of a query or a form without its escapes, if it is one in UTF-8. A plus stays one: nothing that we read has
/// spaces, and ids may have a plus.
pub(crate) fn decoded(text: &str) -> Option<Cow<'_, str>> {
    percent_decode_str(text).decode_utf8().ok()
}
