//! Counters about streams of messages.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;
use waystation_store::records::{StreamTaken, Taken};

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Outcome {
    result: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Cause {
    reason: &'static str,
}

/// What is counted of a stream that events come by.
#[derive(Default)]
pub struct StreamMetrics {
    events: Family<Outcome, Counter>,
    set_aside: Family<Cause, Counter>,
    dropped: Counter,
    repeated: Counter,
    failed: Counter,
    connects: Counter,
    connected: Gauge,
    pending: Gauge,
    unacknowledged: Gauge,
    kept: Gauge,
    full: Gauge,
}

impl StreamMetrics {
    /// Counters that `registry` shows.
    pub(super) fn registered(registry: &mut Registry) -> Self {
        let metrics = Self::default();
        let Self {
            events,
            set_aside,
            dropped,
            repeated,
            failed,
            connects,
            connected,
            pending,
            unacknowledged,
            kept,
            full,
        } = &metrics;
        registry.register("events", "Events by streams, by what became of them", events.clone());
        let help = "Messages and events of streams that were set aside, by reason";
        registry.register("set_aside", help, set_aside.clone());
        let help = "Set aside before, and deleted for their age or number";
        registry.register("set_aside_deleted", help, dropped.clone());
        registry.register("set_aside_open", "What is set aside now", kept.clone());
        let help = "Messages that came again and were dropped by their position";
        registry.register("repeated", help, repeated.clone());
        let help = "Times that messages could not be stored; they are kept and stored later";
        registry.register("failures", help, failed.clone());
        registry.register("connects", "Times a connection was made", connects.clone());
        registry.register("connected", "Whether the stream can be read: 1 or 0", connected.clone());
        let help = "Messages that the consumer has not delivered to any host";
        registry.register("pending", help, pending.clone());
        let help = "Messages that were delivered and not acknowledged";
        registry.register("unacknowledged", help, unacknowledged.clone());
        let help = "Whether nothing is fetched because too many events wait for the engine: 1 or 0";
        registry.register("waits", help, full.clone());
        metrics
    }

    pub(super) fn taken(&self, taken: &StreamTaken) {
        for (result, kind) in [("accepted", Taken::Accepted), ("duplicate", Taken::Duplicate)] {
            let count = taken.taken.iter().filter(|one| **one == kind).count();
            self.events.get_or_create(&Outcome { result }).inc_by(count as u64);
        }
        for (reason, count) in &taken.set_aside {
            self.set_aside.get_or_create(&Cause { reason: reason.word() }).inc_by(*count);
        }
        self.repeated.inc_by(taken.repeated);
        self.swept(taken.dropped);
    }

    /// That so many of those set aside were deleted for their age or number.
    pub fn swept(&self, count: u64) {
        self.dropped.inc_by(count);
    }

    /// That messages could not be stored.
    pub fn failed(&self) {
        self.failed.inc();
    }

    /// That a connection was made.
    pub fn connects(&self) {
        self.connects.inc();
    }

    /// That the stream's server answers.
    pub fn connected(&self) {
        self.connected.set(1);
    }

    /// That the stream's server does not answer, or what it has cannot be read.
    pub fn disconnected(&self) {
        self.connected.set(0);
    }

    /// What the stream's server says of the consumer: messages not delivered, and delivered but not acknowledged.
    pub fn lag(&self, pending: u64, unacknowledged: u64) {
        self.pending.set(i64::try_from(pending).unwrap_or(i64::MAX));
        self.unacknowledged.set(i64::try_from(unacknowledged).unwrap_or(i64::MAX));
    }

    /// How many are set aside now.
    pub fn kept(&self, count: i64) {
        self.kept.set(count);
    }

    /// That nothing is fetched until the engine has caught up.
    pub fn waits(&self) {
        self.full.set(1);
    }

    /// That fetching goes on.
    pub fn goes_on(&self) {
        self.full.set(0);
    }
}
