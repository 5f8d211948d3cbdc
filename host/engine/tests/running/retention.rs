//! What is old goes by itself, and what is needed does not.

use waystation_engine::{KEEP_ENROLLMENTS, KEEP_EVENTS};
use waystation_journey::Status;
use waystation_store::records::{Deliveries, Filter, NewEvent, Subject};

use crate::{HOUR, Host, until};

const DAY: i64 = 24 * HOUR;

/// A message, and who may enter again.
fn journey(name: &str, again: &str, rest: &str) -> String {
    format!(
        "{{ journey: {name}, purpose: transactional, entry: {{ event: {name}, again: {again} }}, \
         templates: {{ hello: {{ default: {{ text: 'Hello' }} }} }}, \
         steps: [{{ send: {{ use: channel, template: hello }} }}{rest}] }}"
    )
}

async fn host() -> Host {
    let host = Host::new().await;
    host.connect("channel", "echo").await;
    host.apply(&journey("often", "always", "")).await;
    host.apply(&journey("once", "never", "")).await;
    host.apply(&journey("long", "always", ", { wait: 300d }")).await;
    host.apply(
        "{ journey: loyal, entry: { event: ask, when: 'count(\"often\", \"200d\") == 1', again: always }, steps: [{ set: { tags: [loyal] } }] }",
    )
    .await;
    for event in ["often", "once", "long"] {
        host.happen(event, "c-1").await;
    }
    for journey in ["often", "once"] {
        until(async || (inside(&host, journey).await == [Status::Finished]).then_some(())).await;
    }
    let sent = async || {
        let filter = Deliveries { outcomes: vec!["accepted".to_owned()], ..Deliveries::default() };
        let sent = host.engine.store().deliveries(&filter, 10).await.unwrap();
        (sent.iter().filter(|one| one.phase == "done").count() == 3).then_some(())
    };
    until(sent).await;
    host
}

async fn inside(host: &Host, journey: &str) -> Vec<Status> {
    let filter = Filter { journey: Some(journey.to_owned()), limit: 10, ..Filter::default() };
    let found = host.engine.store().enrollments(&filter).await.unwrap();
    found.into_iter().map(|one| one.status).collect()
}

async fn deliveries(host: &Host) -> Vec<String> {
    let found = host.engine.store().deliveries(&Deliveries::default(), 10).await.unwrap();
    found.into_iter().map(|one| one.journey).collect()
}

/// The same event once more, under another identifier.
async fn again(host: &Host, event: &str, id: &str) {
    let event = NewEvent {
        source: "test".to_owned(),
        id: id.to_owned(),
        name: event.to_owned(),
        subject: Subject::Customer("c-1".to_owned()),
        at: host.engine.now(),
        subscription: None,
        lane: waystation_journey::Lane::default(),
        properties: serde_json::Map::new(),
    };
    host.engine.take(vec![event]).await.unwrap();
    until(async || {
        let open = host.engine.store().counts().await.unwrap().events_open;
        (open == 0).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_ended_long_ago_goes_but_for_what_a_journey_must_remember() {
    let host = host().await;
    let keep = "100d".to_owned();
    host.engine.store().set_setting(KEEP_ENROLLMENTS, keep.clone()).await.unwrap();
    host.engine.store().set_setting(KEEP_EVENTS, keep).await.unwrap();
    host.advance(99 * DAY);
    host.advance(DAY + HOUR);
    until(async || inside(&host, "often").await.is_empty().then_some(())).await;
    until(async || (deliveries(&host).await == ["long"]).then_some(())).await;
    assert_eq!(inside(&host, "long").await, [Status::Active]);
    assert_eq!(inside(&host, "once").await, [Status::Finished], "who was there is remembered");
    until(async || {
        let text = host.engine.metrics().text();
        text.contains("waystation_deleted_rows_total{table=\"enrollment\"} 2\n").then_some(())
    })
    .await;

    // A journey that is entered once stays so; another is entered anew.
    again(&host, "once", "later").await;
    assert_eq!(inside(&host, "once").await, [Status::Finished]);
    // The event of a hundred days ago is still counted by whoever looks back two hundred, and is known by its identifier.
    again(&host, "ask", "asking").await;
    until(async || (inside(&host, "loyal").await == [Status::Finished]).then_some(())).await;
    let filter = Filter { journey: Some("often".to_owned()), limit: 10, ..Filter::default() };
    again(&host, "often", "often c-1").await;
    assert!(host.engine.store().enrollments(&filter).await.unwrap().is_empty());

    // Once nobody looks back that far, it goes.
    host.advance(101 * DAY);
    until(async || {
        let old = host.engine.store().old_events(0, i64::MAX, &[], 10).await.unwrap();
        (old.len() == 2).then_some(())
    })
    .await;
    host.stop().await;
}
