//! From one version of a journey into another.

use serde_json::json;
use waystation_journey::{Places, Program, check, diff};

use crate::shop::{connections, lines};
use crate::{lin, story::Story};

fn file(steps: &str) -> String {
    let texts = "en: { text: hello, email: { subject: hello, text: hello } }";
    format!(
        "journey: simple\nentry: {{ event: go }}\nexit: {{ event: stop, as: stopped }}\n\
         templates: {{ hello: {{ {texts} }}, other: {{ {texts} }} }}\nsteps: {steps}"
    )
}

fn program(steps: &str) -> Program {
    let checked = check(&file(steps), Some(&connections()));
    checked.program.unwrap_or_else(|| panic!("{}", lines(&checked.problems)))
}

/// Somebody who has come this far in these steps.
fn story(steps: &str, script: &str) -> Story {
    let mut story = Story::of(&file(steps), lin(), json!({}));
    story.plays(script);
    story
}

#[test]
fn a_wait_counts_from_when_it_began() {
    let short = "[{ wait: 24h }, { exit: over }]";
    let mut longer = story(short, "start => at steps[0] for 24h");
    longer.now += 10 * 3_600_000;
    assert_eq!(
        longer.moves_into(program("[{ wait: 48h }, { exit: done }]"), &[]),
        "at steps[0] for 38h"
    );
    longer.plays("after 38h => ended done");
    let mut shorter = story(short, "start => at steps[0] for 24h");
    shorter.now += 10 * 3_600_000;
    assert_eq!(
        shorter.moves_into(program("[{ wait: 4h }, { exit: done }]"), &[]),
        "at steps[0] for -6h"
    );
    shorter.plays("timer => ended done");
    let wait = |up_to: &str| format!("[{{ wait_for: {{ event: paid, up_to: {up_to} }} }}]");
    let mut event = story(&wait("24h"), "start => at steps[0] for 24h");
    event.now += 3_600_000;
    assert_eq!(event.moves_into(program(&wait("2h")), &[]), "at steps[0] for 1h");
    event.plays("event paid => ended finished");
}

#[test]
fn a_step_is_found_by_its_name_its_place_or_what_is_around_it() {
    let send = "{ send: { use: sms, template: hello }, as: first }";
    let cases = [
        // The same kinds of steps: by place.
        ("[{ wait: 1h }, { wait: 2h }]", "[{ wait: 3h }, { wait: 4h }]", "at steps[0] for 3h"),
        // Something was put in front.
        (
            "[{ wait: 1h }, { exit: over }]",
            "[{ set: { tags: a } }, { if: 'true', then: [{ set: { tags: b } }] }, { wait: 1h }]",
            "at steps[2] for 1h",
        ),
        // Nothing of its kind is left.
        ("[{ wait: 1h }]", "[{ set: { tags: a } }]", "ignored"),
        // It stands within another step, which was moved.
        (
            "[{ if: 'true', then: [{ wait: 1h }] }, { exit: over }]",
            "[{ set: { tags: a } }, { if: 'true', then: [{ wait: 5h }] }, { exit: over }]",
            "at steps[1].then[0] for 5h",
        ),
    ];
    for (old, new, outcome) in cases {
        let mut story = Story::of(&file(old), lin(), json!({}));
        story.happens("start");
        assert_eq!(story.moves_into(program(new), &[]), outcome, "{old} -> {new}");
    }
    let mut named = story(&format!("[{send}]"), "start => send e-1 sms hello text; at steps[0]");
    let newer = program(&format!("[{{ if: 'false', then: [{send}] }}, {{ wait: 1h }}]"));
    assert_eq!(named.moves_into(newer, &[]), "at steps[0].then[0]");
    // What was under way is still awaited.
    named.plays("accepted e-1 => at steps[1] for 1h");
}

#[test]
fn a_step_named_by_hand_is_the_one() {
    let mut story = story("[{ wait: 1h }, { wait: 2h }]", "start => at steps[0] for 1h");
    let newer = "[{ wait: 3h }, { wait: 5h }]";
    let places = Places::between(
        &story.program,
        &program(newer),
        &[("steps[0]".to_owned(), "steps[7]".to_owned())],
    );
    assert_eq!(places.unwrap_err(), "there is no `steps[7]` in the newer version");
    let outcome = story.moves_into(program(newer), &[("steps[0]", "steps[1]")]);
    assert_eq!(outcome, "at steps[1] for 5h");
}

#[test]
fn turns_go_along() {
    let old = "[{ repeat: { times: 3 }, steps: [{ wait: 1h }] }]";
    let new = "[{ set: { tags: a } }, { repeat: { times: 2 }, steps: [{ wait: 1h }] }]";
    let mut story = story(
        old,
        "start    => at steps[0].steps[0] for 1h
         after 1h => at steps[0].steps[0] for 1h",
    );
    assert_eq!(story.moves_into(program(new), &[]), "at steps[1].steps[0] for 1h");
    story.plays("after 1h => ended finished");
}

#[test]
fn a_message_under_way_is_followed_by_the_channels_of_the_new_version() {
    let old = "[{ send: { use: sms, template: hello } }]";
    let start = "start => send e-1 sms hello text; at steps[0]";
    let mut another = story(old, start);
    let newer = || program("[{ send: { use: mail, template: other } }]");
    assert_eq!(another.moves_into(newer(), &[]), "at steps[0]");
    another.plays(
        "refused e-1 recipient => send e-2 mail other email; at steps[0]
         accepted e-2          => ended finished",
    );
    let mut accepted = story(old, start);
    accepted.moves_into(newer(), &[]);
    accepted.plays("accepted e-1 => ended finished");
    let mut second = story(old, start);
    let more = program("[{ send: { use: mail, template: hello, fallback: [sms] } }]");
    second.moves_into(more, &[]);
    second.plays("refused e-1 recipient => send e-2 mail hello email; at steps[0]");
}

#[test]
fn texts_alone_are_told_from_the_rest() {
    let source = file("[{ send: { use: sms, template: hello } }, { wait: 1h }]");
    let of = |source: &str| check(source, Some(&connections())).program.unwrap();
    let same = |other: &str| of(&source).same_but_copy(&of(other));
    assert!(same(&source.replacen("text: hello,", "text: hi,", 1)));
    assert!(same(&format!("title: Another\nowner: crm\n{source}")));
    assert!(!same(&source.replace("1h", "2h")));
    assert!(!same(&source.replace("as: stopped", "as: ended")));
}

#[test]
fn what_differs_is_told_by_step() {
    let old = "[{ wait: 24h }, { send: { use: sms, template: hello } }, { set: { tags: a } }, \
               { switch: [{ when: 'true', then: [{ wait: 1h }] }] }]";
    let new = "[{ set: { tags: b } }, { wait: 48h }, { send: { use: mail, template: hello } }, \
               { switch: [{ when: 'true', then: [{ wait: 1h }, { exit: over }] }] }]";
    let older = file(old);
    let newer =
        file(new).replace("as: stopped", "as: ended").replacen("text: hello,", "text: hi,", 1);
    let of = |source: &str| check(source, Some(&connections())).program.unwrap();
    let told: Vec<String> = diff(&of(&older), &of(&newer))
        .into_iter()
        .map(|change| {
            let was = change.was.map_or_else(String::new, |was| format!(" (was {was})"));
            format!("{:?} {}{was}: {}", change.kind, change.at, change.what)
        })
        .collect();
    assert_eq!(
        told,
        [
            "Changed exit.as: stopped -> ended",
            "Changed templates.hello.en.text: hello -> hi",
            "Added steps[0]: set: {\"tags\":\"b\"}",
            "Changed steps[1] (was steps[0]): wait: 24h -> 48h",
            "Changed steps[2] (was steps[1]): send.use: sms -> mail",
            "Added steps[3].switch[0].then[1]: exit: over",
            "Removed steps[2]: set: {\"tags\":\"a\"}",
        ]
    );
    assert_eq!(diff(&of(&older), &of(&older)), []);
}

#[test]
fn a_step_that_changed_its_place_has_moved() {
    let older = program("[{ wait: 1h }, { set: { tags: a } }, { set: { tags: b } }]");
    let newer = program("[{ set: { tags: a } }, { set: { tags: b } }, { wait: 1h }]");
    let told = diff(&older, &newer);
    assert!(
        told.iter().all(|change| change.at == "steps[2]" || change.at == "steps[0]"),
        "{told:?}"
    );
    let named = |order: &str| program(order);
    let older =
        named("[{ assign: { to: a, note: x }, as: one }, { assign: { to: b, note: y }, as: two }]");
    let newer =
        named("[{ assign: { to: b, note: y }, as: two }, { assign: { to: a, note: x }, as: one }]");
    let told = diff(&older, &newer);
    assert_eq!(told.len(), 1, "{told:?}");
    assert_eq!(format!("{:?}", told[0].kind), "Moved");
}
