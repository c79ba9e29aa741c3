//! Makes what the component serves: `docs/openapi.yaml` as JSON, and from `docs/problems.md` a page for each section
//! and a page of all. Fails if the two files do not name the same problems. A test of `handler_common` checks that the
//! service answers with exactly these problems.

use std::{
    collections::{BTreeMap, BTreeSet},
    env, fs,
    path::Path,
};

use base64::{Engine, engine::general_purpose::STANDARD};
use pulldown_cmark::{CodeBlockKind, Event, HeadingLevel, Options, Parser, Tag, TagEnd, html};
use sha2::{Digest, Sha256};
use yaml_serde::Value;

/// A section: its heading, and the text below.
type Section<'a> = (String, Vec<Event<'a>>);

fn main() {
    let read = |name: &str| {
        let path = Path::new(&env::var("CARGO_MANIFEST_DIR").expect("cargo sets it")).join(name);
        println!("cargo::rerun-if-changed={}", path.display());
        fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    };
    let (problems, style) = (read("../../docs/problems.md"), read("style.css"));
    let description: Value = yaml_serde::from_str(&read("../../docs/openapi.yaml")).expect("docs/openapi.yaml is YAML");
    let (bodies, sections) = (bodies(&description), sections(&problems));
    let slugs: BTreeSet<&str> = bodies.keys().copied().collect();
    let headings = sections.iter().map(|(slug, _)| slug.as_str()).collect();
    assert_eq!(slugs, headings, "the problems of docs/openapi.yaml, and the sections of docs/problems.md");
    assert_eq!(slugs, paths(&description), "the problems of docs/openapi.yaml, and its /v1/problems/{{slug}}");

    let pages: Vec<(&str, String)> = sections
        .iter()
        .map(|(slug, section)| (slug.as_str(), page(slug, &style, &one(slug, section, bodies[slug.as_str()], &slugs))))
        .collect();
    let list = page("Problems", &style, &all(&problems, &slugs));
    let json = serde_json::to_string(&description).expect("the keys of docs/openapi.yaml are texts");
    let policy = format!(
        "default-src 'none'; style-src 'sha256-{}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
        STANDARD.encode(Sha256::digest(&style))
    );
    let rust = format!(
        "const DESCRIPTION: &str = {json:?};\nconst LIST: &str = {list:?};\nconst POLICY: &str = {policy:?};\n\
         const PAGES: &[(&str, &str)] = &{pages:?};\n"
    );
    let out = Path::new(&env::var("OUT_DIR").expect("cargo sets it")).join("docs.rs");
    fs::write(out, rust).expect("OUT_DIR is writable");
}

/// Returns the body of each problem of the description, by the last part of its `type`.
fn bodies(description: &Value) -> BTreeMap<&str, &Value> {
    let responses = description["components"]["responses"].as_mapping().expect("responses").values();
    let examples = responses.filter_map(|of| of["content"]["application/problem+json"]["examples"].as_mapping());
    let bodies = examples.flat_map(|examples| examples.values().map(|example| &example["value"]));
    bodies
        .map(|body| {
            let slug = body["type"].as_str().and_then(|name| name.strip_prefix("/v1/problems/"));
            (slug.expect("the type of a problem is a path of this service"), body)
        })
        .collect()
}

/// Returns the problems for which the description has pages.
fn paths(description: &Value) -> BTreeSet<&str> {
    let mut parameters = description["paths"]["/v1/problems/{slug}"]["parameters"].as_sequence().expect("one").iter();
    let slug = parameters.find(|parameter| parameter["name"].as_str() == Some("slug")).expect("slug is a parameter");
    slug["schema"]["enum"].as_sequence().expect("all of them").iter().filter_map(Value::as_str).collect()
}

fn parse(text: &str) -> Parser<'_> {
    Parser::new_ext(text, Options::ENABLE_TABLES)
}

/// Returns the text below each heading of the third level.
fn sections(text: &str) -> Vec<Section<'_>> {
    let (mut sections, mut within): (Vec<Section<'_>>, bool) = (vec![], false);
    let mut events = parse(text);
    while let Some(event) = events.next() {
        if let Event::Start(Tag::Heading { level, .. }) = event {
            within = level == HeadingLevel::H3;
            // Up to the end of the heading.
            let words = events.by_ref().map_while(|event| match event {
                Event::Text(text) => Some(text.into_string()),
                _ => None,
            });
            let heading = words.collect();
            if within {
                sections.push((heading, vec![]));
            }
        } else if let Some((_, section)) = sections.last_mut()
            && within
        {
            section.push(event);
        }
    }
    sections
}

/// Returns the content of a problem's own page: its title, its section and its body.
fn one(slug: &str, section: &[Event<'_>], body: &Value, slugs: &BTreeSet<&str>) -> String {
    let title = body["title"].as_str().expect("a problem has a title");
    let json = serde_json::to_string_pretty(body).expect("a body's keys are texts");
    let code = CodeBlockKind::Fenced("json".into());
    let example = [Event::Start(Tag::CodeBlock(code)), Event::Text(json.into()), Event::End(TagEnd::CodeBlock)];
    let mut content = format!(
        "<p><a href=\"/v1/problems\">Problems</a></p>\n<h1><code>{slug}</code></h1>\n\
         <p><strong>{title}</strong></p>\n"
    );
    html::push_html(&mut content, served(section.iter().cloned(), slugs));
    content += "<p>For instance:</p>\n";
    html::push_html(&mut content, example.into_iter());
    content
}

/// Returns the content of the page of all problems: the whole text, with each problem's name as a link to its own page.
fn all(text: &str, slugs: &BTreeSet<&str>) -> String {
    let mut heading = false;
    let events = parse(text).map(|event| {
        match event {
            Event::Start(Tag::Heading { level, .. }) => heading = level == HeadingLevel::H3,
            Event::End(TagEnd::Heading(_)) => heading = false,
            _ => {}
        }
        match event {
            Event::Text(slug) if heading => Event::Code(slug),
            other => other,
        }
    });
    let mut content = String::new();
    html::push_html(&mut content, served(events, slugs));
    content
}

/// Adapts a text to the service: a problem's name becomes a link to its page, and a link to another document of the
/// repository becomes plain emphasis.
fn served<'a>(events: impl Iterator<Item = Event<'a>>, slugs: &BTreeSet<&str>) -> impl Iterator<Item = Event<'a>> {
    let mut elsewhere = false;
    events.map(move |event| match event {
        Event::Code(slug) if slugs.contains(&*slug) => {
            Event::InlineHtml(format!("<a href=\"/v1/problems/{slug}\"><code>{slug}</code></a>").into())
        }
        Event::Start(Tag::Link { dest_url, .. }) if !dest_url.starts_with("https:") => {
            elsewhere = true;
            Event::Start(Tag::Emphasis)
        }
        Event::End(TagEnd::Link) if elsewhere => {
            elsewhere = false;
            Event::End(TagEnd::Emphasis)
        }
        other => other,
    })
}

fn page(title: &str, style: &str, content: &str) -> String {
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <title>{title}: interaction service</title>\n<style>{style}</style>\n<main>\n{content}</main>\n</html>\n"
    )
}
