//! Sends per second through everything: events are stored, customers enrolled, messages rendered, recorded, handed to
//! the plugin `echo` in its sandbox, and their outcomes recorded, every commit flushed to the disk.
//!
//! Beside it stands the floor: the same statements over the same batches, run one after another by a plain loop that has
//! every value ready. Both start from a database of their own on the same disk and are measured in turns, so that a busy
//! machine slows both; the figures are medians.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, bail};
use serde_json::json;
use waystation_services::postgres;
use waystation_store::Database;

pub(crate) mod floor;
mod through;
mod workload;

pub(crate) use through::{connection, install, unseal, verify};
pub(crate) use workload::{Workload, customer_number, event};

/// More customers would only measure how a large table grows.
const CUSTOMERS_MAX: usize = 1_000_000;
const ROUNDS_MAX: usize = 100;

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Print one JSON object
    #[arg(long)]
    json: bool,
    /// Customers, each of whom gets one message; at most 1,000,000
    #[arg(long, default_value_t = 30_000)]
    customers: usize,
    /// Measurements of each sort, at most 100
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// On PostgreSQL, which runs on the same machine, instead of SQLite
    #[arg(long)]
    postgres: bool,
    /// Where the databases are made: a folder on a disk. Where this program lies, if absent
    #[arg(long)]
    folder: Option<PathBuf>,
}

/// Medians in sends per second.
struct Figures {
    pipeline: f64,
    floor: f64,
}

impl Figures {
    fn ratio(&self) -> f64 {
        self.pipeline / self.floor
    }
}

pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<()> {
    within("--customers", arguments.customers, CUSTOMERS_MAX)?;
    within("--rounds", arguments.rounds, ROUNDS_MAX)?;
    let folder = match &arguments.folder {
        Some(folder) => folder.clone(),
        None => std::env::current_exe()?.parent().map(Path::to_owned).unwrap_or_default(),
    };
    let figures = tokio::runtime::Runtime::new()?.block_on(measure(arguments, &folder))?;
    if arguments.json {
        print(&json!({
            "sends_per_s": figures.pipeline.round(),
            "floor_per_s": figures.floor.round(),
            "ratio": (figures.ratio() * 1e3).round() / 1e3,
        }));
    } else {
        print_table(&figures);
    }
    Ok(())
}

fn within(option: &str, value: usize, most: usize) -> anyhow::Result<()> {
    if !(1..=most).contains(&value) {
        bail!("{option} is {value}; it must be from 1 to {most}");
    }
    Ok(())
}

async fn measure(arguments: &Arguments, folder: &Path) -> anyhow::Result<Figures> {
    let guest = Path::new(env!("CARGO_MANIFEST_DIR")).join("../guests/echo");
    let built = waystation_build::build(&guest, &waystation_build::Options::default())?;
    let wasm = std::fs::read(&built.wasm).context("reading the plugin")?;
    let workload = Workload::new(arguments.customers)?;
    let folder = tempfile::tempdir_in(folder)
        .with_context(|| format!("making a folder in {}", folder.display()))?;
    let server = arguments.postgres.then(|| postgres::Server::start(&["shared_buffers=256MB"]));
    let database = |name: &str, place: &Path| -> anyhow::Result<Database> {
        Ok(match &server {
            Some(server) => server.url(&server.create_database()).parse()?,
            None => Database::Sqlite(place.join(name)),
        })
    };
    let mut pipeline = Vec::with_capacity(arguments.rounds);
    let mut floor = Vec::with_capacity(arguments.rounds);
    for round in 0..arguments.rounds {
        let place = folder.path().join(round.to_string());
        std::fs::create_dir(&place)?;
        pipeline.push(
            through::time(&workload, &database("pipeline.db", &place)?, &place, &wasm).await?,
        );
        floor.push(floor::time(&workload, &database("floor.db", &place)?).await?);
        std::fs::remove_dir_all(&place)?;
    }
    let rate = |times| arguments.customers as f64 / median(times).as_secs_f64();
    Ok(Figures { pipeline: rate(pipeline), floor: rate(floor) })
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}

#[allow(clippy::print_stdout, reason = "the figures are the command's output")]
fn print(line: &impl std::fmt::Display) {
    println!("{line}");
}

fn print_table(figures: &Figures) {
    print(&"                     sends/s");
    print(&format_args!("pipeline        {:>12.0}", figures.pipeline));
    print(&format_args!("floor           {:>12.0}", figures.floor));
    print(&format_args!("ratio           {:>12.2}", figures.ratio()));
    print(
        &"The floor is the pipeline's own SQL, durable commits included, run by one loop with all values ready: no state \
         machine, no templates, no sandbox, no tasks.",
    );
}
