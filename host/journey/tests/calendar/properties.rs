//! Over all zones of the database and random instants, clock changes above all.

use jiff::{Timestamp, tz::TimeZone};
use proptest::prelude::*;
use proptest::sample::Index;
use waystation_journey::{
    Calendar, ClockTime, Hours, Place, Span, Weekdays, Window, Zone, check, next_time,
};

use crate::shown;

const MINUTE: i64 = 60_000;
const DAY: i64 = 24 * 60 * MINUTE;
/// 1970 to 2100.
const TIMES: std::ops::Range<i64> = 0..4_102_444_800_000;

fn zones() -> Vec<String> {
    jiff::tz::db().available().map(|name| name.to_string()).collect()
}

/// A zone and an instant; half of the instants lie within two days of a clock change, if the zone has any.
fn places() -> impl Strategy<Value = (Zone, i64)> {
    let names = zones();
    (any::<Index>(), TIMES, any::<bool>(), -2 * DAY..2 * DAY).prop_filter_map(
        "the zone is known",
        move |(index, at, near, distance)| {
            let name = index.get(&names);
            let zone = Zone::named(name)?;
            let clock = TimeZone::get(name).ok()?;
            let from = Timestamp::from_millisecond(at).ok()?;
            let change = near.then(|| clock.following(from).next()).flatten();
            let at = change.map_or(at, |change| change.timestamp().as_millisecond() + distance);
            Some((zone, at.clamp(TIMES.start, TIMES.end)))
        },
    )
}

fn hours() -> impl Strategy<Value = String> {
    (0..96_u16, 1..96_u16).prop_map(|(from, length)| {
        let minutes = |quarter: u16| format!("{:02}:{:02}", quarter % 96 / 4, quarter % 4 * 15);
        format!("{}-{}", minutes(from), minutes(from + length))
    })
}

fn windows() -> impl Strategy<Value = Window> {
    let days = prop_oneof![
        Just("all".to_owned()),
        Just("workdays".to_owned()),
        Just("[monday, thursday]".to_owned()),
        Just("[sunday]".to_owned()),
    ];
    (days, proptest::collection::vec(hours(), 1..4)).prop_map(|(days, hours)| {
        let file = format!(
            "journey: a\nentry: {{ event: go }}\nsteps: [{{ wait: 1h }}]\nwindow: {{ days: {days}, hours: {hours:?} }}\n"
        );
        let checked = check(&file, None);
        let program = checked.program.unwrap_or_else(|| panic!("{:?}", checked.problems));
        program.window().unwrap().clone()
    })
}

fn local(at: i64, zone: &Zone) -> jiff::Zoned {
    Timestamp::from_millisecond(at).unwrap().to_zoned(TimeZone::get(zone.name()).unwrap())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_window_opens_at_the_first_instant_that_is_open((zone, at) in places(), window in windows()) {
        let china = Calendar::of("CN").unwrap();
        let place = Place { zone: &zone, calendar: Some(&china) };
        let opens = window.next_open(at, &place).expect("each of these windows opens every week or after a holiday");
        prop_assert!(opens >= at && window.is_open(opens, &place), "{window} at {}", shown(at, &zone));
        if opens > at {
            prop_assert!(!window.is_open(opens - 1, &place), "{window} at {}", shown(at, &zone));
        }
        // Hours begin at quarters, but clocks change at any minute: five minutes miss no opening of these.
        let mut between = at;
        while between < opens {
            prop_assert!(!window.is_open(between, &place), "{window} is open at {}", shown(between, &zone));
            between += 5 * MINUTE;
        }
        let closes = window.next_closed(opens, &place);
        if let Some(closes) = closes {
            prop_assert!(!window.is_open(closes, &place) && window.is_open(closes - 1, &place));
        }
    }

    #[test]
    fn a_later_start_opens_no_earlier((zone, at) in places(), later in 0..10 * DAY, window in windows()) {
        let place = Place { zone: &zone, calendar: None };
        prop_assert!(window.next_open(at, &place) <= window.next_open(at + later, &place));
    }

    #[test]
    fn a_weekday_is_the_zone_s((zone, at) in places(), minute in 0..1440_u32, weekday in 0..7_usize) {
        let names = ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"];
        let time = format!("{:02}:{:02}", minute / 60, minute % 60);
        let weekdays = Weekdays::NONE.with(names[weekday]).unwrap();
        let next = next_time(at, &zone, ClockTime::parse(&time).unwrap(), weekdays).unwrap();
        let there = local(next, &zone);
        prop_assert!(next >= at);
        prop_assert_eq!(usize::try_from(there.weekday().to_monday_zero_offset()).unwrap(), weekday);
        // The time is the one asked for, or made good after a change.
        let shows = there.strftime("%H:%M").to_string();
        if shows != time {
            let before = local(next - 1, &zone);
            prop_assert!(there.offset() != local(next - DAY, &zone).offset(), "{shows} for {time}, {before}");
        }
        prop_assert!(next - at <= 16 * DAY);
    }

    #[test]
    fn calendar_days_keep_the_time_of_day_or_make_it_good((zone, at) in places(), days in 1..800_i64) {
        let there = Span { days, ms: 0 }.after(at, &zone);
        let (from, to) = (local(at, &zone), local(there, &zone));
        let wanted = from.datetime().checked_add(jiff::Span::new().days(days)).unwrap();
        if to.datetime() == wanted {
            // Of two such times it is the first.
            let clock = TimeZone::get(zone.name()).unwrap();
            let first = clock.to_ambiguous_zoned(wanted).earlier().unwrap();
            prop_assert_eq!(to.timestamp(), first.timestamp());
        } else {
            // It was skipped: a change lies between, and what was skipped is added.
            let skipped = to.datetime().since(wanted).unwrap();
            prop_assert!(skipped.is_positive(), "{} to {}", from, to);
            let offset = local(there - i64::from(skipped.get_hours()) * 60 * MINUTE - skipped.get_minutes() * MINUTE - MINUTE, &zone).offset();
            prop_assert!(offset != to.offset());
        }
    }

    #[test]
    fn more_days_are_never_earlier((zone, at) in places(), days in 0..800_i64) {
        let span = |days| Span { days, ms: 0 }.after(at, &zone);
        prop_assert!(span(days) <= span(days + 1) && span(days) >= at);
    }

    #[test]
    fn hours_last_as_long_as_they_say(text in hours()) {
        let hours = Hours::parse(&text).unwrap();
        prop_assert!((15..24 * 60).contains(&hours.minutes()));
    }
}
