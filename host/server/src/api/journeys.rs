//! Journeys.

use std::collections::BTreeMap;

use axum::Extension;
use axum::Json as Reply;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use waystation_engine::{EngineError, Inside, Preview, Treatment};
use waystation_journey::check_in;
use waystation_store::records::JourneyRow;

use super::auth::Caller;
use super::extract::{Body, Path, Query};
use super::problem::{ApiError, Fault, Problem as ProblemDocument, faults};
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

/// How to apply a journey.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct HowOfJourney {
    /// Only check it against the workspace; change nothing.
    #[serde(default)]
    check: bool,
    /// Store it as the next version and leave the one in use.
    #[serde(default)]
    draft: bool,
    /// Only tell where those inside would go on; change nothing.
    #[serde(default)]
    preview: bool,
    /// What becomes of those inside: `stay`, `move` or `leave`. If it is not said they stay, and move where only texts differ.
    #[param(value_type = Option<String>)]
    inside: Option<Inside>,
    /// Steps that are the same ones, as `OLD=NEW` with their paths, several separated by commas.
    map: Option<String>,
}

/// A journey that was applied or checked.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Applied {
    journey: String,
    /// The version; the same as before if the file has not changed. Absent after a mere check.
    version: Option<i64>,
    /// The journey's state. Absent after a mere check.
    state: Option<String>,
    /// What becomes of those inside, in batches, if they do not simply stay: `move`, `copy` (as only texts differ) or `leave`.
    inside: Option<String>,
    /// Where those inside would go on; only in a preview.
    #[serde(skip_serializing_if = "Option::is_none")]
    preview: Option<Vec<Moving>>,
    /// What could be better, as `line:column` and message.
    warnings: Vec<Fault>,
}

/// Where those go on who stand at one step.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Moving {
    /// The version that they are in.
    version: i64,
    /// Path of the step that they stand at.
    from: String,
    /// Path of the step where they would go on; absent if they would stay in their version, or leave.
    to: Option<String>,
    /// How many stand there.
    customers: u64,
}

/// A journey.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct JourneyView {
    journey: String,
    title: String,
    owner: String,
    /// `draft`, `live`, `paused`, `draining` or `retired`.
    state: String,
    /// The version that new customers enter; 0 while there are only drafts.
    live_version: i64,
    created_at: i64,
    updated_at: i64,
    /// When a customer last entered; a journey that nobody enters any more may be retired.
    last_entered_at: Option<i64>,
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
    post, path = "/v1/journeys", tag = "journeys", params(HowOfJourney),
    request_body(content = String, content_type = "application/yaml", description = "The journey file, at most 256 KiB"),
    responses(
        (status = 200, description = "In use", body = Applied),
        (status = 409, description = "The journey is drained or retired", body = ProblemDocument, content_type = "application/problem+json"),
        (status = 422, description = "The file has errors, each with its line and column; nothing changed", body = ProblemDocument, content_type = "application/problem+json")
    )
)]
pub(crate) async fn apply(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Query(how): Query<HowOfJourney>,
    body: Body,
) -> Result<Reply<Applied>, ApiError> {
    to_the_end(async move {
        let source = body.text()?;
        let _turn = app.changing.lock().await;
        let checked = check_in(source, &app.engine.connections(), &app.engine.segments());
        let faults = faults(&checked.problems);
        let Some(program) = checked.program else { return Err(ApiError::Invalid(faults)) };
        let journey = program.name().to_owned();
        let mut applied = Applied::checked(journey, faults);
        let treatment = Treatment { inside: how.inside, map: map(how.map.as_deref())? };
        if how.preview {
            let preview = app.engine.preview_journey(&program, &treatment).await;
            let preview = preview.map_err(wrong_map)?;
            applied.preview = Some(preview.into_iter().map(Moving::from).collect());
        } else if !how.check {
            let (source, engine) = (source.to_owned(), &app.engine);
            let in_use = if how.draft {
                engine.draft_journey(source, program, &caller.0).await
            } else {
                engine.apply_journey(source, program, treatment, &caller.0).await
            };
            let in_use = in_use.map_err(wrong_map)?;
            applied.version = Some(in_use.version);
            applied.state = Some(in_use.state);
            applied.inside = in_use.transfer.map(|kind| kind.word().to_owned());
        }
        Ok(Reply(applied))
    })
    .await
}

impl Applied {
    fn checked(journey: String, warnings: Vec<Fault>) -> Self {
        Self { journey, version: None, state: None, inside: None, preview: None, warnings }
    }
}

/// Reads `OLD=NEW` pairs of paths.
pub(super) fn map(text: Option<&str>) -> Result<Vec<(String, String)>, ApiError> {
    let pairs = text.into_iter().flat_map(|text| text.split(',')).map(|pair| {
        let (old, new) = pair.split_once('=').ok_or_else(|| {
            let message =
                format!("`{pair}` does not say which step is which; write `steps[2]=steps[3]`");
            ApiError::invalid("map", message)
        })?;
        Ok((old.trim().to_owned(), new.trim().to_owned()))
    });
    pairs.collect()
}

/// What is not valid about putting a version into use is which steps were said to be the same.
pub(super) fn wrong_map(error: EngineError) -> ApiError {
    match error {
        EngineError::Invalid(detail) => ApiError::invalid("map", detail),
        error => error.into(),
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
    let row = store
        .journey(&name)
        .await?
        .ok_or_else(|| ApiError::NotFound(format!("journey `{name}`")))?;
    let source = store.journey_source(&name, row.live_version).await?.unwrap_or_default();
    let enrollments = store.enrollment_counts(&name).await?;
    Ok(Reply(JourneyDetail { journey: row.into(), source, enrollments }))
}

impl From<Preview> for Moving {
    fn from(row: Preview) -> Self {
        Self { version: row.version, from: row.from, to: row.to, customers: row.customers }
    }
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
            last_entered_at: row.last_entered_at,
        }
    }
}
