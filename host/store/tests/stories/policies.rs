//! What counts for limits, and in which order effects are due.

use std::sync::Arc;

use waystation_journey::{
    ChannelFacts, ContentKind, Customer, Message, Policy, Program, Purpose, check,
};
use waystation_store::records::{EffectKind, NewEffect, Next, Pass, Verdict};

use super::{ALL, HOUR, NOW, Place, accepted, effect, enrollment, portion, settlement};

/// Asks for a place for this effect under a limit of one message in a day.
fn within(key: &str) -> (String, Verdict) {
    let policy = Policy::check("limits: { messages: 1, per: 24h }").policy.unwrap();
    let file = "{ journey: hello, entry: { event: signed.up }, steps: [{ wait: 1h }] }";
    let program: Program = check(file, None).program.unwrap();
    let channel =
        ChannelFacts { address: "email".to_owned(), contents: [ContentKind::Text].into() };
    let customer = Customer { id: "c-1".to_owned(), ..Customer::default() };
    let message = Message {
        key,
        step: "steps[0]",
        customer: &customer,
        purpose: Purpose::Marketing,
        connection: "notice",
        channel: &channel,
        program: &Arc::new(program),
        policy: &Arc::new(policy),
    };
    (key.to_owned(), Verdict::Within(Box::new(message.asking().unwrap())))
}

async fn two_messages() -> Place {
    let store = Place::new().await;
    let effects = vec![effect("e-1-1", EffectKind::Send), effect("e-1-2", EffectKind::Send)];
    store.enroll("e-1", effects).await;
    store
}

/// Whether the second message finds a place, once this became of the first.
async fn second_goes(store: &Place, ended: &'static str, next: Next) -> bool {
    let first = store.attempt(vec![within("e-1-1")], "digest".to_owned(), NOW).await.unwrap();
    assert_eq!(first, ["e-1-1"]);
    store.settle(vec![settlement("e-1-1", ended, next)], NOW).await.unwrap();
    let second = store.attempt(vec![within("e-1-2")], "digest".to_owned(), NOW + 1).await.unwrap();
    !second.is_empty()
}

#[tokio::test]
async fn what_may_have_been_sent_takes_a_place_and_nothing_else() {
    let settled =
        |outcome| Next::Settled { outcome, reason: None, result: None, provider_id: None };
    let again = |certainly_not_done| Next::Again { at: NOW + HOUR, certainly_not_done };
    let cases = [
        ("accepted", settled("accepted"), false),
        ("unknown", settled("unknown"), false),
        ("unknown", Next::Ask { at: NOW + HOUR }, false),
        ("unknown", again(false), false),
        ("deferred", again(true), true),
        ("refused", settled("refused"), true),
        ("deferred", settled("expired"), true),
    ];
    for (ended, next, goes) in cases {
        let store = two_messages().await;
        assert_eq!(second_goes(&store, ended, next.clone()).await, goes, "{ended} {next:?}");
        let (second, _) = store.effect("e-1-2").await.unwrap().unwrap();
        assert_eq!(second.reason.as_deref() == Some("limit"), !goes);
    }
}

#[tokio::test]
async fn a_place_is_taken_while_the_call_is_under_way_and_free_after_a_day() {
    let store = two_messages().await;
    store.mark(&["e-1-1"]).await;
    let later = NOW + 24 * HOUR;
    let both = |key: &str| vec![within(key)];
    assert!(store.attempt(both("e-1-2"), "d".to_owned(), later - 1).await.unwrap().is_empty());
    store.enroll("e-2", vec![effect("e-2-1", EffectKind::Send)]).await;
    assert_eq!(store.attempt(both("e-2-1"), "d".to_owned(), later).await.unwrap(), ["e-2-1"]);
}

#[tokio::test]
async fn in_one_batch_the_first_takes_the_place_unless_an_exit_was_faster() {
    let store = two_messages().await;
    let both = || vec![within("e-1-1"), within("e-1-2")];
    assert_eq!(store.attempt(both(), "d".to_owned(), NOW).await.unwrap(), ["e-1-1"]);
    let store = two_messages().await;
    store.enroll("e-2", vec![effect("e-2-1", EffectKind::Send)]).await;
    store
        .commit(Pass { now: NOW, ended: vec!["e-1".to_owned()], ..Pass::default() })
        .await
        .unwrap();
    let marked = store.attempt(vec![within("e-1-1"), within("e-2-1")], "d".to_owned(), NOW).await;
    assert_eq!(marked.unwrap(), ["e-2-1"]);
}

#[tokio::test]
async fn transactional_messages_take_no_place() {
    let store = Place::new().await;
    let receipt = NewEffect { marketing: false, ..effect("e-1-1", EffectKind::Send) };
    store.enroll("e-1", vec![receipt, effect("e-1-2", EffectKind::Send)]).await;
    store.mark(&["e-1-1"]).await;
    store.settle(vec![accepted("e-1-1")], NOW).await.unwrap();
    let second = store.attempt(vec![within("e-1-2")], "d".to_owned(), NOW).await.unwrap();
    assert_eq!(second, ["e-1-2"]);
}

#[tokio::test]
async fn due_effects_come_by_rank_and_then_by_due_time_past_those_that_wait() {
    let store = Place::new().await;
    let ranked = |number: usize, rank, due_at| NewEffect {
        key: format!("e-{number}-1"),
        rank,
        due_at,
        ..effect("e-1", EffectKind::Send)
    };
    let mut effects: Vec<NewEffect> = (0..500).map(|n| ranked(1_000 + n, 80, NOW + HOUR)).collect();
    effects.extend([
        ranked(1, 20, NOW - 3),
        ranked(2, 50, NOW - 1),
        ranked(3, 50, NOW - 2),
        ranked(4, 1_020, NOW),
    ]);
    store
        .commit(Pass { now: NOW, enrolled: vec![enrollment("e-1")], effects, ..Pass::default() })
        .await
        .unwrap();
    assert_eq!(store.due_keys("pending", NOW).await, ["e-4-1", "e-3-1", "e-2-1", "e-1-1"]);
    let due = store.due_effects("notice", "pending", NOW, portion(2)).await.unwrap();
    assert_eq!((due.effects.len(), due.several_ranks), (2, true));
    assert_eq!(store.next_effect("notice").await.unwrap(), Some(NOW - 3));
    assert_eq!(
        store
            .due_effects("notice", "pending", NOW + HOUR, portion(ALL))
            .await
            .unwrap()
            .effects
            .len(),
        504
    );
}
