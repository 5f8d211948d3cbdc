//! What a segment costs: of all customers at once, and of one customer.
//!
//! The workspace is written straight into the database file, as taking in so many events is not what is measured. Every
//! figure is that of the store's own statements.

use std::path::Path;
use std::time::Instant;

use anyhow::{Context as _, bail, ensure};
use serde_json::json;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous};
use sqlx::{ConnectOptions as _, Connection as _, SqliteConnection};
use waystation_journey::{Audience, Background, Segments};
use waystation_store::Store;

/// The present time of the workspace.
const NOW: i64 = 1_790_000_000_000;
const DAY: i64 = 24 * 60 * 60 * 1000;
/// How long ago the first event was.
const SPAN: i64 = 180 * DAY;
/// Events written by one statement.
const CHUNK: u64 = 500_000;
/// Customers evaluated one by one.
const SINGLE: u64 = 500;
const CUSTOMERS_MAX: u64 = 10_000_000;

/// Five conditions, two of them over the past; about half of the customers meet the other three.
const SEGMENT: &str = "customer.level >= 2 && customer.city in ['Shanghai', 'Beijing', 'Shenzhen', 'Chengdu'] \
    && !('staff' in customer.tags) && count('login', '30d') >= 2 && sum('order.paid', 'amount', '90d') >= 300";

/// Everything over the past, for every customer: the most that a segment of this size can cost.
const PAST_ONLY: &str = "count('login', '30d') >= 2 && sum('order.paid', 'amount', '90d') >= 300";

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Print one JSON object
    #[arg(long)]
    json: bool,
    /// Customers in the workspace, at most 10,000,000
    #[arg(long, default_value_t = 1_000_000)]
    customers: u64,
    /// Events for each of them
    #[arg(long, default_value_t = 20)]
    events: u64,
}

struct Figures {
    members: i64,
    set_s: f64,
    past_only_s: f64,
    page_ms: f64,
    one_ms: f64,
    build_s: f64,
    file_mb: u64,
}

pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<()> {
    if !(1..=CUSTOMERS_MAX).contains(&arguments.customers)
        || !(1..=1000).contains(&arguments.events)
    {
        bail!("--customers must be from 1 to {CUSTOMERS_MAX}, and --events from 1 to 1000");
    }
    let figures = tokio::runtime::Runtime::new()?.block_on(measure(arguments))?;
    if arguments.json {
        print(&json!({
            "customers": arguments.customers,
            "events": arguments.customers * arguments.events,
            "members": figures.members,
            "set_s": round(figures.set_s),
            "past_only_s": round(figures.past_only_s),
            "page_ms": round(figures.page_ms),
            "one_ms": round(figures.one_ms),
        }));
    } else {
        print(&format_args!(
            "{} customers with {} events, {} MB, written in {:.0} s",
            arguments.customers,
            arguments.customers * arguments.events,
            figures.file_mb,
            figures.build_s
        ));
        print(&format_args!(
            "{:>10.3} s   all members counted: {}",
            figures.set_s, figures.members
        ));
        print(&format_args!(
            "{:>10.3} s   the same by conditions over the past alone",
            figures.past_only_s
        ));
        print(&format_args!("{:>10.3} ms  the first page of 100 members", figures.page_ms));
        print(&format_args!(
            "{:>10.3} ms  one customer, read and evaluated in memory",
            figures.one_ms
        ));
    }
    Ok(())
}

async fn measure(arguments: &Arguments) -> anyhow::Result<Figures> {
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("workspace.db");
    Store::open(&file).await?.close().await;
    let started = Instant::now();
    build(&file, arguments.customers, arguments.customers * arguments.events).await?;
    let build_s = started.elapsed().as_secs_f64();
    let file_mb = std::fs::metadata(&file)?.len() >> 20;

    let store = Store::open(&file).await?;
    let segments = Segments::default();
    let audience = read(SEGMENT, &segments)?;
    let condition = audience.condition(&segments, NOW).map_err(anyhow::Error::msg)?;
    let started = Instant::now();
    let members = store.audience_size(&condition).await?;
    let set_s = started.elapsed().as_secs_f64();
    ensure!(members > 0, "nobody is in the segment; the workspace is not as it should be");

    let past_only = read(PAST_ONLY, &segments)?.condition(&segments, NOW);
    let started = Instant::now();
    store.audience_size(&past_only.map_err(anyhow::Error::msg)?).await?;
    let past_only_s = started.elapsed().as_secs_f64();

    let started = Instant::now();
    store.audience(&condition, None, 100).await?;
    let page_ms = started.elapsed().as_secs_f64() * 1e3;
    let one_ms = one(&store, &audience, &segments, arguments.customers).await?;
    store.close().await;
    Ok(Figures { members, set_s, past_only_s, page_ms, one_ms, build_s, file_mb })
}

fn read(when: &str, segments: &Segments) -> anyhow::Result<Audience> {
    Audience::parse(when, segments).map_err(|problems| anyhow::anyhow!("{problems:?}"))
}

/// Milliseconds for one customer, the median of many.
async fn one(
    store: &Store,
    audience: &Audience,
    segments: &Segments,
    customers: u64,
) -> anyhow::Result<f64> {
    let needs = segments.needs(audience.needs());
    let mut times = Vec::new();
    for number in (0..SINGLE).map(|turn| turn * 7_919 % customers) {
        let id = format!("customer-{number:08}");
        let started = Instant::now();
        let found = store.customers(std::slice::from_ref(&id)).await?;
        let customer = found.get(&id).context("a customer is missing")?;
        let pasts = store.pasts(&[&id], &needs, NOW).await?;
        let background = Background { past: pasts.get(&id), segments: Some(segments) };
        std::hint::black_box(audience.holds(customer, &[], background, NOW));
        times.push(started.elapsed().as_secs_f64() * 1e3);
    }
    times.sort_by(f64::total_cmp);
    Ok(times[times.len() / 2])
}

/// Fills an empty workspace. The index over the past is made at the end, in one go.
async fn build(file: &Path, customers: u64, events: u64) -> anyhow::Result<()> {
    let mut conn = SqliteConnectOptions::new()
        .filename(file)
        .journal_mode(SqliteJournalMode::Off)
        .synchronous(SqliteSynchronous::Off)
        .pragma("cache_size", "-1000000")
        .connect()
        .await?;
    let index: String =
        sqlx::query_scalar("select sql from sqlite_schema where name = 'event_past'")
            .fetch_one(&mut conn)
            .await?;
    sqlx::query("drop index event_past").execute(&mut conn).await?;
    write_customers(&mut conn, customers).await?;
    for first in (0..events).step_by(usize::try_from(CHUNK)?) {
        write_events(&mut conn, customers, events, first, (first + CHUNK).min(events)).await?;
    }
    sqlx::query(sqlx::AssertSqlSafe(index)).execute(&mut conn).await?;
    conn.close().await?;
    Ok(())
}

async fn write_customers(conn: &mut SqliteConnection, customers: u64) -> anyhow::Result<()> {
    sqlx::query(
        "with recursive counter (n) as (select 0 union all select n + 1 from counter where n + 1 < $1) \
         insert into customer (id, attributes, tags, consents, created_at, updated_at) \
         select printf('customer-%08d', n), json_object('name', 'Customer ' || n, 'level', 1 + n * 7 % 5, \
         'city', case n * 13 % 6 when 0 then 'Shanghai' when 1 then 'Beijing' when 2 then 'Shenzhen' \
         when 3 then 'Chengdu' when 4 then 'Wuhan' else 'Xian' end, \
         'registered', date(1600000000 + n % 1000 * 86400, 'unixepoch'), 'locale', 'zh'), \
         case when n % 20 = 0 then '[\"staff\"]' when n % 3 = 0 then '[\"mother-and-baby\",\"newsletter\"]' else '[]' end, \
         '{\"marketing\":[\"phone\"]}', $2, $2 from counter",
    )
    .bind(i64::try_from(customers)?)
    .bind(NOW - SPAN)
    .execute(conn)
    .await?;
    Ok(())
}

/// Events in the order of their time, each of any customer.
async fn write_events(
    conn: &mut SqliteConnection,
    customers: u64,
    events: u64,
    first: u64,
    end: u64,
) -> anyhow::Result<()> {
    sqlx::query(
        "with recursive counter (n) as (select $1 union all select n + 1 from counter where n + 1 < $2), \
         drawn (n, who, what) as (select n, ((n * 2654435761) >> 9) % $3, ((n * 40503) >> 5) % 10 from counter) \
         insert into event (source, external_id, name, customer, at, received_at, properties, done_at) \
         select 'bench', printf('%012d', n), \
         case when what < 3 then 'order.paid' when what < 7 then 'login' when what < 9 then 'page.viewed' else 'cart.item_added' end, \
         printf('customer-%08d', who), $4 + n * $5 / $6, $4 + n * $5 / $6, \
         case when what < 3 then json_object('order', 'order-' || n, 'amount', (who * 37 + n) % 50000 / 100.0, 'shop', 'web') \
         else json_object('device', 'phone', 'session', n) end, $4 + n * $5 / $6 from drawn",
    )
    .bind(i64::try_from(first)?)
    .bind(i64::try_from(end)?)
    .bind(i64::try_from(customers)?)
    .bind(NOW - SPAN)
    .bind(SPAN)
    .bind(i64::try_from(events)?)
    .execute(conn)
    .await?;
    Ok(())
}

fn round(figure: f64) -> f64 {
    (figure * 1000.0).round() / 1000.0
}

#[allow(clippy::print_stdout, reason = "the measurement is what the command is for")]
fn print(line: &dyn std::fmt::Display) {
    println!("{line}");
}
