//! Segment files, and what the functions over the past come to.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::path::Path;

use serde_json::{Map, Value, json};
use waystation_journey::{
    Audience, Background, Customer, MAX_PAST, Past, Segments, check_in, check_segment,
};

use crate::shop::{connections, lines};

const NOW: i64 = 1_790_000_000_000;
const DAY: i64 = 24 * 60 * 60 * 1000;

/// Checks a segment with this condition, which starts at 2:7.
#[track_caller]
fn when(condition: &str, expected: &str) {
    let source = format!("segment: s\nwhen: {condition}\n");
    let checked = check_segment(&source, &Segments::default());
    assert_eq!(lines(&checked.problems), expected, "{condition}");
    assert_eq!(checked.segment.is_none(), !expected.is_empty());
}

/// The segments that come with the project.
fn examples() -> Segments {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../journeys/segments");
    let mut files: Vec<_> =
        std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    let mut segments = Segments::default();
    // The one that another asks for is tried again once that is known.
    for file in files.iter().chain(&files) {
        let source = std::fs::read_to_string(file).unwrap();
        if let Some(segment) = check_segment(&source, &segments).segment {
            segments = segments.with(segment).unwrap();
        }
    }
    assert_eq!(segments.names().count(), files.len(), "every example is sound");
    segments
}

/// Events as name, days ago, and amount.
fn past(events: &[(&str, i64, f64)]) -> Past {
    let mut past = Past::default();
    for (name, days, amount) in events {
        let properties = Map::from_iter([("amount".to_owned(), Value::from(*amount))]);
        past.add(name, NOW - days * DAY, properties);
    }
    past
}

fn customer(attributes: Value, tags: &[&str]) -> Customer {
    let Value::Object(attributes) = attributes else { panic!("an object") };
    let tags = tags.iter().map(|tag| (*tag).to_owned()).collect();
    Customer { id: "c".to_owned(), attributes, tags, ..Customer::default() }
}

#[test]
fn the_examples_hold_for_whom_they_should() {
    let segments = examples();
    let is = |name: &str, attributes: Value, tags: &[&str], events: &[(&str, i64, f64)]| {
        let past = past(events);
        let background = Background { past: Some(&past), segments: Some(&segments) };
        let audience = segments.get(name).unwrap().audience();
        audience.holds(&customer(attributes, tags), &[], background, NOW)
    };
    let member = |registered: &str| json!({ "registered": registered, "level": "ordinary", "region": "east" });
    assert!(is("registered-ordinary", member("2023-09-01"), &[], &[]));
    assert!(!is("registered-ordinary", member("2024-04-01"), &[], &[]));
    assert!(!is("registered-ordinary", json!({ "level": "ordinary" }), &[], &[]));
    let none = || json!({});
    assert!(is("bought-once", none(), &[], &[("order.paid", 29, 10.0)]));
    assert!(!is("bought-once", none(), &[], &[("order.paid", 29, 10.0), ("order.paid", 2, 10.0)]));
    assert!(!is("bought-once", none(), &[], &[("order.paid", 31, 10.0)]));
    assert!(is("asleep", none(), &[], &[("login", 90, 0.0)]));
    assert!(!is("asleep", none(), &[], &[("login", 90, 0.0), ("login", 89, 0.0)]));
    assert!(!is("asleep", none(), &[], &[]));
    assert!(is("quiet", none(), &[], &[("login", 61, 0.0)]));
    assert!(!is("quiet", none(), &[], &[("order.paid", 59, 0.0)]));
    let tags = ["mother-and-baby", "carted-unpaid", "joined-never-ordered"];
    assert!(is("joined-never-ordered", none(), &tags, &[]));
    assert!(!is("joined-never-ordered", none(), &tags[1..], &[]));
    assert!(is("high-value", none(), &[], &[("order.paid", 3, 999.5), ("order.paid", 4, 0.5)]));
    assert!(!is("high-value", none(), &[], &[("order.paid", 3, 1000.0)]));
    let lost = [("order.paid", 60, 400.0), ("order.paid", 700, 100.0)];
    let old = || json!({ "registered": "2020-01-01" });
    assert!(is("at-risk", old(), &[], &lost));
    assert!(is("at-risk", none(), &[], &lost), "who cannot be told to be new is not");
    assert!(!is("at-risk", old(), &[], &lost[..1]));
    assert!(is("new-member", json!({ "registered": NOW - 6 * DAY }), &[], &[]));
    assert!(!is("new-member", old(), &[], &[]));
    assert!(is("carted-unpaid", none(), &[], &[("cart.item_added", 1, 0.0)]));
    assert!(!is(
        "carted-unpaid",
        none(),
        &[],
        &[("cart.item_added", 1, 0.0), ("order.paid", 0, 1.0)]
    ));
    let her =
        |age: i64| json!({ "gender": "female", "age": age, "interests": ["travel", "beauty"] });
    assert!(is("beauty", her(25), &[], &[]));
    assert!(!is("beauty", her(36), &[], &[]));
}

#[test]
fn only_the_newest_events_count_and_none_of_the_future() {
    let mut past = Past::default();
    for _ in 0..MAX_PAST + 5 {
        past.add("a", NOW, Map::new());
    }
    past.add("b", NOW + 1, Map::new());
    past.add("b", NOW - DAY, Map::new());
    let segments = Segments::default();
    for (when, expected) in [
        ("count('a', '1d') == 1000", true),
        // A window does not include the moment it starts at.
        ("count('b', '1d') == 0", true),
        ("count('b', '2d') == 1 && last('b') == now - 86400000", true),
        ("days_since('b') == 1", true),
        ("days_since('c') >= 0 || count('c', '1d') == 0", true),
        ("!(last('c') > 0)", false),
        ("sum('a', 'amount', '1d') == 0", true),
    ] {
        let audience = Audience::parse(when, &segments).unwrap();
        let background = Background { past: Some(&past), segments: Some(&segments) };
        assert_eq!(audience.holds(&Customer::default(), &[], background, NOW), expected, "{when}");
    }
}

#[test]
fn calls_that_are_wrong() {
    let error = "error: when:";
    when(
        "count('order.paid') > 1",
        &format!(
            "2:7: {error} `count` is not written this way; such as count(\"order.paid\", \"30d\")"
        ),
    );
    when(
        "count('order paid', '3d') > 1",
        &format!(
            "2:13: {error} `order paid` is no event name: letters, digits and `_ - . :`, such as `order.paid`; at most 128 characters"
        ),
    );
    when(
        "count('a', '3 days') > 1",
        &format!(
            "2:18: {error} `3 days` is no duration; write such as 90s, 15m, 12h, 7d, 2w or 1d12h"
        ),
    );
    when(
        "count(customer.a, '3d') > 1",
        &format!(
            "2:21: {error} the event must be written out in quotes, so that a check knows what is read"
        ),
    );
    when(
        "sum('a', 'b c', '3d') > 1",
        &format!(
            "2:16: {error} `b c` is no name of a property; write it as after `event.`, such as \"amount\""
        ),
    );
    when(
        "cuont('a', '3d') > 1",
        &format!("2:7: {error} unknown function `cuont`; did you mean `count`?"),
    );
    when(
        "in_segment('vip')",
        &format!(
            "2:18: {error} there is no segment `vip`; apply its file with `waystation segment apply`"
        ),
    );
    when(
        "event.a == 1",
        &format!("2:7: {error} there is no `event` at hand here; only the customer is known"),
    );
}

#[test]
fn what_a_database_cannot_be_asked() {
    let error = "error: when:";
    when(
        "customer.name.matches('^a')",
        &format!(
            "2:21: {error} a segment cannot use `matches`; write `startsWith`, `endsWith` or `contains`"
        ),
    );
    when(
        "customer.a ? true :false",
        &format!("2:18: {error} a segment cannot use `? :`; write `(a && b) || (!a && c)`"),
    );
    when(
        "customer.a == customer.b",
        &format!(
            "2:18: {error} a segment can only ask whether something equals a fixed value, such as a text, a number, true or null"
        ),
    );
    when("count('a', '1d') == 'x'", &format!("2:24: {error} a number never equals a text"));
    when(
        "count('a', '1d')",
        &format!(
            "2:12: {error} a condition must be true or false; compare the value with something"
        ),
    );
    when(
        "customer.tags.exists(t, t == 'x')",
        &format!(
            "2:21: {error} of the macros, a segment can only use `coupons.exists(c, …)`; for tags write `\"tag\" in customer.tags`"
        ),
    );
    when(
        "coupons.exists(c, c.campain == 'x')",
        &format!(
            "2:26: {error} a coupon has no `campain`; did you mean `campaign`? (`c` is the coupon)"
        ),
    );
}

#[test]
fn segments_ask_for_each_other_without_a_circle() {
    let segment = |name: &str, when: &str, known: &Segments| {
        let checked = check_segment(&format!("segment: {name}\nwhen: {when}\n"), known);
        checked.segment.unwrap_or_else(|| panic!("{:?}", checked.problems))
    };
    let none = Segments::default();
    let one = none.with(segment("one", "has(customer.a)", &none)).unwrap();
    let two = one.with(segment("two", "in_segment('one')", &one)).unwrap();
    let circle = two.with(segment("one", "in_segment('two')", &two)).unwrap_err();
    assert_eq!(circle, "segment `one` asks for itself, by way of others or directly");
    assert_eq!(two.without("one").unwrap_err(), "two");
    assert_eq!(two.without("two").unwrap().names().collect::<Vec<_>>(), ["one"]);
}

#[test]
fn a_journey_tells_what_it_reads() {
    let source = "journey: j\nentry: { event: go, when: \"count('a', '3d') > 1 && in_segment('vip')\" }\nsteps: [{ if: \"sum('a', 'v', '1d') > 2\", then: [{ wait: 1h }] }]\n";
    let checked = waystation_journey::check(source, Some(&connections()));
    let program = checked.program.unwrap();
    let need = program.needs().events["a"];
    assert_eq!((need.window, need.latest, need.properties), (3 * DAY, false, true));
    assert!(program.needs().segments.contains("vip"));
    let known = check_in(source, &connections(), &Segments::default());
    assert_eq!(
        lines(&known.problems),
        "2:63: error: entry.when: there is no segment `vip`; apply its file with `waystation segment apply`"
    );
}
