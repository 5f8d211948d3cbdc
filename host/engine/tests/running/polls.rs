//! Trigger sources that are polled.

use waystation_journey::subscription_id;
use waystation_sandbox::contract::types::HttpRequest;
use waystation_store::records::{Filter, PollPlace};

use crate::{Host, NOW, SECOND, until};

const SEEN: &str =
    "{ journey: seen, entry: { use: source, with: {}, again: always }, steps: [{ exit: done }] }";

/// How often the customer that the guest `probe` names has entered a journey.
async fn entered(host: &Host, journey: &str) -> usize {
    let filter = Filter { journey: Some(journey.to_owned()), limit: 100, ..Filter::default() };
    host.engine.store().enrollments(&filter).await.unwrap().len()
}

async fn place(host: &Host, cursor: &str) -> PollPlace {
    until(async || {
        let place = host.engine.store().poll_place("source").await.unwrap();
        place.filter(|place| place.cursor.as_deref() == Some(cursor))
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_poll_follows_the_other_with_its_cursor_and_no_sooner_than_a_second() {
    let host = Host::new().await;
    host.apply("{ journey: named, entry: { event: probe.seen }, steps: [{ exit: done }] }").await;
    host.connect("source", "probe").await;
    // Without a subscription the guest's events are for every journey.
    until(async || (entered(&host, "named").await == 1).then_some(())).await;
    assert_eq!(place(&host, "1").await.next_at, NOW + SECOND);
    // A journey that asks for something is told of at once; from then on the events are its own.
    host.apply(SEEN).await;
    until(async || (entered(&host, "seen").await == 1).then_some(())).await;
    place(&host, "2").await;
    for round in 3..6 {
        host.advance(SECOND);
        place(&host, &round.to_string()).await;
    }
    until(async || (entered(&host, "seen").await == 4).then_some(())).await;
    assert_eq!(entered(&host, "named").await, 1);
    host.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_host_goes_on_where_the_last_one_stopped() {
    let host = Host::new().await;
    host.connect("source", "probe").await;
    host.apply(SEEN).await;
    until(async || (entered(&host, "seen").await > 0).then_some(())).await;
    let (folder, store) = host.stop().await;
    let cursor: u64 =
        store.poll_place("source").await.unwrap().unwrap().cursor.unwrap().parse().unwrap();
    store.close().await;
    let host = Host::start(folder, NOW).await;
    place(&host, &(cursor + 1).to_string()).await;
    host.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failed_poll_is_repeated_with_the_same_cursor_after_a_growing_pause() {
    let host = Host::new().await;
    let foreign = PollPlace { cursor: Some("not a number".to_owned()), next_at: NOW };
    host.engine
        .store()
        .take_polled("source".to_owned(), vec![], foreign.clone(), NOW)
        .await
        .unwrap();
    let failed = |count: u64| {
        let line =
            format!("waystation_polls_total{{connection=\"source\",result=\"failed\"}} {count}");
        let text = host.engine.metrics().text();
        text.contains(&line).then_some(())
    };
    host.connect("source", "probe").await;
    until(async || failed(1)).await;
    for (pause, count) in [(1, 2), (2, 3), (4, 4)] {
        host.advance(pause * SECOND);
        until(async || failed(count)).await;
    }
    assert_eq!(host.engine.store().poll_place("source").await.unwrap(), Some(foreign));
    host.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hooks_are_told_the_subscriptions_too() {
    let host = Host::new().await;
    host.connect("source", "probe").await;
    host.apply(SEEN).await;
    until(async || (entered(&host, "seen").await == 1).then_some(())).await;
    let request = HttpRequest {
        method: "POST".to_owned(),
        url: "/".to_owned(),
        headers: Vec::new(),
        body: b"hook-1 probe.seen {}".to_vec(),
    };
    host.engine.receive("source", request).await.unwrap();
    until(async || (entered(&host, "seen").await == 2).then_some(())).await;
    assert_eq!(subscription_id("seen", "source"), "seen/source");
    host.stop().await;
}
