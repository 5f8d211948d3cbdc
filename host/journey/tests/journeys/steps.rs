use serde_json::{Value, json};

use crate::with_steps;

#[test]
fn results_of_steps_are_known_to_those_after() {
    let steps = "
  - send: { use: sms, template: hello, fallback: mail }
    as: first
  - issue: { use: coupons, campaign: c, off: 20%, valid: 1h }
    as: offer
  - if: steps.first.outcome == 'accepted' && steps.first.channel == 'mail' && steps.offer.code == 'ABC' && steps.offer.valid_until > now
    then: [{ exit: known }]";
    with_steps(steps, json!({})).plays(
        "start            => send e-1 sms hello text; at steps[0]
         refused e-1 address => send e-2 mail hello email; at steps[0]
         accepted e-2     => issue e-3 coupons c; at steps[1]
         granted e-3 ABC  => ended known",
    );
}

#[test]
fn an_expression_that_fails_in_a_step_ends_the_journey() {
    with_steps("  - if: customer.age > 3\n    then: [{ wait: 1h }]", json!({})).plays(
        "start => failed steps[0].if: there is no `age`; ask `has(…)` before reading what may be absent; ended error",
    );
    with_steps("  - if: customer.name\n    then: [{ wait: 1h }]", json!({})).plays(
        "start => failed steps[0].if: the expression gives a value of type string where a truth value is needed; ended error",
    );
    with_steps("  - set: { attributes: { a: '1', b: '1 / 0' } }", json!({})).plays(
        "start => failed steps[0].set.attributes.b: Division by zero of Int(1); ended error",
    );
}

#[test]
fn setting_takes_all_values_before_it_changes_any() {
    let mut story = with_steps(
        "  - set: { attributes: { stage: customer.name, name: customer.stage, score: 'null' } }",
        json!({}),
    );
    story.plays("start => customer changed; ended finished");
    assert_eq!(
        Value::Object(story.customer.attributes.clone()),
        json!({ "name": "cold", "stage": "Lin" })
    );
}

#[test]
fn setting_what_is_set_changes_nothing() {
    with_steps(
        "  - set: { attributes: { stage: '\"cold\"' }, tags: vip, untag: [absent] }",
        json!({}),
    )
    .plays("start => ended finished");
}

#[test]
fn waiting_for_an_event_counts_from_where_the_wait_starts() {
    let steps = "  - wait_for: { event: page.viewed, when: event.page == 'price', up_to: 3h }\n    then: [{ wait: 1h }, { exit: came }]\n    else: [{ wait: 2h }]\n  - exit: late";
    let mut came = with_steps(steps, json!({}));
    came.plays(
        "event page.viewed {\"page\":\"price\"} => ignored
         start     => at steps[0] for 3h
         event page.viewed {\"page\":\"home\"} => ignored
         event page.viewed {\"page\":\"price\"} => at steps[0].then[0] for 1h
         event page.viewed {\"page\":\"price\"} => ignored
         after 1h  => ended came",
    );
    with_steps(steps, json!({})).plays(
        "start     => at steps[0] for 3h
         after 4h  => at steps[0].else[0] for 2h
         after 2h  => ended late",
    );
}

#[test]
fn an_attribute_is_bounded() {
    let steps = "  - set: { attributes: { a: entry.text } }";
    let text = |length: usize| json!({ "text": "x".repeat(length) });
    with_steps(steps, text(16_000)).plays("start => customer changed; ended finished");
    with_steps(steps, text(17_000)).plays(
        "start => failed steps[0].set.attributes.a: the value is longer than 16384 bytes; keep something shorter, such as an identifier; ended error",
    );
}
