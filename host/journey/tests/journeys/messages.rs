use serde_json::json;
use waystation_journey::{Background, Content, Effect, Enrollment, Input, Status, World, advance};

use crate::story::{DAWN, Story, customer};
use crate::{in_cart, lin, with_steps};

#[test]
fn messages_are_rendered_for_the_channel_and_the_locale() {
    let mut story = in_cart();
    story.plays(
        "start           => at steps[0] for 12h
         after 12h       => issue e-1 coupons cart5; at steps[1].else[0]
         granted e-1 ABC => send e-2 notice cart-offer card; at steps[1].else[0]",
    );
    assert_eq!(
        content(&story),
        Content::Card {
            title: "Lin，五元券已到账".to_owned(),
            body: "券码 ABC，2026-06-02 20:00 前有效".to_owned(),
            image: None,
            link: Some("https://shop.example/cart".to_owned()),
        }
    );
    story.plays("refused e-2 address => send e-3 sms cart-offer text; at steps[1].else[0]");
    assert_eq!(
        content(&story),
        Content::Text { text: "券码 ABC，退订 https://example.com/u/phone".to_owned() }
    );
}

fn content(story: &Story) -> Content {
    match story.last.effects.last() {
        Some(Effect::Send { content, .. }) => content.clone(),
        other => panic!("{other:?} is no message"),
    }
}

#[test]
fn the_locale_is_the_exact_one_else_a_broader_one_else_the_first() {
    for (locale, expected) in [
        (json!("en"), "en"),
        (json!("EN"), "en"),
        (json!("en-GB"), "en"),
        (json!("zh-Hant-TW"), "zh-Hant"),
        (json!("zh-CN"), "zh"),
        (json!("fr"), "first"),
        (json!(null), "first"),
        (json!(7), "first"),
    ] {
        let source = "journey: l\nentry: { event: go }\ntemplates:\n  t:\n    default: { text: first }\n    zh-Hant: { text: zh-Hant }\n    en: { text: en }\n    zh: { text: zh }\nsteps:\n  - send: { use: sms, template: t }\n";
        let mut story = Story::of(source, customer(json!({ "locale": locale })), json!({}));
        story.plays("start => send e-1 sms t text; at steps[0]");
        assert_eq!(content(&story), Content::Text { text: expected.to_owned() }, "{locale}");
    }
}

#[test]
fn a_message_that_cannot_be_made_counts_as_refused() {
    let source = "journey: t\nentry: { event: go }\ntemplates:\n  t:\n    en:\n      card: { title: '{{ customer.nick }}', body: b }\n      text: '{{ customer.name }}'\nsteps:\n  - send: { use: notice, template: t, fallback: sms }\n    as: hello\n  - if: steps.hello.outcome == \"refused\"\n    then: [{ exit: unreached }]\n";
    let failed = "failed notice: template t/en/card/title line 1: undefined value";
    let mut story = Story::of(source, lin(), json!({}));
    story.plays(&format!(
        "start => send e-1 sms t text; {failed}; at steps[0]
         accepted e-1 => ended finished"
    ));
    let mut story = Story::of(source, customer(json!({})), json!({}));
    story.plays(&format!(
        "start => {failed}; failed sms: template t/en/text line 1: undefined value; ended unreached"
    ));
}

#[test]
fn a_channel_that_is_gone_counts_as_refused() {
    let mut story =
        with_steps("  - send: { use: sms, template: hello, fallback: mail }", json!({}));
    story.connections.0.remove("sms");
    story.plays(
        "start => send e-1 mail hello email; failed sms: there is no such channel at present; connect it again; at steps[0]
         accepted e-1 => ended finished",
    );
}

#[test]
fn html_is_escaped_and_text_is_not() {
    let source = "journey: h\nentry: { event: go }\ntemplates:\n  t:\n    en:\n      email: { subject: '{{ customer.name }}', html: '<p>{{ customer.name }}', text: '{{ customer.name }}' }\nsteps:\n  - send: { use: mail, template: t }\n";
    let mut story = Story::of(source, customer(json!({ "name": "A&B\r\nBcc: x" })), json!({}));
    story.plays("start => send e-1 mail t email; at steps[0]");
    let expected = Content::Email {
        subject: "A&B  Bcc: x".to_owned(),
        html: Some("<p>A&amp;B\r\nBcc: x".to_owned()),
        text: Some("A&B\r\nBcc: x".to_owned()),
    };
    assert_eq!(content(&story), expected);
}

#[test]
fn without_a_way_to_unsubscribe_a_template_that_offers_it_fails() {
    let source = "journey: u\nentry: { event: go }\ntemplates: { t: { en: { text: '{{ unsubscribe_url }}' } } }\nsteps: [{ send: { use: sms, template: t } }]";
    let story = Story::of(source, lin(), json!({}));
    let mut enrollment: Enrollment = story.enrollment.clone();
    let mut customer = lin();
    let mut world = World {
        customer: &mut customer,
        coupons: &[],
        background: Background::default(),
        connections: &story.connections,
        winners: &story.winners,
        policy: &story.policy,
        now: DAWN,
        unsubscribe_url: None,
    };
    let advance = advance(&story.program, &mut enrollment, Input::Start, &mut world);
    assert!(advance.effects.is_empty());
    assert_eq!(enrollment.status, Status::Finished);
}

#[test]
fn a_rendering_that_takes_too_much_fails() {
    for (text, failure) in [
        (
            "{% for a in range(9999) %}{% for b in range(9999) %}{% endfor %}{% endfor %}",
            "engine ran out of fuel",
        ),
        (
            "{% for a in range(9999) %}{{ entry.text }}{% endfor %}",
            "failed to write output: the rendered text is larger than 1 MiB",
        ),
        (
            "{% for a in entry.list recursive %}{{ loop(entry.list) }}{% endfor %}",
            "invalid operation: recursion limit exceeded",
        ),
    ] {
        let source = format!(
            "journey: r\nentry: {{ event: go }}\ntemplates: {{ t: {{ en: {{ text: '{text}' }} }} }}\nsteps: [{{ send: {{ use: sms, template: t }} }}]"
        );
        let mut story = Story::of(&source, lin(), json!({ "text": "x".repeat(1000), "list": [1] }));
        let outcome = story.happens("start");
        assert!(outcome.contains(failure) && outcome.ends_with("; ended finished"), "{outcome}");
    }
}
