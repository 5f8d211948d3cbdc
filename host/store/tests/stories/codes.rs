//! Pools of imported codes.

use futures_util::future::join_all;

use super::Place;

fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

async fn take(store: &Place, keys: &[&str]) -> Vec<Option<String>> {
    store.take_codes("summer".to_owned(), words(keys)).await.unwrap()
}

async fn pool(codes: &[&str]) -> Place {
    let store = Place::new().await;
    store.import_codes("summer".to_owned(), words(codes)).await.unwrap();
    store
}

#[tokio::test]
async fn a_key_gets_the_same_code_every_time() {
    let store = pool(&["A", "B", "C"]).await;
    let first = take(&store, &["k-1", "k-2"]).await;
    assert_eq!(first, [Some("A".to_owned()), Some("B".to_owned())]);
    assert_eq!(take(&store, &["k-2", "k-1"]).await, [first[1].clone(), first[0].clone()]);
    assert_eq!(take(&store, &["k-3", "k-3"]).await, [Some("C".to_owned()), Some("C".to_owned())]);
}

#[tokio::test]
async fn an_empty_pool_gives_none_until_a_code_is_given_back() {
    let store = pool(&["A"]).await;
    assert_eq!(take(&store, &["k-1", "k-2"]).await, [Some("A".to_owned()), None]);
    assert_eq!(take(&store, &["k-3"]).await, [None]);
    store.give_back_codes("summer".to_owned(), words(&["k-1", "never-taken"])).await.unwrap();
    assert_eq!(take(&store, &["k-3"]).await, [Some("A".to_owned())]);
    assert_eq!(take(&store, &["k-1"]).await, [None]);
}

#[tokio::test]
async fn pools_are_apart() {
    let store = pool(&["A"]).await;
    assert_eq!(store.take_codes("winter".to_owned(), words(&["k-1"])).await.unwrap(), [None]);
    store.import_codes("winter".to_owned(), words(&["A"])).await.unwrap();
    let winter = store.take_codes("winter".to_owned(), words(&["k-1"])).await.unwrap();
    assert_eq!(winter, [Some("A".to_owned())]);
    assert_eq!(take(&store, &["k-1"]).await, [Some("A".to_owned())]);
}

#[tokio::test]
async fn an_import_counts_new_codes_and_leaves_taken_ones_taken() {
    let store = pool(&["A"]).await;
    take(&store, &["k-1"]).await;
    let new = store.import_codes("summer".to_owned(), words(&["A", "B", "B"])).await.unwrap();
    assert_eq!(new, 1);
    assert_eq!(take(&store, &["k-2", "k-3"]).await, [Some("B".to_owned()), None]);
}

#[tokio::test]
async fn nobody_gets_the_code_of_another() {
    let codes: Vec<String> = (0..200).map(|number| format!("code-{number:03}")).collect();
    let store = Place::new().await;
    store.import_codes("summer".to_owned(), codes).await.unwrap();
    let takes = (0..100).map(|number| {
        store.take_codes("summer".to_owned(), vec![format!("a-{number}"), format!("b-{number}")])
    });
    let mut taken: Vec<String> = join_all(takes)
        .await
        .into_iter()
        .flat_map(|codes| codes.unwrap())
        .map(Option::unwrap)
        .collect();
    taken.sort();
    taken.dedup();
    assert_eq!(taken.len(), 200);
}
