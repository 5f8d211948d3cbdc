use waystation_journey::{Policy, check, check_under, conflicts};

use crate::shop::lines;

const TEMPLATES: &str = "templates:
  a: { en: { text: hello } }
  b: { en: { text: good day } }
  code: { en: { text: '{{ steps.offer.code }}' } }
";

/// A journey with these lines above its steps, which start on line 4 where there is one.
fn journey(head: &str, steps: &str) -> String {
    let sends =
        ["a", "b", "code"].map(|name| (name, steps.contains(&format!("template: {name} "))));
    let all = sends.iter().all(|(_, sent)| !sent);
    let used = TEMPLATES.lines().filter(|line| {
        let name = line.trim().split(':').next().unwrap_or_default();
        name == "templates" && !all || sends.contains(&(name, true))
    });
    let used: Vec<&str> = used.collect();
    format!("journey: x\nentry: {{ event: go }}\n{head}\nsteps:\n{steps}\n{}\n", used.join("\n"))
}

#[track_caller]
fn under(policy: &str, head: &str, steps: &str, expected: &str) {
    let policy = Policy::check(policy).policy.expect("a sound policy");
    let source = journey(head, steps);
    assert_eq!(lines(&check_under(&source, None, &policy).problems), expected, "in\n{source}");
}

#[track_caller]
fn finds(head: &str, steps: &str, expected: &str) {
    under("{}", head, steps, expected);
}

const A: &str = "  - send: { use: sms, template: a }\n";
const B: &str = "  - send: { use: sms, template: b }\n";

#[test]
fn messages_that_never_fit_the_window() {
    let daily = "window: { hours: '09:00-18:00' }";
    finds(
        daily,
        &format!("{A}  - wait: 12h\n{B}"),
        "7:5: warning: steps[2]: the message never goes out at its own time: it comes 12h after that of steps[0], and the window 09:00-18:00 (customer's time) is never open at both; it waits for the next opening. Change the wait or the hours, or say `wait_until: window` before it",
    );
    // A day later, or a few hours, there is room for both; and so there is if nobody knows when the first goes out.
    for sound in ["wait: 1d", "wait: 8h", "wait: 30m", "wait_until: window"] {
        finds(daily, &format!("{A}  - {sound}\n{B}"), "");
    }
    finds(
        daily,
        &format!("{A}  - wait_for: {{ event: e, up_to: 12h }}\n  - wait_until: window\n{B}"),
        "",
    );
    finds(
        "window: { hours: ['09:00-12:00', '21:00-23:00'] }",
        &format!("{A}  - wait: 12h\n{B}"),
        "",
    );
    finds("", &format!("{A}  - wait: 12h\n{B}"), "");
    let workspace = "window: { hours: '09:00-18:00' }";
    under(
        workspace,
        "",
        &format!("{A}  - wait: 12h\n{B}"),
        "7:5: warning: steps[2]: the message never goes out at its own time: it comes 12h after that of steps[0], and the workspace's window 09:00-18:00 (customer's time) is never open at both; it waits for the next opening. Change the wait or the hours, or say `wait_until: window` before it",
    );
    // The journey's own window wins.
    under(workspace, "window: { hours: '08:00-22:00' }", &format!("{A}  - wait: 12h\n{B}"), "");
    under(workspace, "purpose: transactional", &format!("{A}  - wait: 12h\n{B}"), "");
}

#[test]
fn times_of_day_outside_the_window() {
    let workspace = "window: { days: workdays, hours: ['10:00-12:00', '19:00-21:00'] }";
    let never = |time: &str| {
        format!(
            "5:5: warning: steps[0]: the workspace's window workdays 10:00-12:00, 19:00-21:00 (customer's time) is never open at {time}: the message of steps[1] waits for the next opening; change the time, or give the journey a window of its own, which wins"
        )
    };
    let friday = format!("  - wait_until: {{ time: '15:00', weekday: friday }}\n{A}");
    under(workspace, "", &friday, &never("15:00"));
    let nine = format!("  - wait_until: {{ time: '09:00' }}\n{A}");
    under(workspace, "", &nine, &never("09:00"));
    let birthday =
        format!("  - wait_until: {{ date: customer.birthday, every: year, time: '09:00' }}\n{A}");
    under(workspace, "", &birthday, &never("09:00"));
    under(workspace, "window: { hours: '09:00-18:00' }", &nine, "");
    under(
        workspace,
        "",
        &format!("  - wait_until: {{ time: '19:30', weekday: [friday, sunday] }}\n{A}"),
        "",
    );
    // Sundays are no workdays.
    under(
        workspace,
        "",
        &format!("  - wait_until: {{ time: '19:30', weekday: sunday }}\n{A}"),
        &never("19:30"),
    );
    // What the clocks of another zone show nobody knows.
    under(
        workspace,
        "",
        &format!("  - wait_until: {{ time: '09:00', zone: Asia/Tokyo }}\n{A}"),
        "",
    );
    under(workspace, "", &format!("  - wait_until: {{ time: '09:00' }}\n  - wait: 2h\n{A}"), "");
}

#[test]
fn windows_that_never_open() {
    under(
        "quiet: { hours: '21:00-08:00' }",
        "window: { hours: '22:00-07:00' }",
        A,
        "3:9: error: window: no message is ever sent: the window 22:00-07:00 (customer's time) is open in the workspace's quiet hours only; choose other hours",
    );
    under("quiet: { hours: '21:00-08:00' }", "window: { hours: '20:00-07:00' }", A, "");
    under(
        "quiet: { hours: '21:00-08:00', zone: Asia/Tokyo }",
        "window: { hours: '22:00-07:00' }",
        A,
        "",
    );
}

#[test]
fn coupons_that_are_over_too_early() {
    let issue = |valid: &str| {
        format!(
            "  - issue: {{ use: coupons, campaign: c, off: 20%, valid: {valid} }}\n    as: offer\n"
        )
    };
    let tell = "  - send: { use: sms, template: code }\n";
    finds(
        "",
        &format!("{}  - wait: 2d\n{tell}", issue("24h")),
        "8:5: warning: steps[2]: the coupon of steps[0] is always over when this message tells of it: it is valid for 24h, and at least 2d pass until here; let it be valid for longer, or wait for less",
    );
    finds("", &format!("{}  - wait: 23h\n{tell}", issue("24h")), "");
    finds("", &format!("{}  - wait_for: {{ event: e, up_to: 2d }}\n{tell}", issue("24h")), "");
    let told = "    then_send: { use: sms, template: a }\n";
    finds(
        "window: { hours: '09:00-18:00' }",
        &format!("{}{told}", issue("12h")),
        "5:5: warning: steps[0]: the coupon can be over before its message goes out: it is valid for 12h, and the window 09:00-18:00 (customer's time) can stay closed for 15h; let it be valid for longer, or say `wait_until: window` before",
    );
    finds("window: { hours: '09:00-18:00' }", &format!("{}{told}", issue("16h")), "");
    finds(
        "window: { hours: '09:00-18:00' }",
        &format!("  - wait_until: window\n{}{told}", issue("12h")),
        "",
    );
    finds(
        "goal: { event: order.paid, within: 1d }",
        &format!("  - wait: 2d\n{A}"),
        "3:7: warning: goal: the goal counts for 24h from enrollment, and no message goes out before 2d have passed: none can ever lead to it; count for longer",
    );
    finds("goal: { event: order.paid, within: 3d }", &format!("  - wait: 2d\n{A}"), "");
}

#[test]
fn ways_that_lead_nowhere() {
    for (steps, expected) in [
        (
            "  - if: 1 == 2\n    then: [{ wait: 1h }]",
            "5:9: warning: steps[0].if: the condition never holds, so nobody gets to what it leads to; remove it or write what it should ask",
        ),
        (
            "  - if: 'true'\n    then: [{ wait: 1h }]",
            "5:9: warning: steps[0].if: the condition always holds, so it decides nothing; remove it or write what it should ask",
        ),
        (
            "  - repeat: { times: 3 }\n    steps: [{ wait: 1h }, { exit: x }]",
            "5:5: warning: steps[0]: it never repeats: every turn ends the journey, and nobody gets behind it; take `repeat` away or let a turn go on",
        ),
        (
            "  - repeat: { times: 3 }\n    steps: [{ send: { use: sms, template: a } }]",
            "5:5: warning: steps[0]: all turns, up to 3, are made at once: no step in it waits; add a `wait` between the turns",
        ),
        (
            "  - repeat: { times: 3 }\n    steps: [{ wait: 1h }, { if: customer.a, then: [{ exit: x }] }]",
            "",
        ),
        (
            "  - { split: s, arms: [{ arm: a }, { arm: b }] }",
            "5:5: warning: steps[0]: all arms lead to the same steps, so that there is nothing to compare; give one of them steps",
        ),
        ("  - { split: s, arms: [{ arm: a, then: [{ wait: 1h }] }, { arm: none }] }", ""),
        (
            "  - { split: s, arms: [{ arm: a }, { arm: b }] }\n  - { set: { attributes: { arm: steps.s.arm } } }",
            "",
        ),
    ] {
        finds("", steps, expected);
    }
    let wait = "  - wait_for: { event: order.paid, up_to: 12h }\n    then: [{ exit: x }]";
    finds(
        "exit: { event: order.paid }",
        wait,
        "5:5: warning: steps[0]: the wait never sees `order.paid`: exit leaves the journey whenever it comes; give the exit a condition, or remove one of the two",
    );
    finds("exit: { event: order.paid, when: event.cart == entry.cart }", wait, "");
}

#[test]
fn results_that_can_be_missing() {
    let maybe = "  - if: customer.a\n    then: [{ run: related, use: recommender }]\n";
    let missing = "`steps.related` can be missing here, as not every way leads through steps[0].then[0]; without it this fails. Ask `has(steps.related)` first, or move the step to where all come by";
    finds(
        "",
        &format!("{maybe}  - set: {{ attributes: {{ x: steps.related }} }}"),
        &format!("7:24: warning: steps[1].set.attributes.x: {missing}"),
    );
    finds(
        "",
        &format!("{maybe}  - if: steps.related == 1\n    then: [{{ wait: 1h }}]"),
        &format!("7:9: warning: steps[1].if: {missing}"),
    );
    for sound in [
        "  - if: has(steps.related) && steps.related == 1\n    then: [{ wait: 1h }]",
        "  - if: has(steps.related)\n    then: [{ set: { attributes: { x: steps.related } } }]",
        "  - if: '\"steps.related\" == customer.b'\n    then: [{ wait: 1h }]",
    ] {
        finds("", &format!("{maybe}{sound}"), "");
    }
    let both = "  - if: customer.a\n    then: [{ run: one, use: r }]\n    else: [{ exit: x }]\n  - set: { attributes: { x: steps.one } }";
    finds("", both, "");
    finds(
        "",
        "  - wait_for: { event: e, up_to: 1h }\n    as: came\n  - set: { attributes: { x: steps.came.y } }",
        "7:24: warning: steps[1].set.attributes.x: `steps.came` can be missing here, as not every way leads through steps[0]; without it this fails. Ask `has(steps.came)` first, or move the step to where all come by",
    );
}

#[test]
fn limits_that_starve_a_journey() {
    let starves = |mark: &str, path: &str, whose: &str| {
        format!(
            "{mark}: warning: {path}: {whose} of 1 message in 7d is below what the journey itself can send: 2 to one customer in 7d; the others are not sent. Allow 2, or send less"
        )
    };
    let twice = format!("{A}  - wait: 2d\n{B}");
    finds("limits: { messages: 1, per: 7d }", &twice, &starves("3:9", "limits", "the limit"));
    under(
        "limits: { messages: 1, per: 7d }",
        "",
        &twice,
        &starves("5:3", "steps", "the workspace's limit"),
    );
    finds("limits: { messages: 2, per: 7d }", &twice, "");
    finds("limits: { messages: 1, per: 24h }", &twice, "");
    finds("limits: { messages: 1, per: 7d, channel: mail }", &twice, "");
    let either = format!(
        "  - if: customer.a\n    then:\n    {}    else:\n    {}",
        A.trim_start_matches("  ").replace("- send", "  - send"),
        B.trim_start_matches("  ").replace("- send", "  - send")
    );
    finds("limits: { messages: 1, per: 7d }", &either, "");
}

#[test]
fn what_has_no_effect() {
    let text = |key: &str| {
        format!(
            "warning: {key}: `{key}` has no effect: transactional messages are sent at any time, however many; remove it, or say `purpose: marketing`"
        )
    };
    finds(
        "purpose: transactional\nwindow: { hours: '09:00-18:00' }",
        A,
        &format!("4:9: {}", text("window")),
    );
    finds(
        "purpose: transactional\nlimits: { messages: 1, per: 1d }",
        A,
        &format!("4:9: {}", text("limits")),
    );
}

#[test]
fn emails_without_a_way_out() {
    let email = |purpose: &str, text: &str| {
        let source = format!(
            "journey: x\nentry: {{ event: go }}\npurpose: {purpose}\nsteps: [{{ send: {{ use: mail, template: t }} }}]\ntemplates: {{ t: {{ en: {{ email: {{ subject: s, text: '{text}' }} }} }} }}\n"
        );
        lines(&check(&source, None).problems)
    };
    assert_eq!(
        email("marketing", "hi"),
        "5:32: warning: templates.t.en.email: a marketing email without `{{ unsubscribe_url }}` leaves its reader no way out; add the link, or say `purpose: transactional`"
    );
    assert_eq!(email("marketing", "{{ unsubscribe_url }}"), "");
    assert_eq!(email("transactional", "hi"), "");
}

#[test]
fn journeys_in_conflict() {
    let sound = |name: &str, head: &str| {
        let source = format!(
            "journey: {name}\n{head}\nsteps: [{{ send: {{ use: sms, template: t }} }}, {{ issue: {{ use: coupons, campaign: {name}, off: 20%, valid: 1d }} }}]\ntemplates: {{ t: {{ en: {{ text: x }} }} }}\n"
        );
        check(&source, None).program.expect("a sound journey")
    };
    let between = |one: (&str, &str), other: (&str, &str)| {
        let (one, other) = (sound(one.0, one.1), sound(other.0, other.1));
        lines(&conflicts(&[&one, &other]))
    };
    let go = "entry: { event: go }";
    assert_eq!(
        between(("a", go), ("a", go)),
        "error: two files hold a journey `a`, and the later would replace the earlier; rename one"
    );
    let rivals = "warning: `a` and `b` are both entered by `go` and send by sms with the same priority, 50: who enters one enters the other, and neither goes first; give one another `priority`, or conditions that exclude each other";
    assert_eq!(between(("a", go), ("b", go)), rivals);
    assert_eq!(between(("a", "entry: { event: go, when: event.x > 1 }"), ("b", go)), rivals);
    for other in ["entry: { event: gone }", "entry: { event: go }\npriority: high"] {
        assert_eq!(between(("a", go), ("b", other)), "");
    }
    assert_eq!(
        between(
            ("a", "entry: { event: go, when: event.x > 1 }"),
            ("b", "entry: { event: go, when: event.x <= 1 }")
        ),
        ""
    );
    let tagged = "tags: wake-up\nlimits: { messages: 2, per: 30d, tag: wake-up }";
    assert_eq!(
        between(
            ("a", &format!("{go}\npriority: low\n{tagged}")),
            ("b", &format!("{go}\n{tagged}"))
        ),
        "warning: `a` can get nothing through: it shares the limit of 2 messages in 30d with the tag wake-up with `b`, which goes first with priority 50 over 20; give it a tag of its own, or allow more"
    );
}
