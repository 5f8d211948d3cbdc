//! Customers, identities and consents.

use futures_util::future::join_all;
use serde_json::json;
use waystation_store::StoreError;
use waystation_store::records::CustomerPatch;

use super::{NOW, Place, object, patch, with_address};

async fn one(store: &Place, id: &str) -> waystation_journey::Customer {
    store.customers(&[id.to_owned()]).await.unwrap().remove(id).expect("the customer exists")
}

#[tokio::test]
async fn a_patch_changes_what_it_names_and_leaves_the_rest() {
    let store = Place::new().await;
    let first = CustomerPatch {
        attributes: object(&json!({ "name": "Mei", "city": "Hangzhou" })),
        tags: ["new".to_owned(), "shop".to_owned()].into(),
        consents: [(
            "marketing".to_owned(),
            [("email".to_owned(), true), ("sms".to_owned(), true)].into(),
        )]
        .into(),
        ..with_address("c-1", "mei@example.com")
    };
    let second = CustomerPatch {
        attributes: object(&json!({ "city": null, "age": 30 })),
        untag: ["new".to_owned()].into(),
        consents: [("marketing".to_owned(), [("sms".to_owned(), false)].into())].into(),
        ..patch("c-1")
    };
    store.upsert_customers(vec![first], NOW).await.unwrap();
    store.upsert_customers(vec![second], NOW).await.unwrap();
    let customer = one(&store, "c-1").await;
    assert_eq!(customer.attributes, object(&json!({ "name": "Mei", "age": 30 })));
    assert_eq!(customer.tags, ["shop".to_owned()].into());
    assert_eq!(customer.consents["marketing"], ["email".to_owned()].into());
    assert_eq!(customer.identities["email"], "mei@example.com");
}

#[tokio::test]
async fn patches_of_one_customer_at_the_same_time_all_last() {
    let store = Place::new().await;
    let patches = (0..100).map(|number| {
        let tagged = CustomerPatch { tags: [format!("tag-{number}")].into(), ..patch("c-1") };
        store.upsert_customers(vec![tagged], NOW)
    });
    for done in join_all(patches).await {
        done.unwrap();
    }
    assert_eq!(one(&store, "c-1").await.tags.len(), 100);
}

#[tokio::test]
async fn two_patches_of_one_customer_in_one_request_both_count() {
    let store = Place::new().await;
    let patches = vec![
        CustomerPatch { tags: ["a".to_owned()].into(), ..patch("c-1") },
        CustomerPatch { tags: ["b".to_owned()].into(), ..patch("c-1") },
    ];
    store.upsert_customers(patches, NOW).await.unwrap();
    assert_eq!(one(&store, "c-1").await.tags.len(), 2);
}

#[tokio::test]
async fn an_identity_belongs_to_one_customer_and_a_conflict_writes_nothing() {
    let store = Place::new().await;
    store.upsert_customers(vec![with_address("c-1", "a@example.com")], NOW).await.unwrap();
    let request = vec![patch("c-2"), with_address("c-3", "a@example.com")];
    let refused = store.upsert_customers(request, NOW).await;
    assert!(matches!(refused, Err(StoreError::IdentityTaken)), "{refused:?}");
    let names = ["c-1", "c-2", "c-3"].map(str::to_owned);
    let known = store.customers(&names).await.unwrap();
    assert_eq!(known.keys().collect::<Vec<_>>(), ["c-1"]);
}

#[tokio::test]
async fn an_identity_is_replaced_removed_and_then_free_for_another() {
    let store = Place::new().await;
    for address in ["a@example.com", "b@example.com"] {
        store.upsert_customers(vec![with_address("c-1", address)], NOW).await.unwrap();
    }
    assert_eq!(one(&store, "c-1").await.identities["email"], "b@example.com");
    store.upsert_customers(vec![with_address("c-2", "a@example.com")], NOW).await.unwrap();
    store.upsert_customers(vec![with_address("c-1", "")], NOW).await.unwrap();
    assert!(one(&store, "c-1").await.identities.is_empty());
    store.upsert_customers(vec![with_address("c-3", "b@example.com")], NOW).await.unwrap();
}

#[tokio::test]
async fn two_customers_can_exchange_an_identity_in_one_request() {
    let store = Place::new().await;
    let before = vec![with_address("c-1", "a@example.com"), with_address("c-2", "b@example.com")];
    let after = vec![with_address("c-1", "b@example.com"), with_address("c-2", "a@example.com")];
    store.upsert_customers(before, NOW).await.unwrap();
    store.upsert_customers(after, NOW).await.unwrap();
    assert_eq!(one(&store, "c-1").await.identities["email"], "b@example.com");
    assert_eq!(one(&store, "c-2").await.identities["email"], "a@example.com");
}
