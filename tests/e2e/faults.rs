//! A server that dies at every place where it can, judged by the pure model; and errors planted in it, which the judgement must
//! find.

use std::path::Path;
use std::time::Duration;

#[path = "../kill/mod.rs"]
mod rounds;

use rounds::{Cluster, LostWrites, Options, Outcome};

/// Kills, and as many more as it takes to have died everywhere.
const KILLS: u32 = 60;
/// Kills of hosts that share a database, and of the database.
const KILLS_SHARED: u32 = 25;
/// Kills that take unsynced writes with them.
const KILLS_LOSING: u32 = 30;
/// Kills of a server with a planted error.
const KILLS_PLANTED: u32 = 12;
/// How long the last server may take to bring everyone to the end: an effect that was put off comes again after some seconds.
const PATIENCE: Duration = Duration::from_secs(180);
/// The same where not everyone can come to it.
const PATIENCE_PLANTED: Duration = Duration::from_secs(12);

async fn killed(
    kills: u32,
    everywhere: bool,
    planted: &str,
    lost_writes: Option<LostWrites>,
    cluster: Option<Cluster>,
) -> Outcome {
    let folder = tempfile::tempdir().unwrap();
    let options = Options {
        program: Path::new(env!("CARGO_BIN_EXE_waystation")),
        root: &rounds::root(env!("CARGO_MANIFEST_DIR")),
        folder: folder.path(),
        kills,
        everywhere,
        customers: 4,
        seed: rounds::fresh_seed(),
        patience: if planted.starts_with("plant.") { PATIENCE_PLANTED } else { PATIENCE },
        planted,
        lost_writes,
        cluster,
        progress: &|line| println!("{line}"),
    };
    println!("seed {}", options.seed);
    rounds::run(&options).await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_dies_everywhere_loses_nothing_and_does_nothing_twice() {
    let outcome = killed(KILLS, true, "", None, None).await;
    let found: Vec<_> = outcome.verdict.all().collect();
    assert!(found.is_empty(), "{found:#?}");
    assert_eq!(outcome.missing, [""; 0], "places where it never died");
    let counts = &outcome.verdict.counts;
    println!(
        "{} kills, {} of them at {} places, start {:?}; {} events acknowledged while {} requests failed; finished in {:?}",
        outcome.kills,
        outcome.places.values().sum::<u32>(),
        outcome.places.len(),
        outcome.start,
        outcome.events,
        outcome.failed_requests,
        outcome.finish,
    );
    println!("{} swaps of a release; {counts:?}", outcome.swaps);
    assert!(counts.unknown > 0, "no kill hit a call: the test showed nothing");
    assert!(counts.told_again > 0, "no kill kept a cursor back: polls showed nothing");
    let repeats: usize = counts.repeats.values().map(|(requests, _)| requests).sum();
    assert!(repeats > 0, "nothing was asked for again: the test showed nothing");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hosts_that_die_and_lose_their_database_lose_nothing_and_do_nothing_twice() {
    let cluster = Cluster { hosts: 2, database_kills: 10 };
    let outcome = killed(KILLS_SHARED, false, "", None, Some(cluster)).await;
    let found: Vec<_> = outcome.verdict.all().collect();
    assert!(found.is_empty(), "{found:#?}");
    println!(
        "{} kills, {} of them of the database, {} at a place, {} takeovers; {} events acknowledged while {} requests failed; \
         finished in {:?}",
        outcome.kills,
        outcome.database_kills,
        outcome.places.values().sum::<u32>(),
        outcome.takeovers,
        outcome.events,
        outcome.failed_requests,
        outcome.finish,
    );
    assert!(outcome.database_kills > 0, "the database was never killed");
    assert!(outcome.verdict.counts.unknown > 0, "no kill hit a call: the test showed nothing");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_that_does_what_it_does_not_answer_is_got_along_with() {
    let outcome = killed(KILLS_LOSING, false, "fault.lost-answer=3%", None, None).await;
    let found: Vec<_> = outcome.verdict.all().collect();
    assert!(found.is_empty(), "{found:#?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_judgement_finds_events_that_were_acknowledged_and_forgotten() {
    let outcome = killed(KILLS_PLANTED, false, "plant.early-answer=60%", None, None).await;
    assert!(!outcome.verdict.lost.is_empty(), "{:?}", outcome.verdict);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_judgement_finds_polled_events_that_are_forgotten() {
    let outcome = killed(KILLS_PLANTED, false, "plant.forget-polled=100%", None, None).await;
    let lost = &outcome.verdict.lost;
    let named = "0 enrollments in noticed instead of 1";
    assert!(lost.iter().any(|one| one.contains(named)), "{:?}", outcome.verdict);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_judgement_finds_events_that_count_twice() {
    let outcome = killed(KILLS_PLANTED, false, "plant.open-events=50%", None, None).await;
    assert!(!outcome.verdict.advanced_twice.is_empty(), "{:?}", outcome.verdict);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_judgement_finds_what_is_repeated_without_a_mark() {
    let outcome = killed(KILLS_PLANTED, false, "plant.skip-mark=20%", None, None).await;
    assert!(!outcome.verdict.repeated_outside_class.is_empty(), "{:?}", outcome.verdict);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_acknowledged_is_lost_with_the_writes_that_were_not_synced() {
    let outcome = killed(KILLS_LOSING, false, "", Some(LostWrites { torn: 20 }), None).await;
    let found: Vec<_> = outcome.verdict.all().collect();
    assert!(found.is_empty(), "{found:#?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_judgement_finds_commits_that_were_not_flushed() {
    let lost_writes = Some(LostWrites { torn: 0 });
    let outcome = killed(KILLS_PLANTED, false, "plant.no-flush=100%", lost_writes, None).await;
    assert!(!outcome.verdict.lost.is_empty(), "{:?}", outcome.verdict);
}

#[test]
fn a_server_does_not_fail_on_purpose_in_a_folder_that_is_not_for_tests() {
    let folder = tempfile::tempdir().unwrap();
    let refused = |faults: &str, said: &str| {
        let output = std::process::Command::new(env!("CARGO_BIN_EXE_waystation"))
            .args(["serve", "--listen", "127.0.0.1:0", "--data"])
            .arg(folder.path())
            .env("WAYSTATION_FAULTS", faults)
            .output()
            .unwrap();
        let text = String::from_utf8(output.stderr).unwrap();
        assert!(!output.status.success() && text.contains(said), "{faults}: {text}");
    };
    refused("commit.begin=1", "is for tests; unset it");
    std::fs::write(folder.path().join("faults-allowed"), "").unwrap();
    refused("commit.beginning=1", "there is no place `commit.beginning`");
    refused("commit.begin=0", "as a number from 1");
    refused("commit.begin", "write NAME=3, NAME=3:stay or NAME=2%");
    refused("plant.nothing=2%", "there is no error `plant.nothing`");
    refused("plant.skip-mark=200%", "a chance from 0% to 100%");
}
