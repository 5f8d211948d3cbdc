//! Messages that are accepted, deferred, or of which nobody knows.

use waystation_journey::Status;
use waystation_store::Store;
use waystation_store::records::Verdict;

use crate::{Host, NOW, SECOND};

/// The pause that the guest `mailer` asks for.
const MINUTE: i64 = 60 * SECOND;

/// A journey of one message.
fn journey(on_unknown: &str) -> String {
    format!(
        "{{ journey: notice, purpose: transactional, entry: {{ event: begin }}, on_unknown: {on_unknown}, \
         templates: {{ hello: {{ default: {{ text: 'Hello' }} }} }}, \
         steps: [{{ send: {{ use: channel, template: hello }} }}] }}"
    )
}

async fn host(guest: &str, on_unknown: &str) -> Host {
    let host = Host::new().await;
    host.connect("channel", guest).await;
    host.apply(&journey(on_unknown)).await;
    host
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_accepted_message_ends_the_journey() {
    let host = host("echo", "hold").await;
    host.happen("begin", "c-1").await;
    host.enrollment("c-1", |enrollment| enrollment.status == Status::Finished).await;
    let (effect, attempts) = host.effect("c-1", |effect| effect.phase == "done").await;
    assert_eq!(effect.outcome.as_deref(), Some("accepted"));
    // The guest gives the key back.
    assert_eq!(effect.provider_id.as_ref(), Some(&effect.key));
    assert_eq!(attempts.len(), 1);
    host.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deferred_message_is_repeated_after_its_pause_under_the_same_key() {
    let host = host("mailer", "hold").await;
    host.happen("begin", "c-1").await;
    let waiting = |effect: &waystation_store::records::EffectRow| {
        effect.phase == "pending" && effect.attempts == 1
    };
    let (first, _) = host.effect("c-1", waiting).await;
    host.advance(MINUTE - 1);
    // The same worker takes up the second customer's message at this time, and would take the first one's too.
    host.happen("begin", "c-2").await;
    host.effect("c-2", waiting).await;
    host.effect("c-1", waiting).await;
    host.advance(1);
    let (second, attempts) =
        host.effect("c-1", |effect| effect.phase == "pending" && effect.attempts == 2).await;
    assert_eq!(first.key, second.key);
    let started: Vec<i64> = attempts.iter().map(|attempt| attempt.started_at).collect();
    assert_eq!(started, [NOW, NOW + MINUTE]);
    let ends: Vec<_> = attempts.iter().map(|attempt| attempt.outcome.as_deref()).collect();
    assert_eq!(ends, [Some("deferred"); 2]);
    host.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_unknown_message_is_held_where_the_journey_says_so() {
    let host = host("crashes", "hold").await;
    host.happen("begin", "c-1").await;
    host.enrollment("c-1", |enrollment| enrollment.status == Status::Finished).await;
    let (effect, attempts) = host.effect("c-1", |effect| effect.phase == "done").await;
    assert_eq!(
        (effect.outcome.as_deref(), effect.reason.as_deref()),
        (Some("unknown"), Some("held"))
    );
    assert_eq!(attempts.len(), 1);
    assert_eq!(host.engine.store().next_effect("channel").await.unwrap(), None);
    host.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_unknown_message_is_sent_again_where_the_journey_says_so_by_whatever_plugin_is_in_use_then()
 {
    let host = host("crashes", "resend").await;
    host.happen("begin", "c-1").await;
    let (first, _) =
        host.effect("c-1", |effect| effect.phase == "pending" && effect.attempts == 1).await;
    assert_eq!(host.engine.store().next_effect("channel").await.unwrap(), Some(NOW + SECOND));
    host.connect("channel", "echo").await;
    host.advance(SECOND);
    let (second, attempts) = host.effect("c-1", |effect| effect.phase == "done").await;
    assert_eq!((second.outcome.as_deref(), second.attempts), (Some("accepted"), 2));
    assert_eq!(first.key, second.key);
    assert_ne!(attempts[0].release, attempts[1].release);
    host.stop().await;
}

/// A host that was killed during its second attempt, on a journey with this policy, and the next host.
async fn restarted(on_unknown: &str) -> (Host, String) {
    let host = host("mailer", on_unknown).await;
    host.happen("begin", "c-1").await;
    let (effect, _) =
        host.effect("c-1", |effect| effect.phase == "pending" && effect.attempts == 1).await;
    let (folder, store) = host.stop().await;
    let verdicts = vec![(effect.key.clone(), Verdict::Attempt)];
    let marked = store.attempt(verdicts, "digest".to_owned(), NOW + MINUTE).await.unwrap();
    assert_eq!(marked, [effect.key.as_str()]);
    store.close().await;
    (Host::start(folder, NOW + 2 * MINUTE).await, effect.key)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_under_way_at_a_kill_is_held_where_the_journey_says_so() {
    let (host, key) = restarted("hold").await;
    host.enrollment("c-1", |enrollment| enrollment.status == Status::Finished).await;
    let (effect, attempts) = host.effect("c-1", |effect| effect.phase == "done").await;
    assert_eq!((effect.key, effect.outcome.as_deref()), (key, Some("unknown")));
    assert_eq!(attempts.len(), 2);
    assert_eq!(attempts[1].detail.as_deref(), Some(Store::interruption()));
    host.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_under_way_at_a_kill_is_sent_again_where_the_journey_says_so() {
    let (host, key) = restarted("resend").await;
    assert_eq!(
        host.engine.store().next_effect("channel").await.unwrap(),
        Some(NOW + 2 * MINUTE + 2 * SECOND)
    );
    host.advance(2 * SECOND);
    let (effect, attempts) =
        host.effect("c-1", |effect| effect.phase == "pending" && effect.attempts == 3).await;
    assert_eq!(effect.key, key);
    let ends: Vec<_> = attempts.iter().map(|attempt| attempt.outcome.as_deref()).collect();
    assert_eq!(ends, [Some("deferred"), Some("unknown"), Some("deferred")]);
    host.stop().await;
}
