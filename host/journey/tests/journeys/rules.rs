use serde_json::{Value, json};
use waystation_journey::{Again, Background, EvalError, Former, check, entry};

use crate::story::{DAWN, HOUR, Story, event};
use crate::{in_cart, lin, with_steps};

#[test]
fn a_rule_that_cannot_be_evaluated_does_not_match_and_is_told() {
    let absent = "there is no `cart_id`; ask `has(…)` before reading what may be absent";
    in_cart().plays(&format!(
        "start            => at steps[0] for 12h
         event order.paid => failed goal.when: {absent}; failed exit[0].when: {absent}; at steps[0] for 12h"
    ));
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
        let key = entry(&program, &event, &lin(), &[], Background::default(), DAWN).unwrap();
        assert_eq!(key.is_some(), enters, "{amount}");
    }
}

#[test]
fn the_key_is_a_text_or_a_whole_number() {
    let checked =
        check("journey: k\nentry: { event: go, key: event.k }\nsteps: [{ wait: 1h }]", None);
    let program = checked.program.unwrap();
    let key = |k: Value| {
        entry(
            &program,
            &event("go", DAWN, json!({ "k": k })),
            &lin(),
            &[],
            Background::default(),
            DAWN,
        )
    };
    assert_eq!(key(json!("a b")), Ok(Some("a b".to_owned())));
    assert_eq!(key(json!(-7)), Ok(Some("-7".to_owned())));
    assert!(matches!(key(json!(1.5)), Err(EvalError::Type { .. })));
    assert!(matches!(key(json!("x".repeat(257))), Err(EvalError::TooLong { .. })));
    let other = event("other", DAWN, json!({}));
    assert_eq!(entry(&program, &other, &lin(), &[], Background::default(), DAWN), Ok(None));
}

#[test]
fn entering_again_is_as_the_journey_says() {
    let mut story = in_cart();
    for again in [Again::Never, Again::Always, Again::After(HOUR)] {
        assert!(again.allows(None, DAWN));
        assert!(
            !again.allows(Some(Former::from(&story.enrollment)), DAWN + 1000 * HOUR),
            "{again:?} while active"
        );
    }
    story.plays("start => at steps[0] for 12h\nevent order.paid {\"cart_id\":\"k1\",\"amount\":1} => goal 1; ended converted");
    let former = Some(Former::from(&story.enrollment));
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
            entry(
                &program,
                &event("go", DAWN, json!({ "list": list })),
                &lin(),
                &[],
                Background::default(),
                DAWN,
            )
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
fn the_functions_of_the_language_are_there() {
    for holds in [
        "size(event.tags) == 2 && event.tags.size() == 2 && size('中文') == 2",
        "event.name.contains('a') && event.name.startsWith('L') && event.name.endsWith('n')",
        "event.name.matches('^L.n$') || matches(event.name, '^Lan$')",
        "int('3') == 3 && uint(3) == 3u && double(1) == 1.0 && string(1) == '1' && bool('true')",
        "bytes('a') == b'a' && dyn(1) == 1 && type(1) == int && type(event.none) == null_type",
        "event.?absent.orValue('x') == 'x' && !event.?absent.hasValue() && event.?name.value() == 'Lan'",
        "optional.of(1).or(optional.none()) == optional.of(1) && !optional.ofNonZeroValue(0).hasValue()",
        "event.tags.all(t, t != '') && event.tags.exists_one(t, t == 'a') && event.tags.map(t, t + '!')[1] == 'b!'",
        "'a' in event.tags && 'city' in event.address && event.address == {'city': 'Ji', 'zip': 1}",
        "has(event.address.city) && !has(event.absent) && 'vip' in customer.tags && customer.id == 'c-1'",
        "event.none == null && event.big == 18446744073709551615u && event.half * 2.0 == 1.0",
    ] {
        let when = serde_json::to_string(holds).unwrap();
        let source =
            format!("journey: f\nentry: {{ event: go, when: {when} }}\nsteps: [{{ wait: 1h }}]");
        let checked = check(&source, None);
        let program = checked.program.unwrap_or_else(|| panic!("{holds}: {:?}", checked.problems));
        let properties = json!({
            "name": "Lan", "tags": ["a", "b"], "address": { "city": "Ji", "zip": 1 }, "none": null,
            "big": u64::MAX, "half": 0.5,
        });
        let entered = entry(
            &program,
            &event("go", DAWN, properties),
            &lin(),
            &[],
            Background::default(),
            DAWN,
        );
        assert_eq!(entered, Ok(Some(String::new())), "{holds}");
    }
}
