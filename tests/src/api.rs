use anyhow::{Result, ensure};
use contract::Kind;
use reqwest::{Client, Method, StatusCode};
use serde_json::Value;

use crate::{
    Answer, description,
    site::{self, Caller},
};

/// What a browser calls itself. The views of programs are not counted.
pub const BROWSER: &str = "Mozilla/5.0 (X11; Linux x86_64; rv:143.0) Gecko/20100101 Firefox/143.0";

/// The service, as a client sees it.
#[derive(Clone)]
pub struct Api {
    client: Client,
    base: String,
}

/// A request on its way.
pub struct Ask(reqwest::RequestBuilder);

impl Api {
    /// Over keep-alive connections to that address, without cookies, by a browser of a person.
    #[must_use]
    pub fn new(base: String) -> Self {
        let client = Client::builder()
            .user_agent(BROWSER)
            .tcp_nodelay(true)
            .build()
            .expect("a client without TLS always builds");
        Self { client, base }
    }

    /// A request by that method.
    #[must_use]
    pub fn ask(&self, method: Method, path: &str) -> Ask {
        Ask(self.client.request(method, format!("{}{path}", self.base)))
    }

    /// GET
    #[must_use]
    pub fn get(&self, path: &str) -> Ask {
        self.ask(Method::GET, path)
    }

    /// PUT
    #[must_use]
    pub fn put(&self, path: &str) -> Ask {
        self.ask(Method::PUT, path)
    }

    /// DELETE
    #[must_use]
    pub fn delete(&self, path: &str) -> Ask {
        self.ask(Method::DELETE, path)
    }

    /// POST
    #[must_use]
    pub fn post(&self, path: &str) -> Ask {
        self.ask(Method::POST, path)
    }

    /// PUT or DELETE of a kind.
    #[must_use]
    pub fn switch(&self, kind: Kind, article: i64, on: bool) -> Ask {
        self.ask(
            if on { Method::PUT } else { Method::DELETE },
            &format!("/v1/articles/{}/{kind}", site::segment(&site::article(article).to_string())),
        )
    }
}

impl Ask {
    /// As a signed-in user.
    #[must_use]
    pub fn user(self, user: impl Caller) -> Self {
        self.header("authorization", &format!("Bearer {}", stack::token(&user.subject())))
    }

    /// With a header.
    #[must_use]
    pub fn header(self, name: &str, value: &str) -> Self {
        Self(self.0.header(name, value))
    }

    /// With a body as it is.
    #[must_use]
    pub fn body(self, body: impl Into<reqwest::Body>) -> Self {
        Self(self.0.body(body))
    }

    /// The answer, whatever it is.
    ///
    /// # Panics
    /// If the description of the interface has no such answer: a client that repeats what failed must not hide it.
    pub async fn send(self) -> Result<Answer> {
        let (client, request) = self.0.build_split();
        let request = request?;
        let (method, path) = (request.method().clone(), request.url().path().to_owned());
        let answer = client.execute(request).await?;
        let (status, headers) = (answer.status(), answer.headers().clone());
        let text = answer.text().await?;
        let mut answer = Answer { status, headers, body: Value::Null };
        if answer.media_type().ends_with("json") && !text.is_empty() {
            answer.body = serde_json::from_str(&text)?;
        } else if !text.is_empty() {
            answer.body = Value::String(text);
        }
        description::check(&method, &path, &answer)
            .unwrap_or_else(|error| panic!("docs/openapi.yaml: {method} {path}: {error:#}\n{answer:?}"));
        Ok(answer)
    }

    /// The body of a 200; any other answer is an error that shows it.
    pub async fn good(self) -> Result<Value> {
        let answer = self.send().await?;
        ensure!(answer.status == StatusCode::OK, "{} {}", answer.status, answer.body);
        Ok(answer.body)
    }
}
