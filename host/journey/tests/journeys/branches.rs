use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::story::Story;
use crate::{lin, with_steps};

#[test]
fn the_first_event_to_come_decides() {
    let steps = "
  - wait_for:
      up_to: 24h
      any:
        - { event: joined, when: event.seat > 3, then: [{ exit: joined }] }
        - { event: declined, then: [{ set: { tags: cold } }] }
        - { event: late }
    as: answer
    else: [{ exit: silent }]
  - if: steps.answer.event == 'late' && steps.answer.why == 'rain'
    then: [{ exit: forgiven }]";
    let story = || with_steps(steps, json!({}));
    story().plays(
        "start                    => at steps[0] for 24h
         event joined {\"seat\": 2} => ignored
         event joined {\"seat\": 4} => ended joined",
    );
    story().plays(
        "start          => at steps[0] for 24h
         event declined => customer changed; ended finished",
    );
    story().plays(
        "start                         => at steps[0] for 24h
         event late {\"why\": \"rain\"} => ended forgiven",
    );
    story().plays(
        "start     => at steps[0] for 24h
         after 24h => ended silent",
    );
}

#[test]
fn a_switch_takes_the_first_case_that_holds() {
    let steps = "
  - switch:
      - { when: customer.score > 5, then: [{ exit: high }] }
      - { when: customer.score > 2, then: [{ exit: middle }] }
      - { when: customer.absent, then: [{ exit: never }] }
    else: [{ exit: low }]";
    with_steps(steps, json!({})).plays("start => ended middle");
    let mut low = with_steps(steps, json!({}));
    low.customer.attributes.insert("score".to_owned(), json!(1));
    low.plays(
        "start => failed steps[0].switch[2].when: there is no `absent`; ask `has(…)` before reading what may be absent; ended error",
    );
}

#[test]
fn a_repeat_takes_its_turns_and_no_more() {
    let steps = "
  - repeat: { times: 3, while: '!(\"done\" in customer.tags)' }
    steps:
      - wait: 1h
      - repeat: { times: 2 }
        steps: [{ set: { add: { score: 10 } } }]
  - exit: over";
    let mut story = with_steps(steps, json!({}));
    story.plays(
        "start    => at steps[0].steps[0] for 1h
         after 1h => customer changed; at steps[0].steps[0] for 1h
         after 1h => customer changed; at steps[0].steps[0] for 1h
         after 1h => customer changed; ended over",
    );
    assert_eq!(story.customer.attributes["score"], json!(63));
    let mut story = with_steps(steps, json!({}));
    story.plays("start => at steps[0].steps[0] for 1h");
    story.customer.tags.insert("done".to_owned());
    story.plays("after 1h => customer changed; ended over");
}

#[test]
fn adding_to_a_score_starts_at_nothing() {
    let mut story =
        with_steps("  - set: { add: { points: 5, share: '0.5', score: '-1' } }", json!({}));
    story.plays("start => customer changed; ended finished");
    let attributes = Value::Object(story.customer.attributes.clone());
    assert_eq!(
        attributes,
        json!({ "name": "Lin", "stage": "cold", "score": 2, "points": 5, "share": 0.5 })
    );
    with_steps("  - set: { add: { name: 1 } }", json!({})).plays(
        "start => failed name: the attribute is no number, so nothing can be added; ended error",
    );
}

/// Table: a customer's arm is the same whenever asked, and arms get their shares.
#[test]
fn a_split_gives_each_customer_one_arm_for_good() {
    let steps = "
  - split: offer
    arms:
      - { arm: money-off, weight: 30, then: [{ exit: money }] }
      - { arm: gift, weight: 70, then: [{ exit: gift }] }";
    let mut counts: BTreeMap<String, u32> = BTreeMap::new();
    for number in 0..2000 {
        let mut story = with_steps(steps, json!({}));
        story.enrollment.customer = format!("c-{number}");
        let first = story.happens("start");
        let mut again = with_steps(steps, json!({}));
        again.enrollment.customer = format!("c-{number}");
        assert_eq!(again.happens("start"), first);
        *counts.entry(first).or_default() += 1;
    }
    let money = counts["arm offer money-off; ended money"];
    assert_eq!(counts.len(), 2, "{counts:?}");
    // Four standard deviations of a binomial count are 82.
    assert!((518..=682).contains(&money), "{money}");
}

#[test]
fn a_decided_split_gives_everybody_the_winner() {
    let steps = "
  - split: offer
    arms: [{ arm: a, then: [{ exit: a }] }, { arm: b }]
  - if: steps.offer.arm == 'b'
    then: [{ exit: b }]";
    for winner in ["a", "b"] {
        let mut story = with_steps(steps, json!({}));
        story.winners.insert("offer".to_owned(), winner.to_owned());
        story.plays(&format!("start => ended {winner}"));
    }
}

#[test]
fn whoever_runs_the_journey_may_take_the_customer_out() {
    with_steps("  - wait: 1h", json!({})).plays(
        "start        => at steps[0] for 1h
         leave retired => ended retired
         leave retired => ignored
         after 1h     => ignored",
    );
}

fn offering(steps: &str) -> Story {
    let source = format!(
        "journey: offering\nentry: {{ event: go }}\ntemplates:\n  a: {{ en: {{ text: a, card: {{ title: a, body: a }}, post: {{ body: a }} }} }}\n  b: {{ en: {{ text: b, post: {{ title: b, body: b, media: [m1, m2] }} }} }}\n  c: {{ en: {{ text: c, post: {{ body: c }} }} }}\nsteps:\n{steps}"
    );
    Story::of(&source, lin(), json!({}))
}

#[test]
fn refused_content_is_replaced_before_the_channel_is() {
    let steps = "
  - send: { use: notice, template: a, backup: [b, c], fallback: sms }
    as: sent
  - if: steps.sent.template == 'b' && steps.sent.channel == 'sms'
    then: [{ exit: well }]";
    offering(steps).plays(
        "start               => send e-1 notice a card; at steps[0]
         refused e-1 content => send e-2 notice b text; at steps[0]
         refused e-2 address => send e-3 sms a text; at steps[0]
         refused e-3 content => send e-4 sms b text; at steps[0]
         accepted e-4        => ended well",
    );
}

#[test]
fn the_preferred_channel_comes_first_and_the_others_follow() {
    let steps = "
  - send: { use: { prefer: customer.channel, among: [notice, sms, weibo] }, template: c }";
    for (preferred, order) in [
        (json!("sms"), ["sms", "notice", "weibo"]),
        (json!("weibo"), ["weibo", "notice", "sms"]),
        (json!("notice"), ["notice", "sms", "weibo"]),
        (json!("pigeon"), ["notice", "sms", "weibo"]),
        (json!(7), ["notice", "sms", "weibo"]),
    ] {
        let mut story = offering(steps);
        story.customer.attributes.insert("channel".to_owned(), preferred);
        let [one, two, three] = order;
        story.plays(&format!(
            "start        => send e-1 {one} c text; at steps[0]
             suppressed e-1 => send e-2 {two} c text; at steps[0]
             refused e-2 blocked => send e-3 {three} c text; at steps[0]
             refused e-3 other => ended finished"
        ));
    }
}

#[test]
fn a_post_is_published_once_and_with_its_backups() {
    let steps = "
  - publish: { use: weibo, template: a, backup: [b, c] }
    as: post
  - if: steps.post.outcome == 'accepted' && steps.post.template == 'c'
    then: [{ exit: posted }]";
    offering(steps).plays(
        "start               => publish e-1 weibo a post; at steps[0]
         refused e-1 content => publish e-2 weibo b post; at steps[0]
         refused e-2 content => publish e-3 weibo c post; at steps[0]
         accepted e-3        => ended posted",
    );
    offering(steps).plays(
        "start               => publish e-1 weibo a post; at steps[0]
         refused e-1 account => ended finished",
    );
}

#[test]
fn people_are_given_something_to_do() {
    let steps = "
  - assign: { to: 'sales-{{ customer.stage }}', note: 'Call {{ customer.name }}.', due: 24h }
    as: call
  - wait_for: { event: assignment.done, when: event.key == steps.call.key, up_to: 48h }
    then: [{ exit: called }]";
    with_steps(steps, json!({})).plays(
        "start => assign e-1 sales-cold: Call Lin.; at steps[1] for 48h
         event assignment.done {\"key\": \"other\"} => ignored
         event assignment.done {\"key\": \"e-1\"} => ended called",
    );
    with_steps("  - assign: { to: '{{ customer.adviser }}', note: x }", json!({})).plays(
        "start => failed template steps[0].assign.to at 8:19 line 1: undefined value; ended finished",
    );
}
