//! Many values as one parameter of a statement.
//!
//! Look-ups bind one JSON parameter, and `STRAIGHT_JOIN` makes both MySQL and MariaDB go from it to the primary key.
//! For a long IN of pairs, their plans would differ.

use std::fmt::{Display, Write as _};

/// A JSON array of arrays of decimal strings: as JSON numbers, ids above 2^53 might lose digits. None without rows.
pub(crate) fn json<T: Display, const N: usize>(rows: impl Iterator<Item = [T; N]>) -> Option<String> {
    let mut text = String::from("[");
    for row in rows {
        text.push_str(if text.len() == 1 { "[" } else { ",[" });
        for (place, value) in row.iter().enumerate() {
            let _ = write!(text, "{}\"{value}\"", if place == 0 { "" } else { "," });
        }
        text.push(']');
    }
    text.push(']');
    (text.len() > 2).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_strings_in_json() {
        assert_eq!(
            json([[1, i64::MAX], [2, 3]].into_iter()).as_deref(),
            Some(r#"[["1","9223372036854775807"],["2","3"]]"#)
        );
        assert_eq!(json(std::iter::empty::<[i64; 1]>()), None);
    }
}
