//! The transaction of a pass, and many transactions in one commit.

use futures_util::future::join_all;
use waystation_journey::Status;
use waystation_store::StoreError;
use waystation_store::records::{CustomerPatch, EffectKind, Pass};

use super::{ALL, HOUR, NOW, Place, customer, effect, enrollment, event, patch, with_address};

#[tokio::test]
async fn a_pass_over_changed_enrollments_writes_nothing_at_all() {
    let store = Place::new().await;
    store.take_events(vec![event("api", "1", customer("c-1"))], NOW).await.unwrap();
    store.enroll("e-1", Vec::new()).await;
    store.enroll("e-2", Vec::new()).await;
    let advanced = |id: &str, read: i64| {
        let mut enrollment = enrollment(id);
        enrollment.seq = read + 1;
        (read, enrollment)
    };
    let position = store.work(NOW, ALL, NOW).await.unwrap().events[0].position;
    let pass = Pass {
        now: NOW,
        events: vec![position],
        enrolled: vec![enrollment("e-3")],
        advanced: vec![advanced("e-1", 0), advanced("e-2", 7)],
        history: vec![("e-1".to_owned(), 1, "[]".to_owned())],
        effects: vec![effect("e-1-1", EffectKind::Send)],
        customers: vec![CustomerPatch { tags: ["greeted".to_owned()].into(), ..patch("c-1") }],
        ..Pass::default()
    };
    let refused = store.commit(pass).await;
    assert!(matches!(refused, Err(StoreError::Conflict(_))), "{refused:?}");
    assert_eq!(store.enrollment("e-1").await.unwrap().unwrap().seq, 0);
    assert!(store.enrollment("e-3").await.unwrap().is_none());
    assert!(store.history("e-1", 0, ALL).await.unwrap().is_empty());
    assert!(store.effect("e-1-1").await.unwrap().is_none());
    assert_eq!(store.work(NOW, ALL, NOW).await.unwrap().events.len(), 1);
    assert!(store.customers(&["c-1".to_owned()]).await.unwrap()["c-1"].tags.is_empty());
}

#[tokio::test]
async fn of_two_passes_over_one_enrollment_one_counts() {
    let store = Place::new().await;
    store.enroll("e-1", Vec::new()).await;
    let passes = (0..2).map(|_| {
        let mut advanced = enrollment("e-1");
        advanced.seq = 1;
        store.commit(Pass { now: NOW, advanced: vec![(0, advanced)], ..Pass::default() })
    });
    let done = join_all(passes).await;
    assert_eq!(done.iter().filter(|done| done.is_ok()).count(), 1, "{done:?}");
}

#[tokio::test]
async fn a_customer_is_active_once_in_a_journey_with_a_key() {
    let store = Place::new().await;
    store.enroll("e-1", Vec::new()).await;
    let mut again = enrollment("e-2");
    again.key = "e-1".to_owned();
    let refused =
        store.commit(Pass { now: NOW, enrolled: vec![again.clone()], ..Pass::default() }).await;
    assert!(matches!(refused, Err(StoreError::Conflict(_))), "{refused:?}");
    let mut ended = enrollment("e-1");
    (ended.seq, ended.status, ended.ended_at) = (1, Status::Finished, Some(NOW + HOUR));
    let pass = Pass { now: NOW, advanced: vec![(0, ended)], ..Pass::default() };
    store.commit(pass).await.unwrap();
    store.commit(Pass { now: NOW, enrolled: vec![again], ..Pass::default() }).await.unwrap();
    store.take_events(vec![event("api", "1", customer("c-1"))], NOW).await.unwrap();
    let former = store.work(NOW, ALL, NOW).await.unwrap().former;
    let former = former[&("c-1".to_owned(), "hello".to_owned(), "e-1".to_owned())];
    assert!(former.active);
    assert_eq!(former.over_at, NOW + HOUR);
}

#[tokio::test]
async fn an_enrollment_is_due_at_its_time() {
    let store = Place::new().await;
    let mut waiting = enrollment("e-1");
    waiting.due_at = Some(NOW + HOUR);
    let enrolled = vec![waiting.clone(), enrollment("e-2")];
    store.commit(Pass { now: NOW, enrolled, ..Pass::default() }).await.unwrap();
    assert_eq!(store.next_due().await.unwrap(), Some(NOW + HOUR));
    assert!(store.work(NOW + HOUR - 1, ALL, NOW).await.unwrap().enrollments.is_empty());
    let work = store.work(NOW + HOUR, ALL, NOW).await.unwrap();
    assert_eq!(work.enrollments.values().collect::<Vec<_>>(), [&waiting]);
}

#[tokio::test]
async fn a_refused_write_among_many_harms_only_itself() {
    let store = Place::new().await;
    store.upsert_customers(vec![with_address("owner", "taken@example.com")], NOW).await.unwrap();
    let address = |number: usize| match number % 10 {
        3 => "taken@example.com".to_owned(),
        _ => format!("{number}@example.com"),
    };
    let writes = (0..200).map(|number| {
        let id = format!("c-{number:03}");
        store.upsert_customers(vec![with_address(&id, &address(number))], NOW)
    });
    let done = join_all(writes).await;
    let ids: Vec<String> = (0..200).map(|number| format!("c-{number:03}")).collect();
    let stored = store.customers(&ids).await.unwrap();
    for (number, (id, done)) in ids.iter().zip(done).enumerate() {
        assert_eq!(done.is_err(), number % 10 == 3, "{id}: {done:?}");
        assert_eq!(stored.contains_key(id), number % 10 != 3, "{id}");
    }
}
