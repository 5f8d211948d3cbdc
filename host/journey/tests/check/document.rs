use waystation_journey::check;

use crate::shop::{CART, lines};
use crate::{entry, finds, with};

#[test]
fn the_cart_journey_is_sound() {
    finds(CART, "");
    let program = check(CART, None).program.unwrap();
    assert_eq!(program.name(), "cart-unpaid-reminder");
    assert_eq!(program.title(), "加购未支付提醒");
    assert_eq!(program.owner(), Some("crm-team"));
    assert_eq!(program.entry_event(), Some("cart.item_added"));
    assert_eq!(program.connections().collect::<Vec<_>>(), ["coupons", "notice", "sms"]);
    assert!(program.listens_to("order.paid") && !program.listens_to("cart.item_added"));
    assert_eq!(program.events().into_iter().collect::<Vec<_>>(), ["order.paid"]);
    assert!(program.reads_coupons());
}

#[test]
fn json_is_read_as_well() {
    let steps = r#"[{"wait":"1h"},{"exit":"done"}]"#;
    finds(
        &format!(
            r#"{{"journey":"a","entry":{{"event":"go","again":{{"after":"1h"}}}},"steps":{steps}}}"#
        ),
        "",
    );
}

#[test]
fn what_is_not_yaml() {
    finds("", "1:1: error: the file is empty; a journey starts with `journey: its-name`");
    finds(
        "# nothing\n",
        "1:1: error: the file is empty; a journey starts with `journey: its-name`",
    );
    finds(
        "journey: a\n\tb: c",
        "1:10: error: this is not YAML: while scanning a plain scalar, found a tab",
    );
    finds(
        "a: 'x",
        "1:4: error: this is not YAML: while scanning a quoted scalar, found unexpected end of stream",
    );
    finds(
        "a: b: c",
        "1:5: error: this is not YAML: mapping values are not allowed in this context",
    );
    finds("- a", "1:1: error: a journey must be a mapping, not a list");
    finds("hello", "1:1: error: a journey must be a mapping, not a single value");
}

#[test]
fn yaml_that_is_not_supported() {
    finds(
        "a: &x b",
        "1:4: error: anchors are not supported; write the value out where it is needed",
    );
    finds("a: *x", "1:4: error: this is not YAML: while parsing node, found unknown anchor");
    finds("a: !x b", "1:4: error: tags are not supported; remove the `!`");
    finds("<<: { a: b }", "1:1: error: merge keys are not supported; write the values out");
    finds("? [a]\n: b", "1:3: error: a key must be a single word");
    finds(
        "a: b\n---\na: b",
        "2:1: error: a file holds one journey; put the second document into a file of its own",
    );
}

#[test]
fn files_beyond_the_bounds() {
    let large = format!("a: {}", "x".repeat(256 * 1024));
    finds(&large, "1:1: error: the file is larger than 256 KiB; split the journey");
    let long = format!("a: {}", "x".repeat(64 * 1024 + 1));
    finds(&long, "1:4: error: the text is longer than 64 KiB");
    let deep = format!("{}{}", "[".repeat(33), "]".repeat(33));
    finds(&deep, "1:33: error: nested more than 32 deep; split the journey");
    let abyss = "[".repeat(100_000);
    finds(&abyss, "1:256: error: this is not YAML: recursion limit exceeded");
    let wrong: String = (0..300).map(|i| format!("k{i}: 1\n")).collect();
    assert_eq!(check(&wrong, None).problems.len(), 100);
}

#[test]
fn keys_of_a_journey() {
    finds(
        "{}",
        "1:1: error: `journey` is missing\n1:1: error: `entry` is missing\n1:1: error: `steps` is missing",
    );
    let known = "journey, title, owner, purpose, priority, tags, window, limits, entry, exit, goal, on_unknown, templates, steps, tests";
    finds(
        "jurney: a\nentry: { event: go }\nsteps: [{ wait: 1h }]",
        &format!(
            "1:1: error: unknown key `jurney`; did you mean `journey`? known here: {known}\n1:1: error: `journey` is missing"
        ),
    );
    with("journey: b", "4:1: error: `journey` is given twice, first on line 1; keep one");
}

#[test]
fn the_name_of_a_journey() {
    let named =
        |name: &str| format!("journey: {name}\nentry: {{ event: go }}\nsteps: [{{ wait: 1h }}]");
    let rule =
        "lower case letters and digits in groups joined by `-`, such as `cart-unpaid-reminder`";
    for wrong in ["My Journey", "a--b", "-a", "a_b", "加购"] {
        finds(
            &named(wrong),
            &format!("1:10: error: journey: `{wrong}` is no journey name: {rule}"),
        );
    }
    finds(&named(&"a".repeat(64)), "");
    finds(
        &named(&"a".repeat(65)),
        "1:10: error: journey: the journey's name is longer than 64 characters",
    );
}

#[test]
fn words_of_a_journey() {
    with("title:", "4:6: error: title: the title is missing");
    with("title: null", "4:8: error: title: the title is missing");
    with("title: ''", "4:8: error: title: the title is missing");
    with("title: [a]", "4:8: error: title: the title must be a single value, not a list");
    with("title: \"a\\nb\"", "4:8: error: title: the title must be on one line");
    with("owner: { a: b }", "4:8: error: owner: the owner must be a single value, not a mapping");
    with(
        "purpose: sales",
        "4:10: error: purpose: `sales` is no purpose; known here: marketing, transactional",
    );
    with(
        "on_unknown: hodl",
        "4:13: error: on_unknown: `hodl` is no way to settle; did you mean `hold`?",
    );
    with("purpose: transactional", "");
}

#[test]
fn the_entry() {
    finds("journey: a\nentry: {}\nsteps: [{ wait: 1h }]", "2:8: error: entry: `event` is missing");
    finds(
        "journey: a\nentry: go\nsteps: [{ wait: 1h }]",
        "2:8: error: entry: the entry must be a mapping, not a single value",
    );
    let known = "known here: event, use, with, when, key, again";
    entry(
        "evnt: x",
        &format!("4:3: error: entry: unknown key `evnt`; did you mean `event`? {known}"),
    );
    let choices = "known here: never, always, after";
    entry(
        "again: sometimes",
        &format!("4:10: error: entry.again: `sometimes` is no rule; {choices}"),
    );
    entry(
        "again: after",
        "4:10: error: entry.again: `after` needs a duration: write { after: 30d }",
    );
    let bounds = "a duration is between 1s and 3650d";
    entry(
        "again: { after: 0s }",
        &format!("4:19: error: entry.again.after: `0s` is out of bounds; {bounds}"),
    );
    entry("again: { after: 30d }", "");
}

#[test]
fn exits_and_goals() {
    with(
        "exit: { event: \"a b\" }",
        "4:16: error: exit.event: `a b` is no event name: letters, digits and `_ - . :`, such as `order.paid`",
    );
    let rule = "a word of letters, digits, `_` and `-`; `finished` and `error` are the host's own";
    with(
        "exit: [{ event: a }, { event: b, as: error }]",
        &format!("4:38: error: exit[1].as: `error` is no outcome: {rule}"),
    );
    with(
        "exit: { event: a, when: steps.x.outcome == 'y' }",
        "4:31: error: exit.when: no step before is named `x`; a step gets its name by `as: x` and is known from there on",
    );
    with("goal: { within: 7d }", "4:7: error: goal: `event` is missing");
    let known = "known here: customer, coupons, now, entry, steps, event";
    with(
        "goal: { event: a, value: amount }",
        &format!("4:26: error: goal.value: unknown variable `amount`; {known}"),
    );
    with("exit: { event: a, when: event.id == entry.id && has(customer.name) }", "");
}

#[test]
fn without_connections_they_are_taken_on_trust() {
    let source = "journey: a\nentry: { event: go }\ntemplates: { t: { en: { text: x } } }\nsteps: [{ send: { use: nowhere, template: t } }]";
    assert_eq!(lines(&check(source, None).problems), "");
    finds(
        source,
        "4:24: error: steps[0].send.use: there is no connection `nowhere`; known here: mail, notice, sms, weibo",
    );
}
