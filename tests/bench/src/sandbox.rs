//! Microseconds for one call of the plugin `echo`, through a connection and through wasmtime with nothing around it.
//!
//! Both are measured in turns in one run, so that a busy machine slows both; the figures are medians.

use std::{
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Context as _, bail};
use serde_json::json;
use waystation_sandbox::{
    Connection, Limits, Options, Sandbox, Settings,
    contract::channel::{Content, Message, Outcome, Purpose, Recipient},
};

mod bare;

use bare::Bare;

/// Messages of the larger batch, and bytes of text in each.
const BATCH: usize = 100;
const TEXT_BYTES: usize = 1_000;
/// Calls of each sort before the measurement begins.
const WARM_UP: usize = 200;
/// A median over more calls than this does not move any more.
const ROUNDS_MAX: usize = 1_000_000;

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Print one JSON object
    #[arg(long)]
    json: bool,
    /// Calls of each sort, at most 1,000,000
    #[arg(long, default_value_t = 3_000)]
    rounds: usize,
}

/// Medians in microseconds.
struct Figures {
    empty: f64,
    bare_empty: f64,
    batch: f64,
    bare_batch: f64,
}

impl Figures {
    fn ratio(&self) -> f64 {
        self.empty / self.bare_empty
    }

    /// What one message more costs.
    fn per_message(&self) -> f64 {
        (self.batch - self.empty) / BATCH as f64
    }

    fn bare_per_message(&self) -> f64 {
        (self.bare_batch - self.bare_empty) / BATCH as f64
    }
}

pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<()> {
    if !(1..=ROUNDS_MAX).contains(&arguments.rounds) {
        bail!("--rounds is {}; it must be from 1 to {ROUNDS_MAX}", arguments.rounds);
    }
    let figures = tokio::runtime::Runtime::new()?.block_on(measure(arguments.rounds))?;
    if arguments.json {
        print(&json!({
            "call_us": round(figures.empty),
            "bare_call_us": round(figures.bare_empty),
            "ratio": round(figures.ratio()),
            "per_message_us": round(figures.per_message()),
        }));
    } else {
        print_table(&figures);
    }
    Ok(())
}

async fn measure(rounds: usize) -> anyhow::Result<Figures> {
    let guest = Path::new(env!("CARGO_MANIFEST_DIR")).join("../guests/echo");
    let built = waystation_build::build(&guest, &waystation_build::Options::default())?;
    let wasm: Arc<[u8]> = std::fs::read(&built.wasm).context("reading the plugin")?.into();
    let cache = tempfile::tempdir()?;
    let connection = connect(cache.path(), Arc::clone(&wasm)).await?;
    let bare = Bare::new(&wasm).map_err(|error| bare::plain(&error))?;

    let none: [Message; 0] = [];
    let batch: Vec<Message> = (0..BATCH).map(message).collect();
    let bare_batch: Vec<bare::Message> = batch.iter().map(bare::message).collect();
    let mut samples: [Vec<Duration>; 4] = std::array::from_fn(|_| Vec::with_capacity(rounds));
    for round in 0..WARM_UP + rounds {
        let times = [
            timed(connection.send(&none), |outcomes| check(&outcomes, 0)).await?,
            timed(bare.send(&[]), |outcomes| {
                assert_count(outcomes.map_err(|error| bare::plain(&error))?.len(), 0)
            })
            .await?,
            timed(connection.send(&batch), |outcomes| check(&outcomes, BATCH)).await?,
            timed(bare.send(&bare_batch), |outcomes| {
                assert_count(outcomes.map_err(|error| bare::plain(&error))?.len(), BATCH)
            })
            .await?,
        ];
        if round >= WARM_UP {
            samples.iter_mut().zip(times).for_each(|(samples, time)| samples.push(time));
        }
    }
    let [empty, bare_empty, batch, bare_batch] = samples.map(median);
    Ok(Figures { empty, bare_empty, batch, bare_batch })
}

async fn connect(cache: &Path, wasm: Arc<[u8]>) -> anyhow::Result<Connection> {
    let sandbox = Sandbox::new(&Options { instances: bare::INSTANCES, ..Options::new(cache) })?;
    let release = sandbox.load(wasm).await?;
    let mut settings = Settings::new("bench", Arc::new(|| 0));
    settings.limits = Limits::default();
    Ok(Connection::new(sandbox, release, settings)?)
}

fn message(number: usize) -> Message {
    Message {
        key: format!("journey-1.step-3.{number}"),
        recipient: Recipient {
            customer: format!("c{number}"),
            address: "+8613800000000".to_owned(),
            name: None,
            locale: None,
        },
        content: Content::Text("x".repeat(TEXT_BYTES)),
        purpose: Purpose::Marketing,
        extras: Vec::new(),
    }
}

/// The time until an answer is there; that it is right is checked outside of it.
async fn timed<T>(
    call: impl Future<Output = T>,
    check: impl FnOnce(T) -> anyhow::Result<()>,
) -> anyhow::Result<Duration> {
    let start = Instant::now();
    let answer = call.await;
    let time = start.elapsed();
    check(answer)?;
    Ok(time)
}

fn check(outcomes: &[Outcome], count: usize) -> anyhow::Result<()> {
    match outcomes.iter().find(|outcome| !matches!(outcome, Outcome::Accepted(_))) {
        Some(outcome) => bail!("the plugin did not accept a message: {outcome:?}"),
        None => assert_count(outcomes.len(), count),
    }
}

fn assert_count(outcomes: usize, count: usize) -> anyhow::Result<()> {
    if outcomes != count {
        bail!("{outcomes} outcomes came for {count} messages");
    }
    Ok(())
}

/// In microseconds.
fn median(mut samples: Vec<Duration>) -> f64 {
    samples.sort_unstable();
    samples[samples.len() / 2].as_secs_f64() * 1e6
}

fn round(value: f64) -> f64 {
    (value * 100.0).round() / 100.0
}

#[allow(clippy::print_stdout, reason = "the figures are the command's output")]
fn print(line: &impl std::fmt::Display) {
    println!("{line}");
}

fn print_table(figures: &Figures) {
    let Figures { empty, bare_empty, batch, bare_batch } = figures;
    print(&"                        connection     wasmtime    ratio");
    print(&format_args!(
        "empty call, us        {empty:>12.2} {bare_empty:>12.2} {:>8.2}",
        figures.ratio()
    ));
    print(&format_args!(
        "{BATCH} messages, us      {batch:>12.2} {bare_batch:>12.2} {:>8.2}",
        batch / bare_batch
    ));
    let (message, bare_message) = (figures.per_message(), figures.bare_per_message());
    print(&format_args!(
        "each message, us      {message:>12.2} {bare_message:>12.2} {:>8.2}",
        message / bare_message
    ));
}
