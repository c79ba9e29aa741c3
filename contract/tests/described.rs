//! docs/events.md is true: its examples are events, written as this release writes them.

use contract::{Change, Event};

const PAGE: &str = include_str!("../../docs/events.md");

#[test]
fn every_example_is_an_event_as_it_is_written() {
    let examples: Vec<&str> = PAGE.split("```json\n").skip(1).filter_map(|rest| rest.split("```").next()).collect();
    let events = examples.iter().map(|json| Event::from_json(json.as_bytes()).expect(json));
    for (event, json) in events.clone().zip(&examples) {
        assert_eq!(String::from_utf8(event.to_json()).expect("UTF-8"), json.trim());
    }
    let changes: Vec<Change> = events.map(|event| event.change).collect();
    assert_eq!(changes, [Change::Like(true), Change::Like(false), Change::Collect(true), Change::Read(17)]);
}
