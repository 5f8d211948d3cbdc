//! How commands reach a stream of messages.

use std::path::PathBuf;

use anyhow::bail;
use async_nats::ServerAddr;
use clap::Args;

use crate::ingress::Source;

/// Which stream, and how to get in.
#[derive(Args, Clone)]
pub(crate) struct Nats {
    /// Take events from NATS `JetStream` at this address: `nats://[user:password@]host[:port]`, or `tls://` for TLS; several
    /// servers of a cluster are separated by commas.
    #[arg(
        id = "nats",
        long = "nats",
        env = "WAYSTATION_NATS",
        hide_env_values = true,
        value_name = "URL",
        value_delimiter = ','
    )]
    servers: Vec<ServerAddr>,
    /// File with the credentials of a NATS user (`.creds`).
    #[arg(long = "nats-creds", env = "WAYSTATION_NATS_CREDS", value_name = "FILE")]
    credentials: Option<PathBuf>,
    /// File with the certificates (PEM) of authorities that the NATS servers' certificates are signed by, instead of the
    /// system's.
    #[arg(long = "nats-ca", env = "WAYSTATION_NATS_CA", value_name = "FILE")]
    authorities: Option<PathBuf>,
    /// The stream that holds the events.
    #[arg(long = "nats-stream", env = "WAYSTATION_NATS_STREAM", value_name = "NAME")]
    stream: Option<String>,
    /// The durable pull consumer of the stream; all hosts of a workspace share it.
    #[arg(
        long = "nats-consumer",
        env = "WAYSTATION_NATS_CONSUMER",
        value_name = "NAME",
        default_value = "waystation"
    )]
    consumer: String,
}

impl Nats {
    /// Where messages come from; nothing if no server is named.
    pub(crate) fn source(self) -> anyhow::Result<Option<Source>> {
        let Some(stream) = self.stream else {
            if self.servers.is_empty() {
                return Ok(None);
            }
            bail!("say which stream is to be read: --nats-stream NAME, or WAYSTATION_NATS_STREAM");
        };
        if self.servers.is_empty() {
            bail!("say where stream `{stream}` is: --nats nats://host:4222, or WAYSTATION_NATS");
        }
        if let Some(file) =
            self.credentials.iter().chain(&self.authorities).find(|one| !one.is_file())
        {
            bail!("there is no file {}", file.display());
        }
        Ok(Some(Source {
            servers: self.servers,
            credentials: self.credentials,
            authorities: self.authorities,
            stream,
            consumer: self.consumer,
        }))
    }
}
