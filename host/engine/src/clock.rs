//! The engine's time: the system's, a scaled one for demonstrations, or one that a test sets.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use futures_util::future::BoxFuture;
use tokio::sync::watch;

/// Tells the time in Unix milliseconds and waits for one.
pub trait Clock: Send + Sync + 'static {
    /// The present time. It may jump when the system's clock is set.
    fn now(&self) -> i64;

    /// Returns at the given time or later; at once if it has passed.
    fn sleep_until(&self, at: i64) -> BoxFuture<'_, ()>;
}

/// The system's clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

/// Longest sleep before the time is looked at again, so that a clock set forward is noticed.
const LOOK_AGAIN: Duration = Duration::from_secs(60);

impl Clock for SystemClock {
    fn now(&self) -> i64 {
        millis(SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default())
    }

    fn sleep_until(&self, at: i64) -> BoxFuture<'_, ()> {
        Box::pin(async move {
            while let Some(left) = left(at, self.now()) {
                tokio::time::sleep(left.min(LOOK_AGAIN)).await;
            }
        })
    }
}

/// The clock of a database that several hosts share, as it was last heard of and run on since. It never goes back.
#[derive(Debug)]
pub struct SharedClock {
    started: Instant,
    /// The time at `started`.
    start: AtomicI64,
    shown: AtomicI64,
}

impl Default for SharedClock {
    /// Shows the system's time until it is set.
    fn default() -> Self {
        let now = SystemClock.now();
        Self { started: Instant::now(), start: AtomicI64::new(now), shown: AtomicI64::new(0) }
    }
}

impl SharedClock {
    /// The database's clock showed `now` so long ago.
    pub(crate) fn set(&self, now: i64, ago: Duration) {
        let start = now.saturating_add(millis(ago)).saturating_sub(millis(self.started.elapsed()));
        self.start.store(start, Ordering::Relaxed);
    }
}

impl Clock for SharedClock {
    fn now(&self) -> i64 {
        let now = self.start.load(Ordering::Relaxed) + millis(self.started.elapsed());
        now.max(self.shown.fetch_max(now, Ordering::Relaxed))
    }

    fn sleep_until(&self, at: i64) -> BoxFuture<'_, ()> {
        Box::pin(async move {
            while let Some(left) = left(at, self.now()) {
                // It may be set meanwhile.
                tokio::time::sleep(left.min(Duration::from_secs(1))).await;
            }
        })
    }
}

/// A clock that starts at the present and runs faster than the system's.
#[derive(Debug)]
pub struct ScaledClock {
    started: Instant,
    start: i64,
    factor: u32,
}

impl ScaledClock {
    /// A clock that runs `factor` times as fast as the system's, from now on. A factor of 0 counts as 1.
    #[must_use]
    pub fn new(factor: u32) -> Self {
        Self { started: Instant::now(), start: SystemClock.now(), factor: factor.max(1) }
    }
}

impl Clock for ScaledClock {
    fn now(&self) -> i64 {
        self.start.saturating_add(millis(self.started.elapsed().saturating_mul(self.factor)))
    }

    fn sleep_until(&self, at: i64) -> BoxFuture<'_, ()> {
        Box::pin(async move {
            while let Some(left) = left(at, self.now()) {
                tokio::time::sleep((left / self.factor).max(Duration::from_millis(1))).await;
            }
        })
    }
}

/// A clock that stands still until it is set.
#[derive(Debug)]
pub struct ManualClock {
    time: watch::Sender<i64>,
}

impl ManualClock {
    /// A clock that shows this time.
    #[must_use]
    pub fn new(now: i64) -> Self {
        Self { time: watch::Sender::new(now) }
    }

    /// Moves the clock on and wakes whoever waits for the new time.
    pub fn advance(&self, by: Duration) {
        self.time.send_modify(|now| *now = now.saturating_add(millis(by)));
    }
}

impl Clock for ManualClock {
    fn now(&self) -> i64 {
        *self.time.borrow()
    }

    fn sleep_until(&self, at: i64) -> BoxFuture<'_, ()> {
        let mut time = self.time.subscribe();
        Box::pin(async move {
            // The sender lives as long as `self`, which the future borrows.
            let _ = time.wait_for(|now| *now >= at).await;
        })
    }
}

fn left(at: i64, now: i64) -> Option<Duration> {
    u64::try_from(at.saturating_sub(now)).ok().filter(|left| *left > 0).map(Duration::from_millis)
}

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}
