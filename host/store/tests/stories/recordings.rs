//! Recorded calls.

use waystation_store::records::{NewRecording, RecordingBounds};

use super::{ALL, NOW, Place};

fn recording(connection: &str, body: &str) -> NewRecording {
    NewRecording {
        connection: connection.to_owned(),
        function: "channel.send".to_owned(),
        release: "digest".to_owned(),
        at: NOW,
        body: body.to_owned(),
    }
}

fn bounds(connection: &str, keep: i64, bytes: i64) -> RecordingBounds {
    RecordingBounds { connection: connection.to_owned(), keep, bytes }
}

async fn bodies(store: &Place, connection: &str) -> Vec<String> {
    let rows = store.recordings(connection, 0, ALL).await.unwrap();
    rows.into_iter().map(|row| row.body).collect()
}

#[tokio::test]
async fn the_oldest_recordings_of_a_connection_go_first() {
    let store = Place::new().await;
    let both = vec![bounds("notice", 2, 1_000), bounds("shop", 5, 1_000)];
    let first = ["1", "2", "3"].map(|body| recording("notice", body));
    store.record(first.to_vec(), both.clone()).await.unwrap();
    assert_eq!(bodies(&store, "notice").await, ["2", "3"]);
    let next = vec![recording("shop", "a"), recording("notice", "4"), recording("shop", "b")];
    store.record(next, both).await.unwrap();
    assert_eq!(bodies(&store, "notice").await, ["3", "4"]);
    assert_eq!(bodies(&store, "shop").await, ["a", "b"]);
}

#[tokio::test]
async fn recordings_take_a_bounded_space() {
    let store = Place::new().await;
    let all = ["12345", "1234", "123", "12"].map(|body| recording("notice", body));
    store.record(all.to_vec(), vec![bounds("notice", 10, 9)]).await.unwrap();
    assert_eq!(bodies(&store, "notice").await, ["1234", "123", "12"]);
    // Another connection's bounds are not these.
    store.record(vec![recording("shop", "123456789")], vec![bounds("shop", 1, 9)]).await.unwrap();
    assert_eq!(bodies(&store, "notice").await.len(), 3);
    assert_eq!(bodies(&store, "shop").await.len(), 1);
}

#[tokio::test]
async fn recordings_are_read_page_by_page() {
    let store = Place::new().await;
    let all = ["1", "2", "3"].map(|body| recording("notice", body));
    store.record(all.to_vec(), vec![bounds("notice", 10, 100)]).await.unwrap();
    let page = store.recordings("notice", 0, 2).await.unwrap();
    assert_eq!(page.iter().map(|row| row.body.as_str()).collect::<Vec<_>>(), ["1", "2"]);
    let rest = store.recordings("notice", page[1].id, 2).await.unwrap();
    assert_eq!(rest.iter().map(|row| row.body.as_str()).collect::<Vec<_>>(), ["3"]);
}
