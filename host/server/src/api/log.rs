//! What a connection's plugin writes to the log.

use std::time::Duration;

use axum::Json as Reply;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use waystation_engine::PluginLine;

use super::extract::{Path, Query};
use super::problem::{ApiError, Problem};
use super::{App, page};

/// Longest wait for a line, in seconds.
const WAIT: u64 = 30;

/// Which lines.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Which {
    /// Only lines with a higher number; without it the last ones.
    after: Option<u64>,
    /// Seconds to wait for a line if there is none yet, 0 (the default) .. 30.
    #[serde(default)]
    wait: u64,
    /// Most lines, 1 .. 1,000; 100 by default.
    limit: Option<i64>,
}

/// A line of a plugin's log.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct LineView {
    /// Grows by one with each line; a gap means that lines were dropped before they were read.
    sequence: u64,
    /// When it was written.
    at: u64,
    /// `debug`, `info`, `warn` or `error`.
    level: &'static str,
    /// `name@version` of the plugin.
    release: String,
    /// At most 4 KiB, without the connection's secrets.
    text: String,
}

/// Read what a connection's plugin wrote to the log: the last 1,000 lines of at most 1 MiB are kept until the server stops.
#[utoipa::path(
    get, path = "/v1/connections/{connection}/log", tag = "connections",
    params(("connection" = String, Path, description = "The connection's name"), Which),
    responses(
        (status = 200, description = "Lines, oldest first", body = Vec<LineView>),
        (status = 404, description = "No such connection", body = Problem, content_type = "application/problem+json")
    )
)]
pub(crate) async fn read(
    State(app): State<App>,
    Path(connection): Path<String>,
    Query(which): Query<Which>,
) -> Result<Reply<Vec<LineView>>, ApiError> {
    if which.wait > WAIT {
        return Err(ApiError::invalid(
            "wait",
            format!("`wait` is {}; it must be from 0 to {WAIT} seconds", which.wait),
        ));
    }
    let limit = usize::try_from(page(which.limit)?).unwrap_or_default();
    if app.engine.store().connection(&connection).await?.is_none() {
        return Err(ApiError::NotFound(format!("connection `{connection}`")));
    }
    let log = app.engine.plugin_log();
    let mut stopping = app.stopping.clone();
    tokio::select! {
        // Without a number, any line will do.
        () = log.wait(&connection, which.after.unwrap_or_default()) => {}
        () = tokio::time::sleep(Duration::from_secs(which.wait)) => {}
        // A server that stops does not wait for those who wait for it.
        _ = stopping.wait_for(|stopping| *stopping) => {}
    }
    let lines = log.lines(&connection, which.after, limit);
    Ok(Reply(lines.into_iter().map(LineView::from).collect()))
}

impl From<PluginLine> for LineView {
    fn from(line: PluginLine) -> Self {
        Self {
            sequence: line.sequence,
            at: line.at,
            level: line.level,
            release: line.release,
            text: line.text,
        }
    }
}
