//! The database file.

use waystation_store::{Store, StoreError};

use super::Home;

#[tokio::test]
async fn a_closed_store_leaves_one_file() {
    let home = Home::new();
    let store = Store::open(&home.database()).await.unwrap();
    store.set_setting("key", "value".to_owned()).await.unwrap();
    store.close().await;
    let files: Vec<_> =
        std::fs::read_dir(home.0.path()).unwrap().map(|file| file.unwrap().file_name()).collect();
    assert_eq!(files, ["test.db"]);
}

#[tokio::test]
async fn a_file_that_is_no_database_is_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("notes.txt");
    std::fs::write(&file, "just some notes, and certainly not a database at all\n".repeat(100))
        .unwrap();
    match Store::open(&file).await {
        Err(StoreError::Open { place, .. }) => assert!(place.ends_with("notes.txt"), "{place}"),
        Err(other) => panic!("{other}"),
        Ok(_) => panic!("a text file was opened as a database"),
    }
}
