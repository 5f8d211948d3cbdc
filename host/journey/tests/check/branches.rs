use crate::{finds, step};

#[test]
fn events_of_which_the_first_decides() {
    step("wait_for: { up_to: 1h, any: [{ event: a, then: [{ exit: x }] }, { event: b }] }", "");
    for (sound_but, expected) in [
        (
            "wait_for: { up_to: 1h, any: [] }",
            "4:33: error: steps[0].wait_for.any: the events must be 1 to 20 items",
        ),
        (
            "wait_for: { up_to: 1h, any: { event: a } }",
            "4:33: error: steps[0].wait_for.any: the events must be a list, not a mapping",
        ),
        (
            "wait_for: { up_to: 1h, event: a, any: [{ event: b }] }",
            "4:35: error: steps[0].wait_for: `event` belongs to each of the events in `any`",
        ),
        (
            "{ wait_for: { up_to: 1h, any: [{ event: b }] }, then: [{ exit: x }] }",
            "4:59: error: steps[0].wait_for: `then` belongs to each of the events in `any`",
        ),
        ("wait_for: { any: [{ event: a }] }", "4:15: error: steps[0].wait_for: `up_to` is missing"),
        (
            "wait_for: { up_to: 1h, any: [{ evnet: a }] }",
            "4:34: error: steps[0].wait_for.any[0]: `event` is missing\n\
             4:36: error: steps[0].wait_for.any[0]: unknown key `evnet`; did you mean `event`? known here: event, when, then",
        ),
    ] {
        step(sound_but, expected);
    }
}

#[test]
fn switches() {
    step("switch: [{ when: customer.a > 1, then: [{ wait: 1h }] }]", "");
    for (wrong, expected) in [
        ("switch: []", "4:13: error: steps[0].switch: the cases must be 1 to 20 items"),
        (
            "switch: [{ then: [{ wait: 1h }] }]",
            "4:14: error: steps[0].switch[0]: `when` is missing",
        ),
        (
            "switch: [{ when: true, then: [{ wiat: 1h }] }]",
            "4:37: error: steps[0].switch[0].then[0]: unknown step `wiat`; did you mean `wait`? known here: wait, wait_until, wait_for, if, switch, split, repeat, issue, send, publish, run, set, assign, exit",
        ),
    ] {
        step(wrong, expected);
    }
    // Behind a switch that always ends there is nobody.
    finds(
        "journey: a\nentry: { event: go }\nsteps:\n- switch: [{ when: customer.a, then: [{ exit: x }] }]\n  else: [{ exit: y }]\n- wait: 1h",
        "6:3: warning: steps[1]: nobody gets here: the step before always ends the journey",
    );
}

#[test]
fn splits() {
    step(
        "{ split: offer, arms: [{ arm: a, weight: 1 }, { arm: b, weight: 1000, then: [{ wait: 1h }] }] }",
        "",
    );
    for (wrong, expected) in [
        ("split: offer", "4:5: error: steps[0]: `arms` is missing"),
        (
            "{ split: of-fer, arms: [{ arm: a }, { arm: b }] }",
            "4:14: error: steps[0].split: `of-fer` is no step name: a letter or `_`, then letters, digits and `_`, as expressions read it",
        ),
        (
            "{ split: offer, arms: [{ arm: a }] }",
            "4:27: error: steps[0].arms: a split needs at least two arms",
        ),
        (
            "{ split: offer, arms: [{ arm: a }, { arm: a }] }",
            "4:47: error: steps[0].arms[1].arm: another arm is named `a`; give each a name of its own",
        ),
        (
            "{ split: offer, arms: [{ arm: a, weight: 0 }, { arm: b }] }",
            "4:46: error: steps[0].arms[0].weight: `0` is out of bounds; the weight is a whole number from 1 to 1000",
        ),
        (
            "{ split: offer, arms: [{ arm: a }, { arm: b }], winner: automatic }",
            "4:61: error: steps[0].winner: an automatic winner is the arm that reaches the goal most often, and the journey has no `goal`",
        ),
        (
            "{ split: offer, arms: [{ arm: a }, { arm: b }], winner: best }",
            "4:61: error: steps[0].winner: `best` is no way to find a winner; known here: automatic, manual",
        ),
    ] {
        step(wrong, expected);
    }
}

#[test]
fn repeats() {
    step("{ repeat: { times: 100, while: customer.a > 1 }, steps: [{ wait: 1h }] }", "");
    for (wrong, expected) in [
        (
            "{ repeat: { times: 101 }, steps: [{ wait: 1h }] }",
            "4:24: error: steps[0].repeat.times: `101` is out of bounds; how often to repeat is a whole number from 1 to 100",
        ),
        ("{ repeat: { times: 2 } }", "4:5: error: steps[0]: `steps` is missing"),
        (
            "{ repeat: { times: 2 }, steps: [] }",
            "4:36: error: steps[0].steps: there is nothing to repeat",
        ),
        (
            "{ repeat: { while: true }, steps: [{ wait: 1h }] }",
            "4:15: error: steps[0].repeat: `times` is missing",
        ),
    ] {
        step(wrong, expected);
    }
}

#[test]
fn posts_and_backups() {
    for (wrong, expected) in [
        (
            "publish: { use: weibo, template: hello }",
            "4:38: error: steps[0].publish.template: template `hello` has no `post`, which is what can be published",
        ),
        (
            "publish: { use: weibo, template: hello, fallback: sms }",
            "4:38: error: steps[0].publish.template: template `hello` has no `post`, which is what can be published\n\
             4:45: error: steps[0].publish: unknown key `fallback`; known here: use, template, backup",
        ),
        (
            "send: { use: sms, template: hello, backup: hello }",
            "4:48: error: steps[0].send.backup: `hello` is what was refused; name another template",
        ),
        (
            "send: { use: sms, template: hello, backup: [helo] }",
            "4:49: error: steps[0].send.backup[0]: there is no template `helo`; did you mean `hello`?",
        ),
        (
            "send: { use: { among: [sms] }, template: hello }",
            "4:18: error: steps[0].send.use: `prefer` is missing",
        ),
        (
            "send: { use: { prefer: customer.c, among: [sms, sms] }, template: hello }",
            "4:47: error: steps[0].send.use.among: `sms` is named twice; name each channel once",
        ),
        (
            "send: { use: { prefer: customer.c, among: [sms, coupons] }, template: hello }",
            "4:53: error: steps[0].send.use.among[1]: connection `coupons` is no channel; known here: mail, notice, sms, weibo",
        ),
    ] {
        step(wrong, expected);
    }
}

#[test]
fn assignments_and_sums() {
    step("assign: { to: sales, note: 'Call {{ customer.name }}', due: 24h }", "");
    for (wrong, expected) in [
        ("assign: { to: sales }", "4:13: error: steps[0].assign: `note` is missing"),
        (
            "assign: { to: [sales], note: x }",
            "4:19: error: steps[0].assign.to: the text must be a single value, not a list",
        ),
        (
            "assign: { to: sales, note: '{{ nobody }}' }",
            "4:32: error: steps[0].assign.note: the template reads an unknown variable `nobody`; known here: customer, entry, coupons, steps, now",
        ),
        (
            "set: { add: { tags: 1 } }",
            "4:19: error: steps[0].set.add: `tags` is no attribute: letters, digits and `_`, and neither `id` nor `tags`",
        ),
        (
            "set: {}",
            "4:10: error: steps[0].set: there is nothing to set; give attributes, add, tags or untag",
        ),
    ] {
        step(wrong, expected);
    }
}
