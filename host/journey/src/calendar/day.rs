//! Days that matter to a customer, such as a birthday.

use jiff::ToSpan as _;
use jiff::civil::Date;
use serde_json::Value;

use super::clock_time::ClockTime;
use super::span::Span;
use super::zone::Zone;

/// A day of every year, or of one.
///
/// 29 February is settled as 28 February in years that have none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Day {
    /// Absent where only month and day are known.
    year: Option<i16>,
    month: i8,
    day: i8,
}

impl Day {
    /// Reads a date as customers' attributes have it: the text `YYYY-MM-DD` or `MM-DD`, or Unix milliseconds, which give
    /// the day in the zone.
    #[must_use]
    pub fn of(value: &Value, zone: &Zone) -> Option<Self> {
        match value {
            Value::String(text) => Self::parse(text),
            Value::Number(number) => {
                let date = zone.local(number.as_i64()?)?.date();
                Some(Self { year: Some(date.year()), month: date.month(), day: date.day() })
            }
            _ => None,
        }
    }

    /// Reads `YYYY-MM-DD` or `MM-DD`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let digits = |text: &str, length| {
            text.len() == length && text.bytes().all(|byte| byte.is_ascii_digit())
        };
        let (year, rest) = match text.split_once('-')? {
            (year, rest) if digits(year, 4) => (Some(year.parse().ok()?), rest),
            _ => (None, text),
        };
        let (month, day) = rest.split_once('-')?;
        if !digits(month, 2) || !digits(day, 2) {
            return None;
        }
        let (month, day) = (month.parse().ok()?, day.parse().ok()?);
        // Without a year, 29 February is a day: 2024 has it.
        Date::new(year.unwrap_or(2024), month, day).ok()?;
        Some(Self { year, month, day })
    }

    /// The instant in the day's own year: the day moved by the offset's days, at the time of day there, and then by the
    /// offset's exact part. None if the day has no year.
    #[must_use]
    pub fn once(self, offset: Span, time: ClockTime, zone: &Zone) -> Option<i64> {
        self.in_year(self.year?, offset, time, zone)
    }

    /// The first such instant of any year, at `now` or later.
    #[must_use]
    pub fn next(self, now: i64, offset: Span, time: ClockTime, zone: &Zone) -> Option<i64> {
        let year = zone.local(now)?.year();
        // An offset may lead over the turn of a year, and a long one over several.
        let reach =
            i16::try_from(offset.usual().unsigned_abs() / (360 * super::span::DAY.unsigned_abs()))
                .ok()?
                .saturating_add(1);
        (year.saturating_sub(reach)..=year.saturating_add(reach + 1))
            .filter_map(|year| self.in_year(year, offset, time, zone))
            .find(|at| *at >= now)
    }

    fn in_year(self, year: i16, offset: Span, time: ClockTime, zone: &Zone) -> Option<i64> {
        let date = Date::new(year, self.month, self.day)
            .or_else(|_| Date::new(year, self.month, self.day - 1))
            .ok()?;
        let moved = date.checked_add(offset.days.days()).ok()?;
        let at = zone.instant(moved.to_datetime(time.civil()))?;
        Some(at.saturating_add(offset.ms))
    }
}
