//! The least a component can do: a fixed answer, and no store. Its throughput is the platform's floor, which that of the
//! other components is compared with.

use http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use spin_sdk::http::{IntoResponse, Request, Result};
use spin_sdk::wasip3::http::types;
use spin_sdk::{http_service, wit_bindgen};

const BODY: &str = r#"{"hello":"world"}"#;

#[http_service]
async fn hello(_: Request) -> Result<types::Response> {
    let response = http::Response::builder()
        .header(CONTENT_TYPE, "application/json")
        .header(CONTENT_LENGTH, BODY.len())
        .body(BODY.to_owned())?
        .into_response()?;
    // The SDK writes the body in a task of its own. Letting that task begin here keeps headers and body in one segment; a
    // body that follows alone waits for the client's delayed acknowledgement.
    wit_bindgen::yield_async().await;
    Ok(response)
}
