//! The proof that nothing is lost and nothing happens twice: a server is killed again and again while customers are on their
//! way, and in the end everything that came of it is judged.
//!
//! # Layout
//! - [`run`]: rounds of load, death and restart on the same folder, then the end.
//! - `journeys.rs`: what customers go through, and what must have become of them; `load.rs` sends them and their events.
//! - `plan.rs`: where the server dies next; `host.rs`: the server's process and its API; `workspace.rs`: setting it up.
//! - `provider.rs`: what the plugins talk to.
//! - `oracle.rs`, `model.rs`: the judgement, and the pure state machine that it is held against.
//! - `lost_writes.rs`, `lost_writes.c`: a power failure instead of a mere death.
//! - `random.rs`: chance that can be repeated.
//!
//! It is shared by the measurement `waystation-bench kill` and by the end-to-end tests.

use std::collections::BTreeMap;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, bail, ensure};
use reqwest::Method;
use serde_json::{Value, json};

mod host;
mod journeys;
mod load;
mod lost_writes;
mod model;
mod oracle;
mod plan;
mod provider;
mod random;
mod workspace;

use host::{Api, Body, Host, Started};
use journeys::{JOURNEYS, TALLY};
use load::Load;
pub(crate) use lost_writes::LostWrites;
pub(crate) use oracle::Verdict;
use oracle::Workspace;
use plan::{Death, Plan};
use provider::Provider;
use random::Random;
use workspace::{Plugins, Releases};

/// Longest wait for a place to be reached; then the server is killed from outside.
const REACHED: Duration = Duration::from_millis(900);
/// The same for places that are passed only when the provider is asked, which it is a second after an attempt at the earliest.
const REACHED_ASKING: Duration = Duration::from_millis(2_500);
/// Longest time that a thread stays at a place before the server is killed from outside.
const STAY: Duration = Duration::from_millis(30);
/// Pause between two looks whether everyone is there.
const LOOK: Duration = Duration::from_millis(250);
/// Kills between two lines of progress.
const PROGRESS: u32 = 50;
/// Of a thousand rounds, how many swap releases without being killed over it.
const SWAPS: u64 = 60;

/// How to run.
pub(crate) struct Options<'a> {
    /// The `waystation` program.
    pub(crate) program: &'a Path,
    /// The repository, for the plugins' sources.
    pub(crate) root: &'a Path,
    /// Where the server's folder is made.
    pub(crate) folder: &'a Path,
    /// Kills at least.
    pub(crate) kills: u32,
    /// Whether it goes on, up to ten times as many kills, until the server died at every place.
    pub(crate) everywhere: bool,
    /// Customers that set out in each round.
    pub(crate) customers: usize,
    pub(crate) seed: u64,
    /// How long the last server may take to bring everyone to the end. Who is not there then is lost.
    pub(crate) patience: Duration,
    /// Errors planted in every server, as `NAME=2%`; to see that the judgement finds them.
    pub(crate) planted: &'a str,
    /// Whether the server's death takes the writes with it that were not synced.
    pub(crate) lost_writes: Option<LostWrites>,
    pub(crate) progress: &'a dyn Fn(&str),
}

/// What came of a run.
pub(crate) struct Outcome {
    /// Times that the server was ended.
    pub(crate) kills: u32,
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
    /// Time that the last server took to bring everyone to the end.
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

struct Run<'a> {
    options: &'a Options<'a>,
    host: Host,
    api: Api,
    provider: Provider,
    releases: Releases,
    load: Load,
    plan: Plan,
    random: Random,
    kills: u32,
    /// Whether the last death may have interrupted a call.
    unsettled: bool,
    /// When the events of each customer happened.
    times: Vec<i64>,
    starts: Vec<Duration>,
    swaps: usize,
    began: Instant,
}

impl<'a> Run<'a> {
    async fn set_up(options: &'a Options<'a>) -> anyhow::Result<Self> {
        // Only the first of a process can install it, and one is enough.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let mut random = Random::new(options.seed);
        let mut split = || Random::new(random.below(u64::MAX));
        let plugins = Plugins::build(options.root)?;
        let provider = Provider::start(split()).await?;
        let mut host = Host::new(options.program, options.folder, 0)?;
        std::fs::DirBuilder::new().mode(0o700).create(host.data())?;
        if let Some(lost_writes) = options.lost_writes {
            let source = options.root.join("tests/kill/lost_writes.c");
            let set = lost_writes.environment(&source, options.folder, &host.data())?;
            host.set(set);
        }
        // Says that this folder is for tests.
        std::fs::write(host.data().join("faults-allowed"), "")?;
        let Started::Listens { token: Some(token) } = host.start("").await? else {
            bail!("the first start did not show a token:\n{}", host.last_lines());
        };
        let api = Api::new(token)?;
        let most = options.kills as usize * options.customers * 10;
        let releases = plugins.set_up(&api, &host, &provider, most.min(100_000)).await?;
        host.kill().await?;
        let load = Load::new(api.clone(), split());
        let plan = Plan::new(waystation_engine::faults::points(), split());
        let random = split();
        Ok(Self {
            options,
            host,
            api,
            provider,
            releases,
            load,
            plan,
            random,
            kills: 0,
            unsettled: false,
            times: Vec::new(),
            starts: Vec::new(),
            swaps: 0,
            began: Instant::now(),
        })
    }

    /// Starts the server and has it die under load.
    async fn round(&mut self) -> anyhow::Result<()> {
        let death = self.plan.next(self.unsettled);
        let at = now();
        self.load.add(self.options.customers, at);
        self.times.resize(self.load.customers(), at);
        let faults = format!("{};{}", self.options.planted, death.faults());
        let started = Instant::now();
        let place = match self.host.start(faults.trim_matches(';')).await? {
            Started::Died { place: Some(place) } => Some(place),
            // A planted error may keep it from starting.
            Started::Died { place: None } if !self.options.planted.is_empty() => None,
            Started::Died { place: None } => bail!("the server ended before it listened"),
            Started::Listens { .. } => {
                self.starts.push(started.elapsed());
                self.until_death(&death, started).await?
            }
        };
        if let Death::At { stays: true, .. } = death
            && place.is_some()
        {
            // The others go on meanwhile, while this thread does not.
            let stay = self.random.below(STAY.as_micros() as u64);
            tokio::time::sleep(Duration::from_micros(stay)).await;
        }
        self.host.kill().await?;
        self.kills += 1;
        self.unsettled = match &place {
            Some(place) => ["call.", "ask.", "deliver.marked", "codes.", "t3."]
                .iter()
                .any(|area| place.starts_with(area)),
            None => true,
        };
        if let Some(place) = place {
            self.plan.died(&place);
        }
        if self.kills.is_multiple_of(PROGRESS) {
            let text = format!(
                "{} kills in {:.0} s, {} customers, {} events acknowledged, {} places never reached",
                self.kills,
                self.began.elapsed().as_secs_f64(),
                self.load.customers(),
                self.load.acknowledged,
                self.plan.missing().len(),
            );
            (self.options.progress)(&text);
        }
        Ok(())
    }

    /// Works until the server reaches its place, or its time is up. Gives the place.
    async fn until_death(
        &mut self,
        death: &Death,
        started: Instant,
    ) -> anyhow::Result<Option<String>> {
        let time = match death {
            Death::After(life) => *life,
            Death::At { place, .. } if place.starts_with("ask.") => REACHED_ASKING,
            Death::At { .. } => REACHED,
        };
        let urls = [self.host.url("")];
        let swaps = death.wants_a_swap() || self.random.in_thousand(SWAPS);
        let (api, releases) = (self.api.clone(), &self.releases);
        let swapped = &mut self.swaps;
        let work = async {
            let swapping = async {
                if swaps {
                    *swapped += usize::from(swap(&api, &urls[0], releases).await);
                }
            };
            tokio::join!(self.load.send(&urls), swapping);
            std::future::pending::<()>().await;
        };
        tokio::select! {
            reached = self.host.reached() => match reached? {
                Some(place) => Ok(Some(place)),
                None => bail!("the server ended by itself"),
            },
            () = tokio::time::sleep_until((started + time).into()) => Ok(None),
            () = work => Ok(None),
        }
    }

    /// Brings everyone to the end and judges.
    async fn finish(&mut self) -> anyhow::Result<Outcome> {
        self.provider.calm_down();
        let started = Instant::now();
        let began = self.host.start("").await?;
        ensure!(matches!(began, Started::Listens { .. }), "the last server does not listen");
        let urls = [self.host.url("")];
        tokio::time::timeout(self.options.patience, self.load.send(&urls))
            .await
            .context("the last events were not acknowledged in time")?;
        let left = self.until_all_is_done(started).await?;
        let finish = started.elapsed();
        (self.options.progress)(&format!(
            "{:.1} s after the last start, {}; judging",
            finish.as_secs_f64(),
            left.as_deref().unwrap_or("everyone is at the end"),
        ));
        let workspace = Workspace::read(&self.api, &urls[0], self.load.customers()).await?;
        let mut verdict = oracle::judge(&workspace, &self.provider.journal(), &self.times)?;
        verdict.lost.extend(left.map(|left| format!("not at the end in time: {left}")));
        self.judge_releases(&mut verdict).await?;
        self.host.kill().await?;
        self.starts.sort_unstable();
        ensure!(
            self.starts.len() * 2 >= self.kills as usize,
            "the server listened in only {} of {} rounds",
            self.starts.len(),
            self.kills
        );
        Ok(Outcome {
            kills: self.kills,
            places: self.plan.kills.clone(),
            missing: self.plan.missing(),
            events: self.load.acknowledged,
            failed_requests: self.load.failed_requests,
            swaps: self.swaps,
            start: self.starts.get(self.starts.len() / 2).copied().unwrap_or_default(),
            finish,
            verdict,
        })
    }

    /// Waits until nobody is on the way and the ledger has nothing open; gives what is left when patience ends.
    async fn until_all_is_done(&self, started: Instant) -> anyhow::Result<Option<String>> {
        loop {
            let left = self.left().await?;
            if left.is_none() || started.elapsed() > self.options.patience {
                return Ok(left);
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    /// What is still under way, in words.
    async fn left(&self) -> anyhow::Result<Option<String>> {
        for journey in JOURNEYS.iter().chain([&TALLY]) {
            let url = self.host.url(&format!("/v1/journeys/{}", journey.name));
            let detail = self.api.get(url).await?;
            let active = detail["enrollments"]["active"].as_i64().unwrap_or(0);
            if active > 0 {
                return Ok(Some(format!("{active} are on the way in {}", journey.name)));
            }
        }
        let deliveries = self.api.list(&self.host.url("/v1/deliveries"), "key").await?;
        let open: Vec<&Value> = deliveries.iter().filter(|one| one["phase"] != "done").collect();
        Ok(open.first().map(|one| format!("{} effects are open, such as {one}", open.len())))
    }

    /// A connection's history of releases must be whole, and the last of it be what is in use.
    async fn judge_releases(&self, verdict: &mut Verdict) -> anyhow::Result<()> {
        let connection = self.api.get(self.host.url("/v1/connections/window")).await?;
        let url = self.host.url("/v1/connections/window/history?limit=1000");
        let history = self.api.get(url).await?;
        let mut changes: Vec<&Value> = history.as_array().context("a history")?.iter().collect();
        changes.sort_by_key(|change| change["number"].as_i64());
        let numbers = changes.iter().filter_map(|change| change["number"].as_i64());
        let first = numbers.clone().next().unwrap_or(1);
        if !numbers.clone().eq(first..first + changes.len() as i64) {
            verdict.lost.push(format!("changes of releases are missing: {changes:?}"));
        }
        let last = changes.last().map(|change| &change["release"]);
        if last != Some(&connection["release"]) {
            verdict.off_model.push(format!(
                "{} is in use, and the history ends with {last:?}",
                connection["release"]
            ));
        }
        // The first change is that the connection was made.
        if changes.len() < 1000 && changes.len() < self.swaps + 1 {
            verdict.lost.push(format!(
                "{} swaps were acknowledged, and the history has {}",
                self.swaps,
                changes.len()
            ));
        }
        Ok(())
    }

    fn with_log(&self, error: anyhow::Error) -> anyhow::Error {
        error.context(format!(
            "after {} kills with seed {}; the server's log ends with\n{}\n",
            self.kills,
            self.options.seed,
            self.host.last_lines()
        ))
    }
}

/// Puts the other release into use; says whether that was acknowledged.
async fn swap(api: &Api, url: &str, releases: &Releases) -> bool {
    for release in releases {
        let url = format!("{url}/v1/connections/window/activate");
        let body = Body::Json(json!({ "release": release }));
        match api.attempt(Method::POST, url, body).await {
            Ok((status, _)) if status.is_success() => return true,
            // It is in use already; the other one is not.
            Ok((status, _)) if status == 409 => {}
            _ => return false,
        }
    }
    false
}

/// Where the repository is, for a crate in it.
pub(crate) fn root(manifest: &str) -> PathBuf {
    Path::new(manifest).join("../..")
}
