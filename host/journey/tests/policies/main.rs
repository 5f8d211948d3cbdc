//! What is decided about a message when it is about to be sent.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod properties;

use std::sync::Arc;

use serde_json::json;
use waystation_journey::{
    ChannelFacts, ContentKind, Counted, Customer, Message, Policy, Program, Ruling, Zone, check,
};

pub(crate) const HOUR: i64 = 3_600_000;
pub(crate) const DAY: i64 = 24 * HOUR;

pub(crate) fn at(text: &str) -> i64 {
    text.parse::<jiff::Timestamp>()
        .unwrap_or_else(|error| panic!("{text}: {error}"))
        .as_millisecond()
}

/// A journey of this name with these further lines.
pub(crate) fn program(name: &str, lines: &str) -> Arc<Program> {
    let file =
        format!("journey: {name}\nentry: {{ event: go }}\nsteps: [{{ wait: 1h }}]\n{lines}\n");
    let checked = check(&file, None);
    Arc::new(checked.program.unwrap_or_else(|| panic!("{:?}", checked.problems)))
}

pub(crate) fn policy(file: &str) -> Arc<Policy> {
    let checked = Policy::check(file);
    Arc::new(checked.policy.unwrap_or_else(|| panic!("{:?}", checked.problems)))
}

/// Somebody in Shanghai who can be reached by phone, and agreed to it.
pub(crate) fn lin() -> Customer {
    Customer {
        id: "lin".to_owned(),
        attributes: json!({ "zone": "Asia/Shanghai" }).as_object().unwrap().clone(),
        identities: [("phone".to_owned(), "+86 1".to_owned())].into(),
        consents: [("marketing".to_owned(), ["phone".to_owned()].into())].into(),
        ..Customer::default()
    }
}

fn sms() -> ChannelFacts {
    ChannelFacts { address: "phone".to_owned(), contents: [ContentKind::Text].into() }
}

/// A message that went out: `key journey connection [tag] time`.
pub(crate) fn sent(text: &str) -> Counted {
    let words: Vec<&str> = text.split(' ').collect();
    let (tags, time) = match words[3..] {
        [tag, time] => (vec![tag.to_owned()], time),
        [time] => (Vec::new(), time),
        _ => panic!("{text}"),
    };
    Counted {
        key: words[0].to_owned(),
        journey: words[1].to_owned(),
        connection: words[2].to_owned(),
        step: "steps[0]".to_owned(),
        tags,
        at: at(time),
    }
}

/// What is decided about a message of a journey through `sms`: `go`, or what becomes of it and why.
pub(crate) fn decided(
    policy: &Arc<Policy>,
    program: &Arc<Program>,
    customer: &Customer,
    taken: &[Counted],
    now: i64,
) -> String {
    let channel = sms();
    let message = Message {
        key: "now",
        step: "steps[0]",
        customer,
        purpose: program.purpose(),
        connection: "sms",
        channel: &channel,
        program,
        policy,
    };
    let zone = Zone::of(customer, policy.zone());
    match message.decide(taken, now) {
        Ok(address) => format!("go {address}"),
        Err(Ruling::Suppress(held)) => format!("suppressed: {}", held.clause(&zone)),
        Err(Ruling::Delay { until, held }) => {
            format!("until {}: {}", zone.write(until), held.clause(&zone))
        }
    }
}

#[track_caller]
fn decides(policy_file: &str, journey: &str, taken: &[&str], now: &str, expected: &str) {
    let taken: Vec<Counted> = taken.iter().map(|text| sent(text)).collect();
    let told = decided(&policy(policy_file), &program("cart", journey), &lin(), &taken, at(now));
    assert_eq!(told, expected, "{journey} at {now}");
}

const NOON: &str = "2026-06-01T12:00:00+08:00";

#[test]
fn consent_and_address_come_first() {
    let (policy, marketing) = (policy("quiet: { hours: '00:00-24:00' }"), program("cart", ""));
    let receipt = program("receipt", "purpose: transactional");
    let nowhere = Customer { identities: [].into(), ..lin() };
    let unasked = Customer { consents: [].into(), ..lin() };
    let withdrawn =
        Customer { consents: [("transactional".to_owned(), [].into())].into(), ..lin() };
    let cases = [
        (&marketing, &nowhere, "suppressed: the customer has no phone address"),
        (&marketing, &unasked, "suppressed: the customer has not agreed to marketing by phone"),
        (&receipt, &unasked, "go +86 1"),
        (
            &receipt,
            &withdrawn,
            "suppressed: the customer has withdrawn from transactional messages by phone",
        ),
        (&marketing, &lin(), "suppressed: the quiet hours leave no time within 400 days"),
    ];
    for (program, customer, expected) in cases {
        assert_eq!(
            decided(&policy, program, customer, &[], at(NOON)),
            expected,
            "{}",
            program.name()
        );
    }
}

#[test]
fn r21_r57_messages_wait_for_the_window_and_the_journey_s_own_wins() {
    let r21 = "zone: UTC\ncalendar: CN\nwindow: { days: workdays, hours: ['10:00-12:00', '19:00-21:00'] }";
    let shut = "the workspace's window workdays 10:00-12:00, 19:00-21:00 (customer's time)";
    let r57 = "window: { days: workdays, hours: ['09:00-18:00'] }";
    let cases = [
        ("", "2026-06-01T11:59:59+08:00", "go +86 1".to_owned()),
        ("", NOON, format!("until Mon 2026-06-01 19:00: it was outside {shut}")),
        ("", "2026-06-05T21:00:00+08:00", format!("until Mon 2026-06-08 10:00: it was outside {shut}")),
        ("", "2026-02-14T22:00:00+08:00", format!("until Tue 2026-02-24 10:00: it was outside {shut}")),
        // Tables A and D: a journey's own window wins.
        (r57, NOON, "go +86 1".to_owned()),
        (
            r57,
            "2026-06-01T19:30:00+08:00",
            "until Tue 2026-06-02 09:00: it was outside the journey's window workdays 09:00-18:00 (customer's time)".to_owned(),
        ),
        // A second touch two hours after one at 17:00 comes the next morning.
        (
            r57,
            "2026-06-05T19:00:00+08:00",
            "until Mon 2026-06-08 09:00: it was outside the journey's window workdays 09:00-18:00 (customer's time)".to_owned(),
        ),
        ("purpose: transactional", "2026-06-07T03:00:00+08:00", "go +86 1".to_owned()),
    ];
    for (journey, now, expected) in cases {
        decides(r21, journey, &[], now, &expected);
    }
}

#[test]
fn quiet_hours_hold_whatever_the_window() {
    let quiet = "quiet: { hours: '21:00-08:00' }";
    let night = "it was within the quiet hours 21:00-08:00 (customer's time)";
    decides(quiet, "", &[], "2026-06-01T20:59:59+08:00", "go +86 1");
    decides(
        quiet,
        "",
        &[],
        "2026-06-01T21:00:00+08:00",
        &format!("until Tue 2026-06-02 08:00: {night}"),
    );
    decides(
        quiet,
        "window: { hours: '06:00-09:00' }",
        &[],
        NOON,
        "until Tue 2026-06-02 08:00: it was outside the journey's window 06:00-09:00 (customer's time)",
    );
    decides(
        quiet,
        "window: { hours: '22:00-23:00' }",
        &[],
        NOON,
        "suppressed: the window 22:00-23:00 (customer's time) has no opening outside quiet hours within 400 days",
    );
}

#[test]
fn r37_at_most_three_marketing_messages_in_24_hours_across_journeys() {
    let r37 = "limits: [{ messages: 3, per: 24h }]";
    let three = [
        "a welcome mail 2026-05-31T12:00:00.001+08:00",
        "b cart sms 2026-06-01T09:00:00+08:00",
        "c sale sms 2026-06-01T11:00:00+08:00",
    ];
    decides(r37, "", &three[1..], NOON, "go +86 1");
    decides(
        r37,
        "",
        &three,
        NOON,
        "suppressed: the workspace allows 3 messages in 24h, taken by sale through sms on Mon 2026-06-01 11:00 and \
         cart through sms on Mon 2026-06-01 09:00 and welcome through mail on Sun 2026-05-31 12:00",
    );
    // Sent 24 hours ago to the millisecond: it counts no more.
    decides(r37, "", &three, "2026-06-01T12:00:00.001+08:00", "go +86 1");
    decides(r37, "purpose: transactional", &three, NOON, "go +86 1");
    // The same message, attempted before.
    decides(
        r37,
        "",
        &[three[1], three[2], "now cart sms 2026-06-01T11:30:00+08:00"],
        NOON,
        "go +86 1",
    );
}

#[test]
fn r22_at_most_two_wake_up_messages_in_30_days() {
    let journey = "tags: wake-up\nlimits: [{ messages: 2, per: 30d, tag: wake-up }]";
    let taken = [
        "a dormant sms wake-up 2026-05-10T12:00:00+08:00",
        "b cart sms wake-up 2026-05-20T12:00:00+08:00",
        "c sale sms 2026-05-30T12:00:00+08:00",
    ];
    decides(
        "{}",
        journey,
        &taken,
        NOON,
        "suppressed: the journey allows 2 messages in 30d with the tag wake-up, taken by cart through sms on \
         Wed 2026-05-20 12:00 and dormant through sms on Sun 2026-05-10 12:00",
    );
    decides("{}", journey, &taken[1..], NOON, "go +86 1");
    // Of the workspace, the same limit holds for journeys with the tag alone.
    let policy = "limits: [{ messages: 2, per: 30d, tag: wake-up }]";
    decides(policy, "", &taken, NOON, "go +86 1");
    decides(
        policy,
        "tags: wake-up",
        &taken,
        NOON,
        "suppressed: the workspace allows 2 messages in 30d with the tag wake-up, taken by cart through sms on \
         Wed 2026-05-20 12:00 and dormant through sms on Sun 2026-05-10 12:00",
    );
}

#[test]
fn limits_of_a_journey_and_of_a_channel() {
    let taken = ["a cart mail 2026-06-01T10:00:00+08:00", "b sale sms 2026-06-01T11:00:00+08:00"];
    // Without a tag, a journey's limit counts its own messages.
    decides(
        "{}",
        "limits: { messages: 1, per: 7d }",
        &taken,
        NOON,
        "suppressed: the journey allows 1 message in 7d, taken by cart through mail on Mon 2026-06-01 10:00",
    );
    decides("{}", "limits: { messages: 1, per: 7d, channel: sms }", &taken, NOON, "go +86 1");
    decides("{}", "limits: { messages: 1, per: 7d, channel: mail }", &taken, NOON, "go +86 1");
    decides(
        "limits: { messages: 1, per: 7d, channel: sms }",
        "",
        &taken,
        NOON,
        "suppressed: the workspace allows 1 message in 7d through sms, taken by sale through sms on Mon 2026-06-01 11:00",
    );
}

#[test]
fn a_message_may_wait_until_there_is_room() {
    let wait = "limits: { messages: 1, per: 12h, over: wait }";
    let taken = ["a cart sms 2026-06-01T11:00:00+08:00"];
    let why =
        "the journey allows 1 message in 12h, taken by cart through sms on Mon 2026-06-01 11:00";
    decides("{}", wait, &taken, NOON, &format!("until Mon 2026-06-01 23:00: {why}"));
    // And then until the quiet hours are over.
    let quiet = "quiet: { hours: '21:00-08:00' }";
    decides(quiet, wait, &taken, NOON, &format!("until Tue 2026-06-02 08:00: {why}"));
    decides("{}", wait, &taken, "2026-06-01T23:00:00+08:00", "go +86 1");
    // Where one limit says skip, waiting is no use.
    let both = "limits: [{ messages: 1, per: 12h, over: wait }, { messages: 1, per: 7d }]";
    decides(
        "{}",
        both,
        &taken,
        NOON,
        "suppressed: the journey allows 1 message in 7d, taken by cart through sms on Mon 2026-06-01 11:00",
    );
}

#[test]
fn r39_customers_who_go_first_have_a_rank_of_their_own() {
    let policy = policy("first: customer.level >= 3");
    let level = |level: serde_json::Value| Customer {
        attributes: json!({ "level": level }).as_object().unwrap().clone(),
        ..Customer::default()
    };
    assert_eq!(policy.rank(20, &level(json!(3)), 0), 1020);
    assert_eq!(policy.rank(100, &level(json!(2)), 0), 100);
    // A condition that cannot be evaluated does not hold.
    assert_eq!(policy.rank(50, &level(json!("gold")), 0), 50);
    assert_eq!(policy.rank(50, &Customer::default(), 0), 50);
}

#[test]
fn the_same_message_goes_out_once_in_a_while() {
    let file = "{ zone: Asia/Shanghai, dedupe: 24h }";
    let other_step =
        Counted { step: "steps[1]".to_owned(), ..sent("m1 cart sms 2026-06-01T11:00:00+08:00") };
    for (taken, expected) in [
        (
            sent("m1 cart mail 2026-06-01T11:00:00+08:00"),
            "suppressed: the same message went out through mail on Mon 2026-06-01 11:00",
        ),
        (
            sent("m1 cart sms 2026-05-31T12:00:01+08:00"),
            "suppressed: the same message went out through sms on Sun 2026-05-31 12:00",
        ),
        // A day ago to the second it counts no more, and of other journeys and steps it never does.
        (sent("m1 cart sms 2026-05-31T12:00:00+08:00"), "go +86 1"),
        (sent("m1 other sms 2026-06-01T11:00:00+08:00"), "go +86 1"),
        (other_step, "go +86 1"),
    ] {
        let told = decided(&policy(file), &program("cart", ""), &lin(), &[taken], at(NOON));
        assert_eq!(told, expected);
    }
    let receipt = program("cart", "purpose: transactional");
    let taken = sent("m1 cart sms 2026-06-01T11:00:00+08:00");
    assert_eq!(decided(&policy(file), &receipt, &lin(), &[taken], at(NOON)), "go +86 1");
}
