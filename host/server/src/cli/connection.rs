//! `waystation connection`.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use clap::{Args, Subcommand};
use reqwest::Method;
use serde::Deserialize;
use serde_json::{Value, json};

use super::client::{Body, Client};
use super::{files, output};

/// Apply connections, and change the releases that they use.
#[derive(Subcommand)]
pub(crate) enum Connection {
    /// List connections with their releases and circuit breakers.
    List {
        #[command(flatten)]
        client: Client,
    },
    /// Show a connection in full, as JSON.
    Show {
        /// The connection's name.
        name: String,
        #[command(flatten)]
        client: Client,
    },
    /// Put a release into use. Calls in flight end on the release before; none fails for it.
    Activate(Activate),
    /// End a trial in favour of the release in use; without a trial, go back to the release used before.
    RollBack {
        /// The connection's name.
        name: String,
        #[command(flatten)]
        client: Client,
    },
    /// End a trial in favour of the candidate.
    Promote {
        /// The connection's name.
        name: String,
        #[command(flatten)]
        client: Client,
    },
    /// List the changes of a connection's release, with who made them and why.
    History {
        /// The connection's name.
        name: String,
        #[command(flatten)]
        client: Client,
    },
    /// Set or remove a secret. Calls in flight end with the old one.
    Secret {
        /// The connection's name.
        name: String,
        /// The secret's name.
        secret: String,
        /// Remove it.
        #[arg(long, conflicts_with_all = ["env", "file"])]
        remove: bool,
        /// Environment variable that holds the value.
        #[arg(long, value_name = "NAME", conflicts_with = "file")]
        env: Option<String>,
        /// File that holds the value; standard input if neither is given. A line break at the end does not count.
        #[arg(long, value_name = "PATH")]
        file: Option<PathBuf>,
        #[command(flatten)]
        client: Client,
    },
    /// Create connections or replace them, as files say.
    Apply {
        /// Connection files, or folders of them.
        #[arg(required = true)]
        paths: Vec<PathBuf>,
        #[command(flatten)]
        client: Client,
    },
}

/// Which release to put into use, and how.
#[derive(Args)]
pub(crate) struct Activate {
    /// The connection's name.
    name: String,
    /// `name@version` or a digest; the highest installed version that the connection names if absent.
    release: Option<String>,
    /// Try it on this share of the customers first, such as 0.05; it is promoted or taken back by what happens.
    #[arg(long, value_name = "SHARE")]
    canary: Option<f64>,
    /// Effects in the candidate's group after which it is promoted if nothing speaks against it.
    #[arg(long, requires = "canary")]
    sample: Option<u64>,
    /// Calls in the candidate's group that it takes as well.
    #[arg(long, requires = "canary")]
    calls: Option<u64>,
    /// Hours after which a candidate that got too little to do is taken back.
    #[arg(long, requires = "canary", value_name = "HOURS")]
    at_most: Option<f64>,
    /// Go ahead without granting what the release asks for beyond the one in use.
    #[arg(long)]
    without_wanted: bool,
    #[command(flatten)]
    client: Client,
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
    recording: Value,
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
        match self {
            Self::Apply { paths, client } => {
                for file in files::expand(&paths)? {
                    let applied = apply(&client, &files::read(&file)?)
                        .await
                        .with_context(|| file.display().to_string())?;
                    output::line(format!("{}: {applied}", file.display()));
                }
            }
            Self::List { client } => {
                let found = client.request(Method::GET, "/v1/connections", Body::None).await?;
                found.as_array().into_iter().flatten().for_each(|one| output::line(line(one)));
            }
            Self::Show { name, client } => {
                let found = client.request(Method::GET, &at(&name, ""), Body::None).await?;
                output::line(serde_json::to_string_pretty(&found)?);
            }
            Self::Activate(activate) => activate.run().await?,
            Self::RollBack { name, client } => {
                let now =
                    client.request(Method::POST, &at(&name, "/roll-back"), Body::None).await?;
                output::line(line(&now));
            }
            Self::Promote { name, client } => {
                let now = client.request(Method::POST, &at(&name, "/promote"), Body::None).await?;
                output::line(line(&now));
            }
            Self::History { name, client } => {
                let found = client.request(Method::GET, &at(&name, "/history"), Body::None).await?;
                found.as_array().into_iter().flatten().for_each(|one| output::line(change(one)));
            }
            Self::Secret { name, secret, remove, env, file, client } => {
                let value = if remove { None } else { Some(value(env, file)?) };
                let body = json!({ secret: value });
                let address = at(&name, "/secrets");
                let now = client.request(Method::PATCH, &address, Body::Json(&body)).await?;
                output::line(line(&now));
            }
        }
        Ok(ExitCode::SUCCESS)
    }
}

impl Activate {
    async fn run(self) -> anyhow::Result<()> {
        let mut body = json!({ "without_wanted": self.without_wanted });
        if let Some(release) = self.release {
            body["release"] = release.into();
        }
        if let Some(share) = self.canary {
            let mut canary = json!({ "share": share });
            if let Some(sample) = self.sample {
                canary["sample"] = sample.into();
            }
            if let Some(calls) = self.calls {
                canary["calls"] = calls.into();
            }
            if let Some(hours) = self.at_most {
                canary["at_most_ms"] = ((hours * 3_600_000.0) as i64).into();
            }
            body["canary"] = canary;
        }
        let address = at(&self.name, "/activate");
        let now = self.client.request(Method::POST, &address, Body::Json(&body)).await?;
        output::line(line(&now));
        Ok(())
    }
}

fn at(name: &str, what: &str) -> String {
    format!("/v1/connections/{name}{what}")
}

/// A secret's value from where the command line says.
fn value(env: Option<String>, file: Option<PathBuf>) -> anyhow::Result<String> {
    match (env, file) {
        (Some(name), _) => read(&Secret::Env(name)),
        (None, Some(path)) => read(&Secret::File(path)),
        (None, None) => {
            let text = std::io::read_to_string(std::io::stdin())
                .context("the secret cannot be read from standard input")?;
            Ok(text.trim_end_matches(['\r', '\n']).to_owned())
        }
    }
}

/// A connection in a line.
fn line(one: &Value) -> String {
    let word = |name: &str| one.get(name).and_then(Value::as_str).unwrap_or_default();
    let mut text = format!(
        "{}  {}  {} ({})",
        word("connection"),
        word("plugin"),
        word("version"),
        word("release")
    );
    match one.pointer("/status/breaker/state").and_then(Value::as_str) {
        None => text.push_str("  not loaded"),
        Some("closed") => {}
        Some(state) => text.push_str(&format!("  circuit breaker {state}")),
    }
    if let Some(release) = one.pointer("/status/canary/release").and_then(Value::as_str) {
        text.push_str(&format!("  on trial: {release}"));
    }
    for asked in one.get("wanting").and_then(Value::as_array).into_iter().flatten() {
        let word = |name: &str| asked.get(name).and_then(Value::as_str).unwrap_or_default();
        text.push_str(&format!(
            "\n  not granted: {} {} ({})",
            word("name"),
            word("scope"),
            word("reason")
        ));
    }
    text
}

/// A change of a release in a line.
fn change(one: &Value) -> String {
    let word = |name: &str| one.get(name).and_then(Value::as_str).unwrap_or_default();
    format!(
        "{}  {}  {}  {}  by {}: {}",
        one["number"],
        one["at"],
        word("kind"),
        word("release"),
        word("actor"),
        word("reason")
    )
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
        "recording": or_empty(file.recording),
        "secrets": secrets,
    });
    let address = format!("/v1/connections/{}", file.connection);
    let answer = client.request(Method::PUT, &address, Body::Json(&body)).await?;
    Ok(line(&answer))
}

fn read(from: &Secret) -> anyhow::Result<String> {
    match from {
        Secret::Value(value) => Ok(value.clone()),
        Secret::Env(name) => std::env::var(name)
            .with_context(|| format!("the environment variable {name} is not set")),
        Secret::File(path) => Ok(files::read(path)?.trim_end_matches(['\r', '\n']).to_owned()),
    }
}
