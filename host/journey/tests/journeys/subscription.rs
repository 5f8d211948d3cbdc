//! Who enters by which event.

use serde_json::{Value, json};
use waystation_journey::{
    Background, Event, HOST_SOURCE, JOURNEY_ENROLL, JOURNEY_FINISHED, check, entry, subscription_id,
};

use crate::story::{DAWN, customer, event};

const BY_EVENT: &str =
    "{ journey: by-event, entry: { event: go, when: event.n > 1 }, steps: [{ wait: 1h }] }";
const BY_SUBSCRIPTION: &str = "{ journey: by-date, entry: { use: calendar, with: { date: birthday }, when: event.n > 1 }, steps: [{ wait: 1h }] }";
const BY_HAND: &str = "{ journey: by-hand, entry: { event: journey.enroll, when: event.n > 1 }, steps: [{ wait: 1h }] }";
const AFTER: &str = "{ journey: after, entry: { event: journey.finished }, steps: [{ wait: 1h }] }";

fn enters(journey: &str, event: &Event) -> bool {
    let program = check(journey, None).program.expect("the journey is sound");
    entry(&program, event, &customer(json!({})), &[], Background::default(), DAWN)
        .expect("it can be evaluated")
        .is_some()
}

fn answering(id: Option<&str>, properties: Value) -> Event {
    Event { subscription: id.map(str::to_owned), ..event("go", DAWN, properties) }
}

fn of_host(name: &str, properties: Value) -> Event {
    Event { source: HOST_SOURCE.to_owned(), ..event(name, DAWN, properties) }
}

#[test]
fn an_event_that_answers_a_subscription_is_for_that_journey_alone() {
    let own = subscription_id("by-date", "calendar");
    let two = || json!({ "n": 2 });
    for (id, properties, by_event, by_date) in [
        (None, two(), true, false),
        (Some(own.as_str()), two(), false, true),
        (Some(own.as_str()), json!({ "n": 1 }), false, false),
        (Some("by-date/other"), two(), false, false),
        (Some("by-event/calendar"), two(), false, false),
    ] {
        let event = answering(id, properties);
        assert_eq!(enters(BY_EVENT, &event), by_event, "{id:?}");
        assert_eq!(enters(BY_SUBSCRIPTION, &event), by_date, "{id:?}");
    }
    let event = answering(Some(&own), json!({}));
    assert!(event.concerns("by-date") && !event.concerns("by-event"));
    assert!(answering(None, json!({})).concerns("by-event"));
}

#[test]
fn by_hand_a_customer_enters_the_named_journey_whatever_its_rule() {
    let by_hand = |journey: &str| of_host(JOURNEY_ENROLL, json!({ "journey": journey, "n": 0 }));
    assert!(enters(BY_EVENT, &by_hand("by-event")));
    assert!(enters(BY_SUBSCRIPTION, &by_hand("by-date")));
    assert!(!enters(BY_EVENT, &by_hand("by-date")));
    // Where this is the very event that customers enter by, its condition holds.
    assert!(!enters(BY_HAND, &by_hand("by-hand")));
    assert!(enters(BY_HAND, &of_host(JOURNEY_ENROLL, json!({ "journey": "by-hand", "n": 2 }))));
    // Only the host enrolls by hand.
    let foreign = event(JOURNEY_ENROLL, DAWN, json!({ "journey": "by-event" }));
    assert!(!enters(BY_EVENT, &foreign));
}

#[test]
fn no_journey_is_entered_by_its_own_end() {
    let ended = |journey: &str| of_host(JOURNEY_FINISHED, json!({ "journey": journey }));
    assert!(enters(AFTER, &ended("by-event")));
    assert!(!enters(AFTER, &ended("after")));
}
