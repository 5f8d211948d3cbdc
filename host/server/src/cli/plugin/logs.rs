//! `waystation plugin logs`.

use std::time::Duration;

use clap::Args;
use jiff::Timestamp;
use reqwest::Method;
use serde_json::Value;

use crate::cli::client::{Body, Client, segment};
use crate::cli::output;

/// Seconds that the server holds a question for new lines.
const WAIT: u64 = 25;
/// Pause after a question that failed.
const RETRY: Duration = Duration::from_secs(1);

/// Show what a connection's plugin writes to the log.
#[derive(Args)]
pub(crate) struct Logs {
    /// The connection.
    connection: String,
    /// Go on with what is written from now on, until Ctrl-C.
    #[arg(short, long)]
    follow: bool,
    /// Lines to begin with, at most 1,000.
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u64).range(1..=1_000))]
    lines: u64,
    #[command(flatten)]
    client: Client,
}

impl Logs {
    pub(crate) async fn run(&self) -> anyhow::Result<()> {
        let path = format!("/v1/connections/{}/log", segment(&self.connection));
        let first = format!("{path}?limit={}", self.lines);
        let lines = self.client.request(Method::GET, &first, Body::None).await?;
        let mut last = print(&lines, None);
        if !self.follow {
            return Ok(());
        }
        tokio::select! {
            stopped = tokio::signal::ctrl_c() => stopped?,
            () = async {
                loop {
                    let more =
                        format!("{path}?limit=1000&wait={WAIT}&after={}", last.unwrap_or_default());
                    match self.client.request(Method::GET, &more, Body::None).await {
                        Ok(lines) => last = print(&lines, last),
                        // The server may be on its way back.
                        Err(error) => {
                            output::error(&error);
                            tokio::time::sleep(RETRY).await;
                        }
                    }
                }
            } => {}
        }
        Ok(())
    }
}

/// Prints lines, and says where some are missing; gives the number of the last one.
fn print(lines: &Value, mut last: Option<u64>) -> Option<u64> {
    for line in lines.as_array().into_iter().flatten() {
        let word = |name: &str| line[name].as_str().unwrap_or_default();
        let sequence = line["sequence"].as_u64();
        if let (Some(last), Some(sequence)) = (last, sequence)
            && sequence > last + 1
        {
            output::progress(
                "… lines may be missing here: the server dropped them, or was started again",
            );
        }
        let at = line["at"].as_i64().and_then(|at| Timestamp::from_millisecond(at).ok());
        let at = at.map(|at| format!("{at:.3}")).unwrap_or_default();
        let level = word("level").to_uppercase();
        output::line(format!("{at} {level:<5} {} {}", word("release"), word("text")));
        last = sequence;
    }
    last
}
