//! Where a workspace's data is.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use sqlx::postgres::PgConnectOptions;

use crate::StoreError;

/// What an address may carry behind its `?`. The names are libpq's.
const PARAMETERS: [&str; 8] =
    ["application_name", "dbname", "host", "port", "sslcert", "sslkey", "sslmode", "sslrootcert"];

/// Where a workspace's data is. It is written as `postgres://user:password@host:port/database?sslmode=verify-full`, or as the
/// path of a file.
#[derive(Debug, Clone)]
pub enum Database {
    /// A file, which one host uses at a time.
    Sqlite(PathBuf),
    /// A database on a PostgreSQL server, which several hosts may share.
    Postgres(DatabaseAddress),
}

/// Address of a database on a server. It is shown without its password.
#[derive(Clone)]
pub struct DatabaseAddress {
    options: Box<PgConnectOptions>,
}

impl DatabaseAddress {
    pub(crate) fn options(&self) -> &PgConnectOptions {
        &self.options
    }
}

impl fmt::Display for DatabaseAddress {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        let options = &self.options;
        let database = options.get_database().unwrap_or(options.get_username());
        let user = options.get_username();
        match options.get_socket() {
            Some(socket) => write!(to, "postgres://{user}@{}/{database}", socket.display()),
            None => {
                let (host, port) = (options.get_host(), options.get_port());
                write!(to, "postgres://{user}@{host}:{port}/{database}")
            }
        }
    }
}

impl fmt::Debug for DatabaseAddress {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, to)
    }
}

impl fmt::Display for Database {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sqlite(file) => file.display().fmt(to),
            Self::Postgres(address) => address.fmt(to),
        }
    }
}

impl FromStr for Database {
    type Err = StoreError;

    /// # Errors
    /// [`StoreError::Open`] if it is an address of another kind of database, or one that cannot be read. The address itself
    /// is not repeated, as it may hold a password.
    fn from_str(text: &str) -> Result<Self, StoreError> {
        let Some((scheme, rest)) = text.split_once("://") else {
            return Ok(Self::Sqlite(PathBuf::from(text)));
        };
        let wrong = |detail: String| StoreError::Open {
            place: format!("{scheme}://…"),
            detail: format!(
                "{detail}; write postgres://user:password@host:port/database?sslmode=verify-full, or the path of a file"
            ),
        };
        if scheme != "postgres" && scheme != "postgresql" {
            return Err(wrong(format!("`{scheme}` is no kind of database that is supported")));
        }
        let parameters = rest.split_once('?').map_or("", |(_, parameters)| parameters);
        for parameter in parameters.split('&').filter(|parameter| !parameter.is_empty()) {
            let name = parameter.split('=').next().unwrap_or_default();
            if !PARAMETERS.contains(&name) {
                return Err(wrong(format!(
                    "`{name}` is no parameter that is supported, of which there are {}",
                    PARAMETERS.join(", ")
                )));
            }
        }
        let options: PgConnectOptions =
            text.parse().map_err(|error: sqlx::Error| wrong(error.to_string()))?;
        Ok(Self::Postgres(DatabaseAddress { options: Box::new(options) }))
    }
}

impl From<&Database> for Database {
    fn from(database: &Database) -> Self {
        database.clone()
    }
}

impl From<&Path> for Database {
    fn from(file: &Path) -> Self {
        Self::Sqlite(file.to_owned())
    }
}

impl From<&PathBuf> for Database {
    fn from(file: &PathBuf) -> Self {
        Self::Sqlite(file.clone())
    }
}
