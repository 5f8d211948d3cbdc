//! `waystation delivery`.

use std::process::ExitCode;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context, bail};
use clap::{Args, Subcommand, ValueEnum};
use reqwest::Method;
use serde_json::{Map, Value, json};
use waystation_engine::duration;

use super::client::{Body, Client, segment};
use super::output;

/// See deliveries, coupons and actions; settle by hand what nobody knows of, and send again.
#[derive(Subcommand)]
pub(crate) enum Delivery {
    /// List them: key, connection, step, customer, how it stands and why.
    List {
        #[command(flatten)]
        which: Which,
        /// After this key.
        #[arg(long)]
        after: Option<String>,
        /// Most rows, up to 1000.
        #[arg(long, default_value_t = 100)]
        limit: u32,
        #[command(flatten)]
        client: Client,
    },
    /// Show one, with every attempt and what operators said of it.
    Show {
        /// Its key.
        key: String,
        #[command(flatten)]
        client: Client,
    },
    /// Count them by how they stand or ended, and why.
    Causes {
        /// Of enrollments that began since: `90m`, `24h`, `7d`.
        #[arg(long, default_value = "24h")]
        since: String,
        /// Of this journey.
        #[arg(long)]
        journey: Option<String>,
        #[command(flatten)]
        client: Client,
    },
    /// Say what became of an unknown one, by its key, or of all that match.
    Settle {
        /// What became of it.
        verdict: Outcome,
        #[command(flatten)]
        target: Target,
        #[command(flatten)]
        client: Client,
    },
    /// Send one again, by its key, or all that match: one more attempt under the same key.
    Resend {
        #[command(flatten)]
        target: Target,
        #[command(flatten)]
        client: Client,
    },
}

#[derive(Clone, Copy, ValueEnum)]
pub(crate) enum Outcome {
    /// It was done.
    Accepted,
    /// It was certainly not done, and is not to be.
    Refused,
}

/// Which ones.
#[derive(Args)]
pub(crate) struct Which {
    /// Of this connection.
    #[arg(long)]
    connection: Option<String>,
    /// Of this journey.
    #[arg(long)]
    journey: Option<String>,
    /// To this customer.
    #[arg(long)]
    customer: Option<String>,
    /// Of this enrollment.
    #[arg(long)]
    enrollment: Option<String>,
    /// `send`, `publish`, `issue`, `revoke` or `run`.
    #[arg(long)]
    kind: Option<String>,
    /// Asked for by the step at this path, such as `steps[2]`.
    #[arg(long)]
    step: Option<String>,
    /// `pending`, `attempting`, `unknown` (the provider is being asked), `settled` or `done`.
    #[arg(long)]
    phase: Option<String>,
    /// How it ended: `accepted`, `refused`, `unknown`, `suppressed`, `expired`, `cancelled`; several with commas between them.
    #[arg(long, value_delimiter = ',')]
    outcome: Vec<String>,
    /// Why it ended so, in a word: `address`, `content`, `account`, `held`, …
    #[arg(long)]
    why: Option<String>,
    /// Written into the ledger longer ago than this: `90m`, `24h`, `7d`.
    #[arg(long)]
    older: Option<String>,
    /// Written into the ledger less long ago than this.
    #[arg(long)]
    newer: Option<String>,
}

/// One by its key, or all that match.
#[derive(Args)]
pub(crate) struct Target {
    /// Its key; without it, all that match the options below.
    key: Option<String>,
    #[command(flatten)]
    which: Which,
    /// Why, for whoever asks later.
    #[arg(long)]
    reason: String,
    /// Only say how many match.
    #[arg(long, conflicts_with = "key")]
    preview: bool,
    /// Most deliveries; if more match, nothing changes. At most 100000.
    #[arg(long, default_value_t = 1000, conflicts_with = "key")]
    most: u32,
}

impl Delivery {
    pub(crate) async fn run(self) -> anyhow::Result<ExitCode> {
        match self {
            Self::List { which, after, limit, client } => {
                list(&which, after.as_deref(), limit, &client).await?;
            }
            Self::Show { key, client } => show(&key, &client).await?,
            Self::Causes { since, journey, client } => {
                causes(&since, journey.as_deref(), &client).await?;
            }
            Self::Settle { verdict, target, client } => {
                let verdict = match verdict {
                    Outcome::Accepted => "accepted",
                    Outcome::Refused => "refused",
                };
                settle(verdict, &target, &client).await?;
            }
            Self::Resend { target, client } => settle("resend", &target, &client).await?,
        }
        Ok(ExitCode::SUCCESS)
    }
}

impl Which {
    /// The fields that are given, by their names in the API.
    fn fields(&self) -> anyhow::Result<Map<String, Value>> {
        let mut fields = Map::new();
        for (name, value) in [
            ("connection", &self.connection),
            ("journey", &self.journey),
            ("customer", &self.customer),
            ("enrollment", &self.enrollment),
            ("kind", &self.kind),
            ("step", &self.step),
            ("phase", &self.phase),
            ("why", &self.why),
        ] {
            if let Some(value) = value {
                fields.insert(name.to_owned(), json!(value));
            }
        }
        if !self.outcome.is_empty() {
            fields.insert("outcome".to_owned(), json!(self.outcome));
        }
        for (name, age) in [("before", &self.older), ("since", &self.newer)] {
            if let Some(age) = age {
                fields.insert(name.to_owned(), json!(ago(age)?));
            }
        }
        Ok(fields)
    }
}

/// So long before now, in Unix milliseconds.
fn ago(text: &str) -> anyhow::Result<i64> {
    let age = duration(text)
        .with_context(|| format!("`{text}` is no duration such as 90m, 24h or 7d"))?;
    let now = i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH)?.as_millis())?;
    Ok(now.saturating_sub(age))
}

async fn list(
    which: &Which,
    after: Option<&str>,
    limit: u32,
    client: &Client,
) -> anyhow::Result<()> {
    let mut path = format!("/v1/deliveries?limit={limit}");
    for (name, value) in which.fields()? {
        // One name for both: the reason of a list is the delivery's alone.
        let name = if name == "why" { "reason" } else { &name };
        let value = match value {
            Value::String(text) => text,
            Value::Array(words) => {
                words.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(",")
            }
            other => other.to_string(),
        };
        path.push_str(&format!("&{name}={}", segment(&value)));
    }
    if let Some(after) = after {
        path.push_str(&format!("&after={}", segment(after)));
    }
    let rows = client.request(Method::GET, &path, Body::None).await?;
    for row in rows.as_array().into_iter().flatten() {
        output::line(line(row));
    }
    Ok(())
}

fn word<'a>(row: &'a Value, name: &str) -> &'a str {
    row.get(name).and_then(Value::as_str).unwrap_or("-")
}

fn line(row: &Value) -> String {
    let stands = row.get("outcome").and_then(Value::as_str).unwrap_or_else(|| word(row, "phase"));
    let detail = row.get("detail").and_then(Value::as_str).unwrap_or_default();
    let text = format!(
        "{} {} {} {} {stands} {} {}",
        word(row, "key"),
        word(row, "connection"),
        word(row, "step"),
        word(row, "customer"),
        word(row, "reason"),
        detail.replace('\n', " ")
    );
    text.trim_end().to_owned()
}

async fn show(key: &str, client: &Client) -> anyhow::Result<()> {
    let path = format!("/v1/deliveries/{}", segment(key));
    let found = client.request(Method::GET, &path, Body::None).await?;
    output::line(line(&found));
    let number = |row: &Value, name: &str| row.get(name).and_then(Value::as_i64).unwrap_or(0);
    for attempt in found["history"].as_array().into_iter().flatten() {
        let detail = attempt.get("detail").and_then(Value::as_str).unwrap_or_default();
        let text = format!(
            "  attempt {} at {}: {} {}",
            number(attempt, "number"),
            number(attempt, "started_at"),
            attempt.get("outcome").and_then(Value::as_str).unwrap_or("under way"),
            detail.replace('\n', " ")
        );
        output::line(text.trim_end());
    }
    for said in found["by_hand"].as_array().into_iter().flatten() {
        let double = if said["may_double"] == true { ", which might double it" } else { "" };
        output::line(format!(
            "  {} by hand at {} by {}{double} (before: {}): {}",
            word(said, "verdict"),
            number(said, "at"),
            word(said, "actor"),
            word(said, "former"),
            word(said, "reason")
        ));
    }
    Ok(())
}

async fn causes(since: &str, journey: Option<&str>, client: &Client) -> anyhow::Result<()> {
    let mut path = format!("/v1/deliveries/causes?since={}", ago(since)?);
    if let Some(journey) = journey {
        path.push_str(&format!("&journey={}", segment(journey)));
    }
    let rows = client.request(Method::GET, &path, Body::None).await?;
    for row in rows.as_array().into_iter().flatten() {
        let stands =
            row.get("outcome").and_then(Value::as_str).unwrap_or_else(|| word(row, "phase"));
        output::line(format!(
            "{} {} {} {} {stands} {}",
            row.get("count").and_then(Value::as_i64).unwrap_or(0),
            word(row, "journey"),
            word(row, "connection"),
            word(row, "kind"),
            word(row, "reason")
        ));
    }
    Ok(())
}

async fn settle(verdict: &str, target: &Target, client: &Client) -> anyhow::Result<()> {
    let mut body = target.which.fields()?;
    body.insert("verdict".to_owned(), json!(verdict));
    body.insert("reason".to_owned(), json!(target.reason));
    let Some(key) = &target.key else {
        body.insert("preview".to_owned(), json!(target.preview));
        body.insert("most".to_owned(), json!(target.most));
        let body = Value::Object(body);
        let answer =
            client.request(Method::POST, "/v1/deliveries/settle", Body::Json(&body)).await?;
        let count = |name: &str| answer.get(name).and_then(Value::as_u64).unwrap_or(0);
        if target.preview {
            output::line(format!("{} match; nothing was changed", count("matching")));
            return Ok(());
        }
        output::line(format!(
            "{} settled as {verdict}: {} awaited by their journeys, {} that may double; {} passed over",
            count("settled"),
            count("awaited"),
            count("may_double"),
            count("passed_over")
        ));
        return Ok(());
    };
    if body.len() > 2 {
        bail!("give a key, or options that say which ones, not both");
    }
    let path = format!("/v1/deliveries/{}/settle", segment(key));
    let answer = client.request(Method::POST, &path, Body::Json(&Value::Object(body))).await?;
    let journey = if answer["awaited"] == true {
        "its journey was waiting for it and goes on"
    } else {
        "its journey has gone on and hears nothing of it"
    };
    let double = if answer["may_double"] == true {
        "; it may arrive twice, as an earlier attempt may have been done"
    } else {
        ""
    };
    output::line(format!("{key} is settled as {verdict}: {journey}{double}"));
    Ok(())
}
