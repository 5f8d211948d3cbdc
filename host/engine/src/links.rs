//! The connections in use: which releases serve them, and whether they are called at all.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use tokio::sync::Notify;
use waystation_journey::Connections;

use crate::breaker::{Breaker, BreakerState};
use crate::canary::{CanaryPlan, Group, Tally};
use crate::pace::Pace;
use crate::workshop::Link;

/// All connections by name.
#[derive(Default)]
pub(crate) struct Links {
    lines: RwLock<BTreeMap<String, Arc<Line>>>,
    facts: RwLock<Arc<Connections>>,
}

/// One connection in use. Whoever takes a link from it keeps that for one batch, so a swap never breaks a call in flight.
pub(crate) struct Line {
    pub(crate) name: String,
    /// Wakes the connection's worker.
    pub(crate) wake: Notify,
    /// Wakes the connection's poller.
    pub(crate) poll: Notify,
    in_use: RwLock<InUse>,
    breaker: Mutex<Breaker>,
    pace: Mutex<Pace>,
}

/// The releases of a connection.
#[derive(Clone)]
pub(crate) struct InUse {
    pub(crate) current: Arc<Link>,
    /// The release in use before, kept ready for going back. Absent after a restart until it is asked for.
    pub(crate) previous: Option<Arc<Link>>,
    pub(crate) trial: Option<Arc<Trial>>,
    /// Releases that get no more calls, while some are under way.
    draining: Vec<Draining>,
}

#[derive(Clone)]
struct Draining {
    link: Arc<Link>,
    since: i64,
}

/// A candidate that serves a share of the customers.
pub(crate) struct Trial {
    pub(crate) stored: StoredTrial,
    pub(crate) candidate: Arc<Link>,
    /// Shared with the same trial under other settings, whose calls may still be under way.
    pub(crate) tally: Arc<Mutex<Tally>>,
    /// Set by whoever ends the trial first.
    pub(crate) decided: Arc<AtomicBool>,
}

/// What the database keeps of a trial. Its counts begin anew when the host starts again.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StoredTrial {
    /// Makes this trial's groups its own.
    pub id: String,
    /// Digest of the candidate.
    pub release: String,
    /// How it is tried.
    pub plan: CanaryPlan,
    /// Unix milliseconds.
    pub started_at: i64,
}

impl Trial {
    pub(crate) fn new(stored: StoredTrial, candidate: Arc<Link>) -> Self {
        Self { stored, candidate, tally: Arc::default(), decided: Arc::default() }
    }

    /// The same trial with the candidate set up anew.
    pub(crate) fn with(&self, candidate: Arc<Link>) -> Self {
        Self {
            stored: self.stored.clone(),
            candidate,
            tally: Arc::clone(&self.tally),
            decided: Arc::clone(&self.decided),
        }
    }

    pub(crate) fn group(&self, customer: &str) -> Group {
        self.stored.plan.group(&self.stored.id, customer)
    }

    /// When a trial that got too little to do ends.
    pub(crate) fn ends_at(&self) -> i64 {
        self.stored.started_at.saturating_add(self.stored.plan.at_most_ms)
    }
}

/// What an operator sees of a connection in use.
#[derive(Debug, Clone, Serialize)]
pub struct LineStatus {
    /// Digest of the release in use.
    pub release: String,
    /// Calls under way on it.
    pub calls: u32,
    /// Whether it is called.
    pub breaker: BreakerState,
    /// The trial under way.
    pub canary: Option<TrialStatus>,
    /// Releases that get no more calls, while some are under way.
    pub draining: Vec<DrainStatus>,
}

/// What an operator sees of a trial.
#[derive(Debug, Clone, Serialize)]
pub struct TrialStatus {
    /// What is kept of it.
    #[serde(flatten)]
    pub trial: StoredTrial,
    /// What the groups' calls came to since the host started.
    pub tally: Tally,
}

/// What an operator sees of a release that is being drained.
#[derive(Debug, Clone, Serialize)]
pub struct DrainStatus {
    /// Its digest.
    pub release: String,
    /// Calls under way on it.
    pub calls: u32,
    /// When it got its last call, in Unix milliseconds.
    pub since: i64,
    /// When its last call will have ended at the latest.
    pub until: i64,
}

/// A call under way on a link.
pub(crate) struct InFlight {
    line: Arc<Line>,
    link: Arc<Link>,
}

impl InFlight {
    pub(crate) fn link(&self) -> &Arc<Link> {
        &self.link
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        if self.link.calls.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.line.forget_drained();
        }
    }
}

impl Links {
    pub(crate) fn line(&self, name: &str) -> Option<Arc<Line>> {
        self.lines.read().ok()?.get(name).cloned()
    }

    /// All connections that are loaded.
    pub(crate) fn lines(&self) -> Vec<Arc<Line>> {
        let lines = self.lines.read().unwrap_or_else(PoisonError::into_inner);
        lines.values().cloned().collect()
    }

    /// The release in use.
    pub(crate) fn get(&self, name: &str) -> Option<Arc<Link>> {
        Some(self.line(name)?.in_use().current)
    }

    /// How long a call that is under way may still take.
    pub(crate) fn longest_call(&self) -> Duration {
        let longest = self.lines().iter().map(|line| line.longest_call_ms()).max();
        Duration::from_millis(longest.unwrap_or(0).unsigned_abs())
    }

    /// What journeys need to know of all connections.
    pub(crate) fn facts(&self) -> Arc<Connections> {
        self.facts.read().map(|facts| Arc::clone(&facts)).unwrap_or_default()
    }

    /// Whether all of these are loaded.
    pub(crate) fn know<'a>(&self, mut names: impl Iterator<Item = &'a str>) -> bool {
        let facts = self.facts();
        names.all(|name| facts.0.contains_key(name))
    }

    /// Puts releases into use. Answers with the connection's line if the name is new.
    pub(crate) fn put(
        &self,
        current: Arc<Link>,
        previous: Option<Arc<Link>>,
        trial: Option<Arc<Trial>>,
        now: i64,
    ) -> Option<Arc<Line>> {
        let name = current.connection.name().to_owned();
        if let Ok(mut facts) = self.facts.write() {
            let mut next = Connections::clone(&facts);
            next.0.insert(name.clone(), current.facts.clone());
            *facts = Arc::new(next);
        }
        if let Some(line) = self.line(&name) {
            line.put(current, previous, trial, now);
            return None;
        }
        let line = Arc::new(Line {
            name: name.clone(),
            wake: Notify::new(),
            poll: Notify::new(),
            in_use: RwLock::new(InUse { current, previous, trial, draining: Vec::new() }),
            breaker: Mutex::default(),
            pace: Mutex::new(Pace::new(Instant::now())),
        });
        self.lines.write().unwrap_or_else(PoisonError::into_inner).insert(name, Arc::clone(&line));
        Some(line)
    }

    /// Lets every poller see whether it has something else to ask for.
    pub(crate) fn wake_polls(&self) {
        for line in self.lines.read().unwrap_or_else(PoisonError::into_inner).values() {
            line.poll.notify_one();
        }
    }

    /// Wakes every connection's worker.
    pub(crate) fn wake_all(&self) {
        for line in self.lines.read().unwrap_or_else(PoisonError::into_inner).values() {
            line.wake.notify_one();
        }
    }

    /// Wakes a connection's worker; one that is not loaded has none.
    pub(crate) fn wake(&self, name: &str) {
        if let Some(line) = self.line(name) {
            line.wake.notify_one();
        }
    }
}

impl Line {
    pub(crate) fn in_use(&self) -> InUse {
        self.in_use.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn breaker(&self) -> MutexGuard<'_, Breaker> {
        self.breaker.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn pace(&self) -> MutexGuard<'_, Pace> {
        self.pace.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A call begins on a link of this line.
    pub(crate) fn begin(self: &Arc<Self>, link: &Arc<Link>) -> InFlight {
        link.calls.fetch_add(1, Ordering::AcqRel);
        InFlight { line: Arc::clone(self), link: Arc::clone(link) }
    }

    /// A call begins on the release in use.
    pub(crate) fn begin_current(self: &Arc<Self>) -> InFlight {
        // Counted while the line is held, so that a swap meanwhile finds the call.
        let in_use = self.in_use.read().unwrap_or_else(PoisonError::into_inner);
        self.begin(&in_use.current)
    }

    fn put(
        &self,
        current: Arc<Link>,
        previous: Option<Arc<Link>>,
        trial: Option<Arc<Trial>>,
        now: i64,
    ) {
        let swapped = {
            let mut in_use = self.in_use.write().unwrap_or_else(PoisonError::into_inner);
            let swapped = !Arc::ptr_eq(&in_use.current, &current);
            let mut former = vec![Arc::clone(&in_use.current)];
            former.extend(in_use.trial.as_ref().map(|trial| Arc::clone(&trial.candidate)));
            in_use.current = current;
            in_use.previous = previous;
            in_use.trial = trial;
            for link in former {
                let used = Arc::ptr_eq(&link, &in_use.current)
                    || in_use.trial.as_ref().is_some_and(|one| Arc::ptr_eq(&link, &one.candidate));
                if !used {
                    in_use.draining.push(Draining { link, since: now });
                }
            }
            let InUse { current, draining, .. } = &mut *in_use;
            draining.retain(|one| !Arc::ptr_eq(&one.link, current));
            swapped
        };
        if swapped {
            // What failed with another release or other settings says nothing about these.
            self.breaker().reset();
        }
        self.forget_drained();
        self.wake.notify_one();
        self.poll.notify_one();
    }

    fn longest_call_ms(&self) -> i64 {
        let in_use = self.in_use();
        let trial = in_use.trial.iter().map(|trial| &trial.candidate);
        let draining = in_use.draining.iter().map(|one| &one.link);
        let links = [&in_use.current].into_iter().chain(trial).chain(draining);
        links.map(|link| link.longest_call_ms).max().unwrap_or(0)
    }

    fn forget_drained(&self) {
        let mut in_use = self.in_use.write().unwrap_or_else(PoisonError::into_inner);
        in_use.draining.retain(|one| one.link.calls.load(Ordering::Acquire) > 0);
    }

    pub(crate) fn status(&self) -> LineStatus {
        let in_use = self.in_use();
        let calls = |link: &Link| link.calls.load(Ordering::Acquire);
        let digest = |link: &Link| link.connection.release().digest().to_owned();
        LineStatus {
            release: digest(&in_use.current),
            calls: calls(&in_use.current),
            breaker: self.breaker().state(),
            canary: in_use.trial.as_ref().map(|trial| TrialStatus {
                trial: trial.stored.clone(),
                tally: trial.tally.lock().unwrap_or_else(PoisonError::into_inner).clone(),
            }),
            draining: in_use
                .draining
                .iter()
                .map(|one| DrainStatus {
                    release: digest(&one.link),
                    calls: calls(&one.link),
                    since: one.since,
                    until: one.since.saturating_add(one.link.longest_call_ms),
                })
                .collect(),
        }
    }
}

/// Calls under way on a link.
pub(crate) type Calls = AtomicU32;
