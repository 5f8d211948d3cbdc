//! `waystation demo`: everything real but the clock and the mailbox.

mod script;
mod timeline;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context, bail};
use clap::Args;
use tokio::net::TcpListener;
use waystation_engine::ScaledClock;

use super::client::Client;
use super::output;
use crate::server::{Options, Server, start};

/// The reference plugins that the demo runs on.
const PLUGINS: [&str; 3] = ["http-events", "coupon-codes", "smtp-email"];
/// Where the demo listens unless told otherwise; any free port if it is taken.
const LISTEN: &str = "127.0.0.1:7420";
/// Seconds in a day.
const DAY: u32 = 86_400;

/// Build the reference plugins and watch a journey run on a clock that turns 12 hours into seconds.
#[derive(Args)]
pub(crate) struct Demo {
    /// Send mail to this SMTP server (`smtp://host:port`) instead of writing `.eml` files.
    #[arg(long, value_name = "URL")]
    smtp: Option<String>,
    /// End when the timeline is complete, with status 0 only if exactly what should happen happened.
    #[arg(long)]
    once: bool,
    /// Real seconds that a day of the journey takes, 1 .. 86400.
    #[arg(long, value_name = "SECONDS", default_value_t = 16, value_parser = clap::value_parser!(u32).range(1..=86_400))]
    day: u32,
    /// Folder of the reference plugins' workspace; that of the source tree if absent.
    #[arg(long, value_name = "FOLDER")]
    plugins: Option<PathBuf>,
}

impl Demo {
    pub(crate) async fn run(self) -> anyhow::Result<ExitCode> {
        let components = build(self.plugins.as_deref()).await?;
        let folder = tempfile::Builder::new()
            .prefix("waystation-demo-")
            .tempdir()
            .context("cannot make a folder")?;
        let mailbox = folder.path().join("mail");
        std::fs::create_dir(&mailbox)?;
        let relay = self.smtp.clone().unwrap_or_else(|| format!("file://{}", mailbox.display()));
        let listener = match TcpListener::bind(LISTEN).await {
            Ok(listener) => listener,
            Err(_) => TcpListener::bind("127.0.0.1:0").await?,
        };
        let address = listener.local_addr()?;
        let options = Options {
            data: folder.path().join("data"),
            database: None,
            relays: BTreeMap::from([("default".to_owned(), relay.clone())]),
            public_url: Some(format!("http://{address}")),
            key: None,
            clock: Some(Arc::new(ScaledClock::new(DAY / self.day))),
            metrics: None,
            stream: None,
        };
        let server = start(listener, options).await?;
        let result = self.show(&server, &components, &relay).await;
        server.stop().await?;
        result
    }

    async fn show(
        &self,
        server: &Server,
        components: &[PathBuf],
        relay: &str,
    ) -> anyhow::Result<ExitCode> {
        let client = Client {
            server: format!("http://{}", server.address),
            token: server.new_token.clone().unwrap_or_default(),
        };
        let signing = script::set_up(&client, components).await?;
        output::line(format!("\nA day takes {} seconds. Mail goes to {relay}.\n", self.day));
        let started = server.engine.now();
        let watching = tokio::spawn(timeline::print(server.engine.watch(), started));
        script::play(&client, &signing, &server.engine, started).await?;
        let complaints = script::verify(&client).await?;
        watching.abort();
        for complaint in &complaints {
            output::line(format!("not as it should be: {complaint}"));
        }
        if complaints.is_empty() {
            output::line(
                "\nEverything happened as it should: one paid first and got nothing, one got a coupon and paid, one was reminded of a coupon.",
            );
        }
        if self.once {
            return Ok(if complaints.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE });
        }
        output::line(format!(
            "\nThe server stays up at {} until Ctrl-C. To look around:",
            client.server
        ));
        output::line(format!(
            "  export WAYSTATION_SERVER={} WAYSTATION_TOKEN={}",
            client.server, client.token
        ));
        output::line(
            "  curl -H \"authorization: Bearer $WAYSTATION_TOKEN\" $WAYSTATION_SERVER/v1/enrollments",
        );
        output::line(
            "  curl -H \"authorization: Bearer $WAYSTATION_TOKEN\" $WAYSTATION_SERVER/v1/deliveries",
        );
        output::line(
            "  waystation send-event cart.item_added --customer han-meimei -p cart_id=c9 -p item=茶壶",
        );
        tokio::signal::ctrl_c().await?;
        Ok(ExitCode::SUCCESS)
    }
}

async fn build(folder: Option<&Path>) -> anyhow::Result<Vec<PathBuf>> {
    let folder = match folder {
        Some(folder) => folder.to_owned(),
        None => {
            [PathBuf::from("plugins"), Path::new(env!("CARGO_MANIFEST_DIR")).join("../../plugins")]
                .into_iter()
                .find(|folder| folder.join("Cargo.toml").exists())
                .unwrap_or_default()
        }
    };
    if !folder.join("Cargo.toml").exists() {
        bail!(
            "the reference plugins are not here; run the demo in the source tree, or name their folder with --plugins"
        );
    }
    output::progress("building the reference plugins …");
    let crates: Vec<PathBuf> = PLUGINS.iter().map(|name| folder.join(name)).collect();
    let built = tokio::task::spawn_blocking(move || {
        let progress = |text: &str| output::progress(format!("  {text}"));
        waystation_build::build_all(
            &crates,
            &waystation_build::Options { toolchain: None, progress: &progress },
        )
    });
    Ok(built.await??.into_iter().map(|built| built.wasm).collect())
}
