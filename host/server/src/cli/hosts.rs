//! `waystation hosts`.

use std::process::ExitCode;

use clap::Args;
use reqwest::Method;
use serde_json::Value;

use super::client::{Body, Client};
use super::output;

/// See which hosts share the database, and how many of the 64 shards of customers each works for.
#[derive(Args)]
pub(crate) struct Hosts {
    #[command(flatten)]
    client: Client,
}

impl Hosts {
    pub(crate) async fn run(self) -> anyhow::Result<ExitCode> {
        let rows = self.client.request(Method::GET, "/v1/hosts", Body::None).await?;
        for row in rows.as_array().into_iter().flatten() {
            let number = |name: &str| row.get(name).and_then(Value::as_i64).unwrap_or_default();
            output::line(format!(
                "{} epoch {} shards {} configuration {}",
                row.get("name").and_then(Value::as_str).unwrap_or("-"),
                number("epoch"),
                number("shards"),
                number("configuration"),
            ));
        }
        Ok(ExitCode::SUCCESS)
    }
}
