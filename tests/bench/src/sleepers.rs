//! Customers asleep in a journey, millions of them: what they cost on the disk and in memory, how fast a host starts with all
//! of them there, and how well it keeps up when thousands of them wake every second.
//!
//! One customer enters the journey through the server. The others are copies of that customer's rows, written past the
//! server, as entering one by one would measure something else. Some of them come due at a steady rate; how late each
//! wakes is read from the database afterwards: the time that the host recorded less the time that was asked for. The server
//! is the program itself, on SQLite with every commit flushed.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, ensure};
use reqwest::Method;
use serde_json::json;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{AssertSqlSafe, ConnectOptions as _, Connection as _, Row as _};

use crate::latency::percentile_ms;
use crate::start::{Body, Server};

/// Waking changes an attribute, so that it is seen to be more than a timer.
const JOURNEY: &str = "
journey: sleepers
purpose: transactional
entry: { event: bench.event }
steps:
  - wait: 30d
  - set: { attributes: { woken: true } }
";
/// Rows that are copied in one transaction.
const COPIED: u64 = 500_000;
/// From the last look at the clock to the first customer who is due: the server starts within that time.
const AHEAD: Duration = Duration::from_secs(10);
/// Time that a host may take for what is left after the last one came due.
const REST: Duration = Duration::from_secs(60);

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Print one JSON object
    #[arg(long)]
    json: bool,
    /// Enrollments asleep, 10,000 .. 20,000,000
    #[arg(long, default_value_t = 10_000_000, value_parser = clap::value_parser!(u64).range(10_000..=20_000_000))]
    sleepers: u64,
    /// Enrollments that come due in a second, 1 .. 20,000
    #[arg(long, default_value_t = 2_000, value_parser = clap::value_parser!(u64).range(1..=20_000))]
    rate: u64,
    /// Seconds for which they do, 1 .. 600
    #[arg(long, default_value_t = 60, value_parser = clap::value_parser!(u64).range(1..=600))]
    seconds: u64,
    /// The `waystation` program; the one beside this program if absent
    #[arg(long)]
    program: Option<PathBuf>,
    /// Where the server's data is: a folder on a disk. Where this program lies, if absent
    #[arg(long)]
    folder: Option<PathBuf>,
}

/// What came of it.
struct Figures {
    wakes_per_s: f64,
    p50_ms: f64,
    p99_ms: f64,
    max_ms: f64,
    start_ms: f64,
    rss_mb: f64,
    bytes_each: f64,
}

pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let this = std::env::current_exe()?;
    let program = arguments.program.clone().unwrap_or(this.with_file_name("waystation"));
    ensure!(
        program.exists(),
        "there is no {}; build it with `cargo build --release -p waystation`",
        program.display()
    );
    let due = arguments.rate * arguments.seconds;
    ensure!(due < arguments.sleepers, "{due} are to wake, of {}", arguments.sleepers);
    let folder = match &arguments.folder {
        Some(folder) => folder.clone(),
        None => this.parent().map(Path::to_owned).unwrap_or_default(),
    };
    let _ = rustls::crypto::ring::default_provider().install_default();
    let folder = tempfile::tempdir_in(folder)?;
    let figures = tokio::runtime::Runtime::new()?.block_on(measure(
        arguments,
        &program,
        &folder.path().join("data"),
    ))?;
    let tenth = |figure: f64| (figure * 10.0).round() / 10.0;
    if arguments.json {
        print(&json!({
            "sleepers": arguments.sleepers,
            "wakes_per_s": figures.wakes_per_s.round(),
            "p50_lag_ms": tenth(figures.p50_ms),
            "p99_lag_ms": tenth(figures.p99_ms),
            "max_lag_ms": tenth(figures.max_ms),
            "start_ms": figures.start_ms.round(),
            "rss_mb": figures.rss_mb.round(),
            "bytes_per_enrollment": figures.bytes_each.round(),
        }));
        return Ok(());
    }
    print(&format_args!("asleep               {:>12}", arguments.sleepers));
    print(&format_args!("woken a second       {:>12.0}", figures.wakes_per_s));
    print(&format_args!("  late, median       {:>12.1} ms", figures.p50_ms));
    print(&format_args!("  late, p99          {:>12.1} ms", figures.p99_ms));
    print(&format_args!("  late, longest      {:>12.1} ms", figures.max_ms));
    print(&format_args!("start                {:>12.0} ms", figures.start_ms));
    print(&format_args!("resident             {:>12.0} MB", figures.rss_mb));
    print(&format_args!(
        "file, per enrollment {:>12.0} bytes, its customer included",
        figures.bytes_each
    ));
    Ok(())
}

#[allow(clippy::print_stdout, reason = "the figures are the command's output")]
fn print(line: &impl std::fmt::Display) {
    println!("{line}");
}

async fn measure(arguments: &Arguments, program: &Path, data: &Path) -> anyhow::Result<Figures> {
    let (mut server, _) = Server::start(program, data)?;
    server.ask(Method::POST, "/v1/journeys", Body::Yaml(JOURNEY.to_owned())).await?;
    let event = json!([{ "id": "e-0", "name": "bench.event", "customer": "sleeper-00000000" }]);
    server.ask(Method::POST, "/v1/events", Body::Json(event)).await?;
    let file = data.join("waystation.db");
    asleep(&file).await?;
    server.stop()?;
    copy(&file, arguments.sleepers).await?;
    let due = arguments.rate * arguments.seconds;
    let from = make_due(&file, due, arguments.rate).await?;
    let bytes_each = std::fs::metadata(&file)?.len() as f64 / arguments.sleepers as f64;
    let (mut server, time) = Server::start(program, data)?;
    let woken = wait(&file, arguments, from).await?;
    let rss_mb = server.resident_kb()? as f64 / 1024.0;
    server.stop()?;
    let mut lags = woken.iter().map(|(_, late)| *late).collect::<Vec<_>>();
    lags.sort_unstable();
    let until = woken.iter().map(|(at, _)| *at).max().context("nobody woke")?;
    Ok(Figures {
        wakes_per_s: woken.len() as f64 * 1e3 / (until - from) as f64,
        p50_ms: percentile_ms(&lags, 50.0),
        p99_ms: percentile_ms(&lags, 99.0),
        max_ms: percentile_ms(&lags, 100.0),
        start_ms: time.as_secs_f64() * 1e3,
        rss_mb,
        bytes_each,
    })
}

async fn open(file: &Path) -> anyhow::Result<SqliteConnection> {
    let options = SqliteConnectOptions::new().filename(file).pragma("busy_timeout", "60000");
    Ok(options.disable_statement_logging().connect().await?)
}

/// Waits until the first customer sleeps.
async fn asleep(file: &Path) -> anyhow::Result<()> {
    let mut conn = open(file).await?;
    let started = Instant::now();
    loop {
        let found: i64 =
            sqlx::query_scalar("select count(*) from enrollment where due_at is not null")
                .fetch_one(&mut conn)
                .await?;
        if found == 1 {
            return Ok(conn.close().await?);
        }
        ensure!(started.elapsed() < REST, "the first customer does not enter");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Copies the first customer's rows, in the order of their keys, until there are so many.
async fn copy(file: &Path, sleepers: u64) -> anyhow::Result<()> {
    let mut conn = open(file).await?;
    // What is written here need not survive a failure.
    sqlx::raw_sql("pragma synchronous = off; pragma cache_size = -400000")
        .execute(&mut conn)
        .await?;
    let mut first = 1;
    while first < sleepers {
        let last = sleepers.min(first + COPIED) - 1;
        let numbers = format!(
            "with recursive number (n) as (select {first} union all select n + 1 from number where n < {last}) "
        );
        let customer = "insert into customer select printf('sleeper-%08d', n), attributes, tags, consents, created_at, \
                        updated_at from number, customer where id = 'sleeper-00000000'";
        let enrollment = columns(&mut conn).await?;
        for insert in [customer, &enrollment] {
            sqlx::query(AssertSqlSafe(format!("{numbers}{insert}"))).execute(&mut conn).await?;
        }
        first = last + 1;
    }
    sqlx::raw_sql("pragma wal_checkpoint(truncate)").execute(&mut conn).await?;
    Ok(conn.close().await?)
}

/// Copies an enrollment with every column that this version of the tables has.
async fn columns(conn: &mut SqliteConnection) -> anyhow::Result<String> {
    let found =
        sqlx::query("select name from pragma_table_info('enrollment')").fetch_all(conn).await?;
    let names =
        found.iter().map(|row| row.try_get::<String, _>(0)).collect::<Result<Vec<_>, _>>()?;
    let values = names.iter().map(|name| match name.as_str() {
        "id" => "printf('%032d', n)".to_owned(),
        "customer" => "printf('sleeper-%08d', n)".to_owned(),
        // Long after everything is measured, in no order.
        "due_at" => "due_at + (n * 2654435761) % 864000000".to_owned(),
        other => format!("enrollment.{other}"),
    });
    Ok(format!(
        "insert into enrollment ({}) select {} from number, enrollment where customer = 'sleeper-00000000'",
        names.join(", "),
        values.collect::<Vec<_>>().join(", ")
    ))
}

/// Makes some come due one after the other; gives the time of the first.
async fn make_due(file: &Path, due: u64, rate: u64) -> anyhow::Result<i64> {
    let mut conn = open(file).await?;
    let now = i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH)?.as_millis())?;
    let from = now + i64::try_from(AHEAD.as_millis())?;
    sqlx::query(
        "update enrollment set due_at = $1 + cast(substr(customer, 9) as integer) * 1000 / $2 \
         where customer in (with recursive number (n) as (select 1 union all select n + 1 from number where n < $3) \
         select printf('sleeper-%08d', n) from number)",
    )
    .bind(from)
    .bind(i64::try_from(rate)?)
    .bind(i64::try_from(due)?)
    .execute(&mut conn)
    .await?;
    sqlx::raw_sql("pragma wal_checkpoint(truncate)").execute(&mut conn).await?;
    conn.close().await?;
    Ok(from)
}

/// Waits until all who came due have woken; gives for each when that was, and how late.
async fn wait(
    file: &Path,
    arguments: &Arguments,
    from: i64,
) -> anyhow::Result<Vec<(i64, Duration)>> {
    let mut conn = open(file).await?;
    let (rate, seconds) = (i64::try_from(arguments.rate)?, i64::try_from(arguments.seconds)?);
    let last = from + seconds * 1_000;
    let deadline = last + i64::try_from(REST.as_millis())?;
    loop {
        tokio::time::sleep(Duration::from_millis(500)).await;
        let now = i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH)?.as_millis())?;
        if now < last {
            continue;
        }
        let asleep: i64 = sqlx::query_scalar("select count(*) from enrollment where due_at <= $1")
            .bind(last)
            .fetch_one(&mut conn)
            .await?;
        if asleep == 0 {
            break;
        }
        ensure!(now < deadline, "{asleep} did not wake in time");
    }
    let found = sqlx::query("select customer, ended_at from enrollment where ended_at is not null")
        .fetch_all(&mut conn)
        .await?;
    ensure!(found.len() as u64 == arguments.rate * arguments.seconds, "{} woke", found.len());
    let mut woken = Vec::with_capacity(found.len());
    for row in &found {
        let number: i64 = row.try_get::<&str, _>(0)?["sleeper-".len()..].parse()?;
        let at: i64 = row.try_get(1)?;
        let late = at - (from + number * 1_000 / rate);
        woken
            .push((at, Duration::from_millis(u64::try_from(late).context("somebody woke early")?)));
    }
    Ok(woken)
}
