//! One host's place among those that share a database: which shards it holds, and for how long it may rely on that.
//!
//! # Invariants
//! - A shard is worked for by at most one host: the database gives it to nobody else before its holder has given it up or
//!   its holder's session has been ended.
//! - What a host commits is refused once its session has been ended, whatever the host believes.
//! - A shard is given up only after every call made for its customers has been recorded.

use std::collections::BTreeSet;
use std::future::Future;
use std::time::Duration;

use tokio::time::Instant;

use waystation_store::StoreError;
use waystation_store::records::{Renewal, SHARDS, Standing};

/// How long a session lasts without being renewed. Its shards go to others after that.
pub const LEASE: Duration = Duration::from_secs(8);
/// Time between two renewals.
pub const RENEW: Duration = Duration::from_secs(2);
/// The same while something is about to change hands, or no session is held.
pub const HURRY: Duration = Duration::from_millis(250);

/// Where hosts are registered: the shared database.
pub trait Registry: Send + Sync {
    /// Begins a session that lasts so many milliseconds, and ends the one of this host's former process, if that is known to
    /// be gone; gives its epoch, which is higher than every one before.
    fn join(&self, lease_ms: i64) -> impl Future<Output = Result<i64, StoreError>> + Send;

    /// Renews a session and does what is due for all: ends sessions whose time is over, takes free shards up to a fair
    /// share, gives up those that are left. None if the session has been ended.
    fn renew(
        &self,
        renewal: Renewal,
    ) -> impl Future<Output = Result<Option<Standing>, StoreError>> + Send;
}

/// What the session decides about, done by whoever works for customers.
pub trait Work: Send + Sync {
    /// Works for these shards and no others, from now on; returns once nothing begun for others is left but calls under
    /// way. Without an epoch nothing is worked for.
    fn hold(&self, epoch: Option<i64>, shards: &BTreeSet<i64>) -> impl Future<Output = ()> + Send;

    /// Settles what a former holder of these shards left half done. They are not worked for yet.
    fn recover(
        &self,
        shards: &BTreeSet<i64>,
    ) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// What the database said; configuration may have to be read anew.
    fn learn(&self, standing: &Standing) -> impl Future<Output = ()> + Send;

    /// The number of the configuration that is in use here.
    fn configuration(&self) -> i64;
}

/// One host's session.
#[derive(Debug)]
pub struct Session {
    epoch: Option<i64>,
    /// Shards that are ours by the database's word, and whose former holder's work is settled.
    held: BTreeSet<i64>,
    /// Held shards that are no longer worked for, because others are to have them.
    leaving: BTreeSet<i64>,
    /// Until when the database gives our shards to nobody else.
    safe_until: Instant,
    /// Whether shards are worked for.
    working: bool,
}

impl Default for Session {
    fn default() -> Self {
        Self {
            epoch: None,
            held: BTreeSet::new(),
            leaving: BTreeSet::new(),
            safe_until: Instant::now(),
            working: false,
        }
    }
}

impl Session {
    /// The session's epoch, if there is one.
    #[must_use]
    pub fn epoch(&self) -> Option<i64> {
        self.epoch
    }

    /// Renews once, and joins before that if need be. Says when to come again; an error is to be reported and the turn repeated after that time.
    pub async fn turn<R: Registry, W: Work>(
        &mut self,
        registry: &R,
        work: &W,
    ) -> (Duration, Result<(), StoreError>) {
        let turned = self.try_turn(registry, work).await;
        if turned.is_err() && self.working && Instant::now() >= self.safe_until {
            // Somebody else may work for them now. What was begun here cannot be committed any more.
            self.working = false;
            work.hold(self.epoch, &BTreeSet::new()).await;
        }
        let hurry = turned.is_err() || !self.working || !self.leaving.is_empty();
        (if hurry { HURRY } else { RENEW }, turned)
    }

    async fn try_turn<R: Registry, W: Work>(
        &mut self,
        registry: &R,
        work: &W,
    ) -> Result<(), StoreError> {
        let epoch = match self.epoch {
            Some(epoch) => epoch,
            None => self.join(registry, work).await?,
        };
        // The database counts from when it hears of it, which is later.
        let asked_at = Instant::now();
        let renewal = Renewal {
            epoch,
            lease_ms: lease_ms(),
            leaving: self.leaving.iter().copied().collect(),
            configuration: work.configuration(),
        };
        let Some(standing) = registry.renew(renewal).await? else {
            self.epoch = None;
            self.held.clear();
            self.leaving.clear();
            self.working = false;
            work.hold(None, &BTreeSet::new()).await;
            return Ok(());
        };
        self.safe_until = asked_at + LEASE;
        work.learn(&standing).await;
        let ours: BTreeSet<i64> = standing.shards.iter().copied().collect();
        let new: BTreeSet<i64> = ours.difference(&self.held).copied().collect();
        if !new.is_empty() {
            work.recover(&new).await?;
        }
        let fair = quota(standing.hosts);
        let (stay, leave): (Vec<i64>, Vec<i64>) =
            ours.iter().partition(|shard| !self.leaving.contains(shard));
        let working_for: BTreeSet<i64> = stay.into_iter().chain(leave).take(fair).collect();
        let before = (self.working, self.working_for());
        self.leaving = ours.difference(&working_for).copied().collect();
        self.held = ours;
        self.working = true;
        if before != (true, working_for.clone()) {
            work.hold(Some(epoch), &working_for).await;
        }
        Ok(())
    }

    /// Begins a session; it has no shards before it is renewed.
    async fn join<R: Registry, W: Work>(
        &mut self,
        registry: &R,
        work: &W,
    ) -> Result<i64, StoreError> {
        let asked_at = Instant::now();
        let epoch = registry.join(lease_ms()).await?;
        self.epoch = Some(epoch);
        self.safe_until = asked_at + LEASE;
        self.working = true;
        work.hold(Some(epoch), &BTreeSet::new()).await;
        Ok(epoch)
    }

    fn working_for(&self) -> BTreeSet<i64> {
        self.held.difference(&self.leaving).copied().collect()
    }
}

fn lease_ms() -> i64 {
    i64::try_from(LEASE.as_millis()).unwrap_or(i64::MAX)
}

/// How many shards a host holds at most, among so many.
fn quota(hosts: i64) -> usize {
    let hosts = usize::try_from(hosts).unwrap_or(1).max(1);
    usize::try_from(SHARDS).unwrap_or(usize::MAX).div_ceil(hosts)
}
