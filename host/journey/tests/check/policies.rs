use waystation_journey::{Policy, check};

use crate::shop::lines;
use crate::with;

#[test]
fn priority_and_tags() {
    for line in
        ["priority: high", "priority: 0", "priority: 100", "tags: [wake-up, vip]", "tags: wake-up"]
    {
        with(line, "");
    }
    for (text, priority) in [("low", 20), ("medium", 50), ("high", 80), ("7", 7)] {
        let file = format!(
            "journey: a\nentry: {{ event: go }}\nsteps: [{{ wait: 1h }}]\npriority: {text}\n"
        );
        assert_eq!(check(&file, None).program.unwrap().priority(), priority, "{text}");
    }
    with(
        "priority: 101",
        "4:11: error: priority: `101` is no priority; write low, medium, high or a number from 0 to 100",
    );
    with(
        "priority: urgent",
        "4:11: error: priority: `urgent` is no priority; write low, medium, high or a number from 0 to 100",
    );
    with(
        "tags: [Wake up]",
        "4:8: error: tags[0]: `Wake up` is no tag of messages: lower case letters and digits in groups joined by `-`, such as `wake-up`",
    );
}

#[test]
fn windows() {
    for line in [
        "window: { days: workdays, hours: ['10:00-12:00', '19:00-21:00'], zone: customer, calendar: CN }",
        "window: { days: [monday, thursday] }",
        "window: { hours: '21:00-08:00', zone: Asia/Shanghai }",
        "window: { days: all, hours: '00:00-24:00' }",
    ] {
        with(line, "");
    }
    let cases = [
        ("window: always", "4:9: error: window: the window must be a mapping, not a single value"),
        (
            "window: {}",
            "4:9: error: window: the window is always open; give `days`, `hours` or both",
        ),
        (
            "window: { days: weekdays }",
            "4:17: error: window.days: `weekdays` are no days; write all, workdays, or weekdays such as [monday, thursday]",
        ),
        (
            "window: { days: [monday, funday] }",
            "4:26: error: window.days[1]: `funday` is no weekday; did you mean `sunday`?",
        ),
        (
            "window: { days: [] }",
            "4:17: error: window.days: no weekday is given; name one at least",
        ),
        (
            "window: { hours: '9-18' }",
            "4:18: error: window.hours: `9-18` are no hours; write such as \"10:00-12:00\", or \"21:00-08:00\" past midnight",
        ),
        (
            "window: { hours: ['09:00-09:00'] }",
            "4:19: error: window.hours[0]: `09:00-09:00` are no hours; write such as \"10:00-12:00\", or \"21:00-08:00\" past midnight",
        ),
        (
            "window: { hours: '09:00-25:00' }",
            "4:18: error: window.hours: `09:00-25:00` are no hours; write such as \"10:00-12:00\", or \"21:00-08:00\" past midnight",
        ),
        (
            "window: { hours: [] }",
            "4:18: error: window.hours: give 1 to 16 ranges of hours, or leave `hours` out",
        ),
        (
            "window: { hours: '09:00-18:00', zone: Asia/Shangai }",
            "4:39: error: window.zone: `Asia/Shangai` is no time zone; did you mean `Asia/Shanghai`?",
        ),
        (
            "window: { days: workdays, calendar: FR }",
            "4:37: error: window.calendar: there is no holiday calendar `FR`; known here: CN, DE, US",
        ),
        (
            "window: { days: [monday], calendar: CN }",
            "4:9: warning: window: the calendar means nothing here: only `days: workdays` asks it",
        ),
        (
            "window: { day: workdays }",
            "4:11: error: window: unknown key `day`; did you mean `days`? known here: days, hours, zone, calendar\n4:9: error: window: the window is always open; give `days`, `hours` or both",
        ),
    ];
    for (line, expected) in cases {
        let mut expected: Vec<&str> = expected.lines().collect();
        expected.sort_by_key(|line| {
            line.split(':').nth(1).and_then(|column| column.parse::<u32>().ok())
        });
        with(line, &expected.join("\n"));
    }
}

#[test]
fn limits() {
    // R22 and R37.
    with("tags: [wake-up]\nlimits: [{ messages: 2, per: 30d, tag: wake-up }]", "");
    with(
        "limits: [{ messages: 3, per: 24h }, { messages: 1, per: 7d, channel: sms, over: wait }]",
        "",
    );
    let cases = [
        ("limits: [{ per: 30d }]", "4:10: error: limits[0]: `messages` is missing"),
        ("limits: { messages: 1 }", "4:9: error: limits: `per` is missing"),
        (
            "limits: { messages: 0, per: 1d }",
            "4:21: error: limits.messages: `0` is no number of messages; write 1 to 1000",
        ),
        (
            "limits: { messages: few, per: 1d }",
            "4:21: error: limits.messages: `few` is no number of messages; write 1 to 1000",
        ),
        (
            "limits: { messages: 1, per: 400d }",
            "4:29: error: limits.per: a limit counts over 366d at most",
        ),
        (
            "limits: { messages: 1, per: month }",
            "4:29: error: limits.per: `month` is no duration; write such as 90s, 15m, 12h, 7d, 2w or 1d12h",
        ),
        (
            "limits: { messages: 1, per: 1d, over: drop }",
            "4:39: error: limits.over: `drop` is no way to go on; known here: skip, wait",
        ),
        (
            "limits: { messages: 1, per: 1d, tag: x }",
            "4:38: warning: limits.tag: the journey's own messages do not carry the tag and are not counted; add `tags: [x]`",
        ),
        (
            "limits: { messages: 1, per: 1d, step: x }",
            "4:33: error: limits: unknown key `step`; known here: messages, per, tag, channel, over",
        ),
    ];
    for (line, expected) in cases {
        with(line, expected);
    }
}

#[test]
fn policies_of_a_workspace() {
    let whole = "
zone: Asia/Shanghai
calendar: CN
quiet: { hours: ['21:00-08:00'] }
window: { days: workdays, hours: ['10:00-12:00', '19:00-21:00'] }
limits: [{ messages: 3, per: 24h }]
first: customer.level >= 3
";
    let checked = Policy::check(whole);
    assert_eq!(lines(&checked.problems), "");
    let policy = checked.policy.unwrap();
    assert_eq!(policy.zone().name(), "Asia/Shanghai");
    assert_eq!(policy.calendar().unwrap().name(), "CN");
    assert_eq!(policy.limits()[0].to_string(), "3 messages in 24h");
    let cases = [
        ("{}", ""),
        (
            "zone: here",
            "1:7: error: zone: `here` is no time zone; write such as Asia/Shanghai or Europe/Berlin",
        ),
        ("quiet: {}", "1:8: error: quiet: `hours` is missing"),
        (
            "quiet: { hours: '21:00-08:00', days: all }",
            "1:32: error: quiet: unknown key `days`; known here: hours, zone",
        ),
        (
            "first: count('order.paid', '30d') > 3",
            "1:8: error: first: only attributes and tags of the customer are at hand for every message; set a tag by a journey and ask for that",
        ),
        (
            "first: event.amount > 3",
            "1:8: error: first: there is no `event` at hand here; only the customer is known",
        ),
        (
            "priority: high",
            "1:1: error: unknown key `priority`; known here: zone, calendar, quiet, window, limits, dedupe, first",
        ),
    ];
    for (file, expected) in cases {
        let checked = Policy::check(file);
        assert_eq!(lines(&checked.problems), expected, "in {file}");
        assert_eq!(checked.policy.is_some(), expected.is_empty(), "{file}");
    }
}
