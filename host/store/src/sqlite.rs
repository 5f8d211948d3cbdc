//! SQLite: one writer, many readers, every commit flushed.

use std::path::Path;
use std::time::Duration;

use futures_util::future::BoxFuture;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{ConnectOptions, Connection as _, Sqlite, Transaction};
use tokio::sync::Mutex;
use tokio::task::JoinHandle;

use crate::{StoreError, faults};

/// The concrete driver that the query modules below are compiled with.
pub(crate) type Conn = sqlx::SqliteConnection;
pub(crate) type Pool = sqlx::SqlitePool;
pub(crate) type Row = sqlx::sqlite::SqliteRow;

/// How a batch enters a statement: the elements of a JSON array parameter as rows of a table `batch` with a column `value`.
macro_rules! each {
    ($parameter:literal) => {
        concat!("jsonb_each(", $parameter, ") as batch")
    };
}

/// The same of a list of texts or numbers, as a table with a column `value` of texts or numbers.
macro_rules! texts {
    ($parameter:literal) => {
        concat!("json_each(", $parameter, ") as batch")
    };
}

/// Selects rows as one text, a JSON array of arrays: a row by itself takes a message from the connection's thread and a copy of
/// each value, which costs more than to find it.
macro_rules! gather {
    ($columns:expr) => {
        concat!("json_group_array(json_array(", $columns, "))")
    };
}

/// Ends a statement that reads what this transaction goes on to change: nobody else changes it meanwhile. Here nobody else
/// can, as there is one writer.
macro_rules! for_update {
    () => {
        ""
    };
}

/// The same, passing over rows that another transaction holds.
macro_rules! for_update_of_the_free {
    () => {
        ""
    };
}

/// Whether a row's customer is among those of the parameter: a half of them, or all, as a file has one host. The end of an
/// identifier tells the halves apart; where all identifiers end alike, one half is empty.
macro_rules! within {
    ($parameter:literal) => {
        concat!(
            "(",
            $parameter,
            " not in ('first half', 'second half') or (",
            $parameter,
            " = 'second half') = (unicode(substr(customer, -1)) % 2 is 1))"
        )
    };
}

mod alone;
#[path = "commit.rs"]
mod commit;
mod json;
#[path = "queries/mod.rs"]
mod queries;

use alone::configuration;

/// Readers at once; each is a thread of its own.
const READERS: u32 = 4;
/// Rows that a connection's thread may be ahead of whoever reads them; as many as a batch has.
const ROWS: usize = 1024;
/// How long a statement waits for another process that holds the database.
const BUSY: Duration = Duration::from_secs(10);

/// Every commit is flushed to the disk before anybody is told.
fn synchronous() -> SqliteSynchronous {
    if faults::planted("plant.no-flush") { SqliteSynchronous::Off } else { SqliteSynchronous::Full }
}

/// Where the writer's connection comes from, and how its transactions begin.
pub(crate) struct Source {
    options: SqliteConnectOptions,
}

impl Source {
    async fn connect(&self) -> Result<Conn, StoreError> {
        Ok(self.options.connect().await?)
    }

    /// Begins a transaction of the writer.
    async fn begin(&self, conn: &mut Conn) -> Result<(), StoreError> {
        self.statement(conn, "begin immediate").await
    }

    async fn statement(&self, conn: &mut Conn, statement: &'static str) -> Result<(), StoreError> {
        sqlx::query(statement).execute(conn).await?;
        Ok(())
    }

    /// Waits for what a job asks of the database. A file answers, or fails.
    async fn within<T>(&self, work: impl Future<Output = T>) -> Result<T, StoreError> {
        Ok(work.await)
    }
}

/// Folds the write-ahead log back into the file, so that what is left behind is one file.
async fn finish(mut conn: Conn) {
    // Another reader may still be open; then the next start does it.
    let _ = sqlx::query("pragma wal_checkpoint(truncate)").execute(&mut conn).await;
    let _ = conn.close().await;
}

/// A workspace's database in a file.
pub(crate) struct Store {
    readers: Pool,
    writer: Mutex<Option<JoinHandle<()>>>,
    queue: std::sync::RwLock<Option<std::sync::Arc<commit::Writer>>>,
}

impl Store {
    /// Opens the database file, creating it if it is missing, and brings its tables up to date.
    pub(crate) async fn open(file: &Path) -> Result<Self, StoreError> {
        let place = file.display().to_string();
        let failed = |error: sqlx::Error| StoreError::Open {
            place: place.clone(),
            detail: error.to_string(),
        };
        let options = SqliteConnectOptions::new()
            .filename(file)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(synchronous())
            .busy_timeout(BUSY)
            .row_buffer_size(ROWS)
            .pragma("cache_size", "-65536")
            .pragma("temp_store", "memory")
            .pragma("wal_autocheckpoint", "4000")
            .disable_statement_logging();
        let mut conn = options.connect().await.map_err(failed)?;
        sqlx::migrate!("migrations/sqlite").run(&mut conn).await.map_err(|error| {
            StoreError::Open { place: place.clone(), detail: error.to_string() }
        })?;
        let readers = SqlitePoolOptions::new()
            .max_connections(READERS)
            .connect_with(options.clone().read_only(true))
            .await
            .map_err(failed)?;
        let (queue, writer) = commit::Writer::start(Source { options }, conn);
        Ok(Self {
            readers,
            writer: Mutex::new(Some(writer)),
            queue: std::sync::RwLock::new(Some(std::sync::Arc::new(queue))),
        })
    }

    /// Commits what was handed over, then closes. Later calls fail with [`StoreError::Closed`].
    pub(crate) async fn close(&self) {
        if let Ok(mut queue) = self.queue.write() {
            queue.take();
        }
        self.readers.close().await;
        if let Some(writer) = self.writer.lock().await.take() {
            // A writer that panicked has nothing more to commit.
            let _ = writer.await;
        }
    }

    fn readers(&self) -> &Pool {
        &self.readers
    }

    /// Begins a transaction of a reader, all of whose statements see the same moment.
    async fn snapshot(&self) -> Result<Transaction<'static, Sqlite>, StoreError> {
        Ok(self.readers.begin().await?)
    }

    async fn write<A, T, F>(&self, arguments: A, statements: F) -> Result<T, StoreError>
    where
        A: Send + Sync + 'static,
        T: Send + 'static,
        F: for<'c> Fn(&'c mut Conn, &'c A) -> BoxFuture<'c, Result<T, StoreError>>
            + Send
            + Sync
            + 'static,
    {
        let writer =
            self.queue.read().ok().and_then(|queue| queue.clone()).ok_or(StoreError::Closed)?;
        writer.write(arguments, statements).await
    }
}
