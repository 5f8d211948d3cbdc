//! Journeys.

use std::collections::BTreeMap;

use axum::Json as Reply;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use waystation_journey::{Problem, check_in};
use waystation_store::records::JourneyRow;

use super::extract::{Body, Path, Query};
use super::problem::{ApiError, Fault, Problem as ProblemDocument};
use super::{App, to_the_end};

/// How to apply.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct How {
    /// Only check it against the workspace; change nothing.
    #[serde(default)]
    pub(super) check: bool,
}

/// A journey that was applied or checked.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Applied {
    journey: String,
    /// The live version; the same as before if the file has not changed. Absent after a mere check.
    version: Option<i64>,
    /// What could be better, as `line:column` and message.
    warnings: Vec<Fault>,
}

/// A journey.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct JourneyView {
    journey: String,
    title: String,
    owner: String,
    /// `live` or `paused`.
    state: String,
    /// The version that new customers enter.
    live_version: i64,
    created_at: i64,
    updated_at: i64,
}

/// A journey with its file and what came of it.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct JourneyDetail {
    #[serde(flatten)]
    journey: JourneyView,
    /// The live version's file.
    source: String,
    /// Enrollments of all versions: `active`, and the ended ones by outcome.
    enrollments: BTreeMap<String, i64>,
}

/// Apply a journey file (YAML or JSON): check it, store it as the next version and put it into use.
#[utoipa::path(
    post, path = "/v1/journeys", tag = "journeys", params(How),
    request_body(content = String, content_type = "application/yaml", description = "The journey file, at most 256 KiB"),
    responses(
        (status = 200, description = "In use", body = Applied),
        (status = 422, description = "The file has errors, each with its line and column; nothing changed", body = ProblemDocument, content_type = "application/problem+json")
    )
)]
pub(crate) async fn apply(
    State(app): State<App>,
    Query(how): Query<How>,
    Body(body): Body,
) -> Result<Reply<Applied>, ApiError> {
    to_the_end(async move {
        let source = std::str::from_utf8(&body).map_err(|error| {
            ApiError::invalid(
                "body",
                format!(
                    "the file is not UTF-8 from byte {}; save it as UTF-8",
                    error.valid_up_to()
                ),
            )
        })?;
        let _turn = app.changing.lock().await;
        let checked = check_in(source, &app.engine.connections(), &app.engine.segments());
        let faults: Vec<Fault> = checked
            .problems
            .iter()
            .map(|problem| {
                Fault::new(format!("{}:{}", problem.line, problem.column), message(problem))
            })
            .collect();
        let Some(program) = checked.program else { return Err(ApiError::Invalid(faults)) };
        let journey = program.name().to_owned();
        let version = if how.check {
            None
        } else {
            let (title, owner) =
                (program.title().to_owned(), program.owner().unwrap_or_default().to_owned());
            let now = app.engine.now();
            let version = app
                .engine
                .store()
                .apply_journey(journey.clone(), title, owner, source.to_owned(), now)
                .await?;
            app.engine.use_journey(version, program);
            Some(version)
        };
        Ok(Reply(Applied { journey, version, warnings: faults }))
    })
    .await
}

pub(super) fn message(problem: &Problem) -> String {
    if problem.path.is_empty() {
        problem.message.clone()
    } else {
        format!("{}: {}", problem.path, problem.message)
    }
}

/// List journeys by name.
#[utoipa::path(
    get, path = "/v1/journeys", tag = "journeys",
    responses((status = 200, description = "Journeys", body = Vec<JourneyView>))
)]
pub(crate) async fn list(State(app): State<App>) -> Result<Reply<Vec<JourneyView>>, ApiError> {
    Ok(Reply(app.engine.store().journeys().await?.into_iter().map(JourneyView::from).collect()))
}

/// Read a journey.
#[utoipa::path(
    get, path = "/v1/journeys/{journey}", tag = "journeys",
    params(("journey" = String, Path, description = "The journey's name")),
    responses(
        (status = 200, description = "The journey", body = JourneyDetail),
        (status = 404, description = "No such journey", body = ProblemDocument, content_type = "application/problem+json")
    )
)]
pub(crate) async fn get(
    State(app): State<App>,
    Path(name): Path<String>,
) -> Result<Reply<JourneyDetail>, ApiError> {
    let store = app.engine.store();
    let found = store.journeys().await?.into_iter().find(|row| row.name == name);
    let row = found.ok_or_else(|| ApiError::NotFound(format!("journey `{name}`")))?;
    let source = store.journey_source(&name, row.live_version).await?.unwrap_or_default();
    let enrollments = store.enrollment_counts(&name).await?;
    Ok(Reply(JourneyDetail { journey: row.into(), source, enrollments }))
}

impl From<JourneyRow> for JourneyView {
    fn from(row: JourneyRow) -> Self {
        Self {
            journey: row.name,
            title: row.title,
            owner: row.owner,
            state: row.state,
            live_version: row.live_version,
            created_at: row.created_at,
            updated_at: row.updated_at,
        }
    }
}
