//! `waystation plugin`.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use clap::Subcommand;
use reqwest::Method;
use serde_json::Value;

use super::client::{Body, Client};
use super::output;

/// Build, install and list plugins.
#[derive(Subcommand)]
pub(crate) enum Plugin {
    /// Compile plugin crates to components, and check that they link.
    Build {
        /// The plugins' folders, each with a Cargo.toml.
        #[arg(required = true)]
        paths: Vec<PathBuf>,
    },
    /// Install components on the server.
    Install {
        /// Component files.
        #[arg(required = true)]
        files: Vec<PathBuf>,
        #[command(flatten)]
        client: Client,
    },
    /// List what is installed on the server.
    List {
        #[command(flatten)]
        client: Client,
    },
}

impl Plugin {
    pub(crate) async fn run(self) -> anyhow::Result<ExitCode> {
        match self {
            Self::Build { paths } => build(paths).await?,
            Self::Install { files, client } => {
                for file in files {
                    let wasm = tokio::fs::read(&file)
                        .await
                        .with_context(|| format!("cannot read {}", file.display()))?;
                    let body = Body::Bytes("application/wasm", wasm);
                    let release = client
                        .request(Method::POST, "/v1/plugins", body)
                        .await
                        .with_context(|| format!("{} was not installed", file.display()))?;
                    output::line(describe(&release));
                }
            }
            Self::List { client } => {
                let releases = client.request(Method::GET, "/v1/plugins", Body::None).await?;
                for release in releases.as_array().into_iter().flatten() {
                    output::line(describe(release));
                }
            }
        }
        Ok(ExitCode::SUCCESS)
    }
}

async fn build(paths: Vec<PathBuf>) -> anyhow::Result<()> {
    let built = tokio::task::spawn_blocking(move || {
        let progress = |text: &str| output::progress(text);
        waystation_build::build_all(
            &paths,
            &waystation_build::Options { toolchain: None, progress: &progress },
        )
    });
    for plugin in built.await.context("the build was interrupted")?? {
        output::line(plugin.wasm.display());
    }
    Ok(())
}

fn describe(release: &Value) -> String {
    let word = |name: &str| release.get(name).and_then(Value::as_str).unwrap_or_default();
    let kinds: Vec<&str> = release
        .get("kinds")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect();
    format!("{}@{}  {}  {}", word("name"), word("version"), kinds.join(", "), word("digest"))
}
