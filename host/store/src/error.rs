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
    /// The database refused a statement or cannot be reached; the caller may try again.
    #[error("the database failed: {0}")]
    Database(String),
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
            _ => StoreError::Database(error.to_string()),
        }
    }
}
