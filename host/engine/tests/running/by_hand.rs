//! What operators settle and send again themselves.

use waystation_engine::EngineError;
use waystation_journey::{Enrollment, Status};
use waystation_store::records::{ByHand, CustomerPatch, Deliveries, EffectRow, Saying};

use crate::unknowns::lossy;
use crate::{Host, MINUTE, NOW, SECOND, until};

const JOURNEY: &str = "{ journey: notice, purpose: transactional, entry: { event: begin }, on_unknown: hold, \
    exit: [{ event: over }], templates: { hello: { default: { text: 'Hello' } } }, \
    steps: [{ send: { use: channel, template: hello, fallback: [other] } }, { wait_for: { event: more, up_to: 9d } }] }";

fn saying(what: ByHand) -> Saying {
    Saying { what, actor: "token 1".to_owned(), reason: "asked the provider".to_owned() }
}

fn fate(end: &str, find: &str) -> Vec<u8> {
    lossy(&format!("end={end} window=00000000 find={find}."))
}

/// Customers whose message ended so; each waits in the step after it, or for the message.
async fn host(end: &str, find: &str, customers: &[&str]) -> Host {
    let host = Host::new().await;
    host.connect_wasm("channel", "lossy", fate(end, find)).await;
    host.connect("other", "echo").await;
    host.apply(JOURNEY).await;
    for customer in customers {
        host.happen("begin", customer).await;
    }
    host
}

fn ended(effect: &EffectRow) -> (&str, &str, &str) {
    let word = |word: &'_ Option<String>| -> &'static str {
        // Only words of the host's own.
        ["accepted", "refused", "unknown", "held", "by_hand", "address", "pending"]
            .into_iter()
            .find(|known| word.as_deref() == Some(known))
            .unwrap_or("")
    };
    (effect.phase.as_str(), word(&effect.outcome), word(&effect.reason))
}

async fn row(host: &Host, key: &str) -> EffectRow {
    host.engine.store().effect(key).await.unwrap().unwrap().0
}

/// Where the customer's enrollment stands, once it waits for the event after the message.
async fn waiting(host: &Host, customer: &str) -> Enrollment {
    host.enrollment(customer, |enrollment| {
        enrollment.status == Status::Active && enrollment.due_at.is_some()
    })
    .await
}

async fn connect(host: &Host, end: &str, find: &str) {
    host.connect_wasm("channel", "lossy", fate(end, find)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_held_is_settled_without_its_journey_going_on_twice() {
    let host = host("unknown_", "absent", &["c-1"]).await;
    let (effect, _) = host.effect("c-1", |effect| effect.phase == "done").await;
    let before = waiting(&host, "c-1").await;
    assert_eq!(ended(&effect), ("done", "unknown", "held"));

    let said = host.engine.settle_by_hand(&effect.key, saying(ByHand::Accepted)).await.unwrap();
    assert!(!said.awaited && !said.may_double);
    let now = row(&host, &effect.key).await;
    assert_eq!(ended(&now), ("done", "accepted", "by_hand"));
    assert_eq!(now.detail.as_deref(), Some("said by hand: asked the provider"));
    let said = host.engine.store().interventions(&effect.key).await.unwrap();
    assert_eq!(said.len(), 1);
    assert_eq!(
        (said[0].actor.as_str(), said[0].kind.as_str(), said[0].former.as_str()),
        ("token 1", "accepted", "unknown held")
    );
    // It is certain now: neither the contrary can be said of it, nor is it sent again.
    for what in [ByHand::Refused, ByHand::Resend, ByHand::Accepted] {
        let again = host.engine.settle_by_hand(&effect.key, saying(what)).await;
        assert!(matches!(again, Err(EngineError::Conflict(_))), "{what:?}: {again:?}");
    }
    let missing = host.engine.settle_by_hand("no-such", saying(ByHand::Accepted)).await;
    assert!(matches!(missing, Err(EngineError::Missing(_))));
    // What happens next is the event that it waits for, one advance after what was before.
    host.happen("more", "c-1").await;
    let after = host.enrollment("c-1", |one| one.status == Status::Finished).await;
    assert_eq!(after.seq, before.seq + 1);
    host.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_to_a_wrong_number_is_sent_again_once_the_number_is_mended() {
    let host = host("refused_", "absent", &["c-1"]).await;
    let (effect, _) =
        host.effect("c-1", |effect| effect.phase == "done" && effect.connection == "channel").await;
    let before = waiting(&host, "c-1").await;
    assert_eq!(ended(&effect), ("done", "refused", "address"));
    let patch = CustomerPatch {
        id: "c-1".to_owned(),
        identities: [("phone".to_owned(), "the right one".to_owned())].into(),
        ..CustomerPatch::default()
    };
    host.engine.upsert_customers(vec![patch]).await.unwrap();
    connect(&host, "accepted", "absent").await;

    let said = host.engine.settle_by_hand(&effect.key, saying(ByHand::Resend)).await.unwrap();
    assert!(!said.awaited && !said.may_double, "it was certainly not done");
    let sent = until(async || {
        let now = row(&host, &effect.key).await;
        (now.phase == "done").then_some(now)
    })
    .await;
    assert_eq!((sent.outcome.as_deref(), sent.attempts), (Some("accepted"), 2));
    assert!(sent.provider_id.unwrap().contains("the right one"));
    assert_eq!(waiting(&host, "c-1").await.seq, before.seq, "the journey had gone on");
    host.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_awaited_goes_on_as_the_operator_says() {
    let host = host("unknown_", "unsure", &["c-1", "c-2", "c-3"]).await;
    let mut keys = Vec::new();
    for customer in ["c-1", "c-2", "c-3"] {
        keys.push(host.effect(customer, |effect| effect.phase == "unknown").await.0.key);
    }
    connect(&host, "accepted", "unsure").await;
    for (key, what) in keys.iter().zip([ByHand::Accepted, ByHand::Refused, ByHand::Resend]) {
        let said = host.engine.settle_by_hand(key, saying(what)).await.unwrap();
        assert_eq!((said.awaited, said.may_double), (true, what == ByHand::Resend));
    }
    for customer in ["c-1", "c-2", "c-3"] {
        let enrollment = waiting(&host, customer).await;
        // Started, and told of the message; the refused one went to the other channel, and was told of that too.
        assert_eq!(enrollment.seq, if customer == "c-2" { 3 } else { 2 }, "{customer}");
    }
    let effects = host.engine.store().deliveries(&Deliveries::default(), 10).await.unwrap();
    let others: Vec<&str> = effects
        .iter()
        .filter(|effect| effect.connection == "other")
        .map(|effect| effect.customer.as_str())
        .collect();
    assert_eq!(others, ["c-2"]);
    let attempts = |key: &String| effects.iter().find(|one| one.key == *key).unwrap().attempts;
    assert_eq!(keys.iter().map(attempts).collect::<Vec<_>>(), [1, 1, 2]);
    // The provider's answer comes to nothing after that.
    host.advance(MINUTE);
    assert_eq!(row(&host, &keys[0]).await.reason.as_deref(), Some("by_hand"));
    host.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_exit_does_not_call_off_what_an_operator_sends_again() {
    let host = host("refused_", "absent", &["c-1"]).await;
    waiting(&host, "c-1").await;
    let (effect, _) =
        host.effect("c-1", |effect| effect.phase == "done" && effect.connection == "channel").await;
    connect(&host, "deferred", "absent").await;
    host.engine.settle_by_hand(&effect.key, saying(ByHand::Resend)).await.unwrap();
    let put_off = async |attempts: i64| {
        until(async || {
            let now = row(&host, &effect.key).await;
            (now.phase == "pending" && now.attempts == attempts).then_some(())
        })
        .await;
    };
    put_off(2).await;
    host.happen("over", "c-1").await;
    let left = host.enrollment("c-1", |one| one.status == Status::Exited).await;
    put_off(2).await;
    // Put off again, after the exit.
    host.advance(MINUTE);
    put_off(3).await;
    connect(&host, "accepted", "absent").await;
    host.advance(MINUTE);
    until(async || {
        let now = row(&host, &effect.key).await;
        (ended(&now) == ("done", "accepted", "")).then_some(())
    })
    .await;
    assert_eq!(host.enrollment("c-1", |_| true).await.seq, left.seq);
    host.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_are_settled_by_what_they_have_in_common_within_a_bound() {
    let customers = ["c-1", "c-2", "c-3", "c-4", "c-5"];
    let host = host("unknown_", "absent", &customers).await;
    for customer in customers {
        host.effect(customer, |effect| effect.phase == "done").await;
    }
    let engine = &host.engine;
    let held = Deliveries { outcomes: vec!["unknown".to_owned()], ..Deliveries::default() };
    let of_other = Deliveries { connection: Some("other".to_owned()), ..held.clone() };
    assert_eq!(engine.count_for(&held, ByHand::Resend).await.unwrap(), 5);
    assert_eq!(engine.count_for(&of_other, ByHand::Resend).await.unwrap(), 0);
    let later = Deliveries { since: Some(NOW + 1), ..held.clone() };
    assert_eq!(engine.count_for(&later, ByHand::Resend).await.unwrap(), 0);

    let too_many = engine.settle_many_by_hand(&held, saying(ByHand::Refused), 4).await;
    assert!(matches!(too_many, Err(EngineError::Conflict(_))));
    assert_eq!(engine.count_for(&held, ByHand::Refused).await.unwrap(), 5, "nothing has changed");

    connect(&host, "accepted", "absent").await;
    let came = engine.settle_many_by_hand(&held, saying(ByHand::Resend), 5).await.unwrap();
    assert_eq!((came.settled, came.awaited, came.may_double, came.passed_over), (5, 0, 5, 0));
    for customer in customers {
        let (effect, _) =
            host.effect(customer, |effect| effect.phase == "done" && effect.attempts == 2).await;
        assert_eq!(effect.outcome.as_deref(), Some("accepted"));
    }
    assert_eq!(engine.count_for(&held, ByHand::Resend).await.unwrap(), 0);
    let causes = engine.store().causes(&waystation_engine::first_id(NOW - SECOND), None).await;
    let causes: Vec<_> = causes.unwrap().into_iter().map(|one| (one.outcome, one.count)).collect();
    assert_eq!(causes, [(Some("accepted".to_owned()), 5)]);
    host.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_metrics_say_of_how_many_nobody_knows_and_since_when() {
    let host = host("unknown_", "absent", &["c-1", "c-2"]).await;
    for customer in ["c-1", "c-2"] {
        host.effect(customer, |effect| effect.phase == "done").await;
    }
    host.advance(MINUTE);
    let shows = async |line: &str| {
        until(async || host.engine.metrics().text().contains(line).then_some(())).await;
    };
    shows("waystation_unknowns{connection=\"channel\",state=\"held\"} 2\n").await;
    shows("waystation_unknown_age_milliseconds 60000\n").await;
    let held = Deliveries { outcomes: vec!["unknown".to_owned()], ..Deliveries::default() };
    let accepted = saying(ByHand::Accepted);
    host.engine.settle_many_by_hand(&held, accepted, 10).await.unwrap();
    shows("waystation_unknown_age_milliseconds 0\n").await;
    assert!(!host.engine.metrics().text().contains("waystation_unknowns{"));
    host.stop().await;
}
