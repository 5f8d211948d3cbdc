//! Three-step journeys a second - a wait that is due, an action, a send - beside other engines, one after the other on the
//! same machine, each with durable commits.
//!
//! Waystation runs them through its engine and plugins in their sandboxes, on SQLite and on PostgreSQL. What the others run
//! is in `tests/bench/peers`: it is installed from the public package registries, or built in Cargo's release profile as this
//! program is, into a folder that is kept for the next run.
//! There an action and a send are functions that do nothing. Throughput is that of a backlog in which everybody is due at
//! once; latency is that of single journeys that begin at a steady rate, from the moment when the wait is due to the end.
//! Processor time is that of the whole machine while the backlog lasts, the database server's included, so nothing else
//! should run.

use std::collections::BTreeMap;
use std::fs;
use std::net::TcpListener;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use waystation_engine::{Clock, Engine, HostSpec, ManualClock, Parts, SystemClock, Treatment};
use waystation_journey::{Lane, Program, check};
use waystation_sandbox::Sandbox;
use waystation_services::postgres;
use waystation_store::records::{ConnectionRow, Filter, NewEvent, Subject, Taken};
use waystation_store::{Database, Store};

use crate::latency::percentile_ms;
use crate::pipeline::{Workload, connection, floor, install, unseal};
use crate::until::until;

const FILE: &str = "
journey: bench
purpose: transactional
entry: { event: bench.event }
templates: { note: { default: { text: 'Hello {{ customer.name }}' } } }
steps:
  - wait: 1m
  - run: done
    use: idles
  - send: { use: echo, template: note }
";
/// The wait of the journey.
const WAIT: Duration = Duration::from_secs(60);
/// The same journey, for latency by the clock on the wall.
const SHORT: Duration = Duration::from_secs(1);
/// Events that are handed over together.
const BATCH: usize = 1_000;
/// A run that takes longer is stuck.
const PATIENCE: Duration = Duration::from_secs(600);
/// Ticks of the processor's counters in a second: Linux counts in hundredths wherever it runs.
const TICKS: f64 = 100.0;

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Print one JSON object
    #[arg(long)]
    json: bool,
    /// Journeys of Waystation's backlog, 1,000 .. 1,000,000; the others get fewer, as they take longer
    #[arg(long, default_value_t = 50_000, value_parser = clap::value_parser!(u32).range(1_000..=1_000_000))]
    journeys: u32,
    /// Journeys whose latency is measured, and how many begin in a second
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=1_000))]
    rate: u32,
    /// Only Waystation
    #[arg(long)]
    alone: bool,
    /// Where packages and data are: a folder on a disk. Where this program lies, if absent
    #[arg(long)]
    folder: Option<PathBuf>,
}

/// What one engine came to.
#[derive(Debug, Clone, Deserialize)]
struct Figures {
    journeys_per_s: f64,
    #[serde(default)]
    p50_ms: Option<f64>,
    #[serde(default)]
    p99_ms: Option<f64>,
    #[serde(default)]
    cpu_ms: f64,
}

pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let this = std::env::current_exe()?;
    let folder = match &arguments.folder {
        Some(folder) => folder.clone(),
        None => this.parent().map(Path::to_owned).unwrap_or_default(),
    }
    .join("peers");
    fs::create_dir_all(&folder)?;
    let mut found: Vec<(&str, Figures)> = Vec::new();
    let runtime = tokio::runtime::Runtime::new()?;
    let server = postgres::Server::start(&["shared_buffers=256MB"]);
    let url = || server.url(&server.create_database());
    let data = tempfile::tempdir_in(&folder)?;
    let file = |name: &str| Database::Sqlite(data.path().join(name));
    let all = arguments.journeys;
    let mut floor = Vec::new();
    for (own_name, bare_name, databases) in [
        (
            "waystation, SQLite",
            "bare SQL of one message, SQLite",
            [file("own.db"), file("bare.db")],
        ),
        (
            "waystation, PostgreSQL",
            "bare SQL of one message, PostgreSQL",
            [url().parse()?, url().parse()?],
        ),
    ] {
        found.push((own_name, runtime.block_on(own(arguments, data.path(), &databases[0]))?));
        floor.push((bare_name, runtime.block_on(bare(all, &databases[1]))?));
    }
    found.append(&mut floor);
    if !arguments.alone {
        let programs = Programs::install(&folder)?;
        let few = all / 10;
        for (way, name, journeys) in [
            ("batched", "graphile-worker, batched", all),
            ("unbatched", "graphile-worker, unbatched", few),
            ("noop", "graphile-worker, batched jobs that do nothing", all),
        ] {
            let mut command = programs.node("graphile.mjs");
            command.arg(way).env("DATABASE_URL", url());
            found.push((name, programs.time(command, journeys, arguments.rate)?));
        }
        found.push(("Restate", restate(&programs, few, arguments.rate)?));
        let mut command = Command::new(programs.folder.join("venv/bin/python"));
        command.arg(programs.scripts.join("dbos_peer.py")).env("DATABASE_URL", url());
        found.push(("DBOS", programs.time(command, all / 25, arguments.rate)?));
        let mut command = programs.apalis("sqlite");
        command.arg(data.path().join("apalis.db"));
        found.push(("apalis-sqlite", programs.time(command, all, arguments.rate)?));
        let mut command = programs.apalis("postgres");
        command.env("DATABASE_URL", url());
        found.push(("apalis-postgres", programs.time(command, all, arguments.rate)?));
    }
    print(arguments.json, &found);
    Ok(())
}

#[allow(clippy::print_stdout, reason = "the figures are the command's output")]
fn print(as_json: bool, found: &[(&str, Figures)]) {
    if as_json {
        let engines: Map<String, Value> = found
            .iter()
            .map(|(name, figures)| {
                let figures = json!({
                    "journeys_per_s": figures.journeys_per_s.round(),
                    "p50_ms": figures.p50_ms,
                    "p99_ms": figures.p99_ms,
                    "cpu_ms_per_journey": figures.cpu_ms,
                });
                ((*name).to_owned(), figures)
            })
            .collect();
        println!("{}", Value::Object(engines));
        return;
    }
    println!("{:<46}{:>12}{:>9}{:>9}{:>13}", "", "journeys/s", "p50 ms", "p99 ms", "CPU ms each");
    for (name, figures) in found {
        let ms = |time: Option<f64>| time.map_or_else(|| "-".to_owned(), |ms| format!("{ms:.1}"));
        println!(
            "{name:<46}{:>12.0}{:>9}{:>9}{:>13.3}",
            figures.journeys_per_s,
            ms(figures.p50_ms),
            ms(figures.p99_ms),
            figures.cpu_ms
        );
    }
}

/// Seconds that the machine's processors were busy since it started.
fn busy() -> anyhow::Result<f64> {
    let counters = fs::read_to_string("/proc/stat")?;
    let first =
        counters.lines().next().context("the system does not tell what its processors do")?;
    let ticks =
        first.split_whitespace().skip(1).map(str::parse).collect::<Result<Vec<f64>, _>>()?;
    // User, nice, system; idle and waiting are left out; interrupts; what other guests of the machine took is left out.
    let at_work = ticks.iter().take(3).chain(ticks.iter().skip(5).take(2)).sum::<f64>();
    Ok(at_work / TICKS)
}

/// The floor of `pipeline`: the statements from an event to a recorded outcome, which are one step of the three.
/// Processor time has the making of what is written in it.
async fn bare(journeys: u32, database: &Database) -> anyhow::Result<Figures> {
    let workload = Workload::new(usize::try_from(journeys)?)?;
    let before = busy()?;
    let took = floor::time(&workload, database).await?;
    Ok(Figures {
        journeys_per_s: f64::from(journeys) / took.as_secs_f64(),
        p50_ms: None,
        p99_ms: None,
        cpu_ms: (busy()? - before) * 1e3 / f64::from(journeys),
    })
}

/// Waystation's own figures.
async fn own(arguments: &Arguments, folder: &Path, database: &Database) -> anyhow::Result<Figures> {
    let folder = tempfile::tempdir_in(folder)?;
    let clock = Arc::new(ManualClock::new(SystemClock.now()));
    let (store, engine) =
        start(database, folder.path(), Arc::clone(&clock) as Arc<dyn Clock>, WAIT).await?;
    let count = usize::try_from(arguments.journeys)?;
    let workload = Workload::new(count)?;
    workload.store_customers(&store).await?;
    for first in (0..count).step_by(BATCH) {
        let events =
            (first..count.min(first + BATCH)).map(|number| event("backlog", number, engine.now()));
        take(&engine, events.collect()).await?;
    }
    until(PATIENCE, async || Ok(store.counts().await?.events_open == 0)).await?;
    let (before, started) = (busy()?, Instant::now());
    clock.advance(WAIT);
    let all = i64::try_from(count)?;
    until(PATIENCE, async || {
        let open = store.counts().await?;
        // Counting the ends costs more; only when they may be there.
        Ok(open.effects_open.values().sum::<i64>() == 0
            && store.enrollment_counts("bench").await?.get("finished") == Some(&all))
    })
    .await?;
    let (seconds, cpu) = (started.elapsed().as_secs_f64(), busy()? - before);
    engine.stop().await;
    store.close().await;
    let clock = Arc::new(SystemClock) as Arc<dyn Clock>;
    let (store, engine) = start(database, &folder.path().join("again"), clock, SHORT).await?;
    let few = usize::try_from(arguments.rate)? * 10;
    let mut pace = tokio::time::interval(Duration::from_secs(1) / arguments.rate);
    for number in 0..few {
        pace.tick().await;
        take(&engine, vec![event("single", number, engine.now())]).await?;
    }
    let all = all + i64::try_from(few)?;
    until(PATIENCE, async || {
        Ok(store.enrollment_counts("bench").await?.get("finished") == Some(&all))
    })
    .await?;
    let mut latencies = latencies(&store).await?;
    latencies.sort_unstable();
    ensure!(latencies.len() == few, "{} of {few} journeys are there", latencies.len());
    engine.stop().await;
    store.close().await;
    Ok(Figures {
        journeys_per_s: count as f64 / seconds,
        p50_ms: Some(percentile_ms(&latencies, 50.0)),
        p99_ms: Some(percentile_ms(&latencies, 99.0)),
        cpu_ms: cpu * 1e3 / count as f64,
    })
}

/// An engine with the journey, whose wait takes so long.
async fn start(
    database: &Database,
    folder: &Path,
    clock: Arc<dyn Clock>,
    wait: Duration,
) -> anyhow::Result<(Arc<Store>, Arc<Engine>)> {
    let store = Arc::new(Store::open(database).await?);
    let releases = folder.join("releases");
    fs::create_dir_all(&releases)?;
    let parts = Parts {
        store: Arc::clone(&store),
        clock,
        sandbox: Sandbox::new(&waystation_sandbox::Options::new(folder.join("cache")))?,
        relays: BTreeMap::new(),
        releases,
        plugin_clock: Arc::new(|| SystemClock.now().unsigned_abs()),
        unsubscribe: None,
        host: HostSpec::default(),
    };
    let engine = Engine::start(parts, Arc::new(unseal)).await?;
    for guest in ["echo", "idles"] {
        let place = Path::new(env!("CARGO_MANIFEST_DIR")).join("../guests").join(guest);
        let built = waystation_build::build(&place, &waystation_build::Options::default())?;
        let digest = install(&engine, &fs::read(&built.wasm)?).await?;
        let row = ConnectionRow { name: guest.to_owned(), ..connection(&digest) };
        engine.put_connection(row, "bench").await?;
    }
    let file = FILE.replace("1m", &format!("{}s", wait.as_secs()));
    let program = program(&file)?;
    engine.apply_journey(file, program, Treatment::default(), "bench").await?;
    Ok((store, engine))
}

fn program(file: &str) -> anyhow::Result<Program> {
    let checked = check(file, None);
    checked.program.with_context(|| format!("the journey has problems: {:?}", checked.problems))
}

fn event(kind: &str, number: usize, at: i64) -> NewEvent {
    NewEvent {
        source: "bench".to_owned(),
        id: format!("{kind}-{number:07}"),
        name: "bench.event".to_owned(),
        subject: Subject::Customer(match kind {
            "backlog" => format!("customer-{number:07}"),
            _ => format!("{kind}-{number:07}"),
        }),
        at,
        subscription: None,
        lane: Lane::GENERAL,
        properties: Map::new(),
    }
}

async fn take(engine: &Engine, events: Vec<NewEvent>) -> anyhow::Result<()> {
    let taken = engine.take(events).await?;
    ensure!(taken.iter().all(|taken| *taken == Taken::Accepted), "an event was not accepted");
    Ok(())
}

/// From the moment when the wait of a single journey was due to its end.
async fn latencies(store: &Store) -> anyhow::Result<Vec<Duration>> {
    let wait = i64::try_from(SHORT.as_millis())?;
    let mut filter =
        Filter { journey: Some("bench".to_owned()), limit: 1_000, ..Filter::default() };
    let mut found = Vec::new();
    loop {
        let page = store.enrollments(&filter).await?;
        let Some(last) = page.last() else { return Ok(found) };
        filter.after = Some(last.id.clone());
        for one in page.iter().filter(|one| one.customer.starts_with("single-")) {
            let took = one.ended_at.context("a journey has no end")? - one.enrolled_at - wait;
            found.push(Duration::from_millis(u64::try_from(took).unwrap_or(0)));
        }
    }
}

/// The other engines, installed.
struct Programs {
    folder: PathBuf,
    scripts: PathBuf,
}

impl Programs {
    /// Installs what is not there yet.
    fn install(folder: &Path) -> anyhow::Result<Self> {
        let scripts = Path::new(env!("CARGO_MANIFEST_DIR")).join("peers");
        for name in ["package.json", "graphile.mjs", "restate.mjs"] {
            fs::copy(scripts.join(name), folder.join(name))?;
        }
        if !folder.join("node_modules/.package-lock.json").exists() {
            let mut npm = Command::new("npm");
            done(npm.args(["install", "--no-audit", "--no-fund", "--silent"]).current_dir(folder))?;
        }
        if !folder.join("venv/installed").exists() {
            done(Command::new("python3").args(["-m", "venv"]).arg(folder.join("venv")))?;
            let mut pip = Command::new(folder.join("venv/bin/pip"));
            done(pip.args(["install", "--quiet", "-r"]).arg(scripts.join("requirements.txt")))?;
            fs::write(folder.join("venv/installed"), "")?;
        }
        // Cargo itself sees what is there already. From its folder, so that it gets the same SQLite as Waystation does.
        let mut cargo = Command::new("cargo");
        cargo
            .args(["build", "--release", "--locked", "--quiet"])
            .current_dir(scripts.join("apalis"));
        done(cargo.arg("--target-dir").arg(folder.canonicalize()?.join("apalis")))?;
        Ok(Self { folder: folder.to_owned(), scripts })
    }

    fn node(&self, script: &str) -> Command {
        let mut command = Command::new("node");
        command.arg(script).current_dir(&self.folder);
        command
    }

    /// The program with this database: `sqlite` or `postgres`.
    fn apalis(&self, database: &str) -> Command {
        let mut command = Command::new(self.folder.join("apalis/release/apalis-peer"));
        command.arg(database);
        command
    }

    /// Runs one; its last line tells its figures. Processor time is divided by the journeys of the backlog, though those for
    /// the latency and the start are in it too.
    fn time(&self, mut command: Command, journeys: u32, rate: u32) -> anyhow::Result<Figures> {
        let journeys = journeys.max(200);
        command
            .env("JOURNEYS", journeys.to_string())
            .env("LATENCY_JOURNEYS", (rate * 10).to_string())
            .env("RATE", rate.to_string())
            .stderr(Stdio::inherit());
        let before = busy()?;
        let said = command.output().with_context(|| format!("running {command:?}"))?;
        ensure!(said.status.success(), "{command:?} ended with {}", said.status);
        let said = String::from_utf8(said.stdout)?;
        let last = said.lines().last().context("it said nothing")?;
        let figures: Figures = serde_json::from_str(last).with_context(|| last.to_owned())?;
        Ok(Figures { cpu_ms: (busy()? - before) * 1e3 / f64::from(journeys), ..figures })
    }
}

fn done(command: &mut Command) -> anyhow::Result<()> {
    let status = command.status().with_context(|| format!("running {command:?}"))?;
    ensure!(status.success(), "{command:?} ended with {status}");
    Ok(())
}

/// Ends the server with the measurement.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        // The command only starts the server. They are a group of their own; it may have ended by itself.
        let group = format!("-{}", self.0.id());
        let _ = Command::new("kill").args(["-KILL", "--", &group]).status();
        let _ = self.0.wait();
    }
}

fn restate(programs: &Programs, journeys: u32, rate: u32) -> anyhow::Result<Figures> {
    let data = tempfile::tempdir_in(&programs.folder)?;
    let port = || anyhow::Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.port());
    let (ingress, admin, node, service) = (port()?, port()?, port()?, port()?);
    let server = Command::new(programs.folder.join("node_modules/.bin/restate-server"))
        .current_dir(data.path())
        .env("RESTATE_INGRESS__BIND_ADDRESS", format!("127.0.0.1:{ingress}"))
        .env("RESTATE_ADMIN__BIND_ADDRESS", format!("127.0.0.1:{admin}"))
        .env("RESTATE_BIND_ADDRESS", format!("127.0.0.1:{node}"))
        .env("RESTATE_DISABLE_TELEMETRY", "true")
        .args(["--log-filter", "error"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .process_group(0)
        .spawn()
        .context("starting restate-server")?;
    let _running = Running(server);
    let mut command = programs.node("restate.mjs");
    command
        .env("INGRESS", format!("http://127.0.0.1:{ingress}"))
        .env("ADMIN", format!("http://127.0.0.1:{admin}"))
        .env("PORT", service.to_string());
    programs.time(command, journeys, rate)
}
