use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;

use jiff::Timestamp;
use waystation_sdk::Plugin as _;
use waystation_sdk::audience::{Error, Member, Page};
use waystation_sdk::trigger_source::{Event, Polled, Subject, Subscription};

use crate::poll::{Outside, Poll};
use crate::{Calendar, Config};

/// A workspace's customers: identifiers with fields. Conditions are noted; everybody fulfils them, but for those that say
/// `wrong`.
struct World {
    now: Cell<i64>,
    customers: BTreeMap<String, Vec<(String, String)>>,
    /// Most members of a part, whatever is asked for.
    part: usize,
    /// What reading a part takes, in milliseconds.
    takes: i64,
    conditions: RefCell<Vec<String>>,
    complaints: RefCell<Vec<String>>,
}

impl Outside for World {
    fn now(&self) -> i64 {
        self.now.get()
    }

    fn read(&self, condition: &str, after: Option<&str>, limit: u32) -> Result<Page, Error> {
        self.now.set(self.now.get() + self.takes);
        self.conditions.borrow_mut().push(condition.to_owned());
        if condition.contains("wrong") {
            return Err(Error::Invalid("1:1: it is wrong".to_owned()));
        }
        let rest =
            self.customers.iter().filter(|(id, _)| after.is_none_or(|after| id.as_str() > after));
        let rest: Vec<_> = rest.collect();
        let members: Vec<Member> = rest
            .iter()
            .take(self.part.min(limit as usize))
            .map(|(id, fields)| Member { customer: (*id).clone(), fields: (*fields).clone() })
            .collect();
        let more = members.len() < rest.len();
        let next = members.last().filter(|_| more).map(|last| last.customer.clone());
        Ok(Page { members, next })
    }

    fn complain(&self, text: &str) {
        self.complaints.borrow_mut().push(text.to_owned());
    }
}

fn ms(text: &str) -> i64 {
    text.parse::<Timestamp>().unwrap().as_millisecond()
}

fn calendar(config: &str) -> Calendar {
    let config: Config = serde_json::from_str(config).unwrap();
    Calendar::new(config).map_err(|problem| problem.message).unwrap()
}

fn subscription(id: &str, parameters: &str) -> Subscription {
    Subscription { id: id.to_owned(), parameters: parameters.to_owned() }
}

/// A customer, a field and its value, and the customer's zone.
fn world(customers: &[(&str, &str, &str, &str)]) -> World {
    let fields = |name: &str, value: &str, zone: &str| {
        let fields =
            [(name, value), ("zone", zone)].into_iter().filter(|(_, value)| !value.is_empty());
        fields.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
    };
    World {
        now: Cell::new(0),
        customers: customers
            .iter()
            .map(|(id, name, value, zone)| ((*id).to_owned(), fields(name, value, zone)))
            .collect(),
        part: 1_000,
        takes: 0,
        conditions: RefCell::default(),
        complaints: RefCell::default(),
    }
}

fn poll(
    calendar: &Calendar,
    world: &World,
    asked: &[Subscription],
    cursor: Option<&str>,
) -> Polled {
    Poll::new(calendar, world, world.now.get().unsigned_abs()).run(asked, cursor).unwrap()
}

/// Polls whenever it is time to; who came in when.
fn run(
    calendar: &Calendar,
    world: &World,
    asked: &[Subscription],
    from: &str,
    until: &str,
) -> Vec<Event> {
    world.now.set(ms(from));
    let (mut cursor, mut events) = (None, Vec::new());
    while world.now.get() <= ms(until) {
        let polled = poll(calendar, world, asked, cursor.as_deref());
        events.extend(polled.events);
        cursor = polled.cursor;
        // As the host bounds it.
        world.now.set(i64::try_from(polled.next_at).unwrap().max(world.now.get() + 1_000));
    }
    events
}

fn customer(event: &Event) -> &str {
    match &event.subject {
        Subject::Customer(id) => id,
        Subject::Identity(identity) => &identity.value,
    }
}

fn told(events: &[Event]) -> String {
    let told = events.iter().map(|event| {
        let at = Timestamp::from_millisecond(i64::try_from(event.at).unwrap()).unwrap();
        format!("{at} {} {}", customer(event), event.properties)
    });
    told.collect::<Vec<_>>().join("\n")
}

/// Lets time pass and compares who came in when.
#[track_caller]
fn check(parameters: &str, world: &World, from: &str, until: &str, expected: &str) {
    let calendar = calendar(
        r#"{ "zone": "Asia/Shanghai", "holidays": { "spring-festival": ["2027-02-06"] } }"#,
    );
    let asked = [subscription("j/calendar", parameters)];
    let events = run(&calendar, world, &asked, from, until);
    assert_eq!(told(&events), expected, "{:?}", world.complaints);
}

#[test]
fn a_birthday_is_a_week_ahead_at_nine_wherever_the_customer_lives() {
    let world = world(&[
        ("lin", "birthday", "1990-06-18", "Asia/Shanghai"),
        ("ann", "birthday", "06-18", "America/New_York"),
        ("bob", "birthday", "1990-06-19", "America/New_York"),
        // Nobody knows where, so that it is where the workspace is.
        ("may", "birthday", "2000-06-18", "Nowhere/Land"),
        ("odd", "birthday", "18 June", ""),
    ]);
    check(
        r#"{ "date": "birthday", "offset": "-7d", "at": "09:00" }"#,
        &world,
        "2026-06-01T00:00:00Z",
        "2026-06-12T12:00:00Z",
        r#"2026-06-11T01:00:00Z lin {"date":"2026-06-18","years":36}
2026-06-11T01:00:00Z may {"date":"2026-06-18","years":26}
2026-06-11T13:00:00Z ann {"date":"2026-06-18"}"#,
    );
    let conditions = world.conditions.borrow();
    assert!(
        conditions.iter().all(|one| one.starts_with("has(customer.birthday) && (")),
        "{conditions:?}"
    );
}

#[test]
fn who_was_born_on_a_leap_day_has_a_birthday_every_year() {
    let leap = [("leo", "birthday", "2000-02-29", ""), ("feb", "birthday", "2000-02-28", "")];
    let parameters = r#"{ "date": "birthday" }"#;
    check(
        parameters,
        &world(&leap),
        "2027-02-20T00:00:00Z",
        "2027-03-02T00:00:00Z",
        r#"2027-02-28T01:00:00Z feb {"date":"2027-02-28","years":27}
2027-02-28T01:00:00Z leo {"date":"2027-02-28","years":27}"#,
    );
    check(
        parameters,
        &world(&leap),
        "2028-02-20T00:00:00Z",
        "2028-03-02T00:00:00Z",
        r#"2028-02-28T01:00:00Z feb {"date":"2028-02-28","years":28}
2028-02-29T01:00:00Z leo {"date":"2028-02-29","years":28}"#,
    );
}

#[test]
fn schedules_come_at_their_time_in_their_zone() {
    let one = || world(&[("c", "", "", "")]);
    check(
        r#"{ "every": "monday", "at": "10:00", "zone": "Europe/Berlin", "segment": "big-spenders" }"#,
        &one(),
        // The clocks go forward between the two.
        "2026-03-20T00:00:00Z",
        "2026-03-31T00:00:00Z",
        r#"2026-03-23T09:00:00Z c {"date":"2026-03-23"}
2026-03-30T08:00:00Z c {"date":"2026-03-30"}"#,
    );
    check(
        r#"{ "every": ["tuesday", "thursday"], "at": "18:30" }"#,
        &one(),
        "2026-06-01T00:00:00Z",
        "2026-06-05T00:00:00Z",
        r#"2026-06-02T10:30:00Z c {"date":"2026-06-02"}
2026-06-04T10:30:00Z c {"date":"2026-06-04"}"#,
    );
    check(
        r#"{ "every": 31 }"#,
        &one(),
        "2026-01-31T02:00:00Z",
        "2026-04-01T00:00:00Z",
        r#"2026-02-28T01:00:00Z c {"date":"2026-02-28"}
2026-03-31T01:00:00Z c {"date":"2026-03-31"}"#,
    );
    check(
        r#"{ "every": "11-11", "at": "00:00" }"#,
        &one(),
        "2026-01-01T00:00:00Z",
        "2026-12-31T00:00:00Z",
        r#"2026-11-10T16:00:00Z c {"date":"2026-11-11"}"#,
    );
    check(
        r#"{ "every": "day", "zone": "customer" }"#,
        &world(&[("a", "", "", "Pacific/Kiritimati"), ("b", "", "", "Pacific/Niue")]),
        "2026-06-01T00:00:00Z",
        "2026-06-01T23:00:00Z",
        r#"2026-06-01T19:00:00Z a {"date":"2026-06-02"}
2026-06-01T20:00:00Z b {"date":"2026-06-01"}"#,
    );
}

#[test]
fn a_moment_and_holidays() {
    let one = || world(&[("c", "", "", "")]);
    check(
        r#"{ "once": "2027-06-18T00:00:00+08:00" }"#,
        &one(),
        "2027-06-01T00:00:00Z",
        "2027-06-30T00:00:00Z",
        "2027-06-17T16:00:00Z c {}",
    );
    check(
        r#"{ "once": "2027-06-18T00:00:00+08:00" }"#,
        &one(),
        "2027-06-18T00:00:00Z",
        "2027-06-30T00:00:00Z",
        "",
    );
    check(
        r#"{ "holiday": "spring-festival", "offset": "-3d", "at": "20:00" }"#,
        &one(),
        "2027-01-01T00:00:00Z",
        "2027-03-01T00:00:00Z",
        r#"2027-02-03T12:00:00Z c {"date":"2027-02-06"}"#,
    );
    check(
        r#"{ "holiday": ["2027-01-01", "2027-01-03"] }"#,
        &one(),
        "2026-12-31T00:00:00Z",
        "2027-03-01T00:00:00Z",
        r#"2027-01-01T01:00:00Z c {"date":"2027-01-01"}
2027-01-03T01:00:00Z c {"date":"2027-01-03"}"#,
    );
}

#[test]
fn who_crosses_the_line_of_inactivity_is_asked_for_once() {
    let world = world(&[]);
    let calendar = calendar("{}");
    let asked = [subscription(
        "j/calendar",
        r#"{ "inactive": "30d", "event": "login", "when": "customer.level > 1" }"#,
    )];
    run(&calendar, &world, &asked, "2026-06-01T00:30:00Z", "2026-06-01T02:00:00Z");
    let line = |from: &str, until: &str| {
        format!(
            "last(\"login\") > {} && last(\"login\") <= {} && (customer.level > 1)",
            ms(from),
            ms(until)
        )
    };
    // The times join, so that nobody is asked for twice or left out.
    let expected = [
        line("2026-05-02T00:30:00Z", "2026-05-02T01:00:00Z"),
        line("2026-05-02T01:00:00Z", "2026-05-02T02:00:00Z"),
    ];
    assert_eq!(*world.conditions.borrow(), expected);
}

#[test]
fn a_late_poll_gives_what_was_due_within_its_bound() {
    let calendar = calendar(r#"{ "late_hours": 24 }"#);
    let asked = |every| [subscription("j/calendar", &format!(r#"{{ "every": {every} }}"#))];
    for (every, now, expected) in [
        ("\"day\"", "2026-06-01T20:00:00Z", "2026-06-01T09:00:00Z c {\"date\":\"2026-06-01\"}"),
        // Of several days the last.
        ("\"day\"", "2026-06-09T20:00:00Z", "2026-06-09T09:00:00Z c {\"date\":\"2026-06-09\"}"),
        ("\"monday\"", "2026-06-02T08:00:00Z", "2026-06-01T09:00:00Z c {\"date\":\"2026-06-01\"}"),
        ("\"monday\"", "2026-06-02T10:00:00Z", ""),
    ] {
        let world = world(&[("c", "", "", "")]);
        world.now.set(ms("2026-06-01T00:00:00Z"));
        let first = poll(&calendar, &world, &asked(every), None);
        assert_eq!(told(&first.events), "", "nothing is due yet");
        world.now.set(ms(now));
        let late = poll(&calendar, &world, &asked(every), first.cursor.as_deref());
        assert_eq!(told(&late.events), expected, "{every} {now}");
        // And never again.
        let again = poll(&calendar, &world, &asked(every), late.cursor.as_deref());
        assert_eq!(told(&again.events), "");
    }
}

#[test]
fn a_large_audience_takes_several_polls_and_a_repeated_one_gives_the_same() {
    let ids: Vec<String> = (0..500).map(|number| format!("c-{number:03}")).collect();
    let customers: Vec<_> = ids.iter().map(|id| (id.as_str(), "", "", "")).collect();
    let mut world = world(&customers);
    (world.part, world.takes) = (30, 200);
    let calendar = calendar("{}");
    let asked = [
        subscription("j/calendar", r#"{ "every": "day" }"#),
        subscription("k/calendar", r#"{ "once": "2026-06-01T09:00:00Z" }"#),
    ];
    world.now.set(ms("2026-06-01T08:00:00Z"));
    let mut cursor = poll(&calendar, &world, &asked, None).cursor;
    world.now.set(ms("2026-06-01T09:00:00Z"));
    let (mut polls, mut given) = (0, Vec::new());
    while given.len() < 1_000 {
        let began = world.now.get();
        let polled = poll(&calendar, &world, &asked, cursor.as_deref());
        assert!(world.now.get() - began < 1_000, "a poll is short");
        assert!(polled.events.len() <= 90);
        let repeated = poll(&calendar, &world, &asked, cursor.as_deref());
        let ids =
            |polled: &Polled| polled.events.iter().map(|one| one.id.clone()).collect::<Vec<_>>();
        assert_eq!(ids(&polled), ids(&repeated));
        given.extend(polled.events);
        cursor = polled.cursor;
        polls += 1;
        assert!(polls < 30, "it comes to its end");
        world.now.set(world.now.get() + 500);
    }
    let unique: std::collections::BTreeSet<_> = given.iter().map(|event| &event.id).collect();
    assert_eq!((given.len(), unique.len()), (1_000, 1_000));
    assert!(given.iter().all(|event| event.id.len() <= 128));
}

#[test]
fn a_subscription_that_cannot_be_served_leaves_the_others_alone() {
    let world = world(&[("c", "", "", "")]);
    let calendar = calendar("{}");
    let asked = [
        subscription("a/calendar", r#"{ "every": "day", "when": "wrong" }"#),
        subscription("b/calendar", r#"{ "holiday": "easter" }"#),
        subscription("c/calendar", r#"{ "date": "birthday" }"#),
        subscription("d/calendar", r#"{ "every": "day" }"#),
    ];
    let events = run(&calendar, &world, &asked, "2026-06-01T08:00:00Z", "2026-06-01T09:01:00Z");
    assert_eq!(told(&events), r#"2026-06-01T09:00:00Z c {"date":"2026-06-01"}"#);
    let complaints = world.complaints.borrow().join("\n");
    for expected in [
        "subscription a/calendar: 1:1: it is wrong",
        "subscription b/calendar: holiday: the connection's configuration has no holiday `easter`",
        "subscription c/calendar: the connection may not see the customers' field `birthday`",
    ] {
        assert!(complaints.contains(expected), "{complaints}");
    }
}

#[test]
fn configurations_that_make_no_sense() {
    for (config, place) in [
        (r#"{ "zone": "Shanghai" }"#, "/zone"),
        (r#"{ "late_hours": 0 }"#, "/late_hours"),
        (r#"{ "holidays": { "x": ["2027-01-01", "2027-02-30"] } }"#, "/holidays/x/1"),
    ] {
        let config: Config = serde_json::from_str(config).unwrap();
        assert_eq!(Calendar::new(config).err().map(|problem| problem.path).as_deref(), Some(place));
    }
}

#[test]
fn the_schemas_are_json() {
    for schema in
        [include_str!("../config.schema.json"), include_str!("../subscription.schema.json")]
    {
        serde_json::from_str::<serde_json::Value>(schema).unwrap();
    }
}
