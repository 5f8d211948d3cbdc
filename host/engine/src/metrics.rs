//! Counters for operators, in Prometheus text format.

mod streams;

use std::collections::BTreeSet;
use std::sync::Mutex;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::Registry;
use waystation_sandbox::{CallError, RecorderCounts};
use waystation_store::records::{Counts, StreamTaken, Taken, Unknowns};

pub use self::streams::StreamMetrics;
use crate::breaker::BreakerState;
use crate::canary::Observed;
use crate::workshop::Link;

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Result {
    result: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Attempt {
    connection: String,
    plugin: String,
    version: String,
    outcome: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Release {
    connection: String,
    plugin: String,
    version: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Failure {
    connection: String,
    plugin: String,
    version: String,
    cause: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Connection {
    connection: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Phase {
    phase: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, EncodeLabelSet)]
struct Unknown {
    connection: String,
    state: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Table {
    table: &'static str,
}

impl Release {
    fn of(link: &Link) -> Self {
        let manifest = link.connection.release().manifest();
        Self {
            connection: link.connection.name().to_owned(),
            plugin: manifest.name.clone(),
            version: manifest.version.clone(),
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Recorded {
    connection: String,
    result: &'static str,
}

/// The engine's counters.
pub struct Metrics {
    registry: Mutex<Registry>,
    events: Family<Result, Counter>,
    enrolled: Counter,
    advanced: Counter,
    failed_conditions: Counter,
    attempts: Family<Attempt, Counter>,
    call_seconds: Family<Release, Histogram>,
    call_failures: Family<Failure, Counter>,
    breaker: Family<Connection, Gauge>,
    recordings: Family<Recorded, Counter>,
    polls: Family<Recorded, Counter>,
    events_open: Gauge,
    effects_open: Family<Phase, Gauge>,
    overdue_ms: Gauge,
    streams: StreamMetrics,
    enrollments_overdue_ms: Gauge,
    unknowns: Family<Unknown, Gauge>,
    unknown_age_ms: Gauge,
    deleted: Family<Table, Counter>,
    oldest_ms: Family<Table, Gauge>,
    /// What `unknowns` shows, so that it shows nothing of what is no more.
    shown: Mutex<BTreeSet<Unknown>>,
}

impl Default for Metrics {
    fn default() -> Self {
        let mut registry = Registry::with_prefix("waystation");
        let call_seconds = Family::<Release, Histogram>::new_with_constructor(|| {
            Histogram::new(exponential_buckets(0.0005, 2.0, 17))
        });
        let metrics = Self {
            events: Family::default(),
            enrolled: Counter::default(),
            advanced: Counter::default(),
            failed_conditions: Counter::default(),
            attempts: Family::default(),
            call_seconds,
            call_failures: Family::default(),
            breaker: Family::default(),
            recordings: Family::default(),
            polls: Family::default(),
            events_open: Gauge::default(),
            effects_open: Family::default(),
            overdue_ms: Gauge::default(),
            streams: StreamMetrics::registered(registry.sub_registry_with_prefix("stream")),
            enrollments_overdue_ms: Gauge::default(),
            unknowns: Family::default(),
            unknown_age_ms: Gauge::default(),
            deleted: Family::default(),
            oldest_ms: Family::default(),
            shown: Mutex::default(),
            registry: Mutex::new(Registry::default()),
        };
        registry.register(
            "events",
            "Events handed over, by what became of them",
            metrics.events.clone(),
        );
        registry.register("enrollments", "Customers enrolled", metrics.enrolled.clone());
        registry.register("advances", "Times an enrollment advanced", metrics.advanced.clone());
        registry.register(
            "failed_conditions",
            "Entry conditions that could not be evaluated",
            metrics.failed_conditions.clone(),
        );
        registry.register(
            "attempts",
            "Effects handed to plugins, by outcome",
            metrics.attempts.clone(),
        );
        registry.register("call_seconds", "Duration of plugin calls", metrics.call_seconds.clone());
        registry.register(
            "call_failures",
            "Plugin calls without an answer, by cause",
            metrics.call_failures.clone(),
        );
        registry.register(
            "breaker_state",
            "Circuit breaker of a connection: 0 closed, 1 half-open, 2 open",
            metrics.breaker.clone(),
        );
        registry.register(
            "recordings",
            "Calls that were to be recorded, by what became of that",
            metrics.recordings.clone(),
        );
        registry.register("polls", "Polls of trigger sources, by result", metrics.polls.clone());
        registry.register(
            "events_open",
            "Events stored and not dealt with",
            metrics.events_open.clone(),
        );
        registry.register(
            "effects_open",
            "Effects that are not done, by phase",
            metrics.effects_open.clone(),
        );
        registry.register(
            "overdue_milliseconds",
            "Age of the oldest effect that is due",
            metrics.overdue_ms.clone(),
        );
        registry.register(
            "enrollments_overdue_milliseconds",
            "Age of the oldest enrollment that is due",
            metrics.enrollments_overdue_ms.clone(),
        );
        registry.register(
            "unknowns",
            "Effects of which nobody knows whether they happened: the provider is being asked, or an operator is to look (held)",
            metrics.unknowns.clone(),
        );
        registry.register(
            "unknown_age_milliseconds",
            "Time since the first attempt at the oldest of these",
            metrics.unknown_age_ms.clone(),
        );
        registry.register(
            "deleted_rows",
            "Rows that were deleted because they were old; `other` went with their enrollments",
            metrics.deleted.clone(),
        );
        registry.register(
            "oldest_row_milliseconds",
            "Time since the oldest enrollment that is kept whole ended, and since the oldest event came in",
            metrics.oldest_ms.clone(),
        );
        Self { registry: Mutex::new(registry), ..metrics }
    }
}

impl Metrics {
    pub(crate) fn events_taken(&self, taken: &[Taken]) {
        for (result, kind) in [
            ("accepted", Taken::Accepted),
            ("duplicate", Taken::Duplicate),
            ("unknown_customer", Taken::UnknownCustomer),
        ] {
            let count = taken.iter().filter(|one| **one == kind).count();
            self.events.get_or_create(&Result { result }).inc_by(count as u64);
        }
    }

    pub(crate) fn stream_taken(&self, taken: &StreamTaken) {
        self.events_taken(&taken.taken);
        self.streams.taken(taken);
    }

    /// Counters about streams of messages.
    pub(crate) fn streams(&self) -> &StreamMetrics {
        &self.streams
    }

    /// Events that answered a subscription which is none, or no more.
    pub(crate) fn unsubscribed(&self, count: usize) {
        let result = Result { result: "unsubscribed" };
        self.events.get_or_create(&result).inc_by(count as u64);
    }

    pub(crate) fn polled(&self, connection: &str, answered: bool) {
        let result = if answered { "answered" } else { "failed" };
        let polled = Recorded { connection: connection.to_owned(), result };
        self.polls.get_or_create(&polled).inc();
    }

    pub(crate) fn passed(&self, enrolled: usize, advanced: usize, failed_conditions: usize) {
        self.enrolled.inc_by(enrolled as u64);
        self.advanced.inc_by(advanced as u64);
        self.failed_conditions.inc_by(failed_conditions as u64);
    }

    /// A call and the ends of its effects.
    pub(crate) fn called(&self, link: &Link, call: &Observed, error: Option<&CallError>) {
        let release = Release::of(link);
        let accepted = call.items - call.refused - call.unknown - call.deferred;
        let outcomes = [
            ("accepted", accepted),
            ("refused", call.refused),
            ("unknown", call.unknown),
            ("deferred", call.deferred),
        ];
        for (outcome, count) in outcomes.into_iter().filter(|(_, count)| *count > 0) {
            let Release { connection, plugin, version } = release.clone();
            let attempt = Attempt { connection, plugin, version, outcome };
            self.attempts.get_or_create(&attempt).inc_by(count);
        }
        if let Some(error) = error {
            let Release { connection, plugin, version } = release.clone();
            let failure = Failure { connection, plugin, version, cause: error.cause() };
            self.call_failures.get_or_create(&failure).inc();
        }
        self.call_seconds.get_or_create(&release).observe(call.seconds);
    }

    /// What became of calls that were to be recorded, since the counts that are known already.
    pub(crate) fn recorded(&self, connection: &str, now: &RecorderCounts, known: &RecorderCounts) {
        for (result, now, known) in [
            ("recorded", now.recorded, known.recorded),
            ("too_large", now.too_large, known.too_large),
            ("missed", now.missed, known.missed),
        ] {
            let recorded = Recorded { connection: connection.to_owned(), result };
            self.recordings.get_or_create(&recorded).inc_by(now.saturating_sub(known));
        }
    }

    pub(crate) fn breaker(&self, connection: &str, state: BreakerState) {
        let connection = Connection { connection: connection.to_owned() };
        self.breaker.get_or_create(&connection).set(state.number());
    }

    /// Takes over what stands in the database: what is open, what nobody knows of, and since when the oldest enrollment is due.
    pub(crate) fn show(
        &self,
        counts: &Counts,
        unknowns: &[Unknowns],
        due_at: Option<i64>,
        now: i64,
    ) {
        let age = |since: Option<i64>| since.map_or(0, |since| (now - since).max(0));
        self.events_open.set(counts.events_open);
        for phase in ["pending", "attempting", "unknown", "settled"] {
            let open = counts.effects_open.get(phase).copied().unwrap_or(0);
            self.effects_open.get_or_create(&Phase { phase: phase.to_owned() }).set(open);
        }
        self.overdue_ms.set(age(counts.oldest_due_at));
        self.enrollments_overdue_ms.set(age(due_at));
        self.unknown_age_ms.set(age(unknowns.iter().filter_map(|one| one.oldest_at).min()));
        let Ok(mut shown) = self.shown.lock() else { return };
        let mut gone = std::mem::take(&mut *shown);
        for one in unknowns {
            let state = if one.asking { "asking" } else { "held" };
            let unknown = Unknown { connection: one.connection.clone(), state };
            self.unknowns.get_or_create(&unknown).set(one.count);
            gone.remove(&unknown);
            shown.insert(unknown);
        }
        for unknown in &gone {
            self.unknowns.remove(unknown);
        }
    }

    /// Rows that were deleted because they were old.
    pub(crate) fn deleted(&self, table: &'static str, rows: u64) {
        self.deleted.get_or_create(&Table { table }).inc_by(rows);
    }

    /// When the oldest enrollment ended and the oldest event came in.
    pub(crate) fn show_oldest(&self, (ended, event): (Option<i64>, Option<i64>), now: i64) {
        for (table, at) in [("enrollment", ended), ("event", event)] {
            let age = at.map_or(0, |at| (now - at).max(0));
            self.oldest_ms.get_or_create(&Table { table }).set(age);
        }
    }

    /// All counters as Prometheus text.
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = String::new();
        if let Ok(registry) = self.registry.lock() {
            // Writing to a string cannot fail.
            let _ = encode(&mut text, &registry);
        }
        text
    }
}
