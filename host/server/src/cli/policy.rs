//! `waystation policy` and `waystation why`.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Subcommand};
use reqwest::Method;
use serde_json::Value;

use super::client::{Body, Client, faults, segment};
use super::{files, output};

/// Read and change what holds for all journeys: time zone, holidays, quiet hours, windows, limits, who goes first.
#[derive(Subcommand)]
pub(crate) enum Policy {
    /// Put a policy file into use in place of the one before.
    Apply {
        /// The file.
        file: PathBuf,
        #[command(flatten)]
        client: Client,
    },
    /// Print the policy file in use.
    Show {
        #[command(flatten)]
        client: Client,
    },
}

impl Policy {
    pub(crate) async fn run(self) -> anyhow::Result<ExitCode> {
        match self {
            Self::Apply { file, client } => {
                let body = Body::Bytes("application/yaml", files::read(&file)?.into_bytes());
                let (status, answer) = client.exchange(Method::PUT, "/v1/policy", body).await?;
                for fault in faults(&answer) {
                    output::line(format!("{}:{fault}", file.display()));
                }
                if status.is_success() {
                    output::line(format!("{}: the policy is in use", file.display()));
                    return Ok(ExitCode::SUCCESS);
                }
                if faults(&answer).is_empty() {
                    let detail = answer.get("detail").and_then(Value::as_str).unwrap_or_default();
                    output::line(format!(
                        "{}: the server answered {status}: {detail}",
                        file.display()
                    ));
                }
                Ok(ExitCode::FAILURE)
            }
            Self::Show { client } => {
                let answer = client.request(Method::GET, "/v1/policy", Body::None).await?;
                match answer.get("source").and_then(Value::as_str) {
                    Some(source) => output::line(source.trim_end()),
                    None => output::progress(
                        "there is no policy; put one into use with `waystation policy apply FILE`",
                    ),
                }
                for fault in faults(&answer) {
                    output::progress(fault);
                }
                Ok(ExitCode::SUCCESS)
            }
        }
    }
}

/// Tell what a customer got and did not get, and why.
#[derive(Args)]
pub(crate) struct Why {
    /// The customer's identifier.
    customer: String,
    /// Only what concerns this journey.
    #[arg(long)]
    journey: Option<String>,
    #[command(flatten)]
    client: Client,
}

impl Why {
    pub(crate) async fn run(self) -> anyhow::Result<ExitCode> {
        let mut address = format!("/v1/customers/{}/why", segment(&self.customer));
        if let Some(journey) = &self.journey {
            address.push_str(&format!("?journey={}", segment(journey)));
        }
        let answer = self.client.request(Method::GET, &address, Body::None).await?;
        let word = |value: &Value, name: &str| {
            value.get(name).and_then(Value::as_str).unwrap_or_default().to_owned()
        };
        let lines = answer.get("lines").and_then(Value::as_array).cloned().unwrap_or_default();
        if lines.is_empty() {
            output::line("There is nothing to tell: the customer has entered no journey.");
        } else {
            output::line(format!("Times in {}.", word(&answer, "zone")));
        }
        for line in &lines {
            output::line(format!("{}  {}", word(line, "time"), word(line, "text")));
        }
        Ok(ExitCode::SUCCESS)
    }
}
