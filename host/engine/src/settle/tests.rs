use waystation_journey::{Customer, OnUnknown};
use waystation_sandbox::contract::{action, channel, types};
use waystation_store::records::{DueEffect, EffectKind, Next};

use super::{Attempted, Means};

/// When every effect here was first attempted.
const FIRST: i64 = 1_750_000_000_000;
const SECOND: i64 = 1_000;
const MINUTE: i64 = 60 * SECOND;
const HOUR: i64 = 60 * MINUTE;

const NO_MEANS: Means = Means { dedupe_window: None, finds: false, policy: OnUnknown::Hold };

fn effect() -> DueEffect {
    DueEffect {
        key: "e-1-1".to_owned(),
        enrollment: "e-1".to_owned(),
        journey: "hello".to_owned(),
        version: 1,
        step: "steps[0]".to_owned(),
        kind: EffectKind::Send,
        body: String::new(),
        attempts: 1,
        first_attempt_at: Some(FIRST),
        rank: 50,
        due_at: 0,
        uncertain: None,
        resent_at: None,
        customer: Customer::default(),
    }
}

/// What follows from an unknown end of attempt `number`, so long after the first.
fn unknown(number: i64, after: i64, means: Means) -> Next {
    let effect = effect();
    let attempted = Attempted { effect: &effect, number, means, asked: false, now: FIRST + after };
    let settlement = attempted.unknown("the connection broke".to_owned());
    assert_eq!((settlement.ended, settlement.attempt), ("unknown", number));
    settlement.next
}

fn again(after: i64) -> Next {
    Next::Again { at: FIRST + after, certainly_not_done: false }
}

/// As `again`, where nothing can have come of it.
fn later(after: i64) -> Next {
    Next::Again { at: FIRST + after, certainly_not_done: true }
}

fn ask(after: i64) -> Next {
    Next::Ask { at: FIRST + after }
}

fn held() -> Next {
    Next::Settled {
        outcome: "unknown",
        reason: Some("held".to_owned()),
        result: None,
        provider_id: None,
    }
}

#[test]
fn an_unknown_is_repeated_where_safe_asked_for_where_possible_and_else_left_to_the_policy() {
    let window = Means { dedupe_window: Some(HOUR.unsigned_abs()), ..NO_MEANS };
    let always = Means { dedupe_window: Some(u64::MAX), ..NO_MEANS };
    let finds = Means { finds: true, ..NO_MEANS };
    let both = Means { finds: true, ..window };
    let resend = Means { policy: OnUnknown::Resend, ..NO_MEANS };
    let cases = [
        ("nothing is known", NO_MEANS, 1, 0, held()),
        ("within the window", window, 1, 0, again(SECOND)),
        ("the next pause is twice as long", window, 2, MINUTE, again(MINUTE + 2 * SECOND)),
        (
            "the repeat would come within a minute of the window's end",
            window,
            1,
            HOUR - MINUTE - SECOND,
            held(),
        ),
        ("the window is over", window, 2, HOUR, held()),
        ("a window without end", always, 5, 1_000 * HOUR, again(1_000 * HOUR + 16 * SECOND)),
        ("too many attempts", always, 20, HOUR, held()),
        ("the provider can be asked", finds, 1, 0, ask(SECOND)),
        ("the provider has been asked for a day", finds, 3, 24 * HOUR, held()),
        ("repeating is quicker than asking", both, 1, 0, again(SECOND)),
        ("asking takes over from the window", both, 9, HOUR, ask(HOUR + 15 * MINUTE)),
        ("the journey wants it repeated", resend, 1, 0, again(SECOND)),
        (
            "the pause ends at a quarter of an hour",
            resend,
            19,
            2 * HOUR,
            again(2 * HOUR + 15 * MINUTE),
        ),
        ("repeated often enough", resend, 20, HOUR, held()),
        ("asking goes before the policy", Means { finds: true, ..resend }, 1, 0, ask(SECOND)),
    ];
    for (name, means, number, after, expected) in cases {
        assert_eq!(unknown(number, after, means), expected, "{name}");
    }
}

/// What follows from a deferral by `pause` milliseconds.
fn deferred(number: i64, after: i64, pause: u64) -> Next {
    let effect = effect();
    let attempted =
        Attempted { effect: &effect, number, means: NO_MEANS, asked: false, now: FIRST + after };
    let deferral = types::Deferral { after: pause, detail: "busy".to_owned() };
    attempted.delivered(channel::Outcome::Deferred(deferral)).next
}

#[test]
fn a_deferral_is_repeated_after_its_pause_within_bounds_until_it_expires() {
    let expired = Next::Settled {
        outcome: "expired",
        reason: Some("expired".to_owned()),
        result: None,
        provider_id: None,
    };
    let cases = [
        ("the pause that the plugin asks for", 1, 0, 90_000, later(90 * SECOND)),
        ("a pause that is too short", 1, 0, 0, later(SECOND)),
        (
            "a pause that is too short for the fifth attempt",
            5,
            MINUTE,
            1,
            later(MINUTE + 16 * SECOND),
        ),
        ("a pause that is too long", 1, 0, u64::MAX, later(24 * HOUR)),
        ("the last attempt", 20, HOUR, 1, expired.clone()),
        ("three days", 4, 72 * HOUR, 1, later(72 * HOUR + 8 * SECOND)),
        ("more than three days", 4, 72 * HOUR + 1, 1, expired),
    ];
    for (name, number, after, pause, expected) in cases {
        assert_eq!(deferred(number, after, pause), expected, "{name}");
    }
}

#[test]
fn the_end_of_an_action_follows_the_same_rules_and_keeps_its_result() {
    let effect = DueEffect { kind: EffectKind::Run, ..effect() };
    let ends = |means, answer| {
        let attempted = Attempted { effect: &effect, number: 1, means, asked: false, now: FIRST };
        let settlement = attempted.ran(answer);
        (settlement.ended, settlement.next)
    };
    let settled =
        |outcome: &'static str, reason: Option<&str>, result: Option<&str>| Next::Settled {
            outcome,
            reason: reason.map(str::to_owned),
            result: result.map(str::to_owned),
            provider_id: None,
        };
    let done = ends(NO_MEANS, Ok("[1]".to_owned()));
    assert_eq!(done, ("accepted", settled("accepted", None, Some("[1]"))));
    let refused = ends(NO_MEANS, Err(action::Failure::Refused("no".to_owned())));
    assert_eq!(refused, ("refused", settled("refused", Some("other"), None)));
    let busy = types::Deferral { after: 90_000, detail: "busy".to_owned() };
    let put_off = ends(NO_MEANS, Err(action::Failure::Deferred(busy)));
    assert_eq!(put_off, ("deferred", later(90 * SECOND)));
    let lost = || Err(action::Failure::Unknown("lost".to_owned()));
    assert_eq!(ends(NO_MEANS, lost()), ("unknown", held()));
    let always = Means { dedupe_window: Some(u64::MAX), ..NO_MEANS };
    assert_eq!(ends(always, lost()), ("unknown", again(SECOND)));
}

#[test]
fn what_the_provider_has_never_heard_of_is_done_at_once() {
    let effect = effect();
    let attempted =
        Attempted { effect: &effect, number: 1, means: NO_MEANS, asked: true, now: FIRST + HOUR };
    assert_eq!(attempted.not_there().next, later(HOUR));
}
