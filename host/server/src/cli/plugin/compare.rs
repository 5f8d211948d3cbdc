//! `waystation plugin compare`.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use clap::Args;
use reqwest::Method;
use serde_json::Value;

use super::super::client::{Body, Client, segment};
use super::super::output;

/// What ends the command where a difference was found; errors end it with 1 too, and say so.
const DIFFERENT: u8 = 1;
/// Characters that are shown of one side of a difference.
const SHOWN: usize = 400;

/// Run a connection's recorded calls through a candidate, with the outside stubbed, and print what would be different. Ends
/// with status 0 if nothing would be, with 1 if something would.
#[derive(Args)]
pub(crate) struct Compare {
    /// The connection.
    connection: String,
    /// The candidate's component.
    candidate: PathBuf,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
    /// Examples of each kind of difference, 0 to 100.
    #[arg(long, default_value_t = 3)]
    limit: u32,
    #[command(flatten)]
    client: Client,
}

impl Compare {
    pub(crate) async fn run(self) -> anyhow::Result<ExitCode> {
        let wasm = tokio::fs::read(&self.candidate)
            .await
            .with_context(|| format!("cannot read {}", self.candidate.display()))?;
        let path =
            format!("/v1/connections/{}/compare?limit={}", segment(&self.connection), self.limit);
        let body = Body::Bytes("application/wasm", wasm);
        let compared = self.client.request(Method::POST, &path, body).await?;
        if self.json {
            output::line(&compared);
        } else {
            lines(&compared).into_iter().for_each(output::line);
        }
        let same = compared["same"].as_bool().unwrap_or_default();
        Ok(if same { ExitCode::SUCCESS } else { ExitCode::from(DIFFERENT) })
    }
}

fn lines(compared: &Value) -> Vec<String> {
    let count = |name: &str| compared[name].as_u64().unwrap_or_default();
    let mut lines = vec![format!(
        "{}: {} in use, {} compared with it over {} recorded calls",
        text(&compared["connection"]),
        release(&compared["current"]),
        release(&compared["candidate"]),
        count("compared")
    )];
    if count("passed_over") > 0 {
        lines.push(format!(
            "{} recorded calls were passed over: they cannot be read, or the time did not suffice",
            count("passed_over")
        ));
    }
    if count("compared") == 0 {
        lines.push(
            "nothing was recorded yet; `recording: { share: 1 }` in the connection records every call"
                .to_owned(),
        );
    }
    for change in items(&compared["facts"]) {
        lines.push(format!(
            "{}: {} -> {}",
            text(&change["what"]),
            value(&change["current"]),
            value(&change["candidate"])
        ));
    }
    groups(&mut lines, "outcomes", &compared["outcomes"], ["in use", "candidate"]);
    groups(&mut lines, "requests", &compared["requests"], ["in use", "candidate"]);
    groups(
        &mut lines,
        "recorded answer differs from replay of the current release",
        &compared["not_reproduced"],
        ["recorded", "replayed"],
    );
    let same = compared["same"].as_bool().unwrap_or_default();
    lines.push(if same { "no difference" } else { "different" }.to_owned());
    lines
}

fn groups(lines: &mut Vec<String>, title: &str, groups: &Value, sides: [&str; 2]) {
    for (index, group) in items(groups).enumerate() {
        if index == 0 {
            lines.push(format!("{title}:"));
        }
        lines.push(format!("  {} x {}", group["count"], text(&group["kind"])));
        for example in items(&group["examples"]) {
            lines.push(format!("    recording {}", example["recording"]));
            for (side, name) in sides.iter().zip(["current", "candidate"]) {
                lines.push(format!("      {side}: {}", value(&example[name])));
            }
        }
    }
}

fn items(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn release(value: &Value) -> String {
    let digest = text(&value["digest"]);
    let short = digest.get(..12).unwrap_or(digest);
    format!("{}@{} ({short})", text(&value["name"]), text(&value["version"]))
}

fn value(value: &Value) -> String {
    if value.is_null() {
        return "nothing".to_owned();
    }
    let whole = value.to_string();
    match whole.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}…", &whole[..end]),
        None => whole,
    }
}
