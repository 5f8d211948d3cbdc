//! `waystation apply`.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use reqwest::Method;
use serde_json::Value;

use super::client::{Body, Client, faults};
use super::{files, output};

/// Check journey files and put them into use.
#[derive(Args)]
pub(crate) struct Apply {
    /// Journey files, or folders of them.
    #[arg(required = true)]
    paths: Vec<PathBuf>,
    #[command(flatten)]
    client: Client,
}

impl Apply {
    pub(crate) async fn run(self) -> anyhow::Result<ExitCode> {
        send(&self.client, &self.paths, "/v1/journeys").await
    }
}

/// Sends each file and says what came of it. All files are tried; any error makes the command fail.
pub(crate) async fn send(
    client: &Client,
    paths: &[PathBuf],
    address: &str,
) -> anyhow::Result<ExitCode> {
    send_as(client, paths, address, "journey").await
}

/// The same for files of another kind, whose name the answer gives under that word.
pub(crate) async fn send_as(
    client: &Client,
    paths: &[PathBuf],
    address: &str,
    kind: &str,
) -> anyhow::Result<ExitCode> {
    let done = if address.ends_with("check=true") { "is valid" } else { "is in use" };
    let mut code = ExitCode::SUCCESS;
    for file in files::expand(paths)? {
        let source = files::read(&file)?;
        let body = Body::Bytes("application/yaml", source.into_bytes());
        let (status, answer) = client.exchange(Method::POST, address, body).await?;
        for fault in faults(&answer) {
            output::line(format!("{}:{fault}", file.display()));
        }
        if status.is_success() {
            let name = answer.get(kind).and_then(Value::as_str).unwrap_or_default();
            match answer.get("version").and_then(Value::as_i64) {
                Some(version) => {
                    output::line(format!("{}: {name} version {version} is live", file.display()))
                }
                None => output::line(format!("{}: {name} {done}", file.display())),
            }
        } else {
            code = ExitCode::FAILURE;
            if faults(&answer).is_empty() {
                let detail = answer.get("detail").and_then(Value::as_str).unwrap_or_default();
                output::line(format!("{}: the server answered {status}: {detail}", file.display()));
            }
        }
    }
    Ok(code)
}
