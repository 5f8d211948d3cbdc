//! Rounds of load and death: each host begins anew when it has died.

use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};
use tokio::sync::oneshot;
use tokio::task::JoinSet;

use super::database::{Outages, Shared};
use super::host::{self, Api, Host, Started};
use super::life::{End, Life};
use super::load::Load;
use super::plan::{Death, Plan};
use super::provider::Provider;
use super::random::Random;
use super::releases::Releases;
use super::workspace::Plugins;
use super::{Options, now};

/// Longest wait for a place to be reached; then the server is killed from outside.
const REACHED: Duration = Duration::from_millis(800);
/// The same for places that are passed only when the provider is asked, which it is a second after an attempt at the earliest, or
/// polled, a second after the last time, and of several hosts only by one.
const REACHED_ASKING: Duration = Duration::from_millis(2_400);
/// The same for places where a release is put into use, where every host must have loaded it before.
const REACHED_SWAPPING: Duration = Duration::from_millis(6_000);
/// Longest life of a server that is killed at a random moment, where it is alone, and where it has its customers to take over.
const LIFE: [Duration; 2] = [Duration::from_millis(500), Duration::from_millis(2_000)];
/// Longest time that a thread stays at a place before the server is killed from outside.
const STAY: Duration = Duration::from_millis(30);
/// Kills between two lines of progress.
const PROGRESS: u32 = 50;
/// Of a thousand lives, how many swap releases without being killed over it.
const SWAPS: u64 = 60;
/// Of a thousand deaths of one of several hosts, how many take another host along, and how many all others.
const WITH: [u64; 2] = [100, 50];
/// Of a thousand deaths of one of several hosts, after how many it is away until others have taken over.
const AWAY: u64 = 30;
/// Longer than a session lasts.
const GONE: Duration = Duration::from_secs(10);
/// Pause before a server is started that could not start without the database.
const AGAIN: Duration = Duration::from_millis(200);
/// Longest time until the database is killed, and for which it is away then.
const OUTAGE: [Duration; 2] = [Duration::from_millis(1_000), Duration::from_millis(1_500)];

/// A host and its place in the run.
pub(super) struct Seat {
    /// While it does not live.
    pub(super) host: Option<Host>,
    /// Ends its life.
    pub(super) tell: Option<oneshot::Sender<()>>,
    pub(super) url: String,
    /// Where its log is.
    pub(super) log: PathBuf,
    /// Whether its last death may have interrupted a call.
    pub(super) unsettled: bool,
    /// How long it stays dead.
    pub(super) pause: Duration,
}

pub(super) struct Run<'a> {
    pub(super) options: &'a Options<'a>,
    pub(super) database: Option<Shared>,
    pub(super) seats: Vec<Seat>,
    pub(super) lives: JoinSet<(usize, Host, anyhow::Result<End>)>,
    pub(super) api: Api,
    pub(super) provider: Provider,
    pub(super) releases: Releases,
    pub(super) load: Load,
    pub(super) plan: Plan,
    pub(super) random: Random,
    pub(super) kills: u32,
    pub(super) database_kills: u32,
    pub(super) takeovers: u32,
    /// When the events of each customer happened.
    pub(super) times: Vec<i64>,
    pub(super) starts: Vec<Duration>,
    pub(super) swaps: usize,
    pub(super) began: Instant,
}

impl<'a> Run<'a> {
    pub(super) async fn set_up(options: &'a Options<'a>) -> anyhow::Result<Self> {
        // Only the first of a process can install it, and one is enough.
        let _ = rustls::crypto::ring::default_provider().install_default();
        ensure!(
            options.lost_writes.is_none() || options.cluster.is_none(),
            "only writes to a file can be lost with the server"
        );
        let mut random = Random::new(options.seed);
        let mut split = || Random::new(random.below(u64::MAX));
        let plugins = Plugins::build(options.root)?;
        let provider = Provider::start(split()).await?;
        let database = match options.cluster {
            Some(_) => Some(Shared::start().await?),
            None => None,
        };
        let count = options.cluster.map_or(1, |cluster| cluster.hosts.clamp(1, 9));
        let mut hosts: Vec<Host> = (0..count)
            .map(|number| host(options, database.as_ref(), number))
            .collect::<Result<_, _>>()?;
        let first = &mut hosts[0];
        let Started::Listens { token: Some(token) } = first.start("").await? else {
            bail!("the first start did not show a token:\n{}", host::last_lines(first.log()));
        };
        let api = Api::new(token)?;
        let most = options.kills as usize * options.customers * 10;
        let releases = plugins.set_up(&api, first, &provider, most.min(100_000)).await?;
        first.kill().await?;
        let load = Load::new(api.clone(), provider.news().clone(), split());
        let plan = Plan::new(
            waystation_engine::faults::points(),
            LIFE[usize::from(database.is_some())],
            split(),
        );
        let random = split();
        Ok(Self {
            options,
            database,
            seats: hosts.into_iter().map(Seat::new).collect(),
            lives: JoinSet::new(),
            api,
            provider,
            releases,
            load,
            plan,
            random,
            kills: 0,
            database_kills: 0,
            takeovers: 0,
            times: Vec::new(),
            starts: Vec::new(),
            swaps: 0,
            began: Instant::now(),
        })
    }

    /// Works until the next host is dead. Those that are begin anew.
    pub(super) async fn round(&mut self) -> anyhow::Result<()> {
        for number in 0..self.seats.len() {
            if let Some(host) = self.seats[number].host.take() {
                self.begin(number, host);
            }
        }
        let urls = self.urls();
        let work = async {
            self.load.send(&urls).await;
            std::future::pending().await
        };
        let ended = tokio::select! {
            ended = self.lives.join_next() => ended,
            () = work => None,
        };
        let (number, host, end) = ended.context("no host lives")??;
        self.ended(number, host, &end?);
        Ok(())
    }

    pub(super) fn urls(&self) -> Vec<String> {
        self.seats.iter().map(|seat| seat.url.clone()).collect()
    }

    pub(super) fn add_customers(&mut self) {
        let at = now();
        self.load.add(self.options.customers, at);
        self.times.resize(self.load.customers(), at);
    }

    /// Begins a host's next life.
    fn begin(&mut self, number: usize, mut host: Host) {
        let seat = &mut self.seats[number];
        let death = self.plan.next(seat.unsettled);
        let swap = death.wants_a_swap() || self.random.in_thousand(SWAPS);
        let (tell, told) = oneshot::channel();
        seat.tell = Some(tell);
        let life = Life {
            pause: std::mem::take(&mut seat.pause),
            faults: format!("{};{}", self.options.planted, death.faults())
                .trim_matches(';')
                .to_owned(),
            time: match &death {
                Death::At { place, .. }
                    if place.starts_with("ask.") || place.starts_with("poll.") =>
                {
                    REACHED_ASKING
                }
                Death::At { place, .. } if place.starts_with("activate.") => REACHED_SWAPPING,
                _ => REACHED,
            },
            stay: self.random.time(STAY),
            swap: swap.then(|| (self.api.clone(), self.releases.clone())),
            told,
            outages: self.database.as_ref().map_or_else(Outages::none, Shared::outages),
            death,
        };
        self.lives.spawn(async move {
            let end = life.live(&mut host).await;
            (number, host, end)
        });
    }

    /// A host is dead; others may follow, and the database.
    fn ended(&mut self, number: usize, host: Host, end: &End) {
        let seat = &mut self.seats[number];
        seat.host = Some(host);
        seat.tell = None;
        self.starts.extend(end.start);
        self.swaps += usize::from(end.swapped);
        if end.gave_up {
            seat.pause = AGAIN;
            return;
        }
        seat.unsettled = match &end.place {
            Some(place) => ["call.", "ask.", "deliver.marked", "codes.", "t3."]
                .iter()
                .any(|area| place.starts_with(area)),
            None => true,
        };
        if let Some(place) = &end.place {
            self.plan.died(place);
        }
        self.killed();
        self.add_customers();
        if self.seats.len() > 1 {
            self.strike_others(number);
        }
        self.strike_database();
    }

    fn killed(&mut self) {
        self.kills += 1;
        if self.kills.is_multiple_of(PROGRESS) {
            let text = format!(
                "{} kills in {:.0} s, {} of the database, {} customers, {} events acknowledged, {} places never reached",
                self.kills,
                self.began.elapsed().as_secs_f64(),
                self.database_kills,
                self.load.customers(),
                self.load.acknowledged,
                self.plan.missing().len(),
            );
            (self.options.progress)(&text);
        }
    }

    /// Sometimes takes other hosts along with one that died, and sometimes lets that one stay dead.
    fn strike_others(&mut self, died: usize) {
        if self.random.in_thousand(AWAY) {
            self.seats[died].pause = GONE;
            self.takeovers += 1;
        }
        let case = self.random.below(1000);
        let struck: Vec<usize> = if case < WITH[0] {
            vec![self.random.below(self.seats.len() as u64) as usize]
        } else if case < WITH[0] + WITH[1] {
            (0..self.seats.len()).collect()
        } else {
            Vec::new()
        };
        for number in struck {
            // It may be dead, or dying.
            self.seats[number].tell = None;
        }
    }

    fn strike_database(&mut self) {
        let cases = self.options.cluster.map_or(0, |cluster| cluster.database_kills);
        let Some(database) = &mut self.database else { return };
        if self.random.below(100) < u64::from(cases)
            && database.strike(self.random.time(OUTAGE[0]), self.random.time(OUTAGE[1]))
        {
            self.database_kills += 1;
            self.killed();
        }
    }

    pub(super) fn with_log(&self, error: anyhow::Error) -> anyhow::Error {
        let logs = self.seats.iter().map(|seat| host::last_lines(&seat.log));
        error.context(format!(
            "after {} kills with seed {}; the servers' logs end with\n{}\n",
            self.kills,
            self.options.seed,
            logs.collect::<Vec<_>>().join("\n\n")
        ))
    }
}

impl Seat {
    fn new(host: Host) -> Self {
        let (url, log) = (host.url(""), host.log().to_owned());
        Self { host: Some(host), tell: None, url, log, unsettled: false, pause: Duration::ZERO }
    }
}

/// A host with a folder of its own, which says that it is for tests.
fn host(options: &Options<'_>, database: Option<&Shared>, number: u8) -> anyhow::Result<Host> {
    let make = |folder: &Path| std::fs::DirBuilder::new().mode(0o700).create(folder);
    let folder = options.folder.join(format!("host-{number}"));
    make(&folder)?;
    let mut host = Host::new(options.program, &folder, number)?;
    make(&host.data())?;
    if let Some(lost_writes) = options.lost_writes {
        let source = options.root.join("tests/kill/lost_writes.c");
        host.set(lost_writes.environment(&source, options.folder, &host.data())?);
    }
    if let Some(database) = database {
        host.set(database.environment());
    }
    std::fs::write(host.data().join("faults-allowed"), "")?;
    Ok(host)
}
