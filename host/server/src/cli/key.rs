//! `waystation key`.

use std::process::ExitCode;

use clap::Subcommand;
use reqwest::Method;
use serde_json::{Value, json};

use super::client::{Body, Client, segment};
use super::{output, plugin};

/// Say whose plugins the workspace trusts.
#[derive(Subcommand)]
pub(crate) enum Key {
    /// Trust a key: plugins that it signed can be installed.
    Add {
        /// Name for the key.
        name: String,
        /// The public key, as `waystation plugin keygen` printed it.
        public: String,
        #[command(flatten)]
        client: Client,
    },
    /// List trusted keys.
    List {
        #[command(flatten)]
        client: Client,
    },
    /// Trust a key no longer. What it signed stays installed.
    Remove {
        /// Name of the key.
        name: String,
        #[command(flatten)]
        client: Client,
    },
}

impl Key {
    pub(crate) async fn run(self) -> anyhow::Result<ExitCode> {
        match self {
            Self::Add { name, public, client } => {
                let path = format!("/v1/keys/{}", segment(&name));
                let body = json!({ "public": public });
                let key = client.request(Method::PUT, &path, Body::Json(&body)).await?;
                output::line(describe(&key));
            }
            Self::List { client } => {
                let keys = client.request(Method::GET, "/v1/keys", Body::None).await?;
                for key in keys.as_array().into_iter().flatten() {
                    output::line(describe(key));
                }
            }
            Self::Remove { name, client } => {
                let path = format!("/v1/keys/{}", segment(&name));
                let key = client.request(Method::DELETE, &path, Body::None).await?;
                output::line(format!("the key {name} is not trusted any more"));
                for release in key["signed"].as_array().into_iter().flatten() {
                    output::line(format!("it signed {}, which stays", plugin::describe(release)));
                }
            }
        }
        Ok(ExitCode::SUCCESS)
    }
}

fn describe(key: &Value) -> String {
    let word = |name: &str| key.get(name).and_then(Value::as_str).unwrap_or_default();
    format!("{}  {}  {}", word("name"), word("id"), word("public"))
}
