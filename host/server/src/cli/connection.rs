//! `waystation connection`.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use clap::Subcommand;
use reqwest::Method;
use serde::Deserialize;
use serde_json::{Value, json};

use super::client::{Body, Client};
use super::{files, output};

/// Apply connections.
#[derive(Subcommand)]
pub(crate) enum Connection {
    /// Create connections or replace them, as files say.
    Apply {
        /// Connection files, or folders of them.
        #[arg(required = true)]
        paths: Vec<PathBuf>,
        #[command(flatten)]
        client: Client,
    },
}

/// A connection file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ConnectionFile {
    connection: String,
    plugin: String,
    #[serde(default)]
    config: Value,
    #[serde(default)]
    permissions: Value,
    #[serde(default)]
    limits: Value,
    #[serde(default)]
    secrets: BTreeMap<String, Secret>,
}

/// Where a secret's value comes from, so that the file itself need not hold it.
#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum Secret {
    /// An environment variable of whoever applies the file.
    Env(String),
    /// A file; a line break at its end does not count.
    File(PathBuf),
    /// The value itself.
    Value(String),
}

impl Connection {
    pub(crate) async fn run(self) -> anyhow::Result<ExitCode> {
        let Self::Apply { paths, client } = self;
        for file in files::expand(&paths)? {
            let applied = apply(&client, &files::read(&file)?)
                .await
                .with_context(|| file.display().to_string())?;
            output::line(format!("{}: {applied}", file.display()));
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// Applies one connection file; answers with what is in use then.
pub(crate) async fn apply(client: &Client, source: &str) -> anyhow::Result<String> {
    let file: ConnectionFile = serde_saphyr::from_str(source)?;
    let secrets = file
        .secrets
        .into_iter()
        .map(|(name, from)| {
            let value = read(&from).with_context(|| format!("secret `{name}`"))?;
            Ok((name, value))
        })
        .collect::<anyhow::Result<BTreeMap<String, String>>>()?;
    let or_empty = |value: Value| if value.is_null() { json!({}) } else { value };
    let body = json!({
        "connection": file.connection,
        "plugin": file.plugin,
        "config": or_empty(file.config),
        "permissions": or_empty(file.permissions),
        "limits": or_empty(file.limits),
        "secrets": secrets,
    });
    let address = format!("/v1/connections/{}", file.connection);
    let answer = client.request(Method::PUT, &address, Body::Json(&body)).await?;
    let word = |name: &str| answer.get(name).and_then(Value::as_str).unwrap_or_default();
    Ok(format!("{} uses {} ({})", word("connection"), word("plugin"), word("release")))
}

fn read(from: &Secret) -> anyhow::Result<String> {
    match from {
        Secret::Value(value) => Ok(value.clone()),
        Secret::Env(name) => std::env::var(name)
            .with_context(|| format!("the environment variable {name} is not set")),
        Secret::File(path) => Ok(files::read(path)?.trim_end_matches(['\r', '\n']).to_owned()),
    }
}
