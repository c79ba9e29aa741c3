//! Events, as they come out of Kafka.
#![no_main]

use contract::{Change, Event, Kind};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    // Each `@` is the name of a kind, of each in turn.
    let parts: Vec<&[u8]> = bytes.split(|byte| *byte == b'@').collect();
    for kind in Kind::ALL {
        check(&parts.join(kind.name().as_bytes()));
    }
});

fn check(bytes: &[u8]) {
    let Ok(event) = Event::from_json(bytes) else { return };
    let again = Event::from_json(&event.to_json()).expect("what was read can be written and read");
    assert_eq!(again, event);
    match event.change {
        Change::Read(reads) => assert!(i64::try_from(reads).is_ok(), "MySQL keeps reads as BIGINT"),
        Change::Switch(..) => assert!(event.user.is_some()),
    }
}
