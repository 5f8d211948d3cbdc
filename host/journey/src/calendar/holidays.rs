//! Days off and days of work, country by country.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, LazyLock};

use jiff::civil::Date;

use super::weekdays::Weekdays;

/// The calendars that come with the host: `calendars/` in this crate. See `check/holidays.rs` for the format.
const FILES: [(&str, &str); 3] = [
    ("CN", include_str!("../../calendars/CN.yaml")),
    ("DE", include_str!("../../calendars/DE.yaml")),
    ("US", include_str!("../../calendars/US.yaml")),
];

static CALENDARS: LazyLock<BTreeMap<&'static str, Arc<Calendar>>> = LazyLock::new(|| {
    // Each of them is read by a test.
    let read =
        FILES.iter().filter_map(|(name, file)| Some((*name, Arc::new(Calendar::read(file).ok()?))));
    read.collect()
});

/// Names of the calendars that come with the host.
pub fn calendars() -> impl Iterator<Item = &'static str> {
    FILES.iter().map(|(name, _)| *name)
}

/// A country's public holidays.
#[derive(Debug, PartialEq, Eq)]
pub struct Calendar {
    pub(crate) name: String,
    pub(crate) title: String,
    pub(crate) weekend: Weekdays,
    /// The years whose holidays are known.
    pub(crate) years: BTreeSet<i16>,
    pub(crate) holidays: BTreeMap<Date, String>,
    /// Days of a weekend on which people work.
    pub(crate) workdays: BTreeSet<Date>,
}

impl Calendar {
    /// The calendar of a country that comes with the host, by its ISO 3166 code.
    #[must_use]
    pub fn of(name: &str) -> Option<Arc<Self>> {
        CALENDARS.get(name).cloned()
    }

    /// Reads a calendar file.
    ///
    /// # Errors
    ///
    /// What is wrong with it.
    pub fn read(source: &str) -> Result<Self, Vec<crate::Problem>> {
        crate::check::read_calendar(source)
    }

    /// Its name, such as `CN`.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its name for people.
    #[must_use]
    pub fn title(&self) -> &str {
        &self.title
    }

    /// The last year whose holidays are known. After it only weekends are free.
    #[must_use]
    pub fn known_until(&self) -> Option<i16> {
        self.years.last().copied()
    }

    /// Whether a year's holidays are known.
    #[must_use]
    pub fn knows(&self, year: i16) -> bool {
        self.years.contains(&year)
    }

    /// What is to be told if it does not know the holidays of the next three months.
    #[must_use]
    pub fn outdated(&self, now: i64) -> Option<String> {
        let year = super::zone::Zone::utc().local(now.saturating_add(90 * super::DAY))?.year();
        if self.knows(year) {
            return None;
        }
        Some(format!(
            "the holidays of {year} are not known to the calendar {}; until it has them, only weekends are free",
            self.name
        ))
    }

    /// Whether people work on a day of this year, month and day; false for a day that does not exist.
    #[must_use]
    pub fn works_on(&self, year: i16, month: i8, day: i8) -> bool {
        Date::new(year, month, day).is_ok_and(|date| self.is_workday(date))
    }

    pub(crate) fn is_workday(&self, date: Date) -> bool {
        self.workdays.contains(&date)
            || !self.holidays.contains_key(&date) && !self.weekend.contains(date.weekday())
    }
}
