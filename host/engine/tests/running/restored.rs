//! A workspace that was restored from a backup.

use waystation_engine::{EngineError, mark_restored};
use waystation_journey::Status;
use waystation_store::records::{Deliveries, EffectRow};

use crate::unknowns::lossy;
use crate::{HOUR, Host, MINUTE, NOW, until};

/// A message after an hour, and another three hours later.
const JOURNEY: &str = "{ journey: notice, purpose: transactional, entry: { event: begin }, on_unknown: hold, \
    templates: { hello: { default: { text: 'Hello' } } }, steps: [{ wait: 1h }, { send: { use: channel, template: hello } }, \
    { wait: 3h }, { send: { use: channel, template: hello } }] }";
/// When the backup was made, when it was restored.
const BACKUP: i64 = NOW + MINUTE;
const RESTORED: i64 = NOW + 2 * HOUR;

/// A host that was restored after `c-1` had enrolled, on a channel that can be asked, or cannot.
async fn host(find: &str) -> Host {
    let host = Host::new().await;
    let fate = format!("end=accepted window=00000000 find={find}.");
    host.connect_wasm("channel", "lossy", lossy(&fate)).await;
    host.apply(JOURNEY).await;
    host.happen("begin", "c-1").await;
    host.enrollment("c-1", |one| one.due_at == Some(NOW + HOUR)).await;
    let (folder, store) = host.stop().await;
    assert_eq!(mark_restored(&store, BACKUP, RESTORED).await.unwrap(), 0);
    store.close().await;
    Host::start(folder, RESTORED).await
}

/// The messages of a customer, once there are so many and all have ended.
async fn sent(host: &Host, customer: &str, many: usize) -> Vec<EffectRow> {
    let filter = Deliveries { customer: Some(customer.to_owned()), ..Deliveries::default() };
    until(async || {
        let found = host.engine.store().deliveries(&filter, 10).await.unwrap();
        let done = found.iter().all(|one| one.phase == "done");
        (done && found.len() == many).then_some(found)
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_goes_on_before_an_operator_says_so_and_then_what_may_have_been_sent_is_asked_for()
{
    let host = host("there_").await;
    host.happen("begin", "c-2").await;
    // Stored, and that is all; its timer and the event would otherwise be dealt with by now.
    assert_eq!(host.engine.store().counts().await.unwrap().events_open, 1);
    assert!(host.engine.restored().unwrap().resumed_at.is_none());
    let none = host.engine.store().deliveries(&Deliveries::default(), 10).await.unwrap();
    assert!(none.is_empty(), "{none:?}");

    let restored = host.engine.resume("test").await.unwrap();
    assert_eq!(restored.doubtful_until(), Some(RESTORED + RESTORED - BACKUP));
    assert!(matches!(host.engine.resume("test").await, Err(EngineError::Conflict(_))));
    // It may have been sent in the hour that is lost: the provider knows it.
    let first = sent(&host, "c-1", 1).await.remove(0);
    assert_eq!((first.outcome.as_deref(), first.attempts), (Some("accepted"), 0));
    assert_eq!(first.provider_id, Some(format!("found {}", first.key)));
    // Who enrolls after the backup is in no doubt.
    host.enrollment("c-2", |one| one.due_at.is_some()).await;
    host.advance(HOUR);
    let new = sent(&host, "c-2", 1).await.remove(0);
    assert_eq!((new.outcome.as_deref(), new.attempts), (Some("accepted"), 1));
    // Nor is what follows after as long a time as was lost.
    host.advance(2 * HOUR);
    let second = sent(&host, "c-1", 2).await.remove(1);
    assert_eq!((second.outcome.as_deref(), second.attempts), (Some("accepted"), 1));
    host.enrollment("c-1", |one| one.status == Status::Finished).await;
    host.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_provider_never_heard_of_is_sent_and_what_nobody_can_tell_is_held() {
    for (find, outcome, attempts) in [("never_", "accepted", 1), ("absent", "unknown", 0)] {
        let host = host(find).await;
        host.engine.resume("test").await.unwrap();
        // A message that is put off is put off by a second.
        until(async || {
            let filter = Deliveries::default();
            let found = host.engine.store().deliveries(&filter, 1).await.unwrap().pop()?;
            if found.phase != "done" {
                return None;
            }
            assert_eq!((found.outcome.as_deref(), found.attempts), (Some(outcome), attempts));
            Some(())
        })
        .await;
        host.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_open_at_the_backup_is_unknown() {
    let host = Host::new().await;
    let fate = |end: &str, find: &str| lossy(&format!("end={end} window=00000000 find={find}."));
    host.connect_wasm("channel", "lossy", fate("deferred", "absent")).await;
    host.apply(JOURNEY).await;
    host.happen("begin", "c-1").await;
    host.enrollment("c-1", |one| one.due_at == Some(NOW + HOUR)).await;
    host.advance(HOUR);
    host.effect("c-1", |effect| effect.phase == "pending" && effect.attempts == 1).await;
    host.connect_wasm("channel", "lossy", fate("accepted", "there_")).await;
    let (folder, store) = host.stop().await;
    assert_eq!(mark_restored(&store, NOW + HOUR, NOW + 2 * HOUR).await.unwrap(), 1);
    store.close().await;
    let host = Host::start(folder, NOW + 2 * HOUR).await;
    let (held, _) = host.effect("c-1", |_| true).await;
    assert_eq!(held.phase, "unknown");
    host.engine.resume("test").await.unwrap();
    let found = sent(&host, "c-1", 1).await.remove(0);
    assert_eq!((found.outcome.as_deref(), found.attempts), (Some("accepted"), 1));
    assert_eq!(found.provider_id, Some(format!("found {}", found.key)));
    // A host that starts again goes on by itself.
    let (folder, store) = host.stop().await;
    store.close().await;
    let host = Host::start(folder, NOW + 6 * HOUR).await;
    host.enrollment("c-1", |one| one.status == Status::Finished).await;
    host.stop().await;
}
