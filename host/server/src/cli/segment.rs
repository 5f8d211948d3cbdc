//! `waystation segment`.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::bail;
use clap::Subcommand;
use reqwest::Method;
use serde_json::{Value, json};

use super::apply::send_as;
use super::client::{Body, Client, segment as escaped};
use super::output;

/// Members that an export asks for at a time.
const PAGE: usize = 1000;

/// Apply, count and export segments.
#[derive(Subcommand)]
pub(crate) enum Segment {
    /// Check segment files and put them into use.
    Apply {
        /// Segment files, or folders of them.
        #[arg(required = true)]
        paths: Vec<PathBuf>,
        /// Change nothing.
        #[arg(long)]
        check: bool,
        #[command(flatten)]
        client: Client,
    },
    /// List the segments.
    List {
        #[command(flatten)]
        client: Client,
    },
    /// Print a segment's file.
    Show {
        /// The segment's name.
        name: String,
        #[command(flatten)]
        client: Client,
    },
    /// Count the customers in a segment, or those for whom a condition holds.
    Count {
        /// The segment's name.
        #[arg(required_unless_present = "when", conflicts_with = "when")]
        name: Option<String>,
        /// A condition, as a segment's `when`.
        #[arg(long)]
        when: Option<String>,
        #[command(flatten)]
        client: Client,
    },
    /// Write the customers in a segment to standard output as CSV.
    Export {
        /// The segment's name.
        name: String,
        /// Further columns, separated by commas: attributes, `tags`, or identities such as `identity.email`.
        #[arg(long, default_value = "")]
        fields: String,
        #[command(flatten)]
        client: Client,
    },
    /// Remove a segment that nothing asks for.
    Remove {
        /// The segment's name.
        name: String,
        #[command(flatten)]
        client: Client,
    },
}

impl Segment {
    pub(crate) async fn run(self) -> anyhow::Result<ExitCode> {
        match self {
            Self::Apply { paths, check, client } => {
                let address = if check { "/v1/segments?check=true" } else { "/v1/segments" };
                return send_as(&client, &paths, address, "segment").await;
            }
            Self::List { client } => {
                let found = client.request(Method::GET, "/v1/segments", Body::None).await?;
                for segment in found.as_array().into_iter().flatten() {
                    output::line(format!(
                        "{} {}",
                        text(segment, "segment"),
                        text(segment, "title")
                    ));
                }
            }
            Self::Show { name, client } => {
                let found = client.request(Method::GET, &address(&name, ""), Body::None).await?;
                output::line(text(&found, "source").trim_end());
            }
            Self::Count { name, when, client } => {
                let found = match (name, when) {
                    (Some(name), _) => {
                        client.request(Method::GET, &address(&name, "/count"), Body::None).await?
                    }
                    (None, Some(when)) => {
                        let body = json!({ "when": when });
                        client
                            .request(Method::POST, "/v1/audience/count", Body::Json(&body))
                            .await?
                    }
                    (None, None) => bail!("name a segment, or give a condition with --when"),
                };
                output::line(&found["customers"]);
            }
            Self::Export { name, fields, client } => export(&client, &name, &fields).await?,
            Self::Remove { name, client } => {
                client.request(Method::DELETE, &address(&name, ""), Body::None).await?;
                output::line(format!("segment {name} is removed"));
            }
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// All pages as of the time of the first.
async fn export(client: &Client, name: &str, fields: &str) -> anyhow::Result<()> {
    let columns: Vec<&str> = fields.split(',').filter(|field| !field.is_empty()).collect();
    let header = ["customer"].iter().chain(&columns).map(|column| quoted(column));
    output::line(header.collect::<Vec<_>>().join(","));
    let asked = format!("limit={PAGE}&fields={}", escaped(&columns.join(",")));
    let mut address = address(name, &format!("/members?{asked}"));
    loop {
        let page = client.request(Method::GET, &address, Body::None).await?;
        for member in page["members"].as_array().into_iter().flatten() {
            let values = columns.iter().map(|column| cell(&member["fields"][*column]));
            let row = std::iter::once(cell(&member["customer"])).chain(values);
            output::line(row.collect::<Vec<_>>().join(","));
        }
        let Some(next) = page["next"].as_str() else { return Ok(()) };
        let after = format!("/members?{asked}&at={}&after={}", page["at"], escaped(next));
        address = self::address(name, &after);
    }
}

fn address(name: &str, rest: &str) -> String {
    format!("/v1/segments/{}{rest}", escaped(name))
}

/// A value as a cell of CSV (RFC 4180): texts as they are, lists and objects as JSON.
fn cell(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => quoted(text),
        other => quoted(&other.to_string()),
    }
}

fn quoted(text: &str) -> String {
    if text.contains(['"', ',', '\n', '\r']) {
        format!("\"{}\"", text.replace('"', "\"\""))
    } else {
        text.to_owned()
    }
}

fn text<'v>(value: &'v Value, name: &str) -> &'v str {
    value.get(name).and_then(Value::as_str).unwrap_or_default()
}
