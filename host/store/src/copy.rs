//! A workspace moved to another database: every table, row by row, in one transaction.
//!
//! The tables and their columns are read from the databases themselves, so that no list of them has to be kept.

use std::collections::BTreeMap;
use std::path::Path;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use futures_util::TryStreamExt as _;
use serde_json::Value;
use sqlx::postgres::{PgConnection, PgRow};
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection, SqliteRow};
use sqlx::{AssertSqlSafe, ConnectOptions as _, Connection as _, Row as _};

use crate::{Database, Store, StoreError};

/// Rows written at once, and bytes of text after which fewer are.
const ROWS: usize = 1_000;
const BYTES: usize = 4 << 20;
/// Tables about the hosts on a database and not about the workspace.
const HOSTS: [&str; 5] = ["configuration", "host", "ready_release", "shard", "wanted_release"];
/// The table of components.
const BODIES: &str = "release_body";
/// What a release's component is called in the folder of components.
const ENDING: &str = "wasm";

/// What was copied of a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Copied {
    /// The table's name.
    pub table: String,
    /// Its rows, counted at both ends.
    pub rows: i64,
}

/// A column and its type in PostgreSQL's words.
struct Column {
    name: String,
    kind: String,
}

impl Column {
    fn is_text(&self) -> bool {
        self.kind == "text"
    }
}

enum Source {
    Sqlite(SqliteConnection),
    Postgres(PgConnection),
}

/// Copies a workspace into an empty PostgreSQL database: all of it or nothing. No server may use either. The source is
/// brought up to date first. `components` is the folder with the components of its releases, if they are not in the source
/// itself.
///
/// # Errors
/// [`StoreError::Copy`] if the source is not there or is in use, the target is in use or not empty, or a component is missing
/// or is not the one that was installed; [`StoreError::Open`] if either cannot be opened; otherwise if a database fails.
pub async fn copy(
    from: &Database,
    to: &Database,
    components: Option<&Path>,
) -> Result<Vec<Copied>, StoreError> {
    let Database::Postgres(target) = to else {
        return Err(StoreError::Copy(format!("{to} is no PostgreSQL database")));
    };
    if let Database::Sqlite(file) = from
        && !file.is_file()
    {
        return Err(StoreError::Copy(format!("{} is not there", file.display())));
    }
    for database in [from, to] {
        Store::open(database).await?.close().await;
    }
    let mut source = match from {
        Database::Sqlite(file) => Source::Sqlite(
            SqliteConnectOptions::new().filename(file).read_only(true).connect().await?,
        ),
        Database::Postgres(address) => Source::Postgres(alone(address.options(), from).await?),
    };
    let mut target = alone(target.options(), to).await?;
    let mut transaction = target.begin().await?;
    let mut copied = tables(&mut source, &mut transaction, to).await?;
    if let Some(folder) = components {
        take_along(&mut transaction, folder).await?;
        for one in copied.iter_mut().filter(|one| one.table == BODIES) {
            one.rows = count_target(&mut transaction, BODIES).await?;
        }
    }
    transaction.commit().await?;
    // Statistics are gathered anew, as nobody has looked at the tables since they were filled.
    sqlx::query("analyze").execute(&mut target).await?;
    Ok(copied)
}

/// Makes sure that no server uses a PostgreSQL database at this moment.
///
/// # Errors
/// [`StoreError::InUse`] if one does; otherwise if the database cannot be reached.
pub async fn ensure_alone(database: &Database) -> Result<(), StoreError> {
    let Database::Postgres(address) = database else {
        return Err(StoreError::Copy(format!("{database} is no PostgreSQL database")));
    };
    let conn = alone(address.options(), database).await?;
    // The server notices by itself, if later.
    let _ = conn.close().await;
    Ok(())
}

/// Connects to a database that no server uses.
async fn alone(
    options: &sqlx::postgres::PgConnectOptions,
    database: &Database,
) -> Result<PgConnection, StoreError> {
    let options = options.clone().application_name("waystation-copy");
    let mut conn = options.disable_statement_logging().connect().await?;
    // Closing is a message to the server, which may need a moment to act on it. Hosts that were killed, or that a dump tells of,
    // are gone once their sessions are over.
    for _ in 0..100 {
        let others: i64 = sqlx::query_scalar(
            "select count(*) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid() \
             and application_name like 'waystation%'",
        )
        .fetch_one(&mut conn)
        .await?;
        if others == 0 && !is_worked_on(&mut conn).await? {
            return Ok(conn);
        }
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    Err(StoreError::InUse(database.to_string()))
}

/// Whether a host has a session, under whatever name it connects.
async fn is_worked_on(conn: &mut PgConnection) -> Result<bool, StoreError> {
    let there: bool = sqlx::query_scalar(
        "select exists (select 1 from information_schema.tables \
         where table_schema = current_schema() and table_name = 'host')",
    )
    .fetch_one(&mut *conn)
    .await?;
    if !there {
        return Ok(false);
    }
    let lasting = "select exists (select 1 from host where ended_at is null and until >= now_ms())";
    Ok(sqlx::query_scalar(lasting).fetch_one(conn).await?)
}

async fn tables(
    source: &mut Source,
    target: &mut PgConnection,
    to: &Database,
) -> Result<Vec<Copied>, StoreError> {
    let mut found: BTreeMap<String, Vec<Column>> = BTreeMap::new();
    let rows = sqlx::query(
        "select c.table_name::text, c.column_name::text, c.data_type::text from information_schema.columns c \
         join information_schema.tables t using (table_schema, table_name) where c.table_schema = current_schema() \
         and t.table_type = 'BASE TABLE' and c.is_generated = 'NEVER' and c.table_name not like '\\_sqlx%' \
         order by c.table_name, c.ordinal_position",
    )
    .fetch_all(&mut *target)
    .await?;
    for row in rows {
        let column = Column { name: row.try_get(1)?, kind: row.try_get(2)? };
        found.entry(row.try_get(0)?).or_default().push(column);
    }
    let mut copied = Vec::new();
    for (table, mut columns) in found {
        // What only hosts that share a database need is not in a file, and is of no use on another server.
        let known = columns_of(source, &table).await?;
        if known.is_empty() || HOSTS.contains(&table.as_str()) {
            continue;
        }
        let statement = format!("lock table {table} in exclusive mode");
        sqlx::query(AssertSqlSafe(statement)).execute(&mut *target).await?;
        let there = count_target(target, &table).await?;
        if there > 0 {
            return Err(StoreError::Copy(format!(
                "{to} is not empty: its table {table} has {there} rows"
            )));
        }
        columns.retain(|column| known.contains(&column.name));
        fill(source, target, &table, &columns).await?;
        let rows = count_source(source, &table).await?;
        let written = count_target(target, &table).await?;
        if rows != written {
            return Err(StoreError::Copy(format!(
                "of {rows} rows of the table {table}, {written} arrived"
            )));
        }
        go_on_counting(target, &table).await?;
        copied.push(Copied { table, rows });
    }
    Ok(copied)
}

async fn columns_of(source: &mut Source, table: &str) -> Result<Vec<String>, StoreError> {
    Ok(match source {
        Source::Sqlite(conn) => {
            sqlx::query_scalar("select name from pragma_table_info($1)")
                .bind(table)
                .fetch_all(conn)
                .await?
        }
        Source::Postgres(conn) => {
            sqlx::query_scalar(
                "select column_name::text from information_schema.columns \
                 where table_schema = current_schema() and table_name = $1",
            )
            .bind(table)
            .fetch_all(conn)
            .await?
        }
    })
}

async fn count_target(conn: &mut PgConnection, table: &str) -> Result<i64, StoreError> {
    let statement = format!("select count(*) from {table}");
    Ok(sqlx::query_scalar(AssertSqlSafe(statement)).fetch_one(conn).await?)
}

async fn count_source(source: &mut Source, table: &str) -> Result<i64, StoreError> {
    let statement = format!("select count(*) from {table}");
    match source {
        Source::Sqlite(conn) => {
            Ok(sqlx::query_scalar(AssertSqlSafe(statement)).fetch_one(conn).await?)
        }
        Source::Postgres(conn) => count_target(conn, table).await,
    }
}

/// Reads a table and writes it, batch by batch.
async fn fill(
    source: &mut Source,
    target: &mut PgConnection,
    table: &str,
    columns: &[Column],
) -> Result<(), StoreError> {
    let names: Vec<&str> = columns.iter().map(|column| column.name.as_str()).collect();
    let names = names.join(", ");
    let statement = format!("select {names} from {table}");
    let values: Vec<String> = columns
        .iter()
        .enumerate()
        .map(|(place, column)| format!("cast(value ->> {place} as {})", column.kind))
        .collect();
    let mut batch = Batch {
        insert: format!(
            "insert into {table} ({names}) overriding system value select {} \
             from jsonb_array_elements(cast($1 as jsonb)) as batch (value)",
            values.join(", ")
        ),
        rows: Vec::new(),
        bytes: 0,
    };
    match source {
        Source::Sqlite(conn) => {
            let mut rows = sqlx::query(AssertSqlSafe(statement)).fetch(conn);
            while let Some(row) = rows.try_next().await? {
                batch.add(sqlite_row(&row, columns)?, target).await?;
            }
        }
        Source::Postgres(conn) => {
            let mut rows = sqlx::query(AssertSqlSafe(statement)).fetch(conn);
            while let Some(row) = rows.try_next().await? {
                batch.add(postgres_row(&row, columns)?, target).await?;
            }
        }
    }
    batch.write(target).await
}

struct Batch {
    insert: String,
    rows: Vec<Vec<Value>>,
    bytes: usize,
}

impl Batch {
    async fn add(&mut self, row: Vec<Value>, target: &mut PgConnection) -> Result<(), StoreError> {
        self.bytes += row.iter().filter_map(Value::as_str).map(str::len).sum::<usize>();
        self.rows.push(row);
        if self.rows.len() >= ROWS || self.bytes >= BYTES {
            self.write(target).await?;
        }
        Ok(())
    }

    async fn write(&mut self, target: &mut PgConnection) -> Result<(), StoreError> {
        if self.rows.is_empty() {
            return Ok(());
        }
        let rows = serde_json::to_string(&self.rows)
            .map_err(|error| StoreError::Copy(error.to_string()))?;
        sqlx::query(AssertSqlSafe(self.insert.clone()))
            .bind(crate::storable::storable(rows))
            .execute(target)
            .await?;
        self.rows.clear();
        self.bytes = 0;
        Ok(())
    }
}

/// Reads a row of either driver.
macro_rules! read_row {
    ($name:ident, $row:ty) => {
        fn $name(row: &$row, columns: &[Column]) -> Result<Vec<Value>, StoreError> {
            columns
                .iter()
                .enumerate()
                .map(|(place, column)| {
                    Ok(match column.kind.as_str() {
                        "bigint" => row.try_get::<Option<i64>, _>(place)?.into(),
                        "double precision" => row.try_get::<Option<f64>, _>(place)?.into(),
                        "boolean" => row.try_get::<Option<bool>, _>(place)?.into(),
                        _ if column.is_text() => row
                            .try_get::<Option<String>, _>(place)?
                            .map(crate::storable::storable)
                            .into(),
                        other => {
                            return Err(StoreError::Copy(format!(
                                "the column {} is of the type {other}, which is unknown here",
                                column.name
                            )));
                        }
                    })
                })
                .collect()
        }
    };
}

read_row!(sqlite_row, SqliteRow);
read_row!(postgres_row, PgRow);

/// Has a table's identifiers go on after the last one that was copied.
async fn go_on_counting(target: &mut PgConnection, table: &str) -> Result<(), StoreError> {
    let column: Option<String> = sqlx::query_scalar(
        "select column_name::text from information_schema.columns \
         where table_schema = current_schema() and table_name = $1 and is_identity = 'YES'",
    )
    .bind(table)
    .fetch_optional(&mut *target)
    .await?;
    let Some(column) = column else { return Ok(()) };
    let statement = format!(
        "select setval(pg_get_serial_sequence('{table}', '{column}'), coalesce(max({column}), 0) + 1, false) from {table}"
    );
    sqlx::query(AssertSqlSafe(statement)).execute(target).await?;
    Ok(())
}

/// Puts the components of the releases into the database.
async fn take_along(target: &mut PgConnection, folder: &Path) -> Result<(), StoreError> {
    let digests: Vec<String> = sqlx::query_scalar(
        "select digest from release where not exists (select 1 from release_body where release_body.digest = release.digest)",
    )
    .fetch_all(&mut *target)
    .await?;
    for digest in digests {
        let file = folder.join(format!("{digest}.{ENDING}"));
        let component = tokio::fs::read(&file).await.map_err(|error| {
            StoreError::Copy(format!(
                "the component {} cannot be read: {error}; remove the release first if nothing needs it",
                file.display()
            ))
        })?;
        sqlx::query("insert into release_body (digest, body) values ($1, $2)")
            .bind(&digest)
            .bind(BASE64_STANDARD.encode(component))
            .execute(&mut *target)
            .await?;
    }
    Ok(())
}
