//! What the host tells of itself, and customers who are enrolled by hand.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};
use waystation_engine::{ByHand, EngineError};
use waystation_journey::{Enrollment, Status};
use waystation_store::records::{CustomerPatch, Filter, Taken};

use crate::{Host, MINUTE, until};

async fn enrollments(host: &Host, journey: &str) -> Vec<Enrollment> {
    let filter = Filter { journey: Some(journey.to_owned()), limit: 100, ..Filter::default() };
    host.engine.store().enrollments(&filter).await.unwrap()
}

/// Waits until so many customers have entered a journey and nothing is left to do.
async fn entered(host: &Host, journey: &str, count: usize) -> Vec<Enrollment> {
    until(async || {
        let open = host.engine.store().counts().await.unwrap().events_open;
        let found = enrollments(host, journey).await;
        (open == 0 && found.len() >= count).then_some(found)
    })
    .await
}

fn by_hand(id: &str, customer: &str, properties: Value) -> ByHand {
    let Value::Object(properties) = properties else { panic!("an object") };
    ByHand { id: id.to_owned(), customer: customer.to_owned(), properties }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tag_lets_a_customer_enter_whoever_added_it() {
    let host = Host::new().await;
    host.apply("{ journey: tags, entry: { event: begin }, steps: [{ set: { tags: vip } }] }").await;
    host.apply(
        "{ journey: greets, entry: { event: tag.added, when: event.tag == \"vip\" }, steps: [{ exit: done }] }",
    )
    .await;
    host.happen("begin", "c-1").await;
    entered(&host, "greets", 1).await;
    let tags = ["vip".to_owned(), "other".to_owned()].into();
    let patch = CustomerPatch { id: "c-2".to_owned(), tags, ..CustomerPatch::default() };
    host.engine.upsert_customers(vec![patch.clone()]).await.unwrap();
    let found = entered(&host, "greets", 2).await;
    assert!(found.iter().any(|one| one.customer == "c-2"));
    // Who has it already gets nothing new.
    host.engine.upsert_customers(vec![patch]).await.unwrap();
    host.happen("begin", "c-2").await;
    entered(&host, "tags", 2).await;
    assert_eq!(enrollments(&host, "greets").await.len(), 2);
    host.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_journey_follows_another_ones_end_and_never_its_own() {
    let host = Host::new().await;
    host.apply("{ journey: first, entry: { event: begin }, steps: [{ exit: won }] }").await;
    host.apply(
        "{ journey: next, entry: { event: journey.finished, when: 'event.outcome in [\"won\", \"again\"]', again: always }, steps: [{ exit: again }] }",
    )
    .await;
    host.happen("begin", "c-1").await;
    let found = entered(&host, "next", 1).await;
    assert_eq!(found[0].outcome.as_deref(), Some("again"));
    // Its own end is told too, and lets nobody in.
    host.happen("begin", "c-2").await;
    assert_eq!(entered(&host, "next", 2).await.len(), 2);
    host.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn customers_are_enrolled_by_hand_once_for_each_identifier() {
    let host = Host::new().await;
    host.apply(
        "{ journey: cart, entry: { event: cart.left, when: event.amount > 100, key: event.cart }, steps: [{ set: { attributes: { cart: entry.cart } } }] }",
    )
    .await;
    host.apply("{ journey: other, entry: { event: journey.enroll }, steps: [{ exit: done }] }")
        .await;
    for customer in ["c-1", "c-2"] {
        let patch = CustomerPatch { id: customer.to_owned(), ..CustomerPatch::default() };
        host.engine.upsert_customers(vec![patch]).await.unwrap();
    }
    let customers = vec![
        by_hand("1", "c-1", json!({ "cart": "k1", "amount": 5 })),
        by_hand("2", "c-2", json!({ "cart": "k2" })),
        by_hand("2", "c-2", json!({ "cart": "k2" })),
        by_hand("3", "nobody", json!({ "cart": "k3" })),
    ];
    let taken = host.engine.enroll("cart", customers.clone()).await.unwrap();
    let expected = [Taken::Accepted, Taken::Accepted, Taken::Duplicate, Taken::UnknownCustomer];
    assert_eq!(taken, expected);
    let again = host.engine.enroll("cart", customers).await.unwrap();
    assert!(!again.contains(&Taken::Accepted));
    let found = entered(&host, "cart", 2).await;
    let keys: BTreeSet<&str> = found.iter().map(|one| one.key.as_str()).collect();
    assert_eq!(keys, ["k1", "k2"].into());
    assert!(found.iter().all(|one| one.status == Status::Finished));
    assert_eq!(enrollments(&host, "other").await.len(), 0);
    assert!(host.engine.store().customers(&["nobody".to_owned()]).await.unwrap().is_empty());
    // A journey that is entered by hand only has nobody but its own.
    let own =
        vec![ByHand { id: "1".to_owned(), customer: "c-1".to_owned(), properties: Map::new() }];
    host.engine.enroll("other", own).await.unwrap();
    entered(&host, "other", 1).await;
    // So may those of a segment be enrolled, once in a run.
    host.segment("everybody", "true");
    let run = async |run: &str| {
        let none = Map::new();
        let enrolled = host.engine.enroll_segment("other", "everybody", run, &none, None).await;
        enrolled.unwrap()
    };
    assert_eq!(run("first").await, (vec![Taken::Accepted; 2], None));
    assert_eq!(run("first").await, (vec![Taken::Duplicate; 2], None));
    entered(&host, "other", 2).await;
    let missing = host.engine.enroll("nothing", Vec::new()).await.unwrap_err();
    assert!(matches!(missing, EngineError::Missing(_)), "{missing}");
    host.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn newcomers_to_a_segment_enter_and_who_was_there_before_does_not() {
    let host = Host::new().await;
    host.segment("rich", "customer.level > 2");
    let level = async |customer: &str, level: i64| {
        let Value::Object(attributes) = json!({ "level": level }) else { unreachable!() };
        let patch =
            CustomerPatch { id: customer.to_owned(), attributes, ..CustomerPatch::default() };
        host.engine.upsert_customers(vec![patch]).await.unwrap();
    };
    level("old", 3).await;
    level("new", 1).await;
    host.apply(
        "{ journey: greets, entry: { event: segment.entered, when: event.segment == \"rich\", again: always }, steps: [{ exit: done }] }",
    )
    .await;
    // A look is made at once, and then every ten minutes.
    let looked = async |at: i64| {
        until(async || {
            let watched = host.engine.store().watched_segments().await.unwrap();
            (watched == [("rich".to_owned(), Some(at))]).then_some(())
        })
        .await;
    };
    let begin = host.engine.now();
    looked(begin).await;
    level("new", 5).await;
    host.advance(9 * MINUTE);
    host.advance(MINUTE);
    looked(begin + 10 * MINUTE).await;
    let found = entered(&host, "greets", 1).await;
    assert_eq!(found[0].customer, "new");
    // Who left may come again.
    level("new", 1).await;
    host.advance(10 * MINUTE);
    looked(begin + 20 * MINUTE).await;
    level("new", 3).await;
    host.advance(10 * MINUTE);
    looked(begin + 30 * MINUTE).await;
    assert_eq!(entered(&host, "greets", 2).await.len(), 2);
    host.stop().await;
}
