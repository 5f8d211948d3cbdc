//! Time zones.

use std::fmt;

use jiff::civil::DateTime;
use jiff::tz::{AmbiguousOffset, TimeZone};
use jiff::{Timestamp, Zoned};

use crate::customer::Customer;

/// The customer's attribute that names the zone.
const ATTRIBUTE: &str = "zone";

/// A time zone of the IANA database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Zone(TimeZone);

impl Default for Zone {
    fn default() -> Self {
        Self::utc()
    }
}

impl Zone {
    /// Coordinated universal time.
    #[must_use]
    pub fn utc() -> Self {
        Self(TimeZone::UTC)
    }

    /// The zone of this name, such as `Asia/Shanghai`.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        TimeZone::get(name).ok().filter(|zone| !zone.is_unknown()).map(Self)
    }

    /// The zone that a customer's attribute `zone` names; the default one if there is none, or none of this name.
    #[must_use]
    pub fn of(customer: &Customer, default: &Self) -> Self {
        let name = customer.attributes.get(ATTRIBUTE).and_then(serde_json::Value::as_str);
        name.and_then(Self::named).unwrap_or_else(|| default.clone())
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        self.0.iana_name().unwrap_or("UTC")
    }

    /// A time as people there write it: `Mon 2026-03-02 10:00`.
    #[must_use]
    pub fn write(&self, at: i64) -> String {
        match self.local(at) {
            Some(local) => local.strftime("%a %Y-%m-%d %H:%M").to_string(),
            None => format!("{at} ms"),
        }
    }

    /// The local time at an instant; none where no calendar reaches.
    pub(crate) fn local(&self, at: i64) -> Option<Zoned> {
        Some(Timestamp::from_millisecond(at).ok()?.to_zoned(self.0.clone()))
    }

    /// The instant of a local time. One that is skipped is made good, of two the first counts.
    #[must_use]
    pub fn instant(&self, local: DateTime) -> Option<i64> {
        let settled = self.0.to_ambiguous_zoned(local).compatible().ok()?;
        Some(settled.timestamp().as_millisecond())
    }

    /// Every instant at which clocks show this; for a time that is skipped the one that makes it good.
    pub(super) fn instants(&self, local: DateTime) -> impl Iterator<Item = i64> {
        let ambiguous = self.0.to_ambiguous_zoned(local);
        let second = match ambiguous.offset() {
            AmbiguousOffset::Fold { after, .. } => after.to_timestamp(local).ok(),
            AmbiguousOffset::Unambiguous { .. } | AmbiguousOffset::Gap { .. } => None,
        };
        let second = second.map(|timestamp| timestamp.as_millisecond());
        self.instant(local).into_iter().chain(second)
    }

    /// When clocks change after an instant, one change after the other.
    pub(super) fn changes_after(&self, at: i64) -> impl Iterator<Item = i64> {
        let from = Timestamp::from_millisecond(at).unwrap_or(Timestamp::MAX);
        self.0.following(from).map(|change| change.timestamp().as_millisecond())
    }
}

impl fmt::Display for Zone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
