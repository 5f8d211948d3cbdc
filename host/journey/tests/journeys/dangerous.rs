//! Journeys that a check lets pass, as only running shows what they do, and the exact failure that each of them comes to. None
//! of them takes long, and none of them gives away anything.

use crate::story::{Story, customer};
use serde_json::json;

/// What comes of the first steps of a journey.
fn failure(steps: &str, text: &str) -> String {
    let text = text.replace('\'', "''");
    let source = format!(
        "journey: d\nentry: {{ event: go }}\nsteps:\n{steps}\ntemplates: {{ t: {{ en: {{ text: '{text}' }} }} }}\n"
    );
    let list: Vec<u32> = (0..200).collect();
    let properties = json!({ "list": list, "text": "x".repeat(1000), "big": i64::MAX });
    let mut story = Story::of(&source, customer(json!({})), properties);
    story.happens("start")
}

const SEND: &str = "  - send: { use: sms, template: t }";

/// Texts of messages: endless, endlessly deep, too large, or after what is not theirs.
const TEXTS: &[(&str, &str)] = &[
    (
        "{% for a in range(100000) %}{% endfor %}",
        "failed sms: template t/en/text line 1: engine ran out of fuel; ended finished",
    ),
    (
        "{% for a in range(1000) %}{% for b in range(1000) %}x{% endfor %}{% endfor %}",
        "failed sms: template t/en/text line 1: engine ran out of fuel; ended finished",
    ),
    (
        "{% for a in entry.list recursive %}{{ loop(entry.list) }}{% endfor %}",
        "failed sms: template t/en/text line 1: invalid operation: recursion limit exceeded; ended finished",
    ),
    (
        "{{ entry.text | replace(\"x\", entry.text) | replace(\"x\", entry.text) }}",
        "failed sms: template t/en/text line 1: invalid operation: the text is larger than 1 MiB; ended finished",
    ),
    (
        "{{ range(90000) | join(entry.text) }}",
        "failed sms: template t/en/text line 1: invalid operation: the text is larger than 1 MiB; ended finished",
    ),
    (
        "{{ entry.text | replace(\"\", entry.text) }}",
        "failed sms: template t/en/text line 1: invalid operation: `replace` needs something to look for; ended finished",
    ),
    (
        "{{ [entry.list, entry.list] | join }}",
        "failed sms: template t/en/text line 1: invalid operation: `join` takes a list of texts and numbers; ended finished",
    ),
    (
        "{{ range(100001) | length }}",
        "failed sms: template t/en/text line 1: invalid operation: range has too many elements; ended finished",
    ),
    ("{{ self }}", "failed sms: template t/en/text line 1: undefined value; ended finished"),
    (
        "{{ self.secrets() }}",
        "failed sms: template t/en/text line 1: unknown block: block 'secrets' not found; ended finished",
    ),
    (
        "{{ customer.__class__ }}",
        "failed sms: template t/en/text line 1: undefined value; ended finished",
    ),
    (
        "{{ customer.nobody.code }}",
        "failed sms: template t/en/text line 1: undefined value; ended finished",
    ),
    (
        "{{ entry[\"__proto__\"].x }}",
        "failed sms: template t/en/text line 1: undefined value; ended finished",
    ),
    (
        "{{ 1 // 0 }}",
        "failed sms: template t/en/text line 1: invalid operation: unable to calculate 1 // 0; ended finished",
    ),
];

/// Conditions: endless, too large, or of the wrong type.
const CONDITIONS: &[(&str, &str)] = &[
    (
        "entry.list.all(a, entry.list.all(b, true))",
        "failed steps[0].if: the expression takes more than 10000 turns over lists; look at fewer values; ended error",
    ),
    (
        "entry.list.map(a, entry.list.map(b, b)).size() > 1",
        "failed steps[0].if: the expression takes more than 10000 turns over lists; look at fewer values; ended error",
    ),
    (
        "entry.big + 1 > 0",
        "failed steps[0].if: Overflow from binary operator 'add': Int(9223372036854775807), Int(1); ended error",
    ),
    (
        "entry.big * 2 > 0",
        "failed steps[0].if: Overflow from binary operator 'mul': Int(9223372036854775807), Int(2); ended error",
    ),
    (
        "1 / (entry.big - entry.big) > 0",
        "failed steps[0].if: Division by zero of Int(1); ended error",
    ),
    (
        "-9223372036854775808 - entry.big > 0",
        "failed steps[0].if: Overflow from binary operator 'sub': Int(-9223372036854775808), Int(9223372036854775807); ended error",
    ),
    (
        "entry.nobody == 1",
        "failed steps[0].if: there is no `nobody`; ask `has(…)` before reading what may be absent; ended error",
    ),
    (
        "entry.text",
        "failed steps[0].if: the expression gives a value of type string where a truth value is needed; ended error",
    ),
    ("entry.list[1000] == 1", "failed steps[0].if: Index out of bounds: Int(1000); ended error"),
    (
        "int(entry.text) == 1",
        "failed steps[0].if: Error executing function 'int': string parse error: invalid digit found in string; ended error",
    ),
    (
        "entry.text > 1",
        "failed steps[0].if: found no matching overload for '_>_' applied to '(string, int)'; ended error",
    ),
];

#[test]
fn texts_that_are_endless_or_pry() {
    for (text, expected) in TEXTS {
        assert_eq!(failure(SEND, text), *expected, "of {text}");
    }
}

#[test]
fn conditions_that_are_endless_or_overflow() {
    for (condition, expected) in CONDITIONS {
        let condition = condition.replace('\'', "''");
        let steps = format!("  - if: '{condition}'\n    then: [{{ wait: 1h }}]\n{SEND}");
        assert_eq!(failure(&steps, "x"), *expected, "of {condition}");
    }
}
