use crate::{finds, step};

#[test]
fn steps_that_are_none() {
    let kinds = "known here: wait, wait_until, wait_for, if, switch, split, repeat, issue, send, publish, run, set, assign, exit";
    step(
        "wiat: 1h",
        &format!("4:5: error: steps[0]: unknown step `wiat`; did you mean `wait`? {kinds}"),
    );
    step("{}", &format!("4:5: error: steps[0]: the step is empty; {kinds}"));
    step("wait", "4:5: error: steps[0]: a step must be a mapping, not a single value");
    step(
        "{ wait: 1h, exit: x }",
        "4:5: error: steps[0]: a step is one thing: `wait` and `exit` make two steps",
    );
    step("{ wait: 1h, as: x }", "4:17: error: steps[0]: unknown key `as`; known here: wait");
    finds(
        "journey: a\nentry: { event: go }\nsteps: []",
        "3:8: error: steps: a journey needs at least one step",
    );
    finds(
        "journey: a\nentry: { event: go }\nsteps: no",
        "3:8: error: steps: steps must be a list, not a single value",
    );
    let many = "  - wait: 1h\n".repeat(1001);
    finds(
        &format!("journey: a\nentry: {{ event: go }}\nsteps:\n{many}"),
        "4:3: error: steps: there are more than 1000 steps; split the journey",
    );
}

#[test]
fn durations() {
    for sound in ["1s", "90s", "15m", "12h", "7d", "2w", "1d12h", "1w2d3h4m5s", "3650d", "'12h'"] {
        step(&format!("wait: {sound}"), "");
    }
    for out_of_bounds in ["0s", "3651d", "99999999999999999999w", "9w99999999999999999d"] {
        step(
            &format!("wait: {out_of_bounds}"),
            &format!(
                "4:11: error: steps[0].wait: `{out_of_bounds}` is out of bounds; a duration is between 1s and 3650d"
            ),
        );
    }
    for none in ["12", "h", "1x", "1.5h", "12h1d", "1h1h", "-1h", "1 h", "١h"] {
        step(
            &format!("wait: {none}"),
            &format!(
                "4:11: error: steps[0].wait: `{none}` is no duration; write such as 90s, 15m, 12h, 7d, 2w or 1d12h"
            ),
        );
    }
}

#[test]
fn branches() {
    step("if: true", "4:5: error: steps[0]: `then` is missing: what to do if the condition holds");
    step(
        "if: true\n    then: { wait: 1h }",
        "5:11: error: steps[0].then: steps must be a list, not a mapping",
    );
    step("wait_for: { event: a }", "4:15: error: steps[0].wait_for: `up_to` is missing");
    step("wait_for: { event: a, up_to: 1h, when: event.x == entry.x }", "");
    step(
        "if: true\n    then:\n      - wait: 1h\n      - if: foo\n        then: [{ wait: 1h }]",
        "7:13: error: steps[0].then[1].if: unknown variable `foo`; known here: customer, coupons, now, entry, steps",
    );
}

#[test]
fn steps_that_nobody_gets_to() {
    let source = |steps: &str| format!("journey: a\nentry: {{ event: go }}\nsteps:\n{steps}");
    let unreached = "nobody gets here: the step before always ends the journey";
    finds(
        &source("  - exit: done\n  - wait: 1h\n  - wait: 1h\n"),
        &format!("5:5: warning: steps[1]: {unreached}"),
    );
    finds(
        &source(
            "  - if: customer.a\n    then: [{ exit: a }]\n    else: [{ exit: b }]\n  - wait: 1h\n",
        ),
        &format!("7:5: warning: steps[1]: {unreached}"),
    );
    finds(&source("  - if: customer.a\n    then: [{ exit: a }]\n  - wait: 1h\n"), "");
    let rule = "a word of letters, digits, `_` and `-`; `finished` and `error` are the host's own";
    finds(
        &source("  - exit: two words\n"),
        &format!("4:11: error: steps[0].exit: `two words` is no outcome: {rule}"),
    );
}

#[test]
fn settings() {
    step(
        "set: {}",
        "4:10: error: steps[0].set: there is nothing to set; give attributes, add, tags or untag",
    );
    let rule = "letters, digits and `_`, and neither `id` nor `tags`";
    step(
        "set: { attributes: { tags: '1' } }",
        &format!("4:26: error: steps[0].set.attributes: `tags` is no attribute: {rule}"),
    );
    step(
        "set: { attributes: { a-b: '1' } }",
        &format!("4:26: error: steps[0].set.attributes: `a-b` is no attribute: {rule}"),
    );
    step(
        "set: { attributes: { a: b } }",
        "4:29: error: steps[0].set.attributes.a: unknown variable `b`; known here: customer, coupons, now, entry, steps",
    );
    step("set: { tags: [a, ''] }", "4:22: error: steps[0].set.tags[1]: the tag is missing");
    step("set: { attributes: { a: null, b: 1, c: customer.a + 1 }, tags: vip, untag: [x, y] }", "");
}

#[test]
fn messages() {
    step(
        "send: {}",
        "4:11: error: steps[0].send: `use` is missing\n4:11: error: steps[0].send: `template` is missing",
    );
    let template = "error: steps[0].send.template:";
    step(
        "send: { use: sms, template: helo }",
        &format!("4:33: {template} there is no template `helo`; did you mean `hello`?"),
    );
    step(
        "send: { use: sms, template: zzz }",
        &format!("4:33: {template} there is no template `zzz`; known here: coded, hello"),
    );
    step(
        "send: { use: mail, template: hello }",
        &format!("4:34: {template} template `hello` has nothing that `mail` takes; add email"),
    );
    step(
        "send: { use: sms, template: hello, fallback: mail }",
        &format!("4:33: {template} template `hello` has nothing that `mail` takes; add email"),
    );
    step(
        "send: { use: sms, template: coded }",
        &format!(
            "4:33: {template} template `coded` reads `coupon`, which is at hand in `then_send` of an issue only"
        ),
    );
    step(
        "send: { use: sms, template: hello }\n    as: my-step",
        "5:9: error: steps[0].as: `my-step` is no step name: a letter or `_`, then letters, digits and `_`, as expressions read it",
    );
}

#[test]
fn connections() {
    step(
        "send: { use: smss, template: hello }",
        "4:18: error: steps[0].send.use: there is no connection `smss`; did you mean `sms`?",
    );
    step(
        "send: { use: coupons, template: hello }",
        "4:18: error: steps[0].send.use: connection `coupons` is no channel; known here: mail, notice, sms, weibo",
    );
    step(
        "send: { use: notice, template: hello, fallback: [sms, sms] }",
        "4:59: error: steps[0].send.fallback[1]: `sms` is tried already; name each channel once",
    );
    step(
        "issue: { use: sms, campaign: c, valid: 24h, off: 20% }",
        "4:19: error: steps[0].issue.use: connection `sms` is no issuer of coupons; known here: coupons",
    );
}

#[test]
fn coupons() {
    let issue =
        |off: &str| format!("issue: {{ use: coupons, campaign: c, valid: 24h, off: {off} }}");
    for sound in [
        "5 CNY",
        "5.5 CNY",
        "5.50 CNY",
        "100 JPY",
        "1.234 KWD",
        "20%",
        "12.5%",
        "100%",
        "free_shipping",
        "{ gift: sample }",
        "5 CNY, minimum: 50 CNY",
    ] {
        step(&issue(sound), "");
    }
    let wrong = |off: &str, expected: &str| {
        step(&issue(off), &format!("4:58: error: steps[0].issue.off: `{off}` {expected}"));
    };
    for none in ["5", "5. CNY", "5CNY", "5.x CNY"] {
        wrong(none, "is no amount of money; write such as 5 CNY or 5.50 CNY");
    }
    wrong("5.005 CNY", "is too exact; CNY has 2 decimals");
    wrong("1.5 JPY", "is too exact; JPY has 0 decimals");
    wrong("0 CNY", "is nothing; an amount must be more");
    wrong("9999999999999 CNY", "is too large; 12 digits are the most");
    for none in ["0%", "101%", "100.1%", "12.55%", "x%"] {
        wrong(none, "is no share; write 0.1% to 100%, with one decimal at most");
    }
    wrong(
        "much",
        "is nothing that a coupon can give; write such as 5 CNY, 20%, free_shipping or { gift: sample }",
    );
    step(
        &issue("5 CNX"),
        "4:58: error: steps[0].issue.off: unknown currency `CNX`; did you mean `CNY`?",
    );
    step(&issue("{ gift: }"), "4:64: error: steps[0].issue.off.gift: the gift is missing");
    step(
        "issue: { use: coupons, off: 20% }",
        "4:12: error: steps[0].issue: `campaign` is missing\n4:12: error: steps[0].issue: `valid` is missing",
    );
}
