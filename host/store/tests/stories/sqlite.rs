//! The stories on a database file, and those that only a file has.

#[path = "all.rs"]
mod all;
mod file;
mod growth;

use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions as _, SqliteConnection};
use tempfile::TempDir;
use waystation_store::Database;

/// A folder.
struct Home(TempDir);

impl Home {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn database(&self) -> Database {
        Database::Sqlite(self.0.path().join("test.db"))
    }

    /// A connection past the store.
    async fn connect(&self) -> SqliteConnection {
        let options = SqliteConnectOptions::new().filename(self.0.path().join("test.db"));
        options.connect().await.unwrap()
    }
}
