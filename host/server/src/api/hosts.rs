//! Hosts that share the workspace's database.

use axum::Json as Reply;
use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;
use waystation_store::records::HostRow;

use super::App;
use super::problem::ApiError;

/// A host at work.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct HostView {
    /// Its name: the machine's, and where it listens.
    name: String,
    /// The number of its session: higher for one that began later.
    epoch: i64,
    /// When the session began, in Unix milliseconds.
    started_at: i64,
    /// When the session is over unless it is renewed, in Unix milliseconds of the database's clock.
    until: i64,
    /// How many of the 64 shards of customers it works for.
    shards: i64,
    /// Number of the configuration that is in use there; it grows with every change.
    configuration: i64,
}

impl From<HostRow> for HostView {
    fn from(row: HostRow) -> Self {
        let HostRow { epoch, name, started_at, until, configuration, shards } = row;
        Self { name, epoch, started_at, until, shards, configuration }
    }
}

/// List the hosts that share a PostgreSQL database, in the order in which they came. A database file has one host, which is not
/// listed.
#[utoipa::path(
    get, path = "/v1/hosts", tag = "hosts",
    responses((status = 200, description = "Hosts", body = Vec<HostView>))
)]
pub(crate) async fn list(State(app): State<App>) -> Result<Reply<Vec<HostView>>, ApiError> {
    Ok(Reply(app.engine.store().hosts().await?.into_iter().map(HostView::from).collect()))
}
