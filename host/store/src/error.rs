//! What can go wrong with the database.

use thiserror::Error;

/// Why a query or a write did not succeed. Nothing of a failed write is kept.
#[derive(Debug, Clone, Error)]
pub enum StoreError {
    /// The database could not be opened or brought up to date.
    #[error("cannot open the database {place}: {detail}")]
    Open {
        /// File or address of the database.
        place: String,
        /// What the driver said.
        detail: String,
    },
    /// The database refused a statement.
    #[error("the database failed: {0}")]
    Database(String),
    /// The database cannot be reached, or did not answer in time. A write may have been done all the same: to repeat it is
    /// safe, as every write is either one that counts once or one that puts a value in the place of another.
    #[error("the database cannot be reached, or did not answer in time: {0}; try again")]
    Unreachable(String),
    /// Writes of other hosts were in the way, several times in a row.
    #[error("writes of other hosts are in the way: {0}; try again")]
    InTheWay(String),
    /// A row that this write builds on has changed since it was read; read again and repeat.
    #[error("{0} was changed by someone else meanwhile; read it again and repeat")]
    Conflict(String),
    /// An identity belongs to another customer.
    #[error(
        "an identity in the request belongs to another customer already, or stands in it twice; remove it there first"
    )]
    IdentityTaken,
    /// A stored value cannot be read; it was written by a newer version or damaged.
    #[error("{what} cannot be read: {detail}")]
    Corrupt {
        /// Table and key of the row.
        what: String,
        /// What is wrong with it.
        detail: String,
    },
    /// The session under which this host works has been ended: other hosts have its customers now. Nothing was written.
    #[error("this host's session at the database is over; it joins again by itself")]
    SessionOver,
    /// Servers are at work on a database that must be still.
    #[error("{0} is in use; stop the servers on it")]
    InUse(String),
    /// A workspace cannot be copied; nothing was.
    #[error("the workspace cannot be copied: {0}")]
    Copy(String),
    /// The store is closing; nothing more is taken.
    #[error("the store is shutting down")]
    Closed,
}

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        match &error {
            sqlx::Error::Database(inner) if inner.is_unique_violation() => {
                StoreError::Conflict(inner.message().to_owned())
            }
            sqlx::Error::Database(inner) => {
                let said = inner.message().to_owned();
                match inner.code().as_deref() {
                    Some(code) if IN_THE_WAY.contains(&code) => StoreError::InTheWay(said),
                    Some(code) if GONE.iter().any(|gone| code.starts_with(gone)) => {
                        StoreError::Unreachable(said)
                    }
                    _ => StoreError::Database(error.to_string()),
                }
            }
            sqlx::Error::PoolClosed => StoreError::Closed,
            sqlx::Error::Io(_)
            | sqlx::Error::Tls(_)
            | sqlx::Error::Protocol(_)
            | sqlx::Error::PoolTimedOut => StoreError::Unreachable(error.to_string()),
            _ => StoreError::Database(error.to_string()),
        }
    }
}

/// What PostgreSQL says when transactions stand in each other's way: serialization failure, deadlock, and a lock that was not
/// got in time. From its manual, appendix A.
const IN_THE_WAY: [&str; 3] = ["40001", "40P01", "55P03"];
/// How the codes begin with which PostgreSQL ends a session, or says that this server is of no use: connection exceptions,
/// shut-downs, too many connections, a transaction that stood idle for too long, and a server that takes no writes as it
/// became a standby. SQLite's codes are numbers of up to four digits without a leading zero: none begins so.
const GONE: [&str; 5] = ["08", "57P", "53300", "25P03", "25006"];
