//! What happened to a customer before, as far as conditions read it.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use crate::segment::Segments;

/// Most events of one name that count for one customer: the newest ones. More would make a condition take long.
pub const MAX_PAST: usize = 1_000;

/// Largest number, to either side of zero, that `sum` adds up; what is beyond is no amount.
pub const MAX_ADDEND: f64 = 1e12;

/// A sum is exact to one part in so many.
pub const SUM_PARTS: f64 = 1_000.0;

/// The events of one customer that `count`, `sum`, `last` and `days_since` look at.
///
/// An event belongs to a window if its time is after the window's start and not after the present: `(now - window, now]`.
/// Of one name only the [`MAX_PAST`] newest events up to the present count. An event that is being handled has happened, so
/// it counts itself.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Past {
    /// By name, the oldest first.
    events: BTreeMap<String, Vec<Happened>>,
    /// When the latest event of a name was, where events themselves need not be known.
    latest: BTreeMap<String, i64>,
}

#[derive(Debug, Clone, PartialEq)]
struct Happened {
    at: i64,
    properties: Map<String, Value>,
}

impl Past {
    /// Adds an event. Properties are only needed where a `sum` reads them.
    pub fn add(&mut self, event: &str, at: i64, properties: Map<String, Value>) {
        let events = match self.events.get_mut(event) {
            Some(events) => events,
            None => self.events.entry(event.to_owned()).or_default(),
        };
        let place = events.partition_point(|known| known.at <= at);
        events.insert(place, Happened { at, properties });
    }

    /// Says when the latest event of a name was, without adding the event.
    pub fn set_latest(&mut self, event: &str, at: i64) {
        self.latest.insert(event.to_owned(), at);
    }

    /// How many events there were in the window.
    pub(crate) fn count(&self, event: &str, window: i64, now: i64) -> i64 {
        i64::try_from(self.within(event, window, now).len()).unwrap_or(i64::MAX)
    }

    /// The sum of a property over the events in the window. What is no number does not count.
    pub(crate) fn sum(&self, event: &str, field: &str, window: i64, now: i64) -> f64 {
        let events = self.within(event, window, now).iter();
        let numbers = events.filter_map(|event| event.properties.get(field)?.as_f64());
        total(numbers.filter(|number| number.abs() <= MAX_ADDEND))
    }

    /// When the latest event was.
    pub(crate) fn last(&self, event: &str, now: i64) -> Option<i64> {
        let known = self.until(event, now).last().map(|event| event.at);
        known.max(self.latest.get(event).copied().filter(|at| *at <= now))
    }

    fn until(&self, event: &str, now: i64) -> &[Happened] {
        let events = self.events.get(event).map_or(&[][..], Vec::as_slice);
        let known = &events[..events.partition_point(|event| event.at <= now)];
        &known[known.len().saturating_sub(MAX_PAST)..]
    }

    fn within(&self, event: &str, window: i64, now: i64) -> &[Happened] {
        let known = self.until(event, now);
        let since = now.saturating_sub(window);
        &known[known.partition_point(|event| event.at <= since)..]
    }
}

/// Adds numbers up in whole parts, so that neither their order nor who adds them up makes a difference.
#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    reason = "a thousand addends of 10^15 parts are within 64 bits, and the quotient is a measure"
)]
fn total(numbers: impl Iterator<Item = f64>) -> f64 {
    let parts = numbers.map(|number| {
        let scaled = number * SUM_PARTS;
        (scaled + if scaled < 0.0 { -0.5 } else { 0.5 }) as i64
    });
    parts.sum::<i64>() as f64 / SUM_PARTS
}

/// What the conditions of a journey or segment read besides the customer, so that no more need be loaded.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Needs {
    /// Events by name.
    pub events: BTreeMap<String, EventNeed>,
    /// Segments that `in_segment` names.
    pub segments: BTreeSet<String>,
    /// Whether the customer's coupons are read.
    pub coupons: bool,
}

impl Needs {
    /// Whether the past of a customer, or membership in a segment, is read at all.
    #[must_use]
    pub fn reads_past(&self) -> bool {
        !self.events.is_empty() || !self.segments.is_empty()
    }

    /// Adds what something else needs.
    pub fn add(&mut self, other: &Self) {
        for (event, need) in &other.events {
            self.event(event).widen(*need);
        }
        self.segments.extend(other.segments.iter().cloned());
        self.coupons |= other.coupons;
    }

    pub(crate) fn event(&mut self, event: &str) -> &mut EventNeed {
        self.events.entry(event.to_owned()).or_default()
    }
}

/// What is read of the events of one name.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct EventNeed {
    /// The longest window in milliseconds; 0 if only the latest event matters.
    pub window: i64,
    /// Whether the time of the latest event is read, however long ago it was.
    pub latest: bool,
    /// Whether properties are read.
    pub properties: bool,
}

impl EventNeed {
    pub(crate) fn widen(&mut self, other: Self) {
        self.window = self.window.max(other.window);
        self.latest |= other.latest;
        self.properties |= other.properties;
    }
}

/// What a condition may look at besides the customer and the event at hand. What is absent is read as empty.
#[derive(Debug, Clone, Copy, Default)]
pub struct Background<'a> {
    /// The customer's past; needed where [`Needs::events`] says so.
    pub past: Option<&'a Past>,
    /// The workspace's segments; needed where [`Needs::segments`] says so.
    pub segments: Option<&'a Segments>,
}
