//! `waystation plugin dev`: builds on save and swaps into a running server.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use clap::Args;
use notify::{Event, EventKind, RecursiveMode, Watcher as _, event::ModifyKind};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use tokio::sync::mpsc;

use crate::cli::client::{Body, Client, segment};
use crate::cli::output;
use crate::trust::digest;

/// Quiet after a save before it is built: editors write in several steps.
const QUIET: Duration = Duration::from_millis(50);
/// Longest time that a stream of saves is waited out.
const UNQUIET: Duration = Duration::from_secs(2);
/// Releases of this run that stay installed: the one in use, and the one to go back to.
const KEPT: usize = 2;

/// Build a plugin whenever its source is saved, and put it into use on a connection, until Ctrl-C.
#[derive(Args)]
pub(crate) struct Dev {
    /// The plugin's folder, with a Cargo.toml.
    path: PathBuf,
    /// The connection to use it on.
    #[arg(long, value_name = "NAME")]
    connection: String,
    /// Another folder to watch, such as that of a crate that the plugin depends on. May be given several times.
    #[arg(long, value_name = "FOLDER")]
    watch: Vec<PathBuf>,
    /// Go ahead although the plugin asks for permissions that the connection was not granted. They stay ungranted.
    #[arg(long)]
    without_wanted: bool,
    #[command(flatten)]
    client: Client,
}

impl Dev {
    pub(crate) async fn run(&self) -> anyhow::Result<()> {
        // Said at once where nothing could ever be swapped.
        self.in_use().await?;
        let (saved, mut saves) = mpsc::channel(1);
        let _watchers = std::iter::once(&self.path)
            .chain(&self.watch)
            .map(|folder| watch(folder, saved.clone()))
            .collect::<anyhow::Result<Vec<_>>>()?;
        let mut installed = Vec::new();
        let work = async {
            loop {
                if let Err(error) = self.swap(&mut installed).await {
                    output::error(&error);
                }
                output::progress(format!("waiting for changes in {}", self.path.display()));
                saves.recv().await;
                settle(&mut saves).await;
            }
        };
        tokio::select! {
            stopped = tokio::signal::ctrl_c() => stopped?,
            () = work => {}
        }
        Ok(())
    }

    /// Builds, installs and puts into use. `installed` are this run's releases, the last one last.
    async fn swap(&self, installed: &mut Vec<String>) -> anyhow::Result<()> {
        let (wasm, compiled) = build(self.path.clone()).await?;
        let digest = digest(&wasm);
        if self.in_use().await? == digest {
            output::progress("nothing has changed");
            return Ok(());
        }
        let body = Body::Bytes("application/wasm", wasm);
        let release =
            self.client.request(Method::POST, "/v1/plugins?development=true", body).await?;
        if release["development"] == true {
            installed.retain(|one| *one != digest);
            installed.push(digest.clone());
        }
        let path = format!("/v1/connections/{}/activate", segment(&self.connection));
        let body = json!({ "release": digest, "without_wanted": self.without_wanted });
        self.client.request(Method::POST, &path, Body::Json(&body)).await?;
        let word = |name: &str| release[name].as_str().unwrap_or_default().to_owned();
        output::line(format!(
            "{} uses {}@{} ({}), {:.2} s after the compiler finished",
            self.connection,
            word("name"),
            word("version"),
            digest.get(..12).unwrap_or(&digest),
            compiled.elapsed().as_secs_f64()
        ));
        self.remove_old(installed).await
    }

    /// Digest of the release that the connection uses.
    async fn in_use(&self) -> anyhow::Result<String> {
        let path = format!("/v1/connections/{}", segment(&self.connection));
        let connection = self.client.request(Method::GET, &path, Body::None).await?;
        Ok(connection["release"].as_str().unwrap_or_default().to_owned())
    }

    /// Removes this run's releases but for the last ones, or each save would leave one behind for ever.
    async fn remove_old(&self, installed: &mut Vec<String>) -> anyhow::Result<()> {
        while installed.len() > KEPT {
            let oldest = installed.remove(0);
            let path = format!("/v1/plugins/{}", segment(&oldest));
            let (status, answer) = self.client.exchange(Method::DELETE, &path, Body::None).await?;
            let gone = status.is_success() || status == StatusCode::NOT_FOUND;
            // Somebody put it into use elsewhere.
            if !gone && status != StatusCode::CONFLICT {
                let detail = answer.get("detail").and_then(Value::as_str).unwrap_or_default();
                bail!("the release {oldest} cannot be removed: {detail}");
            }
        }
        Ok(())
    }
}

/// Builds the plugin; gives the component, and when the compiler had finished.
async fn build(folder: PathBuf) -> anyhow::Result<(Vec<u8>, Instant)> {
    let built = tokio::task::spawn_blocking(move || {
        let progress = |text: &str| output::progress(text);
        let options = waystation_build::Options { toolchain: None, progress: &progress };
        waystation_build::build(&folder, &options)
    });
    let built = built.await.context("the build was interrupted")??;
    let wasm = tokio::fs::read(&built.wasm)
        .await
        .with_context(|| format!("cannot read {}", built.wasm.display()))?;
    Ok((wasm, built.compiled))
}

/// Tells of changes in a folder and below, for as long as the watcher lives.
fn watch(folder: &Path, saved: mpsc::Sender<()>) -> anyhow::Result<notify::RecommendedWatcher> {
    let root = folder
        .canonicalize()
        .with_context(|| format!("cannot watch the folder {}", folder.display()))?;
    let below = root.clone();
    let mut watcher = notify::recommended_watcher(move |event: notify::Result<Event>| {
        // What was overlooked cannot be told from what matters.
        if event.map_or(true, |event| matters(&event, &below)) {
            // One notice is enough, however many saves there are.
            let _ = saved.try_send(());
        }
    })
    .context("cannot watch for changes")?;
    watcher
        .watch(&root, RecursiveMode::Recursive)
        .with_context(|| format!("cannot watch the folder {}", folder.display()))?;
    Ok(watcher)
}

/// Whether something in the source changed. Reading changes nothing, and what cargo makes is not source.
fn matters(event: &Event, root: &Path) -> bool {
    let change = match event.kind {
        EventKind::Access(_) | EventKind::Modify(ModifyKind::Metadata(_)) => false,
        EventKind::Any
        | EventKind::Create(_)
        | EventKind::Modify(_)
        | EventKind::Remove(_)
        | EventKind::Other => true,
    };
    change
        && event.paths.iter().any(|path| {
            let below = path.strip_prefix(root).unwrap_or(path);
            !below.components().any(|part| {
                let name = part.as_os_str().to_string_lossy();
                name == "target" || name.starts_with('.') || name == "Cargo.lock"
            })
        })
}

/// Waits until the saves have come to an end.
async fn settle(saves: &mut mpsc::Receiver<()>) {
    let quiet = async { while tokio::time::timeout(QUIET, saves.recv()).await.is_ok() {} };
    // Whoever saves without end is built in between.
    let _ = tokio::time::timeout(UNQUIET, quiet).await;
}

#[cfg(test)]
mod tests {
    use notify::event::{AccessKind, CreateKind, DataChange, MetadataKind};

    use super::*;

    #[test]
    fn only_changes_of_the_source_matter() {
        let data = EventKind::Modify(ModifyKind::Data(DataChange::Any));
        for (kind, path, expected) in [
            (data, "/plugin/src/lib.rs", true),
            (data, "/plugin/Cargo.toml", true),
            (EventKind::Create(CreateKind::File), "/plugin/config.schema.json", true),
            (EventKind::Access(AccessKind::Any), "/plugin/src/lib.rs", false),
            (
                EventKind::Modify(ModifyKind::Metadata(MetadataKind::Any)),
                "/plugin/src/lib.rs",
                false,
            ),
            (data, "/plugin/target/release/x", false),
            (data, "/plugin/.git/index", false),
            (data, "/plugin/src/.lib.rs.swp", false),
            (data, "/plugin/Cargo.lock", false),
        ] {
            let event = Event::new(kind).add_path(PathBuf::from(path));
            assert_eq!(matters(&event, Path::new("/plugin")), expected, "{event:?}");
        }
    }
}
