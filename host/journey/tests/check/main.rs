//! What `check` says about journey files, right and wrong: every line reads `line:column: severity: path: message`.

mod actions;
mod branches;
mod document;
mod expressions;
mod lints;
mod policies;
mod refused;
mod schema;
mod segments;
#[path = "../shop/mod.rs"]
mod shop;
mod steps;
mod subscription;
mod templates;
mod times;

use shop::{connections, lines};
use waystation_journey::check;

/// Checks a file against the shop's connections.
#[track_caller]
fn finds(source: &str, expected: &str) {
    let checked = check(source, Some(&connections()));
    assert_eq!(lines(&checked.problems), expected, "in\n{source}");
    let failed = expected.lines().any(|line| line.contains(": error: "));
    assert_eq!(
        checked.program.is_none(),
        failed,
        "a program comes of a file if and only if it has no error"
    );
}

/// Checks a sound journey with this line added, which is the fourth.
#[track_caller]
fn with(line: &str, expected: &str) {
    finds(
        &format!("journey: a\nentry: {{ event: go }}\nsteps: [{{ wait: 1h }}]\n{line}\n"),
        expected,
    );
}

/// Checks a journey with this in its entry; the key starts at 4:3.
#[track_caller]
fn entry(key_and_value: &str, expected: &str) {
    finds(
        &format!("journey: a\nentry:\n  event: go\n  {key_and_value}\nsteps: [{{ wait: 1h }}]\n"),
        expected,
    );
}

/// Checks a journey with this step, which starts at 4:5. There are templates `hello` and `coded`, which reads `coupon`.
#[track_caller]
fn step(step: &str, expected: &str) {
    let source = format!(
        "journey: a
entry: {{ event: go }}
steps:
  - {step}
  - send: {{ use: sms, template: hello }}
  - issue: {{ use: coupons, campaign: c, off: 20%, valid: 1h }}
    then_send: {{ use: sms, template: coded }}
templates:
  hello: {{ en: {{ text: hi }} }}
  coded: {{ en: {{ text: '{{{{ coupon.code }}}}' }} }}
"
    );
    finds(&source, expected);
}

/// Checks a template that is sent by SMS and has this content in its second locale; it starts at 5:3.
#[track_caller]
fn content(content: &str, expected: &str) {
    let source = format!(
        "journey: a
steps: [{{ send: {{ use: sms, template: t }} }}]
entry: {{ event: go }}
templates: {{ t: {{ en: {{ text: x }}, zh:
  {content}
}} }}
"
    );
    finds(&source, expected);
}
