use crate::{finds, step};

#[test]
fn actions() {
    step("run: related\n    use: recommender", "");
    step(
        "run: related
    use: recommender
    with: { sku: '{{ entry.sku }}', count: 3, deep: { list: [1.5, true, null, x, '{{ now }}'] } }
    otherwise: [{ sku: none }]",
        "",
    );
    step("run: related", "4:5: error: steps[0]: `use` is missing");
    step("run:\n    use: recommender", "4:8: error: steps[0].run: the step's name is missing");
    step(
        "run: a-b\n    use: recommender",
        "4:10: error: steps[0].run: `a-b` is no step name: a letter or `_`, then letters, digits and `_`, as expressions read it",
    );
    step(
        "{ run: related, use: recommender, as: x }",
        "4:39: error: steps[0]: unknown key `as`; known here: run, use, with, otherwise",
    );
}

#[test]
fn connections_of_actions() {
    step(
        "run: related\n    use: recomender",
        "5:10: error: steps[0].use: there is no connection `recomender`; did you mean `recommender`?",
    );
    step(
        "run: related\n    use: sms",
        "5:10: error: steps[0].use: connection `sms` is no action; known here: recommender, strict",
    );
}

#[test]
fn names_of_results() {
    finds(
        "journey: a
entry: { event: go }
steps:
  - { run: related, use: recommender }
  - { run: related, use: recommender }
  - if: steps.related[0].sku == 'A' && steps.relatd == null
    then: [{ exit: x }]
",
        "5:12: error: steps[1].run: another step is named `related`; give each a name of its own
6:46: error: steps[2].if: no step before is named `relatd`; did you mean `related`?",
    );
}

#[test]
fn parameters() {
    let run = |with: &str, expected: &str| {
        step(&format!("run: related\n    use: recommender\n    with: {with}"), expected);
    };
    run("[1]", "6:11: error: steps[0].with: the parameters must be a mapping, not a list");
    run(
        "{ sku: '{{ x' }",
        "6:18: error: steps[0].with.sku: the template cannot be read: unexpected end of input, expected end of variable block",
    );
    run(
        "{ list: [a, '{{ custmer.id }}'] }",
        "6:23: error: steps[0].with.list[1]: the template reads an unknown variable `custmer`; did you mean `customer`?",
    );
    run(
        "{ code: '{{ coupon.code }}' }",
        "6:19: error: steps[0].with.code: `coupon` is at hand in messages only",
    );
    run(
        "{ own: '{{ steps.related }}' }",
        "6:18: error: steps[0].with.own: no step before is named `related`; a step gets its name by `as: related`",
    );
    run(
        "{ '': 1 }",
        "6:13: error: steps[0].with: a parameter's name has 1 to 64 characters on one line",
    );
}

#[test]
fn parameters_know_the_steps_before() {
    finds(
        "journey: a
entry: { event: go }
templates: { hello: { en: { text: '{{ steps.related }}' } } }
steps:
  - send: { use: sms, template: hello }
    as: told
  - { run: other, use: recommender, with: { x: '{{ steps.told.outcome }}', y: '{{ steps.told.code }}' } }
  - { run: related, use: recommender, with: { x: '{{ steps.other.whatever[0] }}' } }
",
        "7:79: error: steps[1].with.y: the result of `told` has no `code`; known here: outcome, channel, template",
    );
}

#[test]
fn what_stands_in_for_a_result_is_fixed() {
    let run = |otherwise: &str, expected: &str| {
        step(&format!("run: related\n    use: recommender\n    otherwise: {otherwise}"), expected);
    };
    run("{ a: [b, '{ c }', 1] }", "");
    run(
        "[a, '{{ entry.sku }}']",
        "6:20: error: steps[0].otherwise[1]: this is a fixed value; templates are filled in elsewhere only",
    );
    run(
        &"x".repeat(17_000),
        "6:16: error: steps[0].otherwise: the value is larger than 16 KiB as JSON",
    );
}

#[test]
fn parameters_are_what_the_action_takes() {
    let run = |with: &str, expected: &str| {
        step(&format!("run: related\n    use: strict\n    {with}"), expected);
    };
    run("with: { sku: A, count: 3.0, share: 1, whatever: [x] }", "");
    run("with: { sku: '{{ entry.sku }}', share: null }", "");
    run("", "4:5: error: steps[0]: the action needs the parameter `sku`");
    run("with: {}", "6:11: error: steps[0].with: the action needs the parameter `sku`");
    run(
        "with: { sku: A, cuont: 1 }",
        "6:21: error: steps[0].with: the action takes no parameter `cuont`; did you mean `count`?",
    );
    run(
        "with: { sku: 1, count: '{{ entry.count }}', share: true }",
        "6:18: error: steps[0].with.sku: the action takes string here, not integer
6:28: error: steps[0].with.count: the action takes integer here, not string; what is quoted or filled in is a text
6:56: error: steps[0].with.share: the action takes number or null here, not boolean",
    );
    run(
        "with: { sku: A, count: 1.5 }",
        "6:28: error: steps[0].with.count: the action takes integer here, not number",
    );
}
