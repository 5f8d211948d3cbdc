//! `waystation assignment`.

use std::process::ExitCode;

use clap::Subcommand;
use reqwest::Method;
use serde_json::{Value, json};

use super::client::{Body, Client, segment};
use super::output;

/// See what journeys give people to do, and say what came of it.
#[derive(Subcommand)]
pub(crate) enum Assignment {
    /// List assignments: key, assignee, customer, outcome and note.
    List {
        /// Of this person or queue.
        #[arg(long)]
        assignee: Option<String>,
        /// About this customer.
        #[arg(long)]
        customer: Option<String>,
        /// Those that are done, too.
        #[arg(long)]
        all: bool,
        #[command(flatten)]
        client: Client,
    },
    /// Say that one is done; the journey may wait for it.
    Done {
        /// Its key.
        key: String,
        /// What came of it, in one word of your own.
        outcome: String,
        #[command(flatten)]
        client: Client,
    },
}

impl Assignment {
    pub(crate) async fn run(self) -> anyhow::Result<ExitCode> {
        match self {
            Self::List { assignee, customer, all, client } => {
                let mut path = format!("/v1/assignments?limit=1000&open={}", !all);
                for (name, value) in [("assignee", assignee), ("customer", customer)] {
                    if let Some(value) = value {
                        path.push_str(&format!("&{name}={}", segment(&value)));
                    }
                }
                let rows = client.request(Method::GET, &path, Body::None).await?;
                for row in rows.as_array().into_iter().flatten() {
                    let word = |name: &str| row.get(name).and_then(Value::as_str).unwrap_or("-");
                    output::line(format!(
                        "{} {} {} {} {}",
                        word("key"),
                        word("assignee"),
                        word("customer"),
                        row.get("outcome").and_then(Value::as_str).unwrap_or("open"),
                        word("note").replace('\n', " ")
                    ));
                }
            }
            Self::Done { key, outcome, client } => {
                let path = format!("/v1/assignments/{}/done", segment(&key));
                let body = json!({ "outcome": outcome });
                client.request(Method::POST, &path, Body::Json(&body)).await?;
                output::line(format!("{key} is done: {outcome}"));
            }
        }
        Ok(ExitCode::SUCCESS)
    }
}
