//! The variables that are no plain text or number: frequency limits.
#![no_main]

use handler_common::Limit;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let Ok(limit) = text.parse::<Limit>() else { return };
    // From a million a second to one in nearly three hours.
    assert!(limit.burst() >= 1 && (1..=10_000_000_000).contains(&limit.interval_us()));
    let (burst, window) = limit.policy();
    assert_eq!(i64::try_from(burst), Ok(limit.burst()));
    assert!(window >= 1);
    assert_eq!(format!(" {text} ").parse(), Ok(limit));
});
