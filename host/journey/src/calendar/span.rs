//! Lengths of time in calendar days and exact milliseconds.

use std::fmt;

use jiff::ToSpan as _;
use serde::{Deserialize, Serialize};

use super::zone::Zone;

/// Milliseconds of a day without a clock change.
pub(crate) const DAY: i64 = 24 * 60 * 60 * 1000;

/// Units below a day, in milliseconds, the longest first.
const EXACT: [(&str, i64); 3] = [("h", 3_600_000), ("m", 60_000), ("s", 1_000)];

/// So many calendar days, then so many milliseconds.
///
/// A calendar day leads to the same time of the next day, be it 23 or 25 hours away. Both parts have the same sign.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Span {
    /// Calendar days.
    pub days: i64,
    /// Exact milliseconds after them.
    pub ms: i64,
}

impl Span {
    /// The instant so much later in a zone.
    #[must_use]
    pub fn after(self, at: i64, zone: &Zone) -> i64 {
        let days = || {
            let local = zone.local(at)?;
            Some(local.checked_add(self.days.days()).ok()?.timestamp().as_millisecond())
        };
        let there = if self.days == 0 { Some(at) } else { days() };
        // Beyond what calendars reach, days are as long as days usually are.
        there
            .unwrap_or_else(|| at.saturating_add(self.days.saturating_mul(DAY)))
            .saturating_add(self.ms)
    }

    /// Its length if no clock changes, in milliseconds.
    #[must_use]
    pub fn usual(self) -> i64 {
        self.days.saturating_mul(DAY).saturating_add(self.ms)
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.days < 0 || self.ms < 0 {
            f.write_str("-")?;
        }
        let days = self.days.unsigned_abs();
        let mut rest = self.ms.unsigned_abs() / 1_000 * 1_000;
        if days > 0 {
            write!(f, "{days}d")?;
        }
        for (unit, length) in EXACT {
            let length = length.unsigned_abs();
            if rest >= length {
                write!(f, "{}{unit}", rest / length)?;
                rest %= length;
            }
        }
        if days == 0 && self.ms.unsigned_abs() < 1_000 {
            f.write_str("0s")?;
        }
        Ok(())
    }
}
