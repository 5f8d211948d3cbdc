//! Entering by what a trigger source brings.

use waystation_journey::{check, subscription_id};

use crate::finds;

/// Checks a journey with this entry, which starts at 2:8.
#[track_caller]
fn enters(entry: &str, expected: &str) {
    finds(&format!("journey: a\nentry: {entry}\nsteps: [{{ wait: 1h }}]\n"), expected);
}

#[test]
fn a_subscription_is_a_connection_with_parameters() {
    let entry = "{ use: calendar, with: { date: birthday, at: 09:00, years: [18] }, when: customer.age > 17, again: always }";
    enters(entry, "");
    let file = format!("journey: a\nentry: {entry}\nsteps: [{{ wait: 1h }}]\n");
    let program = check(&file, None).program.unwrap();
    let subscription = program.subscription().unwrap();
    assert_eq!(subscription.id, subscription_id("a", "calendar"));
    assert_eq!(subscription.connection, "calendar");
    let parameters = serde_json::to_string(subscription.parameters).unwrap();
    assert_eq!(parameters, r#"{"at":"09:00","date":"birthday","years":[18]}"#);
    assert_eq!(program.entry_event(), None);
    assert_eq!(program.connections().collect::<Vec<_>>(), ["calendar"]);
}

#[test]
fn it_must_be_a_trigger_source() {
    enters(
        "{ use: sms, with: { date: birthday } }",
        "2:15: error: entry.use: connection `sms` is no trigger source; known here: calendar",
    );
    enters(
        "{ use: calender, with: { date: birthday } }",
        "2:15: error: entry.use: there is no connection `calender`; did you mean `calendar`?",
    );
}

#[test]
fn it_is_either_an_event_or_a_subscription() {
    enters("{}", "2:8: error: entry: `event` is missing");
    enters(
        "{ event: go, use: calendar }",
        "2:26: error: entry: a customer enters either by an `event` or by what the trigger source `use` brings; leave one out",
    );
    enters(
        "{ event: go, with: { date: birthday } }",
        "2:27: error: entry: `with` goes with `use`: an event takes no parameters",
    );
}

#[test]
fn parameters_are_held_against_the_whole_schema() {
    enters("{ use: calendar }", "2:8: error: entry.with: \"date\" is a required property");
    enters(
        "{ use: calendar, with: { date: 5, at: 9am, years: [1, x] } }",
        "2:39: error: entry.with.date: 5 is not of type \"string\"
2:46: error: entry.with.at: \"9am\" does not match \"^[0-9]{2}:[0-9]{2}$\"
2:62: error: entry.with.years[1]: \"x\" is not of type \"integer\"",
    );
    enters(
        "{ use: calendar, with: { date: '{{ customer.day }}' } }",
        "2:39: error: entry.with.date: this is a fixed value; templates are filled in elsewhere only",
    );
    enters(
        "{ use: calendar, with: birthday }",
        "2:31: error: entry.with: the parameters must be a mapping, not a single value",
    );
}

#[test]
fn who_enters_by_a_segment_says_which() {
    let missing = "say which segment customers come into: `when: event.segment == \"its-name\"`";
    enters("{ event: segment.entered }", &format!("2:8: error: entry: {missing}"));
    enters(
        "{ event: segment.entered, when: event.segment != 'a' }",
        &format!("2:40: error: entry: {missing}"),
    );
    let file = "
journey: a
entry: { event: segment.entered, when: 'now > 5 && (event.segment == \"vip\" || event.segment in [\"a\", \"b\"])' }
exit: [{ event: segment.entered, when: '\"lost\" == event.segment' }, { event: go, when: event.segment == 'c' }]
steps: [{ wait: 1h }]
";
    let program = check(file, None).program.unwrap();
    let watched: Vec<String> = program.watched_segments().into_iter().collect();
    assert_eq!(watched, ["a", "b", "lost", "vip"]);
}
