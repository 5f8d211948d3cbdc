//! Hosts that share a database, simulated: sessions, shards, calls to a provider, and a network that fails, under many seeds.
//!
//! The hosts run the engine's own sessions. The database is a model that grants shards as the real one does, and keeps count
//! of what must never happen. `WAYSTATION_SEEDS` says how many seeds are run, 40 if it is not set.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod database;
mod host;
mod provider;

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use database::{Database, Fence};
use rand::rngs::SmallRng;
use rand::{Rng as _, SeedableRng as _};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use turmoil::net::{TcpListener, TcpStream};
use waystation_store::records::SHARDS;

const HOSTS: [&str; 4] = ["host-1", "host-2", "host-3", "host-4"];
const DATABASE: &str = "database";
const PROVIDER: &str = "provider";
const PORT: u16 = 5432;
/// How long things go wrong.
const TROUBLE: Duration = Duration::from_secs(90);
/// How long the hosts have to put everything right.
const CALM: Duration = Duration::from_secs(60);
/// A shard has a host again within this time, as long as one host reaches the database.
const RECOVERY: Duration = Duration::from_secs(20);

/// What one run came to.
struct Run {
    database: Database,
    /// How often the provider was asked for each effect.
    asked: BTreeMap<u32, u32>,
}

/// One question over a connection of its own, answered or not within the time.
async fn ask<Q: Serialize, A: DeserializeOwned>(
    to: &str,
    question: &Q,
    patience: Duration,
) -> Option<A> {
    let asking = async {
        let mut stream = TcpStream::connect((to, PORT)).await.ok()?;
        let mut line = serde_json::to_vec(question).ok()?;
        line.push(b'\n');
        stream.write_all(&line).await.ok()?;
        let mut answer = String::new();
        BufReader::new(stream).read_line(&mut answer).await.ok()?;
        serde_json::from_str(&answer).ok()
    };
    tokio::time::timeout(patience, asking).await.ok().flatten()
}

/// Answers questions for ever; one that gets none keeps its caller waiting.
async fn serve<Q, A, F>(answer: impl Fn(Q) -> F) -> turmoil::Result
where
    Q: DeserializeOwned + 'static,
    A: Serialize,
    F: Future<Output = Option<A>> + 'static,
{
    let listener = TcpListener::bind((IpAddr::V4(Ipv4Addr::UNSPECIFIED), PORT)).await?;
    let answer = &answer;
    let mut open = futures_util::stream::FuturesUnordered::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                let (stream, _) = accepted?;
                open.push(async move {
                    let mut stream = BufReader::new(stream);
                    let mut line = String::new();
                    if stream.read_line(&mut line).await.is_err() {
                        return;
                    }
                    let Ok(question) = serde_json::from_str(&line) else { return };
                    let Some(said) = answer(question).await else { return };
                    let mut text = serde_json::to_vec(&said).unwrap();
                    text.push(b'\n');
                    // Whoever asked may be gone.
                    let _ = stream.write_all(&text).await;
                });
            }
            Some(()) = futures_util::StreamExt::next(&mut open), if !open.is_empty() => {}
        }
    }
}

fn run(seed: u64, fence: Fence) -> Run {
    let database = Arc::new(Mutex::new(Database::new(fence)));
    let asked = Arc::new(Mutex::new(BTreeMap::new()));
    let mut sim = turmoil::Builder::new()
        .simulation_duration(Duration::from_secs(3600))
        .tick_duration(Duration::from_millis(10))
        .min_message_latency(Duration::from_millis(1))
        .max_message_latency(Duration::from_millis(50))
        .tcp_capacity(4096)
        .rng_seed(seed)
        .enable_random_order()
        .build();
    let rows = Arc::clone(&database);
    sim.host(DATABASE, move || {
        let rows = Arc::clone(&rows);
        async move {
            serve(|question| {
                let said = rows.lock().unwrap().answer(question);
                async move { Some(said) }
            })
            .await
        }
    });
    let journal = Arc::clone(&asked);
    sim.host(PROVIDER, move || provider::run(seed, Arc::clone(&journal)));
    for name in HOSTS {
        let memory = host::Memory::default();
        sim.host(name, move || host::run(memory.clone()));
    }
    let mut chaos = Chaos { rng: SmallRng::seed_from_u64(seed), mending: Vec::new() };
    while sim.elapsed() < TROUBLE {
        sim.step().unwrap();
        chaos.act(&mut sim);
    }
    chaos.mend_all(&mut sim);
    while sim.elapsed() < TROUBLE + CALM {
        sim.step().unwrap();
    }
    drop(sim);
    let database = Arc::into_inner(database).unwrap().into_inner().unwrap();
    let asked = Arc::into_inner(asked).unwrap().into_inner().unwrap();
    Run { database, asked }
}

/// What is done to the network and to hosts, and when it is undone.
struct Chaos {
    rng: SmallRng,
    mending: Vec<(Duration, Mend)>,
}

enum Mend {
    Repair(&'static str, &'static str),
    Release(&'static str, &'static str),
    Start(&'static str),
}

impl Chaos {
    fn act(&mut self, sim: &mut turmoil::Sim<'_>) {
        let now = sim.elapsed();
        let due: Vec<_> = self.mending.extract_if(.., |(at, _)| *at <= now).collect();
        for (_, mend) in due {
            Self::mend(sim, &mend);
        }
        // Every three seconds, on average, something happens; half of the hosts are always well.
        if !self.rng.random_bool(1.0 / 300.0) || self.mending.len() >= HOSTS.len() / 2 {
            return;
        }
        let host = HOSTS[self.rng.random_range(0..HOSTS.len())];
        let busy = |mend: &Mend| match mend {
            Mend::Repair(one, _) | Mend::Release(one, _) | Mend::Start(one) => *one == host,
        };
        if self.mending.iter().any(|(_, mend)| busy(mend)) {
            return;
        }
        let until = now + Duration::from_millis(self.rng.random_range(100..25_000));
        let mend = match self.rng.random_range(0..5) {
            0 => {
                sim.partition(host, DATABASE);
                Mend::Repair(host, DATABASE)
            }
            // Half open: nothing is refused, nothing arrives.
            1 => {
                sim.hold(host, DATABASE);
                Mend::Release(host, DATABASE)
            }
            2 => {
                sim.partition(host, PROVIDER);
                Mend::Repair(host, PROVIDER)
            }
            _ => {
                sim.crash(host);
                Mend::Start(host)
            }
        };
        self.mending.push((until, mend));
    }

    fn mend_all(&mut self, sim: &mut turmoil::Sim<'_>) {
        for (_, mend) in std::mem::take(&mut self.mending) {
            Self::mend(sim, &mend);
        }
    }

    fn mend(sim: &mut turmoil::Sim<'_>, mend: &Mend) {
        match mend {
            Mend::Repair(one, other) => sim.repair(*one, *other),
            Mend::Release(one, other) => sim.release(*one, *other),
            Mend::Start(host) => sim.bounce(*host),
        }
    }
}

#[test]
fn no_shard_has_two_hosts_and_none_stays_without_one() {
    let mut unknown = 0;
    let seeds = std::env::var("WAYSTATION_SEEDS").map_or(40, |seeds| seeds.parse().unwrap());
    for seed in 0..seeds {
        let Run { database, asked } = run(seed, Fence::Up);
        assert_eq!(database.trespasses, 0, "seed {seed}: a host committed for a shard of another");
        let gap = database.longest_gap;
        assert!(gap <= RECOVERY, "seed {seed}: a shard was without a host for {gap:?}");
        let shares = database.shares();
        assert_eq!(shares.iter().sum::<usize>(), usize::try_from(SHARDS).unwrap(), "seed {seed}");
        assert!(
            shares.iter().all(|share| *share == 16),
            "seed {seed}: not shared fairly: {shares:?}"
        );
        assert!(
            database.made > 1_000,
            "seed {seed}: {} effects are too few to tell",
            database.made
        );
        assert_eq!(database.open(), 0, "seed {seed}: effects were left half done");
        let twice: Vec<_> = asked.iter().filter(|(_, times)| **times > 1).collect();
        assert!(twice.is_empty(), "seed {seed}: asked for more than once: {twice:?}");
        let lost: Vec<u32> = database.accepted().filter(|key| !asked.contains_key(key)).collect();
        assert!(lost.is_empty(), "seed {seed}: accepted and never asked for: {lost:?}");
        unknown += database.unknown();
    }
    assert!(unknown > 0, "no host was stopped during a call: the simulation showed nothing");
}

#[test]
fn without_the_fence_a_host_that_is_cut_off_trespasses() {
    let trespasses: u32 = (0..10).map(|seed| run(seed, Fence::Down).database.trespasses).sum();
    assert!(trespasses > 0, "the simulation would not notice two hosts on one shard");
}
