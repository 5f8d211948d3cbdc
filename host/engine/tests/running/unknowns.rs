//! Messages of which nobody knows whether they were sent: how each means settles them, with a plugin that has it.

use waystation_journey::Status;
use waystation_store::records::{AttemptRow, CustomerPatch, EffectRow};

use crate::{HOUR, Host, MINUTE, NOW, SECOND, wasm};

/// The guest `lossy` with another fate, such as `end=unknown_ window=00000000 find=absent.`.
pub(crate) fn lossy(fate: &str) -> Vec<u8> {
    const FATE: &[u8] = b"end=accepted window=00000000 find=absent.";
    let mut wasm = wasm("lossy");
    let at = wasm.windows(FATE.len()).position(|window| window == FATE).unwrap();
    assert_eq!(fate.len(), FATE.len());
    wasm[at..at + fate.len()].copy_from_slice(fate.as_bytes());
    wasm
}

/// A journey of one message.
fn journey(on_unknown: &str) -> String {
    format!(
        "{{ journey: notice, purpose: transactional, entry: {{ event: begin }}, on_unknown: {on_unknown}, \
         templates: {{ hello: {{ default: {{ text: 'Hello' }} }} }}, \
         steps: [{{ send: {{ use: channel, template: hello }} }}] }}"
    )
}

/// A host whose first message to `c-1` ended so that nobody knows, on a channel with these means; the channel's next sends are
/// accepted.
async fn lost(on_unknown: &str, means: &str) -> (Host, EffectRow) {
    let host = Host::new().await;
    host.connect_wasm("channel", "lossy", lossy(&format!("end=unknown_ {means}"))).await;
    host.apply(&journey(on_unknown)).await;
    host.happen("begin", "c-1").await;
    let open = |effect: &EffectRow| {
        effect.attempts == 1 && ["pending", "unknown"].contains(&effect.phase.as_str())
    };
    let (effect, _) = host.effect("c-1", open).await;
    host.connect_wasm("channel", "lossy", lossy(&format!("end=accepted {means}"))).await;
    (host, effect)
}

/// The customer has another telephone from now on.
async fn moves(host: &Host) {
    let patch = CustomerPatch {
        id: "c-1".to_owned(),
        identities: [("phone".to_owned(), "another phone".to_owned())].into(),
        ..CustomerPatch::default()
    };
    host.engine.upsert_customers(vec![patch]).await.unwrap();
}

async fn done(host: &Host) -> (EffectRow, Vec<AttemptRow>) {
    let done = host.effect("c-1", |effect| effect.phase == "done").await;
    host.enrollment("c-1", |enrollment| enrollment.status == Status::Finished).await;
    done
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn within_the_window_the_same_bytes_go_out_again_under_the_same_key() {
    let (host, first) = lost("hold", "window=03600000 find=absent.").await;
    host.advance(SECOND);
    let (effect, attempts) = done(&host).await;
    assert_eq!((&effect.key, effect.outcome.as_deref()), (&first.key, Some("accepted")));
    let ends: Vec<_> = attempts.iter().map(|attempt| attempt.outcome.as_deref()).collect();
    assert_eq!(ends, [Some("unknown"), Some("accepted")]);
    // The guest tells all that it was given of the message, the key among it.
    assert_eq!(attempts[0].detail, effect.provider_id);
    assert!(effect.provider_id.unwrap().contains(&first.key));
    host.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn other_bytes_do_not_go_out_under_a_key_that_the_provider_knows_already() {
    let (host, _) = lost("hold", "window=03600000 find=absent.").await;
    moves(&host).await;
    host.advance(SECOND);
    let (effect, attempts) = done(&host).await;
    assert_eq!(
        (effect.outcome.as_deref(), effect.reason.as_deref()),
        (Some("unknown"), Some("held"))
    );
    assert!(effect.detail.unwrap().ends_with("what would be sent is not what was sent then"));
    assert_eq!(attempts.len(), 1);
    host.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn other_bytes_go_out_where_the_journey_wants_a_message_twice_rather_than_never() {
    let (host, _) = lost("resend", "window=03600000 find=absent.").await;
    moves(&host).await;
    host.advance(SECOND);
    let (effect, attempts) = done(&host).await;
    assert_eq!((effect.outcome.as_deref(), attempts.len()), (Some("accepted"), 2));
    assert!(effect.provider_id.unwrap().contains("another phone"));
    host.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn other_bytes_go_out_once_the_provider_has_said_that_it_knows_nothing_of_the_key() {
    let (host, _) = lost("hold", "window=03600000 find=never_.").await;
    moves(&host).await;
    host.advance(SECOND);
    let (effect, attempts) = done(&host).await;
    assert_eq!((effect.outcome.as_deref(), attempts.len()), (Some("accepted"), 2));
    assert!(effect.provider_id.unwrap().contains("another phone"));
    assert_eq!(attempts[0].detail.as_deref(), Some("the provider has no record of it"));
    host.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_repeat_that_comes_too_late_for_the_window_is_not_made() {
    let (host, _) = lost("hold", "window=03600000 find=absent.").await;
    // As after an outage: it was to be repeated after a second.
    host.advance(HOUR - MINUTE);
    let (effect, attempts) = done(&host).await;
    assert_eq!((effect.outcome.as_deref(), attempts.len()), (Some("unknown"), 1));
    assert!(effect.detail.unwrap().ends_with("the provider no longer knows its key"));
    host.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_provider_finds_was_sent() {
    let (host, first) = lost("hold", "window=00000000 find=there_.").await;
    assert_eq!(first.phase, "unknown");
    host.advance(SECOND);
    let (effect, attempts) = done(&host).await;
    assert_eq!(effect.outcome.as_deref(), Some("accepted"));
    assert_eq!(effect.provider_id, Some(format!("found {}", first.key)));
    assert_eq!(attempts.len(), 1);
    host.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_provider_has_never_heard_of_is_sent_whatever_the_policy() {
    let (host, first) = lost("hold", "window=00000000 find=never_.").await;
    host.advance(SECOND);
    let (effect, attempts) = done(&host).await;
    assert_eq!((effect.outcome.as_deref(), attempts.len()), (Some("accepted"), 2));
    assert_eq!(effect.key, first.key);
    host.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_the_provider_cannot_tell_for_a_day_the_policy_decides() {
    for (policy, outcome, attempts_made) in [("hold", "unknown", 1), ("resend", "accepted", 2)] {
        let (host, _) = lost(policy, "window=00000000 find=unsure.").await;
        host.advance(SECOND);
        // Asked, and to be asked again after a pause.
        let next = |at: i64| {
            let store = std::sync::Arc::clone(host.engine.store());
            crate::until(async move || {
                let next = store.next_effect("channel").await.unwrap();
                // While the provider is asked it is out of sight for a quarter of an hour.
                next.filter(|next| *next == at)
            })
        };
        next(NOW + 2 * SECOND).await;
        host.advance(24 * HOUR - SECOND);
        if policy == "resend" {
            next(NOW + 24 * HOUR + SECOND).await;
            host.advance(SECOND);
        }
        let (effect, attempts) = done(&host).await;
        assert_eq!(effect.outcome.as_deref(), Some(outcome), "{policy}");
        assert_eq!(attempts.len(), attempts_made, "{policy}");
        host.stop().await;
    }
}
