use waystation_journey::{Calendar, calendars};

fn day(text: &str) -> (i16, i8, i8) {
    let mut parts = text.split('-').map(|part| part.parse::<i16>().unwrap());
    let mut part = || parts.next().unwrap();
    (part(), part() as i8, part() as i8)
}

#[track_caller]
fn works(calendar: &Calendar, date: &str) -> bool {
    let (year, month, day) = day(date);
    calendar.works_on(year, month, day)
}

#[test]
fn every_calendar_of_the_host_can_be_read() {
    assert_eq!(calendars().collect::<Vec<_>>(), ["CN", "DE", "US"]);
    for name in calendars() {
        let calendar = Calendar::of(name).unwrap_or_else(|| panic!("{name} can be read"));
        assert_eq!(calendar.name(), name);
        assert!(calendar.knows(2026), "{name}");
    }
    assert_eq!(Calendar::of("XX"), None);
}

#[test]
fn china_in_2026_rests_and_works_as_the_state_council_announced() {
    let china = Calendar::of("CN").unwrap();
    let off = [
        "2026-01-01",
        "2026-01-02",
        "2026-01-03",
        "2026-02-15",
        "2026-02-16",
        "2026-02-20",
        "2026-02-23",
        "2026-04-04",
        "2026-04-06",
        "2026-05-01",
        "2026-05-04",
        "2026-05-05",
        "2026-06-19",
        "2026-06-21",
        "2026-09-25",
        "2026-09-27",
        "2026-10-01",
        "2026-10-07",
        // Usual weekends.
        "2026-01-10",
        "2026-01-11",
        "2026-10-11",
    ];
    for date in off {
        assert!(!works(&china, date), "{date}");
    }
    let on = [
        // In exchange for holidays, on weekends.
        "2026-01-04",
        "2026-02-14",
        "2026-02-28",
        "2026-05-09",
        "2026-09-20",
        "2026-10-10",
        // Around them.
        "2025-12-31",
        "2026-01-05",
        "2026-02-13",
        "2026-02-24",
        "2026-04-03",
        "2026-04-07",
        "2026-05-06",
        "2026-06-18",
        "2026-06-22",
        "2026-09-24",
        "2026-09-28",
        "2026-09-30",
        "2026-10-08",
    ];
    for date in on {
        assert!(works(&china, date), "{date}");
    }
    let off_in_2026 = (1..=12)
        .flat_map(|month| (1..=31).map(move |day| (month, day)))
        .filter(|(month, day)| jiff::civil::Date::new(2026, *month, *day).is_ok())
        .filter(|(month, day)| !china.works_on(2026, *month, *day))
        .count();
    // 104 days of weekends, 13 holidays by law (two of them on weekends) and 6 days of work on weekends.
    assert_eq!(off_in_2026, 117);
}

#[test]
fn of_a_year_that_is_not_known_only_weekends_are_free() {
    let china = Calendar::of("CN").unwrap();
    assert_eq!((china.known_until(), china.knows(2027)), (Some(2026), false));
    assert!(works(&china, "2027-10-01") && !works(&china, "2027-10-02"));
}

#[test]
fn germany_and_the_united_states() {
    for (name, date, expected) in [
        ("DE", "2026-04-03", false),
        ("DE", "2026-04-06", false),
        ("DE", "2026-05-14", false),
        ("DE", "2026-05-25", false),
        ("DE", "2026-10-03", false),
        ("DE", "2026-12-24", true),
        ("US", "2026-07-03", false),
        ("US", "2026-11-26", false),
        ("US", "2026-11-27", true),
        ("US", "2027-12-31", false),
        ("US", "2027-07-05", false),
    ] {
        assert_eq!(works(&Calendar::of(name).unwrap(), date), expected, "{name} {date}");
    }
}

#[test]
fn what_is_wrong_with_a_calendar_file_is_told_with_its_place() {
    let cases = [
        ("years: {}", "1:1: error: `calendar` is missing"),
        (
            "calendar: A B",
            "1:11: error: calendar: `A B` is no calendar name: letters, digits and `-`, such as `CN` or `DE-BY`",
        ),
        (
            "calendar: A\nyears: { 2026: { holidays: { x: 2027-01-01 } } }",
            "2:33: error: years.2026.holidays: `2027-01-01` is no day of 2026; write such as 2026-05-01 or 2026-05-01..2026-05-05",
        ),
        (
            "calendar: A\nyears: { 2026: { holidays: { x: 2026-01-01..2026-12-31 } } }",
            "2:33: error: years.2026.holidays: `2026-01-01..2026-12-31` is longer than 60 days",
        ),
        (
            "calendar: A\nyears: { 2026: { workdays: 2026-01-05 } }",
            "2:28: error: years.2026.workdays: 2026-01-05 is on no weekend; people work then anyhow",
        ),
        ("calendar: A\nyears: { soon: {} }", "2:10: error: years: `soon` is no year"),
        (
            "calendar: A\nweekend: caturday",
            "2:10: error: weekend: `caturday` is no weekday; did you mean `saturday`?",
        ),
    ];
    for (file, expected) in cases {
        let problems = Calendar::read(file).unwrap_err();
        let lines: Vec<String> = problems.iter().map(ToString::to_string).collect();
        assert_eq!(lines.join("\n"), expected, "in {file}");
    }
}
