use std::{fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// The version of a change: the id of its entry in the partition's outbox stream, `<ms>-<seq>`.
///
/// Stream ids grow within a stream even if Redis's clock does not
/// (<https://redis.io/docs/latest/develop/data-types/streams/#entry-ids>). So of two changes of one pair of user and
/// article, the later one has the greater version. Versions are compared as numbers, never as text: `9-0 < 10-0`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Version {
    /// Milliseconds since 1970 by the Redis server's clock.
    pub ms: u64,
    /// The number within the millisecond.
    pub seq: u64,
}

/// Why a text is not a version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a version is a stream id: two decimal integers joined by '-', each below 2^63")]
pub struct VersionError;

impl FromStr for Version {
    type Err = VersionError;

    fn from_str(text: &str) -> Result<Self, VersionError> {
        // MySQL keeps both halves as signed BIGINT.
        let half = |digits: &str| {
            let plain = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
            let value = digits.parse::<i64>().ok().filter(|_| plain)?;
            u64::try_from(value).ok()
        };
        let (ms, seq) = text.split_once('-').ok_or(VersionError)?;
        Ok(Self { ms: half(ms).ok_or(VersionError)?, seq: half(seq).ok_or(VersionError)? })
    }
}

impl fmt::Display for Version {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}-{}", self.ms, self.seq)
    }
}

impl Serialize for Version {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Version {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn order_is_by_number_not_by_text() {
        let version = |text: &str| text.parse::<Version>().expect("a version");
        assert!(version("9-0") < version("10-0"));
        assert!(version("10-9") < version("10-10"));
        assert!(version("10-99") < version("11-0"));
    }

    #[test]
    fn what_is_not_a_stream_id_is_refused() {
        for bad in ["", "1", "-", "1-", "-1", "1-2-3", "+1-2", "1-+2", "a-b", "1.0-0", "9223372036854775808-0"] {
            assert_eq!(bad.parse::<Version>(), Err(VersionError), "{bad:?}");
        }
    }

    proptest! {
        #[test]
        fn printing_and_parsing_are_inverse(ms in 0..=i64::MAX as u64, seq in 0..=i64::MAX as u64) {
            let version = Version { ms, seq };
            prop_assert_eq!(version.to_string().parse(), Ok(version));
        }

        #[test]
        fn any_text_is_a_version_that_mysql_can_keep_or_none(text in "[0-9]{0,20}-[0-9]{0,20}|\\PC{0,24}") {
            if let Ok(Version { ms, seq }) = text.parse::<Version>() {
                prop_assert!(i64::try_from(ms).is_ok() && i64::try_from(seq).is_ok());
            }
        }

        #[test]
        fn a_later_millisecond_or_number_is_later(ms in 0..i64::MAX as u64, seq: u64, other: u64) {
            let version = Version { ms, seq };
            let later = Version { ms: ms + 1, seq: other };
            prop_assert!(version < later);
            prop_assert_eq!(version < Version { ms, seq: other }, seq < other);
        }
    }
}
