use std::str::FromStr;

use contract::scripts;

/// A frequency limit: a burst passes at once, and after it so many requests a second.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limit(scripts::Limit);

/// Why a text is not a limit.
#[derive(Debug, PartialEq, Eq)]
pub struct LimitError;

impl FromStr for Limit {
    type Err = LimitError;

    /// Parses `"<burst>,<per second>"`: `20,2` or `5,0.5`.
    fn from_str(text: &str) -> Result<Self, LimitError> {
        // Parsed as JSON, because a component reads JSON numbers anyway: the standard library's parser of fractions
        // would add 20 kB to it.
        let (burst, rate): (u32, f64) = serde_json::from_str(&format!("[{text}]")).map_err(|_| LimitError)?;
        if burst == 0 || !(0.0001..=1_000_000.0).contains(&rate) {
            return Err(LimitError);
        }
        #[expect(clippy::cast_possible_truncation, reason = "1 to 10^10 by the check above")]
        let interval_us = (1_000_000.0 / rate).round() as i64;
        Ok(Self(scripts::Limit { burst: burst.into(), interval_us }))
    }
}

impl Limit {
    /// How many requests pass at once.
    #[must_use]
    pub fn burst(self) -> i64 {
        self.0.burst
    }

    /// Microseconds between requests after the burst.
    #[must_use]
    pub fn interval_us(self) -> i64 {
        self.0.interval_us
    }

    /// Returns the burst, and the whole seconds until it is full again: `q` and `w` of `RateLimit-Policy`.
    #[must_use]
    pub fn policy(self) -> (u64, u64) {
        let (burst, interval_us) = (self.0.burst.unsigned_abs(), self.0.interval_us.unsigned_abs());
        (burst, burst.saturating_mul(interval_us).div_ceil(1_000_000).max(1))
    }
}

impl From<scripts::Limit> for Limit {
    fn from(limit: scripts::Limit) -> Self {
        Self(limit)
    }
}

impl From<Limit> for scripts::Limit {
    fn from(Limit(limit): Limit) -> Self {
        limit
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn any_text_is_a_limit_that_can_be_kept_or_none(text in "[0-9]{1,10},[0-9.e-]{1,8}|\\PC{0,20}") {
            if let Ok(limit) = text.parse::<Limit>() {
                prop_assert!(limit.burst() >= 1 && (1..=10_000_000_000).contains(&limit.interval_us()));
                prop_assert!(limit.policy().1 >= 1);
            }
        }
    }

    #[test]
    fn the_widest_limit_has_a_policy() {
        let limit: Limit = "4294967295,0.0001".parse().expect("a limit");
        assert_eq!(limit.policy(), (4_294_967_295, u64::MAX.div_ceil(1_000_000)));
    }

    #[test]
    fn a_limit_is_a_burst_and_a_rate() {
        let limit: Limit = "20,2".parse().expect("a limit");
        assert_eq!((limit.burst(), limit.interval_us(), limit.policy()), (20, 500_000, (20, 10)));
        assert_eq!("5, 0.5".parse::<Limit>().map(Limit::interval_us), Ok(2_000_000));
        for bad in ["", "20", "0,1", "-1,1", "20,0", "20,x", "20,NaN", "20,1e9", "20,1,1"] {
            assert_eq!(bad.parse::<Limit>(), Err(LimitError), "{bad}");
        }
    }
}
