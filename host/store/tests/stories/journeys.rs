//! Journeys and their versions.

use waystation_store::records::{NewVersion, Pass};

use super::{NOW, Place, enrollment};

async fn apply(store: &Place, source: &str) -> i64 {
    let version = NewVersion {
        journey: "hello".to_owned(),
        title: "Hello".to_owned(),
        owner: "crm".to_owned(),
        source: source.to_owned(),
    };
    store.apply_version(version, None, "token t".to_owned(), NOW).await.unwrap().version
}

#[tokio::test]
async fn a_changed_source_is_a_new_version_and_the_same_source_is_none() {
    let store = Place::new().await;
    assert_eq!(apply(&store, "one").await, 1);
    assert_eq!(apply(&store, "one").await, 1);
    assert_eq!(apply(&store, "two").await, 2);
    assert_eq!(apply(&store, "one").await, 3);
    assert_eq!(store.journey_source("hello", 2).await.unwrap().as_deref(), Some("two"));
    assert_eq!(store.journey_source("hello", 4).await.unwrap(), None);
    let journeys = store.journeys().await.unwrap();
    assert_eq!((journeys.len(), journeys[0].live_version), (1, 3));
}

#[tokio::test]
async fn every_version_is_kept() {
    let store = Place::new().await;
    apply(&store, "one").await;
    store
        .commit(Pass { now: NOW, enrolled: vec![enrollment("e-1")], ..Pass::default() })
        .await
        .unwrap();
    apply(&store, "two").await;
    apply(&store, "three").await;
    let mut versions: Vec<i64> = store
        .journey_versions()
        .await
        .unwrap()
        .into_iter()
        .map(|version| version.version)
        .collect();
    versions.sort_unstable();
    assert_eq!(versions, [1, 2, 3]);
}
