//! What plugins keep between calls.

use futures_util::future::join_all;
use waystation_store::records::SpaceUsedUp;

use super::Place;

/// Room for every value of a story.
const ROOM: u64 = 1 << 20;

async fn set(
    store: &Place,
    entries: &[(&str, Option<&str>)],
    space: u64,
) -> Result<(), SpaceUsedUp> {
    let entries = entries
        .iter()
        .map(|(key, value)| ((*key).to_owned(), value.map(|value| value.as_bytes().to_vec())))
        .collect();
    store.set_values("notice".to_owned(), entries, space).await.unwrap()
}

async fn get(store: &Place, keys: &[&str]) -> Vec<Option<String>> {
    let keys: Vec<String> = keys.iter().map(|key| (*key).to_owned()).collect();
    let found = store.values("notice", &keys).await.unwrap();
    found.into_iter().map(|value| value.map(|bytes| String::from_utf8(bytes).unwrap())).collect()
}

async fn swap(store: &Place, key: &str, old: Option<&str>, new: Option<&str>) -> bool {
    let bytes = |text: &str| text.as_bytes().to_vec();
    let entry = (key.to_owned(), new.map(bytes));
    store.swap_value("notice".to_owned(), old.map(bytes), entry, ROOM).await.unwrap().unwrap()
}

fn some(text: &str) -> Option<String> {
    Some(text.to_owned())
}

#[tokio::test]
async fn values_are_read_in_the_order_asked_and_survive_a_restart() {
    let store = Place::new().await;
    set(&store, &[("a", Some("1")), ("b", Some("2"))], ROOM).await.unwrap();
    set(&store, &[("b", Some("3")), ("c", Some("")), ("a", None)], ROOM).await.unwrap();
    let store = store.reopened().await;
    assert_eq!(
        get(&store, &["c", "b", "a", "b", "never"]).await,
        [some(""), some("3"), None, some("3"), None]
    );
}

#[tokio::test]
async fn any_key_and_any_bytes_can_be_kept() {
    let store = Place::new().await;
    let key = "\u{0}a' \"\u{1F60A}".to_owned();
    let bytes: Vec<u8> = (0..=255).collect();
    let entries = vec![(key.clone(), Some(bytes.clone())), ("\u{0}".to_owned(), Some(vec![0]))];
    store.set_values("notice".to_owned(), entries, ROOM).await.unwrap().unwrap();
    let keys = [key, "\u{0}".to_owned(), String::new()];
    assert_eq!(store.values("notice", &keys).await.unwrap(), [Some(bytes), Some(vec![0]), None]);
}

#[tokio::test]
async fn connections_do_not_see_each_others_values() {
    let store = Place::new().await;
    set(&store, &[("a", Some("1"))], ROOM).await.unwrap();
    assert_eq!(store.values("other", &["a".to_owned()]).await.unwrap(), [None]);
    // Space is counted for each of them.
    let entries = vec![("a".to_owned(), Some(vec![0; 9]))];
    assert_eq!(store.set_values("other".to_owned(), entries, 10).await.unwrap(), Ok(()));
}

#[tokio::test]
async fn of_entries_with_the_same_key_the_last_one_counts() {
    let store = Place::new().await;
    set(&store, &[("a", Some("123456789")), ("a", Some("1")), ("b", Some("2")), ("b", None)], 4)
        .await
        .unwrap();
    assert_eq!(get(&store, &["a", "b"]).await, [some("1"), None]);
}

#[tokio::test]
async fn space_is_bounded_and_given_back() {
    let store = Place::new().await;
    // Each takes five bytes: a key of one and a value of four.
    set(&store, &[("a", Some("1234")), ("b", Some("1234"))], 10).await.unwrap();
    assert_eq!(set(&store, &[("c", Some(""))], 10).await, Err(SpaceUsedUp));
    // All or nothing: the deletion does not happen either.
    assert_eq!(set(&store, &[("a", None), ("c", Some("12345678"))], 10).await, Err(SpaceUsedUp));
    assert_eq!(get(&store, &["a", "c"]).await, [some("1234"), None]);
    set(&store, &[("a", None), ("c", Some("1234"))], 10).await.unwrap();
    assert_eq!(set(&store, &[("d", Some(""))], 10).await, Err(SpaceUsedUp));
    // An operator may lower the bound below what is used; then values can still be made smaller.
    assert_eq!(set(&store, &[("c", Some("12345"))], 4).await, Err(SpaceUsedUp));
    set(&store, &[("c", Some("123"))], 4).await.unwrap();
    set(&store, &[("b", None), ("c", None)], 4).await.unwrap();
    set(&store, &[("d", Some("123"))], 4).await.unwrap();
    assert_eq!(get(&store, &["a", "b", "c", "d"]).await, [None, None, None, some("123")]);
}

#[tokio::test]
async fn a_swap_needs_the_value_that_is_there() {
    let store = Place::new().await;
    assert!(!swap(&store, "a", Some("1"), Some("2")).await);
    assert!(swap(&store, "a", None, Some("1")).await);
    assert!(!swap(&store, "a", None, Some("2")).await);
    assert!(!swap(&store, "a", Some(""), Some("2")).await);
    assert!(swap(&store, "a", Some("1"), Some("1")).await);
    assert_eq!(get(&store, &["a"]).await, [some("1")]);
    assert!(swap(&store, "a", Some("1"), None).await);
    assert_eq!(get(&store, &["a"]).await, [None]);
    let entry = ("a".to_owned(), Some(vec![0; 8]));
    let swapped = store.swap_value("notice".to_owned(), None, entry, 8).await.unwrap();
    assert_eq!(swapped, Err(SpaceUsedUp));
}

#[tokio::test]
async fn of_swaps_at_the_same_time_one_succeeds() {
    let store = Place::new().await;
    for round in 0..20 {
        let old = (round > 0).then(|| (round - 1).to_string());
        let new = round.to_string();
        let swaps = (0..16).map(|_| swap(&store, "counter", old.as_deref(), Some(&new)));
        let won = join_all(swaps).await.into_iter().filter(|won| *won).count();
        assert_eq!(won, 1, "round {round}");
    }
}
