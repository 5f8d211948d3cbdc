//! Times of day.

use std::fmt;

use jiff::civil::Time;

use super::weekdays::Weekdays;
use super::zone::Zone;

/// Days searched for a weekday: two weeks, as a clock change may take a day away.
const SEARCH: usize = 16;

/// A time of day in whole minutes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct ClockTime(u16);

impl ClockTime {
    /// Midnight, when the day begins.
    pub const MIDNIGHT: Self = Self(0);

    /// Reads `HH:MM`, from 00:00 to 23:59.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let minutes = parse_minutes(text)?;
        (minutes < 24 * 60).then_some(Self(minutes))
    }

    pub(super) fn of_minutes(minutes: u16) -> Self {
        Self(minutes % (24 * 60))
    }

    pub(crate) fn civil(self) -> Time {
        // Below 24 and 60.
        Time::constant((self.0 / 60) as i8, (self.0 % 60) as i8, 0, 0)
    }
}

impl fmt::Display for ClockTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:02}:{:02}", self.0 / 60, self.0 % 60)
    }
}

/// Minutes since midnight of `HH:MM`, from 00:00 to 24:00.
pub(super) fn parse_minutes(text: &str) -> Option<u16> {
    let (hours, minutes) = text.split_once(':')?;
    let number = |text: &str| {
        let digits = text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_digit());
        digits.then(|| text.parse::<u16>().ok()).flatten()
    };
    let (hours, minutes) = (number(hours)?, number(minutes)?);
    let total = hours * 60 + minutes;
    (minutes < 60 && total <= 24 * 60).then_some(total)
}

/// The first instant, at `now` or later, at which clocks in a zone show this time on one of these weekdays.
///
/// None if there are no weekdays, or no such instant within what calendars reach.
#[must_use]
pub fn next_time(now: i64, zone: &Zone, time: ClockTime, weekdays: Weekdays) -> Option<i64> {
    let mut date = zone.local(now)?.date();
    for _ in 0..SEARCH {
        if weekdays.contains(date.weekday()) {
            let at = zone.instant(date.to_datetime(time.civil()))?;
            // On a day that a clock change skips, there is no such time.
            if at >= now && zone.local(at)?.date() == date {
                return Some(at);
            }
        }
        date = date.tomorrow().ok()?;
    }
    None
}
