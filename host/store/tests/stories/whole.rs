//! The database as a whole: opened, closed, opened again.

use waystation_store::StoreError;
use waystation_store::records::{ConnectionRow, EffectKind, Pass, ReleaseRow, TokenRow};

use super::{ALL, NOW, Place, customer, effect, enrollment, event, with_address};

#[tokio::test]
async fn everything_is_there_after_the_database_was_opened_again() {
    let store = Place::new().await;
    store.upsert_customers(vec![with_address("c-1", "a@example.com")], NOW).await.unwrap();
    store.take_events(vec![event("api", "1", customer("c-1"))], NOW).await.unwrap();
    let pass = Pass {
        now: NOW,
        enrolled: vec![enrollment("e-1")],
        history: vec![("e-1".to_owned(), 1, "[]".to_owned())],
        effects: vec![effect("e-1-1", EffectKind::Send)],
        ..Pass::default()
    };
    store.commit(pass).await.unwrap();
    assert_eq!(store.setting_or("key", "first".to_owned()).await.unwrap(), "first");
    let token = TokenRow { id: "t-1".to_owned(), hash: "hash".to_owned() };
    assert!(store.add_first_token(token, NOW).await.unwrap());
    store.install(release(), None).await.unwrap();
    store.install(release(), None).await.unwrap();
    store.put_connection(connection("one"), None).await.unwrap();
    store.put_connection(connection("two"), None).await.unwrap();

    let store = store.reopened().await;
    assert_eq!(
        store.customers(&["c-1".to_owned()]).await.unwrap()["c-1"].identities["email"],
        "a@example.com"
    );
    assert_eq!(store.work(NOW, ALL, NOW).await.unwrap().events.len(), 1);
    assert_eq!(store.enrollment("e-1").await.unwrap(), Some(enrollment("e-1")));
    assert_eq!(store.history("e-1", 0, ALL).await.unwrap().len(), 1);
    assert_eq!(store.due_keys("pending", NOW).await, ["e-1-1"]);
    assert_eq!(store.setting_or("key", "second".to_owned()).await.unwrap(), "first");
    assert_eq!(store.tokens().await.unwrap().len(), 1);
    assert_eq!(store.releases().await.unwrap().len(), 1);
    let connections = store.connections().await.unwrap();
    assert_eq!((connections.len(), connections[0].config.as_str()), (1, "two"));
}

#[tokio::test]
async fn a_closed_store_refuses() {
    let store = Place::new().await;
    store.upsert_customers(vec![with_address("c-1", "a@example.com")], NOW).await.unwrap();
    store.close().await;
    let refused = store.upsert_customers(vec![with_address("c-2", "b@example.com")], NOW).await;
    assert!(matches!(refused, Err(StoreError::Closed)), "{refused:?}");
    let refused = store.customers(&["c-1".to_owned()]).await;
    assert!(matches!(refused, Err(StoreError::Closed)), "{refused:?}");
}

fn release() -> ReleaseRow {
    ReleaseRow {
        digest: "d".repeat(64),
        name: "echo".to_owned(),
        version: "1.0.0".to_owned(),
        kinds: vec!["channel".to_owned()],
        manifest: serde_json::json!({}),
        installed_at: NOW,
        signer: None,
        development: false,
    }
}

fn connection(config: &str) -> ConnectionRow {
    ConnectionRow {
        name: "notice".to_owned(),
        plugin: "echo".to_owned(),
        digest: "d".repeat(64),
        config: config.to_owned(),
        permissions: "{}".to_owned(),
        limits: "{}".to_owned(),
        recording: "{}".to_owned(),
        secrets: String::new(),
        previous: None,
        canary: None,
        updated_at: NOW,
    }
}
