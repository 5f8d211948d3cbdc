//! A channel that hands messages to an HTTPS endpoint, signed as Standard Webhooks are.

use std::collections::BTreeMap;
use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde::Deserialize;
use serde_json::Value;
use waystation_sdk::channel::{Channel, Message, Receipt, RefusalReason, SendError, Traits};
use waystation_sdk::http::{self, HttpRequest, HttpResponse, Verdict};
use waystation_sdk::{
    Manifest, Permission, Plugin, Problem, clock, export_channel, manifest, secrets,
};

mod body;

/// Requests are signed with this secret.
const SIGNING: &str = "signing-key";

/// How long to wait where the endpoint does not say.
const PAUSE: Duration = Duration::from_secs(60);

/// Header fields that the channel sets itself, or that the transport does; so do those that begin with `webhook-`.
const OWN_HEADERS: [&str; 6] = [
    "connection",
    "content-encoding",
    "content-length",
    "content-type",
    "host",
    "transfer-encoding",
];

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Config {
    url: String,
    /// Kind of address that messages are for.
    address: String,
    #[serde(default = "post")]
    method: String,
    #[serde(default)]
    headers: BTreeMap<String, String>,
    #[serde(default = "contents")]
    contents: Vec<String>,
    #[serde(default)]
    requests: Requests,
    #[serde(default = "max_batch")]
    max_batch: u32,
    dedupe_seconds: Option<u64>,
    #[serde(default)]
    statuses: BTreeMap<String, Verdict>,
}

/// How many requests a batch becomes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Requests {
    /// One for each message.
    #[default]
    Each,
    /// One for all.
    Batch,
}

fn post() -> String {
    "POST".to_owned()
}

fn contents() -> Vec<String> {
    ["text", "card", "email"].map(str::to_owned).into()
}

fn max_batch() -> u32 {
    100
}

struct Webhook(Config);

impl Plugin for Webhook {
    type Config = Config;

    fn manifest() -> Manifest {
        manifest!("Webhook")
            .config_schema(include_str!("../config.schema.json"))
            .needs(Permission::http("", "Hands messages to the endpoint that you configure."))
            .needs(Permission::secret(
                SIGNING,
                "Signs requests, so that they can be told from others'.",
            ))
    }

    fn new(config: Config) -> Result<Self, Problem> {
        http::check_url(&config.url).map_err(|fault| Problem::new("/url", fault))?;
        let reserved = |name: &String| {
            let name = name.to_ascii_lowercase();
            OWN_HEADERS.contains(&name.as_str()) || name.starts_with("webhook-")
        };
        if let Some(name) = config.headers.keys().find(|name| reserved(name)) {
            return Err(Problem::new("/headers", format!("`{name}` is set by the channel itself")));
        }
        Ok(Webhook(config))
    }

    fn check(&self) -> Result<(), Vec<Problem>> {
        match secrets::hmac_sha256(SIGNING, b"") {
            Ok(_) => Ok(()),
            Err(error) => Err(vec![secrets::problem(SIGNING, error)]),
        }
    }
}

impl Channel for Webhook {
    fn traits(&self) -> Traits {
        let contents: Vec<&str> = self.0.contents.iter().map(String::as_str).collect();
        let traits = Traits::new(&self.0.address, &contents).max_batch(self.0.max_batch);
        match self.0.dedupe_seconds {
            Some(seconds) => traits.dedupes_for(Duration::from_secs(seconds)),
            None => traits,
        }
    }

    fn send(&self, messages: Vec<Message>) -> Vec<Result<Receipt, SendError>> {
        let now = clock::now();
        match self.0.requests {
            Requests::Each => self.send_each(&messages, now),
            Requests::Batch => vec![self.send_all(&messages, now); messages.len()],
        }
    }
}

impl Webhook {
    /// A request for each message, all at once. What could not be signed keeps its place among the outcomes.
    fn send_each(&self, messages: &[Message], now: u64) -> Vec<Result<Receipt, SendError>> {
        let written = messages.iter().map(|message| {
            self.signed(&message.key, now / 1000, body::of(&self.0.address, message).to_string())
        });
        let written: Vec<Result<HttpRequest, SendError>> = written.collect();
        let requests: Vec<HttpRequest> =
            written.iter().filter_map(|request| request.clone().ok()).collect();
        let mut answers = http::send_all(&requests).into_iter();
        let mut outcome = |request: Result<HttpRequest, SendError>| {
            request?;
            let answer = answers
                .next()
                .unwrap_or_else(|| Err(http::Error::Interrupted("no answer".to_owned())));
            self.outcome(&answer?, now)
        };
        written.into_iter().map(&mut outcome).collect()
    }

    /// One request for all messages, which share what becomes of it.
    fn send_all(&self, messages: &[Message], now: u64) -> Result<Receipt, SendError> {
        let keys: Vec<&str> = messages.iter().map(|message| message.key.as_str()).collect();
        // Another batch may begin with the same message, so the name is made of them all.
        let digest = secrets::hmac_sha256(SIGNING, keys.join("\n").as_bytes())?;
        let id: String = digest.iter().take(16).map(|byte| format!("{byte:02x}")).collect();
        let body = body::of_all(&self.0.address, messages).to_string();
        let request = self.signed(&format!("batch-{id}"), now / 1000, body)?;
        self.outcome(&http::send(&request)?, now)
            // An identifier in the response would be the batch's, not a message's.
            .map(|receipt| Receipt { provider_id: None, ..receipt })
    }

    fn signed(&self, id: &str, seconds: u64, body: String) -> Result<HttpRequest, SendError> {
        let mac = secrets::hmac_sha256(SIGNING, format!("{id}.{seconds}.{body}").as_bytes())?;
        let mut request = HttpRequest::new(&self.0.method, &self.0.url)
            .with_header("content-type", "application/json")
            .with_header("webhook-id", id)
            .with_header("webhook-timestamp", seconds.to_string())
            .with_header("webhook-signature", format!("v1,{}", BASE64_STANDARD.encode(mac)))
            .with_body(body);
        for (name, value) in &self.0.headers {
            request = request.with_header(name, value);
        }
        Ok(request)
    }

    fn outcome(&self, response: &HttpResponse, now: u64) -> Result<Receipt, SendError> {
        let status = response.status;
        let detail = format!("status {status}: {}", response.excerpt());
        Err(match self.verdict(status) {
            Verdict::Accepted => {
                return Ok(Receipt { provider_id: provider_id(response), ..Receipt::default() });
            }
            Verdict::Refused => {
                let reason = match status {
                    400 | 413 | 415 | 422 => RefusalReason::Content,
                    _ => RefusalReason::Other,
                };
                SendError::refused(reason, detail)
            }
            Verdict::RefusedAccount => SendError::refused(RefusalReason::Account, detail),
            Verdict::Deferred => {
                SendError::deferred(response.retry_after(now).unwrap_or(PAUSE), detail)
            }
            Verdict::Unknown => SendError::unknown(detail),
        })
    }

    /// As configured, else as webhooks mean it: an endpoint that fails has not taken the message. Only a gateway (502, 504)
    /// does not know whether the endpoint has.
    fn verdict(&self, status: u16) -> Verdict {
        let configured = self.0.statuses.get(&status.to_string()).copied();
        configured.unwrap_or(match status {
            502 | 504 => Verdict::Unknown,
            500.. => Verdict::Deferred,
            _ => Verdict::of(status),
        })
    }
}

/// The endpoint's own identifier: `id` of a JSON object, if it answers with one.
fn provider_id(response: &HttpResponse) -> Option<String> {
    match response.json::<Value>().ok()?.get("id")? {
        Value::String(id) if !id.is_empty() => Some(id.clone()),
        Value::Number(id) => Some(id.to_string()),
        _ => None,
    }
}

export_channel!(Webhook);

#[cfg(test)]
mod tests;
