//! Time zones by name. Reading one takes a while, so that a poll reads each once.

use std::collections::BTreeMap;

use jiff::Timestamp;
use jiff::civil::{Date, Time};
use jiff::tz::{TimeZone, TimeZoneDatabase};

/// A zone of the tz database, such as `Asia/Shanghai`.
pub(crate) fn named(name: &str) -> Option<TimeZone> {
    TimeZoneDatabase::bundled().get(name).ok()
}

/// The zones that customers live in.
pub(crate) struct Zones<'a> {
    default: &'a TimeZone,
    known: BTreeMap<String, TimeZone>,
}

impl<'a> Zones<'a> {
    /// `default` stands in for what is no zone.
    pub(crate) fn new(default: &'a TimeZone) -> Self {
        Self { default, known: BTreeMap::new() }
    }

    pub(crate) fn of(&mut self, name: Option<&str>) -> TimeZone {
        let Some(name) = name else { return self.default.clone() };
        if let Some(zone) = self.known.get(name) {
            return zone.clone();
        }
        let zone = named(name).unwrap_or_else(|| self.default.clone());
        self.known.insert(name.to_owned(), zone.clone());
        zone
    }
}

/// When it is this time of this day there, in Unix milliseconds. A time that the clocks pass over is as much later; of two
/// that they show twice it is the first.
pub(crate) fn instant(date: Date, time: Time, zone: &TimeZone) -> Option<i64> {
    let zoned = date.to_datetime(time).to_zoned(zone.clone()).ok()?;
    Some(zoned.timestamp().as_millisecond())
}

/// Which day it is there.
pub(crate) fn day(at: i64, zone: &TimeZone) -> Option<Date> {
    Some(zone.to_datetime(Timestamp::from_millisecond(at).ok()?).date())
}
