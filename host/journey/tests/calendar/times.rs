use serde_json::json;
use waystation_journey::{ClockTime, Customer, Day, Span, Weekdays, Zone, next_time};

use crate::{at, shown, zone};

const HOUR: i64 = 3_600_000;

fn days(text: &str) -> Weekdays {
    text.split(' ').fold(Weekdays::NONE, |days, name| days.with(name).unwrap())
}

#[test]
fn a_customer_is_in_the_zone_of_the_attribute_or_in_the_default_one() {
    let default = zone("Asia/Shanghai");
    let cases = [
        (json!({ "zone": "Europe/Berlin" }), "Europe/Berlin"),
        (json!({ "zone": "Mars/Olympus" }), "Asia/Shanghai"),
        (json!({ "zone": "" }), "Asia/Shanghai"),
        (json!({ "zone": 8 }), "Asia/Shanghai"),
        (json!({}), "Asia/Shanghai"),
    ];
    for (attributes, expected) in cases {
        let customer =
            Customer { attributes: attributes.as_object().unwrap().clone(), ..Customer::default() };
        assert_eq!(Zone::of(&customer, &default).name(), expected, "{attributes}");
    }
}

#[test]
fn calendar_days_keep_the_time_of_day_over_clock_changes() {
    let cases = [
        // No change.
        ("Europe/Berlin", "2026-06-01T10:00:00+02:00", (3, 0), "2026-06-04T10:00:00+02:00"),
        // Over the change, 23 and 25 hours.
        ("Europe/Berlin", "2026-03-28T10:00:00+01:00", (1, 0), "2026-03-29T10:00:00+02:00"),
        ("Europe/Berlin", "2026-10-24T10:00:00+02:00", (1, 0), "2026-10-25T10:00:00+01:00"),
        // The time is skipped: it is made good by as much.
        ("Europe/Berlin", "2026-03-28T02:30:00+01:00", (1, 0), "2026-03-29T03:30:00+02:00"),
        // The time comes twice: the first counts.
        ("Europe/Berlin", "2026-10-24T02:30:00+02:00", (1, 0), "2026-10-25T02:30:00+02:00"),
        // Hours are exact.
        ("Europe/Berlin", "2026-03-28T10:00:00+01:00", (0, 24 * HOUR), "2026-03-29T11:00:00+02:00"),
        ("Europe/Berlin", "2026-03-28T10:00:00+01:00", (1, 12 * HOUR), "2026-03-29T22:00:00+02:00"),
        // A change of half an hour, and a day that did not take place.
        ("Australia/Lord_Howe", "2026-04-04T10:00:00+11:00", (1, 0), "2026-04-05T10:00:00+10:30"),
        ("Pacific/Apia", "2011-12-29T10:00:00-10:00", (1, 0), "2011-12-31T10:00:00+14:00"),
        ("Asia/Shanghai", "2026-12-31T23:59:59+08:00", (60, 0), "2027-03-01T23:59:59+08:00"),
        ("UTC", "2024-03-01T00:00:00Z", (-1, 0), "2024-02-29T00:00:00+00:00"),
    ];
    for (name, from, (days, ms), expected) in cases {
        let zone = zone(name);
        let there = Span { days, ms }.after(at(from), &zone);
        assert_eq!(shown(there, &zone), expected, "{days} days and {ms} ms after {from}");
    }
}

#[test]
fn spans_are_written_as_in_journeys() {
    let cases = [
        (Span { days: 3, ms: 0 }, "3d"),
        (Span { days: 0, ms: 90_000 }, "1m30s"),
        (Span { days: 1, ms: 12 * HOUR }, "1d12h"),
        (Span { days: -7, ms: 0 }, "-7d"),
        (Span::default(), "0s"),
    ];
    for (span, expected) in cases {
        assert_eq!(span.to_string(), expected);
    }
}

#[test]
fn the_next_time_of_day_is_on_one_of_the_weekdays_of_the_zone() {
    let all = "monday tuesday wednesday thursday friday saturday sunday";
    let cases = [
        // Table A: Mondays 10:00; Tuesdays and Thursdays 10:00.
        (
            "Asia/Shanghai",
            "2026-06-05T12:00:00+08:00",
            "10:00",
            "monday",
            "2026-06-08T10:00:00+08:00",
        ),
        (
            "Asia/Shanghai",
            "2026-06-09T10:00:01+08:00",
            "10:00",
            "tuesday thursday",
            "2026-06-11T10:00:00+08:00",
        ),
        // The very instant is such a time.
        (
            "Asia/Shanghai",
            "2026-06-08T10:00:00+08:00",
            "10:00",
            "monday",
            "2026-06-08T10:00:00+08:00",
        ),
        // It is Monday in Auckland while it is Sunday in UTC.
        (
            "Pacific/Auckland",
            "2026-06-07T13:00:00Z",
            "02:00",
            "monday",
            "2026-06-08T02:00:00+12:00",
        ),
        // Skipped, and repeated.
        ("Europe/Berlin", "2026-03-29T00:30:00+01:00", "02:30", all, "2026-03-29T03:30:00+02:00"),
        ("Europe/Berlin", "2026-10-25T01:00:00+02:00", "02:30", all, "2026-10-25T02:30:00+02:00"),
        ("Europe/Berlin", "2026-10-25T02:45:00+02:00", "02:30", all, "2026-10-26T02:30:00+01:00"),
        // 2011-12-30, a Friday, was left out in Samoa.
        (
            "Pacific/Apia",
            "2011-12-29T12:00:00-10:00",
            "10:00",
            "friday",
            "2012-01-06T10:00:00+14:00",
        ),
    ];
    for (name, now, time, weekdays, expected) in cases {
        let zone = zone(name);
        let next = next_time(at(now), &zone, ClockTime::parse(time).unwrap(), days(weekdays));
        assert_eq!(
            next.map(|next| shown(next, &zone)).as_deref(),
            Some(expected),
            "{now} {time} {weekdays}"
        );
    }
    assert_eq!(next_time(0, &Zone::utc(), ClockTime::MIDNIGHT, Weekdays::NONE), None);
}

#[test]
fn times_of_day_are_exact() {
    for text in
        ["", "9:00", "09:0", "24:00", "09:60", "0900", "09:00:00", "+9:00", "ab:cd", "09:00 "]
    {
        assert_eq!(ClockTime::parse(text), None, "{text}");
    }
    assert_eq!(ClockTime::parse("23:59").unwrap().to_string(), "23:59");
}

#[test]
fn a_birthday_comes_every_year_and_the_leap_day_is_settled() {
    let cases = [
        // R20: 3 days before the birthday. Table D: 7 days before, at 9:00.
        (json!("1990-06-18"), -7, "2026-06-01T00:00:00+08:00", "2026-06-11T09:00:00+08:00"),
        (json!("06-18"), -3, "2026-06-15T09:00:00+08:00", "2026-06-15T09:00:00+08:00"),
        (json!("06-18"), -3, "2026-06-15T09:00:01+08:00", "2027-06-15T09:00:00+08:00"),
        // Over the turn of the year.
        (json!("1990-01-03"), -7, "2026-12-01T00:00:00+08:00", "2026-12-27T09:00:00+08:00"),
        (json!("1990-12-30"), 7, "2027-01-01T00:00:00+08:00", "2027-01-06T09:00:00+08:00"),
        // 29 February.
        (json!("2000-02-29"), 0, "2027-01-01T00:00:00+08:00", "2027-02-28T09:00:00+08:00"),
        (json!("2000-02-29"), 0, "2028-01-01T00:00:00+08:00", "2028-02-29T09:00:00+08:00"),
        (json!("02-29"), -7, "2027-01-01T00:00:00+08:00", "2027-02-21T09:00:00+08:00"),
        // Unix milliseconds: 1990-06-18 00:30 in Shanghai, the day before in UTC.
        (json!(645_640_200_000_i64), 0, "2026-06-01T00:00:00+08:00", "2026-06-18T09:00:00+08:00"),
        // Three years after.
        (json!("06-18"), 1000, "2026-06-01T00:00:00+08:00", "2027-03-15T09:00:00+08:00"),
    ];
    let zone = zone("Asia/Shanghai");
    for (value, offset, now, expected) in cases {
        let day = Day::of(&value, &zone).unwrap();
        let offset = Span { days: offset, ms: 0 };
        let next = day.next(at(now), offset, ClockTime::parse("09:00").unwrap(), &zone);
        assert_eq!(next.map(|next| shown(next, &zone)).as_deref(), Some(expected), "{value} {now}");
    }
}

#[test]
fn a_day_of_one_year_comes_once() {
    let zone = zone("Asia/Shanghai");
    let nine = ClockTime::parse("09:00").unwrap();
    let expires = Day::parse("2026-12-31").unwrap();
    let week = Span { days: -7, ms: 0 };
    assert_eq!(expires.once(week, nine, &zone), Some(at("2026-12-24T09:00:00+08:00")));
    assert_eq!(Day::parse("12-31").unwrap().once(week, nine, &zone), None);
    for text in [
        "",
        "2026",
        "2026-13-01",
        "2026-02-30",
        "2027-02-29",
        "02-30",
        "6-18",
        "2026/06/18",
        "x-06-18",
    ] {
        assert_eq!(Day::parse(text), None, "{text}");
    }
    for value in [json!(null), json!(true), json!([1]), json!(1.5)] {
        assert_eq!(Day::of(&value, &zone), None, "{value}");
    }
}
