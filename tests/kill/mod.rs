//! The proof that nothing is lost and nothing happens twice: servers are killed again and again while customers are on their
//! way, and in the end everything that came of it is judged.
//!
//! # Layout
//! - `run.rs`: rounds of load and death, each host beginning anew on its folder when it has died; `ending.rs`: the end.
//! - `journeys.rs`: what customers go through, and what must have become of them; `load.rs` sends them and their events.
//! - `plan.rs`: where a server dies next; `life.rs`: one process from its start until then.
//! - `host.rs`: the server's process and its API; `workspace.rs`: setting it up; `releases.rs`: swapping releases.
//! - `database.rs`: the PostgreSQL server that several hosts share, which is killed as well.
//! - `provider.rs`: what the plugins talk to.
//! - `polls.rs`: how it was polled.
//! - `oracle.rs`, `model.rs`: the judgement, and the pure state machine that it is held against.
//! - `lost_writes.rs`, `lost_writes.c`: a power failure instead of a mere death.
//! - `random.rs`: chance that can be repeated.
//!
//! It is shared by the measurement `waystation-bench kill` and by the end-to-end tests.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

mod database;
mod ending;
mod host;
mod journeys;
mod life;
mod load;
mod lost_writes;
mod model;
mod oracle;
mod plan;
mod polls;
mod provider;
mod random;
mod releases;
mod run;
mod workspace;

pub(crate) use lost_writes::LostWrites;
pub(crate) use oracle::Verdict;
use run::Run;

/// How to run.
pub(crate) struct Options<'a> {
    /// The `waystation` program.
    pub(crate) program: &'a Path,
    /// The repository, for the plugins' sources.
    pub(crate) root: &'a Path,
    /// Where the servers' folders are made.
    pub(crate) folder: &'a Path,
    /// Kills at least.
    pub(crate) kills: u32,
    /// Whether it goes on, up to ten times as many kills, until a server died at every place.
    pub(crate) everywhere: bool,
    /// Customers that set out in each round.
    pub(crate) customers: usize,
    pub(crate) seed: u64,
    /// How long the last servers may take to bring everyone to the end. Who is not there then is lost.
    pub(crate) patience: Duration,
    /// Errors planted in every server, as `NAME=2%`; to see that the judgement finds them.
    pub(crate) planted: &'a str,
    /// Whether the server's death takes the writes with it that were not synced. Only of a server with a file.
    pub(crate) lost_writes: Option<LostWrites>,
    /// Several hosts on one PostgreSQL database, instead of one with a file.
    pub(crate) cluster: Option<Cluster>,
    pub(crate) progress: &'a dyn Fn(&str),
}

/// Hosts that share a database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Cluster {
    /// How many, 1 .. 9.
    pub(crate) hosts: u8,
    /// Of a hundred deaths, after how many the database is killed too, while the hosts run on.
    pub(crate) database_kills: u8,
}

/// What came of a run.
pub(crate) struct Outcome {
    /// Times that a server or the database was ended.
    pub(crate) kills: u32,
    /// Those of the database.
    pub(crate) database_kills: u32,
    /// Times that a host was away until others had taken over.
    pub(crate) takeovers: u32,
    /// Those at a place, by place.
    pub(crate) places: BTreeMap<&'static str, u32>,
    /// Places where it never died.
    pub(crate) missing: Vec<&'static str>,
    /// Events acknowledged, requests that failed, releases swapped.
    pub(crate) events: usize,
    pub(crate) failed_requests: usize,
    pub(crate) swaps: usize,
    /// Median time from the start of a process until it listens.
    pub(crate) start: Duration,
    /// Time that the last servers took to bring everyone to the end.
    pub(crate) finish: Duration,
    pub(crate) verdict: Verdict,
}

/// A seed nobody has used.
pub(crate) fn fresh_seed() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    since.as_nanos() as u64
}

fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

/// Kills, restarts, finishes and judges.
///
/// # Errors
/// If the run itself goes wrong: a server that does not start, or that ends by itself, or does not come to an end. What the
/// judgement finds is no error.
pub(crate) async fn run(options: &Options<'_>) -> anyhow::Result<Outcome> {
    let mut run = Run::set_up(options).await?;
    run.add_customers();
    let most = options.kills.saturating_mul(10);
    loop {
        let missing = options.everywhere && !run.plan.missing().is_empty();
        if run.kills >= options.kills && !(missing && run.kills < most) {
            break;
        }
        run.round().await.map_err(|error| run.with_log(error))?;
    }
    let outcome = run.finish().await;
    outcome.map_err(|error| run.with_log(error))
}

/// Where the repository is, for a crate in it.
pub(crate) fn root(manifest: &str) -> PathBuf {
    Path::new(manifest).join("../..")
}
