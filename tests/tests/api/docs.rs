//! What the service says of itself: the description, and the pages that the `type` of a problem leads to.

use std::collections::BTreeSet;

use anyhow::{Context, Result, ensure};
use base64::{Engine, engine::general_purpose::STANDARD};
use reqwest::Method;
use serde_json::Value;
use sha2::{Digest, Sha256};
use tests::{Answer, Api};

use crate::on_system;

const KEPT: &str = "public, max-age=3600";

/// A page, and where its links within the service lead.
async fn page(api: &Api, path: &str) -> Result<(String, BTreeSet<String>)> {
    let answer = api.get(path).send().await?;
    ensure!(answer.status == 200, "{path}: {answer:?}");
    assert_eq!(answer.header("content-type"), "text/html; charset=utf-8", "{path}");
    assert_eq!(answer.header("cache-control"), KEPT, "{path}");
    let html = answer.body.as_str().context("a page is a text")?.to_owned();
    let links = html.split("<a href=\"").skip(1).filter_map(|rest| rest.split('"').next()).map(str::to_owned);
    let (ours, others): (BTreeSet<_>, BTreeSet<_>) = links.partition(|link| link.starts_with("/v1/problems"));
    assert!(others.iter().all(|link| link.starts_with("https://www.rfc-editor.org/")), "{path}: {others:?}");
    Ok((html, ours))
}

#[test]
fn the_description_is_served_as_it_is() -> Result<()> {
    on_system(async |api, _| {
        let written: Value = yaml_serde::from_str(include_str!("../../../docs/openapi.yaml"))?;
        let served = api.get("/v1/openapi.json").send().await?;
        assert_eq!(served.body, written);
        assert_eq!((served.header("content-type"), served.header("cache-control")), ("application/json", KEPT));
        let length = |answer: &Answer| answer.header("content-length").parse::<usize>();
        assert_eq!(length(&served)?, written.to_string().len(), "no blank is sent");
        let head = api.ask(Method::HEAD, "/v1/openapi.json").send().await?;
        assert_eq!((head.status.as_u16(), &head.body, length(&head)?), (200, &Value::Null, length(&served)?));
        Ok(())
    })
}

#[test]
fn the_type_of_every_problem_leads_to_a_page_about_it() -> Result<()> {
    on_system(async |api, _| {
        let (_, mut listed) = page(&api, "/v1/problems").await?;
        let description = api.get("/v1/openapi.json").good().await?;
        let parameters = description["paths"]["/v1/problems/{slug}"]["parameters"].as_array().context("parameters")?;
        let slug = parameters.iter().find(|parameter| parameter["name"] == "slug").context("slug")?;
        let slugs = slug["schema"]["enum"].as_array().context("all that there are")?.iter().filter_map(Value::as_str);
        for slug in slugs {
            let path = format!("/v1/problems/{slug}");
            let (html, links) = page(&api, &path).await?;
            assert!(html.contains(&format!("<h1><code>{slug}</code></h1>")) && html.contains(&path), "{html}");
            assert!(listed.remove(&path), "{path} is not in the list");
            for link in links {
                page(&api, &link).await.with_context(|| format!("{path} leads to {link}"))?;
            }
        }
        assert!(listed.is_empty(), "{listed:?}");
        let unknown = api.get("/v1/problems/none").send().await?;
        assert_eq!((unknown.status.as_u16(), unknown.header("cache-control")), (404, "no-store"));
        Ok(())
    })
}

#[test]
fn a_page_permits_its_own_style_and_nothing_else() -> Result<()> {
    on_system(async |api, _| {
        for path in ["/v1/problems", "/v1/problems/held"] {
            let answer = api.get(path).send().await?;
            let html = answer.body.as_str().context("a page")?;
            let style = html.split_once("<style>").and_then(|(_, rest)| rest.split_once("</style>"));
            let hash = STANDARD.encode(Sha256::digest(style.context("a style")?.0));
            let policy = answer.header("content-security-policy");
            assert!(policy.starts_with(&format!("default-src 'none'; style-src 'sha256-{hash}';")), "{policy}");
        }
        Ok(())
    })
}

#[test]
fn the_documentation_asks_nobody_who_they_are() -> Result<()> {
    on_system(async |api, _| {
        for path in ["/v1/openapi.json", "/v1/problems", "/v1/problems/held", "/v1/problems/held/"] {
            let answer = api.get(path).header("authorization", "Bearer none").send().await?;
            assert_eq!(answer.status, 200, "{path}");
        }
        Ok(())
    })
}
