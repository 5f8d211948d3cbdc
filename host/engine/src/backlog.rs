//! How much is stored and not dealt with, and when to take no more.
//!
//! Events may wait in the database for as long as the passes need, but not without bound: beyond it the caller is told to
//! come again. Transactional journeys have a bound of their own, so that a blast of others does not shut them out.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::watch;
use tracing::{error, warn};
use waystation_store::StoreError;
use waystation_store::records::{NewEvent, Taken};

use crate::engine::Core;
use crate::error::EngineError;

/// Setting: how many events may wait in the database before no more are taken in. Of transactional journeys a tenth as many
/// may wait beside them.
pub const EVENTS_WAITING: &str = "events_waiting";
/// How many these are if nothing is set.
pub const EVENTS_WAITING_DEFAULT: i64 = 5_000_000;
/// What can be set.
pub const EVENTS_WAITING_RANGE: std::ops::RangeInclusive<i64> = 1_000..=1_000_000_000;

/// How often it is counted. In between, what is taken in is added.
const COUNT: Duration = Duration::from_secs(5);
/// Longest time after which to come again, in seconds.
const LATER: u64 = 300;
/// What a caller is told while nothing is known of how fast it goes, in seconds.
const SOME_TIME: u64 = 10;

/// What is open, as far as this host knows.
pub(crate) struct Backlog {
    urgent: AtomicI64,
    others: AtomicI64,
    /// The setting.
    most: AtomicI64,
    /// Events that were dealt with since the last count.
    closed: AtomicU64,
    /// Events that are dealt with in a second, as of late.
    rate: AtomicU64,
    /// When it was counted, if it is counted from time to time.
    counted_at: Mutex<Option<Instant>>,
}

impl Default for Backlog {
    fn default() -> Self {
        Self {
            urgent: AtomicI64::default(),
            others: AtomicI64::default(),
            most: AtomicI64::new(EVENTS_WAITING_DEFAULT),
            closed: AtomicU64::default(),
            rate: AtomicU64::default(),
            counted_at: Mutex::default(),
        }
    }
}

impl Backlog {
    /// Whether there is room for these events.
    pub(crate) fn admit(&self, events: &[NewEvent]) -> Result<(), EngineError> {
        let is_urgent = events.iter().all(|event| event.lane.is_urgent());
        let most = self.most.load(Ordering::Relaxed);
        let (open, most) = if is_urgent { (&self.urgent, most / 10) } else { (&self.others, most) };
        let open = open.load(Ordering::Relaxed);
        if open < most {
            return Ok(());
        }
        // A tenth of the bound is free by then, if it goes on as of late.
        let excess = (open - most + most / 10).unsigned_abs();
        let after_s = match self.rate.load(Ordering::Relaxed) {
            0 => SOME_TIME,
            rate => excess.div_ceil(rate).clamp(self.next_count(), LATER),
        };
        Err(EngineError::Overloaded { after_s })
    }

    /// Seconds until it is counted again: nobody is let in before that.
    fn next_count(&self) -> u64 {
        let counted_at = *self.counted_at.lock().unwrap_or_else(PoisonError::into_inner);
        let left = counted_at.map(|at| COUNT.saturating_sub(at.elapsed())).unwrap_or_default();
        left.as_secs() + 1
    }

    pub(crate) fn took(&self, lanes: impl Iterator<Item = bool>, taken: &[Taken]) {
        for (is_urgent, _) in lanes.zip(taken).filter(|(_, taken)| **taken == Taken::Accepted) {
            let open = if is_urgent { &self.urgent } else { &self.others };
            open.fetch_add(1, Ordering::Relaxed);
        }
    }

    pub(crate) fn closed(&self, count: usize) {
        self.closed.fetch_add(count as u64, Ordering::Relaxed);
    }

    fn counted(&self, (urgent, others): (i64, i64), since: Duration) {
        self.urgent.store(urgent, Ordering::Relaxed);
        self.others.store(others, Ordering::Relaxed);
        let closed = self.closed.swap(0, Ordering::Relaxed) as f64;
        let now = closed / since.as_secs_f64().max(1e-3);
        let before = self.rate.load(Ordering::Relaxed) as f64;
        self.rate.store(((before + now) / 2.0) as u64, Ordering::Relaxed);
        let mut counted_at = self.counted_at.lock().unwrap_or_else(PoisonError::into_inner);
        *counted_at = Some(Instant::now());
    }
}

/// Counts what is open from time to time until `stop`. The host's own events and those of other hosts are seen only so.
pub(crate) async fn work(core: Arc<Core>, mut stop: watch::Receiver<bool>) {
    let mut counted = Instant::now();
    while !*stop.borrow() {
        if let Err(error) = core.count(&mut counted).await {
            error!(%error, "the open events cannot be counted");
        }
        tokio::select! {
            () = tokio::time::sleep(COUNT) => {}
            _ = stop.wait_for(|stop| *stop) => {}
        }
    }
}

impl Core {
    /// Counts what is open, for the first time before anything is taken in.
    pub(crate) async fn count(&self, counted: &mut Instant) -> Result<(), StoreError> {
        let set = self.store.setting(EVENTS_WAITING).await?;
        let set =
            set.and_then(|set| set.parse().ok()).filter(|set| EVENTS_WAITING_RANGE.contains(set));
        let most = set.unwrap_or(EVENTS_WAITING_DEFAULT);
        self.backlog.most.store(most, Ordering::Relaxed);
        let before = self.backlog.others.load(Ordering::Relaxed);
        let open = self.store.events_open().await?;
        self.backlog.counted(open, counted.elapsed());
        *counted = Instant::now();
        if open.1 >= most && before < most {
            warn!(
                events.open = open.1,
                events.most = most,
                "too many events wait for the host; no more are taken in until some are dealt with"
            );
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use waystation_journey::Lane;
    use waystation_store::records::{NewEvent, Subject, Taken};

    use super::{Backlog, COUNT, EVENTS_WAITING_DEFAULT as MOST, EngineError, LATER, SOME_TIME};

    fn events(lanes: &[Lane]) -> Vec<NewEvent> {
        let event = |lane: &Lane| NewEvent {
            source: "test".to_owned(),
            id: "1".to_owned(),
            name: "begin".to_owned(),
            subject: Subject::Customer("c-1".to_owned()),
            at: 0,
            subscription: None,
            lane: *lane,
            properties: serde_json::Map::new(),
        };
        lanes.iter().map(event).collect()
    }

    /// After how many seconds events of these lanes may come again; none if there is room.
    fn check(backlog: &Backlog, lanes: &[Lane], after: Option<u64>) {
        let told = match backlog.admit(&events(lanes)) {
            Ok(()) => None,
            Err(EngineError::Overloaded { after_s }) => Some(after_s),
            Err(error) => panic!("{error}"),
        };
        assert_eq!(told, after, "{lanes:?}");
    }

    #[test]
    fn more_is_taken_in_until_the_bound_and_transactional_events_have_their_own() {
        let (urgent, other) = (Lane::urgent(0), Lane::GENERAL);
        let backlog = Backlog::default();
        backlog.counted((0, MOST - 1), Duration::from_secs(5));
        check(&backlog, &[other], None);
        backlog.took([false, false].into_iter(), &[Taken::Accepted, Taken::Duplicate]);
        check(&backlog, &[other], Some(SOME_TIME));
        check(&backlog, &[urgent, other], Some(SOME_TIME));
        check(&backlog, &[urgent], None);
        backlog.counted((MOST / 10, 0), Duration::from_secs(5));
        check(&backlog, &[urgent], Some(SOME_TIME));
        check(&backlog, &[urgent, other], None);
    }

    #[test]
    fn callers_come_again_when_a_tenth_should_be_free() {
        // At the soonest when it has been counted again.
        for (closed, after) in [(500_000, 10), (5_000_000, COUNT.as_secs()), (1_000, LATER)] {
            let backlog = Backlog::default();
            // The rate is the mean of the newest and those before.
            backlog.closed(closed * 2);
            backlog.counted((0, MOST), Duration::from_secs(10));
            check(&backlog, &[Lane::GENERAL], Some(after));
        }
    }
}
