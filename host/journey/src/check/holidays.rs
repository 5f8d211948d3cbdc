//! Reading a country's holiday calendar.
//!
//! ```yaml
//! calendar: CN                       # ISO 3166 code, or a name of the workspace's own
//! title: 中国大陆
//! weekend: [saturday, sunday]        # the default
//! years:                             # every year whose holidays are known
//!   2026:
//!     holidays:                      # name: a day, or the first and last day; also those that fall on a weekend
//!       元旦: 2026-01-01..2026-01-03
//!     workdays: [2026-01-04]         # days of a weekend on which people work
//! ```

use std::collections::{BTreeMap, BTreeSet};

use jiff::civil::Date;

use super::node::{self, Node};
use super::reader::Reader;
use super::scalars::NameRule;
use super::{Problem, Severity};
use crate::calendar::{Calendar, Weekdays};

/// Longest holiday in days.
const MAX_DAYS: i32 = 60;

const CALENDAR: NameRule = NameRule {
    what: "the calendar's name",
    noun: "calendar name",
    hint: "letters, digits and `-`, such as `CN` or `DE-BY`",
    limit: 16,
    accept: |text| text.chars().all(|c| c.is_ascii_alphanumeric() || c == '-'),
};

/// Reads a calendar file.
pub(crate) fn read_calendar(source: &str) -> Result<Calendar, Vec<Problem>> {
    let mut reader = Reader::new(source, None);
    let calendar = node::parse(source, &mut reader).and_then(|root| calendar(&mut reader, &root));
    let problems = reader.finish();
    match calendar {
        Some(calendar) if problems.iter().all(|one| one.severity != Severity::Error) => {
            Ok(calendar)
        }
        _ => Err(problems),
    }
}

fn calendar(reader: &mut Reader<'_>, root: &Node) -> Option<Calendar> {
    let fields = reader.fields(root, "a calendar", &["calendar", "title", "weekend", "years"])?;
    let name = reader.required(&fields, "calendar", |reader, node| reader.name(node, &CALENDAR));
    let title =
        reader.optional(&fields, "title", |reader, node| reader.line(node, "the title", 100));
    let weekend = reader.optional(&fields, "weekend", Reader::weekdays);
    let mut calendar = Calendar {
        name: name?,
        title: String::new(),
        weekend: weekend.unwrap_or(Weekdays::WEEKEND),
        years: BTreeSet::new(),
        holidays: BTreeMap::new(),
        workdays: BTreeSet::new(),
    };
    calendar.title = title.unwrap_or_else(|| calendar.name.clone());
    let years = fields.get("years")?;
    reader.within("years", |reader| {
        for (key, node) in reader.entries(years, "`years`").unwrap_or_default() {
            match key.name.parse::<i16>() {
                Ok(number) if (1970..=9999).contains(&number) => {
                    calendar.years.insert(number);
                    reader.within(&key.name, |reader| year(reader, node, number, &mut calendar));
                }
                _ => reader.error(key.mark, format!("`{}` is no year", key.name)),
            }
        }
    });
    Some(calendar)
}

fn year(reader: &mut Reader<'_>, node: &Node, year: i16, calendar: &mut Calendar) {
    let Some(fields) = reader.fields(node, "a year", &["holidays", "workdays"]) else { return };
    reader.optional(&fields, "holidays", |reader, node| {
        for (key, node) in reader.entries(node, "`holidays`")? {
            for date in days(reader, node, year).unwrap_or_default() {
                calendar.holidays.insert(date, key.name.clone());
            }
        }
        Some(())
    });
    let weekend = calendar.weekend;
    let workdays = reader.optional(&fields, "workdays", |reader, node| {
        Some(reader.one_or_list(node, |reader, node| {
            let date = days(reader, node, year)?.first().copied()?;
            if !weekend.contains(date.weekday()) {
                reader
                    .error(node.mark, format!("{date} is on no weekend; people work then anyhow"));
            }
            Some(date)
        }))
    });
    calendar.workdays.extend(workdays.unwrap_or_default());
}

fn days(reader: &mut Reader<'_>, node: &Node, year: i16) -> Option<Vec<Date>> {
    let text = reader.text(node, "the day")?;
    let (first, last) = text.split_once("..").unwrap_or((text, text));
    let (first, last) = match (first.parse::<Date>(), last.parse::<Date>()) {
        (Ok(first), Ok(last)) if first.year() == year && last >= first => (first, last),
        _ => {
            let message = format!(
                "`{text}` is no day of {year}; write such as {year}-05-01 or {year}-05-01..{year}-05-05"
            );
            reader.error(node.mark, message);
            return None;
        }
    };
    let count = (last - first).get_days() + 1;
    if count > MAX_DAYS {
        reader.error(node.mark, format!("`{text}` is longer than {MAX_DAYS} days"));
        return None;
    }
    Some(first.series(jiff::Span::new().days(1)).take(usize::try_from(count).ok()?).collect())
}
