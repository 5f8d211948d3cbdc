//! What a subscription asks for, and when it is due.

use jiff::civil::{Date, Time, Weekday, date};
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan as _};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::Calendar;
use crate::zones::{Zones, day, instant, named};

/// The event of whatever a calendar knows.
pub(crate) const DUE: &str = "calendar.due";
/// The event of customers who have been away.
pub(crate) const INACTIVE: &str = "calendar.inactive";

const HOUR: i64 = 3_600_000;
/// Zones differ by multiples of this.
const QUARTER: i64 = HOUR / 4;
/// How far behind and ahead of UTC it can be, rounded up.
const ZONES: (i64, i64) = (12 * HOUR, 14 * HOUR);
/// Days that the next occurrence is looked for: the 29th of February comes once in eight years at the latest.
const AHEAD: i32 = 8 * 366;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Parameters {
    date: Option<String>,
    every: Option<Value>,
    once: Option<String>,
    holiday: Option<Value>,
    inactive: Option<String>,
    event: Option<String>,
    offset: Option<String>,
    at: Option<String>,
    zone: Option<String>,
    segment: Option<String>,
    when: Option<String>,
}

pub(crate) struct Rule {
    kind: Kind,
    /// Days from what is due to when it is given.
    offset: i64,
    at: Time,
    /// None for each customer's own.
    zone: Option<TimeZone>,
    /// Conditions that a customer must fulfil besides.
    conditions: Vec<String>,
}

enum Kind {
    /// The date that an attribute holds, every year.
    Attribute(String),
    Days(Days),
    Once(i64),
    Inactive {
        event: String,
        after: i64,
        text: String,
    },
}

enum Days {
    All,
    Weekdays(Vec<Weekday>),
    OfMonth(i8),
    OfYear(i8, i8),
    Listed(Vec<Date>),
}

/// Something that is due for a customer.
pub(crate) struct Due {
    /// When it was, in Unix milliseconds.
    pub(crate) at: i64,
    /// Tells it from what is due another time.
    pub(crate) occasion: String,
    pub(crate) name: &'static str,
    pub(crate) properties: Map<String, Value>,
}

impl Rule {
    /// Reads a subscription's parameters.
    pub(crate) fn read(parameters: &str, calendar: &Calendar) -> Result<Self, String> {
        let asked: Parameters =
            serde_json::from_str(parameters).map_err(|error| error.to_string())?;
        let kind = match (asked.date, asked.every, asked.once, asked.holiday, asked.inactive) {
            (Some(field), None, None, None, None) => Kind::Attribute(field),
            (None, Some(every), None, None, None) => Kind::Days(days(&every)?),
            (None, None, Some(moment), None, None) => {
                let moment: Timestamp = moment.parse().map_err(|_| {
                    format!("once: `{moment}` is no moment such as 2027-06-18T00:00:00+08:00")
                })?;
                Kind::Once(moment.as_millisecond())
            }
            (None, None, None, Some(holiday), None) => {
                Kind::Days(Days::Listed(holidays(&holiday, calendar)?))
            }
            (None, None, None, None, Some(text)) => Kind::Inactive {
                event: asked.event.ok_or("inactive: say which `event` is missed")?,
                after: duration(&text).ok_or("inactive: use a duration such as 30d")?,
                text,
            },
            _ => {
                return Err(
                    "use one of `date`, `every`, `once`, `holiday` and `inactive`".to_owned()
                );
            }
        };
        let offset = match &asked.offset {
            None => 0,
            Some(text) => duration(text).ok_or("offset: use days such as -7d")? / (24 * HOUR),
        };
        let at = match &asked.at {
            None => Time::constant(9, 0, 0, 0),
            Some(text) => text.parse().map_err(|_| "at: use a time such as 09:00")?,
        };
        let zone =
            match asked.zone.as_deref() {
                Some("customer") => None,
                Some(name) => Some(named(name).ok_or_else(|| {
                    format!("zone: `{name}` is neither a time zone nor `customer`")
                })?),
                None if matches!(kind, Kind::Attribute(_)) => None,
                None => Some(calendar.zone.clone()),
            };
        let segment = asked.segment.map(|name| format!("in_segment(\"{name}\")"));
        let when = asked.when.map(|when| format!("({when})"));
        let conditions = segment.into_iter().chain(when).collect();
        Ok(Self { kind, offset, at, zone, conditions })
    }

    /// The next moment after this one at which something may be due.
    pub(crate) fn next(&self, after: i64) -> Option<i64> {
        match (&self.kind, &self.zone) {
            (Kind::Once(moment), _) => (*moment > after).then_some(*moment),
            (Kind::Inactive { .. }, _) => Some((after.div_euclid(HOUR) + 1) * HOUR),
            (Kind::Days(days), Some(zone)) => {
                let first = day(after, zone)?;
                (0..AHEAD).find_map(|ahead| {
                    let day = first.checked_add(ahead.days()).ok()?;
                    let at =
                        days.has(self.occasion(day)?).then(|| instant(day, self.at, zone))??;
                    (at > after).then_some(at)
                })
            }
            _ => {
                let minutes = i64::from(self.at.minute()) * 60_000 % QUARTER;
                Some(((after - minutes).div_euclid(QUARTER) + 1) * QUARTER + minutes)
            }
        }
    }

    /// The condition on customers for whom something may be due after `from`, `until` then; none if nothing is, for anybody.
    pub(crate) fn condition(&self, from: i64, until: i64) -> Option<String> {
        let mut parts = Vec::new();
        match &self.kind {
            Kind::Once(moment) => {
                if !(from < *moment && *moment <= until) {
                    return None;
                }
            }
            Kind::Inactive { event, after, .. } => {
                // Whoever did it last in this time has been away for so long since a moment within the other.
                let last = format!("last(\"{event}\")");
                parts.push(format!("{last} > {} && {last} <= {}", from - after, until - after));
            }
            Kind::Days(days) => {
                let due = |day: &Date| {
                    let occasion = self.occasion(*day).is_some_and(|day| days.has(day));
                    let within = |zone| {
                        let at = instant(*day, self.at, zone);
                        at.is_some_and(|at| from < at && at <= until)
                    };
                    occasion && self.zone.as_ref().is_none_or(within)
                };
                self.days(from, until).iter().find(|day| due(day))?;
            }
            Kind::Attribute(field) => {
                let mut dates: Vec<String> = Vec::new();
                for day in self.days(from, until) {
                    let Some(occasion) = self.occasion(day) else { continue };
                    dates.push(format!("{:02}-{:02}", occasion.month(), occasion.day()));
                    if leap_day_is(occasion) {
                        dates.push("02-29".to_owned());
                    }
                }
                let ends: Vec<String> = dates
                    .iter()
                    .map(|date| format!("customer.{field}.endsWith(\"{date}\")"))
                    .collect();
                parts.push(format!("has(customer.{field}) && ({})", ends.join(" || ")));
            }
        }
        parts.extend(self.conditions.iter().cloned());
        Some(if parts.is_empty() { "true".to_owned() } else { parts.join(" && ") })
    }

    /// What is due for a customer after `from`, `until` then: of several days the last.
    pub(crate) fn due(
        &self,
        fields: &[(String, String)],
        zones: &mut Zones<'_>,
        from: i64,
        until: i64,
    ) -> Result<Option<Due>, String> {
        let field = |name: &str| {
            fields.iter().find(|(field, _)| field == name).map(|(_, value)| value.as_str())
        };
        let wanted = match &self.kind {
            Kind::Once(moment) => {
                let due = Due { at: *moment, ..Due::new(moment.to_string(), Map::new()) };
                return Ok(Some(due));
            }
            Kind::Inactive { event, text, .. } => {
                let Value::Object(properties) = json!({ "event": event, "for": text }) else {
                    return Ok(None);
                };
                let due = Due::new(format!("{until}"), properties);
                return Ok(Some(Due { at: until, name: INACTIVE, ..due }));
            }
            Kind::Days(days) => Wanted::Days(days),
            Kind::Attribute(name) => {
                let value = field(name).ok_or_else(|| {
                    format!("the connection may not see the customers' field `{name}`; grant it in permissions.audience.fields")
                })?;
                match anniversary(value) {
                    Some(date) => Wanted::Anniversary(date),
                    None => return Ok(None),
                }
            }
        };
        let zone = match &self.zone {
            Some(zone) => zone.clone(),
            None => zones.of(field("zone")),
        };
        let (Some(first), Some(last)) = (day(from, &zone), day(until, &zone)) else {
            return Ok(None);
        };
        let mut days = first.series(1.day()).take_while(|day| *day <= last).collect::<Vec<_>>();
        days.reverse();
        let due = days.into_iter().find_map(|day| {
            let at = instant(day, self.at, &zone)?;
            let occasion = self.occasion(day)?;
            let is_due = from < at && at <= until && wanted.has(occasion);
            is_due.then(|| Due { at, ..wanted.due(occasion) })
        });
        Ok(due)
    }

    /// The day that is due when something is given on this one.
    fn occasion(&self, given: Date) -> Option<Date> {
        given.checked_sub(self.offset.days()).ok()
    }

    /// The days on which something may be given, wherever a customer lives.
    fn days(&self, from: i64, until: i64) -> Vec<Date> {
        let utc = &TimeZone::UTC;
        let (first, last) = match &self.zone {
            Some(zone) => (day(from, zone), day(until, zone)),
            None => (day(from - ZONES.0, utc), day(until + ZONES.1, utc)),
        };
        let (Some(first), Some(last)) = (first, last) else { return Vec::new() };
        first.series(1.day()).take_while(|day| *day <= last).collect()
    }
}

enum Wanted<'a> {
    Days(&'a Days),
    /// Month, day, and the year where it is known.
    Anniversary((i8, i8, Option<i16>)),
}

impl Wanted<'_> {
    fn has(&self, occasion: Date) -> bool {
        match self {
            Self::Days(days) => days.has(occasion),
            Self::Anniversary((2, 29, _)) if leap_day_is(occasion) => true,
            Self::Anniversary((month, day, _)) => {
                (occasion.month(), occasion.day()) == (*month, *day)
            }
        }
    }

    fn due(&self, occasion: Date) -> Due {
        let mut properties = Map::new();
        properties.insert("date".to_owned(), Value::from(occasion.to_string()));
        if let Self::Anniversary((_, _, Some(year))) = self {
            properties.insert("years".to_owned(), Value::from(occasion.year() - year));
        }
        Due::new(occasion.to_string(), properties)
    }
}

impl Due {
    fn new(occasion: String, properties: Map<String, Value>) -> Self {
        Self { at: 0, occasion, name: DUE, properties }
    }
}

impl Days {
    fn has(&self, day: Date) -> bool {
        match self {
            Self::All => true,
            Self::Weekdays(weekdays) => weekdays.contains(&day.weekday()),
            Self::OfMonth(number) => day.day() == (*number).min(day.days_in_month()),
            Self::OfYear(2, 29) if leap_day_is(day) => true,
            Self::OfYear(month, number) => (day.month(), day.day()) == (*month, *number),
            Self::Listed(days) => days.contains(&day),
        }
    }
}

/// Whether what falls on the 29th of February is kept on this day, as the year has none.
fn leap_day_is(day: Date) -> bool {
    !day.in_leap_year() && (day.month(), day.day()) == (2, 28)
}

/// `1990-06-18` or `06-18`.
fn anniversary(text: &str) -> Option<(i8, i8, Option<i16>)> {
    if let Ok(date) = text.parse::<Date>() {
        return (text.len() == 10).then_some((date.month(), date.day(), Some(date.year())));
    }
    let (month, day) = month_day(text)?;
    Some((month, day, None))
}

fn month_day(text: &str) -> Option<(i8, i8)> {
    let (month, day) = text.split_once('-')?;
    if (month.len(), day.len()) != (2, 2) {
        return None;
    }
    let (month, day) = (month.parse().ok()?, day.parse().ok()?);
    // A leap year has every day.
    Date::new(date(2000, 1, 1).year(), month, day).ok().map(|_| (month, day))
}

/// `-7d`, `2w` or `12h` in milliseconds.
fn duration(text: &str) -> Option<i64> {
    let unit = match text.chars().last()? {
        'h' => HOUR,
        'd' => 24 * HOUR,
        'w' => 7 * 24 * HOUR,
        _ => return None,
    };
    text[..text.len() - 1].parse::<i64>().ok()?.checked_mul(unit)
}

fn days(every: &Value) -> Result<Days, String> {
    let fault = || format!("every: {every} is no day");
    match every {
        Value::String(word) if word == "day" => Ok(Days::All),
        Value::String(word) => match (weekday(word), month_day(word)) {
            (Some(weekday), _) => Ok(Days::Weekdays(vec![weekday])),
            (None, Some((month, day))) => Ok(Days::OfYear(month, day)),
            (None, None) => Err(fault()),
        },
        Value::Array(words) => {
            let weekdays = words.iter().map(|word| weekday(word.as_str()?));
            Ok(Days::Weekdays(weekdays.collect::<Option<_>>().ok_or_else(fault)?))
        }
        Value::Number(number) => {
            let number = number.as_i64().filter(|number| (1..=31).contains(number));
            let number = number.and_then(|number| i8::try_from(number).ok());
            number.map(Days::OfMonth).ok_or_else(fault)
        }
        _ => Err(fault()),
    }
}

fn weekday(word: &str) -> Option<Weekday> {
    Some(match word {
        "monday" => Weekday::Monday,
        "tuesday" => Weekday::Tuesday,
        "wednesday" => Weekday::Wednesday,
        "thursday" => Weekday::Thursday,
        "friday" => Weekday::Friday,
        "saturday" => Weekday::Saturday,
        "sunday" => Weekday::Sunday,
        _ => return None,
    })
}

fn holidays(asked: &Value, calendar: &Calendar) -> Result<Vec<Date>, String> {
    match asked {
        Value::String(name) => calendar.holidays.get(name).cloned().ok_or_else(|| {
            format!("holiday: the connection's configuration has no holiday `{name}`")
        }),
        Value::Array(dates) => {
            let dates = dates.iter().map(|date| date.as_str()?.parse().ok());
            dates
                .collect::<Option<_>>()
                .ok_or_else(|| "holiday: use dates such as 2027-02-06".to_owned())
        }
        _ => Err("holiday: use a name or a list of dates".to_owned()),
    }
}
