//! `waystation enroll`.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, bail};
use clap::Args;
use reqwest::{Method, StatusCode};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::client::{Body, Client, segment};
use super::output;
use super::send_event::{properties, value};
use crate::random;

/// Customers in one request.
const BATCH: usize = 1000;
/// How often a request is repeated while the server has too much to do, and the pause before it.
const TRIES: u32 = 30;
const PAUSE: Duration = Duration::from_secs(1);

/// Enroll customers in a live journey by hand, whatever it is entered by.
#[derive(Args)]
pub(crate) struct Enroll {
    /// The journey's name.
    journey: String,
    /// A customer's identifier. May be given several times.
    #[arg(long = "customer", value_name = "ID", required_unless_present_any = ["file", "segment"])]
    customers: Vec<String>,
    /// A file of customers: `.csv` with a column `customer` and others for properties, or `.jsonl` with an object for each
    /// customer, `{ "customer": …, "properties": { … } }`.
    #[arg(long)]
    file: Option<PathBuf>,
    /// A segment: those who are in it now are enrolled.
    #[arg(long, value_name = "NAME")]
    segment: Option<String>,
    /// Properties for all of them, as NAME=VALUE; the value is read as JSON and, if it is not, as text.
    #[arg(long = "property", short, value_name = "NAME=VALUE")]
    properties: Vec<String>,
    /// Names this run: a customer is taken once in a run, however often the command is repeated. Random if absent.
    #[arg(long)]
    run: Option<String>,
    #[command(flatten)]
    client: Client,
}

/// A customer of a file.
#[derive(Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    customer: String,
    #[serde(default)]
    properties: Map<String, Value>,
}

/// What came of a run.
#[derive(Default)]
struct Tally {
    accepted: u64,
    duplicates: u64,
    unknown: Vec<String>,
}

impl Enroll {
    pub(crate) async fn run(mut self) -> anyhow::Result<ExitCode> {
        let common = properties(&self.properties)?;
        let run = match self.run.take() {
            Some(run) => run,
            None => random::hex::<8>()?,
        };
        let mut tally = Tally::default();
        let done = self.enroll(&common, &run, &mut tally).await;
        let Tally { accepted, duplicates, unknown } = tally;
        done.with_context(|| {
            format!("{accepted} were taken before; repeat the command with --run {run} to enroll the others")
        })?;
        let strangers = unknown.len();
        output::line(format!(
            "run {run}: {accepted} taken, {duplicates} taken before, {strangers} unknown"
        ));
        for customer in &unknown {
            output::line(format!("unknown customer {customer}"));
        }
        Ok(if unknown.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }

    async fn enroll(
        &self,
        common: &Map<String, Value>,
        run: &str,
        tally: &mut Tally,
    ) -> anyhow::Result<()> {
        let named = self.customers.iter();
        let named = named.map(|id| Row { customer: id.clone(), properties: Map::new() });
        let mut rows: Vec<Row> = named.collect();
        if let Some(file) = &self.file {
            rows.extend(read(file)?);
        }
        let path = format!("/v1/journeys/{}/enrollments", segment(&self.journey));
        for batch in rows.chunks(BATCH) {
            let body = batch.iter().map(|row| {
                let mut properties = common.clone();
                properties.extend(row.properties.clone());
                json!({ "id": format!("{run}/{}", row.customer), "customer": row.customer, "properties": properties })
            });
            let answer = send(&self.client, &path, &Value::Array(body.collect())).await?;
            let results = answer["results"].as_array().into_iter().flatten();
            for (row, result) in batch.iter().zip(results) {
                match result.as_str() {
                    Some("accepted") => tally.accepted += 1,
                    Some("duplicate") => tally.duplicates += 1,
                    _ => tally.unknown.push(row.customer.clone()),
                }
            }
        }
        let Some(segment) = &self.segment else { return Ok(()) };
        let path = format!("{path}/segment");
        let mut body = json!({ "segment": segment, "run": run, "properties": common });
        loop {
            let mut answer = send(&self.client, &path, &body).await?;
            tally.accepted += answer["accepted"].as_u64().unwrap_or_default();
            tally.duplicates += answer["duplicates"].as_u64().unwrap_or_default();
            body["after"] = answer["next"].take();
            if body["after"].is_null() {
                return Ok(());
            }
        }
    }
}

/// Sends a batch, again and again while the server has too much to do.
async fn send(client: &Client, path: &str, body: &Value) -> anyhow::Result<Value> {
    for _ in 1..TRIES {
        let (status, answer) = client.exchange(Method::POST, path, Body::Json(body)).await?;
        if status != StatusCode::TOO_MANY_REQUESTS {
            if status.is_success() {
                return Ok(answer);
            }
            break;
        }
        tokio::time::sleep(PAUSE).await;
    }
    client.request(Method::POST, path, Body::Json(body)).await
}

fn read(file: &Path) -> anyhow::Result<Vec<Row>> {
    let text =
        std::fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
    let rows = match file.extension().and_then(|ending| ending.to_str()) {
        Some("csv") => table(&text),
        Some("jsonl" | "ndjson") => lines(&text),
        _ => bail!(
            "{}: name the file .csv or .jsonl, so that it is clear how to read it",
            file.display()
        ),
    };
    rows.with_context(|| file.display().to_string())
}

/// A header line with `customer`, then a line for each; other columns are properties, and empty ones are left out.
fn table(text: &str) -> anyhow::Result<Vec<Row>> {
    // Spreadsheets mark their files as UTF-8.
    let text = text.trim_start_matches('\u{feff}');
    let mut reader = csv::Reader::from_reader(text.as_bytes());
    let header = reader.headers()?.clone();
    let column = header.iter().position(|name| name == "customer");
    let column = column.context("the first line must name the columns, `customer` among them")?;
    let rows = reader.into_records().map(|record| {
        let record = record?;
        let customer = record.get(column).unwrap_or_default().to_owned();
        let others = header.iter().zip(&record).enumerate();
        let others = others.filter(|(index, (_, text))| *index != column && !text.is_empty());
        let properties = others.map(|(_, (name, text))| (name.to_owned(), value(text))).collect();
        Ok(Row { customer, properties })
    });
    rows.collect()
}

fn lines(text: &str) -> anyhow::Result<Vec<Row>> {
    let lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
    lines
        .map(|(index, line)| {
            serde_json::from_str(line).with_context(|| format!("line {}", index + 1))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(customer: &str, properties: Value) -> Row {
        let Value::Object(properties) = properties else { panic!("an object") };
        Row { customer: customer.to_owned(), properties }
    }

    #[test]
    fn a_table_names_its_columns() {
        let rows =
            table("\u{feff}customer,city,level\nlin,\"Shanghai, Pudong\",3\nann,,\n").unwrap();
        let first = row("lin", json!({ "city": "Shanghai, Pudong", "level": 3 }));
        assert_eq!(rows, [first, row("ann", json!({}))]);
        assert!(table("id,city\nlin,Shanghai\n").unwrap_err().to_string().contains("`customer`"));
        assert!(table("customer,city\nlin\n").is_err());
    }

    #[test]
    fn or_each_line_is_an_object() {
        let rows = lines(
            "{\"customer\":\"lin\"}\n\n{\"customer\":\"ann\",\"properties\":{\"level\":3}}\n",
        );
        assert_eq!(rows.unwrap(), [row("lin", json!({})), row("ann", json!({ "level": 3 }))]);
        let error = lines("{\"customer\":\"lin\"}\nann\n").unwrap_err();
        assert_eq!(error.to_string(), "line 2");
    }
}
