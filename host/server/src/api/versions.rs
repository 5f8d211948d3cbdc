//! Versions of journeys, and what differs between them.

use std::sync::Arc;

use axum::Json as Reply;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use waystation_journey::{Change, ChangeKind, Program, check, diff as differences};

use super::extract::{Body, Path, Query};
use super::operations::{Newest, exists};
use super::problem::{ApiError, Problem, faults};
use super::{App, page};

/// A version.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct VersionView {
    /// Counted from 1.
    version: i64,
    created_at: i64,
    /// Whether new customers enter it, or did last.
    in_use: bool,
}

/// A version with its file.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct VersionDetail {
    journey: String,
    version: i64,
    /// The file as it was applied.
    source: String,
}

/// What was done with a journey as a whole.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ChangeView {
    /// Counted from 1.
    number: i64,
    at: i64,
    /// `draft`, `apply`, `live`, `pause`, `resume`, `drain`, `retire`, `retired` (when the last customer had left) or `winner`.
    kind: String,
    /// The version that it is about.
    version: Option<i64>,
    /// Who did it.
    actor: String,
    detail: String,
}

/// Which versions to compare.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Between {
    /// The older version; the one before `to` if absent.
    from: Option<i64>,
    /// The newer version; the newest if absent.
    to: Option<i64>,
}

/// Which version to compare a file with.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct With {
    /// The version; the one in use if absent.
    from: Option<i64>,
}

/// One difference.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Difference {
    /// `added`, `removed`, `changed` or `moved`.
    kind: String,
    /// Path of the step, in the newer version if it is there; the key, such as `goal.within`, of what is no step.
    at: String,
    /// The step's path in the older version where it is another one.
    was: Option<String>,
    /// What is there, or what became what.
    what: String,
}

/// List the versions of a journey, the newest first.
#[utoipa::path(
    get, path = "/v1/journeys/{journey}/versions", tag = "journeys",
    params(("journey" = String, Path, description = "The journey's name")),
    responses(
        (status = 200, description = "Versions", body = Vec<VersionView>),
        (status = 404, description = "No such journey", body = Problem, content_type = "application/problem+json")
    )
)]
pub(crate) async fn list(
    State(app): State<App>,
    Path(journey): Path<String>,
) -> Result<Reply<Vec<VersionView>>, ApiError> {
    let store = app.engine.store();
    let row = store.journey(&journey).await?;
    let row = row.ok_or_else(|| ApiError::NotFound(format!("journey `{journey}`")))?;
    let versions = store.versions(&journey).await?.into_iter().map(|one| VersionView {
        version: one.version,
        created_at: one.created_at,
        in_use: one.version == row.live_version,
    });
    Ok(Reply(versions.collect()))
}

/// Read a version.
#[utoipa::path(
    get, path = "/v1/journeys/{journey}/versions/{version}", tag = "journeys",
    params(
        ("journey" = String, Path, description = "The journey's name"),
        ("version" = i64, Path, description = "The version's number")
    ),
    responses(
        (status = 200, description = "The version", body = VersionDetail),
        (status = 404, description = "No such journey or version", body = Problem, content_type = "application/problem+json")
    )
)]
pub(crate) async fn get(
    State(app): State<App>,
    Path((journey, version)): Path<(String, i64)>,
) -> Result<Reply<VersionDetail>, ApiError> {
    let source = app.engine.store().journey_source(&journey, version).await?;
    let source = source.ok_or_else(|| missing(&journey, version))?;
    Ok(Reply(VersionDetail { journey, version, source }))
}

/// List what was done with a journey as a whole, and by whom, the newest first.
#[utoipa::path(
    get, path = "/v1/journeys/{journey}/history", tag = "journeys",
    params(("journey" = String, Path, description = "The journey's name"), Newest),
    responses(
        (status = 200, description = "Changes", body = Vec<ChangeView>),
        (status = 404, description = "No such journey", body = Problem, content_type = "application/problem+json")
    )
)]
pub(crate) async fn history(
    State(app): State<App>,
    Path(journey): Path<String>,
    Query(query): Query<Newest>,
) -> Result<Reply<Vec<ChangeView>>, ApiError> {
    let rows = app.engine.store().journey_changes(&journey, page(query.limit)?).await?;
    if rows.is_empty() {
        exists(&app, &journey).await?;
    }
    let rows = rows.into_iter().map(|row| ChangeView {
        number: row.number,
        at: row.at,
        kind: row.kind,
        version: row.version,
        actor: row.actor,
        detail: row.detail,
    });
    Ok(Reply(rows.collect()))
}

/// Compare two versions, step by step.
#[utoipa::path(
    get, path = "/v1/journeys/{journey}/diff", tag = "journeys",
    params(("journey" = String, Path, description = "The journey's name"), Between),
    responses(
        (status = 200, description = "What differs", body = Vec<Difference>),
        (status = 404, description = "No such journey or version", body = Problem, content_type = "application/problem+json")
    )
)]
pub(crate) async fn diff(
    State(app): State<App>,
    Path(journey): Path<String>,
    Query(between): Query<Between>,
) -> Result<Reply<Vec<Difference>>, ApiError> {
    exists(&app, &journey).await?;
    let versions = app.engine.store().versions(&journey).await?;
    let newest = versions.first().map_or(1, |one| one.version);
    let to = between.to.unwrap_or(newest);
    let from = between.from.unwrap_or((to - 1).max(1));
    let (older, newer) = (program(&app, &journey, from)?, program(&app, &journey, to)?);
    Ok(Reply(shown(&older, &newer)))
}

/// Compare a file with a version, step by step. Nothing changes.
#[utoipa::path(
    post, path = "/v1/journeys/{journey}/diff", tag = "journeys",
    params(("journey" = String, Path, description = "The journey's name"), With),
    request_body(content = String, content_type = "application/yaml", description = "The journey file"),
    responses(
        (status = 200, description = "What differs", body = Vec<Difference>),
        (status = 404, description = "No such journey or version", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "The file has errors, each with its line and column", body = Problem, content_type = "application/problem+json")
    )
)]
pub(crate) async fn diff_file(
    State(app): State<App>,
    Path(journey): Path<String>,
    Query(with): Query<With>,
    body: Body,
) -> Result<Reply<Vec<Difference>>, ApiError> {
    let row = app.engine.store().journey(&journey).await?;
    let row = row.ok_or_else(|| ApiError::NotFound(format!("journey `{journey}`")))?;
    let older = program(&app, &journey, with.from.unwrap_or(row.live_version.max(1)))?;
    let checked = check(body.text()?, None);
    let newer = checked.program.ok_or_else(|| ApiError::Invalid(faults(&checked.problems)))?;
    Ok(Reply(shown(&older, &newer)))
}

fn program(app: &App, journey: &str, version: i64) -> Result<Arc<Program>, ApiError> {
    app.engine.program(journey, version).ok_or_else(|| missing(journey, version))
}

fn missing(journey: &str, version: i64) -> ApiError {
    ApiError::NotFound(format!("version {version} of journey `{journey}`"))
}

fn shown(older: &Program, newer: &Program) -> Vec<Difference> {
    differences(older, newer).into_iter().map(Difference::from).collect()
}

impl From<Change> for Difference {
    fn from(change: Change) -> Self {
        let kind = match change.kind {
            ChangeKind::Added => "added",
            ChangeKind::Removed => "removed",
            ChangeKind::Changed => "changed",
            ChangeKind::Moved => "moved",
        };
        Self { kind: kind.to_owned(), at: change.at, was: change.was, what: change.what }
    }
}
