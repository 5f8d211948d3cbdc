//! The host's own events.

use waystation_journey::{COUPON_EXPIRING, HOST_SOURCE, TAG_ADDED};
use waystation_store::records::{CustomerPatch, EffectKind, Pass};

use super::ledger::coupon;
use super::{ALL, HOUR, NOW, Place, effect, patch};

fn tagged(tags: &[&str], untag: &[&str]) -> CustomerPatch {
    let owned = |tags: &[&str]| tags.iter().map(|tag| (*tag).to_owned()).collect();
    CustomerPatch { tags: owned(tags), untag: owned(untag), ..patch("c-1") }
}

/// What the host has told of a customer and nobody has dealt with: the event's name and a property.
async fn told(store: &Place, property: &str) -> Vec<(String, String)> {
    let events = store.work(NOW, ALL, NOW).await.unwrap().events.into_iter();
    let told = events.filter(|open| open.event.source == HOST_SOURCE).map(|open| {
        assert_eq!(open.event.customer, "c-1");
        let property = open.event.properties[property].as_str().unwrap().to_owned();
        (open.event.name, property)
    });
    told.collect()
}

#[tokio::test]
async fn a_tag_is_told_of_when_the_customer_lacked_it() {
    let store = Place::new().await;
    store.upsert_customers(vec![tagged(&["old"], &[])], NOW).await.unwrap();
    let changes = vec![tagged(&["old", "new"], &[]), tagged(&["new", "brief"], &["brief"])];
    store.upsert_customers_telling(changes, NOW).await.unwrap();
    let told_of = |tag: &str| (TAG_ADDED.to_owned(), tag.to_owned());
    assert_eq!(told(&store, "tag").await, [told_of("new")]);
    // A pass tells in the transaction that changes the customer, if somebody listens.
    for (tag, tell_tags) in [("unheard", false), ("heard", true)] {
        let customers = vec![tagged(&[tag], &["new"])];
        let pass = Pass { now: NOW + 1, customers, tell_tags, ..Pass::default() };
        store.commit(pass).await.unwrap();
    }
    assert_eq!(told(&store, "tag").await, [told_of("new"), told_of("heard")]);
    // What was taken away may come again.
    store.upsert_customers_telling(vec![tagged(&["new"], &[])], NOW + 2).await.unwrap();
    assert_eq!(told(&store, "tag").await.len(), 3);
}

#[tokio::test]
async fn a_coupon_is_told_of_once_before_it_is_over() {
    let store = Place::new().await;
    let keys = ["e-1-1", "e-1-2", "e-1-3"];
    store.enroll("e-1", keys.map(|key| effect(key, EffectKind::Issue)).into()).await;
    store.mark(&keys).await;
    let coupons = vec![coupon("e-1-1", "A"), coupon("e-1-2", "B"), coupon("e-1-3", "C")];
    store.settle(coupons, NOW).await.unwrap();
    let used_codes = vec![("c-1".to_owned(), "B".to_owned())];
    store.commit(Pass { now: NOW, used_codes, ..Pass::default() }).await.unwrap();
    let over = NOW + HOUR;
    assert_eq!(store.tell_expiring(NOW, over - 1, ALL).await.unwrap(), 0);
    assert_eq!(store.tell_expiring(NOW, over, 1).await.unwrap(), 1);
    assert_eq!(store.tell_expiring(NOW, over, ALL).await.unwrap(), 1);
    assert_eq!(store.tell_expiring(NOW, over, ALL).await.unwrap(), 0);
    let told_of = |code: &str| (COUPON_EXPIRING.to_owned(), code.to_owned());
    assert_eq!(told(&store, "code").await, [told_of("A"), told_of("C")]);
}

#[tokio::test]
async fn a_coupon_that_is_over_is_not_told_of() {
    let store = Place::new().await;
    store.enroll("e-1", vec![effect("e-1-1", EffectKind::Issue)]).await;
    store.mark(&["e-1-1"]).await;
    store.settle(vec![coupon("e-1-1", "A")], NOW).await.unwrap();
    let over = NOW + HOUR;
    assert_eq!(store.tell_expiring(over, over + HOUR, ALL).await.unwrap(), 0);
}
