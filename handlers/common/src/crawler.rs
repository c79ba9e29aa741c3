//! Recognises requests whose answer no person sees: a crawler's, and those that a browser makes ahead of its user.

use std::sync::LazyLock;

use crate::Headers;

/// Words that most crawlers have in their User-Agent, in any case of letters. Together with the list, they take 11 of
/// 19,897 browsers for crawlers, all of one maker, and find 87 % of 6,001 crawlers (the samples of the crate `iscrawl`
/// 1.2.1).
const WORDS: [&[u8]; 10] =
    [b"bot", b"crawl", b"curl", b"fetch", b"http", b"monitor", b"preview", b"scrape", b"spider", b"wget"];

/// A maker of phones, whose name contains `bot`.
const CUBOT: &[u8] = b"cubot";

/// Texts by which other crawlers are recognised (`dev/crawlers` makes the file). The texts are sorted. None contains
/// another, so at most one of them can begin at any place.
static LISTED: LazyLock<Vec<&str>> = LazyLock::new(|| include_str!("crawlers.txt").lines().collect());

/// Whether no person sees the answer to a request. A signed-in user is no crawler, whatever the program is. But no user
/// sees a page that the browser has only prepared.
#[must_use]
pub fn is_unseen(headers: &dyn Headers, signed_in: bool) -> bool {
    is_ahead(headers) || !signed_in && is_crawler(&headers.first("user-agent").unwrap_or_default())
}

/// Whether the browser says that it only prepares for what its user may do next. The standard is `Sec-Purpose` with
/// `prefetch;prerender` (<https://wicg.github.io/nav-speculation/prefetch.html>); the other headers are older.
fn is_ahead(headers: &dyn Headers) -> bool {
    ["sec-purpose", "purpose", "x-purpose", "x-moz"].iter().any(|name| {
        let values = headers.texts(name);
        let mut words = values.iter().flat_map(|value| value.split([';', ',', ' ']));
        words.any(|word| ["prefetch", "prerender", "preview", "instant"].iter().any(|it| word.eq_ignore_ascii_case(it)))
    })
}

/// Whether a User-Agent is that of a program that acts by itself. A request without a User-Agent comes from such a
/// program, because every browser sends one.
fn is_crawler(agent: &[u8]) -> bool {
    let is = |rest: &[u8], word: &[u8]| rest.get(..word.len()).is_some_and(|start| start.eq_ignore_ascii_case(word));
    let mut skipped = 0;
    agent.trim_ascii().is_empty()
        || (0..agent.len()).any(|at| {
            let rest = &agent[at..];
            if is(rest, CUBOT) {
                skipped = at + CUBOT.len();
            }
            at >= skipped && WORDS.iter().any(|word| is(rest, word)) || listed(rest)
        })
}

/// Whether `rest` begins with a text of the list. That can only be the last text that does not sort after `rest`.
fn listed(rest: &[u8]) -> bool {
    let after = LISTED.partition_point(|text| text.as_bytes() <= rest);
    after.checked_sub(1).is_some_and(|last| rest.starts_with(LISTED[last].as_bytes()))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn crawlers_are_known_by_their_user_agents() {
        for agent in [
            "",
            " ",
            "curl/8.14.1",
            "Wget/1.25.0",
            "python-requests/2.32.5",
            "Go-http-client/2.0",
            "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)",
            "Mozilla/5.0 (Linux; Android 6.0.1; Nexus 5X Build/MMB29P) AppleWebKit/537.36 (KHTML, like Gecko) \
             Chrome/141.0.0.0 Mobile Safari/537.36 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)",
            "Mozilla/5.0 (compatible; bingbot/2.0; +http://www.bing.com/bingbot.htm)",
            "Mozilla/5.0 (compatible; YandexBot/3.0; +http://yandex.com/bots)",
            "Mozilla/5.0 AppleWebKit/537.36 (KHTML, like Gecko; compatible; GPTBot/1.2; +https://openai.com/gptbot)",
            "Mozilla/5.0 AppleWebKit/537.36 (KHTML, like Gecko); compatible; ChatGPT-User/1.0; +https://openai.com/bot",
            "facebookexternalhit/1.1 (+http://www.facebook.com/externalhit_uatext.php)",
            "WhatsApp/2.23.20.0",
            "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) HeadlessChrome/141.0.0.0 Safari/537.36",
            "Mozilla/5.0 (Linux; Android 11; moto g power) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0.0.0 \
             Mobile Safari/537.36 Chrome-Lighthouse",
            "Mediapartners-Google",
            "ia_archiver",
        ] {
            assert!(is_crawler(agent.as_bytes()), "{agent}");
        }
    }

    #[test]
    fn browsers_and_apps_of_people_are_none() {
        for agent in [
            "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0.0.0 Safari/537.36",
            "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0.0.0 \
             Safari/537.36 Edg/141.0.0.0",
            "Mozilla/5.0 (X11; Linux x86_64; rv:143.0) Gecko/20100101 Firefox/143.0",
            "Mozilla/5.0 (iPhone; CPU iPhone OS 18_6 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/26.0 \
             Mobile/15E148 Safari/604.1",
            "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/26.0 Safari/605.1.15",
            "Mozilla/5.0 (Linux; Android 13; CUBOT P80 Build/TP1A; wv) AppleWebKit/537.36 (KHTML, like Gecko) Version/4.0 \
             Chrome/141.0.0.0 Mobile Safari/537.36",
            "Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) SamsungBrowser/28.0 Chrome/130.0.0.0 \
             Mobile Safari/537.36",
            "Mozilla/5.0 (Linux; U; Android 15; zh-CN; PJZ110 Build/AP3A.240617.008) AppleWebKit/537.36 (KHTML, like Gecko) \
             Version/4.0 Chrome/123.0.6312.80 UCBrowser/18.1.2.1438 Mobile Safari/537.36",
            "Mozilla/5.0 (iPhone; CPU iPhone OS 18_6 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Mobile/15E148 \
             [FBAN/FBIOS;FBAV/530.0.0.0;FBBV/1;FBDV/iPhone14,5;FBMD/iPhone;FBSN/iOS;FBSV/18.6;FBSS/3;FBCR/;FBID/phone]",
            "Mozilla/5.0 (iPhone; CPU iPhone OS 18_6 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) GSA/385.0 \
             Mobile/15E148 Safari/604.1",
            "Opera/9.80 (Android; Opera Mini/90.0.2254/191.249; U; en) Presto/2.12.423 Version/12.16",
            "ExampleNews/7.2 (iPhone; iOS 18.6)",
            "Mozilla/5.0",
        ] {
            assert!(!is_crawler(agent.as_bytes()), "{agent}");
        }
    }

    #[test]
    fn a_signed_in_user_is_no_crawler_and_nobody_looks_at_what_a_browser_prepares() {
        let unseen = |headers: &[(&'static str, &'static str)], signed_in| {
            let headers = headers.iter().map(|(name, value)| (name.parse().expect(name), value.parse().expect(value)));
            is_unseen(&headers.collect::<http::HeaderMap>(), signed_in)
        };
        let person = ("user-agent", "Mozilla/5.0 (X11; Linux x86_64; rv:143.0) Gecko/20100101 Firefox/143.0");
        assert!(unseen(&[], false) && !unseen(&[], true));
        assert!(unseen(&[("user-agent", "curl/8.14.1")], false) && !unseen(&[("user-agent", "curl/8.14.1")], true));
        assert!(!unseen(&[person], false) && !unseen(&[person], true));
        for ahead in [
            ("sec-purpose", "prefetch"),
            ("sec-purpose", "prefetch;prerender"),
            ("sec-purpose", "prefetch;anonymous-client-ip"),
            ("sec-purpose", "prerender"),
            ("purpose", "prefetch"),
            ("x-purpose", "preview"),
            ("x-moz", "Prefetch"),
        ] {
            assert!(unseen(&[person, ahead], false) && unseen(&[person, ahead], true), "{ahead:?}");
        }
        assert!(!unseen(&[person, ("sec-purpose", "navigate"), ("purpose", "")], false));
    }

    #[test]
    fn the_list_is_in_order_and_none_of_it_has_another_or_a_word_within() {
        assert!(LISTED.len() > 100 && LISTED.is_sorted());
        for (place, text) in LISTED.iter().enumerate() {
            assert!(is_crawler(text.as_bytes()), "{text}");
            assert!(LISTED.iter().enumerate().all(|(other, it)| other == place || !text.contains(it)), "{text}");
            let lower = text.to_ascii_lowercase();
            assert!(WORDS.iter().all(|word| !lower.contains(str::from_utf8(word).expect("ASCII"))), "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_searched_wholly(before in "[ -~]{0,40}", place: prop::sample::Index, after in "\\PC{0,40}") {
            let text = LISTED[place.index(LISTED.len())];
            let agent = format!("{before}{text}{after}");
            prop_assert!(is_crawler(agent.as_bytes()), "{}", agent);
        }
    }
}
