//! `waystation backup`, `waystation restore`, `waystation mark-restored`, `waystation resume`.

use std::fs::{self, File};
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, bail};
use clap::Args;
use reqwest::Method;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use waystation_engine::{Clock as _, SystemClock, mark_restored};
use waystation_store::{Database, Store, backup, ensure_alone};

use super::client::{Body, Client};
use super::output;
use super::serve::shared_database;
use crate::private::{make_folder, write_new};
use crate::server::UNSUBSCRIBE_KEY;
use crate::trust::{digest, hex};
use crate::vault::Vault;

/// The files of a backup, and of a data folder.
const DATABASE: &str = "waystation.db";
const RELEASES: &str = "releases";
const ABOUT: &str = "backup.json";
const KEY: &str = "key";
/// What the description of a backup says it is.
const FORMAT: &str = "waystation-backup-v1";

/// Copy a workspace while its server runs: the database at one moment, and the installed plugins. The key is not in it.
#[derive(Args)]
pub(crate) struct Backup {
    /// The folder to make; it must not exist.
    folder: PathBuf,
    /// The server's data folder.
    #[arg(long, env = "WAYSTATION_DATA", default_value = "data")]
    data: PathBuf,
}

/// Make a data folder of a backup. Its server takes events in, and does nothing else before `waystation resume`.
#[derive(Args)]
pub(crate) struct Restore {
    /// The backup's folder.
    folder: PathBuf,
    /// The data folder to make; it must not exist.
    #[arg(long, env = "WAYSTATION_DATA", default_value = "data")]
    data: PathBuf,
    /// A file with the key that the workspace's secrets are sealed with.
    #[arg(long)]
    key_file: Option<PathBuf>,
    /// The key itself: base64 of 32 bytes. It is not kept in the data folder then.
    #[arg(long, env = "WAYSTATION_KEY", hide_env_values = true, conflicts_with = "key_file")]
    key: Option<String>,
}

/// Say that a PostgreSQL database was restored by its own means, before a server is started on it. Servers take events in then, and
/// do nothing else before `waystation resume`.
#[derive(Args)]
pub(crate) struct MarkRestored {
    /// The database: `postgres://user:password@host:port/database`.
    #[arg(
        long,
        env = "WAYSTATION_DATABASE",
        hide_env_values = true,
        value_name = "URL",
        value_parser = shared_database
    )]
    database: Database,
    /// The moment that the database is of, such as `2026-03-01T02:00:00Z`: when `pg_dump` began, or the end of a recovery to a
    /// point in time. What happened after it may have gone out; if in doubt, take an earlier one.
    #[arg(long, value_name = "TIME")]
    taken_at: jiff::Timestamp,
}

/// Let a workspace go on that was restored from a backup.
#[derive(Args)]
pub(crate) struct Resume {
    #[command(flatten)]
    client: Client,
}

/// What a backup is, in a file beside it.
#[derive(Serialize, Deserialize)]
struct About {
    format: String,
    /// When it was made, in Unix milliseconds.
    made_at: i64,
    /// The program's version.
    version: String,
    /// The newest migration of the database.
    schema: i64,
    /// SHA-256 of the database file.
    database: String,
    /// Digests of the plugins.
    releases: Vec<String>,
}

impl Backup {
    pub(crate) async fn run(self) -> anyhow::Result<ExitCode> {
        if self.folder.exists() {
            bail!("{} exists already; name a folder that does not", self.folder.display());
        }
        let source = self.data.join(DATABASE);
        if !source.exists() {
            bail!("there is no {}; name the server's folder with --data", source.display());
        }
        let partial = beside(&self.folder)?;
        make_folder(&partial.join(RELEASES))?;
        let made = self.fill(&source, &partial).await;
        let about = match made {
            Ok(about) => about,
            Err(error) => {
                // What is left of it is of no use to anybody.
                let _ = fs::remove_dir_all(&partial);
                return Err(error);
            }
        };
        put_in_place(&partial, &self.folder)?;
        output::line(format!(
            "{}: {} bytes, {} plugins, schema {}",
            self.folder.display(),
            fs::metadata(self.folder.join(DATABASE))?.len(),
            about.releases.len(),
            about.schema
        ));
        output::progress(format!(
            "the key is not in it: keep {} (or WAYSTATION_KEY) elsewhere; without it nobody opens the secrets of a restored workspace",
            self.data.join(KEY).display()
        ));
        Ok(ExitCode::SUCCESS)
    }

    async fn fill(&self, source: &Path, partial: &Path) -> anyhow::Result<About> {
        // Before the copy: what happens from now on may not be in it.
        let made_at = SystemClock.now();
        let copy = partial.join(DATABASE);
        let copied = backup::copy(source, &copy, UNSUBSCRIBE_KEY).await?;
        for digest in &copied.releases {
            let name = format!("{digest}.wasm");
            let from = self.data.join(RELEASES).join(&name);
            copy_release(&from, &partial.join(RELEASES).join(&name), digest).with_context(
                || format!("plugin {digest}; if it was removed just now, make the backup again"),
            )?;
        }
        let about = About {
            format: FORMAT.to_owned(),
            made_at,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            schema: copied.schema,
            database: digest_of(&copy)?,
            releases: copied.releases,
        };
        flush(&copy)?;
        write_new(&partial.join(ABOUT), serde_json::to_string_pretty(&about)?.as_bytes())?;
        Ok(about)
    }
}

impl Restore {
    pub(crate) async fn run(self) -> anyhow::Result<ExitCode> {
        if self.data.exists() {
            bail!(
                "{} exists already; a backup is restored into a new folder, so that nothing is lost",
                self.data.display()
            );
        }
        let about = self.examine()?;
        let partial = beside(&self.data)?;
        make_folder(&partial.join(RELEASES))?;
        let open = match self.fill(&about, &partial).await {
            Ok(open) => open,
            Err(error) => {
                let _ = fs::remove_dir_all(&partial);
                return Err(error);
            }
        };
        put_in_place(&partial, &self.data)?;
        output::line(format!(
            "{} is restored: {open} deliveries were open and are unknown now",
            self.data.display()
        ));
        output::progress(
            "start the server: it takes events in and holds everything else. See what is unknown with `waystation delivery list \
             --phase unknown`, settle what you know, then let it go on with `waystation resume`",
        );
        Ok(ExitCode::SUCCESS)
    }

    /// Looks the backup through before anything is made of it.
    fn examine(&self) -> anyhow::Result<About> {
        let place = self.folder.join(ABOUT);
        let text = fs::read_to_string(&place).with_context(|| {
            format!("cannot read {}; is this a backup's folder?", place.display())
        })?;
        let about: About = serde_json::from_str(&text)
            .with_context(|| format!("{} is no description of a backup", place.display()))?;
        if about.format != FORMAT {
            bail!("the backup's format is {}; this program reads {FORMAT}", about.format);
        }
        if about.schema > backup::newest_schema() {
            bail!(
                "the backup was made by a newer program ({}, schema {}; this one knows {}); restore it with that one",
                about.version,
                about.schema,
                backup::newest_schema()
            );
        }
        let database = self.folder.join(DATABASE);
        if digest_of(&database)? != about.database {
            bail!("{} is not what the backup holds: it was changed or damaged", database.display());
        }
        Ok(about)
    }

    async fn fill(&self, about: &About, partial: &Path) -> anyhow::Result<u64> {
        let database = partial.join(DATABASE);
        fs::copy(self.folder.join(DATABASE), &database).context("cannot copy the database")?;
        let copied = backup::examine(&database, UNSUBSCRIBE_KEY).await?;
        self.take_key(copied.sealed.as_deref(), partial)?;
        for digest in &copied.releases {
            let name = format!("{digest}.wasm");
            let from = self.folder.join(RELEASES).join(&name);
            copy_release(&from, &partial.join(RELEASES).join(&name), digest)
                .with_context(|| format!("plugin {digest} of the backup"))?;
        }
        let store = Store::open(database.as_path()).await?;
        let open = mark_restored(&store, about.made_at, SystemClock.now()).await?;
        store.close().await;
        flush(&database)?;
        Ok(open)
    }

    /// A wrong key is found out now, and not when a secret is needed.
    fn take_key(&self, sealed: Option<&str>, partial: &Path) -> anyhow::Result<()> {
        let text = match (&self.key, &self.key_file) {
            (Some(key), _) => key.clone(),
            (None, Some(file)) => fs::read_to_string(file)
                .with_context(|| format!("cannot read {}", file.display()))?,
            (None, None) => bail!(
                "the secrets of the workspace are sealed: give the key with --key-file FILE or WAYSTATION_KEY; it is the file `{KEY}` \
                 of the former data folder"
            ),
        };
        let vault = Vault::open(Some(&text), &partial.join(KEY))?;
        if let Some(sealed) = sealed {
            vault
                .unseal(UNSUBSCRIBE_KEY, sealed)
                .context("this is not the key that the workspace was sealed with")?;
        }
        if self.key_file.is_some() {
            write_new(&partial.join(KEY), text.as_bytes())?;
        }
        Ok(())
    }
}

impl MarkRestored {
    pub(crate) async fn run(self) -> anyhow::Result<ExitCode> {
        let (taken_at, now) = (self.taken_at.as_millisecond(), SystemClock.now());
        if taken_at > now {
            bail!(
                "--taken-at {} is in the future; give the time with its zone, such as Z",
                self.taken_at
            );
        }
        ensure_alone(&self.database).await.context("nothing was changed")?;
        let store = Store::open(&self.database).await?;
        let marked = mark_restored(&store, taken_at, now).await;
        store.close().await;
        let open = marked.context("nothing was changed")?;
        output::line(format!(
            "{} is marked as restored: {open} deliveries were open and are unknown now",
            self.database
        ));
        output::progress(
            "start the servers with the key of before: they take events in and hold everything else. See what is unknown with \
             `waystation delivery list --phase unknown`, settle what you know, then let them go on with `waystation resume`",
        );
        Ok(ExitCode::SUCCESS)
    }
}

impl Resume {
    pub(crate) async fn run(self) -> anyhow::Result<ExitCode> {
        let answer = self.client.request(Method::POST, "/v1/resume", Body::None).await?;
        let until = answer.get("doubtful_until").and_then(serde_json::Value::as_i64);
        output::line("the workspace goes on");
        output::progress(format!(
            "until {} (Unix milliseconds) messages of enrollments that were in the backup are asked for at their providers first, or \
             follow the journey's `on_unknown`",
            until.unwrap_or_default()
        ));
        Ok(ExitCode::SUCCESS)
    }
}

/// Where a folder is filled before it gets its name.
fn beside(folder: &Path) -> anyhow::Result<PathBuf> {
    let name = folder.file_name().context("name a folder")?.to_string_lossy().into_owned();
    let partial = folder.with_file_name(format!("{name}.partial"));
    if partial.exists() {
        bail!(
            "{} is left of an attempt that was broken off, or another is under way; remove it if not",
            partial.display()
        );
    }
    Ok(partial)
}

/// Gives a folder its name once all that is in it has reached the disk.
fn put_in_place(partial: &Path, folder: &Path) -> anyhow::Result<()> {
    File::open(partial.join(RELEASES))?.sync_all()?;
    File::open(partial)?.sync_all()?;
    fs::rename(partial, folder)
        .with_context(|| format!("cannot name the folder {}", folder.display()))?;
    let parent = folder.parent().filter(|parent| !parent.as_os_str().is_empty());
    File::open(parent.unwrap_or_else(|| Path::new(".")))?.sync_all()?;
    Ok(())
}

fn copy_release(from: &Path, to: &Path, expected: &str) -> anyhow::Result<()> {
    let bytes = fs::read(from).with_context(|| format!("cannot read {}", from.display()))?;
    if digest(&bytes) != expected {
        bail!("{} is not what its name says: it was changed or damaged", from.display());
    }
    write_new(to, &bytes)
}

fn flush(file: &Path) -> anyhow::Result<()> {
    Ok(File::open(file)?.sync_all()?)
}

fn digest_of(file: &Path) -> anyhow::Result<String> {
    let mut handle = File::open(file).with_context(|| format!("cannot read {}", file.display()))?;
    let mut digest = Sha256::new();
    let mut part = vec![0; 1 << 20];
    loop {
        match handle.read(&mut part)? {
            0 => return Ok(hex(&digest.finalize())),
            read => digest.update(&part[..read]),
        }
    }
}
