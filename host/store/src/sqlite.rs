//! SQLite: one writer, many readers, every commit flushed.

use std::path::Path;
use std::time::Duration;

use futures_util::future::BoxFuture;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{ConnectOptions, Connection as _};
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

#[path = "commit.rs"]
mod commit;
mod json;
#[path = "queries/mod.rs"]
mod queries;

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

async fn begin(conn: &mut Conn) -> Result<(), StoreError> {
    sqlx::query("begin immediate").execute(conn).await?;
    Ok(())
}

/// Folds the write-ahead log back into the file, so that what is left behind is one file.
async fn finish(mut conn: Conn) {
    // Another reader may still be open; then the next start does it.
    let _ = sqlx::query("pragma wal_checkpoint(truncate)").execute(&mut conn).await;
    let _ = conn.close().await;
}

/// A workspace's database.
pub struct Store {
    readers: Pool,
    writer: Mutex<Option<JoinHandle<()>>>,
    queue: std::sync::RwLock<Option<std::sync::Arc<commit::Writer>>>,
}

impl Store {
    /// Opens the database file, creating it if it is missing, and brings its tables up to date.
    ///
    /// # Errors
    /// [`StoreError::Open`] if the file cannot be opened, is not ours, or was written by a newer version.
    pub async fn open(file: &Path) -> Result<Self, StoreError> {
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
            .connect_with(options.read_only(true))
            .await
            .map_err(failed)?;
        let (queue, writer) = commit::Writer::start(conn);
        Ok(Self {
            readers,
            writer: Mutex::new(Some(writer)),
            queue: std::sync::RwLock::new(Some(std::sync::Arc::new(queue))),
        })
    }

    /// Commits what was handed over, then closes. Later calls fail with [`StoreError::Closed`].
    pub async fn close(&self) {
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

    async fn write<T, F>(&self, statements: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: for<'c> FnOnce(&'c mut Conn) -> BoxFuture<'c, Result<T, StoreError>> + Send + 'static,
    {
        let writer =
            self.queue.read().ok().and_then(|queue| queue.clone()).ok_or(StoreError::Closed)?;
        writer.write(statements).await
    }
}
