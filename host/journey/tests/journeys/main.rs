//! Customers on their way through journeys.

#[path = "../shop/mod.rs"]
mod shop;
mod story;

use serde_json::{Value, json};
use shop::CART;
use story::{DAWN, HOUR, Story, customer, event};
use waystation_journey::{
    Again, Content, Coupon, CouponState, Customer, Effect, Enrollment, EvalError, Input, Status,
    World, advance, check, entry,
};

fn lin() -> Customer {
    customer(json!({ "name": "Lin", "score": 3, "stage": "cold" }))
}

fn in_cart() -> Story {
    Story::of(CART, lin(), json!({ "cart_id": "k1", "amount": 35 }))
}

/// A journey with these steps and everything else as simple as can be.
fn with_steps(steps: &str, properties: Value) -> Story {
    let source = format!(
        "journey: simple\nentry: {{ event: go }}\nexit: {{ event: stop, as: stopped }}\ntemplates:\n  hello:\n    en: {{ text: hello, email: {{ subject: hello, text: hello }} }}\nsteps:\n{steps}"
    );
    Story::of(&source, lin(), properties)
}

#[test]
fn the_cart_journey_from_end_to_end() {
    let mut story = in_cart();
    story.plays(
        "start              => at steps[0] for 12h
         after 12h          => issue e-1 coupons cart5; at steps[1].else[0]
         granted e-1 ABC    => send e-2 notice cart-offer card; at steps[1].else[0]
         accepted e-2       => at steps[2] for 12h
         after 12h          => send e-3 notice last-call card; at steps[3]
         accepted e-3       => customer changed; ended finished",
    );
    assert_eq!(story.enrollment.key, "k1");
    assert_eq!(story.enrollment.status, Status::Finished);
    assert_eq!(story.enrollment.ended_at, Some(DAWN + 24 * HOUR));
    assert_eq!(story.customer.attributes["score"], json!(4));
    assert_eq!(story.customer.attributes["stage"], json!("warm"));
    assert!(story.customer.tags.contains("reminded"));
}

#[test]
fn a_customer_with_a_coupon_is_reminded_of_it() {
    let mut story = in_cart();
    story.coupons = vec![coupon(DAWN + 100 * HOUR)];
    story.plays(
        "start     => at steps[0] for 12h
         after 12h => send e-1 notice use-your-coupon card; at steps[1].then[0]
         accepted e-1 => at steps[2] for 12h
         event order.paid {\"cart_id\":\"k2\",\"amount\":1} => ended converted",
    );
}

#[test]
fn a_coupon_that_is_over_does_not_count() {
    let mut story = in_cart();
    story.coupons = vec![coupon(DAWN + HOUR)];
    story.plays(
        "start     => at steps[0] for 12h
         after 12h => issue e-1 coupons cart5; at steps[1].else[0]",
    );
}

fn coupon(valid_until: i64) -> Coupon {
    let [key, code, campaign, connection] = ["old-1", "OLD", "cart5", "coupons"].map(str::to_owned);
    Coupon {
        key,
        code,
        campaign,
        connection,
        state: CouponState::Usable,
        valid_from: DAWN,
        valid_until,
    }
}

#[test]
fn paying_ends_the_journey_whatever_is_awaited() {
    let paid = "event order.paid {\"cart_id\":\"k1\",\"amount\":35}";
    let before = [
        "start => at steps[0] for 12h",
        "after 12h => issue e-1 coupons cart5; at steps[1].else[0]",
        "granted e-1 ABC => send e-2 notice cart-offer card; at steps[1].else[0]",
        "accepted e-2 => at steps[2] for 12h",
        "after 12h => send e-3 notice last-call card; at steps[3]",
    ];
    for length in 1..=before.len() {
        let mut story = in_cart();
        story.plays(&before[..length].join("\n"));
        story.plays(&format!(
            "{paid} => goal 35; ended converted\n{paid} => ignored\ntimer => ignored"
        ));
    }
}

#[test]
fn paying_another_cart_ends_nothing() {
    in_cart().plays(
        "start => at steps[0] for 12h
         event order.paid {\"cart_id\":\"k2\",\"amount\":1} => ignored
         event page.viewed => ignored",
    );
}

#[test]
fn a_rule_that_cannot_be_evaluated_does_not_match_and_is_told() {
    let absent = "there is no `cart_id`; ask `has(…)` before reading what may be absent";
    in_cart().plays(&format!(
        "start            => at steps[0] for 12h
         event order.paid => failed goal.when: {absent}; failed exit[0].when: {absent}; at steps[0] for 12h"
    ));
}

#[test]
fn a_refused_message_goes_to_the_next_channel() {
    in_cart().plays(
        "start              => at steps[0] for 12h
         after 12h          => issue e-1 coupons cart5; at steps[1].else[0]
         granted e-1 ABC    => send e-2 notice cart-offer card; at steps[1].else[0]
         refused e-2 address => send e-3 sms cart-offer text; at steps[1].else[0]
         accepted e-2       => ignored
         accepted e-3       => at steps[2] for 12h",
    );
}

#[test]
fn a_coupon_that_nothing_told_of_is_taken_back() {
    let mut story = in_cart();
    story.plays(
        "start              => at steps[0] for 12h
         after 12h          => issue e-1 coupons cart5; at steps[1].else[0]
         granted e-1 ABC    => send e-2 notice cart-offer card; at steps[1].else[0]
         suppressed e-2     => send e-3 sms cart-offer text; at steps[1].else[0]
         refused e-3 blocked => revoke e-4 coupons ABC of e-1; at steps[2] for 12h
         accepted e-4       => ignored",
    );
}

#[test]
fn a_message_that_may_have_been_sent_counts_as_sent() {
    in_cart().plays(
        "start              => at steps[0] for 12h
         after 12h          => issue e-1 coupons cart5; at steps[1].else[0]
         granted e-1 ABC    => send e-2 notice cart-offer card; at steps[1].else[0]
         unknown e-2        => at steps[2] for 12h",
    );
}

#[test]
fn without_a_coupon_nothing_is_told_of_it() {
    for settlement in ["refused e-1 exhausted", "unknown e-1", "suppressed e-1", "accepted e-1"] {
        in_cart().plays(&format!(
            "start     => at steps[0] for 12h
             after 12h => issue e-1 coupons cart5; at steps[1].else[0]
             {settlement} => at steps[2] for 12h"
        ));
    }
}

#[test]
fn a_coupon_that_comes_after_the_end_is_taken_back() {
    in_cart().plays(
        "start           => at steps[0] for 12h
         after 12h       => issue e-1 coupons cart5; at steps[1].else[0]
         event order.paid {\"cart_id\":\"k1\",\"amount\":35} => goal 35; ended converted
         granted e-1 ABC => revoke e-2 coupons ABC of e-1; ended converted
         granted e-1 ABC => ignored",
    );
    in_cart().plays(
        "start           => at steps[0] for 12h
         after 12h       => issue e-1 coupons cart5; at steps[1].else[0]
         granted e-1 ABC => send e-2 notice cart-offer card; at steps[1].else[0]
         event order.paid {\"cart_id\":\"k1\",\"amount\":35} => goal 35; ended converted
         refused e-2 address => revoke e-3 coupons ABC of e-1; ended converted",
    );
}

#[test]
fn late_and_doubled_inputs_change_nothing() {
    in_cart().plays(
        "timer              => ignored
         event order.paid {\"cart_id\":\"k1\"} => goal -; failed goal.value: there is no `amount`; ask `has(…)` before reading what may be absent; at steps[0]",
    );
    in_cart().plays(
        "start              => at steps[0] for 12h
         start              => ignored
         after 11h          => ignored
         accepted e-1       => ignored
         after 1h           => issue e-1 coupons cart5; at steps[1].else[0]
         timer              => ignored
         granted e-9 ABC    => ignored",
    );
}

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
fn an_exit_before_the_first_step_is_no_exit() {
    with_steps("  - wait: 1h", json!({})).plays(
        "event stop => ignored
         start => at steps[0] for 1h
         event stop => ended stopped",
    );
}

#[test]
fn the_goal_counts_until_its_time_is_up_even_after_the_end() {
    let source = "journey: g\nentry: { event: go }\ngoal: { event: order.paid, within: 5h, value: event.amount }\nsteps:\n  - wait: 1h\n";
    let enter = || Story::of(source, lin(), json!({}));
    enter().plays(
        "start     => at steps[0] for 1h
         after 1h  => ended finished
         event order.paid {\"amount\": 12.5} => goal 12.5; ended finished
         event order.paid {\"amount\": 99} => ignored",
    );
    let mut late = enter();
    late.plays("start => at steps[0] for 1h\nafter 1h => ended finished");
    assert_eq!(late.program.goal_until(&late.enrollment), Some(DAWN + 5 * HOUR));
    late.now = DAWN + 5 * HOUR + 1;
    late.plays("event order.paid {\"amount\": 1} => ignored");
}

#[test]
fn whole_and_broken_numbers_compare_alike() {
    for (amount, enters) in
        [(json!(12), true), (json!(12.5), true), (json!(10), false), (json!(9.99), false)]
    {
        let checked = check(
            "journey: n\nentry: { event: go, when: event.amount > 10 }\nsteps: [{ wait: 1h }]",
            None,
        );
        let program = checked.program.unwrap();
        let event = event("go", DAWN, json!({ "amount": amount }));
        let key = entry(&program, &event, &lin(), &[], DAWN).unwrap();
        assert_eq!(key.is_some(), enters, "{amount}");
    }
}

#[test]
fn the_key_is_a_text_or_a_whole_number() {
    let checked =
        check("journey: k\nentry: { event: go, key: event.k }\nsteps: [{ wait: 1h }]", None);
    let program = checked.program.unwrap();
    let key = |k: Value| entry(&program, &event("go", DAWN, json!({ "k": k })), &lin(), &[], DAWN);
    assert_eq!(key(json!("a b")), Ok(Some("a b".to_owned())));
    assert_eq!(key(json!(-7)), Ok(Some("-7".to_owned())));
    assert!(matches!(key(json!(1.5)), Err(EvalError::Type { .. })));
    assert!(matches!(key(json!("x".repeat(257))), Err(EvalError::TooLong { .. })));
    let other = event("other", DAWN, json!({}));
    assert_eq!(entry(&program, &other, &lin(), &[], DAWN), Ok(None));
}

#[test]
fn entering_again_is_as_the_journey_says() {
    let mut story = in_cart();
    for again in [Again::Never, Again::Always, Again::After(HOUR)] {
        assert!(again.allows(None, DAWN));
        assert!(
            !again.allows(Some(&story.enrollment), DAWN + 1000 * HOUR),
            "{again:?} while active"
        );
    }
    story.plays("start => at steps[0] for 12h\nevent order.paid {\"cart_id\":\"k1\",\"amount\":1} => goal 1; ended converted");
    let former = Some(&story.enrollment);
    assert!(!Again::Never.allows(former, DAWN + 1000 * HOUR));
    assert!(Again::Always.allows(former, DAWN));
    assert!(!Again::After(HOUR).allows(former, DAWN + HOUR - 1));
    assert!(Again::After(HOUR).allows(former, DAWN + HOUR));
}

#[test]
fn an_evaluation_that_takes_too_long_is_stopped() {
    let list = json!((0..500).collect::<Vec<i64>>());
    for expression in [
        "event.list.all(a, event.list.all(b, a != -b - 1))",
        "event.list.map(a, event.list.map(b, b)).size() == 500",
        "event.list.filter(a, event.list.filter(b, b >= 0).size() == 500).size() == 500",
        "event.list.map(a, a >= 0, event.list.exists_one(b, b == a)).size() == 500",
    ] {
        let source = format!(
            "journey: n\nentry: {{ event: go, when: '{expression}' }}\nsteps: [{{ wait: 1h }}]"
        );
        let program = check(&source, None).program.unwrap();
        let enters = |list: Value| {
            entry(&program, &event("go", DAWN, json!({ "list": list })), &lin(), &[], DAWN)
        };
        let error = enters(list.clone()).unwrap_err();
        assert!(matches!(error, EvalError::TooLongRunning { .. }), "{expression}: {error}");
        let short = json!((0..5).collect::<Vec<i64>>());
        assert!(enters(short).is_ok(), "{expression}");
    }
}

#[test]
fn a_program_is_shared_between_threads() {
    fn shared<T: Send + Sync>(_: &T) {}
    shared(&in_cart().program);
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
        connections: &story.connections,
        now: DAWN,
        unsubscribe_url: None,
    };
    let advance = advance(&story.program, &mut enrollment, Input::Start, &mut world);
    assert!(advance.effects.is_empty());
    assert_eq!(enrollment.status, Status::Finished);
}
