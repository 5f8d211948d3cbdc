//! The store, whichever database it is on.

mod database;
mod methods;

use std::collections::BTreeSet;

pub use database::{Database, DatabaseAddress};

use crate::records::Work;
use crate::{StoreError, postgres, sqlite};

/// A workspace's database.
pub struct Store {
    driver: Driver,
}

enum Driver {
    Sqlite(sqlite::Store),
    Postgres(Box<postgres::Store>),
}

impl Store {
    /// Opens the database and brings its tables up to date. A file is created if it is missing; a database on a server
    /// must be there, and may be empty.
    ///
    /// # Errors
    /// [`StoreError::Open`] if it cannot be opened, is not ours, or was written by a newer version; and if a server is too
    /// old, is a standby, does not store text as UTF-8, or does not keep what it acknowledged.
    pub async fn open(database: impl Into<Database>) -> Result<Self, StoreError> {
        let driver = match database.into() {
            Database::Sqlite(file) => Driver::Sqlite(sqlite::Store::open(&file).await?),
            Database::Postgres(address) => Driver::Postgres(Box::new(
                postgres::Store::open(address.options(), &address.to_string()).await?,
            )),
        };
        Ok(Self { driver })
    }

    /// Whether other hosts may be on the same database at the same time.
    #[must_use]
    pub fn is_shared(&self) -> bool {
        matches!(self.driver, Driver::Postgres(_))
    }

    /// What [`Store::work_of`] reads, of all customers.
    ///
    /// # Errors
    /// If the database fails or a row cannot be read.
    pub async fn work(&self, now: i64, limit: i64, goals_since: i64) -> Result<Work, StoreError> {
        self.work_of(None, now, limit, goals_since).await
    }

    /// When the next enrollment is due, if any.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn next_due(&self) -> Result<Option<i64>, StoreError> {
        self.next_due_of(None).await
    }

    /// Works for these shards from now on, under this session: what is written under one that has been ended is refused with
    /// [`StoreError::SessionOver`]. Nothing changes where one host has the database to itself.
    pub fn hold(&self, epoch: Option<i64>, shards: &BTreeSet<i64>) {
        match &self.driver {
            Driver::Sqlite(_) => {}
            Driver::Postgres(store) => store.hold(epoch, shards),
        }
    }

    /// What an interrupted attempt is recorded as.
    #[must_use]
    pub fn interruption() -> &'static str {
        "the host stopped during the call; it may have happened"
    }

    /// Commits what was handed over, then closes. Later calls fail with [`StoreError::Closed`].
    pub async fn close(&self) {
        match &self.driver {
            Driver::Sqlite(store) => store.close().await,
            Driver::Postgres(store) => store.close().await,
        }
    }
}
