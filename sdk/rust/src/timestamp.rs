//! Points in time as text: RFC 3339, which most APIs speak, RFC 5322, which mail speaks, and the dates of HTTP headers.
//!
//! A calendar library would do the same and more, but more than double the size of a small plugin.

use crate::Timestamp;

const DAY: u64 = 24 * 60 * 60 * 1000;

/// End of the year 9999, the last that four digits can name.
const END: u64 = 253_402_300_800_000;

const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/// 1970-01-01 was a Thursday.
const WEEKDAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];

/// Reads text such as `2026-05-20T10:00:00+08:00` or `2026-05-20T02:00:00.5Z`; digits after the milliseconds are dropped.
/// `None` if the text is anything else, or before 1970. A leap second counts as the second after it.
///
/// ```
/// use waystation_sdk::timestamp;
///
/// assert_eq!(timestamp::from_rfc3339("1970-01-02T08:00:00.250+08:00"), Some(86_400_250));
/// assert_eq!(timestamp::from_rfc3339("1970-02-30T00:00:00Z"), None);
/// ```
#[must_use]
pub fn from_rfc3339(text: &str) -> Option<Timestamp> {
    let (date, time) = text.split_once(['T', 't', ' '])?;
    let [year, month, day] = numbers(date, '-', [4, 2, 2])?;
    let (time, offset_minutes) = split_offset(time)?;
    let (clock, fraction) =
        time.split_once('.').map_or((time, None), |(clock, fraction)| (clock, Some(fraction)));
    let [hour, minute, second] = numbers(clock, ':', [2, 2, 2])?;
    let milliseconds = fraction.map_or(Some(0), milliseconds)?;
    if !(1..=12).contains(&month) || !(1..=days_in(year, month)).contains(&day) {
        return None;
    }
    if hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    let minutes = (days_before(year, month, day) * 24 + hour) * 60 + minute - offset_minutes;
    u64::try_from((minutes * 60 + second) * 1000 + milliseconds).ok()
}

/// Text such as `2026-05-20T02:00:00.000Z`. Later than the year 9999 is written as its end.
///
/// ```
/// assert_eq!(waystation_sdk::timestamp::to_rfc3339(86_400_250), "1970-01-02T00:00:00.250Z");
/// ```
#[must_use]
pub fn to_rfc3339(at: Timestamp) -> String {
    let at = at.min(END - 1);
    let (year, month, day) = date(at);
    let [hour, minute, second] = clock(at);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{:03}Z", at % 1000)
}

/// Text such as `Wed, 20 May 2026 02:00:00 +0000`, for the `Date` of a mail. Later than the year 9999 is written as its end.
///
/// ```
/// assert_eq!(waystation_sdk::timestamp::to_rfc5322(86_400_250), "Fri, 2 Jan 1970 00:00:00 +0000");
/// ```
#[must_use]
pub fn to_rfc5322(at: Timestamp) -> String {
    let at = at.min(END - 1);
    let (year, month, day) = date(at);
    let [hour, minute, second] = clock(at);
    let weekday = WEEKDAYS[(at / DAY % 7) as usize];
    let month = MONTHS[(month - 1) as usize];
    format!("{weekday}, {day} {month} {year:04} {hour:02}:{minute:02}:{second:02} +0000")
}

/// Reads the date of an HTTP header (RFC 9110, the preferred form), such as `Wed, 20 May 2026 02:00:00 GMT`. `None` if the
/// text is anything else. The weekday is not compared with the date.
///
/// ```
/// use waystation_sdk::timestamp;
///
/// assert_eq!(timestamp::from_http_date("Fri, 02 Jan 1970 00:00:00 GMT"), Some(86_400_000));
/// assert_eq!(timestamp::from_http_date("Fri, 30 Feb 1970 00:00:00 GMT"), None);
/// ```
#[must_use]
pub fn from_http_date(text: &str) -> Option<Timestamp> {
    let (weekday, rest) = text.split_once(", ")?;
    let mut words = rest.split(' ');
    let [day, month, year, time, zone] = std::array::from_fn(|_| words.next().unwrap_or_default());
    let month = MONTHS.iter().position(|name| *name == month)? + 1;
    let whole = WEEKDAYS.contains(&weekday) && zone == "GMT" && words.next().is_none();
    if whole { from_rfc3339(&format!("{year}-{month:02}-{day}T{time}Z")) } else { None }
}

/// Numbers of so many digits each, with `separator` between them.
fn numbers(text: &str, separator: char, digits: [usize; 3]) -> Option<[i64; 3]> {
    let mut numbers = [0; 3];
    let mut parts = text.split(separator);
    for (number, digits) in numbers.iter_mut().zip(digits) {
        *number = parts.next().filter(|part| part.len() == digits).and_then(number_of)?;
    }
    parts.next().is_none().then_some(numbers)
}

/// Digits only: `parse` takes a sign as well.
fn number_of(digits: &str) -> Option<i64> {
    if digits.bytes().all(|byte| byte.is_ascii_digit()) { digits.parse().ok() } else { None }
}

/// The time of day, and how many minutes its zone is ahead of UTC.
fn split_offset(time: &str) -> Option<(&str, i64)> {
    if let Some(time) = time.strip_suffix(['Z', 'z']) {
        return Some((time, 0));
    }
    let at = time.rfind(['+', '-'])?;
    let (hours, minutes) = time[at + 1..].split_once(':')?;
    if hours.len() != 2 || minutes.len() != 2 {
        return None;
    }
    let (hours, minutes) = (number_of(hours)?, number_of(minutes)?);
    if hours > 23 || minutes > 59 {
        return None;
    }
    let ahead = hours * 60 + minutes;
    Some((&time[..at], if time[at..].starts_with('-') { -ahead } else { ahead }))
}

/// The first three digits after the point.
fn milliseconds(fraction: &str) -> Option<i64> {
    number_of(fraction).filter(|_| (1..=18).contains(&fraction.len()))?;
    let scale = [100, 10, 1];
    Some(fraction.bytes().zip(scale).map(|(digit, scale)| i64::from(digit - b'0') * scale).sum())
}

fn days_in(year: i64, month: i64) -> i64 {
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    match month {
        2 => 28 + i64::from(leap),
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days from 1970-01-01. Years are taken to begin in March, so that the day that comes and goes is the last of one.
fn days_before(year: i64, month: i64, day: i64) -> i64 {
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let in_year = (153 * month + 2) / 5 + day - 1;
    year * 365 + year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400) + in_year
        - 719_468
}

/// Year, month and day. The year is found by guessing one that is not too late and moving on.
fn date(at: Timestamp) -> (i64, i64, i64) {
    let days = (at / DAY) as i64;
    let mut year = 1970 + days / 366;
    while days_before(year + 1, 1, 1) <= days {
        year += 1;
    }
    let mut rest = days - days_before(year, 1, 1);
    let mut month = 1;
    while rest >= days_in(year, month) {
        rest -= days_in(year, month);
        month += 1;
    }
    (year, month, rest + 1)
}

/// Hour, minute and second.
fn clock(at: Timestamp) -> [u64; 3] {
    let seconds = at / 1000;
    [seconds / 3600 % 24, seconds / 60 % 60, seconds % 60]
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A step of some 464 days that is no whole number of anything visits every kind of year, day and second.
    #[test]
    fn agrees_with_a_calendar_library() {
        let step = 40_123_457_001;
        for at in (0..END).step_by(step) {
            let known = jiff::Timestamp::from_millisecond(i64::try_from(at).unwrap()).unwrap();
            assert_eq!(to_rfc3339(at), format!("{known:.3}"));
            assert_eq!(from_rfc3339(&to_rfc3339(at)), Some(at));
            let zoned = known.to_zoned(jiff::tz::TimeZone::UTC);
            assert_eq!(to_rfc5322(at), jiff::fmt::rfc2822::to_string(&zoned).unwrap());
        }
    }

    #[test]
    fn reads_what_others_write() {
        let at = Some(1_716_170_400_000);
        for text in [
            "2024-05-20T02:00:00Z",
            "2024-05-20 10:00:00+08:00",
            "2024-05-19t19:30:00.000000-06:30",
        ] {
            assert_eq!(from_rfc3339(text), at, "{text}");
        }
        assert_eq!(from_rfc3339("2024-02-29T23:59:60.9999Z"), Some(1_709_251_200_999));
    }

    #[test]
    fn takes_nothing_else() {
        for text in [
            "",
            "2024-05-20",
            "2024-05-20T02:00:00",
            "2024-05-20T02:00Z",
            "2024-5-20T02:00:00Z",
            "2024-13-01T00:00:00Z",
            "2023-02-29T00:00:00Z",
            "2024-05-20T24:00:00Z",
            "2024-05-20T02:00:00.Z",
            "2024-05-20T02:00:00+8:00",
            "2024-05-20T02:00:00+0800",
            "2024-05-20T02:00:00+24:00",
            "+024-05-20T02:00:00Z",
            "1969-12-31T23:59:59Z",
            "1970-01-01T00:00:00+00:01",
            "2024-05-20T02:00:00é",
        ] {
            assert_eq!(from_rfc3339(text), None, "{text}");
        }
    }
}
