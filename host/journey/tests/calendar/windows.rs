use waystation_journey::{Calendar, Place, Window, Zone, check};

use crate::{at, shown, zone};

/// The window that a journey file writes like this.
fn window(yaml: &str) -> Window {
    let file =
        format!("journey: a\nentry: {{ event: go }}\nsteps: [{{ wait: 1h }}]\nwindow: {yaml}\n");
    let checked = check(&file, None);
    let program = checked.program.unwrap_or_else(|| panic!("{:?}", checked.problems));
    program.window().unwrap().clone()
}

const R21: &str = "{ days: workdays, hours: ['10:00-12:00', '19:00-21:00'], calendar: CN }";
const R57: &str = "{ days: workdays, hours: '09:00-18:00', calendar: CN }";
const NIGHT: &str = "{ hours: '21:00-08:00' }";
const LATE: &str = "{ days: [friday], hours: '22:00-02:00' }";

#[test]
fn a_window_opens_next() {
    let cases = [
        // R21: open at once, next range, next workday, never in the small hours, over the Spring Festival of 2026.
        (R21, "Asia/Shanghai", "2026-06-01T11:59:59+08:00", "2026-06-01T11:59:59+08:00"),
        (R21, "Asia/Shanghai", "2026-06-01T12:00:00+08:00", "2026-06-01T19:00:00+08:00"),
        (R21, "Asia/Shanghai", "2026-06-01T21:00:00+08:00", "2026-06-02T10:00:00+08:00"),
        (R21, "Asia/Shanghai", "2026-06-05T22:00:00+08:00", "2026-06-08T10:00:00+08:00"),
        (R21, "Asia/Shanghai", "2026-02-13T22:00:00+08:00", "2026-02-14T10:00:00+08:00"),
        (R21, "Asia/Shanghai", "2026-02-14T22:00:00+08:00", "2026-02-24T10:00:00+08:00"),
        (R21, "Asia/Shanghai", "2026-10-09T22:00:00+08:00", "2026-10-10T10:00:00+08:00"),
        // R57.
        (R57, "Asia/Shanghai", "2026-09-30T18:00:00+08:00", "2026-10-08T09:00:00+08:00"),
        (R57, "Europe/Berlin", "2026-06-01T08:59:59+02:00", "2026-06-01T09:00:00+02:00"),
        // Past midnight.
        (NIGHT, "Europe/Berlin", "2026-06-01T08:00:00+02:00", "2026-06-01T21:00:00+02:00"),
        (NIGHT, "Europe/Berlin", "2026-06-01T07:59:00+02:00", "2026-06-01T07:59:00+02:00"),
        // What begins on Friday ends on Saturday; the small hours of Friday are Thursday's.
        (LATE, "Europe/Berlin", "2026-06-05T01:00:00+02:00", "2026-06-05T22:00:00+02:00"),
        (LATE, "Europe/Berlin", "2026-06-06T01:00:00+02:00", "2026-06-06T01:00:00+02:00"),
        (LATE, "Europe/Berlin", "2026-06-06T02:00:00+02:00", "2026-06-12T22:00:00+02:00"),
        // It would open while clocks are put forward: right after.
        (
            "{ hours: '02:30-04:00' }",
            "Europe/Berlin",
            "2026-03-29T01:00:00+01:00",
            "2026-03-29T03:00:00+02:00",
        ),
        (
            "{ hours: '02:10-02:50' }",
            "Europe/Berlin",
            "2026-03-29T01:00:00+01:00",
            "2026-03-30T02:10:00+02:00",
        ),
        // Open, closed, and open again when clocks are put back.
        (
            "{ hours: '02:30-04:00' }",
            "Europe/Berlin",
            "2026-10-25T02:40:00+02:00",
            "2026-10-25T02:40:00+02:00",
        ),
        (
            "{ hours: '02:30-04:00' }",
            "Europe/Berlin",
            "2026-10-25T02:10:00+01:00",
            "2026-10-25T02:30:00+01:00",
        ),
        (
            "{ hours: '02:00-02:15' }",
            "Europe/Berlin",
            "2026-10-25T02:20:00+02:00",
            "2026-10-25T02:00:00+01:00",
        ),
        // The window's own zone, whatever the customer's.
        (
            "{ hours: '10:00-12:00', zone: Asia/Shanghai }",
            "Europe/Berlin",
            "2026-06-01T07:00:00+02:00",
            "2026-06-02T04:00:00+02:00",
        ),
        (
            "{ days: [saturday, sunday] }",
            "UTC",
            "2026-06-05T12:00:00Z",
            "2026-06-06T00:00:00+00:00",
        ),
    ];
    for (yaml, name, from, expected) in cases {
        let zone = zone(name);
        let place = Place { zone: &zone, calendar: None };
        let window = window(yaml);
        let opens = window.next_open(at(from), &place);
        assert_eq!(
            opens.map(|at| shown(at, &zone)).as_deref(),
            Some(expected),
            "{window} from {from}"
        );
    }
}

#[test]
fn a_window_that_names_no_calendar_takes_the_workspace_s_and_else_weekends() {
    let window = window("{ days: workdays, hours: '09:00-18:00' }");
    let zone = zone("Asia/Shanghai");
    let china = Calendar::of("CN").unwrap();
    let new_year = at("2026-01-01T10:00:00+08:00");
    let without = Place { zone: &zone, calendar: None };
    assert!(window.is_open(new_year, &without));
    assert!(!window.is_open(new_year, &Place { calendar: Some(&china), ..without }));
    let sunday = at("2026-01-04T10:00:00+08:00");
    assert!(!window.is_open(sunday, &without));
    assert!(window.is_open(sunday, &Place { calendar: Some(&china), ..without }));
}

#[test]
fn a_window_closes_next() {
    let zone = Zone::utc();
    let place = Place { zone: &zone, calendar: None };
    let night = window(NIGHT);
    assert_eq!(
        night.next_closed(at("2026-06-01T22:00:00Z"), &place),
        Some(at("2026-06-02T08:00:00Z"))
    );
    assert_eq!(
        night.next_closed(at("2026-06-01T12:00:00Z"), &place),
        Some(at("2026-06-01T12:00:00Z"))
    );
    let always = window("{ hours: '00:00-24:00' }");
    assert_eq!(always.next_closed(0, &place), None);
}
