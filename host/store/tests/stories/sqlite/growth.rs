//! The file does not grow without bound.

use waystation_store::records::{Pass, Subject, Trimming};

use super::all::retention::ended;
use super::all::{ALL, HOUR, NOW, Place, event};

/// Pages freed by deletions are used again: the file needs no vacuum to stop growing.
#[tokio::test]
async fn the_file_levels_off_while_old_goes_and_new_comes() {
    const ROUNDS: i64 = 24;
    const KEPT: i64 = 4;
    const EACH: i64 = 40;
    let mut store = Place::new().await;
    let mut sizes = Vec::new();
    for round in 0..ROUNDS {
        let now = NOW + round * HOUR;
        let events = (0..10 * EACH).map(|number| {
            let subject = Subject::Customer(format!("c-{}", number % 50));
            event("test", &format!("{round} {number}"), subject)
        });
        store.take_events(events.collect(), now).await.unwrap();
        let open = store.work(now, ALL, 0).await.unwrap().events;
        let events = open.iter().map(|one| one.position).collect();
        store.commit(Pass { now, events, ..Pass::default() }).await.unwrap();
        for number in 0..EACH {
            ended(&store, &format!("{round:04x}{number:04}"), now).await;
        }
        let before = now - KEPT * HOUR;
        let old = store.ended(before, (i64::MIN, ""), ALL).await.unwrap();
        let whole = old.into_iter().map(|one| one.id).collect();
        let trimming = Trimming { whole, counted_since: i64::MAX, ..Trimming::default() };
        store.trim(trimming).await.unwrap();
        let old = store.old_events(0, before, &[], ALL).await.unwrap();
        let old = old.iter().filter(|one| one.received_at < before).map(|one| one.position);
        store.delete_events(old.collect()).await.unwrap();
        // Closing folds the log back, so that the file is all there is.
        store = store.reopened().await;
        sizes.push(std::fs::metadata(store.home.0.path().join("test.db")).unwrap().len());
    }
    let (middle, end) = (sizes[ROUNDS as usize / 2], sizes[ROUNDS as usize - 1]);
    assert!(end * 10 <= middle * 11, "{sizes:?}");
    assert!(sizes[0] * 2 < middle, "the rounds are large enough to be seen: {sizes:?}");
}
