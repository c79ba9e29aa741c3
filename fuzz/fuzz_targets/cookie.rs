//! The visitor's cookie: only one that we gave out is known, whatever stands around it.
#![no_main]

use std::{cell::OnceCell, time::UNIX_EPOCH};

use arbitrary::Arbitrary;
use handler_common::{Visitor, Visitors};
use http::{HeaderMap, HeaderValue, header::COOKIE};
use libfuzzer_sys::fuzz_target;

#[derive(Debug, Arbitrary)]
enum Piece<'a> {
    Any(&'a [u8]),
    Name,
    /// The pair that we gave out.
    Ours,
    /// Its value alone.
    Value,
    /// The pair of somebody with another key.
    Theirs,
    End,
}

/// Two visitors that were welcomed, under different keys: their ids and pairs.
struct Known {
    visitors: Visitors,
    ours: ([u8; 16], String),
    theirs: String,
}

thread_local! {
    static KNOWN: OnceCell<Known> = const { OnceCell::new() };
}

fn of(visitors: &Visitors, headers: &HeaderMap) -> Visitor {
    visitors.of(headers, "an address", None, UNIX_EPOCH)
}

fn known() -> Known {
    let welcome = |visitors: &Visitors| {
        let Visitor { id, cookie } = of(visitors, &HeaderMap::new());
        (id, cookie.and_then(|cookie| Some(cookie.split(';').next()?.to_owned())).expect("a pair"))
    };
    let visitors = Visitors::with_cookie("our key, of 32 characters or more".to_owned(), "");
    let others = Visitors::with_cookie("another key, of 32 characters or more".to_owned(), "");
    Known { ours: welcome(&visitors), theirs: welcome(&others).1, visitors }
}

fuzz_target!(|lines: Vec<Vec<Piece>>| KNOWN.with(|slot| {
    let Known { visitors, ours: (id, pair), theirs } = slot.get_or_init(known);
    let (name, value) = pair.split_once('=').expect("a pair");
    let mut headers = HeaderMap::new();
    let mut given = false;
    for line in lines {
        let mut text = Vec::new();
        for piece in &line {
            text.extend_from_slice(match piece {
                Piece::Any(bytes) => bytes,
                Piece::Name => name.as_bytes(),
                Piece::Ours => pair.as_bytes(),
                Piece::Value => value.as_bytes(),
                Piece::Theirs => theirs.as_bytes(),
                Piece::End => b"; ",
            });
        }
        let Ok(header) = HeaderValue::from_bytes(&text) else { continue };
        // Bytes, because another cookie in the line may be no text.
        given |= text.split(|byte| *byte == b';').any(|one| one.trim_ascii() == pair.as_bytes());
        headers.append(COOKIE, header);
    }
    let visitor = of(visitors, &headers);
    assert_eq!(visitor.cookie.is_none(), given);
    assert!(!given || visitor.id == *id);
}));
