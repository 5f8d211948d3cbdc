//! `waystation serve`.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use clap::Args;
use tokio::net::TcpListener;
use tokio::runtime::Handle;
use tokio::signal::unix::{SignalKind, signal};
use waystation_store::Database;

use super::nats::Nats;
use super::output;
use crate::faults;
use crate::server::{Options, start};
use crate::telemetry::Telemetry;

/// Run the server.
#[derive(Args)]
pub(crate) struct Serve {
    /// Where to listen.
    #[arg(long, env = "WAYSTATION_LISTEN", default_value = "127.0.0.1:7420")]
    listen: String,
    /// Folder for the database, the plugins and the key; made if it is missing.
    #[arg(long, env = "WAYSTATION_DATA", default_value = "data")]
    data: PathBuf,
    /// A PostgreSQL database, which must be there and may be empty: `postgres://user:password@host:port/database`, with
    /// `?sslmode=verify-full` over a network. Without it the database is a file in the data folder.
    /// `WAYSTATION_DATABASE` shows the password to fewer eyes.
    #[arg(
        long,
        env = "WAYSTATION_DATABASE",
        hide_env_values = true,
        value_name = "URL",
        value_parser = shared_database
    )]
    database: Option<Database>,
    /// An SMTP relay for the `mail` permission, as NAME=URL: `smtp://[user:password@]host[:port][?tls=none|opportunistic|required]`,
    /// `smtps://...`, or `file:///folder` for `.eml` files. May be given several times.
    /// `WAYSTATION_RELAYS` holds the same, separated by spaces, and shows passwords to fewer eyes.
    #[arg(
        long = "relay",
        env = "WAYSTATION_RELAYS",
        hide_env_values = true,
        value_name = "NAME=URL",
        value_delimiter = ' ',
        value_parser = relay
    )]
    relays: Vec<(String, String)>,
    /// Address under which customers reach this server, for unsubscribe links; without it messages carry none.
    #[arg(long, env = "WAYSTATION_PUBLIC_URL")]
    public_url: Option<String>,
    /// Key that seals secrets at rest: base64 of 32 bytes. Without it one is made and kept in the data folder.
    #[arg(long, env = "WAYSTATION_KEY", hide_env_values = true)]
    key: Option<String>,
    /// Deliver traces, logs and metrics to this OpenTelemetry collector, such as `http://127.0.0.1:4318` (OTLP over HTTP).
    #[arg(long, env = "WAYSTATION_OTLP", value_name = "URL")]
    otlp: Option<String>,
    #[command(flatten)]
    nats: Nats,
}

/// A database that is not the data folder's own.
pub(super) fn shared_database(text: &str) -> Result<Database, String> {
    match text.parse() {
        Ok(Database::Sqlite(_)) => {
            Err("give postgres://user:password@host:port/database; a database file is the one in the folder of --data"
                .to_owned())
        }
        Ok(database) => Ok(database),
        Err(error) => Err(error.to_string()),
    }
}

fn relay(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, url)) if !name.is_empty() && !url.is_empty() => {
            Ok((name.to_owned(), url.to_owned()))
        }
        _ => Err("give NAME=URL, such as default=smtp://127.0.0.1:25".to_owned()),
    }
}

impl Serve {
    /// What is delivered to a collector, if one is named.
    pub(crate) fn telemetry(&self, runtime: &Handle) -> anyhow::Result<Option<Telemetry>> {
        self.otlp.as_ref().map(|address| Telemetry::new(address, runtime)).transpose()
    }

    pub(crate) async fn run(self, telemetry: Option<Telemetry>) -> anyhow::Result<ExitCode> {
        let mut terminate = signal(SignalKind::terminate())?;
        let stream = self.nats.source()?;
        let listener = TcpListener::bind(&self.listen)
            .await
            .with_context(|| format!("cannot listen on {}", self.listen))?;
        faults::set_up(&self.data)?;
        let options = Options {
            data: self.data,
            database: self.database,
            relays: self.relays.into_iter().collect::<BTreeMap<_, _>>(),
            public_url: self.public_url,
            key: self.key,
            clock: None,
            metrics: telemetry.as_ref().map(Telemetry::metrics),
            stream,
        };
        let server = start(listener, options).await?;
        if let Some(token) = &server.new_token {
            output::line(format!("token: {token}"));
            output::progress(
                "this token opens the API and is not shown again; keep it, or set WAYSTATION_TOKEN",
            );
        }
        output::line(format!("listening on http://{}", server.address));
        tokio::select! {
            _ = terminate.recv() => {}
            interrupted = tokio::signal::ctrl_c() => interrupted?,
        }
        let stopped = server.stop().await;
        if let Some(telemetry) = telemetry {
            telemetry.stop().await;
        }
        stopped?;
        Ok(ExitCode::SUCCESS)
    }
}
