//! `waystation apply`.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use reqwest::Method;
use serde_json::Value;

use super::client::{Body, Client, faults, segment};
use super::journey::{Treatment, inside};
use super::{files, output};

/// Check journey files and put them into use.
#[derive(Args)]
pub(crate) struct Apply {
    /// Journey files, or folders of them.
    #[arg(required = true)]
    paths: Vec<PathBuf>,
    #[command(flatten)]
    treatment: Treatment,
    /// Only tell where those inside would go on; change nothing.
    #[arg(long)]
    preview: bool,
    /// Store the versions and leave those in use.
    #[arg(long, conflicts_with = "preview")]
    draft: bool,
    #[command(flatten)]
    client: Client,
}

impl Apply {
    pub(crate) async fn run(self) -> anyhow::Result<ExitCode> {
        let mut query = vec![format!("draft={}", self.draft), format!("preview={}", self.preview)];
        query.extend(self.treatment.inside.map(|inside| format!("inside={inside}")));
        if !self.treatment.map.is_empty() {
            query.push(format!("map={}", segment(&self.treatment.map.join(","))));
        }
        send(&self.client, &self.paths, &format!("/v1/journeys?{}", query.join("&"))).await
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
                    let state = answer.get("state").and_then(Value::as_str).unwrap_or("live");
                    let what = if address.contains("draft=true") {
                        "is stored".to_owned()
                    } else {
                        format!("is {state}{}", inside(&answer))
                    };
                    output::line(format!("{}: {name} version {version} {what}", file.display()))
                }
                None if answer.get("preview").is_some() => preview(name, &answer),
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

/// Where those inside would go on.
fn preview(journey: &str, answer: &Value) {
    let rows = answer.get("preview").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    if rows.is_empty() {
        output::line(format!("{journey}: nobody is inside"));
    }
    for row in rows {
        let word = |name: &str| row.get(name).and_then(Value::as_str);
        let number = |name: &str| row.get(name).and_then(Value::as_i64).unwrap_or(0);
        let (from, customers) = (word("from").unwrap_or_default(), number("customers"));
        let to = match word("to") {
            Some(to) => format!("move to {to}"),
            None => "do not move".to_owned(),
        };
        output::line(format!("{journey} version {} {from}: {customers} {to}", number("version")));
    }
}
