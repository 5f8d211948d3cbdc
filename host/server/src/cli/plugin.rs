//! `waystation plugin`.

mod compare;
mod dev;
mod logs;
mod sign;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, bail};
use clap::Subcommand;
use reqwest::Method;
use serde_json::Value;

use super::client::{Body, Client, segment};
use super::output;

/// Build, sign, install, list and remove plugins.
#[derive(Subcommand)]
pub(crate) enum Plugin {
    /// Compile plugin crates to components, and check that they link.
    Build {
        /// The plugins' folders, each with a Cargo.toml.
        #[arg(required = true)]
        paths: Vec<PathBuf>,
    },
    /// Make a key to sign plugins with; prints the public one.
    Keygen(sign::Keygen),
    /// Sign a component: the signature is written beside it.
    Sign(sign::Sign),
    /// Verify a component's signature.
    Verify(sign::Verify),
    /// Install components on the server, each with the signature that lies beside it.
    Install {
        /// Component files.
        #[arg(required = true)]
        files: Vec<PathBuf>,
        /// File of the signature; by default the component's with `.sig` after its name, if it is there.
        #[arg(long, value_name = "FILE")]
        signature: Option<PathBuf>,
        #[command(flatten)]
        client: Client,
    },
    /// List what is installed on the server.
    List {
        #[command(flatten)]
        client: Client,
    },
    /// Run recorded calls through a candidate and print what would be different.
    Compare(compare::Compare),
    /// Build a plugin whenever its source is saved, and put it into use on a connection, until Ctrl-C.
    Dev(dev::Dev),
    /// Show what a connection's plugin writes to the log.
    Logs(logs::Logs),
    /// Remove a release that no connection refers to.
    Remove {
        /// `name@version`, or the release's digest.
        release: String,
        #[command(flatten)]
        client: Client,
    },
    /// Remove every release that no connection refers to, and files that belong to none.
    Gc {
        /// Only say what would be removed.
        #[arg(long)]
        dry_run: bool,
        #[command(flatten)]
        client: Client,
    },
}

impl Plugin {
    pub(crate) async fn run(self) -> anyhow::Result<ExitCode> {
        match self {
            Self::Build { paths } => build(paths).await?,
            Self::Keygen(keygen) => keygen.run()?,
            Self::Sign(sign) => sign.run()?,
            Self::Verify(verify) => verify.run()?,
            Self::Install { files, signature, client } => {
                if signature.is_some() && files.len() > 1 {
                    bail!("one signature is for one component; install them one by one");
                }
                for file in files {
                    let release = install(&client, &file, signature.as_deref())
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
            Self::Compare(compare) => return compare.run().await,
            Self::Dev(dev) => dev.run().await?,
            Self::Logs(logs) => logs.run().await?,
            Self::Remove { release, client } => {
                let path = format!("/v1/plugins/{}", segment(&release));
                let removed = client.request(Method::DELETE, &path, Body::None).await?;
                output::line(format!("removed {}", describe(&removed)));
            }
            Self::Gc { dry_run, client } => collect(&client, dry_run).await?,
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// Sends a component with its signature, if it has one.
async fn install(client: &Client, file: &Path, signature: Option<&Path>) -> anyhow::Result<Value> {
    let wasm = tokio::fs::read(file).await.context("cannot read it")?;
    let beside = sign::beside(file);
    let signature = signature.or(beside.exists().then_some(beside.as_path()));
    let body = match signature {
        None => Body::Bytes("application/wasm", wasm),
        Some(file) => Body::Signed("application/wasm", wasm, sign::read(file)?.to_string()),
    };
    client.request(Method::POST, "/v1/plugins", body).await
}

async fn collect(client: &Client, dry_run: bool) -> anyhow::Result<()> {
    let path = format!("/v1/plugins/gc?dry_run={dry_run}");
    let collected = client.request(Method::POST, &path, Body::None).await?;
    let done = if dry_run { "would remove" } else { "removed" };
    for release in collected["releases"].as_array().into_iter().flatten() {
        output::line(format!("{done} {}", describe(release)));
    }
    let number = |name: &str| collected[name].as_u64().unwrap_or_default();
    output::line(format!(
        "{done} {} files of {} KiB",
        number("files"),
        number("bytes").div_ceil(1024)
    ));
    Ok(())
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

/// A release in one line.
pub(crate) fn describe(release: &Value) -> String {
    let word = |name: &str| release.get(name).and_then(Value::as_str).unwrap_or_default();
    let kinds: Vec<&str> = release
        .get("kinds")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect();
    let signer = match release["signer"]["name"].as_str() {
        Some(name) => {
            format!("signed by {name} ({})", release["signer"]["key"].as_str().unwrap_or_default())
        }
        None if release["development"] == true => "in development".to_owned(),
        None => "unsigned".to_owned(),
    };
    format!(
        "{}@{}  {}  {}  {signer}",
        word("name"),
        word("version"),
        kinds.join(", "),
        word("digest")
    )
}
