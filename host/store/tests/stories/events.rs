//! The inbox.

use waystation_store::records::{Pass, Taken};

use super::{ALL, NOW, Place, customer, event, identity, with_address};

#[tokio::test]
async fn an_event_is_taken_once_for_each_source_and_identifier() {
    let store = Place::new().await;
    let first = vec![event("api", "1", customer("c-1")), event("shop", "1", customer("c-1"))];
    assert_eq!(store.take_events(first, NOW).await.unwrap(), [Taken::Accepted, Taken::Accepted]);
    let again = vec![event("api", "1", customer("c-2")), event("api", "2", customer("c-1"))];
    assert_eq!(store.take_events(again, NOW).await.unwrap(), [Taken::Duplicate, Taken::Accepted]);
}

#[tokio::test]
async fn an_identifier_that_stands_twice_in_one_request_is_taken_once() {
    let store = Place::new().await;
    let twice = vec![event("api", "1", customer("c-1")), event("api", "1", customer("c-1"))];
    assert_eq!(store.take_events(twice, NOW).await.unwrap(), [Taken::Accepted, Taken::Duplicate]);
    assert_eq!(store.work(NOW, ALL, NOW).await.unwrap().events.len(), 1);
}

#[tokio::test]
async fn an_identity_finds_its_customer_and_an_unknown_one_stores_nothing() {
    let store = Place::new().await;
    store.upsert_customers(vec![with_address("c-1", "a@example.com")], NOW).await.unwrap();
    let events = vec![
        event("shop", "1", identity("email", "a@example.com")),
        event("shop", "2", identity("email", "b@example.com")),
        event("shop", "3", identity("phone", "a@example.com")),
    ];
    let taken = store.take_events(events, NOW).await.unwrap();
    assert_eq!(taken, [Taken::Accepted, Taken::UnknownCustomer, Taken::UnknownCustomer]);
    let work = store.work(NOW, ALL, NOW).await.unwrap();
    let customers: Vec<&str> =
        work.events.iter().map(|open| open.event.customer.as_str()).collect();
    assert_eq!(customers, ["c-1"]);
    // Nothing kept its identifier: once the customer is known, the source may send it again.
    store.upsert_customers(vec![with_address("c-2", "b@example.com")], NOW).await.unwrap();
    let again = vec![event("shop", "2", identity("email", "b@example.com"))];
    assert_eq!(store.take_events(again, NOW).await.unwrap(), [Taken::Accepted]);
}

#[tokio::test]
async fn an_event_creates_the_customer_that_it_names() {
    let store = Place::new().await;
    store.take_events(vec![event("api", "1", customer("new"))], NOW).await.unwrap();
    assert!(store.customers(&["new".to_owned()]).await.unwrap().contains_key("new"));
}

#[tokio::test]
async fn open_events_come_in_order_until_a_pass_has_dealt_with_them() {
    let store = Place::new().await;
    for id in ["z", "m", "a"] {
        store.take_events(vec![event("api", id, customer("c-1"))], NOW).await.unwrap();
    }
    let work = store.work(NOW, 2, NOW).await.unwrap();
    let ids: Vec<&str> = work.events.iter().map(|open| open.event.id.as_str()).collect();
    assert_eq!(ids, ["z", "m"]);
    assert_eq!(work.events[0].event.properties["age"], 30);
    let events = work.events.iter().map(|open| open.position).collect();
    store.commit(Pass { now: NOW, events, ..Pass::default() }).await.unwrap();
    let rest = store.work(NOW, ALL, NOW).await.unwrap();
    assert_eq!(rest.events.len(), 1);
    assert_eq!(rest.events[0].event.id, "a");
    assert_eq!(store.counts().await.unwrap().events_open, 1);
}
