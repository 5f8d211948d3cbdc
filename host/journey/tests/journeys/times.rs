use serde_json::{Value, json};
use waystation_journey::{Customer, Policy};

use crate::story::{HOUR, Story, customer};

/// A customer in a zone, at a time in it, in a journey with this step and then an exit.
fn at(now: &str, zone: &str, attributes: Value, step: &str) -> Story {
    let source = format!(
        "journey: t\nentry: {{ event: go }}\nwindow: {{ days: workdays, hours: [\"10:00-12:00\", \"19:00-21:00\"], calendar: CN }}\nsteps:\n  - {step}\n  - exit: over"
    );
    let mut customer: Customer = customer(attributes);
    customer.attributes.insert("zone".to_owned(), json!(zone));
    let mut story = Story::of(&source, customer, json!({}));
    story.now = instant(&format!("{now}[{zone}]"));
    story
}

fn instant(zoned: &str) -> i64 {
    zoned.parse::<jiff::Zoned>().expect("a time in a zone").timestamp().as_millisecond()
}

/// Where a step leads that is reached at a time: `now => due`, both by the customer's clock.
#[track_caller]
fn waits(step: &str, zone: &str, attributes: &Value, table: &str) {
    for line in table.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let (now, due) = line.split_once(" => ").expect("now => due");
        let mut story = at(now, zone, attributes.clone(), step);
        let came = story.happens("start");
        let waited = match story.enrollment.due_at {
            None => came,
            Some(due) => jiff::Timestamp::from_millisecond(due)
                .expect("a time")
                .to_zoned(jiff::tz::TimeZone::get(zone).expect("a zone"))
                .strftime("%Y-%m-%dT%H:%M")
                .to_string(),
        };
        assert_eq!(waited, due, "{step} at {now} in {zone}");
        if let Some(due) = story.enrollment.due_at {
            story.now = due;
            story.plays("timer => ended over");
        }
    }
}

#[test]
fn days_are_counted_on_the_calendar_and_hours_exactly() {
    // The clocks of Berlin go forward on 2026-03-29 and back on 2026-10-25.
    waits(
        "wait: 1d",
        "Europe/Berlin",
        &json!({}),
        "2026-03-28T09:00 => 2026-03-29T09:00
         2026-03-28T02:30 => 2026-03-29T03:30
         2026-10-24T09:00 => 2026-10-25T09:00
         2026-10-24T02:30 => 2026-10-25T02:30",
    );
    waits(
        "wait: 24h",
        "Europe/Berlin",
        &json!({}),
        "2026-03-28T09:00 => 2026-03-29T10:00
         2026-10-24T09:00 => 2026-10-25T08:00",
    );
    waits("wait: 1w2d3h", "Asia/Shanghai", &json!({}), "2026-06-01T09:00 => 2026-06-10T12:00");
}

#[test]
fn times_of_day_and_weekdays() {
    waits(
        "wait_until: { time: \"10:00\" }",
        "Asia/Shanghai",
        &json!({}),
        "2026-06-01T09:59 => 2026-06-01T10:00
         2026-06-01T10:00 => ended over
         2026-06-01T10:01 => 2026-06-02T10:00",
    );
    waits(
        "wait_until: { time: \"10:00\", weekday: [tuesday, thursday] }",
        "America/New_York",
        &json!({}),
        "2026-06-01T11:00 => 2026-06-02T10:00
         2026-06-02T11:00 => 2026-06-04T10:00
         2026-06-05T11:00 => 2026-06-09T10:00",
    );
    // 19:30 of Shanghai, for somebody in London.
    waits(
        "wait_until: { time: \"19:30\", weekday: wednesday, zone: Asia/Shanghai }",
        "Europe/London",
        &json!({}),
        "2026-06-01T11:00 => 2026-06-03T12:30",
    );
}

#[test]
fn dates_of_the_customer() {
    waits(
        "wait_until: { date: customer.birthday, every: year, offset: -7d, time: \"09:00\" }",
        "Asia/Shanghai",
        &json!({ "birthday": "1990-06-15" }),
        "2026-06-01T09:00 => 2026-06-08T09:00
         2026-06-08T09:00 => ended over
         2026-06-08T09:01 => 2027-06-08T09:00",
    );
    waits(
        "wait_until: { date: customer.birthday, every: year }",
        "Asia/Shanghai",
        &json!({ "birthday": "02-29" }),
        "2026-01-01T09:00 => 2026-02-28T00:00
         2027-12-01T09:00 => 2028-02-29T00:00",
    );
    waits(
        "wait_until: { date: customer.ends, offset: -3d, time: \"18:00\" }",
        "Europe/Berlin",
        &json!({ "ends": "2026-10-26" }),
        "2026-10-01T09:00 => 2026-10-23T18:00
         2026-11-01T09:00 => ended over",
    );
    waits(
        "wait_until: { date: customer.ends }",
        "UTC",
        &json!({ "ends": "someday" }),
        "2026-06-01T09:00 => failed steps[0].wait_until.date: the value is no date; give YYYY-MM-DD, MM-DD or Unix milliseconds; ended error",
    );
    waits(
        "wait_until: { date: customer.ends }",
        "UTC",
        &json!({ "ends": "06-15" }),
        "2026-06-01T09:00 => failed steps[0].wait_until.date: the date has no year, so it needs `every: year`; ended error",
    );
}

#[test]
fn instants_and_openings() {
    waits(
        "wait_until: { at: \"2026-06-18T00:00:00+08:00\" }",
        "Asia/Shanghai",
        &json!({}),
        "2026-06-01T09:00 => 2026-06-18T00:00
         2026-06-18T00:00 => ended over",
    );
    // 2026-10-01 to 10-07 is the National Day holiday; Saturday 10-10 is a working day.
    waits(
        "wait_until: window",
        "Asia/Shanghai",
        &json!({}),
        "2026-06-01T09:00 => 2026-06-01T10:00
         2026-06-01T10:30 => ended over
         2026-06-01T12:00 => 2026-06-01T19:00
         2026-06-05T21:00 => 2026-06-08T10:00
         2026-09-30T21:00 => 2026-10-08T10:00
         2026-10-09T21:00 => 2026-10-10T10:00",
    );
}

#[test]
fn a_wait_for_events_counts_calendar_days_too() {
    let mut story =
        at("2026-03-28T09:00", "Europe/Berlin", json!({}), "wait_for: { event: paid, up_to: 1d }");
    story.plays("start => at steps[0] for 23h");
}

#[test]
fn the_workspace_has_a_zone_for_customers_without_one() {
    let source = "journey: t\nentry: { event: go }\nsteps: [{ wait_until: { time: \"10:00\" } }]";
    for (zone, hours) in [("Asia/Shanghai", 2), ("UTC", 10), ("Asia/Tokyo", 1)] {
        let mut story = Story::of(source, customer(json!({ "zone": "Nowhere/Land" })), json!({}));
        story.policy = Policy::check(&format!("zone: {zone}")).policy.expect("a sound policy");
        story.plays(&format!("start => at steps[0] for {hours}h"));
        assert_eq!(story.enrollment.due_at, Some(story.now + hours * HOUR));
    }
}
