//! Fair sharing between journeys and connections, while a provider is dead or a blast is under way.

use std::sync::Arc;

use tokio::net::TcpListener;
use waystation_journey::{Lane, Status};
use waystation_store::Store;
use waystation_store::records::{
    CustomerPatch, Deliveries, EffectRow, NewEvent, Portion, Subject, Taken,
};

use crate::{Host, NOW, reopen, until};

/// Customers of a blast.
const CROWD: usize = 6_000;
/// Call slots of a connection, times the most messages of a call.
const IN_FLIGHT: usize = 4 * 1_000;

/// A mail server that takes connections and never says a word; it is gone when this is dropped.
struct Dead {
    address: std::net::SocketAddr,
    holding: tokio::task::JoinHandle<()>,
}

impl Dead {
    async fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let holding = tokio::spawn(async move {
            let mut held = Vec::new();
            while let Ok((stream, _)) = listener.accept().await {
                held.push(stream);
            }
        });
        Self { address, holding }
    }

    /// A host whose channel `dead` hangs on every call, beside the good channel `good`.
    async fn host(&self) -> Host {
        let relay = format!("smtp://{}?tls=none", self.address);
        let folder = tempfile::tempdir().unwrap();
        let host = Host::with(folder, NOW, &relay, None, Arc::new(reopen)).await;
        host.connect("dead", "mailer").await;
        host.connect("good", "echo").await;
        host
    }
}

impl Drop for Dead {
    fn drop(&mut self) {
        self.holding.abort();
    }
}

fn journey(name: &str, purpose: &str, event: &str, channel: &str) -> String {
    format!(
        "{{ journey: {name}, purpose: {purpose}, priority: low, entry: {{ event: {event} }}, on_unknown: hold, \
         templates: {{ hello: {{ default: {{ text: 'Hello', email: {{ subject: Hello, text: 'Hello' }} }} }} }}, \
         steps: [{{ send: {{ use: {channel}, template: hello }} }}] }}"
    )
}

async fn blast(host: &Host, event: &str, count: usize) {
    for part in (0..count).collect::<Vec<_>>().chunks(1_000) {
        let patch = |number: &usize| CustomerPatch {
            id: format!("{event}-{number}"),
            identities: [
                ("email".to_owned(), format!("{event}-{number}@example.com")),
                ("phone".to_owned(), format!("{event} {number}")),
            ]
            .into(),
            consents: [(
                "marketing".to_owned(),
                [("email".to_owned(), true), ("phone".to_owned(), true)].into(),
            )]
            .into(),
            ..CustomerPatch::default()
        };
        host.engine.upsert_customers(part.iter().map(patch).collect()).await.unwrap();
        let one = |number: &usize| NewEvent {
            source: "test".to_owned(),
            id: format!("{event}-{number}"),
            name: event.to_owned(),
            subject: Subject::Customer(format!("{event}-{number}")),
            at: NOW,
            subscription: None,
            lane: Lane::GENERAL,
            properties: serde_json::Map::new(),
        };
        let taken = host.engine.take(part.iter().map(one).collect()).await.unwrap();
        assert!(taken.iter().all(|taken| *taken == Taken::Accepted));
    }
}

async fn finished(host: &Host, journey: &str) -> i64 {
    let counts = host.engine.store().enrollment_counts(journey).await.unwrap();
    counts.get("finished").copied().unwrap_or_default()
}

/// All effects of a journey.
async fn of_journey(store: &Store, journey: &str) -> Vec<EffectRow> {
    let filter = Deliveries { journey: Some(journey.to_owned()), ..Deliveries::default() };
    store.deliveries(&filter, 10_000).await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dead_provider_holds_up_no_other_connection_and_its_messages_wait_on_disk() {
    let dead = Dead::new().await;
    let host = dead.host().await;
    host.apply(&journey("lost", "marketing", "lost", "dead")).await;
    host.apply(&journey("fine", "marketing", "fine", "good")).await;
    blast(&host, "lost", CROWD).await;
    // All of the channel's call slots hang.
    let attempting = async || {
        let effects = of_journey(host.engine.store(), "lost").await;
        let attempting = effects.iter().filter(|effect| effect.phase == "attempting").count();
        (effects.len() == CROWD && attempting > 0).then_some(attempting)
    };
    until(attempting).await;
    blast(&host, "fine", CROWD).await;
    until(async || (finished(&host, "fine").await == 6_000).then_some(())).await;
    assert_eq!(finished(&host, "lost").await, 0);
    let status = host.engine.status("dead").unwrap();
    let effects = of_journey(host.engine.store(), "lost").await;
    let pending = effects.iter().filter(|effect| effect.phase == "pending").count();
    let in_flight = CROWD - pending;
    assert!(pending >= CROWD - IN_FLIGHT, "{in_flight} of {CROWD} are in flight: {status:?}");
    // The calls end as soon as the provider is gone altogether.
    drop(dead);
    host.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn transactional_messages_go_before_a_blast_and_other_journeys_share_with_it() {
    let dead = Dead::new().await;
    let host = dead.host().await;
    host.apply(&journey("blast", "marketing", "blast", "dead")).await;
    host.apply(&journey("other", "marketing", "other", "dead")).await;
    host.apply(&journey("receipt", "transactional", "paid", "dead")).await;
    blast(&host, "blast", CROWD).await;
    blast(&host, "other", 20).await;
    blast(&host, "paid", 3).await;
    let store = host.engine.store();
    let ledger = async |journey: &str| of_journey(store, journey).await.len();
    until(async || (ledger("blast").await == CROWD).then_some(())).await;
    until(async || (ledger("other").await == 20).then_some(())).await;
    until(async || (ledger("paid").await == 0 && ledger("receipt").await == 3).then_some(())).await;
    let portion = Portion { effects: 100, bytes: i64::MAX, round: 0 };
    let due = store.due_effects("dead", "pending", NOW, portion).await.unwrap().effects;
    let journeys: Vec<&str> = due.iter().map(|effect| effect.journey.as_str()).collect();
    // Some may have found a free slot before the blast took all.
    let receipts = journeys.iter().take_while(|journey| **journey == "receipt").count();
    let others = journeys.iter().filter(|journey| **journey == "other").count();
    let in_flight = async |journey: &str| {
        let effects = of_journey(store, journey).await;
        effects.iter().filter(|effect| effect.phase != "pending").count()
    };
    assert_eq!(receipts + in_flight("receipt").await, 3, "{journeys:?}");
    assert_eq!(others + in_flight("other").await, 20, "{journeys:?}");
    assert_eq!(due.len(), 100);
    drop(dead);
    host.stop().await;
}

#[tokio::test]
async fn events_enter_the_lane_of_the_journey_that_they_set_going() {
    let host = Host::new().await;
    host.connect("good", "echo").await;
    host.apply(&journey("receipt", "transactional", "paid", "good")).await;
    host.apply(&journey("news", "marketing", "looked", "good")).await;
    blast(&host, "paid", 1).await;
    blast(&host, "looked", 1).await;
    let receipt = host.enrollment("paid-0", |one| one.status == Status::Finished).await;
    let news = host.enrollment("looked-0", |one| one.status == Status::Finished).await;
    assert!(receipt.lane.is_urgent(), "{:?}", receipt.lane);
    assert!(!news.lane.is_urgent() && news.lane != Lane::GENERAL, "{:?}", news.lane);
    host.stop().await;
}
