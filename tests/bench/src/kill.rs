//! Servers killed thousands of times under load: what is lost, done twice or repeated beyond what a channel permits.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::ensure;
use serde_json::json;

#[path = "../../kill/mod.rs"]
mod rounds;

use rounds::{Cluster, LostWrites, Options, Outcome};

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Print one JSON object
    #[arg(long)]
    json: bool,
    /// How often a server is killed, 1 .. 100,000
    #[arg(long, default_value_t = 2_000, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    kills: u32,
    /// Customers that set out in each round
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u32).range(1..=100))]
    customers: u32,
    /// Chooses places and moments; a new one if absent
    #[arg(long)]
    seed: Option<u64>,
    /// Seconds that the last servers may take to bring everyone to the end
    #[arg(long, default_value_t = 300, value_parser = clap::value_parser!(u64).range(1..=3_600))]
    patience: u64,
    /// Hosts that share a PostgreSQL database, instead of one with a database file
    #[arg(long)]
    postgres: bool,
    /// How many hosts share it, 1 .. 9
    #[arg(long, default_value_t = 2, requires = "postgres", value_parser = clap::value_parser!(u8).range(1..=9))]
    hosts: u8,
    /// After how many of a hundred kills PostgreSQL itself is killed, while the hosts run on
    #[arg(long, default_value_t = 5, requires = "postgres", value_parser = clap::value_parser!(u8).range(0..=100))]
    database_kills: u8,
    /// Lose what was not synced at each kill, as a machine does that loses its power
    #[arg(long, conflicts_with = "postgres")]
    lost_writes: bool,
    /// How many of a hundred such writes reach the disk all the same, in part and out of order
    #[arg(long, default_value_t = 0, requires = "lost_writes", value_parser = clap::value_parser!(u8).range(0..=100))]
    torn: u8,
    /// Plant an error in the server, to see that it is found: `NAME=2%`
    #[arg(long, value_name = "NAME=PERCENT%", default_value = "")]
    plant: String,
    /// The `waystation` program; the one beside this program if absent
    #[arg(long)]
    program: Option<PathBuf>,
    /// Where the servers' folders are made: a folder on a disk. Where this program lies, if absent
    #[arg(long)]
    folder: Option<PathBuf>,
}

pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let own = std::env::current_exe()?;
    let program = arguments.program.clone().unwrap_or_else(|| own.with_file_name("waystation"));
    ensure!(
        program.exists(),
        "there is no {}; build it with `cargo build --release -p waystation`",
        program.display()
    );
    let beside = || own.parent().map(Path::to_owned).unwrap_or_default();
    let folder = tempfile::tempdir_in(arguments.folder.clone().unwrap_or_else(beside))?;
    let lost_writes = arguments.lost_writes;
    let options = Options {
        program: &program,
        root: &rounds::root(env!("CARGO_MANIFEST_DIR")),
        folder: folder.path(),
        kills: arguments.kills,
        everywhere: false,
        customers: arguments.customers as usize,
        seed: arguments.seed.unwrap_or_else(rounds::fresh_seed),
        patience: Duration::from_secs(arguments.patience),
        planted: &arguments.plant,
        lost_writes: lost_writes.then_some(LostWrites { torn: arguments.torn }),
        cluster: arguments.postgres.then_some(Cluster {
            hosts: arguments.hosts,
            database_kills: arguments.database_kills,
        }),
        progress: &progress,
    };
    progress(&format!("seed {}", options.seed));
    let outcome = tokio::runtime::Runtime::new()?.block_on(rounds::run(&options))?;
    for (what, where_) in outcome.verdict.all().take(SHOWN) {
        progress(&format!("{what}: {where_}"));
    }
    if arguments.json {
        print(&as_json(&outcome));
    } else {
        table(&outcome);
    }
    ensure!(outcome.verdict.all().next().is_none(), "the judgement found faults");
    Ok(())
}

/// Findings that are printed in full.
const SHOWN: usize = 40;

#[allow(clippy::print_stderr, reason = "progress goes beside the figures")]
fn progress(line: &str) {
    eprintln!("{line}");
}

#[allow(clippy::print_stdout, reason = "the figures are the command's output")]
fn print(line: &impl std::fmt::Display) {
    println!("{line}");
}

fn as_json(outcome: &Outcome) -> serde_json::Value {
    let (verdict, counts) = (&outcome.verdict, &outcome.verdict.counts);
    let repeats = counts.repeats.iter().map(|(class, (requests, done))| {
        ((*class).to_owned(), json!({ "requests": requests, "done_again": done }))
    });
    json!({
        "kills": outcome.kills,
        "database_kills": outcome.database_kills,
        "takeovers": outcome.takeovers,
        "lost": verdict.lost.len(),
        "advanced_twice": verdict.advanced_twice.len(),
        "repeated_outside_class": verdict.repeated_outside_class.len(),
        "off_model": verdict.off_model.len(),
        "places": outcome.places.len(),
        "places_missing": outcome.missing,
        "kills_at_places": outcome.places.values().sum::<u32>(),
        "customers": counts.customers,
        "events": outcome.events,
        "failed_requests": outcome.failed_requests,
        "enrollments": counts.enrollments,
        "advances": counts.advances,
        "effects": counts.effects,
        "attempts": counts.attempts,
        "unknown": counts.unknown,
        "held": counts.held,
        "grants": counts.grants,
        "polls": counts.polls,
        "polled_events": counts.told,
        "told_again": counts.told_again,
        "swaps": outcome.swaps,
        "repeats": serde_json::Value::Object(repeats.collect()),
        "start_ms": (outcome.start.as_secs_f64() * 1e4).round() / 10.0,
        "finish_s": (outcome.finish.as_secs_f64() * 10.0).round() / 10.0,
    })
}

fn table(outcome: &Outcome) {
    let (verdict, counts) = (&outcome.verdict, &outcome.verdict.counts);
    let rows = [
        ("kills", outcome.kills as usize),
        ("of them of PostgreSQL", outcome.database_kills as usize),
        ("hosts away until others took over", outcome.takeovers as usize),
        ("of them at a place", outcome.places.values().sum::<u32>() as usize),
        ("places never reached", outcome.missing.len()),
        ("customers", counts.customers),
        ("events acknowledged", outcome.events),
        ("requests that failed", outcome.failed_requests),
        ("enrollments", counts.enrollments),
        ("advances", counts.advances),
        ("effects", counts.effects),
        ("attempts", counts.attempts as usize),
        ("attempts unknown", counts.unknown),
        ("effects held", counts.held),
        ("coupons", counts.grants),
        ("polls", counts.polls),
        ("polled events", counts.told),
        ("of them told again", counts.told_again),
        ("swaps of a release", outcome.swaps),
        ("lost", verdict.lost.len()),
        ("advanced twice", verdict.advanced_twice.len()),
        ("repeated outside its class", verdict.repeated_outside_class.len()),
        ("not as the model", verdict.off_model.len()),
    ];
    for (name, figure) in rows {
        print(&format_args!("{name:<34} {figure:>9}"));
    }
    for (class, (requests, done)) in &counts.repeats {
        print(&format_args!("requests again, {class:<18} {requests:>9}, done again {done}"));
    }
    print(&format_args!(
        "start of a server                  {:>9.0} ms",
        outcome.start.as_secs_f64() * 1e3
    ));
    if !outcome.missing.is_empty() {
        print(&format_args!("never reached: {}", outcome.missing.join(" ")));
    }
}
