//! `waystation settings`.

use std::process::ExitCode;

use anyhow::bail;
use clap::Subcommand;
use reqwest::Method;
use serde_json::{Value, json};

use super::client::{Body, Client};
use super::output;

/// Read and change the workspace's settings.
#[derive(Subcommand)]
pub(crate) enum Settings {
    /// Change a setting: `unsigned-plugins refuse|allow`, `coupon-expiring 24h`, `segment-interval 10m`, `events-waiting 5000000`,
    /// `keep-enrollments 180d`, `keep-events 400d`, `keep-recordings 30d`.
    Set {
        /// The setting's name.
        name: String,
        /// Its value.
        value: String,
        #[command(flatten)]
        client: Client,
    },
    /// List the settings.
    List {
        #[command(flatten)]
        client: Client,
    },
}

impl Settings {
    pub(crate) async fn run(self) -> anyhow::Result<ExitCode> {
        let settings = match self {
            Self::Set { name, value, client } => {
                let known = client.request(Method::GET, "/v1/settings", Body::None).await?;
                // Words on the command line are joined by `-`, names in JSON by `_`.
                let field = name.replace('-', "_");
                if known.get(&field).is_none() {
                    let names: Vec<String> = fields(&known).map(|(name, _)| name).collect();
                    bail!("there is no setting `{name}`; there are: {}", names.join(", "));
                }
                let body = json!({ field.as_str(): value });
                let mut now =
                    client.request(Method::PUT, "/v1/settings", Body::Json(&body)).await?;
                json!({ field.as_str(): now[field.as_str()].take() })
            }
            Self::List { client } => {
                client.request(Method::GET, "/v1/settings", Body::None).await?
            }
        };
        for (name, value) in fields(&settings) {
            output::line(format!("{name} {value}"));
        }
        Ok(ExitCode::SUCCESS)
    }
}

fn fields(settings: &Value) -> impl Iterator<Item = (String, &str)> {
    let fields = settings.as_object().into_iter().flatten();
    fields.map(|(name, value)| (name.replace('_', "-"), value.as_str().unwrap_or_default()))
}
