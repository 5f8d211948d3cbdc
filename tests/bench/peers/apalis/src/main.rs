//! Three-step journeys with apalis: a wait that is due, an action, a send. Each step is a job that adds the next one, all in
//! one queue that one worker serves. An action and a send are functions that do nothing.
//!
//! Argument: `sqlite FILE` or `postgres`. Environment: `DATABASE_URL` (for PostgreSQL), `JOURNEYS`, `LATENCY_JOURNEYS`,
//! `RATE`. The last line it prints is the figures.
//!
//! What is chosen in favour of speed, and where it comes from:
//! - *Jobs, not `apalis-workflow`.* A stepped workflow adds each next step by a transaction of its own, as does a job that
//!   calls `push`. Here what is to be added while a transaction is under way goes together with the next one, by `push_all`.
//!   A job ends, and may be acknowledged, only once the next one is on the disk.
//! - *Batches of 500* (`batch_size`, 10 by default), as many jobs at work at once (`concurrency`), and room for as many
//!   acknowledgements in one transaction: apalis makes that four batches.
//! - *No row is written when a job begins* (`lock_tasks(false)`, as the tests of `apalis-postgres` do): fetching has locked it.
//! - *The worker is woken* after each transaction that adds jobs (`Strategy::stream`), which costs less than SQLite's update
//!   hook or PostgreSQL's notification for every row and is sooner; it looks of itself every 50 ms.
//! - *One connection to SQLite*, which has one writer: transactions then queue in the pool and do not wait for each other's
//!   locks by polling.
//! - *The planner knows the table* (`analyze`, once the backlog is there): without, SQLite looks for what is acknowledged
//!   among all that the worker ever did, by `lock_by` instead of `id`. With four connections and without `analyze`, two runs of
//!   5,000 journeys did not end within a minute, and one ended with `database is locked`.
//! - *Durable commits.* PostgreSQL's own setting stays. On SQLite they are a write-ahead log and `synchronous=FULL` on every
//!   connection: `SqliteStorage::setup` would put `OFF`, so its migrations are run without it.

use std::collections::HashMap;
use std::env;
use std::error::Error;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use anyhow::{Context as _, anyhow, bail};
use apalis::prelude::*;
use apalis_postgres::PostgresStorage;
use apalis_sqlite::SqliteStorage;
use futures_util::stream;
use serde::{Deserialize, Serialize};
use serde_json::json;
use sqlx::postgres::PgPoolOptions;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use tokio::sync::{Notify, mpsc, oneshot};
use tokio::task::JoinHandle;

/// Jobs that are fetched together, are at work at once, and are added together.
const BATCH: usize = 500;
/// Jobs of the backlog that are added together.
const BACKLOG_BATCH: usize = 1_000;
/// How often the worker looks of itself.
const LOOK: Duration = Duration::from_millis(50);
/// To PostgreSQL: one fetches or acknowledges, one adds; they are not in each other's way.
const CONNECTIONS: u32 = 4;
const QUEUE: &str = "journeys";

#[derive(Clone, Copy, Serialize, Deserialize)]
struct Job {
    journey: usize,
    step: Step,
}

#[derive(Clone, Copy, Serialize, Deserialize)]
enum Step {
    Wait,
    Act,
    Send,
}

impl Job {
    /// It is due at once.
    fn task(self) -> Task<Self> {
        TaskBuilder::new(self).run_at_time(SystemTime::now()).build()
    }
}

/// A job to add, and who is told once it is on the disk.
type Addition = (Job, oneshot::Sender<()>);

/// What the jobs share.
struct Shared {
    additions: mpsc::Sender<Addition>,
    /// Journeys that have not ended yet.
    left: AtomicUsize,
    /// Told when the last of them ends.
    over: Notify,
    /// The single journeys whose latency is measured, and when they became due.
    due: Mutex<HashMap<usize, Instant>>,
    took: Mutex<Vec<Duration>>,
}

impl Shared {
    /// Returns once the job is on the disk.
    async fn add(&self, journey: usize, step: Step) -> Result<(), BoxDynError> {
        let (told, durable) = oneshot::channel();
        self.additions.send((Job { journey, step }, told)).await.map_err(|_| "nobody adds jobs")?;
        Ok(durable.await?)
    }

    fn end(&self, journey: usize) {
        if let Some(due) = self.due.lock().unwrap_or_else(PoisonError::into_inner).remove(&journey)
        {
            self.took.lock().unwrap_or_else(PoisonError::into_inner).push(due.elapsed());
        }
        if self.left.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.over.notify_one();
        }
    }
}

async fn work(job: Job, shared: Data<Arc<Shared>>) -> Result<(), BoxDynError> {
    match job.step {
        Step::Wait => shared.add(job.journey, Step::Act).await?,
        Step::Act => shared.add(job.journey, Step::Send).await?,
        Step::Send => shared.end(job.journey),
    }
    Ok(())
}

/// Adds jobs, together those that came while the ones before were added; wakes the worker for them.
async fn adds<S, K>(
    mut storage: S,
    mut additions: mpsc::Receiver<Addition>,
    wake: mpsc::Sender<()>,
) -> anyhow::Result<()>
where
    S: TaskSink<Job, K>,
    S::Error: Error + Send + Sync + 'static,
{
    let mut batch = Vec::with_capacity(BATCH);
    while additions.recv_many(&mut batch, BATCH).await > 0 {
        let tasks: Vec<_> = batch.iter().map(|(job, _)| job.task()).collect();
        storage.push_all(stream::iter(tasks)).await?;
        // It is full if the worker is about to look already.
        let _ = wake.try_send(());
        for (_, told) in batch.drain(..) {
            let _ = told.send(());
        }
    }
    Ok(())
}

/// Starts a worker. Its type names every layer, so it has no other place to be named in.
macro_rules! worker {
    () => {
        |storage, strategy, shared| {
            let worker = WorkerBuilder::new("peer")
                .backend(BackendExt::poll_with_strategy(storage, strategy))
                .data(shared)
                .concurrency(BATCH)
                .build(work);
            tokio::spawn(async move { Ok(worker.run().await?) })
        }
    };
}

async fn measure<S, K>(
    mut storage: S,
    analyze: impl Future<Output = Result<(), sqlx::Error>>,
    start: impl FnOnce(S, Strategy, Arc<Shared>) -> JoinHandle<anyhow::Result<()>>,
) -> anyhow::Result<()>
where
    S: TaskSink<Job, K> + Clone + Send + 'static,
    S::Error: Error + Send + Sync + 'static,
    K: 'static,
{
    let (journeys, few, rate) = (number("JOURNEYS")?, number("LATENCY_JOURNEYS")?, number("RATE")?);
    // Everybody is due before the first is worked on, as after a night.
    for first in (0..journeys).step_by(BACKLOG_BATCH) {
        let all = first..journeys.min(first + BACKLOG_BATCH);
        let tasks: Vec<_> = all.map(|journey| Job { journey, step: Step::Wait }.task()).collect();
        storage.push_all(stream::iter(tasks)).await?;
    }
    analyze.await?;
    let (additions, to_add) = mpsc::channel(BATCH);
    let (wake, mut woken) = mpsc::channel(1);
    let shared = Arc::new(Shared {
        additions,
        left: AtomicUsize::new(journeys),
        over: Notify::new(),
        due: Mutex::default(),
        took: Mutex::default(),
    });
    let mut adding = Box::pin(adds(storage.clone(), to_add, wake));
    let strategy = Strategy::new()
        .stream(stream::poll_fn(move |context| woken.poll_recv(context)))
        .interval(LOOK);
    let started = Instant::now();
    let mut working = start(storage, strategy, Arc::clone(&shared));
    let mut over = async || {
        tokio::select! {
            () = shared.over.notified() => Ok(()),
            ended = &mut adding => Err(anyhow!("nobody adds jobs any more: {ended:?}")),
            ended = &mut working => Err(anyhow!("the worker ended: {ended:?}")),
        }
    };
    over().await?;
    let seconds = started.elapsed().as_secs_f64();
    shared.left.store(few, Ordering::Release);
    let singles = tokio::spawn(singles(Arc::clone(&shared), journeys, few, rate));
    over().await?;
    singles.await??;
    let mut took = std::mem::take(&mut *shared.took.lock().unwrap_or_else(PoisonError::into_inner));
    took.sort_unstable();
    let at = |hundredth: usize| -> anyhow::Result<f64> {
        let took = took.get(took.len() * hundredth / 100).context("no journey was timed")?;
        Ok((took.as_secs_f64() * 1e4).round() / 10.0)
    };
    let figures = json!({
        "journeys_per_s": (journeys as f64 / seconds).round(),
        "p50_ms": at(50)?,
        "p99_ms": at(99)?,
    });
    println!("{figures}");
    Ok(())
}

/// Journeys that begin one after the other, so many in a second.
async fn singles(
    shared: Arc<Shared>,
    first: usize,
    count: usize,
    rate: usize,
) -> anyhow::Result<()> {
    let mut pace = tokio::time::interval(Duration::from_secs(1) / u32::try_from(rate)?);
    let mut added = Vec::with_capacity(count);
    for journey in first..first + count {
        pace.tick().await;
        let shared = Arc::clone(&shared);
        shared.due.lock().unwrap_or_else(PoisonError::into_inner).insert(journey, Instant::now());
        added.push(tokio::spawn(async move { shared.add(journey, Step::Wait).await }));
    }
    for added in added {
        added.await?.map_err(|error| anyhow!(error))?;
    }
    Ok(())
}

fn number(name: &str) -> anyhow::Result<usize> {
    let text = env::var(name).with_context(|| format!("{name} is not set"))?;
    text.parse().with_context(|| format!("{name} is {text:?}"))
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["sqlite", file] => {
            let options = SqliteConnectOptions::new()
                .filename(file)
                .create_if_missing(true)
                .journal_mode(SqliteJournalMode::Wal)
                .synchronous(SqliteSynchronous::Full);
            let pool = SqlitePoolOptions::new().max_connections(1).connect_with(options).await?;
            SqliteStorage::migrations().run(&pool).await?;
            let config =
                apalis_sqlite::Config::default().queue(QUEUE).batch_size(BATCH).lock_tasks(false);
            let analyze = async { sqlx::query("analyze").execute(&pool).await.map(|_| ()) };
            measure(SqliteStorage::new(&pool).with_config(config), analyze, worker!()).await
        }
        ["postgres"] => {
            let url = env::var("DATABASE_URL").context("DATABASE_URL is not set")?;
            let pool = PgPoolOptions::new().max_connections(CONNECTIONS).connect(&url).await?;
            PostgresStorage::setup(&pool).await?;
            let config =
                apalis_postgres::Config::default().queue(QUEUE).batch_size(BATCH).lock_tasks(false);
            let analyze = async { sqlx::query("analyze").execute(&pool).await.map(|_| ()) };
            measure(PostgresStorage::new(&pool).with_config(config), analyze, worker!()).await
        }
        _ => bail!("say `sqlite FILE` or `postgres`"),
    }
}
