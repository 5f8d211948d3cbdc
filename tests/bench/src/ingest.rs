//! Taking events in over HTTP: how many a second in batches, and how long one alone takes at a steady rate.
//!
//! The server is the program itself, in a process of its own, with its database on a disk; an event counts once the server
//! has said that it is stored, which it says after the flush. Batches are sent over a few connections, one after the other
//! on each. Single events are sent at a fixed rate whether or not earlier ones have been answered, and each one's latency
//! runs from the moment when it was to be sent, so that a server that stalls is charged for all who would have waited.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};
use reqwest::{Client, Method, StatusCode, header};
use serde_json::json;
use tokio::task::JoinSet;

use crate::latency::percentile_ms;
use crate::start::{Body, Server};

/// Events in a batch, the most that the server takes.
const BATCH: usize = 1_000;
/// Customers to whom the events happen.
const CUSTOMERS: usize = 100_000;
/// Single requests that may be under way; more is a server that does not keep up.
const UNDER_WAY: usize = 4_096;

/// A journey that listens to such events, as there would be one.
const JOURNEY: &str = "
journey: bench
purpose: marketing
entry: { event: bench.event, when: event.amount > 1000 }
steps: [{ wait: 1h }]
";

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Print one JSON object
    #[arg(long)]
    json: bool,
    /// Events sent in batches, 10,000 .. 5,000,000
    #[arg(long, default_value_t = 300_000, value_parser = clap::value_parser!(u64).range(10_000..=5_000_000))]
    events: u64,
    /// Connections that send batches, 1 .. 64
    #[arg(long, default_value_t = 8, value_parser = clap::value_parser!(u32).range(1..=64))]
    connections: u32,
    /// Single events in a second, 1 .. 20,000
    #[arg(long, default_value_t = 1_000, value_parser = clap::value_parser!(u32).range(1..=20_000))]
    rate: u32,
    /// Seconds of single events, 1 .. 600
    #[arg(long, default_value_t = 15, value_parser = clap::value_parser!(u32).range(1..=600))]
    seconds: u32,
    /// The `waystation` program; the one beside this program if absent
    #[arg(long)]
    program: Option<PathBuf>,
    /// Where the server's data is: a folder on a disk. Where this program lies, if absent
    #[arg(long)]
    folder: Option<PathBuf>,
}

/// What came of it.
struct Figures {
    events_per_s: f64,
    /// Batches that were turned away and sent again.
    turned_away: usize,
    singles_per_s: f64,
    p50_ms: f64,
    p99_ms: f64,
    max_ms: f64,
}

pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let this = std::env::current_exe()?;
    let program = arguments.program.clone().unwrap_or(this.with_file_name("waystation"));
    ensure!(
        program.exists(),
        "there is no {}; build it with `cargo build --release -p waystation`",
        program.display()
    );
    let folder = match &arguments.folder {
        Some(folder) => folder.clone(),
        None => this.parent().map(std::path::Path::to_owned).unwrap_or_default(),
    };
    let _ = rustls::crypto::ring::default_provider().install_default();
    let folder = tempfile::tempdir_in(folder)?;
    let (mut server, _) = Server::start(&program, &folder.path().join("data"))?;
    let figures = tokio::runtime::Runtime::new()?.block_on(measure(arguments, &server));
    server.stop()?;
    let figures = figures?;
    let tenth = |figure: f64| (figure * 10.0).round() / 10.0;
    if arguments.json {
        print(&json!({
            "events_per_s": figures.events_per_s.round(),
            "turned_away": figures.turned_away,
            "singles_per_s": figures.singles_per_s.round(),
            "p50_ms": tenth(figures.p50_ms),
            "p99_ms": tenth(figures.p99_ms),
            "max_ms": tenth(figures.max_ms),
        }));
        return Ok(());
    }
    print(&format_args!("events/s, batches of {BATCH}  {:>8.0}", figures.events_per_s));
    print(&format_args!("batches turned away       {:>8}", figures.turned_away));
    print(&format_args!("single events/s           {:>8.0}", figures.singles_per_s));
    print(&format_args!("  latency, median         {:>8.1} ms", figures.p50_ms));
    print(&format_args!("  latency, p99            {:>8.1} ms", figures.p99_ms));
    print(&format_args!("  latency, longest        {:>8.1} ms", figures.max_ms));
    Ok(())
}

#[allow(clippy::print_stdout, reason = "the figures are the command's output")]
fn print(line: &impl std::fmt::Display) {
    println!("{line}");
}

async fn measure(arguments: &Arguments, server: &Server) -> anyhow::Result<Figures> {
    server.ask(Method::POST, "/v1/journeys", Body::Yaml(JOURNEY.to_owned())).await?;
    let post = Arc::new(Post {
        client: Client::builder().pool_max_idle_per_host(UNDER_WAY).build()?,
        url: format!("{}/v1/events", server.address),
        token: server.token.clone(),
    });
    let batches = usize::try_from(arguments.events)? / BATCH;
    let bodies: Vec<Vec<u8>> = (0..batches).map(batch).collect();
    let (took, turned_away) = send_batches(&post, bodies, arguments.connections).await?;
    let singles = usize::try_from(arguments.rate * arguments.seconds)?;
    let (latencies, elapsed) =
        send_singles(&post, batches * BATCH, singles, arguments.rate).await?;
    Ok(Figures {
        events_per_s: (batches * BATCH) as f64 / took.as_secs_f64(),
        turned_away,
        singles_per_s: singles as f64 / elapsed.as_secs_f64(),
        p50_ms: percentile_ms(&latencies, 50.0),
        p99_ms: percentile_ms(&latencies, 99.0),
        max_ms: percentile_ms(&latencies, 100.0),
    })
}

struct Post {
    client: Client,
    url: String,
    token: String,
}

/// How a request ended.
enum Answer {
    Stored,
    /// Come again after so long.
    Later(Duration),
}

impl Post {
    async fn send(&self, body: Vec<u8>) -> anyhow::Result<Answer> {
        let request = self
            .client
            .post(&self.url)
            .bearer_auth(&self.token)
            .header(header::CONTENT_TYPE, "application/json")
            .body(body);
        let response = request.send().await?;
        let status = response.status();
        let after = response.headers().get(header::RETRY_AFTER).cloned();
        let text = response.text().await?;
        match status {
            StatusCode::ACCEPTED => Ok(Answer::Stored),
            StatusCode::TOO_MANY_REQUESTS => {
                let after = after.context("no Retry-After")?.to_str()?.parse()?;
                Ok(Answer::Later(Duration::from_secs(after)))
            }
            _ => bail!("{status}: {text}"),
        }
    }
}

async fn send_batches(
    post: &Arc<Post>,
    bodies: Vec<Vec<u8>>,
    connections: u32,
) -> anyhow::Result<(Duration, usize)> {
    let bodies = Arc::new(bodies);
    let next = Arc::new(AtomicUsize::new(0));
    let turned_away = Arc::new(AtomicUsize::new(0));
    let mut senders = JoinSet::new();
    let started = Instant::now();
    for _ in 0..connections {
        let (post, bodies) = (Arc::clone(post), Arc::clone(&bodies));
        let (next, turned_away) = (Arc::clone(&next), Arc::clone(&turned_away));
        senders.spawn(async move {
            while let Some(body) = bodies.get(next.fetch_add(1, Ordering::Relaxed)) {
                while let Answer::Later(after) = post.send(body.clone()).await? {
                    turned_away.fetch_add(1, Ordering::Relaxed);
                    tokio::time::sleep(after).await;
                }
            }
            anyhow::Ok(())
        });
    }
    while let Some(sent) = senders.join_next().await {
        sent??;
    }
    Ok((started.elapsed(), turned_away.load(Ordering::Relaxed)))
}

/// Sends single events at their times; answers with their latencies, sorted, and how long it took.
async fn send_singles(
    post: &Arc<Post>,
    first: usize,
    count: usize,
    rate: u32,
) -> anyhow::Result<(Vec<Duration>, Duration)> {
    let mut latencies = Vec::with_capacity(count);
    let mut under_way = JoinSet::new();
    let started = Instant::now();
    for number in 0..count {
        let due = started + Duration::from_secs(1) * u32::try_from(number)? / rate;
        tokio::time::sleep_until(due.into()).await;
        ensure!(under_way.len() < UNDER_WAY, "the server does not keep up with {rate} a second");
        let post = Arc::clone(post);
        under_way.spawn(async move {
            match post.send(event(first + number).into_bytes()).await? {
                Answer::Stored => Ok(due.elapsed()),
                Answer::Later(_) => bail!("a single event was turned away"),
            }
        });
        while let Some(one) = under_way.try_join_next() {
            latencies.push(one??);
        }
    }
    while let Some(one) = under_way.join_next().await {
        latencies.push(one??);
    }
    let elapsed = started.elapsed();
    latencies.sort_unstable();
    Ok((latencies, elapsed))
}

fn batch(number: usize) -> Vec<u8> {
    let events: Vec<String> = (number * BATCH..(number + 1) * BATCH).map(event).collect();
    format!("[{}]", events.join(",")).into_bytes()
}

fn event(number: usize) -> String {
    json!({
        "id": format!("event-{number:08}"),
        "name": "bench.event",
        // Neighbours in a batch are not neighbours in the index.
        "customer": format!("customer-{:07}", number.wrapping_mul(48_271) % CUSTOMERS),
        "properties": { "item": format!("Item {}", number % 500), "amount": number % 200 + 1 },
    })
    .to_string()
}
