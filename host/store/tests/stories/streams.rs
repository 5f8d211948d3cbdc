//! Events by streams of messages.

use std::sync::Arc;

use waystation_store::records::{
    AsideBody, AsideFilter, AsideReason, AsideRow, BadPart, StreamBatch, StreamEvent,
    StreamMessage, StreamReset, StreamTaken, Subject, Taken,
};

use super::{ALL, HOUR, NOW, Place, customer, event, identity, with_address};

const BORN: i64 = 1_000;
/// When message 0 was published; each one later by a nanosecond.
const PUBLISHED: i64 = NOW * 1_000_000;

/// A message with an event of its own identifier.
fn message(sequence: i64) -> StreamMessage {
    about(sequence, customer("c-1"))
}

fn about(sequence: i64, subject: Subject) -> StreamMessage {
    let event = StreamEvent {
        part: 0,
        event: event("nats:SHOP", &format!("e-{sequence}"), subject),
        body: format!("event {sequence}"),
    };
    StreamMessage {
        sequence,
        published: PUBLISHED + sequence,
        subject: "events.cart".to_owned(),
        events: vec![event],
        bad: Vec::new(),
    }
}

/// A message that is no event.
fn bad(sequence: i64) -> StreamMessage {
    let part = BadPart {
        part: -1,
        reason: AsideReason::NotJson,
        detail: "not JSON".to_owned(),
        event_id: format!("e-{sequence}"),
        body: AsideBody::Base64("AAA=".to_owned()),
        size: 2,
    };
    StreamMessage { events: Vec::new(), bad: vec![part], ..message(sequence) }
}

fn batch(floor: i64, messages: Vec<StreamMessage>) -> StreamBatch {
    StreamBatch {
        stream: "SHOP".to_owned(),
        consumer: "waystation".to_owned(),
        created: BORN,
        filter: "> All".to_owned(),
        floor,
        messages,
    }
}

impl Place {
    async fn stream(&self, batch: StreamBatch) -> StreamTaken {
        self.take_stream(Arc::new(batch), NOW).await.unwrap()
    }

    async fn floor_and_highest(&self) -> (i64, i64) {
        let position = self.stream_position("SHOP", "waystation").await.unwrap().unwrap();
        (position.floor, position.highest)
    }

    async fn aside(&self) -> Vec<AsideRow> {
        self.set_aside(&AsideFilter { limit: ALL, ..AsideFilter::default() }).await.unwrap()
    }
}

#[tokio::test]
async fn messages_are_stored_together_with_the_position() {
    let store = Place::new().await;
    assert_eq!(store.stream_position("SHOP", "waystation").await.unwrap(), None);
    let taken = store.stream(batch(0, vec![message(1), message(2), message(5)])).await;
    assert_eq!(taken.taken, [Taken::Accepted; 3]);
    assert_eq!(store.floor_and_highest().await, (0, 5));
    let store = store.reopened().await;
    assert_eq!(store.floor_and_highest().await, (0, 5));
    assert_eq!(store.work(NOW, ALL, NOW).await.unwrap().events.len(), 3);
}

#[tokio::test]
async fn a_message_that_comes_again_is_dropped_in_whatever_order_it_comes() {
    let store = Place::new().await;
    // Another host was given 1, 2 and 4, and stored them after this one had stored 3 and 5.
    store.stream(batch(0, vec![message(3), message(5)])).await;
    let taken = store.stream(batch(0, vec![message(1), message(2), message(3), message(4)])).await;
    assert_eq!(taken.taken, [Taken::Accepted, Taken::Accepted, Taken::Duplicate, Taken::Accepted]);
    assert_eq!(taken.repeated, 0);
    // All of them are acknowledged, as the server says with the next batch: then they are known by their place.
    store.stream(batch(5, vec![message(6)])).await;
    assert_eq!(store.floor_and_highest().await, (5, 6));
    let again = store.stream(batch(5, vec![message(4), bad(5), message(6), message(7)])).await;
    assert_eq!((again.repeated, again.set_aside.len()), (2, 0));
    assert_eq!(again.taken, [Taken::Duplicate, Taken::Accepted]);
    assert_eq!(store.work(NOW, ALL, NOW).await.unwrap().events.len(), 7);
}

#[tokio::test]
async fn what_somebody_else_acknowledged_does_not_count_as_taken() {
    let store = Place::new().await;
    store.stream(batch(0, vec![message(1)])).await;
    // As after a restored backup: the server believes that 9 and all before it are stored.
    store.stream(batch(9, vec![message(2)])).await;
    assert_eq!(store.floor_and_highest().await, (0, 2));
    let taken = store.stream(batch(9, vec![message(8)])).await;
    assert_eq!(taken.taken, [Taken::Accepted]);
}

#[tokio::test]
async fn the_floor_does_not_sink() {
    let store = Place::new().await;
    store.stream(batch(0, vec![message(1), message(2), message(3)])).await;
    store.stream(batch(3, Vec::new())).await;
    store.stream(batch(1, Vec::new())).await;
    assert_eq!(store.floor_and_highest().await, (3, 3));
}

#[tokio::test]
async fn the_messages_of_a_new_stream_of_the_same_name_are_taken() {
    let store = Place::new().await;
    store.stream(batch(0, vec![message(1), message(2)])).await;
    store.stream(batch(2, Vec::new())).await;
    let mut new = message(1);
    new.events[0].event.id = "new".to_owned();
    let again = StreamBatch { created: BORN + 1, ..batch(0, vec![new, message(2)]) };
    let taken = store.stream(again).await;
    assert_eq!(taken.reset, Some(StreamReset::Recreated { highest: 2 }));
    // What has an identifier of before is known, whatever its place.
    assert_eq!(taken.taken, [Taken::Accepted, Taken::Duplicate]);
    assert_eq!(store.floor_and_highest().await, (0, 2));
    let next = StreamBatch { created: BORN + 1, ..batch(2, vec![message(3)]) };
    assert_eq!(store.stream(next).await.reset, None);
    assert_eq!(store.floor_and_highest().await, (2, 3));
}

#[tokio::test]
async fn a_stream_that_went_back_is_told_by_the_time_of_its_messages() {
    let store = Place::new().await;
    store.stream(batch(0, vec![message(1), message(2), message(3)])).await;
    store.stream(batch(3, Vec::new())).await;
    // Restored to where it had one message; two more were published since.
    let new = |sequence: i64| {
        let mut new = StreamMessage { published: PUBLISHED + 100 + sequence, ..message(sequence) };
        new.events[0].event.id = format!("new-{sequence}");
        new
    };
    let taken = store.stream(batch(3, vec![new(2)])).await;
    assert_eq!(taken.reset, Some(StreamReset::WentBack { highest: 3, sequence: 2 }));
    assert_eq!(taken.taken, [Taken::Accepted]);
    assert_eq!(store.floor_and_highest().await, (0, 2));
    let taken = store.stream(batch(1, vec![new(3)])).await;
    assert_eq!((taken.reset, taken.taken), (None, vec![Taken::Accepted]));
}

#[tokio::test]
async fn a_consumer_that_takes_more_than_before_is_not_cut_short() {
    let store = Place::new().await;
    let narrow = |floor, messages| StreamBatch {
        filter: "events.cart All".to_owned(),
        ..batch(floor, messages)
    };
    store.stream(narrow(0, vec![message(1), message(3)])).await;
    store.stream(narrow(3, Vec::new())).await;
    let taken = store.stream(batch(0, vec![message(1), message(2), message(3)])).await;
    assert_eq!(taken.reset, Some(StreamReset::OtherFilter { highest: 3 }));
    assert_eq!(taken.taken, [Taken::Duplicate, Taken::Accepted, Taken::Duplicate]);
}

#[tokio::test]
async fn what_is_no_event_is_set_aside_once() {
    let store = Place::new().await;
    let messages = vec![message(1), bad(2), about(3, identity("email", "a@example.com"))];
    let taken = store.stream(batch(0, messages.clone())).await;
    assert_eq!(taken.taken, [Taken::Accepted, Taken::UnknownCustomer]);
    assert_eq!(taken.set_aside, [(AsideReason::NotJson, 1), (AsideReason::UnknownCustomer, 1)]);
    let again = store.stream(batch(0, messages)).await;
    assert!(again.set_aside.is_empty(), "{again:?}");
    let aside = store.aside().await;
    let told: Vec<(i64, i64, &str, &AsideBody)> =
        aside.iter().map(|row| (row.sequence, row.part, row.reason.as_str(), &row.body)).collect();
    assert_eq!(
        told,
        [
            (2, -1, "not_json", &AsideBody::Base64("AAA=".to_owned())),
            (3, 0, "unknown_customer", &AsideBody::Text("event 3".to_owned()))
        ]
    );
    let one =
        AsideFilter { reason: Some("not_json".to_owned()), limit: ALL, ..AsideFilter::default() };
    assert_eq!(store.set_aside(&one).await.unwrap().len(), 1);
    let one = AsideFilter { ids: vec![aside[0].id, 99], limit: ALL, ..AsideFilter::default() };
    assert_eq!(store.set_aside(&one).await.unwrap(), aside[..1]);
}

#[tokio::test]
async fn what_was_set_aside_is_taken_once_it_can_be() {
    let store = Place::new().await;
    let late = about(1, identity("email", "a@example.com"));
    let event = late.events[0].event.clone();
    store.stream(batch(0, vec![late, about(2, identity("email", "b@example.com"))])).await;
    let (first, second) = match store.aside().await.as_slice() {
        [first, second] => (first.id, second.id),
        other => panic!("{other:?}"),
    };
    let retry = vec![(first, event.clone())];
    let answer = store.retry_set_aside(retry.clone(), NOW).await.unwrap();
    assert_eq!(answer, [(first, Taken::UnknownCustomer)]);
    store.upsert_customers(vec![with_address("c-1", "a@example.com")], NOW).await.unwrap();
    let answer = store.retry_set_aside(retry.clone(), NOW).await.unwrap();
    assert_eq!(answer, [(first, Taken::Accepted)]);
    // It is not there any more, so there is nothing to retry.
    assert_eq!(store.retry_set_aside(retry, NOW).await.unwrap(), []);
    assert_eq!(store.work(NOW, ALL, NOW).await.unwrap().events.len(), 1);
    assert_eq!(store.set_aside_count().await.unwrap(), 1);
    assert_eq!(store.drop_set_aside(vec![first, second]).await.unwrap(), 1);
    assert_eq!(store.aside().await, []);
}

#[tokio::test]
async fn what_is_set_aside_does_not_grow_without_bound() {
    let store = Place::new().await;
    let taken = store.stream(batch(0, (1..=20_003).map(bad).collect())).await;
    assert_eq!(taken.dropped, 3);
    assert_eq!(store.set_aside_count().await.unwrap(), 20_000);
    assert_eq!(store.aside().await[0].sequence, 4);
    let taken = store.stream(batch(0, vec![bad(20_004)])).await;
    assert_eq!((taken.dropped, store.aside().await[0].sequence), (1, 5));
    let days = 24 * HOUR;
    assert_eq!(store.sweep_set_aside(NOW + 30 * days).await.unwrap(), 0);
    assert_eq!(store.sweep_set_aside(NOW + 30 * days + 1).await.unwrap(), 10_000);
    assert_eq!(store.sweep_set_aside(NOW + 30 * days + 1).await.unwrap(), 10_000);
    assert_eq!(store.aside().await, []);
}
