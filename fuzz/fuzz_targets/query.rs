//! The query string: ids, page size, cursor and window.
#![no_main]

use arbitrary::Arbitrary;
use contract::{Kind, Version};
use handler_common::Call;
use http::{Request, Uri};
use libfuzzer_sys::fuzz_target;
use percent_encoding::percent_decode_str;

#[path = "../../handlers/queries/src/parameters.rs"]
mod parameters;

use parameters::{Articles, Cursor, PageSize, Window};

#[derive(Debug, Arbitrary)]
enum Sent<'a> {
    Any(&'a str),
    Cursor { ms: u64, seq: u64, id: i64, more: &'a str },
}

fuzz_target!(|sent: Sent| {
    match sent {
        Sent::Any(query) => any(query),
        Sent::Cursor { ms, seq, id, more } => {
            let most = i64::MAX.cast_unsigned();
            let cursor = Cursor { version: Version { ms: ms & most, seq: seq & most }, id: (id & i64::MAX).max(1) };
            let Some(call) = call(&format!("cursor={cursor}&{more}")) else { return };
            let again = !values(more, &["cursor"]).is_empty();
            let read = call.query::<Cursor>("cursor", "");
            assert_eq!(read.ok(), (!again).then_some(Some(cursor)), "a cursor comes back as it was given, and once");
        }
    }
});

fn call(query: &str) -> Option<Call> {
    let mut request = Request::new(());
    *request.uri_mut() = Uri::try_from(format!("/v1/me/{}?{query}", Kind::ALL[0].count())).ok()?;
    Some(Call::from(request.into_parts().0))
}

/// What a query says under these names, decoded once.
fn values(query: &str, names: &[&str]) -> Vec<Option<String>> {
    let decoded = |text| percent_decode_str(text).decode_utf8().ok().map(String::from);
    let pairs = query.split('#').next().unwrap_or_default().split('&');
    let pairs = pairs.map(|pair| pair.split_once('=').unwrap_or((pair, "")));
    let named = pairs.filter(|(name, _)| decoded(name).is_some_and(|name| names.contains(&name.as_str())));
    named.map(|(_, value)| decoded(value)).collect()
}

fn any(query: &str) {
    let Some(call) = call(query) else { return };
    let only = |name: &str, value: &str| assert_eq!(values(query, &[name]), [Some(value.to_owned())]);
    if let Ok(Some(PageSize(size))) = call.query("limit", "") {
        assert!((1..=100).contains(&size));
        only("limit", &size.to_string());
    }
    if let Ok(Some(Window(window))) = call.query("window", "") {
        assert!(["hour", "day"].contains(&window));
        only("window", window);
    }
    if let Ok(Some(cursor)) = call.query::<Cursor>("cursor", "") {
        assert_eq!(cursor.to_string().parse(), Ok(cursor));
        let most = i64::MAX.cast_unsigned();
        assert!(cursor.version.ms <= most && cursor.version.seq <= most && cursor.id > 0);
    }
    if let Ok(Some(Articles(articles))) = call.list("article_ids", "") {
        assert!((1..=100).contains(&articles.len()));
        let ids = articles.iter().map(ToString::to_string).collect::<Vec<_>>().join(",");
        let sent: Vec<String> = values(query, &["article_ids", "article_ids[]"]).into_iter().flatten().collect();
        let sent: Vec<String> = sent.into_iter().filter(|value| !value.is_empty()).collect();
        assert_eq!(sent.join(","), ids, "the ids are those sent, in their order");
    }
}
