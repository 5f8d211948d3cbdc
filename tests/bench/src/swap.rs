//! Swapping a release a hundred times under load: what is lost, repeated or fails, and what a message waits.
//!
//! Messages flow at a steady rate through two releases of the plugin `webhook`, which hand them to a real HTTP server of
//! this process. It journals the key of every message and when it came. Phases with and without swaps take turns, so that
//! a busy machine slows both. A message's latency runs from the moment its event is handed over to the moment the server
//! has it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use serde_json::json;
use tokio::task::JoinSet;
use waystation_engine::{
    Clock as _, ConnectionSpec, Engine, EngineError, HostSpec, Parts, SystemClock, Treatment,
    Unseal,
};
use waystation_sandbox::Sandbox;
use waystation_store::Store;
use waystation_store::records::{ConnectionRow, Deliveries, Taken};

use crate::pipeline::{Workload, event, install};

mod provider;

use provider::Provider;

/// How often events are handed over.
const TICK: Duration = Duration::from_millis(10);
/// How long the last messages may take.
const PATIENCE: Duration = Duration::from_secs(60);
/// The connection that the journey names.
const CONNECTION: &str = "echo";

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Print one JSON object
    #[arg(long)]
    json: bool,
    /// Messages in a second, 100 .. 10,000
    #[arg(long, default_value_t = 2_200, value_parser = clap::value_parser!(u32).range(100..=10_000))]
    rate: u32,
    /// Swaps in all, 1 .. 1,000
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=1_000))]
    swaps: u32,
    /// Phases of each sort
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=50))]
    rounds: u32,
    /// Seconds of a phase
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u64).range(1..=60))]
    seconds: u64,
    /// Where the database is made: a folder on a disk. Where this program lies, if absent
    #[arg(long)]
    folder: Option<PathBuf>,
}

/// What came of it.
struct Figures {
    swaps: u32,
    sends_per_s: f64,
    messages: usize,
    lost: usize,
    repeated: usize,
    failed: usize,
    p99_ms: f64,
    p99_steady_ms: f64,
    /// What a swap took on average.
    swap_ms: f64,
}

pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let folder = match &arguments.folder {
        Some(folder) => folder.clone(),
        None => std::env::current_exe()?.parent().map(Path::to_owned).unwrap_or_default(),
    };
    let runtime = tokio::runtime::Runtime::new()?;
    let figures = runtime.block_on(measure(arguments, &folder))?;
    let ratio = figures.p99_ms / figures.p99_steady_ms;
    if arguments.json {
        print(&json!({
            "swaps": figures.swaps,
            "sends_per_s": figures.sends_per_s.round(),
            "messages": figures.messages,
            "lost": figures.lost,
            "repeated": figures.repeated,
            "failed": figures.failed,
            "p99_ms": (figures.p99_ms * 10.0).round() / 10.0,
            "p99_steady_ms": (figures.p99_steady_ms * 10.0).round() / 10.0,
            "p99_ratio": (ratio * 1e3).round() / 1e3,
            "swap_ms": (figures.swap_ms * 10.0).round() / 10.0,
        }));
        return Ok(());
    }
    print(&format_args!("swaps            {:>10}", figures.swaps));
    print(&format_args!("messages         {:>10}", figures.messages));
    print(&format_args!("sends/s          {:>10.0}", figures.sends_per_s));
    print(&format_args!("lost             {:>10}", figures.lost));
    print(&format_args!("repeated         {:>10}", figures.repeated));
    print(&format_args!("failed           {:>10}", figures.failed));
    print(&format_args!("p99 during swaps {:>10.1} ms", figures.p99_ms));
    print(&format_args!("p99 without      {:>10.1} ms", figures.p99_steady_ms));
    print(&format_args!("ratio            {ratio:>10.2}"));
    print(&format_args!("time of a swap   {:>10.1} ms", figures.swap_ms));
    Ok(())
}

#[allow(clippy::print_stdout, reason = "the figures are the command's output")]
fn print(line: &impl std::fmt::Display) {
    println!("{line}");
}

async fn measure(arguments: &Arguments, folder: &Path) -> anyhow::Result<Figures> {
    let plugin = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../plugins/webhook");
    let built = waystation_build::build(&plugin, &waystation_build::Options::default())?;
    let wasm = std::fs::read(&built.wasm).context("reading the plugin")?;
    let folder = tempfile::tempdir_in(folder)?;
    let provider = Provider::start().await?;
    let phases = (arguments.rounds * 2) as usize;
    let per_phase = arguments.rate as usize * usize::try_from(arguments.seconds)?;
    let messages = per_phase * phases;
    let workload = Workload::new(messages)?;
    let store = Arc::new(Store::open(&folder.path().join("swap.db")).await?);
    workload.store_customers(&store).await?;
    let engine = start(Arc::clone(&store), folder.path(), provider.address()).await?;
    let a = install(&engine, &wasm).await?;
    let b = install(&engine, &other(&wasm)).await?;
    engine.put_connection(connection(&a), "bench").await?;
    let (file, program) = (Workload::file().to_owned(), Workload::program()?);
    engine.apply_journey(file, program, Treatment::default(), "bench").await?;

    let mut handed = Vec::with_capacity(messages);
    let mut swaps = 0;
    let mut spent = Duration::ZERO;
    let started = Instant::now();
    for phase in 0..phases {
        let swapping = phase % 2 == 1;
        let swaps_here = if swapping { arguments.swaps.div_ceil(arguments.rounds) } else { 0 };
        let flow = flow(&engine, arguments, phase * per_phase, per_phase);
        let swap = swap(&engine, [&a, &b], swaps, swaps_here, arguments.seconds);
        let (times, done) = tokio::join!(flow, swap);
        handed.extend(times?);
        let (count, took) = done?;
        swaps += count;
        spent += took;
    }
    let flowed = started.elapsed();
    let wait = Instant::now();
    while provider.count() < messages && wait.elapsed() < PATIENCE {
        tokio::time::sleep(TICK).await;
    }
    engine.stop().await;
    let journal = provider.journal();
    let failed = failed(&store, messages).await?;
    store.close().await;

    let mut latencies = [Vec::new(), Vec::new()];
    let mut repeated = 0;
    for arrivals in journal.values() {
        repeated += arrivals.len() - 1;
    }
    for (number, at) in handed.iter().enumerate() {
        if let Some(first) = journal.get(&number).and_then(|arrivals| arrivals.first()) {
            let latency = first.saturating_duration_since(*at);
            latencies[(number / per_phase) % 2].push(latency);
        }
    }
    let [p99_steady_ms, p99_ms] = latencies.map(p99_ms);
    Ok(Figures {
        swaps,
        sends_per_s: messages as f64 / flowed.as_secs_f64(),
        messages,
        lost: messages - journal.len(),
        repeated,
        failed,
        p99_ms,
        p99_steady_ms,
        swap_ms: spent.as_secs_f64() * 1e3 / f64::from(swaps.max(1)),
    })
}

/// The same component under another digest: a custom section changes nothing but the bytes.
fn other(wasm: &[u8]) -> Vec<u8> {
    // Section 0, seven bytes long, of which the first six are its name.
    let section = [&[0x00, 0x07, 0x05][..], b"again", &[0x00]].concat();
    [wasm, &section].concat()
}

async fn start(
    store: Arc<Store>,
    folder: &Path,
    provider: std::net::SocketAddr,
) -> anyhow::Result<Arc<Engine>> {
    let releases = folder.join("releases");
    std::fs::create_dir(&releases)?;
    let parts = Parts {
        store,
        clock: Arc::new(SystemClock),
        sandbox: Sandbox::new(&waystation_sandbox::Options::new(folder.join("cache")))?,
        relays: BTreeMap::new(),
        releases,
        plugin_clock: Arc::new(|| SystemClock.now().unsigned_abs()),
        unsubscribe: None,
        host: HostSpec::default(),
    };
    let spec = json!({
        "connection": CONNECTION,
        "plugin": "webhook",
        "config": {
            "url": format!("http://{provider}/"), "address": "phone", "contents": ["text"],
            "requests": "batch", "max_batch": 100,
        },
        "permissions": {
            "http": { "origins": [format!("http://{provider}")], "networks": ["127.0.0.0/8"] },
            "secrets": ["signing-key"],
        },
    });
    let spec: ConnectionSpec = serde_json::from_value(spec)?;
    let secrets = BTreeMap::from([("signing-key".to_owned(), "a key for this run".to_owned())]);
    let unseal: Unseal =
        Arc::new(move |_: &ConnectionRow| Ok::<_, EngineError>((spec.clone(), secrets.clone())));
    Ok(Engine::start(parts, unseal).await?)
}

fn connection(digest: &str) -> ConnectionRow {
    ConnectionRow { name: CONNECTION.to_owned(), ..crate::pipeline::connection(digest) }
}

/// Hands events over at a steady rate; answers with the moment of each.
async fn flow(
    engine: &Arc<Engine>,
    arguments: &Arguments,
    first: usize,
    count: usize,
) -> anyhow::Result<Vec<Instant>> {
    let mut handed = Vec::with_capacity(count);
    let mut takes = JoinSet::new();
    let started = Instant::now();
    while handed.len() < count {
        // Whatever is due by now: a late tick makes up for what it missed.
        let due = (started.elapsed().as_secs_f64() * f64::from(arguments.rate)) as usize + 1;
        let numbers = first + handed.len()..first + due.min(count);
        let now = Instant::now();
        handed.extend(numbers.clone().map(|_| now));
        let engine = Arc::clone(engine);
        takes.spawn(async move {
            let at = engine.now();
            let taken = engine.take(numbers.map(|number| event(number, at)).collect()).await?;
            ensure!(taken.iter().all(|one| *one == Taken::Accepted), "an event was not accepted");
            Ok(())
        });
        tokio::time::sleep(TICK).await;
    }
    while let Some(taken) = takes.join_next().await {
        taken??;
    }
    Ok(handed)
}

/// Swaps the releases so many times, evenly over the phase; answers with the number and the time spent on them.
async fn swap(
    engine: &Engine,
    releases: [&str; 2],
    before: u32,
    count: u32,
    seconds: u64,
) -> anyhow::Result<(u32, Duration)> {
    let mut took = Duration::ZERO;
    let pause = Duration::from_secs(seconds) / (count + 1);
    let started = Instant::now();
    for number in 1..=count {
        tokio::time::sleep_until((started + pause * number).into()).await;
        let next = releases[((before + number) % 2) as usize];
        let begun = Instant::now();
        engine.activate(CONNECTION, next, None, "bench").await?;
        took += begun.elapsed();
    }
    Ok((count, took))
}

/// Messages that were not accepted at their first attempt.
async fn failed(store: &Store, messages: usize) -> anyhow::Result<usize> {
    let mut filter = Deliveries { outcomes: vec!["accepted".to_owned()], ..Deliveries::default() };
    let mut fine = 0;
    loop {
        let page = store.deliveries(&filter, 1_000).await?;
        let Some(last) = page.last() else { break };
        fine += page.iter().filter(|effect| effect.attempts == 1).count();
        filter.after = Some(last.key.clone());
    }
    Ok(messages - fine)
}

fn p99_ms(mut latencies: Vec<Duration>) -> f64 {
    latencies.sort_unstable();
    let place = latencies.len() * 99 / 100;
    latencies.get(place).map_or(f64::NAN, Duration::as_secs_f64) * 1e3
}
