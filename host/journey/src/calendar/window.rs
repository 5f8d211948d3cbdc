//! Opening hours.

use std::fmt;
use std::sync::Arc;

use jiff::Zoned;
use jiff::civil::Date;

use super::clock_time::{ClockTime, parse_minutes};
use super::holidays::Calendar;
use super::span::DAY;
use super::weekdays::Weekdays;
use super::zone::Zone;

/// How far ahead an opening is looked for.
const SEARCH: i64 = 400 * DAY;

/// When something may happen: on some days, at some hours, by the clocks of a zone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Window {
    pub(crate) days: OpenDays,
    /// Never empty.
    pub(crate) hours: Vec<Hours>,
    pub(crate) zone: WindowZone,
    /// Tells workdays; the workspace's if absent.
    pub(crate) calendar: Option<Arc<Calendar>>,
}

/// The days of a window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OpenDays {
    /// The days on which people work, by the calendar.
    Workdays,
    /// These weekdays, holidays or not.
    Weekdays(Weekdays),
}

/// Hours of a day, from the first minute and before the second. Those that pass midnight belong to the day that they
/// begin on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hours {
    /// Minutes since midnight, below 1,440.
    from: u16,
    /// Minutes since midnight, at most 1,440.
    to: u16,
}

/// Whose clocks count.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WindowZone {
    /// The customer's.
    Customer,
    /// Those of one zone.
    Fixed(Zone),
}

/// What a window needs to know of a customer and the workspace.
#[derive(Debug, Clone, Copy)]
pub struct Place<'a> {
    /// The customer's zone.
    pub zone: &'a Zone,
    /// The workspace's calendar, for windows that name none. Without any, Saturdays and Sundays are free.
    pub calendar: Option<&'a Calendar>,
}

impl Hours {
    /// The whole day.
    pub const ALL: Self = Self { from: 0, to: 24 * 60 };

    /// Reads `HH:MM-HH:MM`. Where the second is not after the first, it is on the next day; both must differ.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (from, to) = text.split_once('-')?;
        let (from, to) = (parse_minutes(from.trim_end())?, parse_minutes(to.trim_start())?);
        (from < 24 * 60 && from != to).then_some(Self { from, to })
    }

    fn passes_midnight(self) -> bool {
        self.to < self.from
    }

    /// Minutes that they last.
    #[must_use]
    pub fn minutes(self) -> u16 {
        if self.passes_midnight() { 24 * 60 - self.from + self.to } else { self.to - self.from }
    }
}

impl fmt::Display for Hours {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { from, to } = self;
        write!(f, "{:02}:{:02}-{:02}:{:02}", from / 60, from % 60, to / 60, to % 60)
    }
}

impl Window {
    /// Hours of every day by the customer's clock.
    #[must_use]
    pub fn daily(hours: Vec<Hours>) -> Self {
        Self {
            days: OpenDays::Weekdays(Weekdays::ALL),
            hours,
            zone: WindowZone::Customer,
            calendar: None,
        }
    }

    /// Whether it is open at an instant.
    #[must_use]
    pub fn is_open(&self, at: i64, place: &Place<'_>) -> bool {
        self.zone(place).local(at).is_some_and(|local| self.holds(&local, place))
    }

    /// The first instant, `at` or later, at which it is open; none if there is none within 400 days.
    #[must_use]
    pub fn next_open(&self, at: i64, place: &Place<'_>) -> Option<i64> {
        self.next(at, place, true)
    }

    /// The first instant, `at` or later, at which it is closed; none if there is none within 400 days.
    #[must_use]
    pub fn next_closed(&self, at: i64, place: &Place<'_>) -> Option<i64> {
        self.next(at, place, false)
    }

    /// The hours of a day.
    #[must_use]
    pub fn hours(&self) -> &[Hours] {
        &self.hours
    }

    /// The days.
    #[must_use]
    pub fn days(&self) -> OpenDays {
        self.days
    }

    /// The calendar that it names.
    #[must_use]
    pub fn calendar(&self) -> Option<&Calendar> {
        self.calendar.as_deref()
    }

    fn zone<'a>(&'a self, place: &Place<'a>) -> &'a Zone {
        match &self.zone {
            WindowZone::Customer => place.zone,
            WindowZone::Fixed(zone) => zone,
        }
    }

    fn holds(&self, local: &Zoned, place: &Place<'_>) -> bool {
        let date = local.date();
        let minute =
            u16::from(local.hour().unsigned_abs()) * 60 + u16::from(local.minute().unsigned_abs());
        let today = self.has(date, place);
        let yesterday = || date.yesterday().is_ok_and(|date| self.has(date, place));
        self.hours.iter().any(|hours| {
            if hours.passes_midnight() {
                today && minute >= hours.from || minute < hours.to && yesterday()
            } else {
                today && (hours.from..hours.to).contains(&minute)
            }
        })
    }

    fn has(&self, date: Date, place: &Place<'_>) -> bool {
        match self.days {
            OpenDays::Weekdays(weekdays) => weekdays.contains(date.weekday()),
            OpenDays::Workdays => match self.calendar.as_deref().or(place.calendar) {
                Some(calendar) => calendar.is_workday(date),
                None => !Weekdays::WEEKEND.contains(date.weekday()),
            },
        }
    }

    /// It opens and closes only where clocks show the begin or the end of its hours, and where they change.
    fn next(&self, at: i64, place: &Place<'_>, open: bool) -> Option<i64> {
        let zone = self.zone(place);
        let is = |at: i64| zone.local(at).is_some_and(|local| self.holds(&local, place) == open);
        if is(at) {
            return Some(at);
        }
        let mut times: Vec<ClockTime> = self
            .hours
            .iter()
            .flat_map(|hours| [hours.from, hours.to])
            .map(ClockTime::of_minutes)
            .collect();
        times.sort_unstable();
        times.dedup();
        let end = at.saturating_add(SEARCH);
        let mut found: Option<i64> = None;
        // A day before, because a clock change may repeat its last hours today.
        let mut date = zone.local(at)?.date().yesterday().ok()?;
        let mut further = 2;
        while further > 0 {
            let clock = times.iter().flat_map(|time| zone.instants(date.to_datetime(time.civil())));
            let candidates = clock.filter(|time| (at..=end).contains(time));
            let begun = zone.instant(date.to_datetime(ClockTime::MIDNIGHT.civil()))? > end;
            found = candidates.filter(|time| is(*time)).chain(found).min();
            if found.is_some() || begun {
                // Nor can clocks be put back by more than a day.
                further -= 1;
            }
            date = date.tomorrow().ok()?;
        }
        let end = found.unwrap_or(end);
        zone.changes_after(at)
            .take_while(|change| *change < end)
            .find(|change| is(*change))
            .or(found)
    }
}

impl fmt::Display for Window {
    /// Such as `workdays 10:00-12:00, 19:00-21:00 (calendar CN, customer's time)`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.days {
            OpenDays::Workdays => f.write_str("workdays ")?,
            OpenDays::Weekdays(Weekdays::ALL) => {}
            OpenDays::Weekdays(weekdays) => write!(f, "{weekdays} ")?,
        }
        let hours: Vec<String> = self.hours.iter().map(ToString::to_string).collect();
        write!(f, "{} (", hours.join(", "))?;
        if let Some(calendar) = &self.calendar {
            write!(f, "calendar {}, ", calendar.name())?;
        }
        match &self.zone {
            WindowZone::Customer => f.write_str("customer's time)"),
            WindowZone::Fixed(zone) => write!(f, "{zone} time)"),
        }
    }
}
