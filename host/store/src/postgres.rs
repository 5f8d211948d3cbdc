//! PostgreSQL: one writer for each host, many readers, every commit flushed. Other hosts may be on the same database.
//!
//! Nothing waits for a server without bound: what is not answered in time fails, and its connection is dropped.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{AssertSqlSafe, ConnectOptions as _, Connection as _, Postgres, Row as _, Transaction};
use tokio::sync::Mutex;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::StoreError;
use crate::records::Half;

/// The concrete driver that the query modules below are compiled with.
pub(crate) type Conn = sqlx::PgConnection;
pub(crate) type Pool = sqlx::PgPool;
pub(crate) type Row = sqlx::postgres::PgRow;

/// How a batch enters a statement: the elements of a JSON array parameter as rows of a table `batch` with a column `value`.
macro_rules! each {
    ($parameter:literal) => {
        concat!("elements_of(cast(", $parameter, " as jsonb)) as batch (value)")
    };
}

/// The same of a list of texts or numbers, as a table with a column `value` of texts.
macro_rules! texts {
    ($parameter:literal) => {
        concat!("texts_of(cast(", $parameter, " as jsonb)) as batch (value)")
    };
}

/// Selects rows as one text, a JSON array of arrays.
macro_rules! gather {
    ($columns:expr) => {
        concat!("cast(coalesce(json_agg(json_build_array(", $columns, ")), '[]') as text)")
    };
}

/// Ends a statement that reads what this transaction goes on to change: nobody else changes it meanwhile.
macro_rules! for_update {
    () => {
        " for update"
    };
}

/// The same, passing over rows that another transaction holds.
macro_rules! for_update_of_the_free {
    () => {
        " for update skip locked"
    };
}

/// Whether a row is of the listed shards.
macro_rules! within {
    ($parameter:literal) => {
        concat!("shard = any (cast(string_to_array(", $parameter, ", ',') as bigint[]))")
    };
}

#[path = "commit.rs"]
mod commit;
mod hosts;
mod json;
#[path = "queries/mod.rs"]
mod queries;

/// Readers at once.
const READERS: u32 = 8;
/// Statements that a connection keeps prepared.
const PREPARED: usize = 512;
/// The oldest server that has what the tables and the settings below need.
const OLDEST: i32 = 130_000;
/// The first server that looks whether its client is still there while it works.
const LOOKS_FOR_CLIENT: i32 = 140_000;
/// How long it may take to connect.
const CONNECT: Duration = Duration::from_secs(5);
/// How long a statement of a write may take, and how long a reader waits for its answer.
const ANSWER: Duration = Duration::from_secs(10);
/// How long a statement may take that looks at all customers.
pub(crate) const SCAN: Duration = Duration::from_secs(60);
/// A connection that was idle for longer is asked whether it is still there before it is used.
const TRUSTED: Duration = Duration::from_secs(1);
/// How long that answer may take.
const PING: Duration = Duration::from_secs(3);
/// Connections are replaced after this time, so that hosts follow a server that moved.
const LIFE: Duration = Duration::from_secs(30 * 60);

/// What both ends hold to, so that neither waits for the other for ever. Whoever is gone has gone after about ten seconds.
/// Whole tables are read only where no index serves. A plan is kept while its table grows, and one that reads all of it was
/// best while the table was small.
const SESSION: &str = "set jit = off; set enable_seqscan = off; set tcp_user_timeout = '10s'; set tcp_keepalives_idle = 5; set tcp_keepalives_interval = 2; \
    set tcp_keepalives_count = 3; set client_min_messages = warning; ";
/// A write that waits for longer is in the way of others. A commit is flushed before it is acknowledged, whatever the
/// database's own setting is; one that asks for more than that stays.
const WRITER: &str = "set statement_timeout = '10s'; set lock_timeout = '5s'; \
    set idle_in_transaction_session_timeout = '5s'; \
    select set_config('synchronous_commit', 'on', false) where current_setting('synchronous_commit') = 'off'; ";
/// All statements of a reader's transaction see the same moment.
const READER: &str = "set statement_timeout = '65s'; set idle_in_transaction_session_timeout = '15s'; \
    set default_transaction_read_only = on; set default_transaction_isolation = 'repeatable read'; ";
/// Ends a transaction where there is one, and is no mistake where there is none, as a lone `rollback` would be.
const END: &str = "begin; rollback";
/// A server stops working for a client that went away.
const CLIENT_CHECK: &str = "set client_connection_check_interval = '2s'; ";

/// Where the writer's connections come from, and how its transactions begin.
#[derive(Clone)]
pub(crate) struct Source {
    options: PgConnectOptions,
    held: Arc<hosts::Held>,
}

impl Source {
    async fn connect(&self) -> Result<Conn, StoreError> {
        let mut conn = connect(&self.options).await?;
        let server = examine(&mut conn).await?;
        server.refuse().map_err(StoreError::Unreachable)?;
        settle_in(&mut conn, WRITER, server.version).await?;
        Ok(conn)
    }

    /// Begins a transaction of the writer.
    async fn begin(&self, conn: &mut Conn) -> Result<(), StoreError> {
        self.within(self.held.begin(conn)).await?
    }

    async fn statement(&self, conn: &mut Conn, statement: &'static str) -> Result<(), StoreError> {
        self.within(sqlx::query(statement).execute(conn)).await??;
        Ok(())
    }

    /// Waits for what a job asks of the database, but not for ever.
    async fn within<T>(&self, work: impl Future<Output = T>) -> Result<T, StoreError> {
        within(ANSWER, work).await
    }
}

async fn within<T>(time: Duration, work: impl Future<Output = T>) -> Result<T, StoreError> {
    timeout(time, work)
        .await
        .map_err(|_| StoreError::Unreachable(format!("no answer within {} s", time.as_secs())))
}

async fn connect(options: &PgConnectOptions) -> Result<Conn, StoreError> {
    Ok(within(CONNECT, options.connect()).await??)
}

/// What a server is.
struct Server {
    version: i32,
    version_text: String,
    encoding: String,
    fsync: String,
    standby: bool,
}

impl Server {
    /// Refuses a server on which the store would not work, or would lose what it acknowledged.
    fn refuse(&self) -> Result<(), String> {
        if self.version < OLDEST {
            return Err(format!(
                "the server is PostgreSQL {}; it must be 13 or newer",
                self.version_text
            ));
        }
        if self.encoding != "UTF8" {
            return Err(format!(
                "the database's encoding is {}; create it anew with `create database … encoding 'UTF8' template template0`",
                self.encoding
            ));
        }
        if self.fsync != "on" {
            return Err("the server runs with `fsync = off` and would lose acknowledged work when its machine fails; \
                        set `fsync = on`"
                .to_owned());
        }
        if self.standby {
            return Err("the server is a standby and takes no writes; name the primary".to_owned());
        }
        Ok(())
    }
}

async fn examine(conn: &mut Conn) -> Result<Server, StoreError> {
    let found = sqlx::query(
        "select cast(current_setting('server_version_num') as integer), current_setting('server_version'), \
         current_setting('server_encoding'), current_setting('fsync'), pg_is_in_recovery()",
    );
    let row = within(ANSWER, found.fetch_one(conn)).await??;
    Ok(Server {
        version: row.try_get(0)?,
        version_text: row.try_get(1)?,
        encoding: row.try_get(2)?,
        fsync: row.try_get(3)?,
        standby: row.try_get(4)?,
    })
}

async fn settle_in(conn: &mut Conn, own: &str, version: i32) -> Result<(), StoreError> {
    let check = if version >= LOOKS_FOR_CLIENT { CLIENT_CHECK } else { "" };
    let settings = sqlx::raw_sql(AssertSqlSafe(format!("{SESSION}{own}{check}")));
    within(ANSWER, settings.execute(conn)).await??;
    Ok(())
}

async fn finish(conn: Conn) {
    // The server notices by itself, if later.
    let _ = timeout(PING, conn.close()).await;
}

/// A workspace's database on a server.
pub(crate) struct Store {
    readers: Pool,
    writer: Mutex<Option<JoinHandle<()>>>,
    queue: std::sync::RwLock<Option<Arc<commit::Writer>>>,
    held: Arc<hosts::Held>,
    registry: hosts::Registry,
    source: Source,
}

/// Number of the configuration as this transaction sees it.
async fn configuration(conn: &mut Conn) -> Result<i64, StoreError> {
    Store::configuration_in(conn).await
}

impl Store {
    /// Connects to the database and brings its tables up to date. `place` names it in errors.
    pub(crate) async fn open(options: &PgConnectOptions, place: &str) -> Result<Self, StoreError> {
        let failed = |detail: String| StoreError::Open { place: place.to_owned(), detail };
        let name = options.get_application_name().unwrap_or("waystation").to_owned();
        let options = options
            .clone()
            .application_name(&name)
            .statement_cache_capacity(PREPARED)
            .disable_statement_logging();
        let mut conn = connect(&options).await.map_err(|error| failed(error.to_string()))?;
        let server = examine(&mut conn).await.map_err(|error| failed(error.to_string()))?;
        server.refuse().map_err(failed)?;
        // Hosts that start at the same time wait for each other here.
        sqlx::migrate!("migrations/postgres")
            .run(&mut conn)
            .await
            .map_err(|error| failed(error.to_string()))?;
        finish(conn).await;
        let held = Arc::<hosts::Held>::default();
        let source = Source { options: options.clone(), held: Arc::clone(&held) };
        let conn = source.connect().await.map_err(|error| failed(error.to_string()))?;
        let (queue, writer) = commit::Writer::start(source.clone(), conn);
        Ok(Self {
            readers: readers(options, server.version),
            writer: Mutex::new(Some(writer)),
            queue: std::sync::RwLock::new(Some(Arc::new(queue))),
            held,
            registry: hosts::Registry::default(),
            source,
        })
    }

    /// Commits what was handed over, then closes. Later calls fail with [`StoreError::Closed`].
    pub(crate) async fn close(&self) {
        if let Ok(mut queue) = self.queue.write() {
            queue.take();
        }
        // Connections that do not answer are dropped with the pool.
        let _ = timeout(ANSWER, self.readers.close()).await;
        if let Some(writer) = self.writer.lock().await.take() {
            // A writer that panicked has nothing more to commit.
            let _ = writer.await;
        }
    }

    /// Waits for a read, but not for ever.
    pub(crate) async fn read<T>(
        &self,
        read: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<T, StoreError> {
        within(ANSWER, read).await?
    }

    /// The same, of a read that looks at all customers.
    pub(crate) async fn scan<T>(
        &self,
        scan: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<T, StoreError> {
        within(SCAN, scan).await?
    }

    /// The shards that this host works for, as the parameter that `within!` reads.
    fn mine(&self) -> Arc<str> {
        self.held.shards()
    }

    /// Those of them with an even number, or the others.
    fn mine_of(&self, half: Option<Half>) -> Arc<str> {
        let shards = self.mine();
        let Some(half) = half else { return shards };
        let is_odd = |number: &&str| number.ends_with(['1', '3', '5', '7', '9']);
        let some = shards.split(',').filter(|number| is_odd(number) == (half == Half::Second));
        some.collect::<Vec<_>>().join(",").into()
    }

    fn readers(&self) -> &Pool {
        &self.readers
    }

    /// Begins a transaction of a reader, all of whose statements see the same moment.
    ///
    /// It goes on by itself if whoever asked stops waiting: the driver does not end a transaction that it had just begun to
    /// begin.
    async fn snapshot(&self) -> Result<Transaction<'static, Postgres>, StoreError> {
        let conn = self.readers.acquire().await?;
        let begun = tokio::spawn(within(ANSWER, Transaction::begin(conn, None))).await;
        Ok(begun.map_err(|_| StoreError::Closed)???)
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

/// The readers connect when they are needed.
fn readers(options: PgConnectOptions, version: i32) -> Pool {
    PgPoolOptions::new()
        .max_connections(READERS)
        .acquire_timeout(CONNECT)
        .max_lifetime(LIFE)
        .test_before_acquire(false)
        .after_connect(move |conn, _| {
            Box::pin(async move {
                settle_in(conn, READER, version).await.map_err(|error| {
                    sqlx::Error::Protocol(format!("the session's settings were not taken: {error}"))
                })
            })
        })
        .before_acquire(|conn, about| {
            Box::pin(async move {
                Ok(about.idle_for < TRUSTED
                    || matches!(timeout(PING, conn.ping()).await, Ok(Ok(()))))
            })
        })
        // Whoever stopped waiting leaves a connection in the middle of an answer, which may never end. No reader may stay in
        // a transaction, where it would go on seeing one moment.
        .after_release(|conn, _| {
            Box::pin(async move {
                match timeout(PING, sqlx::raw_sql(END).execute(conn)).await {
                    Ok(answer) => answer.map(|_| true),
                    Err(_) => {
                        Err(sqlx::Error::Protocol("the connection does not answer".to_owned()))
                    }
                }
            })
        })
        .connect_lazy_with(options)
}
