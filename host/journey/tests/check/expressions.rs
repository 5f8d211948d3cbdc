use crate::{entry, finds, step};

#[test]
fn expressions_that_cannot_be_read() {
    let early = "error: entry.when: the expression ends too early; something is missing at its end";
    entry("when: event.a +", &format!("4:18: {early}"));
    entry("when: 'event.a +'", &format!("4:19: {early}"));
    entry("when: \"event.a +\"", &format!("4:19: {early}"));
    entry("when: event.a = 1", "4:17: error: entry.when: `=` does not belong here; write `==`");
    entry(
        "when: event.a and event.b",
        "4:17: error: entry.when: `and` does not belong here; write `&&`",
    );
    entry("when: '\"中文\" == 名'", "4:18: error: entry.when: `名` does not belong here");
    let open = "the text that starts here is not closed; add the quote at its end";
    entry("when: event.a == 'b", &format!("4:20: error: entry.when: {open}"));
    let unreadable = "error: entry.when: the expression cannot be read";
    entry("when: has(\"x\")", &format!("4:13: {unreadable}: invalid argument to has() macro"));
    entry(
        "when: '[\"中\"].exists(1, x)'",
        &format!("4:23: {unreadable}: argument must be a simple name"),
    );
}

#[test]
fn expressions_that_are_none() {
    entry("when: ''", "4:9: error: entry.when: the expression is missing");
    entry("when:", "4:7: error: entry.when: the expression is missing");
    entry("when: [a]", "4:9: error: entry.when: an expression must be a single text, not a list");
    let long = "1 + ".repeat(1100);
    entry(
        &format!("when: {long}1"),
        "4:9: error: entry.when: the expression is longer than 4096 bytes; split it into several steps",
    );
    let nested = format!("when: \"{}1{} == 1\"", "(".repeat(500), ")".repeat(500));
    entry(
        &nested,
        "4:106: error: entry.when: the expression is nested too deep; split it into several steps",
    );
}

#[test]
fn variables_that_are_not_known() {
    let unknown = |name: &str| {
        format!(
            "error: entry.when: unknown variable `{name}`; known here: customer, coupons, now, event"
        )
    };
    entry("when: foo == 1", &format!("4:9: {}", unknown("foo")));
    entry(
        "when: customr.name == 'x'",
        "4:9: error: entry.when: unknown variable `customr`; did you mean `customer`?",
    );
    entry("when: '\"中文\" == foo'", &format!("4:18: {}", unknown("foo")));
    entry("when: \"a == \\\"x\\\"\"", &format!("4:9: {}", unknown("a")));
    entry("when: |\n    event.a &&\n     foo", &format!("6:6: {}", unknown("foo")));
    entry("when: >-\n    event.a &&\n    foo", &format!("5:5: {}", unknown("foo")));
    entry("when: foo && bar", &format!("4:9: {}\n4:16: {}", unknown("foo"), unknown("bar")));
    entry("when: event.list.exists(x, x.y == y)", &format!("4:37: {}, x", unknown("y")));
    let yet = "yet where customers enter; `event` is at hand";
    entry("when: entry.a == 1", &format!("4:9: error: entry.when: there is no `entry` {yet}"));
    entry("when: steps.a == 1", &format!("4:9: error: entry.when: there is no `steps` {yet}"));
    step(
        "if: event.a == 1\n    then: [{ wait: 1h }]",
        "4:9: error: steps[0].if: there is no `event` at hand here; `entry` holds what enrolled the customer",
    );
}

#[test]
fn functions_that_are_not_known() {
    let unknown = "error: entry.when: unknown function";
    let hint = "the standard functions and macros of CEL are known";
    entry("when: foo(event.a)", &format!("4:9: {unknown} `foo`; {hint}"));
    entry(
        "when: event.a.startWith('x')",
        &format!("4:17: {unknown} `startWith`; did you mean `startsWith`?"),
    );
    entry(
        "when: event.list.exists(x > 1)",
        "4:20: error: entry.when: `exists` is not written this way; such as `list.exists(x, x > 1)` or `has(customer.name)`",
    );
    entry("when: event.a.size(1, 2) == size()", "");
    entry(
        "when: 'Foo{a: 1} == 1'",
        "4:10: error: entry.when: there is no type `Foo` to make a value of",
    );
    entry(
        "when: \"event.a.matches('(')\"",
        "4:26: error: entry.when: `(` is no regular expression",
    );
    entry(
        "when: \"matches(event.a, '[')\"",
        "4:27: error: entry.when: `[` is no regular expression",
    );
}

#[test]
fn macros_are_nested_twice_at_most() {
    entry("when: event.a.all(x, x.all(y, y))", "");
    entry(
        "when: event.a.all(x, x.all(y, y.all(z, z)))",
        "4:35: error: entry.when: macros are nested more than 2 deep; split the expression",
    );
}

#[test]
fn what_expressions_may_do() {
    for sound in [
        "type(event.a) == string",
        "size(event.b) > 0 && event.c.matches('^a+$')",
        "event.d in [1, 2] ? customer.tags.size() == 1 : !has(customer.email_verified)",
        "event.?a.orValue(1) == 1 && optional.of(1).hasValue()",
        "coupons.filter(c, c.usable).map(c, c.code).exists(code, code.startsWith('A'))",
        "now - event.at < 1000 * 60 && double(event.amount) * 0.9 > 10.0",
        "'vip' in customer.tags && customer.id != ''",
    ] {
        entry(&format!("when: \"{sound}\""), "");
    }
}

#[test]
fn results_that_no_step_leaves() {
    let source = |steps: &str| {
        format!(
            "journey: a\nentry: {{ event: go }}\ntemplates: {{ t: {{ en: {{ text: x }} }} }}\nsteps:\n{steps}"
        )
    };
    let send = "  - send: { use: sms, template: t }\n    as: first\n";
    let read = |what: &str| format!("  - if: {what}\n    then: [{{ wait: 1h }}]\n");
    let accepted = read("steps.first.outcome == 'accepted'");
    finds(&source(&format!("{send}{accepted}")), "");
    finds(
        &source(&format!("{accepted}{send}")),
        "5:15: error: steps[0].if: no step before is named `first`; a step gets its name by `as: first` and is known from there on",
    );
    finds(
        &source(&format!("{send}{}", read("steps.frist.outcome == 'x'"))),
        "7:15: error: steps[1].if: no step before is named `frist`; did you mean `first`?",
    );
    finds(
        &source(&format!("{send}{}", read("has(steps.first.code)"))),
        "7:25: error: steps[1].if: the result of `first` has no `code`; known here: outcome, channel, template",
    );
    finds(
        &source(&format!("{send}{send}")),
        "8:9: error: steps[1].as: another step is named `first`; give each a name of its own",
    );
}
