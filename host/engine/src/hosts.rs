//! Which customers this host works for, where several hosts share a database.
//!
//! Customers fall into shards by their identifier. `session.rs` says which shards are this host's; here that is put into
//! force: whoever works for customers enters first, and what it reads and commits in between is one piece of work that no
//! change of shards can cut in two.

pub mod session;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::time::{Duration, Instant};

use tokio::sync::{Notify, RwLock, RwLockReadGuard, watch};
use tracing::{error, info, warn};
use waystation_store::records::{Joined, Renewal, Standing};
use waystation_store::{Store, StoreError};

use crate::clock::SharedClock;
use crate::engine::{Core, Engine};
use session::{Registry, Session, Work};

/// The shard whose holder does what is done once for all.
const FIRST: i64 = 0;
/// How long a host that stops waits for the others to be told.
const LEAVE: Duration = Duration::from_secs(5);

/// What this host works for.
#[derive(Debug)]
pub(crate) struct Territory {
    /// Held for reading by whoever works, for writing while shards change.
    gate: RwLock<()>,
    leads: AtomicBool,
    /// Hosts at work, this one included.
    hosts: AtomicI64,
    /// Number of the configuration that the journeys in use are of.
    pub(crate) journeys: AtomicI64,
    /// Number of the configuration that everything in use is of.
    pub(crate) configuration: AtomicI64,
    /// A newer configuration is known of.
    pub(crate) outdated: Notify,
    /// The number of the newest configuration that is known of.
    pub(crate) newest: watch::Sender<i64>,
    /// Whether a session was ever held.
    pub(crate) joined: watch::Sender<bool>,
}

impl Default for Territory {
    /// One host works for everybody.
    fn default() -> Self {
        Self {
            gate: RwLock::default(),
            leads: AtomicBool::new(true),
            hosts: AtomicI64::new(1),
            journeys: AtomicI64::new(0),
            configuration: AtomicI64::new(0),
            outdated: Notify::new(),
            newest: watch::Sender::new(0),
            joined: watch::Sender::new(true),
        }
    }
}

impl Territory {
    /// A place among several hosts, which works for nobody yet.
    pub(crate) fn shared() -> Self {
        Self { leads: AtomicBool::new(false), joined: watch::Sender::new(false), ..Self::default() }
    }

    /// The shards do not change until the guard is dropped. It is never held across a call to a plugin.
    pub(crate) async fn enter(&self) -> RwLockReadGuard<'_, ()> {
        self.gate.read().await
    }

    /// Whether this host does what is done once for all customers.
    pub(crate) fn leads(&self) -> bool {
        self.leads.load(Ordering::Acquire)
    }

    /// Hosts at work, this one included.
    pub(crate) fn hosts(&self) -> u32 {
        u32::try_from(self.hosts.load(Ordering::Relaxed)).unwrap_or(1).max(1)
    }

    /// This host's part of a number that holds for all together; at least 1.
    pub(crate) fn part_of(&self, number: u32) -> u32 {
        (number / self.hosts()).max(1)
    }
}

/// One of the hosts that share a database.
#[derive(Default)]
pub struct HostSpec {
    /// What operators know it by.
    pub name: String,
    /// Follows the database's clock. It is the engine's time too, unless that is a clock of its own.
    pub clock: Arc<SharedClock>,
    /// The last session of this host's former process, if it is certain that the process is gone. It is ended at once, so that
    /// the host need not wait for its time to pass.
    pub former: Option<Joined>,
    /// Told of each session as it begins, to be remembered by the next process.
    pub began: Option<Box<dyn Fn(Joined) + Send + Sync>>,
}

impl Work for Core {
    async fn hold(&self, epoch: Option<i64>, shards: &BTreeSet<i64>) {
        {
            let _alone = self.territory.gate.write().await;
            self.store.hold(epoch, shards);
            self.territory.leads.store(shards.contains(&FIRST), Ordering::Release);
        }
        if epoch.is_some() {
            self.territory.joined.send_replace(true);
        }
        info!(
            host.epoch = epoch,
            host.shards = shards.len(),
            "the customers of these shards are worked for"
        );
        self.wake.notify();
        self.links.wake_all();
        self.links.wake_polls();
        self.transfers.opened();
        self.tend.notify_one();
        self.tell.notify_one();
    }

    async fn recover(&self, shards: &BTreeSet<i64>) -> Result<(), StoreError> {
        self.settle_interrupted(shards).await
    }

    async fn learn(&self, standing: &Standing) {
        self.territory.hosts.store(standing.hosts, Ordering::Relaxed);
        self.territory.newest.send_if_modified(|newest| {
            let newer = standing.configuration > *newest;
            *newest = standing.configuration.max(*newest);
            newer
        });
        let known = self.territory.configuration.load(Ordering::Acquire);
        if standing.configuration > known || standing.wanted > 0 {
            self.territory.outdated.notify_one();
        }
    }

    fn configuration(&self) -> i64 {
        self.territory.configuration.load(Ordering::Acquire)
    }
}

/// Keeps this host's session until `stop`, then gives its shards to the others.
pub(crate) async fn keep_session(core: Arc<Core>, host: HostSpec, mut stop: watch::Receiver<bool>) {
    let place = Place { store: &core.store, host: &host };
    let mut session = Session::default();
    while !*stop.borrow() {
        let (pause, turned) = session.turn(&place, &*core).await;
        if let Err(error) = turned {
            warn!(host.name = host.name, %error, "the host's session cannot be renewed; trying again");
        }
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            _ = stop.wait_for(|stop| *stop) => {}
        }
    }
    let Some(epoch) = session.epoch() else { return };
    match tokio::time::timeout(LEAVE, core.store.leave_hosts(epoch)).await {
        Ok(Ok(())) => info!(host.epoch = epoch, "the other hosts may take the shards over"),
        Ok(Err(error)) => {
            warn!(%error, "the shards cannot be given up; others take them when the session is over")
        }
        Err(_) => warn!(
            "the shards cannot be given up in time; others take them when the session is over"
        ),
    }
}

/// The database where this host is registered, whose clock holds for all.
struct Place<'a> {
    store: &'a Store,
    host: &'a HostSpec,
}

impl Registry for Place<'_> {
    async fn join(&self, lease_ms: i64) -> Result<i64, StoreError> {
        let HostSpec { name, former, began, .. } = self.host;
        let joined = self.store.join_hosts(name, lease_ms, *former).await?;
        if let Some(began) = began {
            began(joined);
        }
        Ok(joined.epoch)
    }

    async fn renew(&self, renewal: Renewal) -> Result<Option<Standing>, StoreError> {
        let asked_at = Instant::now();
        let standing = self.store.renew_host(renewal).await?;
        if let Some(standing) = &standing {
            // It looked at its clock somewhere between question and answer.
            self.host.clock.set(standing.now, asked_at.elapsed() / 2);
        }
        Ok(standing)
    }
}

impl Engine {
    /// The number of the configuration, which grows when hosts that share the database change what all of them keep in
    /// memory. It is told within the time between two renewals of a session, about two seconds.
    #[must_use]
    pub fn configurations(&self) -> watch::Receiver<i64> {
        self.core.territory.newest.subscribe()
    }

    /// Keeps to what other hosts change: connections, and releases that are about to be put into use.
    pub(crate) async fn follow(self: Arc<Self>, mut stop: watch::Receiver<bool>) {
        while !*stop.borrow() {
            tokio::select! {
                () = self.core.territory.outdated.notified() => {}
                _ = stop.wait_for(|stop| *stop) => return,
            }
            if let Err(error) = self.catch_up().await {
                error!(%error, "what other hosts changed cannot be read; it is tried again");
            }
        }
    }
}
