use serde_json::{Value, json};
use waystation_journey::EntryKind;

use crate::with_steps;

const RELATED: &str = "
  - run: related
    use: recommender
    with: { sku: '{{ entry.sku }}', count: 3, for: { name: '{{ customer.name }}', list: [true, null, 1.5, '1'] } }
    otherwise: []
  - if: size(steps.related) > 0 && steps.related[0].sku == 'B'
    then: [{ exit: found }]
    else: [{ exit: nothing }]";

#[test]
fn an_action_is_awaited_and_its_result_known() {
    with_steps(RELATED, json!({ "sku": "A \"1\"" })).plays(
        r#"start                  => run e-1 recommender {"count":3,"for":{"list":[true,null,1.5,"1"],"name":"Lin"},"sku":"A \"1\""}; at steps[0]
         timer                    => ignored
         done e-9 []              => ignored
         done e-1 [{"sku":"B"}]   => ended found
         done e-1 [{"sku":"B"}]   => ignored"#,
    );
}

#[test]
fn without_a_result_there_is_what_the_step_says() {
    for settled in
        ["refused e-1 parameters", "refused e-1 expired", "unknown e-1", "suppressed e-1"]
    {
        let mut story = with_steps(RELATED, json!({ "sku": "A" }));
        story.happens("start");
        story.plays(&format!("{settled} => ended nothing"));
    }
    let steps = "
  - { run: related, use: recommender }
  - if: steps.related == null
    then: [{ exit: none }]";
    with_steps(steps, json!({})).plays(
        "start       => run e-1 recommender {}; at steps[0]
         unknown e-1 => ended none",
    );
}

#[test]
fn a_result_is_read_by_templates_and_parameters() {
    let steps = "
  - { run: related, use: recommender }
  - run: more
    use: recommender
    with: { first: '{{ steps.related[0].sku }}', all: '{{ steps.related | length }}' }
  - { wait: 1h }";
    with_steps(steps, json!({})).plays(
        r#"start                           => run e-1 recommender {}; at steps[0]
         done e-1 [{"sku":"B"},{"sku":"C"}] => run e-2 recommender {"all":"2","first":"B"}; at steps[1]
         done e-2 7                        => at steps[2] for 1h"#,
    );
}

#[test]
fn parameters_that_cannot_be_filled_in_are_not_sent() {
    let steps = "
  - run: related
    use: recommender
    with: { a.b: x, a: { b: '{{ entry.sku }}' } }
    otherwise: { a: 1 }
  - if: steps.related.a == 1
    then: [{ exit: without }]";
    with_steps(steps, json!({})).plays(
        "start => failed recommender: template steps[0].with.a.b at 11:29 line 1: undefined value; ended without",
    );
    let text = |length: usize| json!({ "sku": "x".repeat(length) });
    with_steps(steps, text(66_000))
        .plays("start => failed recommender: the parameters are larger than 64 KiB; ended without");
    // As JSON it is longer than as text.
    with_steps(steps, json!({ "sku": "\n".repeat(40_000) }))
        .plays("start => failed recommender: the parameters are larger than 64 KiB; ended without");
}

#[test]
fn an_exit_is_not_held_up_by_an_action() {
    with_steps(RELATED, json!({ "sku": "A" })).plays(
        r#"start       => run e-1 recommender {"count":3,"for":{"list":[true,null,1.5,"1"],"name":"Lin"},"sku":"A"}; at steps[0]
         event stop  => ended stopped
         done e-1 [] => ignored"#,
    );
}

#[test]
fn results_are_bounded_together() {
    let steps: String = (0..5)
        .map(|n| format!("  - {{ run: r{n}, use: recommender, otherwise: left out }}\n"))
        .collect();
    let steps = format!("{steps}  - if: steps.r4 == 'left out'\n    then: [{{ exit: full }}]\n");
    let mut story = with_steps(&steps, json!({}));
    story.happens("start");
    for n in 1..=4 {
        story.happens(&format!("done e-{n} {}", Value::from("x".repeat(60_000))));
    }
    story.plays(&format!(
        "done e-5 {} => failed the result is left out: with it those of all steps would exceed 256 KiB; ended full",
        Value::from("x".repeat(60_000))
    ));
}

#[test]
fn the_history_tells_of_an_action() {
    let mut story = with_steps(RELATED, json!({ "sku": "A" }));
    story.happens("start");
    let told = |story: &crate::Story| -> Vec<(EntryKind, String, Option<String>, String)> {
        let entries = story.last.history.iter().cloned();
        entries.map(|entry| (entry.kind, entry.step, entry.key, entry.detail)).collect()
    };
    let step = || "steps[0]".to_owned();
    let key = || Some("e-1".to_owned());
    assert!(told(&story).contains(&(EntryKind::Running, step(), key(), "recommender".to_owned())));
    story.happens("refused e-1 parameters");
    let detail = "refused parameters: told so".to_owned();
    assert!(told(&story).contains(&(EntryKind::Settled, step(), key(), detail)));
}
