//! `waystation ingress`.

use std::process::ExitCode;

use anyhow::{Context, anyhow, bail};
use async_nats::jetstream;
use clap::{Args, Subcommand};
use reqwest::Method;
use serde_json::{Value, json};

use super::client::{Body, Client};
use super::nats::Nats;
use super::output;
use crate::ingress::settings::{sound_consumer, sound_stream};
use crate::ingress::{connect, examine};

/// See how events come by a stream, and what of it could not be taken in.
#[derive(Subcommand)]
pub(crate) enum Ingress {
    /// Tell whether the stream is read, how far behind, and what is wrong with its settings.
    Status {
        #[command(flatten)]
        client: Client,
    },
    /// List what was set aside: number, subject, sequence in the stream, reason and what is wrong.
    List {
        /// Only for this reason: `not_json`, `not_an_event`, `too_large`, `unknown_customer` or `refused`.
        #[arg(long)]
        reason: Option<String>,
        #[command(flatten)]
        client: Client,
    },
    /// Show one that was set aside, with its body.
    Show {
        /// Its number.
        id: i64,
        #[command(flatten)]
        client: Client,
    },
    /// Take in after all what can be read now, such as events of customers that were imported since.
    Retry(Which),
    /// Delete what was set aside.
    Drop(Which),
    /// Look at stream and consumer, directly on the NATS server, and tell what may lose messages.
    Check(Check),
}

/// Which of those set aside.
#[derive(Args)]
pub(crate) struct Which {
    /// Their numbers.
    #[arg(required_unless_present_any = ["all", "reason"], conflicts_with_all = ["all", "reason"])]
    ids: Vec<i64>,
    /// All that were set aside for this reason.
    #[arg(long)]
    reason: Option<String>,
    /// All.
    #[arg(long, conflicts_with = "reason")]
    all: bool,
    #[command(flatten)]
    client: Client,
}

/// How the check is made.
#[derive(Args)]
pub(crate) struct Check {
    #[command(flatten)]
    nats: Nats,
    /// Make the stream and the consumer if they are missing, with settings that lose nothing.
    #[arg(long, requires = "subjects")]
    create: bool,
    /// Subjects that a stream which is made takes, such as `events.>`.
    #[arg(long, value_delimiter = ',')]
    subjects: Vec<String>,
    /// Servers that a stream which is made is kept on: 3 in a cluster.
    #[arg(long, default_value_t = 1)]
    replicas: usize,
}

impl Ingress {
    pub(crate) async fn run(self) -> anyhow::Result<ExitCode> {
        match self {
            Self::Status { client } => return status(&client).await,
            Self::List { reason, client } => list(&client, reason.as_deref()).await?,
            Self::Show { id, client } => {
                let path = format!("/v1/ingress/set-aside/{id}");
                let row = client.request(Method::GET, &path, Body::None).await?;
                output::line(serde_json::to_string_pretty(&row)?);
            }
            Self::Retry(which) => return retry(&which).await,
            Self::Drop(which) => drop_all(&which).await?,
            Self::Check(check) => return check.run().await,
        }
        Ok(ExitCode::SUCCESS)
    }
}

async fn status(client: &Client) -> anyhow::Result<ExitCode> {
    let status = client.request(Method::GET, "/v1/ingress", Body::None).await?;
    let number = |name: &str| status.get(name).and_then(Value::as_u64).unwrap_or_default();
    let word = |name: &str| status.get(name).and_then(Value::as_str);
    output::line(format!(
        "stream {} by consumer {}",
        word("stream").unwrap_or("-"),
        word("consumer").unwrap_or("-")
    ));
    output::line(format!(
        "{} not delivered, {} not acknowledged, {} set aside",
        number("pending"),
        number("unacknowledged"),
        number("set_aside")
    ));
    for finding in status.get("findings").and_then(Value::as_array).into_iter().flatten() {
        let word = |name: &str| finding.get(name).and_then(Value::as_str).unwrap_or_default();
        output::line(format!("{}: {}", word("weight"), word("message")));
    }
    match word("error") {
        None => Ok(ExitCode::SUCCESS),
        Some(error) => {
            output::line(format!("not read: {error}"));
            Ok(ExitCode::FAILURE)
        }
    }
}

async fn list(client: &Client, reason: Option<&str>) -> anyhow::Result<()> {
    let mut after = 0;
    loop {
        let reason = reason.map(|word| format!("&reason={word}")).unwrap_or_default();
        let path = format!("/v1/ingress/set-aside?limit=1000&after={after}{reason}");
        let rows = client.request(Method::GET, &path, Body::None).await?;
        let rows = rows.as_array().cloned().unwrap_or_default();
        for row in &rows {
            let word = |name: &str| row.get(name).and_then(Value::as_str).unwrap_or("-");
            let number = |name: &str| row.get(name).and_then(Value::as_i64).unwrap_or_default();
            after = number("id");
            output::line(format!(
                "{} {} {} {} {}",
                number("id"),
                word("subject"),
                number("sequence"),
                word("reason"),
                word("detail").replace('\n', " ")
            ));
        }
        if rows.len() < 1000 {
            return Ok(());
        }
    }
}

impl Which {
    /// Sends the request part by part until there is no more; gives the answers.
    async fn request(&self, what: &str) -> anyhow::Result<Vec<Value>> {
        let mut answers = Vec::new();
        let mut after = 0;
        loop {
            let body = json!({
                "ids": self.ids, "reason": self.reason, "all": self.all, "after": after,
            });
            let path = format!("/v1/ingress/set-aside/{what}");
            let answer = self.client.request(Method::POST, &path, Body::Json(&body)).await?;
            let next = answer.get("next").and_then(Value::as_i64);
            answers.push(answer);
            match next {
                Some(next) => after = next,
                None => return Ok(answers),
            }
        }
    }
}

fn sum(answers: &[Value], name: &str) -> u64 {
    answers.iter().filter_map(|one| one.get(name).and_then(Value::as_u64)).sum()
}

async fn retry(which: &Which) -> anyhow::Result<ExitCode> {
    let answers = which.request("retry").await?;
    for left in answers.iter().filter_map(|one| one.get("left")?.as_array()).flatten() {
        let id = left.get("id").and_then(Value::as_i64).unwrap_or_default();
        let detail = left.get("detail").and_then(Value::as_str).unwrap_or_default();
        output::line(format!("{id} stays set aside: {detail}"));
    }
    let left: usize =
        answers.iter().filter_map(|one| Some(one.get("left")?.as_array()?.len())).sum();
    output::line(format!(
        "{} taken, {} known before, {left} left",
        sum(&answers, "accepted"),
        sum(&answers, "duplicates")
    ));
    Ok(if left == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

async fn drop_all(which: &Which) -> anyhow::Result<()> {
    let answers = which.request("drop").await?;
    output::line(format!("{} deleted", sum(&answers, "dropped")));
    Ok(())
}

impl Check {
    async fn run(self) -> anyhow::Result<ExitCode> {
        let Some(source) = self.nats.source()? else {
            bail!("say where NATS is: --nats nats://host:4222 --nats-stream NAME");
        };
        let connection = connect(&source, None).await.map_err(|reason| anyhow!(reason))?;
        if self.create {
            let context = jetstream::new(connection.client.clone());
            let stream = sound_stream(&source.stream, self.subjects, self.replicas);
            let stream = context
                .get_or_create_stream(stream)
                .await
                .with_context(|| format!("stream `{}` cannot be made", source.stream))?;
            stream
                .get_or_create_consumer(&source.consumer, sound_consumer(&source.consumer))
                .await
                .with_context(|| format!("consumer `{}` cannot be made", source.consumer))?;
        }
        let found = examine(&connection.client, &source).await.map_err(|reason| anyhow!(reason))?;
        output::line(format!(
            "stream {} has {} messages; consumer {} has {} to deliver and {} not acknowledged",
            source.stream,
            found.stream.state.messages,
            source.consumer,
            found.consumer.num_pending,
            found.consumer.num_ack_pending
        ));
        for finding in &found.findings {
            output::line(format!("{}: {}", finding.weight.word(), finding.message));
        }
        output::line(
            "not to be seen from here: whether the server writes each message to the disk before it acknowledges it \
             (`sync_interval: always`); by default it does so every 2 minutes, and a power failure loses what was acknowledged meanwhile",
        );
        Ok(if found.refused().is_some() { ExitCode::FAILURE } else { ExitCode::SUCCESS })
    }
}
