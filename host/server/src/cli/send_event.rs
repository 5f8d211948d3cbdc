//! `waystation send-event`.

use std::process::ExitCode;

use anyhow::{Context, bail};
use clap::Args;
use reqwest::Method;
use serde_json::{Map, Value, json};

use super::client::{Body, Client};
use super::output;
use crate::random;

/// Send an event.
#[derive(Args)]
pub(crate) struct SendEvent {
    /// Name, such as `order.paid`.
    name: String,
    /// The customer's identifier.
    #[arg(long)]
    customer: String,
    /// The event's identifier, which counts once; a random one if absent.
    #[arg(long)]
    id: Option<String>,
    /// Properties as NAME=VALUE; the value is read as JSON and, if it is not, as text. May be given several times.
    #[arg(long = "property", short, value_name = "NAME=VALUE")]
    properties: Vec<String>,
    #[command(flatten)]
    client: Client,
}

impl SendEvent {
    pub(crate) async fn run(self) -> anyhow::Result<ExitCode> {
        let properties = properties(&self.properties)?;
        let id = match self.id {
            Some(id) => id,
            None => random::hex::<16>()?,
        };
        let event = json!({ "id": id, "name": self.name, "customer": self.customer, "properties": properties });
        let answer = self.client.request(Method::POST, "/v1/events", Body::Json(&event)).await?;
        match answer["results"][0].as_str() {
            Some(result) => output::line(format!("event {id}: {result}")),
            None => bail!("the server answered: {answer}"),
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// Reads properties as NAME=VALUE.
pub(super) fn properties(written: &[String]) -> anyhow::Result<Map<String, Value>> {
    let read = written.iter().map(|property| {
        let (name, text) =
            property.split_once('=').with_context(|| format!("`{property}` is not NAME=VALUE"))?;
        Ok((name.to_owned(), value(text)))
    });
    read.collect()
}

/// A value as JSON or, if it is none, as text.
pub(super) fn value(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|_| Value::String(text.to_owned()))
}
