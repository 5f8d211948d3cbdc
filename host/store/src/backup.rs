//! Copies of a database file, made while others use it, and what is looked at before one is put into use.
//!
//! A server has means of its own for this: `pg_dump`, base backups and the archive of its log.

use std::path::Path;
use std::time::Duration;

use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions as _, Connection as _, SqliteConnection};

use crate::StoreError;

/// How long to wait for another process that holds the database.
const BUSY: Duration = Duration::from_secs(10);

/// What is in a copy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Copied {
    /// The newest migration that it has seen.
    pub schema: i64,
    /// Digests of the releases that it has installed.
    pub releases: Vec<String>,
    /// Its sealed setting of this name, to see whether a key opens it.
    pub sealed: Option<String>,
}

/// Copies the database at one moment into a file that must not exist. It may be in use; writers are not held up, but their log
/// grows until the copy is made.
///
/// # Errors
/// [`StoreError::Open`] if there is no database of ours, [`StoreError::Database`] if it cannot be copied.
pub async fn copy(file: &Path, to: &Path, sealed: &str) -> Result<Copied, StoreError> {
    let mut conn = connect(file).await?;
    let place = to
        .to_str()
        .ok_or_else(|| StoreError::Database(format!("the name {} is no text", to.display())))?;
    sqlx::query("vacuum into $1").bind(place).execute(&mut conn).await?;
    close(conn).await?;
    examine(to, sealed).await
}

/// Looks a copy through, from one end to the other.
///
/// # Errors
/// [`StoreError::Open`] if it is no database of ours, [`StoreError::Corrupt`] if it is damaged.
pub async fn examine(file: &Path, sealed: &str) -> Result<Copied, StoreError> {
    let mut conn = connect(file).await?;
    let damage: Vec<String> =
        sqlx::query_scalar("pragma integrity_check(10)").fetch_all(&mut conn).await?;
    if damage != ["ok"] {
        return Err(StoreError::Corrupt {
            what: format!("the database {}", file.display()),
            detail: damage.join("; "),
        });
    }
    let schema = sqlx::query_scalar("select max(version) from _sqlx_migrations where success")
        .fetch_one(&mut conn)
        .await
        .map_err(|error| StoreError::Open {
            place: file.display().to_string(),
            detail: format!("it is no database of Waystation's ({error})"),
        })?;
    let releases = sqlx::query_scalar("select digest from release order by digest")
        .fetch_all(&mut conn)
        .await?;
    let sealed = sqlx::query_scalar("select value from setting where name = $1")
        .bind(sealed)
        .fetch_optional(&mut conn)
        .await?;
    close(conn).await?;
    Ok(Copied { schema, releases, sealed })
}

/// The newest migration that this program knows.
#[must_use]
pub fn newest_schema() -> i64 {
    sqlx::migrate!("migrations/sqlite").iter().map(|one| one.version).max().unwrap_or(0)
}

async fn connect(file: &Path) -> Result<SqliteConnection, StoreError> {
    let options =
        SqliteConnectOptions::new().filename(file).busy_timeout(BUSY).disable_statement_logging();
    options.connect().await.map_err(|error| StoreError::Open {
        place: file.display().to_string(),
        detail: error.to_string(),
    })
}

async fn close(conn: SqliteConnection) -> Result<(), StoreError> {
    Ok(conn.close().await?)
}
