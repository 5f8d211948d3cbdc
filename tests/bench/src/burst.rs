//! A burst: many customers enter a journey at once, and every one of them is to be reached soon. Meanwhile a few do
//! something that a transactional journey answers: their messages must not wait behind the others.
//!
//! Everything is real but the outside: the engine, its database with flushed commits, and the plugin `echo` in its sandbox,
//! which accepts every message. Both journeys send on the same connection. A transactional message's latency runs from the
//! moment its event is handed over to the moment its acceptance is recorded.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};
use serde_json::{Map, json};
use tokio::sync::watch;
use tokio::task::JoinSet;
use waystation_engine::{Clock as _, Engine, EngineError, HostSpec, Parts, SystemClock, Treatment};
use waystation_journey::{Lane, check};
use waystation_sandbox::Sandbox;
use waystation_store::Store;
use waystation_store::records::{CustomerPatch, Deliveries, NewEvent, Subject, Taken};

use crate::latency::percentile_ms;
use crate::pipeline::{Workload, connection, install, unseal, verify};
use crate::until::until;

/// Batches of events that are handed over at the same time.
const FEEDERS: usize = 4;
/// A run that takes longer than this for each customer, and a minute beside it, is stuck.
const PATIENCE: Duration = Duration::from_millis(2);
/// Customers who do something transactional.
const SHOPPERS: usize = 1_000;

const RECEIPT: &str = "
journey: receipt
purpose: transactional
priority: low
entry: { event: bench.paid, key: event.order }
templates: { receipt: { default: { text: 'Thank you for order {{ entry.order }}.' } } }
steps:
  - send: { use: echo, template: receipt }
";

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Print one JSON object
    #[arg(long)]
    json: bool,
    /// Customers of the burst, 1,000 .. 5,000,000
    #[arg(long, default_value_t = 100_000, value_parser = clap::value_parser!(u64).range(1_000..=5_000_000))]
    customers: u64,
    /// Transactional messages in a second, 1 .. 1,000
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=1_000))]
    rate: u32,
    /// Where the database is made: a folder on a disk. Where this program lies, if absent
    #[arg(long)]
    folder: Option<PathBuf>,
}

/// What came of it.
struct Figures {
    seconds: f64,
    transactional: usize,
    p50_ms: f64,
    p99_ms: f64,
    max_ms: f64,
    rss_mb: f64,
}

pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let folder = match &arguments.folder {
        Some(folder) => folder.clone(),
        None => std::env::current_exe()?.parent().map(Path::to_owned).unwrap_or_default(),
    };
    let figures = tokio::runtime::Runtime::new()?.block_on(measure(arguments, &folder))?;
    let tenth = |figure: f64| (figure * 10.0).round() / 10.0;
    if arguments.json {
        print(&json!({
            "customers": arguments.customers,
            "seconds": tenth(figures.seconds),
            "transactional": figures.transactional,
            "transactional_p50_ms": tenth(figures.p50_ms),
            "transactional_p99_ms": tenth(figures.p99_ms),
            "transactional_max_ms": tenth(figures.max_ms),
            "rss_mb": figures.rss_mb.round(),
        }));
        return Ok(());
    }
    print(&format_args!("customers               {:>10}", arguments.customers));
    print(&format_args!("reached in              {:>10.1} s", figures.seconds));
    print(&format_args!("transactional messages  {:>10}", figures.transactional));
    print(&format_args!("  latency, median       {:>10.0} ms", figures.p50_ms));
    print(&format_args!("  latency, p99          {:>10.0} ms", figures.p99_ms));
    print(&format_args!("  latency, longest      {:>10.0} ms", figures.max_ms));
    print(&format_args!("resident memory         {:>10.0} MB", figures.rss_mb));
    Ok(())
}

#[allow(clippy::print_stdout, reason = "the figures are the command's output")]
fn print(line: &impl std::fmt::Display) {
    println!("{line}");
}

async fn measure(arguments: &Arguments, folder: &Path) -> anyhow::Result<Figures> {
    let guest = Path::new(env!("CARGO_MANIFEST_DIR")).join("../guests/echo");
    let built = waystation_build::build(&guest, &waystation_build::Options::default())?;
    let wasm = std::fs::read(&built.wasm).context("reading the plugin")?;
    let folder = tempfile::tempdir_in(folder)?;
    let customers = usize::try_from(arguments.customers)?;
    let workload = Workload::new(customers)?;
    let store = Arc::new(Store::open(&folder.path().join("burst.db")).await?);
    workload.store_customers(&store).await?;
    store.upsert_customers((0..SHOPPERS).map(shopper).collect(), 0).await?;
    let engine = start(Arc::clone(&store), folder.path(), &wasm).await?;

    let (done, mut ended) = watch::channel(false);
    let started = Instant::now();
    let burst = async {
        let reached = reach_everyone(&engine, &workload, started).await;
        done.send_replace(true);
        reached
    };
    let (reached, handed) = tokio::join!(burst, trickle(&engine, arguments.rate, &mut ended));
    let (seconds, handed) = (reached?.as_secs_f64(), handed?);
    let rss_mb = resident_mb()?;
    let latencies = latencies(&store, &handed).await?;
    engine.stop().await;
    verify(&store, customers).await?;
    store.close().await;
    Ok(Figures {
        seconds,
        transactional: handed.len(),
        p50_ms: percentile_ms(&latencies, 50.0),
        p99_ms: percentile_ms(&latencies, 99.0),
        max_ms: percentile_ms(&latencies, 100.0),
        rss_mb,
    })
}

async fn start(store: Arc<Store>, folder: &Path, wasm: &[u8]) -> anyhow::Result<Arc<Engine>> {
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
    let engine = Engine::start(parts, Arc::new(unseal)).await?;
    let digest = install(&engine, wasm).await?;
    engine.put_connection(connection(&digest), "bench").await?;
    for file in [Workload::file(), RECEIPT] {
        let checked = check(file, None);
        let program = checked
            .program
            .with_context(|| format!("the journey has problems: {:?}", checked.problems))?;
        engine.apply_journey(file.to_owned(), program, Treatment::default(), "bench").await?;
    }
    Ok(engine)
}

/// Hands all events over as fast as they are taken; answers when everybody has been reached.
async fn reach_everyone(
    engine: &Arc<Engine>,
    workload: &Workload,
    started: Instant,
) -> anyhow::Result<Duration> {
    let mut batches = workload.events(engine.now()).into_iter();
    let mut feeders = JoinSet::new();
    loop {
        while feeders.len() < FEEDERS {
            let Some(batch) = batches.next() else { break };
            feeders.spawn(hand_over(Arc::clone(engine), batch));
        }
        let Some(handed) = feeders.join_next().await else { break };
        handed??;
    }
    let patience = Duration::from_secs(60) + PATIENCE * u32::try_from(workload.customers)?;
    let all = i64::try_from(workload.customers)?;
    until(patience, async || {
        let open = engine.store().counts().await?;
        // The transactional ones come and go.
        Ok(open.events_open + open.effects_open.values().sum::<i64>() < 20
            && engine.store().enrollment_counts("bench").await?.get("finished") == Some(&all))
    })
    .await?;
    Ok(started.elapsed())
}

async fn hand_over(engine: Arc<Engine>, batch: Vec<NewEvent>) -> anyhow::Result<()> {
    loop {
        match engine.take(batch.clone()).await {
            Ok(taken) => {
                let fine = taken.iter().all(|taken| *taken == Taken::Accepted);
                ensure!(fine, "an event was not accepted");
                return Ok(());
            }
            Err(EngineError::Overloaded { after_s }) => {
                tokio::time::sleep(Duration::from_secs(after_s)).await;
            }
            Err(error) => bail!(error),
        }
    }
}

/// Lets customers pay at a steady rate until the burst is over; answers with the time of each by the engine's clock.
async fn trickle(
    engine: &Arc<Engine>,
    rate: u32,
    ended: &mut watch::Receiver<bool>,
) -> anyhow::Result<Vec<i64>> {
    let mut handed = Vec::new();
    let mut takes = JoinSet::new();
    let mut tick = tokio::time::interval(Duration::from_secs(1) / rate);
    loop {
        tokio::select! {
            _ = tick.tick() => {}
            _ = ended.wait_for(|ended| *ended) => break,
        }
        let (number, at) = (handed.len(), engine.now());
        handed.push(at);
        let engine = Arc::clone(engine);
        takes.spawn(async move {
            let taken = engine.take(vec![paid(number, at)]).await?;
            ensure!(taken == [Taken::Accepted], "a payment was not accepted");
            Ok(())
        });
        while let Some(taken) = takes.try_join_next() {
            taken??;
        }
    }
    while let Some(taken) = takes.join_next().await {
        taken??;
    }
    Ok(handed)
}

/// From each payment to the recorded acceptance of its message.
async fn latencies(store: &Store, handed: &[i64]) -> anyhow::Result<Vec<Duration>> {
    let started = Instant::now();
    loop {
        let mut filter =
            Deliveries { journey: Some("receipt".to_owned()), ..Deliveries::default() };
        let mut settled = Vec::with_capacity(handed.len());
        loop {
            let page = store.deliveries(&filter, 1_000).await?;
            let Some(last) = page.last() else { break };
            for effect in page.iter().filter(|one| one.outcome.as_deref() == Some("accepted")) {
                settled.push((effect.enrollment.clone(), effect.settled_at.unwrap_or_default()));
            }
            filter.after = Some(last.key.clone());
        }
        if settled.len() == handed.len() {
            return taken_by(store, &settled, handed).await;
        }
        ensure!(
            started.elapsed() < Duration::from_secs(60),
            "{} of {} transactional messages arrived",
            settled.len(),
            handed.len()
        );
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

async fn taken_by(
    store: &Store,
    settled: &[(String, i64)],
    handed: &[i64],
) -> anyhow::Result<Vec<Duration>> {
    let mut latencies = Vec::with_capacity(settled.len());
    for (enrollment, at) in settled {
        let enrollment = store.enrollment(enrollment).await?.context("the enrollment is gone")?;
        let number: usize = enrollment.key.parse().context("the order's number")?;
        let from = handed.get(number).context("no such order")?;
        latencies.push(Duration::from_millis(u64::try_from((at - from).max(0))?));
    }
    latencies.sort_unstable();
    Ok(latencies)
}

fn shopper(number: usize) -> CustomerPatch {
    CustomerPatch {
        id: format!("shopper-{number}"),
        identities: [("phone".to_owned(), format!("+86139{number:08}"))].into(),
        ..CustomerPatch::default()
    }
}

fn paid(number: usize, at: i64) -> NewEvent {
    NewEvent {
        source: "bench".to_owned(),
        id: format!("paid-{number}"),
        name: "bench.paid".to_owned(),
        subject: Subject::Customer(format!("shopper-{}", number % SHOPPERS)),
        at,
        subscription: None,
        lane: Lane::GENERAL,
        properties: Map::from_iter([("order".to_owned(), json!(number.to_string()))]),
    }
}

fn resident_mb() -> anyhow::Result<f64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let text = line.context("the system does not tell the resident memory")?;
    Ok(text.trim().trim_end_matches(" kB").parse::<f64>()? / 1024.0)
}
