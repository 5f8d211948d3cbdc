//! The engine: its parts, its loops, and how they start and stop.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::Ordering;
use std::sync::{Arc, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use fail::fail_point;
use futures_util::{StreamExt as _, stream};
use tokio::sync::{Notify, broadcast, watch};
use tokio::task::JoinHandle;
use tracing::{error, info, warn};
use uuid::Builder;
use waystation_journey::{Connections, TAG_ADDED};
use waystation_sandbox::{Relay, Sandbox};
use waystation_store::records::{
    ConnectionRow, CustomerPatch, Half, NewEvent, Next, Settlement, Taken,
};
use waystation_store::{Store, StoreError, faults};

use crate::audience::StoredAudience;
use crate::backlog::{self, Backlog};
use crate::clock::Clock;
use crate::codes::StoredPools;
use crate::deliver;
use crate::error::EngineError;
use crate::gauges;
use crate::hosts::{HostSpec, Territory, keep_session};
use crate::inbox::{Inbox, inbox};
use crate::links::{Line, Links, StoredTrial, Trial};
use crate::metrics::Metrics;
use crate::pass::{self, Happening, Passed, Surroundings};
use crate::past;
use crate::plugin_log::PluginLog;
use crate::policies::Policies;
use crate::poll;
use crate::programs::Programs;
use crate::recordings::Recordings;
use crate::restored::{self, Restored};
use crate::retention;
use crate::spec::ConnectionSpec;
use crate::tell;
use crate::tend;
use crate::transfers::Transfers;
use crate::unsubscribe::UnsubscribeLinks;
use crate::values::StoredValues;
use crate::workshop::{Link, Loaded, Workshop};

/// Most events, outcomes and due enrollments that one pass takes of each.
const PASS: i64 = 1000;
/// Pause after a pass that failed or could do nothing.
const RETRY: Duration = Duration::from_secs(1);
/// Time after which a pass looks for what other hosts have taken in.
const LOOK: Duration = Duration::from_millis(100);
/// How long a host that starts tries to begin its session.
const JOIN: Duration = Duration::from_secs(30);
/// How long a host that stops tries to record what became of its calls while the database does not answer.
const LAST_TRIES: Duration = Duration::from_secs(10);
/// How long a host that stops waits, once no call can be under way any more.
const END: Duration = Duration::from_secs(30);
/// Milliseconds after a start until providers are asked what became of effects: a request of the stopped host that is still
/// under way must have arrived by then, or the answer would be wrong.
const ASK_AFTER: i64 = 1_000;
/// Connections that are loaded at the same time.
const LOADING: usize = 8;
/// Happenings kept for a watcher that is slow; older ones are dropped for it.
const HAPPENINGS: usize = 4096;

/// What an engine is made of.
pub struct Parts {
    /// The workspace's database.
    pub store: Arc<Store>,
    /// The engine's time.
    pub clock: Arc<dyn Clock>,
    /// Where plugins run.
    pub sandbox: Arc<Sandbox>,
    /// SMTP relays by name.
    pub relays: BTreeMap<String, Arc<Relay>>,
    /// Folder of installed components.
    pub releases: std::path::PathBuf,
    /// What plugins see as the time of day.
    pub plugin_clock: waystation_sandbox::Clock,
    /// Makes unsubscribe links; without it messages carry none.
    pub unsubscribe: Option<UnsubscribeLinks>,
    /// What this host is among those that share the database; not used where it has the database to itself.
    pub host: HostSpec,
}

/// Reads what a stored connection was written as, and opens its secrets.
pub type Unseal = Arc<
    dyn Fn(&ConnectionRow) -> Result<(ConnectionSpec, BTreeMap<String, String>), EngineError>
        + Send
        + Sync,
>;

/// A running engine.
pub struct Engine {
    pub(crate) core: Arc<Core>,
    inbox: std::sync::Mutex<Option<Inbox>>,
    pub(crate) workshop: Workshop,
    pub(crate) unseal: Unseal,
    /// The connections in use as they are stored.
    pub(crate) rows: std::sync::Mutex<BTreeMap<String, ConnectionRow>>,
    stop: watch::Sender<bool>,
    tasks: tokio::sync::Mutex<Vec<JoinHandle<()>>>,
    /// Keeps the host's session while the other tasks end.
    session: tokio::sync::Mutex<Option<(watch::Sender<bool>, JoinHandle<()>)>>,
}

/// What the loops share.
pub(crate) struct Core {
    pub(crate) store: Arc<Store>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) links: Links,
    pub(crate) programs: Arc<Programs>,
    pub(crate) policies: Policies,
    pub(crate) unsubscribe: Option<UnsubscribeLinks>,
    pub(crate) metrics: Arc<Metrics>,
    /// What waits in the database.
    pub(crate) backlog: Backlog,
    pub(crate) wake: Arc<Wake>,
    /// Held shared by each pass, and alone by what changes enrollments of anybody.
    passing: tokio::sync::RwLock<()>,
    /// Wakes whoever tells of what time brings.
    pub(crate) tell: Notify,
    /// One change of connections at a time, so that database and memory do not part.
    pub(crate) changing: tokio::sync::Mutex<()>,
    /// What is under way with those inside journeys.
    pub(crate) transfers: Transfers,
    /// Wakes whoever looks after journeys once a minute.
    pub(crate) tend: Notify,
    /// One reading of all journeys at a time, so that an older one does not come last.
    pub(crate) reading: tokio::sync::Mutex<()>,
    /// Which customers this host works for.
    pub(crate) territory: Territory,
    /// When the host was told to stop.
    told_to_stop: OnceLock<Instant>,
    /// Whether the workspace was restored from a backup, and how far it is.
    restored: std::sync::RwLock<Option<Restored>>,
    happenings: broadcast::Sender<Happening>,
}

impl Engine {
    /// Loads journeys and connections, settles what a stopped host left behind, and starts the loops.
    ///
    /// A connection that does not load is reported and left out; its effects wait.
    ///
    /// # Errors
    /// If the database fails, or a stored journey cannot be read, whose customers must not be passed over.
    pub async fn start(parts: Parts, unseal: Unseal) -> Result<Arc<Self>, EngineError> {
        let (recordings, takes) = Recordings::open(&parts.store).await?;
        let programs = Arc::<Programs>::default();
        let workshop = Workshop {
            sandbox: parts.sandbox,
            store: Arc::clone(&parts.store),
            relays: parts.relays,
            releases: parts.releases,
            log: Arc::new(PluginLog::new(Arc::clone(&parts.plugin_clock))),
            clock: parts.plugin_clock,
            pools: Arc::new(StoredPools(Arc::clone(&parts.store))),
            loaded: Loaded::default(),
            values: Arc::new(StoredValues(Arc::clone(&parts.store))),
            audience: Arc::new(StoredAudience {
                store: Arc::clone(&parts.store),
                clock: Arc::clone(&parts.clock),
                programs: Arc::clone(&programs),
            }),
            recordings: Arc::clone(&recordings),
        };
        let (inbox, inbox_worker) = inbox();
        let shared = parts.store.is_shared();
        let restored = Restored::load(&parts.store).await?;
        let core = Arc::new(Core {
            store: parts.store,
            clock: parts.clock,
            links: Links::default(),
            programs,
            policies: Policies::default(),
            unsubscribe: parts.unsubscribe,
            metrics: Arc::default(),
            backlog: Backlog::default(),
            wake: Arc::default(),
            passing: tokio::sync::RwLock::default(),
            tell: Notify::new(),
            changing: tokio::sync::Mutex::default(),
            transfers: Transfers::default(),
            tend: Notify::default(),
            reading: tokio::sync::Mutex::default(),
            territory: if shared { Territory::shared() } else { Territory::default() },
            told_to_stop: OnceLock::new(),
            restored: std::sync::RwLock::new(restored),
            happenings: broadcast::Sender::new(HAPPENINGS),
        });
        let configuration = core.store.configuration().await?;
        core.read_journeys(configuration).await?;
        let (stop, stopped) = watch::channel(false);
        let engine = Self {
            core: Arc::clone(&core),
            inbox: std::sync::Mutex::new(Some(inbox)),
            workshop,
            unseal,
            rows: std::sync::Mutex::default(),
            stop,
            tasks: tokio::sync::Mutex::default(),
            session: tokio::sync::Mutex::default(),
        };
        core.count(&mut Instant::now()).await?;
        let lines = engine.load().await?;
        core.territory.configuration.store(configuration, Ordering::Release);
        fail_point!("start.loaded");
        let held = restored.filter(Restored::is_held);
        if shared {
            // For nobody, until it is known for whom.
            core.store.hold(None, &BTreeSet::new());
        } else if held.is_none() {
            core.settle_interrupted(&BTreeSet::new()).await?;
        }
        fail_point!("start.recovered");
        match &held {
            Some(held) => restored::tell(held),
            None => engine.set_going(lines).await,
        }
        let mut tasks = engine.tasks.lock().await;
        let inbox_task = inbox_worker.run(
            Arc::clone(&core.store),
            Arc::clone(&core.clock),
            Arc::clone(&core.wake),
            Arc::clone(&core.metrics),
        );
        tasks.push(tokio::spawn(inbox_task));
        tasks.push(tokio::spawn(recordings.run(
            takes,
            Arc::clone(&core.store),
            Arc::clone(&core.metrics),
            stopped.clone(),
        )));
        tasks.push(tokio::spawn(gauges::work(Arc::clone(&core), stopped.clone())));
        drop(tasks);
        let engine = Arc::new(engine);
        if shared {
            let following = Arc::clone(&engine).follow(stopped);
            engine.tasks.lock().await.push(tokio::spawn(following));
            let (leave, left) = watch::channel(false);
            let session = keep_session(Arc::clone(&core), parts.host, left);
            *engine.session.lock().await = Some((leave, tokio::spawn(session)));
            let mut joined = core.territory.joined.subscribe();
            let joined = tokio::time::timeout(JOIN, joined.wait_for(|joined| *joined)).await;
            if joined.is_err() {
                engine.stop().await;
                let detail = format!("no session could be begun within {} s", JOIN.as_secs());
                return Err(StoreError::Unreachable(detail).into());
            }
        }
        Ok(engine)
    }

    /// Starts the loops that do something.
    pub(crate) async fn set_going(&self, lines: Vec<Arc<Line>>) {
        let core = &self.core;
        let stopped = self.stop.subscribe();
        let mut tasks = self.tasks.lock().await;
        for half in Half::BOTH {
            tasks.push(tokio::spawn(Arc::clone(core).passes(half, stopped.clone())));
        }
        tasks.push(tokio::spawn(backlog::work(Arc::clone(core), stopped.clone())));
        tasks.push(tokio::spawn(tell::work(Arc::clone(core), stopped.clone())));
        tasks.push(tokio::spawn(tend::work(Arc::clone(core), stopped.clone())));
        tasks.push(tokio::spawn(retention::work(Arc::clone(core), stopped.clone())));
        for line in lines {
            tasks.extend(work(core, &line, &stopped));
        }
    }

    /// Loads the stored connections, several at a time.
    async fn load(&self) -> Result<Vec<Arc<Line>>, EngineError> {
        let rows = self.core.store.connections().await?;
        let loading =
            rows.iter().map(|row| async move { (row, self.open(row, &row.digest).await) });
        let mut loading = stream::iter(loading).buffered(LOADING);
        let mut lines = Vec::with_capacity(rows.len());
        while let Some((row, opened)) = loading.next().await {
            match opened {
                Ok(link) => {
                    let trial = self.reopen_trial(row).await;
                    lines.extend(self.core.links.put(Arc::new(link), None, trial, self.now()));
                    self.note(row.clone());
                }
                Err(error) => {
                    error!(connection = row.name, %error, "the connection cannot be loaded; its effects wait");
                }
            }
        }
        Ok(lines)
    }

    /// A trial that was under way when the host stopped goes on; its counts begin anew.
    pub(crate) async fn reopen_trial(&self, row: &ConnectionRow) -> Option<Arc<Trial>> {
        let stored: StoredTrial = serde_json::from_str(row.canary.as_ref()?).ok()?;
        match self.open(row, &stored.release).await {
            Ok(link) => Some(Arc::new(Trial::new(stored, Arc::new(link)))),
            Err(error) => {
                error!(connection = row.name, %error, "the candidate cannot be loaded; the release in use serves everybody");
                None
            }
        }
    }

    /// Takes no more events, lets running calls end and records their outcomes. The store stays open.
    ///
    /// It ends in time even if the database does not answer: what cannot be recorded stays *attempting* there, and is settled
    /// as *unknown* by the next start or another host.
    pub async fn stop(&self) {
        if let Ok(mut inbox) = self.inbox.lock() {
            inbox.take();
        }
        let told_at = *self.core.told_to_stop.get_or_init(Instant::now);
        self.stop.send_replace(true);
        let until = tokio::time::Instant::from_std(told_at + self.core.links.longest_call() + END);
        // One that is about to end may have begun another.
        loop {
            let tasks = std::mem::take(&mut *self.tasks.lock().await);
            if tasks.is_empty() {
                break;
            }
            for task in tasks {
                end(task, until, "a loop of the engine").await;
            }
        }
        if let Some((leave, session)) = self.session.lock().await.take() {
            leave.send_replace(true);
            end(session, tokio::time::Instant::now() + END, "the host's session").await;
        }
    }

    /// Takes note of a connection in use as it is stored.
    pub(crate) fn note(&self, row: ConnectionRow) {
        let mut rows = self.rows.lock().unwrap_or_else(PoisonError::into_inner);
        rows.insert(row.name.clone(), row);
    }

    /// The workspace's database.
    #[must_use]
    pub fn store(&self) -> &Arc<Store> {
        &self.core.store
    }

    /// The present time in Unix milliseconds.
    #[must_use]
    pub fn now(&self) -> i64 {
        self.core.clock.now()
    }

    /// Returns at the given time of the engine or later.
    pub async fn sleep_until(&self, at: i64) {
        self.core.clock.sleep_until(at).await;
    }

    /// Counters for operators.
    #[must_use]
    pub fn metrics(&self) -> &Metrics {
        &self.core.metrics
    }

    /// Where components are checked and loaded.
    #[must_use]
    pub fn workshop(&self) -> &Workshop {
        &self.workshop
    }

    /// What plugins wrote last.
    #[must_use]
    pub fn plugin_log(&self) -> &PluginLog {
        &self.workshop.log
    }

    /// What journeys need to know of all connections.
    #[must_use]
    pub fn connections(&self) -> Arc<Connections> {
        self.core.links.facts()
    }

    /// A loaded connection.
    #[must_use]
    pub fn link(&self, name: &str) -> Option<Arc<Link>> {
        self.core.links.get(name)
    }

    /// Makes and reads unsubscribe links, where the server has a public address.
    #[must_use]
    pub fn unsubscribe(&self) -> Option<&UnsubscribeLinks> {
        self.core.unsubscribe.as_ref()
    }

    /// What happens to enrollments from now on. A receiver that falls behind loses the oldest.
    #[must_use]
    pub fn watch(&self) -> broadcast::Receiver<Happening> {
        self.core.happenings.subscribe()
    }

    /// Stores events; one answer for each, in order, once they are durable.
    ///
    /// # Errors
    /// [`EngineError::Overloaded`] if too much waits to be stored, or is stored and waits for the engine; a database failure,
    /// and then none is stored.
    pub async fn take(&self, mut events: Vec<NewEvent>) -> Result<Vec<Taken>, EngineError> {
        let inbox =
            self.inbox.lock().ok().and_then(|inbox| inbox.clone()).ok_or(StoreError::Closed)?;
        self.core.put_in_lanes(&mut events);
        self.core.backlog.admit(&events)?;
        let urgent: Vec<bool> = events.iter().map(|event| event.lane.is_urgent()).collect();
        let taken = inbox.take(events).await?;
        self.core.backlog.took(urgent.into_iter(), &taken);
        Ok(taken)
    }

    /// Puts releases of a connection into use. Calls in flight end on the old ones.
    pub(crate) async fn put(
        &self,
        current: Arc<Link>,
        previous: Option<Arc<Link>>,
        trial: Option<Arc<Trial>>,
    ) {
        let name = current.connection.name().to_owned();
        let line = self.core.links.put(current, previous, trial, self.now());
        self.core.show_breaker(&name);
        // What is held begins to work with everything else.
        let held = self.core.restored().is_some_and(|restored| restored.is_held());
        if let Some(line) = line.filter(|_| !held) {
            let tasks = work(&self.core, &line, &self.stop.subscribe());
            self.tasks.lock().await.extend(tasks);
        }
    }

    /// Changes customers.
    ///
    /// # Errors
    /// See [`Store::upsert_customers`].
    pub async fn upsert_customers(&self, patches: Vec<CustomerPatch>) -> Result<(), EngineError> {
        if !self.core.programs.picture().tells(TAG_ADDED) {
            return Ok(self.core.store.upsert_customers(patches, self.now()).await?);
        }
        let changed = self.core.store.upsert_customers_telling(patches, self.now()).await;
        // Even after an error: the database may have done it without saying so.
        self.core.wake.notify();
        Ok(changed?)
    }
}

/// Wakes the passes.
#[derive(Default)]
pub(crate) struct Wake([Notify; 2]);

impl Wake {
    /// Tells of something to do, whoever's it is.
    pub(crate) fn notify(&self) {
        for one in &self.0 {
            one.notify_one();
        }
    }

    fn of(&self, half: Half) -> &Notify {
        &self.0[usize::from(half == Half::Second)]
    }
}

/// Waits for a task, but not for ever.
async fn end(mut task: JoinHandle<()>, until: tokio::time::Instant, what: &str) {
    match tokio::time::timeout_at(until, &mut task).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => error!(%error, "{what} failed"),
        Err(_) => {
            warn!(
                "{what} did not end in time and is broken off; what it had begun is found by the next start"
            );
            task.abort();
            let _ = task.await;
        }
    }
}

/// The loops of one connection.
fn work(core: &Arc<Core>, line: &Arc<Line>, stop: &watch::Receiver<bool>) -> [JoinHandle<()>; 2] {
    [
        tokio::spawn(deliver::work(Arc::clone(core), Arc::clone(line), stop.clone())),
        tokio::spawn(poll::work(Arc::clone(core), Arc::clone(line), stop.clone())),
    ]
}

impl Core {
    /// Whether the workspace was restored from a backup, and how far it is.
    pub(crate) fn restored(&self) -> Option<Restored> {
        *self.restored.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether this host stops, and has tried for long enough to tell the database what came of its calls.
    pub(crate) fn gives_up(&self) -> bool {
        self.told_to_stop.get().is_some_and(|told_at| told_at.elapsed() >= LAST_TRIES)
    }

    pub(crate) fn put_restored(&self, restored: Restored) {
        *self.restored.write().unwrap_or_else(PoisonError::into_inner) = Some(restored);
    }

    /// Another release begins with its circuit breaker closed; the metric is to say so.
    pub(crate) fn show_breaker(&self, connection: &str) {
        if let Some(line) = self.links.line(connection) {
            self.metrics.breaker(connection, line.breaker().state());
        }
    }

    /// Passes for half of the customers until `stop`: while one half's is written, the other's is read and worked out.
    async fn passes(self: Arc<Self>, half: Half, mut stop: watch::Receiver<bool>) {
        while !*stop.borrow() {
            let looked_at = self.clock.now();
            match self.pass_and_transfer(half).await {
                Ok(true) => continue,
                Ok(false) => {}
                // Another host changed an enrollment, as for a transfer: it is read again.
                Err(StoreError::Conflict(_)) if self.store.is_shared() => {
                    tokio::time::sleep(LOOK).await;
                    continue;
                }
                Err(error) => {
                    error!(%error, "a pass failed; it is repeated");
                    tokio::select! {
                        () = tokio::time::sleep(RETRY) => {}
                        _ = stop.wait_for(|stop| *stop) => {}
                    }
                    continue;
                }
            }
            let idle = async {
                match self.store.next_due_of(Some(half)).await {
                    // What was due already and did not move waits for something else; do not spin.
                    Ok(Some(at)) if at <= looked_at => tokio::time::sleep(RETRY).await,
                    Ok(Some(at)) => self.clock.sleep_until(at).await,
                    Ok(None) => std::future::pending().await,
                    Err(_) => tokio::time::sleep(RETRY).await,
                }
            };
            tokio::select! {
                () = idle => {}
                () = self.others(LOOK) => {}
                () = self.wake.of(half).notified() => {}
                _ = stop.wait_for(|stop| *stop) => {}
            }
        }
    }

    /// Nothing but this changes enrollments, one thing at a time for each customer.
    async fn pass_and_transfer(&self, half: Half) -> Result<bool, StoreError> {
        let _inside = self.territory.enter().await;
        let passed = {
            let _passing = self.passing.read().await;
            self.pass(half).await?
        };
        // A transfer is about both halves.
        if half != Half::First || !self.territory.leads() || !self.transfers.may_be_open() {
            return Ok(passed);
        }
        let _alone = self.passing.write().await;
        Ok(self.transfer().await? || passed)
    }

    /// Returns after the pause where other hosts may give this one something to do; else never.
    pub(crate) async fn others(&self, pause: Duration) {
        if self.store.is_shared() {
            tokio::time::sleep(pause).await;
        } else {
            std::future::pending().await
        }
    }

    /// Advances what can be advanced now (T1). Says whether there was anything.
    async fn pass(&self, half: Half) -> Result<bool, StoreError> {
        let now = self.clock.now();
        let goals_since = now.saturating_sub(self.programs.picture().goal_window);
        let work = self.store.work_of(Some(half), now, PASS, goals_since).await?;
        fail_point!("pass.read");
        if work.configuration > self.territory.journeys.load(Ordering::Acquire) {
            // An event must find the journeys that were in use before it came.
            self.read_journeys(work.configuration).await.map_err(|error| match error {
                EngineError::Store(error) => error,
                error => {
                    StoreError::Corrupt { what: "a journey".to_owned(), detail: error.to_string() }
                }
            })?;
        }
        // Taken after the read: an event that came once a journey was in use must find that journey.
        let picture = self.programs.picture();
        if work.configuration > self.territory.configuration.load(Ordering::Acquire)
            && !self.links.know(picture.programs().flat_map(|program| program.connections()))
        {
            // Another host connected it a moment ago. Whatever a journey asks of it would be refused until it is loaded here.
            self.territory.outdated.notify_one();
            return Ok(false);
        }
        if work.events.is_empty() && work.settled.is_empty() && work.enrollments.is_empty() {
            return Ok(false);
        }
        let pasts = past::load(&self.store, &picture, &work, now).await?;
        let facts = self.links.facts();
        let passed = pass::run(
            work,
            &Surroundings {
                picture: &picture,
                pasts: &pasts,
                policy: &self.policies.get(),
                connections: &facts,
                links: self.unsubscribe.as_ref(),
                now,
                new_id: &|| new_id(now),
            },
        );
        if passed.is_empty() {
            return Ok(false);
        }
        self.keep(passed).await?;
        Ok(true)
    }

    /// Puts events into the lanes of the journeys that they concern.
    pub(crate) fn put_in_lanes<'e>(&self, events: impl IntoIterator<Item = &'e mut NewEvent>) {
        let picture = self.programs.picture();
        for event in events {
            picture.put_in_lane(event);
        }
    }

    /// Writes what a pass came to, and tells whom it concerns.
    pub(crate) async fn keep(&self, mut passed: Passed) -> Result<(), StoreError> {
        passed.pass.doubt = self.restored().and_then(|restored| restored.doubt(passed.pass.now));
        let (enrolled, advanced) = (passed.pass.enrolled.len(), passed.pass.history.len());
        fail_point!("pass.ran");
        let closed = passed.pass.events.len();
        let kept = self.store.commit(passed.pass).await;
        fail_point!("pass.kept");
        // Whatever the database answered: it may have done it without saying so.
        for connection in &passed.asked {
            self.links.wake(connection);
        }
        kept?;
        self.backlog.closed(closed);
        self.metrics.passed(enrolled, advanced, passed.failed_conditions);
        for happening in passed.happenings {
            // Nobody need be watching.
            let _ = self.happenings.send(happening);
        }
        Ok(())
    }

    /// What was *attempting* when the last host stopped may have happened: it is *unknown* and settled as such.
    pub(crate) async fn settle_interrupted(
        &self,
        shards: &BTreeSet<i64>,
    ) -> Result<(), StoreError> {
        self.store.ask_by(self.clock.now().saturating_add(ASK_AFTER), shards).await?;
        let left = self.store.interrupted(shards).await?;
        if left.is_empty() {
            return Ok(());
        }
        fail_point!("recover.read");
        info!(effects = left.len(), "settling effects that were under way when the host stopped");
        let now = self.clock.now();
        let settlements = left
            .iter()
            .map(|(connection, effect)| match self.links.get(connection) {
                Some(link) if faults::planted("plant.blind-resend") => {
                    self.attempted(&link, effect).not_there()
                }
                Some(link) => {
                    self.attempted(&link, effect).unknown(Store::interruption().to_owned())
                }
                // What the plugin could do about it is decided once it is loaded.
                None => Settlement {
                    key: effect.key.clone(),
                    attempt: effect.attempts,
                    ended: "unknown",
                    detail: Some(Store::interruption().to_owned()),
                    asked: false,
                    earlier_uncertain: false,
                    next: Next::Ask { at: now },
                    grant: None,
                    revoked: None,
                },
            })
            .collect();
        self.store.settle(settlements, now).await
    }
}

/// A new identifier that sorts by time: UUID version 7 in 32 hexadecimal digits.
pub(crate) fn new_id(now: i64) -> String {
    let mut random = [0; 10];
    // The operating system's randomness does not fail once it has started; were it to, identifiers would only collide
    // where the database refuses them.
    if let Err(error) = getrandom::fill(&mut random) {
        error!(%error, "the operating system gives no randomness");
    }
    Builder::from_unix_timestamp_millis(now.unsigned_abs(), &random)
        .into_uuid()
        .simple()
        .to_string()
}

/// What comes before the identifier of any enrollment that began at this time or later.
#[must_use]
pub fn first_id(at: i64) -> String {
    // Version 7 begins with the milliseconds in 48 bits.
    format!("{:012x}", at.max(0))
}
