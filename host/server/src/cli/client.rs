//! How commands reach a server.

use anyhow::{Context, bail};
use clap::Args;
use reqwest::{Method, StatusCode};
use serde_json::Value;

/// Which server, and how to get in.
#[derive(Args, Clone)]
pub(crate) struct Client {
    /// The server's address.
    #[arg(long, env = "WAYSTATION_SERVER", default_value = "http://127.0.0.1:7420")]
    pub(crate) server: String,
    /// The token that was shown when the server first started.
    #[arg(long, env = "WAYSTATION_TOKEN", hide_env_values = true, default_value = "")]
    pub(crate) token: String,
}

/// A request's body.
pub(crate) enum Body<'a> {
    None,
    Json(&'a Value),
    Bytes(&'static str, Vec<u8>),
    /// Bytes with their type and the signature that goes along.
    Signed(&'static str, Vec<u8>, String),
}

/// A name as one segment of a path, whatever is in it.
pub(crate) fn segment(name: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~@".contains(&byte);
    name.bytes().fold(String::new(), |mut text, byte| {
        if plain(byte) {
            text.push(char::from(byte));
        } else {
            text.push_str(&format!("%{byte:02X}"));
        }
        text
    })
}

impl Client {
    /// Sends a request and reads the answer as JSON; an empty answer is `null`.
    ///
    /// An error carries what the server says is wrong, fault by fault.
    pub(crate) async fn request(
        &self,
        method: Method,
        path: &str,
        body: Body<'_>,
    ) -> anyhow::Result<Value> {
        let (status, answer) = self.exchange(method, path, body).await?;
        if status.is_success() { Ok(answer) } else { bail!("{}", describe(status, &answer)) }
    }

    /// Sends a request and gives back status and answer, whatever they are.
    pub(crate) async fn exchange(
        &self,
        method: Method,
        path: &str,
        body: Body<'_>,
    ) -> anyhow::Result<(StatusCode, Value)> {
        let url = format!("{}{path}", self.server.trim_end_matches('/'));
        let http =
            reqwest::Client::builder().timeout(std::time::Duration::from_secs(120)).build()?;
        let mut request = http.request(method, &url).bearer_auth(&self.token);
        request = match body {
            Body::None => request,
            Body::Json(value) => request.json(value),
            Body::Bytes(kind, bytes) => request.header("content-type", kind).body(bytes),
            Body::Signed(kind, bytes, signature) => request
                .header("content-type", kind)
                .header("waystation-signature", signature)
                .body(bytes),
        };
        let response = request.send().await.with_context(|| {
            format!("cannot reach {url}; is the server running there? (--server or WAYSTATION_SERVER names another)")
        })?;
        let status = response.status();
        let text =
            response.text().await.with_context(|| format!("the answer from {url} broke off"))?;
        let answer = if text.is_empty() {
            Value::Null
        } else {
            serde_json::from_str(&text).unwrap_or(Value::String(text))
        };
        Ok((status, answer))
    }
}

fn describe(status: StatusCode, answer: &Value) -> String {
    let faults = faults(answer);
    if faults.len() > 1 {
        return faults.join("\n");
    }
    match answer.get("detail").and_then(Value::as_str) {
        Some(detail) => detail.to_owned(),
        None => format!("the server answered {status}: {answer}"),
    }
}

/// The faults of a problem document, one line each.
pub(crate) fn faults(answer: &Value) -> Vec<String> {
    let faults = answer.get("faults").or_else(|| answer.get("warnings")).and_then(Value::as_array);
    let word = |fault: &Value, name: &str| {
        fault.get(name).and_then(Value::as_str).unwrap_or_default().to_owned()
    };
    faults
        .into_iter()
        .flatten()
        .map(|fault| format!("{}: {}", word(fault, "at"), word(fault, "message")))
        .collect()
}
