use anyhow::Result;
use contract::{Kind, Truth};
use reqwest::Method;
use serde_json::json;
use tests::health_routes;

use crate::{on_system, pod::pod};

/// A route of each sort, and the methods it takes.
fn routes() -> impl Iterator<Item = (String, &'static str)> {
    let fixed = [
        ("/v1/articles/3001/views", "POST"),
        ("/v1/articles/3001/reads", "POST"),
        ("/v1/articles/3001/interactions", "GET"),
        ("/v1/articles/3001/history", "GET"),
        ("/v1/interactions", "GET"),
        ("/v1/interactions/totals", "GET"),
    ];
    let of_kinds = Kind::ALL.iter().flat_map(|kind| {
        let (count, listed) = (kind.count(), kind.listed().map(|list| (format!("/v1/articles/3001/{list}"), "GET")));
        let all = [
            (format!("/v1/articles/3001/{kind}"), "PUT, DELETE"),
            (format!("/v1/me/{count}"), "GET"),
            (format!("/v1/top/{count}"), "GET"),
        ];
        all.into_iter().chain(listed)
    });
    fixed.map(|(path, allow)| (path.to_owned(), allow)).into_iter().chain(of_kinds)
}

#[test]
fn every_answer_says_its_length_and_is_not_kept_unless_it_is_the_same_for_everybody() -> Result<()> {
    on_system(async |api, _| {
        for (path, _) in routes() {
            for method in [Method::GET, Method::PUT, Method::POST, Method::PATCH] {
                let answer = api.ask(method.clone(), &path).send().await?;
                let length: usize = answer.header("content-length").parse()?;
                assert!(length > 0, "{method} {path}");
                if is_of_everybody(&path) && answer.status == 200 {
                    assert_eq!(answer.header("cache-control"), KEPT, "{method} {path}");
                    continue;
                }
                assert_eq!(answer.header("cache-control"), "no-store", "{method} {path}");
                assert_eq!(answer.header("vary"), "Origin", "{method} {path}");
            }
        }
        Ok(())
    })
}

/// What is answered without a token, as `spin.toml` has it.
const KEPT: &str = "public, max-age=1, stale-while-revalidate=5";

/// The counters of articles, and their history.
fn is_of_everybody(path: &str) -> bool {
    path.contains("/interactions") || path.ends_with("/history")
}

#[test]
fn counters_that_everybody_gets_may_be_kept_for_a_second_and_are_not_sent_twice() -> Result<()> {
    on_system(async |api, _| {
        for path in [
            "/v1/articles/7801/interactions",
            "/v1/interactions?article_ids=7801,7802",
            "/v1/interactions/totals?article_ids=7801",
        ] {
            let first = api.get(path).send().await?;
            assert_eq!((first.status.as_u16(), first.header("cache-control")), (200, KEPT), "{path}");
            let varies: Vec<&str> =
                first.headers.get_all("vary").iter().filter_map(|value| value.to_str().ok()).collect();
            assert!(varies.contains(&"Authorization") && varies.contains(&"Origin"), "{varies:?}");
            let tag = first.header("etag").to_owned();
            let again = api.get(path).header("if-none-match", &tag).send().await?;
            assert_eq!(
                (again.status.as_u16(), again.header("etag"), again.header("cache-control")),
                (304, &*tag, KEPT)
            );
            // A caller is answered for itself.
            let own = api.get(path).user(7801).header("if-none-match", &tag).send().await?;
            assert_eq!((own.status.as_u16(), own.header("cache-control"), own.header("etag")), (200, "no-store", ""));
        }
        for user in 7803..7806 {
            let tag = api.get("/v1/articles/7801/interactions").send().await?.header("etag").to_owned();
            for kind in Kind::of(Truth::Redis) {
                api.switch(kind, 7801, true).user(user).good().await?;
            }
            let after = api.get("/v1/articles/7801/interactions").header("if-none-match", &tag).send().await?;
            assert_eq!(after.status, 200, "the counters have changed");
        }
        Ok(())
    })
}

#[test]
fn a_preflight_from_a_listed_origin_is_answered() -> Result<()> {
    on_system(async |api, _| {
        for (path, allow) in routes() {
            let ask = api.ask(Method::OPTIONS, &path).header("access-control-request-method", "PUT");
            let answer = ask.header("origin", "https://m.example.com").send().await?;
            assert_eq!((answer.status.as_u16(), answer.header("allow")), (204, allow), "{path}");
            assert_eq!(answer.header("access-control-allow-origin"), "https://m.example.com");
            assert_eq!(answer.header("access-control-allow-credentials"), "true");
            assert_eq!(answer.header("access-control-allow-methods"), "PUT, DELETE, POST");
            assert_eq!(answer.header("access-control-allow-headers"), "Authorization, Content-Type, X-Request-Id");
        }
        Ok(())
    })
}

#[test]
fn a_preflight_is_allowed_the_headers_of_the_pages_libraries() -> Result<()> {
    on_system(async |api, _| {
        let asked = "authorization,baggage,sentry-trace,traceparent,x-request-id";
        for origin in ["https://www.example.com", "https://pr-7.web.preview.example.org"] {
            let ask = api.ask(Method::OPTIONS, "/v1/articles/3001/views").header("origin", origin);
            let ask = ask.header("access-control-request-method", "POST");
            let answer = ask.header("access-control-request-headers", asked).send().await?;
            assert_eq!((answer.status.as_u16(), answer.header("access-control-allow-origin")), (204, origin));
            assert_eq!(answer.header("access-control-allow-headers"), asked.replace(',', ", "));
            assert_eq!(answer.header("vary"), "Origin, Access-Control-Request-Headers");
        }
        for origin in
            ["https://preview.example.org", "https://evil-preview.example.org", "http://a.preview.example.org"]
        {
            let ask = api.ask(Method::OPTIONS, "/v1/articles/3001/views").header("origin", origin);
            let answer = ask.header("access-control-request-headers", asked).send().await?;
            for header in ["access-control-allow-origin", "access-control-allow-headers"] {
                assert_eq!(answer.header(header), "", "{origin}");
            }
        }
        Ok(())
    })
}

#[test]
fn an_origin_that_can_never_match_is_refused_by_name() -> Result<()> {
    on_system(async |_, stack| {
        let (app, api) = pod(stack, "origins", &[("cors_origins", "https://a.example,https://b.example/")]).await?;
        let refused = api.get("/healthz/queries").send().await?;
        assert_eq!((refused.status.as_u16(), &refused.body["type"]), (503, &json!("/v1/problems/misconfigured")));
        let log = std::fs::read_to_string(app.log())?;
        assert!(log.contains("variable cors_origins: https://b.example/: browsers send no slash at the end"), "{log}");
        Ok(())
    })
}

#[test]
fn a_page_of_a_listed_origin_may_read_errors_too_and_no_other_may() -> Result<()> {
    on_system(async |api, _| {
        for kind in Kind::ALL.iter().copied() {
            let ask = |origin| api.switch(kind, 3001, true).header("origin", origin).send();
            let answer = ask("https://www.example.com").await?;
            assert_eq!(
                (answer.status.as_u16(), answer.header("access-control-allow-origin")),
                (401, "https://www.example.com")
            );
            let exposed = "Retry-After, RateLimit, RateLimit-Policy, X-Request-Id";
            assert_eq!(answer.header("access-control-expose-headers"), exposed);
            for other in
                ["https://evil.example", "https://www.example.com.evil.example", "null", "http://www.example.com"]
            {
                assert_eq!(ask(other).await?.header("access-control-allow-origin"), "", "{other}");
            }
        }
        Ok(())
    })
}

#[test]
fn a_request_id_is_taken_or_made() -> Result<()> {
    on_system(async |api, _| {
        let ask = || api.get("/v1/articles/3001/interactions");
        assert_eq!(ask().header("x-request-id", "my-id.1").send().await?.header("x-request-id"), "my-id.1");
        let (one, two) = (ask().send().await?, ask().header("x-request-id", "not plain").send().await?);
        let (one, two) = (one.header("x-request-id"), two.header("x-request-id"));
        assert!(one.len() == 32 && two.len() == 32 && one != two, "{one} {two}");
        Ok(())
    })
}

#[test]
fn health_needs_nothing_and_readiness_names_the_stores() -> Result<()> {
    on_system(async |api, _| {
        for route in health_routes() {
            assert_eq!(api.get(route).send().await?.status, 200, "{route}");
        }
        let ready = api.get("/readyz").good().await?;
        assert_eq!(ready, serde_json::json!({"redis": "ok", "mysql": "ok", "warm_partitions": 128}));
        Ok(())
    })
}
