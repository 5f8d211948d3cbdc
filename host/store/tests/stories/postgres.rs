//! The stories on a server, and those that only a server has.

#[path = "all.rs"]
mod all;
#[path = "postgres/broken.rs"]
mod broken;
#[path = "postgres/hosts.rs"]
mod hosts;
#[path = "postgres/races.rs"]
mod races;
#[path = "postgres/refused.rs"]
mod refused;

use sqlx::{Connection as _, PgConnection};
use waystation_services::postgres;
use waystation_store::Database;

/// A database.
struct Home(postgres::Database);

impl Home {
    fn new() -> Self {
        Self(postgres::Database::new())
    }

    fn database(&self) -> Database {
        self.0.url().parse().unwrap()
    }

    /// A connection past the store.
    async fn connect(&self) -> PgConnection {
        PgConnection::connect(self.0.url()).await.unwrap()
    }
}
