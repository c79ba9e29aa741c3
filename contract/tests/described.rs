//! docs/events.md is true: its examples are events, written as this release writes them, and every type of event has one.

use contract::{Change, Event, Kind};

const PAGE: &str = include_str!("../../docs/events.md");

#[test]
fn every_example_is_an_event_as_it_is_written() {
    let examples: Vec<&str> = PAGE.split("```json\n").skip(1).filter_map(|rest| rest.split("```").next()).collect();
    let lines = examples.iter().flat_map(|example| example.lines()).filter(|line| !line.trim().is_empty());
    let mut changes = Vec::new();
    for json in lines {
        let event = Event::from_json(json.as_bytes()).expect(json);
        assert_eq!(String::from_utf8(event.to_json()).expect("UTF-8"), json.trim());
        changes.push(event.change);
    }
    for kind in Kind::ALL {
        assert!(changes.contains(&Change::Switch(*kind, true)), "an example of {kind}");
    }
    assert!(changes.iter().any(|change| matches!(change, Change::Read(_))), "an example of a read");
}
